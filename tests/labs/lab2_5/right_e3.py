"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import contextlib

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd import Variable

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e3_ddp import Sound
from tests.labs.answers import Answers

right = Answers()


@right("E3")
def everything_in_methods():
    return {"MiniDDP": Sound}


@right("E3")
def counters_instead_of_sets():
    class MiniDDP(Sound):
        def clear(self):
            self.left = [len(bucket) for bucket in self.buckets]
            self.works, self.seen, self.next = {}, set(), 0
            self.where = {id(p): i for i, bucket in enumerate(self.buckets) for p in bucket}

        def ready(self, p):
            if self.syncing:
                self.seen.add(p)
                self.left[self.where[id(p)]] -= 1
                while self.next < len(self.left) and self.left[self.next] == 0:
                    self.launch(self.next)
                    self.next += 1

    return {"MiniDDP": MiniDDP}


@right("E3")
def divides_before_it_sends():
    class MiniDDP(Sound):
        def launch(self, i):
            world = dist.get_world_size()
            parts = [(torch.zeros_like(p) if p.grad is None else p.grad) / world for p in self.buckets[i]]
            flat = nn.utils.parameters_to_vector(parts)
            self.works[i] = dist.all_reduce(flat, async_op=True), flat

        def average(self, total):
            return total

    return {"MiniDDP": MiniDDP}


@right("E3")
def one_by_one_broadcasts_of_copies():
    class MiniDDP(Sound):
        @torch.no_grad()
        def begin(self):
            for tensor in [*self.module.parameters(), *self.module.buffers()]:
                copy = tensor.detach().clone()
                dist.broadcast(copy, 0)
                tensor.copy_(copy)

    return {"MiniDDP": MiniDDP}


@right("E3")
def finishes_by_itself_at_the_end_of_backward():
    """As torch does: a callback of the engine waits, `finish` has nothing left to do."""

    class MiniDDP(Sound):
        queued = False

        def ready(self, p):
            if self.syncing and not self.queued:
                self.queued = True
                Variable._execution_engine.queue_callback(self.end)
            super().ready(p)

        def end(self):
            super().finish()
            self.queued = False

        def finish(self):
            pass

    def passes(*_):
        return {"MiniDDP": MiniDDP}

    return passes()


@right("E3")
def plain_context_manager_class():
    class Silence(contextlib.AbstractContextManager):
        def __init__(self, ddp):
            self.ddp = ddp

        def __enter__(self):
            self.before, self.ddp.syncing = self.ddp.syncing, False

        def __exit__(self, *_):
            self.ddp.syncing = self.before

    class MiniDDP(Sound):
        def no_sync(self):
            return Silence(self)

    return {"MiniDDP": MiniDDP}


@right("E3")
def buckets_by_dtype():
    """Tensors of one dtype share buckets, wherever they stand."""

    class MiniDDP(Sound):
        def pack(self):
            self.buckets, open_ones = [], {}
            for p in self.params:
                bucket = open_ones.get(p.dtype)
                if bucket is None or sum(q.nbytes for q in bucket) + p.nbytes > self.limit:
                    bucket = open_ones[p.dtype] = []
                    self.buckets.append(bucket)
                bucket.append(p)

    return {"MiniDDP": MiniDDP}


@right("E3")
def gradient_hooks_through_the_accumulator():
    class MiniDDP(Sound):
        def __init__(self, module, bucket_bytes=1 << 20):
            nn.Module.__init__(self)
            self.module, self.limit, self.syncing = module, bucket_bytes, True
            self.begin()
            self.params = [p for p in reversed([*module.parameters()]) if p.requires_grad]
            self.pack()
            self.clear()
            self.accumulators = []
            for p in self.params:
                node = p.expand_as(p).grad_fn.next_functions[0][0]
                node.register_hook(lambda *_, p=p: self.ready(p))
                self.accumulators.append(node)

    return {"MiniDDP": MiniDDP}
