# %% [markdown]
# # Lab 2.5 · Distributed Training
#
# Four warm-ups of a few minutes, then five exercises. You write ring all-reduce, data-parallel training and
# a sharded optimizer, and at the end a training program that survives the death of one of its processes.
# All of it runs in real processes, on your laptop.
#
# How this notebook works:
#
# - Replace each `raise NotImplementedError` with your answer and run the cell.
# - The cell below it checks your answer. A check that says "not quite" costs nothing; run it as often as
#   you like.
# - Stuck? `lab.hint("W1")` gives the first of three hints, each more concrete. After an attempt,
#   `lab.solution("W1")` shows one good answer beside yours.
# - Once a check passes, the next cell draws or measures something with *your* code.
#
# **Where your code runs.** From W3 on, a check starts two to four processes, called *ranks*, and runs your
# function in each of them. They share nothing: what one knows, another only learns from a message. What
# your function prints comes back with its rank in front. If all ranks wait for each other, the check notices
# it, ends them, and says on which line each one stood. Nothing that you write can leave a process behind,
# so try things.
#
# In the ranks, and only there, `torch.distributed` (here `dist`) is ready to use: `dist.get_rank()` says who
# you are, `dist.get_world_size()` among how many.

# %% tags=["parameters"] cut={"full_epochs": 2}
profile = "laptop"  # "full" also trains with four ranks, and longer
full_epochs = 20

# %%
import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cloudpickle
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Sampler

from courseware import open_lab
from shared.data import digits
from shared.distributed import launch, process_group, ready_ranks

if __name__ == "__main__":
    torch.set_num_threads(1)  # several processes share this machine: one thread for each
    lab = open_lab("phase2_intermediate/lab5_distributed_training")

# %% [markdown]
# # Warm-ups
#
# Cut a tensor into parts, count what travels, send one message, and plan a ring of them. The last one holds
# half the idea of E1.

# %% [markdown] exercise="W1" minutes=4
# ## W1 · Cut into parts
#
# Work for several ranks has to be cut into parts, and the length is hardly ever a multiple of the number of
# ranks.
#
# **Write `parts(length, n)`:** a list of `n` pairs `(start, stop)` that cut `0 … length` into `n` consecutive
# parts, in order and without a gap. The sizes differ by at most one, **the longer parts come first**. Parts
# may be empty.
#
# - `length` ≥ 0 and `n` ≥ 1 are ints, and so are the numbers that you return.
#
# ```text
#   parts(10, 4)  →  [(0, 3), (3, 6), (6, 8), (8, 10)]
#   parts(2, 3)   →  [(0, 1), (1, 2), (2, 2)]
# ```


# %% exercise="W1"
def parts(length: int, n: int) -> list[tuple[int, int]]:
    """n consecutive (start, stop) that cover 0 … length; sizes differ by at most 1, the longer ones first."""
    # BEGIN SOLUTION
    size, longer = divmod(length, n)
    starts = [i * size + min(i, longer) for i in range(n + 1)]
    return list(pairwise(starts))
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", parts)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# `divmod` says both: how long a part is at least, and how many are longer by one. `torch.chunk(x, n)` does
# something else: it takes parts of ceil(length/n), so that 10 in 4 gives 3, 3, 3, 1, and 5 in 4 gives *three*
# parts. A program that waits for a fourth message then waits for ever.

# %% [markdown] exercise="W2" minutes=5
# ## W2 · What travels
#
# `n` ranks hold a tensor of `numbers` elements each, `itemsize` bytes an element; they all want the sum.
#
# - **Star.** Everybody sends its tensor to rank 0, which adds them up and sends the sum back to each of the
#   others. How many bytes does *rank 0* **send and receive**, taken together?
# - **Ring.** The tensor is cut into n parts (W1). In each of 2·(n − 1) steps every rank sends one part to
#   its right neighbour, and receives one from its left. How many bytes does *one rank* **send and
#   receive**, taken together, at most? The longest part has ceil(numbers / n) elements; count every step
#   with that.
#
# **Write `traffic(numbers, itemsize, n)`:** the two byte counts as a tuple `(star, ring)` of ints. With one
# rank nothing travels.
#
# ```text
#   traffic(1_000_000, 4, 2)   →  (8000000, 8000000)
#   traffic(1_000_000, 4, 10)  →  (72000000, 14400000)
# ```


# %% exercise="W2"
def traffic(numbers: int, itemsize: int, n: int) -> tuple[int, int]:
    """Bytes sent and received in an all-reduce: by rank 0 of a star, and by any rank of a ring."""
    # BEGIN SOLUTION
    star = 2 * (n - 1) * numbers * itemsize
    ring = 2 * 2 * (n - 1) * -(-numbers // n) * itemsize
    return star, ring
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", traffic)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# The star's busiest rank carries 2(n−1) times the tensor, so it gets slower with each rank that helps. A
# rank of the ring carries 4(n−1)/n times the tensor: less than four times, for any n. That is why gradients
# are summed in rings. What the ring pays instead are 2(n−1) messages one after the other; for small tensors
# on many machines that is what counts, and trees win.

# %% [markdown] exercise="W3" minutes=5
# ## W3 · Pass it on
#
# The ranks sit in a circle. Each holds a tensor, of the same shape and dtype on all of them.
#
# **Write `pass_right(t)`:** send `t` to the rank on your right, `(rank + 1) % world`, and return the tensor
# that came from your left. `t` itself stays as it is. With one rank there is nobody to ask: return a copy.
#
# ```text
#   before, on ranks 0 1 2:   [10]  [20]  [30]
#   returned:                 [30]  [10]  [20]
# ```
#
# Four functions are yours: `dist.send(t, dst=…)` and `dist.recv(buffer, src=…)` return when the message has
# gone or come; `dist.isend` and `dist.irecv` return at once with a request, and `request.wait()` waits.
#
# *The trap that everybody steps into once:* `send` may wait until the other side receives. What happens when
# all ranks send first? Try it: the check tells you.
#
# (Tensors must be contiguous in memory to be sent, and here they are. `buffer` is a tensor that you make.)


# %% exercise="W3"
def pass_right(t: Tensor) -> Tensor:
    """Send t to the right neighbour; return what came from the left one."""
    # BEGIN SOLUTION
    rank, world = dist.get_rank(), dist.get_world_size()
    if world == 1:
        return t.clone()
    received = torch.empty_like(t)
    sending = dist.isend(t, dst=(rank + 1) % world)
    dist.recv(received, src=(rank - 1) % world)
    sending.wait()
    return received
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", pass_right)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# `isend` announces, `recv` waits, `wait` makes sure that the announced message has gone. All ranks run the
# same lines at the same time, so "send, then receive" makes each wait for a neighbour who waits too.
# Breaking the symmetry helps as well: even ranks send first, odd ones receive first. The request has to be
# waited for: until then `t` belongs to the sender, and whoever changes it changes the message.

# %% [markdown] exercise="W4" minutes=5
# ## W4 · Who sends what when
#
# A ring all-reduce moves n chunks around the circle in 2·(n − 1) steps. In every step each rank sends one
# chunk to the right and receives one from the left.
#
# - **Phase 1**, steps s = 0 … n − 2, *adding up*: rank r sends chunk (r − s) mod n and receives chunk
#   (r − s − 1) mod n, which it **adds** to its own. Rank r ends with the complete sum of chunk (r + 1) mod n.
# - **Phase 2**, n − 1 more steps, *passing round*: each rank sends the complete chunk that it has, and what
#   it receives is complete and **replaces** its own. In the next step it sends on what it has just
#   received.
#
# **Write `ring_plan(rank, n)`:** the whole plan of one rank, a list of 2·(n − 1) pairs `(send, receive)` of
# chunk numbers from 0 to n − 1, phase 1 first.
#
# ```text
#   ring_plan(0, 3)  →  [(0, 2), (2, 1),   (1, 0), (0, 2)]
#   ring_plan(1, 2)  →  [(1, 0),           (0, 1)]
# ```
#
# With one rank the plan is empty.


# %% exercise="W4"
def ring_plan(rank: int, n: int) -> list[tuple[int, int]]:
    """(chunk to send, chunk to receive) of a rank in each of the 2(n−1) steps of a ring all-reduce."""
    # BEGIN SOLUTION
    adding = [((rank - s) % n, (rank - s - 1) % n) for s in range(n - 1)]
    passing = [((rank + 1 - s) % n, (rank - s) % n) for s in range(n - 1)]
    return adding + passing
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", ring_plan)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# Follow one chunk instead of one rank: chunk c starts at rank c, goes once around the circle and grows at
# every stop; after n − 1 steps it is complete, at rank c − 1. Then it goes around once more to tell
# everybody. Since each chunk is added up in one place after the other, in one order, all ranks end with the
# same bits.

# %% [markdown] exercise="E1" minutes=60
# ## E1 · Ring all-reduce
#
# Every rank holds a tensor `t` of the same shape and dtype. Afterwards all of them hold the same result: the
# elementwise sum, mean or maximum over the ranks. No rank may carry more than its share of the traffic.
#
# **Write `ring_all_reduce(t, op="sum", group=None)`.** It works **in place**: `t` holds the result
# afterwards, and is returned.
#
# - `op` is `"sum"`, `"mean"` or `"max"`; anything else is a `ValueError`.
# - `t` has any shape: also 0-d, empty, fewer elements than ranks, and **not contiguous** (a transposed
#   matrix, every second column). Then too the caller's `t` must hold the result. `t` needs no gradient.
# - dtypes: floating point and integers. The mean of integers is refused with a `TypeError`, before anything
#   is sent. Add in the tensor's own dtype; for the mean, divide **once**, at the end.
# - **All ranks get the same bits.** Floating-point addition depends on the order, so each element has to be
#   added up in one order for all.
# - **Traffic.** With n ranks and S elements, a rank sends at most 2·(n − 1) messages, and at most
#   2·(n − 1)·ceil(S / n)·itemsize bytes. Empty chunks may be sent or left out.
# - `group`: the ranks that take part, `None` for all. `dist.get_rank(group)` and `dist.get_world_size(group)`
#   count within the group, but `dst` and `src` of a message are ranks among *all*:
#   `dist.get_global_rank(group, r)` translates. (`group=None` is `dist.group.WORLD`.)
# - With one rank `t` stays as it is.
#
# Only `dist.send`, `dist.recv`, `dist.isend`, `dist.irecv` (also in `batch_isend_irecv`) are allowed:
# collectives such as `dist.all_reduce` or `dist.broadcast` are refused.


# %% exercise="E1"
def ring_all_reduce(
    t: Tensor, op: Literal["sum", "mean", "max"] = "sum", group: dist.ProcessGroup | None = None
) -> Tensor:
    """All-reduce in place over a ring of point-to-point messages; returns t. Same bits on every rank."""
    # BEGIN SOLUTION
    if op not in ("sum", "mean", "max"):
        raise ValueError(f"op={op!r}: expected sum, mean or max")
    if op == "mean" and not t.is_floating_point():
        raise TypeError(f"the mean of {t.dtype} is not exact: convert to a floating-point dtype first")
    group = group or dist.group.WORLD
    rank, n = dist.get_rank(group), dist.get_world_size(group)
    if n == 1 or t.numel() == 0:
        return t
    right = dist.get_global_rank(group, (rank + 1) % n)
    left = dist.get_global_rank(group, (rank - 1) % n)
    flat = t.contiguous().view(-1)  # t itself if it is contiguous, a copy otherwise
    chunks = [flat[start:stop] for start, stop in parts(flat.numel(), n)]
    for step, (send, receive) in enumerate(ring_plan(rank, n)):
        received = torch.empty_like(chunks[receive])
        sending = dist.isend(chunks[send], dst=right, group=group)
        dist.recv(received, src=left, group=group)
        sending.wait()
        if step >= n - 1:
            chunks[receive].copy_(received)
        elif op == "max":
            chunks[receive].copy_(torch.maximum(chunks[receive], received))
        else:
            chunks[receive].add_(received)
    if op == "mean":
        flat.div_(n)
    return t.copy_(flat.view(t.shape))
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", ring_all_reduce)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why it is right.** After step s of phase 1 the chunk that a rank has just received holds the sum of s + 2
# ranks. After n − 1 steps each rank owns one complete chunk, and phase 2 hands these out unchanged. The order
# in which a chunk is added up is the order of the ring from its first owner on: one order, so one result.
#
# **Why nothing sends less.** Each rank must get information about the (n − 1)/n of the sum that the others
# complete, and must give away its own part of what it does not complete: 2·(n−1)/n·S altogether (Patarasuk
# and Yuan 2009). The ring reaches that bound.
#
# **In place, whatever the layout.** `t.contiguous().view(-1)` is `t`'s own memory if it can be, and a copy if
# not; the last `copy_` brings a copy back and costs nothing to get wrong otherwise. A loop over
# `t.reshape(-1)` alone would leave a transposed `t` as it was.
#
# **With a GPU** NCCL runs the same ring inside kernels, in pieces small enough that adding and sending
# overlap.

# %% [markdown] exercise="E2" minutes=40
# ## E2 · Data in shards, numbers exact
#
# Data parallelism is right only if the ranks together see each example once, and if their numbers are put
# together with the right weights.
#
# **1. `ShardSampler(n, rank, world, shuffle=True, seed=0, mode="pad")`** iterates over the indices of one
# rank. It needs no process group: it is told its `rank` and `world`.
#
# - **Order.** `set_epoch(e)` says which epoch comes next; without a call it is epoch 0. With `shuffle` the
#   order of an epoch is `torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))`, without
#   it 0 … n − 1. Every rank makes the same order. Iterating again without `set_epoch` gives the same
#   indices again.
# - **Shard.** Rank r takes the positions r, r + world, r + 2·world, … of the order.
# - **mode**, if `world` does not divide n: `"pad"` first makes the order longer, to the next multiple of
#   `world`, by repeating it from its beginning (more than once if n < world); `"drop"` cuts it to the last
#   multiple; `"exact"` leaves it as it is, so that some ranks get one index more. n = 0 gives nothing in
#   each mode.
# - `len(sampler)` is how many indices this rank gets. The indices are Python ints.
# - A `rank` that is not one of 0 … world − 1, and any other `mode`, is a `ValueError`.
#
# `"pad"` and `"drop"` give torch's `DistributedSampler`, index for index.
#
# **2. `global_metric(local_sum, local_count)`** returns the mean over all examples of all ranks, as a
# Python float: (sum of all `local_sum`) / (sum of all `local_count`), or NaN if nobody has an example. Both
# arguments are 0-d tensors of any real dtype; they stay as they are. Add in float64. Every rank calls it,
# and gets the same number.
#
# **3. `weighted_grad_mean(model, local_tokens)`** makes the gradients right when ranks hold different
# numbers of tokens. Before it is called, `p.grad` of each rank holds the gradient of the **sum** of the
# losses of its own `local_tokens` tokens. Afterwards it holds, on every rank, the gradient of the **mean**
# over the tokens of all ranks.
#
# - A `grad` that is `None` counts as zeros (a rank without tokens has no gradients). Afterwards each
#   parameter that requires a gradient has one, on every rank, in the parameter's dtype. Frozen parameters
#   stay as they are.
# - If no rank has a token, the gradients are 0.


# %% exercise="E2"
class ShardSampler(Sampler[int]):
    """The indices of one rank: order by (seed, epoch), dealt out with stride `world`."""

    def __init__(
        self,
        n: int,
        rank: int,
        world: int,
        shuffle: bool = True,
        seed: int = 0,
        mode: Literal["pad", "drop", "exact"] = "pad",
    ) -> None:
        # BEGIN SOLUTION
        if not 0 <= rank < world:
            raise ValueError(f"rank={rank} of {world}: expected 0 … {world - 1}")
        if mode not in ("pad", "drop", "exact"):
            raise ValueError(f"mode={mode!r}: expected pad, drop or exact")
        self.n, self.rank, self.world = n, rank, world
        self.shuffle, self.seed, self.mode = shuffle, seed, mode
        self.epoch = 0
        # END SOLUTION

    def set_epoch(self, epoch: int) -> None:
        # BEGIN SOLUTION
        self.epoch = epoch
        # END SOLUTION

    def __len__(self) -> int:
        # BEGIN SOLUTION
        if self.mode == "exact":
            return len(range(self.rank, self.n, self.world))
        return self.n // self.world if self.mode == "drop" else -(-self.n // self.world)
        # END SOLUTION

    def __iter__(self) -> Iterator[int]:
        # BEGIN SOLUTION
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(self.n, generator=generator) if self.shuffle else torch.arange(self.n)
        if self.mode != "exact" and self.n:
            total = len(self) * self.world
            order = order.repeat(-(-total // self.n))[:total]
        return iter(order[self.rank :: self.world].tolist())
        # END SOLUTION


def global_metric(local_sum: Tensor, local_count: Tensor) -> float:
    """Sum of the sums over sum of the counts, over all ranks; NaN when the count is 0."""
    # BEGIN SOLUTION
    both = torch.stack([local_sum.detach().double(), local_count.detach().double()])
    dist.all_reduce(both)
    total, count = both.tolist()
    return total / count if count else math.nan
    # END SOLUTION


def weighted_grad_mean(model: nn.Module, local_tokens: int) -> None:
    """From gradients of the ranks' sums of losses to the gradient of the mean over all ranks' tokens."""
    # BEGIN SOLUTION
    tokens = torch.tensor(float(local_tokens), dtype=torch.float64)
    dist.all_reduce(tokens)
    for p in model.parameters():
        if p.requires_grad:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            dist.all_reduce(p.grad)
            p.grad /= max(tokens.item(), 1.0)
    # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", ShardSampler, global_metric, weighted_grad_mean)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **One order, many owners.** The permutation depends on seed and epoch, never on the rank: otherwise two
# ranks draw from different shuffles, and share examples. Padding is right for training, where each rank must
# make equally many steps, and wrong for evaluation, where the repeated examples count twice. `"exact"` is for
# evaluation; there nobody waits for anybody.
#
# **Means of means are wrong** as soon as the counts differ. Sums and counts can be added; divide at the end.
#
# **The same for gradients.** `DistributedDataParallel` averages over ranks: that is the gradient of the mean
# exactly if all ranks hold equally many tokens. With texts of different lengths they never do. Instead of
# dividing afterwards one can scale the local loss by world / Σ tokens beforehand, and let DDP average.

# %% [markdown] exercise="E3" minutes=75
# ## E3 · Data-parallel training
#
# Write your own `DistributedDataParallel`: a module around a module, which makes the gradients of all ranks
# equal to their mean, and does its talking *while* the backward pass still computes.
#
# **`MiniDDP(module, bucket_bytes=1 << 20)`**
#
# - `.module` is the module that was given. `forward(*args, **kwargs)` returns what it returns.
# - **Start.** When it is built, all parameters and buffers get rank 0's values, in place: also frozen
#   parameters, and buffers of any dtype (`num_batches_tracked` is an int64).
# - **Gradients.** After `loss.backward()` and `ddp.finish()`, `p.grad` is the mean over ranks of what the
#   ranks would have had in `p.grad` without you. So gradients add up over several backward passes as usual:
#   a second backward without clearing adds the second mean to the first.
# - **Buckets.** Gradients are packed into buckets in the reverse order of `parameters()`: whole tensors, as
#   many as fit into `bucket_bytes`, then the next bucket begins. A tensor that is larger is a bucket by
#   itself. There is **one all-reduce for each bucket**; different dtypes need different buckets. A parameter
#   that is used in two places counts once, frozen parameters not at all.
# - **Overlap.** As soon as all gradients of a bucket are there, its all-reduce starts, with
#   `async_op=True`, and backward goes on. Nobody waits before the backward pass is over; `finish()` waits.
#   All ranks must start the buckets in the **same order**, even if their gradients come in different
#   orders: bucket i is started after bucket i − 1.
# - **Unused parameters.** A parameter that a rank did not use in this backward pass (an `if` in `forward`)
#   contributes what its `grad` holds, or zeros; `finish()` starts the buckets that are still missing. A
#   parameter that nobody used may end with `None` or zeros.
# - `finish()` is called after every backward pass outside of `no_sync`; called again, or with nothing to
#   do, it does nothing.
# - `with ddp.no_sync():` backward passes in it only add up locally, and send nothing. The next one outside
#   averages all that has added up. When the block ends, with an exception too, everything is as before.
# - `forward` in eval mode sends nothing: rank 0 may evaluate alone.
#
# `param.register_post_accumulate_grad_hook(f)` calls `f(param)` when `param.grad` is complete for this
# backward pass. `dist.all_reduce` and `dist.broadcast` are yours; torch's own DDP is not.


# %% exercise="E3"
class MiniDDP(nn.Module):
    """Averages gradients over ranks in buckets, while backward runs; `finish` waits for the rest."""

    def __init__(self, module: nn.Module, bucket_bytes: int = 1 << 20) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        trained = [p for p in module.parameters() if p.requires_grad]
        self._buckets: list[list[nn.Parameter]] = []
        room = 0
        for p in reversed(trained):
            if not self._buckets or p.nbytes > room or p.dtype != self._buckets[-1][-1].dtype:
                self._buckets.append([])
                room = bucket_bytes
            self._buckets[-1].append(p)
            room -= p.nbytes
        self._syncing = True
        self._done: set[nn.Parameter] = set()  # whose gradient is complete in this backward pass
        self._under_way: list[tuple[Any, Tensor]] = []  # (work, flat gradients) of the first buckets

        def start_next() -> None:
            bucket = self._buckets[len(self._under_way)]
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
            self._under_way.append((dist.all_reduce(flat, async_op=True), flat))

        def ready(p: nn.Parameter) -> None:
            if not self._syncing:
                return
            self._done.add(p)
            while len(self._under_way) < len(self._buckets):  # in their order, never out of turn
                if not self._done.issuperset(self._buckets[len(self._under_way)]):
                    return
                start_next()

        self._start_next = start_next
        for p in trained:
            p.register_post_accumulate_grad_hook(ready)
        # END SOLUTION

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        # BEGIN SOLUTION
        return self.module(*args, **kwargs)
        # END SOLUTION

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        # BEGIN SOLUTION
        before, self._syncing = self._syncing, False
        try:
            yield
        finally:
            self._syncing = before
        # END SOLUTION

    def finish(self) -> None:
        # BEGIN SOLUTION
        if not self._done:
            return
        while len(self._under_way) < len(self._buckets):
            self._start_next()
        for bucket, (work, flat) in zip(self._buckets, self._under_way, strict=True):
            work.wait()
            flat /= dist.get_world_size()
            for p, mean in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
                p.grad = mean.view_as(p) if p.grad is None else p.grad.copy_(mean.view_as(p))
        self._done, self._under_way = set(), []
        # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", MiniDDP)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why reverse order.** Backward reaches the last layer first. Buckets in reverse order of the parameters
# fill up in about the order in which gradients come, so the first one can leave while most of backward is
# still ahead.
#
# **Why a fixed order of starting.** A collective has no name on the wire: the third one that rank 0 starts
# meets the third one that rank 1 starts. If hooks fire in another order on another rank, and each bucket
# starts when it is full, gradients of different layers are added up; with different sizes everything hangs.
#
# **What it costs** not to copy into flat buffers at every step: torch's DDP lets `p.grad` *be* a view of its
# bucket. And DDP does not expect `finish()`: it queues a callback at the end of backward.
#
# **Unused on every rank of every step** is still a bug in most models, so DDP looks for such parameters
# only if it is told to (`find_unused_parameters=True`), since that costs a walk over the graph.

# %% [markdown] exercise="E4" minutes=70
# ## E4 · Adam in shards
#
# Adam keeps two numbers beside each weight. With DDP every rank keeps all of them, n times the same. ZeRO
# stage 1 gives each rank one n-th: it gets the mean gradient of its shard, updates its shard, and everybody
# collects the updated parameters.
#
# **1. `ShardedAdam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, group=None)`**
#
# - `params` is an iterable of parameters, all of one dtype; `group` as in E1, `None` for all ranks. The ranks
#   begin with equal parameters.
# - `step()`: each `p.grad` is this rank's own gradient. The parameters move as `torch.optim.AdamW` (with
#   these settings: decay `p ← p − lr·weight_decay·p` first, bias correction, eps outside the root) moves
#   them with the **mean** of the ranks' gradients. Afterwards all ranks hold the same parameters, updated
#   **in place**. The gradients are not needed afterwards and may hold anything.
# - **Shard.** The parameters one after the other are a vector of N numbers. Its moments are cut into equal
#   parts of ceil(N / n), with padding at the end; a rank keeps the two moments of its own part, in the
#   parameters' dtype. There may be fewer numbers than ranks. Between steps it keeps nothing else as long as
#   the vector: no copy of it, and no view of one (a view keeps all that it was cut from; `clone()` does not).
# - Every step begins with the values that the parameters have then, whoever has changed them.
# - A parameter whose `grad` is `None` (then it is on all ranks) is left alone in this step, as `AdamW`
#   does: its value, its moments, and its own count of steps. That may be all of them.
# - `state_bytes()`: bytes of this rank's two moments, at most 2·ceil(N / n)·itemsize. Counters of steps do
#   not count.
# - `state_dict_full()` is called by all ranks. Rank 0 of the group returns `{"step": [int, …], "exp_avg":
#   [tensor, …], "exp_avg_sq": [tensor, …]}`, one entry for each parameter, tensors in the parameter's
#   shape, without padding, as copies. The other ranks return `{}`.
# - `load_state_dict_full(state)` is called by all ranks with that same dict. Each takes its part, **also if
#   there are now more or fewer ranks** than when it was saved. Training goes on as if it had not been
#   interrupted.
#
# **2. `memory_plan(n_params, world, stage)`** for mixed-precision Adam: 2 bytes a parameter for the
# weights, 2 for the gradients, 12 for the states (float32 master weight and two moments). Stage 0 keeps all
# on each rank, stage 1 divides the states by `world`, stage 2 the gradients too, stage 3 also the weights.
# It returns bytes per rank as floats, exact and not rounded, under `"params"`, `"grads"`, `"states"` and
# `"total"`. Another stage is a `ValueError`.
#
# Of `dist` everything is allowed, and the two helpers below are ready made. `dist.all_gather_single(output,
# input)` and `dist.reduce_scatter_single` are torch 2.13's names for the collectives on one tensor. Torch's
# own optimizers are not allowed.


# %%
def flatten(tensors: Iterable[Tensor], length: int) -> Tensor:
    """Ready made: tensors of one dtype one after the other, then zeros up to `length`."""
    flat = torch.cat([t.detach().flatten() for t in tensors])
    return torch.cat([flat, flat.new_zeros(length - len(flat))])


def unflatten(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Ready made: the pieces of a vector in the shapes of `like` (views of it); a rest is padding."""
    sizes = [t.numel() for t in like]
    return [piece.view(t.shape) for piece, t in zip(flat[: sum(sizes)].split(sizes), like, strict=True)]


# %% exercise="E4"
class ShardedAdam:
    """AdamW whose moments are spread over the ranks: flat shard, mean gradient, own part, all-gather."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        # BEGIN SOLUTION
        self.params = list(params)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.group = group or dist.group.WORLD
        self.rank, world = dist.get_rank(self.group), dist.get_world_size(self.group)
        self.size = -(-sum(p.numel() for p in self.params) // world)
        self.length = self.size * world
        self.shard = slice(self.rank * self.size, (self.rank + 1) * self.size)
        self.exp_avg, self.exp_avg_sq = (self.params[0].detach().new_zeros(self.size) for _ in range(2))
        self.steps = [0] * len(self.params)
        # END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        # BEGIN SOLUTION
        grads = flatten((torch.zeros_like(p) if p.grad is None else p.grad for p in self.params), self.length)
        dist.all_reduce(grads, group=self.group)
        gradient = grads[self.shard] / dist.get_world_size(self.group)
        values = flatten(self.params, self.length)[self.shard].clone()
        (beta1, beta2), begin = self.betas, self.shard.start
        for i, p in enumerate(self.params):
            here = slice(max(0, -begin), max(0, min(p.numel() - begin, self.size)))  # p's part of this shard
            begin -= p.numel()
            if p.grad is None:
                continue
            self.steps[i] += 1
            g, m, v, w = (t[here] for t in (gradient, self.exp_avg, self.exp_avg_sq, values))
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            m_hat, v_hat = m / (1 - beta1 ** self.steps[i]), v / (1 - beta2 ** self.steps[i])
            w.mul_(1 - self.lr * self.weight_decay).sub_(self.lr * m_hat / (v_hat.sqrt() + self.eps))
        full = values.new_empty(self.length)
        dist.all_gather_single(full, values, group=self.group)
        for p, value in zip(self.params, unflatten(full, self.params), strict=True):
            p.copy_(value)
        # END SOLUTION

    def state_bytes(self) -> int:
        # BEGIN SOLUTION
        return self.exp_avg.nbytes + self.exp_avg_sq.nbytes
        # END SOLUTION

    def state_dict_full(self) -> dict[str, Any]:
        # BEGIN SOLUTION
        state: dict[str, Any] = {"step": list(self.steps)}
        for name in ("exp_avg", "exp_avg_sq"):
            full = self.exp_avg.new_empty(self.length)
            dist.all_gather_single(full, getattr(self, name), group=self.group)
            state[name] = [t.clone() for t in unflatten(full, self.params)]
        return state if self.rank == 0 else {}
        # END SOLUTION

    def load_state_dict_full(self, state: dict[str, Any]) -> None:
        # BEGIN SOLUTION
        self.steps = list(state["step"])
        self.exp_avg = flatten(state["exp_avg"], self.length)[self.shard].clone()
        self.exp_avg_sq = flatten(state["exp_avg_sq"], self.length)[self.shard].clone()
        # END SOLUTION


def memory_plan(n_params: int, world: int, stage: Literal[0, 1, 2, 3]) -> dict[str, float]:
    """Bytes per rank of mixed-precision Adam under a ZeRO stage: params, grads, states, total."""
    # BEGIN SOLUTION
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage={stage}: expected 0, 1, 2 or 3")
    plan = {
        "params": 2.0 * n_params / (world if stage >= 3 else 1),
        "grads": 2.0 * n_params / (world if stage >= 2 else 1),
        "states": 12.0 * n_params / (world if stage >= 1 else 1),
    }
    return {**plan, "total": sum(plan.values())}
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", ShardedAdam, memory_plan)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why cutting is allowed.** Adam treats each number by itself: no number's update needs another's moments.
# So the vector may be cut anywhere, also through the middle of a matrix. Optimizers that look at whole
# matrices (Muon, Shampoo), and gradient clipping by a global norm, need one more exchange.
#
# **What it sends.** The answer above adds up all gradients everywhere, which is simple, and moves twice as
# much as needed. `dist.reduce_scatter_single` gives each rank only its part: then reduce-scatter and
# all-gather together send what DDP's all-reduce sends. Stage 1 is free.
#
# **Padding** must never be seen: not in the state that is saved, and not in a norm. Zeros in, zeros out:
# 0 / (√0 + eps) = 0.
#
# **World-size-independent checkpoints** are why the state is saved whole, in the shapes of the parameters.
# Real systems write shards and put them together while loading (`torch.distributed.checkpoint`), since the
# whole would not fit on rank 0.

# %% [markdown]
# # Everything together
#
# Handwritten digits once more: 1,437 to learn from, 360 to be tested on. Logistic regression gets 0.969 of
# the test digits right, a support vector machine 0.994. The network is given; it is small, so that two
# ranks will be *slower* than one. The program does not know that: it is the program for a large one.


# %%
def build_model() -> nn.Module:
    """64 pixels → 128 → 10 scores."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


if __name__ == "__main__":
    train, test = digits(flat=True).train, digits(flat=True).test
    print(train.inputs.shape, test.inputs.shape)

# %% [markdown] exercise="E5" minutes=75
# ## E5 · A training program that survives
#
# **1. `main(argv)`** is a whole program: torchrun starts it as `main(sys.argv[1:])` on every rank, and the
# same function runs alone, with one process. It returns its trained model (an `nn.Module` like
# `build_model()`, on each rank).
#
# | flag | default | meaning |
# |---|---|---|
# | `--out` | (required) | a folder; make it if it is not there |
# | `--epochs` | 10 | how many epochs in all (0: report on the untrained network) |
# | `--batch` | 64 | rows of the **global** batch, over all ranks |
# | `--lr` | 0.1 | learning rate |
# | `--seed` | 0 | first weights and order of rows |
#
# **The result does not depend on the number of ranks.** To rounding it is that of one process that trains so:
#
# - `torch.manual_seed(seed)`, then `build_model()`; `torch.optim.SGD` with `lr` and momentum 0.9.
# - In epoch e = 0, 1, … the rows `digits(flat=True).train` in the order `torch.randperm(1437,
#   generator=torch.Generator().manual_seed(seed + e))`, in consecutive batches of `batch` rows; the last
#   one is shorter, and is used. (So a rank may have fewer rows of it than another, or none.)
# - For each batch: the gradient of the mean cross-entropy over the whole batch, and one step.
#
# Of each batch rank r takes the rows at positions r, r + world, r + 2·world, …
#
# **Files**, written by rank 0 alone, into `--out`:
#
# - `checkpoint.pt` after every epoch, never half-written: save under another name, then `Path.replace`.
#   What it holds is your affair. If it is there at the start, the run **goes on from it** and ends with the
#   weights of a run that was never interrupted, also if it now has more or fewer ranks.
# - `metrics.json` at the end: `"world"` (number of ranks), `"epochs"`, `"resumed_from"` (finished epochs
#   that were found at the start, 0 without a checkpoint), `"losses"` (one number for each epoch from the
#   first on: the mean loss over all 1,437 rows as they were trained, also of the epochs before an
#   interruption), `"accuracy"` (share of **all** 360 test digits that are right), and `"drift"` (the
#   largest difference of any weight of any rank from rank 0's: it has to be 0).
#
# `with process_group():` from `shared.distributed` joins the group that torchrun or the check has set up,
# and makes a group of one if there is none. Wrap the whole program in it. Everything you wrote above may be
# used.
#
# **2. `scaling_report(runs)`** looks at measured times soberly. `runs` is a list of dicts with `"world"`
# and `"seconds"`; a `world` may occur several times. The model is T(n) = a/n + b·(n − 1)/n + c: work that
# is shared, ring traffic, and the rest. From times alone only two numbers can be told: T(n) = s/n + o with
# s = a − b and o = b + c. Fit them by least squares over all runs, and return
#
# - `"s"` and `"o"` (floats), `"predicted"`: `{n: s/n + o}`,
# - `"speedup"`: `{n: T(1)/T(n)}` and `"efficiency"`: `{n: T(1)/(n·T(n))}` from the **measured** times,
#   where T(n) is the mean of the runs with n ranks,
# - `"verdict"`: `"faster"` if the speedup of the largest n is above 1.1, `"slower"` if it is below 0.9,
#   otherwise `"no difference"`.
#
# The dicts have one entry for each n that occurs. Without a run with one rank, or with nothing but such runs,
# raise a `ValueError`.
#
# **What it must reach:** at least 0.94 of the test digits right with two ranks and the default flags,
# weights equal on all ranks, and within 1e-4 (relative) of those of one process. And the check kills a rank
# with SIGKILL in the middle of a run and starts the program again.


# %% exercise="E5"
def main(argv: list[str]) -> nn.Module:
    """Train the digits on all ranks; checkpoint each epoch, resume, report. Returns the model."""
    # BEGIN SOLUTION
    flags = argparse.ArgumentParser()
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--epochs", type=int, default=10)
    flags.add_argument("--batch", type=int, default=64)
    flags.add_argument("--lr", type=float, default=0.1)
    flags.add_argument("--seed", type=int, default=0)
    args = flags.parse_args(argv)
    with process_group():
        rank, world = dist.get_rank(), dist.get_world_size()
        args.out.mkdir(parents=True, exist_ok=True)
        data = digits(flat=True)
        torch.manual_seed(args.seed)
        model = build_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
        losses: list[float] = []
        path = args.out / "checkpoint.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            losses = state["losses"]
        resumed_from = len(losses)
        dist.barrier()  # all have read it before rank 0 may write the next one

        for epoch in range(resumed_from, args.epochs):
            generator = torch.Generator().manual_seed(args.seed + epoch)
            total = torch.zeros((), dtype=torch.float64)
            for batch in torch.randperm(len(data.train.inputs), generator=generator).split(args.batch):
                rows = batch[rank::world]
                optimizer.zero_grad()
                loss = F.cross_entropy(
                    model(data.train.inputs[rows]), data.train.targets[rows], reduction="sum"
                )
                loss.backward()
                weighted_grad_mean(model, len(rows))
                optimizer.step()
                total += loss.detach()
            losses.append(global_metric(total, torch.tensor(len(data.train.inputs) / world)))
            if rank == 0:
                part = path.with_suffix(".part")
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
                torch.save(state, part)
                part.replace(path)

        mine = list(ShardSampler(len(data.test.inputs), rank, world, shuffle=False, mode="exact"))
        with torch.no_grad():
            right = (model(data.test.inputs[mine]).argmax(dim=1) == data.test.targets[mine]).sum()
        accuracy = global_metric(right, torch.tensor(len(mine)))
        flat = torch.cat([p.detach().flatten() for p in model.parameters()])
        first = flat.clone()
        dist.broadcast(first, src=0)
        drift = (flat - first).abs().max()
        dist.all_reduce(drift, op=dist.ReduceOp.MAX)
        if rank == 0:
            metrics = {
                "world": world,
                "epochs": args.epochs,
                "resumed_from": resumed_from,
                "losses": losses,
                "accuracy": accuracy,
                "drift": drift.item(),
            }
            (args.out / "metrics.json").write_text(json.dumps(metrics))
        dist.barrier()  # whoever returns may read the file
    return model
    # END SOLUTION


def scaling_report(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Least-squares fit of T(n) = s/n + o, measured speedup and efficiency, and an honest verdict."""
    # BEGIN SOLUTION
    times: dict[int, list[float]] = {}
    for run in runs:
        times.setdefault(run["world"], []).append(run["seconds"])
    if 1 not in times or len(times) == 1:
        raise ValueError(f"runs with {sorted(times)} ranks: expected some with one rank, and some with more")
    x = torch.tensor([1 / run["world"] for run in runs], dtype=torch.float64)
    y = torch.tensor([run["seconds"] for run in runs], dtype=torch.float64)
    s = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    o = y.mean() - s * x.mean()
    mean = {n: sum(found) / len(found) for n, found in sorted(times.items())}
    speedup = {n: mean[1] / t for n, t in mean.items()}
    most = speedup[max(mean)]
    return {
        "s": s.item(),
        "o": o.item(),
        "predicted": {n: (s / n + o).item() for n in mean},
        "speedup": speedup,
        "efficiency": {n: gain / n for n, gain in speedup.items()},
        "verdict": "faster" if most > 1.1 else "slower" if most < 0.9 else "no difference",
    }
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", main, scaling_report)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **The global batch is the contract.** If `--batch` were the rows of one rank, more ranks would mean a larger
# batch and fewer steps: another training run, which needs another learning rate. With the global batch fixed
# the number of ranks is a matter of speed alone, and any difference in the result is a bug.
#
# **Who writes.** One rank, into another file, then rename: a file system renames in one step, so whoever is
# killed leaves the old checkpoint or the new one. Two ranks that write one file leave a mixture of both.
#
# **Who talks.** Every collective must be reached by all ranks, so none may stand under `if rank == 0`. The
# drift above is found by all, and written by one.
#
# **What is honest about the result.** The network is tiny: a step computes for a millisecond, and then
# waits for messages. Two ranks are slower than one here. What grows with the model is the computing; what
# grows with the ranks is the talking; the report's two numbers say which one you have.

# %% [markdown]
# # The same program, three ways
#
# `launch` starts your `main` on two ranks from this notebook, through torch's own launcher. The script
# below is what you would start on a cluster, with `torchrun` itself: it loads the same `main`. And a single
# process.


# %%
SCRIPT = """
import sys

import cloudpickle

with open(sys.argv[1], "rb") as file:
    main = cloudpickle.load(file)
main(sys.argv[2:])
"""


def metrics_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


if __name__ == "__main__":
    if lab.passed("E5"):
        epochs = 3 if profile == "laptop" else full_epochs
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            launch(main, ["--epochs", str(epochs), "--out", str(folder / "launch")], ranks=2)

            (folder / "train_ddp.py").write_text(SCRIPT)
            (folder / "main.pkl").write_bytes(cloudpickle.dumps(main))
            torchrun = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                "2",
            ]
            program = [str(folder / "train_ddp.py"), str(folder / "main.pkl")]
            flags = ["--epochs", str(epochs), "--out", str(folder / "torchrun")]
            subprocess.run([*torchrun, *program, *flags], check=True, capture_output=True)

            main(["--epochs", str(epochs), "--out", str(folder / "alone")])
            for way in ("launch", "torchrun", "alone"):
                found = metrics_of(folder / way)
                losses = ", ".join(f"{x:.5f}" for x in found["losses"][:3])
                print(
                    f"{way:9} {found['world']} ranks   losses {losses}"
                    f"   accuracy {found['accuracy']:.3f}   drift {found['drift']}"
                )
            assert metrics_of(folder / "launch") == metrics_of(folder / "torchrun")

# %% [markdown]
# # Is it faster?
#
# The last question, and the laptop's answer is no. The full profile (first code cell) asks again with four
# ranks and more epochs.

# %%
if __name__ == "__main__":
    if lab.passed("E5"):
        runs: list[dict[str, Any]] = []
        for world in (1, 2) if profile == "laptop" else (1, 2, 4):
            with tempfile.TemporaryDirectory() as name:
                started = time.perf_counter()
                ready_ranks().run(main, ["--epochs", str(epochs), "--out", name], ranks=world)
                runs.append({"world": world, "seconds": time.perf_counter() - started})
        report = scaling_report(runs)
        for n, gain in report["speedup"].items():
            words = f"{n} rank{'s' if n > 1 else ''}"
            print(f"{words}: {gain:.2f} times as fast as one, efficiency {report['efficiency'][n]:.0%}")
        print("verdict:", report["verdict"])
