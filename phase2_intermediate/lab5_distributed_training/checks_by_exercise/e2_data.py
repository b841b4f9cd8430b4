"""E2: shards of data, exact numbers. What must hold; the known mistakes stand in `e2_mistakes`."""

import math
from typing import Any

import torch
from torch.utils.data.distributed import DistributedSampler

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import (
    e2_cases,
    e2_mistakes,
    e2_sampler,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e2_cases import outcome
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e2_picture import owners
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e2_sampler import SIZES, shards
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import need, raise_if_stub

e2 = Exercise(
    "E2",
    takes={"ShardSampler": None, "global_metric": float, "weighted_grad_mean": None},
    hints=(
        "Same permutation on all ranks, each takes every world-th of it. Sums and counts can be added over "
        "ranks, means cannot.",
        "order[rank::world] after padding or cutting the order. metric = Σ sums / Σ counts. "
        "gradient = Σ over ranks "
        "of the gradients of sums / Σ tokens.",
        "`torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))`; "
        "`both = torch.stack([local_sum.double(), local_count.double()]); "
        "dist.all_reduce(both)`; for each parameter: "
        "`dist.all_reduce(p.grad)`, then divide by the tokens of all.",
    ),
)
e2_sampler.probe.add_to(e2)
e2_mistakes.probe.add_to(e2)


@e2.property("pad and drop are torch's DistributedSampler, index for index", points=6)
def as_torch(a: Any, t: Trial) -> None:
    raise_if_stub(a.ShardSampler)
    seed, drawn = int(t.randint(1, 1000, 1)), int(t.randint(20, 60, 1))
    for n, world in (*SIZES, (drawn, 4)):
        for mode in ("pad", "drop"):
            for rank in range(world):
                sampler = a.ShardSampler(n, rank, world, seed=seed, mode=mode)
                theirs = DistributedSampler(range(n), world, rank, seed=seed, drop_last=mode == "drop")  # type: ignore[arg-type]
                for epoch in (0, 3):
                    sampler.set_epoch(epoch)
                    theirs.set_epoch(epoch)
                    words = f"n={n}, rank {rank} of {world}, mode={mode!r}, seed={seed}, epoch {epoch}"
                    t.equal(list(sampler), list(theirs), words)
                    t.equal(len(sampler), len(theirs), f"len, {words}")


@e2.property("exact is a partition", points=3)
def partition(a: Any, t: Trial) -> None:
    raise_if_stub(a.ShardSampler)
    for n, world in SIZES:
        for shuffle in (True, False):
            epoch = None if shuffle else 3
            found = shards(a, n, world, epoch, shuffle=shuffle, mode="exact", seed=t.seed % 97)
            t.equal(sorted(i for shard in found for i in shard), list(range(n)), f"n={n}, {world} ranks")
            t.equal([len(shard) for shard in found], [len(range(r, n, world)) for r in range(world)])
            lengths = [len(a.ShardSampler(n, r, world, mode="exact")) for r in range(world)]
            t.equal(lengths, [len(shard) for shard in found], f"len, n={n}, {world} ranks")
            if not shuffle:
                t.equal(found, [list(range(r, n, world)) for r in range(world)], "shuffle=False")
    t.equal(*e2_sampler.beside_another(a), "a sampler beside one whose epoch was set")
    t.that(not e2_sampler.seeds_global(a), "iterating changes torch's global random state")
    t.raises(ValueError, lambda: a.ShardSampler(5, 2, 2), "rank=2 of world=2")
    t.raises(ValueError, lambda: a.ShardSampler(5, -1, 2), "rank=-1")
    t.raises(ValueError, lambda: a.ShardSampler(5, 0, 2, mode="cut"), 'mode="cut"')


@e2.property("a metric of all ranks is exact", points=5)
def metric(a: Any, t: Trial) -> None:
    for rank, facts in enumerate(need(t, outcome(a, t), e2_cases.metrics)):
        for name, found, expected, kept in facts:
            t.that(isinstance(found, float), f"{name}: a Python float is asked for, got {found!r}")
            t.that(
                found == expected or (math.isnan(expected) and math.isnan(found)),
                f"{name}: rank {rank} got {found!r}, expected {expected!r}",
            )
            t.that(kept, f"{name}: an argument was changed")


@e2.property("gradients are those of one process with all tokens", points=6)
def gradients(a: Any, t: Trial) -> None:
    for fact in need(t, outcome(a, t), e2_cases.plain):
        t.that(fact[2], "the gradient that a frozen parameter had has changed")
    for rank, facts in enumerate(need(t, outcome(a, t), e2_cases.counted)):
        for name, grad, expected, _ in facts:
            t.equal(grad, expected, f"{name}, rank {rank}", rtol=1e-6)
    for rank, facts in enumerate(need(t, outcome(a, t), e2_cases.gradients)):
        for name, found, expected in facts:
            for (p, grad), wanted in zip(found, expected, strict=True):
                where = f"{name}, rank {rank}, parameter {p}"
                if wanted is None:
                    t.that(grad is None, f"{where}: a frozen parameter got a gradient")
                else:
                    t.that(grad is not None, f"{where}: no gradient")
                    t.equal(
                        grad,
                        wanted.to(grad.dtype),
                        where,
                        rtol=1e-6 if wanted.dtype != torch.bfloat16 else 0.02,
                    )


e2.reward(owners)
