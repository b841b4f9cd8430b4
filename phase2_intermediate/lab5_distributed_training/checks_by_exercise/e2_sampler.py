"""The known mistakes of E2's sampler: no rank is needed to see them."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import raise_if_stub

probe = Probes()
SIZES = ((7, 3), (8, 2), (2, 3), (1, 4), (0, 3), (31, 1), (10, 4))


def shards(a: Any, n: int, world: int, epoch: int | None = None, **how: Any) -> list[list[int]]:
    raise_if_stub(a.ShardSampler)
    found = []
    for rank in range(world):
        sampler = a.ShardSampler(n, rank, world, **how)
        if epoch is not None:
            sampler.set_epoch(epoch)
        found.append([int(i) for i in sampler])
    return found


def order(n: int, seed: int, epoch: int = 0) -> list[int]:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch)).tolist()


def seeds_global(a: Any) -> bool:
    """Does iterating change what `torch.rand` gives next?"""
    before = torch.get_rng_state()
    list(a.ShardSampler(7, 0, 3))
    changed = not torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)
    return changed


@probe("sampler-fails")
def fails(a: Any, t: Trial) -> str | None:
    raise_if_stub(a.ShardSampler)
    for n, world in SIZES:
        for mode in ("pad", "drop", "exact"):
            for rank in range(world):
                tried = t.tried(
                    lambda n=n, rank=rank, world=world, mode=mode: list(
                        a.ShardSampler(n, rank, world, mode=mode)
                    )
                )
                if tried.error is not None:
                    kind = type(tried.error).__name__
                    return (
                        f"list(ShardSampler({n}, {rank}, {world}, mode={mode!r})) ends in "
                        f"{kind}: {tried.error}. "
                        "n may be 0 or smaller than the number of ranks"
                    )
    return None


@probe("indices-are-tensors")
def tensors(a: Any, t: Trial) -> str | None:
    first = next(iter(a.ShardSampler(7, 0, 3)))
    if not isinstance(first, int):
        return f"the sampler gives {first!r}: indices are Python ints (`.tolist()`)"
    return None


@probe("seeds-the-global-generator")
def global_state(a: Any, t: Trial) -> str | None:
    if seeds_global(a):
        return (
            "iterating changes torch's global random state, and with it the dropout and the first weights "
            "of the whole program: draw from a `torch.Generator()` of your own"
        )
    return None


@probe("invalid-arguments-accepted")
def invalid(a: Any, t: Trial) -> str | None:
    for call, words in (
        (lambda: a.ShardSampler(5, 2, 2), "rank=2 of world=2 (ranks are 0 and 1)"),
        (lambda: a.ShardSampler(5, -1, 2), "rank=-1"),
        (lambda: a.ShardSampler(5, 0, 2, mode="cut"), 'mode="cut"'),
    ):
        tried = t.tried(call)
        if not tried.raised(ValueError):
            what = "was accepted" if tried.error is None else f"raised {type(tried.error).__name__}"
            return f"ShardSampler with {words} {what}: expected a ValueError when it is made"
    return None


@probe("seed-includes-the-rank")
def own_orders(a: Any, t: Trial) -> str | None:
    found = shards(a, 60, 2, mode="exact")
    shared = set(found[0]) & set(found[1])
    if shared:
        return (
            f"n=60, 2 ranks: ranks 0 and 1 share {len(shared)} examples. The permutation must "
            "be the same on all "
            "ranks: seed and epoch decide, never the rank"
        )
    return None


@probe("epochs-are-all-alike")
def epochs(a: Any, t: Trial) -> str | None:
    if shards(a, 40, 2, epoch=1) == shards(a, 40, 2, epoch=0) and shards(a, 40, 2, seed=1) != shards(
        a, 40, 2
    ):
        return "epochs 0 and 1 have the same order: the generator's seed is seed + epoch"
    return None


@probe("iterating-changes-it")
def twice(a: Any, t: Trial) -> str | None:
    raise_if_stub(a.ShardSampler)
    sampler = a.ShardSampler(20, 0, 2)
    first, second = list(sampler), list(sampler)
    if first != second:
        return (
            "iterating twice gave two orders: only `set_epoch` changes the epoch, and `iter` "
            "begins anew each time"
        )
    sampler.set_epoch(1)
    sampler.set_epoch(0)
    if list(sampler) != first:
        return "after set_epoch(1) and set_epoch(0) the order is not that of epoch 0 again"
    return None


def beside_another(a: Any) -> tuple[list[int], list[int]]:
    """What a sampler gives after another one's epoch was set, and what it has to give."""
    one, other = a.ShardSampler(20, 0, 2), a.ShardSampler(20, 0, 2)
    other.set_epoch(3)
    return list(one), order(20, 0)[::2]


@probe("samplers-share-their-epoch")
def shared_epoch(a: Any, t: Trial) -> str | None:
    if beside_another(a)[0] == order(20, 3)[::2]:
        return (
            "`set_epoch(3)` of one sampler has set the epoch of another one too: what belongs to one sampler "
            "is kept in `self`, not in the class"
        )
    return None


@probe("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    if shards(a, 40, 2, shuffle=True, seed=1) == shards(a, 40, 2, shuffle=True, seed=2):
        return "seeds 1 and 2 give the same order: the generator's seed is seed + epoch"
    return None


@probe("shuffle-ignored")
def shuffle_ignored(a: Any, t: Trial) -> str | None:
    found = shards(a, 8, 2, shuffle=False)
    if found == shards(a, 8, 2, shuffle=True):
        return f"shuffle=True and False give the same order, {found}"
    if found != [[0, 2, 4, 6], [1, 3, 5, 7]]:
        if found == [[0, 1, 2, 3], [4, 5, 6, 7]]:
            return (
                "without shuffle rank 0 of 2 got 0 … 3: deal out in turn, order[rank::world], not in blocks"
            )
        return f"n=8, 2 ranks, shuffle=False gave {found}, expected [[0, 2, 4, 6], [1, 3, 5, 7]]"
    return None


@probe("defaults-differ")
def defaults(a: Any, t: Trial) -> str | None:
    if shards(a, 40, 2) != shards(a, 40, 2, shuffle=True, seed=0, mode="pad"):
        return "without further arguments the sampler differs from shuffle=True, seed=0, mode='pad'"
    if len(a.ShardSampler(7, 2, 3)) != len(a.ShardSampler(7, 2, 3, mode="pad")):
        return "the default mode is 'pad'"
    return None


@probe("blocks-instead-of-stride")
def blocks(a: Any, t: Trial) -> str | None:
    found, whole = shards(a, 12, 3, seed=4), order(12, 4)
    if found == [whole[0:4], whole[4:8], whole[8:12]]:
        return (
            "each rank gets a block of the order: positions rank, rank + world, … are asked for, "
            "order[rank::world]"
        )
    return None


@probe("another-order")
def other_order(a: Any, t: Trial) -> str | None:
    for epoch in (0, 5):
        found, whole = shards(a, 12, 3, seed=4, epoch=epoch), order(12, 4, epoch)
        if found != [whole[r::3] for r in range(3)]:
            return (
                f"n=12, 3 ranks, seed=4, epoch {epoch}: the ranks got {found}, expected "
                f"{[whole[r::3] for r in range(3)]}: "
                "torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch)), dealt out in turn"
            )
    return None


@probe("pad-repeats-something-else")
def pad(a: Any, t: Trial) -> str | None:
    for n, world in ((7, 3), (1, 4), (2, 5)):
        whole = order(n, 0)
        total = -(-n // world) * world
        repeated = (whole * total)[:total]
        found, expected = shards(a, n, world, mode="pad"), [repeated[r::world] for r in range(world)]
        if found != expected:
            sizes = sorted({len(shard) for shard in found})
            if len(sizes) > 1:
                return f"mode='pad', n={n}, {world} ranks: ranks get {sizes} indices, expected equally many"
            return (
                f"mode='pad', n={n}, {world} ranks: {found}, expected {expected}: the order "
                "is made longer by "
                "repeating it from its beginning, then dealt out"
            )
    return None


@probe("drop-is-not-drop")
def drop(a: Any, t: Trial) -> str | None:
    whole = order(7, 0)[:6]
    found, expected = shards(a, 7, 3, mode="drop"), [whole[r::3] for r in range(3)]
    if found != expected:
        return f"mode='drop', n=7, 3 ranks: {found}, expected {expected}: the last of 7 belongs to nobody"
    if any(shards(a, 2, 3, mode="drop")):
        return "mode='drop' with n=2 and 3 ranks: nobody gets anything"
    return None


@probe("exact-is-not-exact")
def exact(a: Any, t: Trial) -> str | None:
    for n, world in ((7, 3), (2, 3), (8, 2)):
        found = shards(a, n, world, mode="exact")
        flat = [i for shard in found for i in shard]
        if len(flat) != len(set(flat)):
            doubled = sorted({i for i in flat if flat.count(i) > 1})
            return f"mode='exact', n={n}, {world} ranks: {doubled} counted twice, which spoils an evaluation"
        if sorted(flat) != list(range(n)):
            lost = sorted(set(range(n)) - set(flat))
            return f"mode='exact', n={n}, {world} ranks: {lost} belong to nobody"
    return None


@probe("len-is-wrong")
def length(a: Any, t: Trial) -> str | None:
    for n, world in SIZES:
        for mode in ("pad", "drop", "exact"):
            for rank in range(world):
                sampler = a.ShardSampler(n, rank, world, mode=mode)
                count = len(list(sampler))
                if len(sampler) != count:
                    return (
                        f"ShardSampler({n}, {rank}, {world}, mode={mode!r}) gives {count} "
                        "indices, its len is "
                        f"{len(sampler)}"
                    )
    return None
