"""Wrong answers to E3: one wrapper, with one mistake at a time."""

from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn

from courseware.check import misconception


class Sound(nn.Module):
    """A sound answer; the mistakes override a method."""

    def __init__(self, module, bucket_bytes=1 << 20):
        super().__init__()
        self.module, self.limit, self.syncing = module, bucket_bytes, True
        self.begin()
        self.params = [p for p in reversed(list(module.parameters())) if p.requires_grad]
        self.pack()
        self.clear()
        for p in self.params:
            p.register_post_accumulate_grad_hook(self.ready)

    def begin(self):
        for tensor in self.module.state_dict().values():
            dist.broadcast(tensor, src=0)

    def pack(self):
        self.buckets = []
        for p in self.params:
            last = self.buckets[-1] if self.buckets else None
            if last and last[0].dtype == p.dtype and sum(q.nbytes for q in [*last, p]) <= self.limit:
                last.append(p)
            else:
                self.buckets.append([p])

    def clear(self):
        self.seen, self.works, self.next = set(), {}, 0

    def ready(self, p):
        if self.syncing:
            self.seen.add(p)
            self.launch_complete()

    def launch_complete(self):
        while self.next < len(self.buckets) and self.seen.issuperset(self.buckets[self.next]):
            self.launch(self.next)
            self.next += 1

    def launch(self, i):
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.buckets[i]]
        )
        self.works[i] = dist.all_reduce(flat, async_op=True), flat

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self):
        before, self.syncing = self.syncing, False
        try:
            yield
        finally:
            self.syncing = before

    def finish(self):
        if not self.seen:
            return
        for i in range(len(self.buckets)):
            if i not in self.works:
                self.launch(i)
        self.collect()
        self.clear()

    def collect(self):
        for i, (work, flat) in self.works.items():
            work.wait()
            at = 0
            for p in self.buckets[i]:
                mean = self.average(flat[at : at + p.numel()]).view_as(p)
                p.grad = mean.clone() if p.grad is None else p.grad.copy_(mean)
                at += p.numel()

    def average(self, total):
        return total / dist.get_world_size()


@misconception("E3", diagnosis="gradient-is-the-sum")
def not_divided():
    class MiniDDP(Sound):
        def average(self, total):
            return total

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="no-common-start")
def no_broadcast():
    class MiniDDP(Sound):
        def begin(self):
            pass

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="no-overlap")
def everything_in_finish():
    class MiniDDP(Sound):
        def launch_complete(self):
            pass

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="waits-in-backward")
def waits_in_the_hook():
    class MiniDDP(Sound):
        def launch(self, i):
            super().launch(i)
            self.works[i][0].wait()

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="second-pass-replaces-the-first")
def hook_before_accumulation():
    class MiniDDP(Sound):
        def __init__(self, module, bucket_bytes=1 << 20):
            super().__init__(module, bucket_bytes)
            self.incoming = {}
            for p in self.params:
                p.register_hook(lambda grad, p=p: self.incoming.__setitem__(p, grad.clone()))

        def launch(self, i):
            grads = [self.incoming.get(p, torch.zeros_like(p)).flatten() for p in self.buckets[i]]
            flat = torch.cat(grads)
            self.works[i] = dist.all_reduce(flat, async_op=True), flat

        def clear(self):
            super().clear()
            self.incoming = {}

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="buckets-in-another-order")
def launches_what_is_full():
    class MiniDDP(Sound):
        def launch_complete(self):
            for i, bucket in enumerate(self.buckets):
                if i not in self.works and self.seen.issuperset(bucket):
                    self.launch(i)

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="no-sync-is-forgotten")
def no_sync_clears():
    class MiniDDP(Sound):
        @contextmanager
        def no_sync(self):
            self.syncing = False
            try:
                yield
            finally:
                self.syncing = True
                for p in self.params:
                    p.grad = None

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="unused-parameter-is-wrong")
def leaves_out_buckets_that_never_fill():
    class MiniDDP(Sound):
        def finish(self):
            self.collect()
            self.clear()

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="unused-parameter-hangs")
def starts_what_it_has_used_itself():
    class MiniDDP(Sound):
        def finish(self):
            for i, bucket in enumerate(self.buckets):
                if i not in self.works and self.seen.intersection(bucket):
                    self.launch(i)
            self.collect()
            self.clear()

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="talks-within-no-sync")
def no_sync_does_nothing():
    class MiniDDP(Sound):
        @contextmanager
        def no_sync(self):
            yield

        def ready(self, p):
            super().ready(p)
            if len(self.works) == len(self.buckets):
                self.finish()

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="not-one-all-reduce-a-bucket")
def one_for_each_tensor():
    class MiniDDP(Sound):
        def pack(self):
            self.buckets = [[p] for p in self.params]

    return {"MiniDDP": MiniDDP}


@misconception("E3", diagnosis="forward-is-not-the-modules")
def keywords_lost():
    class MiniDDP(Sound):
        def forward(self, *args, **kwargs):
            return self.module(*args)

    return {"MiniDDP": MiniDDP}
