"""Wrong answers to E3, as strangers make them."""

from __future__ import annotations

from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e3_ddp import Sound
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E3")
def torchs_own():
    class MiniDDP(nn.Module):
        def __init__(self, module, bucket_bytes=1 << 20):
            super().__init__()
            self.module = module
            self.inner = nn.parallel.DistributedDataParallel(module)

        def forward(self, *args, **kwargs):
            return self.inner(*args, **kwargs)

        def no_sync(self):
            return self.inner.no_sync()

        def finish(self):
            pass

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def buffers_forgotten():
    class MiniDDP(Sound):
        def begin(self):
            for p in self.module.parameters():
                dist.broadcast(p.detach(), src=0)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def only_what_is_trained():
    class MiniDDP(Sound):
        def begin(self):
            for p in [q for q in self.module.parameters() if q.requires_grad] + list(self.module.buffers()):
                dist.broadcast(p.detach(), src=0)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def average_of_the_starts():
    class MiniDDP(Sound):
        def begin(self):
            for p in self.module.state_dict().values():
                dist.all_reduce(p)
                p.copy_(p / dist.get_world_size())

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def not_written_back():
    class MiniDDP(Sound):
        def collect(self):
            for work, flat in self.works.values():
                work.wait()
                flat /= dist.get_world_size()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def divides_twice():
    class MiniDDP(Sound):
        def average(self, total):
            return total / dist.get_world_size() ** 2

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def pieces_in_forward_order():
    class MiniDDP(Sound):
        def collect(self):
            for i, (work, flat) in self.works.items():
                work.wait()
                at = 0
                for p in sorted(self.buckets[i], key=lambda q: q.numel()):
                    p.grad = (flat[at : at + p.numel()] / dist.get_world_size()).view_as(p).clone()
                    at += p.numel()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def nothing_is_forgotten():
    class MiniDDP(Sound):
        def finish(self):
            super().finish()
            self.seen = set(self.params)  # as if the next pass was over already

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def waits_at_once():
    class MiniDDP(Sound):
        def launch(self, i):
            flat = torch.cat(
                [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.buckets[i]]
            )
            dist.all_reduce(flat)
            self.works[i] = type("Done", (), {"wait": lambda self: None})(), flat

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def bucket_of_forward_order():
    class MiniDDP(Sound):
        def pack(self):
            self.params = self.params[::-1]
            super().pack()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def limit_counts_numbers():
    class MiniDDP(Sound):
        def __init__(self, module, bucket_bytes=1 << 20):
            super().__init__(module, bucket_bytes * 8)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def closes_after_the_limit():
    class MiniDDP(Sound):
        def pack(self):
            self.buckets = [[]]
            for p in self.params:
                full = sum(q.nbytes for q in self.buckets[-1]) >= self.limit
                other = self.buckets[-1] and self.buckets[-1][0].dtype != p.dtype
                if self.buckets[-1] and (full or other):
                    self.buckets.append([])
                self.buckets[-1].append(p)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def no_sync_without_finally():
    class MiniDDP(Sound):
        @contextmanager
        def no_sync(self):
            self.syncing = False
            yield
            self.syncing = True

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def finish_always_talks():
    class MiniDDP(Sound):
        def finish(self):
            dist.barrier()
            super().finish()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def broadcasts_buffers_in_eval():
    class MiniDDP(Sound):
        def forward(self, *args, **kwargs):
            for buffer in self.module.buffers():
                dist.broadcast(buffer, src=0)
            return self.module(*args, **kwargs)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def drops_keywords_and_tuples():
    class MiniDDP(Sound):
        def forward(self, x, **kwargs):
            y = self.module(x, **kwargs)
            return y[0] if isinstance(y, tuple) else y

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def one_bucket_for_all_dtypes():
    class MiniDDP(Sound):
        def pack(self):
            self.buckets = []
            for p in self.params:
                last = self.buckets[-1] if self.buckets else None
                if last and sum(q.nbytes for q in [*last, p]) <= self.limit:
                    last.append(p)
                else:
                    self.buckets.append([p])

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def divides_by_the_ranks_that_used_it():
    class MiniDDP(Sound):
        def collect(self):
            for i, (work, flat) in self.works.items():
                work.wait()
                used = torch.tensor([float(p in self.seen) for p in self.buckets[i]])
                dist.all_reduce(used)
                at = 0
                for p, count in zip(self.buckets[i], used.tolist(), strict=True):
                    mean = (flat[at : at + p.numel()] / max(count, 1)).view_as(p)
                    p.grad = mean.clone() if p.grad is None else p.grad.copy_(mean)
                    at += p.numel()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def no_sync_ends_with_on():
    class MiniDDP(Sound):
        @contextmanager
        def no_sync(self):
            self.syncing = False
            try:
                yield
            finally:
                self.syncing = True

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def full_is_not_full_enough():
    class MiniDDP(Sound):
        def __init__(self, module, bucket_bytes=1 << 20):
            super().__init__(module, bucket_bytes - 1)

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def unused_counts_as_zeros():
    class MiniDDP(Sound):
        def finish(self):
            for p in self.params:
                if self.seen and p not in self.seen:
                    p.grad = None
            super().finish()

    return {"MiniDDP": MiniDDP}


@wrong("E3")
def another_default():
    class MiniDDP(Sound):
        def __init__(self, module, bucket_bytes=25 << 20):
            super().__init__(module, bucket_bytes)

    return {"MiniDDP": MiniDDP}
