"""The known mistakes of `Compose` and `RandomApply`, each by its signature."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise.e2_mixup_mistakes import seeded
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws, listed

probe = Probes()


def add_one(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + 1


def double(x: Tensor, generator: torch.Generator) -> Tensor:
    return x * 2


def noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + torch.rand(x.shape, generator=generator, dtype=x.dtype)


@probe("composed-in-reverse")
def composed_reverse(a: Any, t: Trial) -> str | None:
    found = a.Compose([add_one, double])(torch.tensor([1.0, 2.0]), seeded(1))
    if same(found, torch.tensor([3.0, 5.0])):
        return "Compose([f, g]) applied g first: the first of the list comes first"
    if same(found, torch.tensor([2.0, 4.0])) or same(found, torch.tensor([2.0, 3.0])):
        return (
            f"Compose([x + 1, 2·x]) of [1, 2] is [4, 6], yours {listed(found)}: each goes on with the last "
            "one's result"
        )
    return None


@probe("composed-only-once")
def composed_once(a: Any, t: Trial) -> str | None:
    both = a.Compose([add_one, double])
    first, again = (both(torch.tensor([1.0, 2.0]), seeded(1)) for _ in range(2))
    if same(first, torch.tensor([4.0, 6.0])) and not same(again, first):
        return (
            f"Compose([x + 1, 2·x]) of [1, 2] is [4, 6] at the first call and {listed(again)} at the "
            "second: an iterator of transforms is used up after one call. Keep a list"
        )
    return None


@probe("chains-share-their-transforms")
def share_transforms(a: Any, t: Trial) -> str | None:
    first, x = a.Compose([add_one]), torch.tensor([1.0, 2.0])
    before = first(x, seeded(1))
    a.Compose([double])
    if same(first(x, seeded(1)), 2 * before):
        return (
            "after Compose([2·x]) was made, an older Compose([x + 1]) doubles too: the list belongs to the "
            "class. Keep it on `self`"
        )
    return None


@probe("generator-not-handed-on")
def not_handed_on(a: Any, t: Trial) -> str | None:
    for name, make in (
        ("Compose", lambda f: a.Compose([f])),
        ("RandomApply", lambda f: a.RandomApply(f, 1.0)),
    ):
        got: list[tuple[Any, ...]] = []

        def watch(*args: Any, got: list[tuple[Any, ...]] = got, **kwargs: Any) -> Any:
            got.append((*args, *kwargs.values()))
            return args[0]

        t.tried(lambda make=make, watch=watch: make(watch)(torch.ones(6, 2), seeded(1)))
        if got and not any(isinstance(each, torch.Generator) for each in got[0]):
            return f"{name} calls its transform without the generator: `transform(x, generator)`"
    return None


@probe("transforms-draw-the-same")
def draw_the_same(a: Any, t: Trial) -> str | None:
    x = torch.zeros(50, dtype=torch.float64)
    once = a.Compose([noise])(x, seeded(4))
    twice = a.Compose([noise, noise])(x, seeded(4))
    if same(twice, 2 * once):
        return (
            "both transforms of Compose([noise, noise]) drew the same numbers: they got fresh copies of the "
            "generator. Pass the same one on to each"
        )
    return None


@probe("blended-not-chosen")
def blended(a: Any, t: Trial) -> str | None:
    found = a.RandomApply(add_one, 0.25)(torch.zeros(40, 2), seeded(1))
    between = (found > 0) & (found < 1)
    if bool(between.any()):
        return (
            f"RandomApply(x + 1, p=0.25) of zeros holds {float(found[between][0]):.3g}: an example is "
            "transformed or left alone, never something between"
        )
    return None


@probe("one-coin-for-the-batch")
def one_coin(a: Any, t: Trial) -> str | None:
    counts = [
        int((a.RandomApply(add_one, 0.5)(torch.zeros(40, 2), seeded(s))[:, 0] == 1).sum()) for s in range(6)
    ]
    if set(counts) <= {0, 40}:
        return (
            f"RandomApply with p=0.5 on six batches of 40 changed {counts} of them: one coin decides for the "
            "whole batch. Throw one for each example"
        )
    return None


@probe("coin-for-each-number")
def coin_for_each_number(a: Any, t: Trial) -> str | None:
    found = a.RandomApply(add_one, 0.5)(torch.zeros(40, 8), seeded(1))
    if found.shape == (40, 8) and not same(found, found[:, :1].expand(40, 8)):
        return "RandomApply threw a coin for each *number*: an example is transformed as a whole, or not"
    return None


@probe("transform-gets-no-batch")
def no_batch(a: Any, t: Trial) -> str | None:
    axes: list[int] = []

    def watch(x: Tensor, generator: torch.Generator) -> Tensor:
        axes.append(x.dim())
        return x

    t.tried(lambda: a.RandomApply(watch, 0.5)(torch.zeros(20, 1, 3, 3), seeded(1)))
    if axes and set(axes) == {3}:
        return (
            "a batch [20, 1, 3, 3] reached the transform as single examples [1, 3, 3]: a transform maps "
            "*batches* [B, …]. Give it the whole batch, and choose afterwards"
        )
    return None


@probe("always-as-many")
def always_as_many(a: Any, t: Trial) -> str | None:
    one_by_one = a.RandomApply(add_one, 0.5)
    counts = {int(one_by_one(torch.zeros(40), seeded(seed)).sum()) for seed in range(8)}
    if len(counts) == 1 and counts < set(range(1, 40)):
        return (
            f"RandomApply with p=0.5 changed exactly {min(counts)} of 40 examples in each of eight batches: "
            "you choose a fixed number. Throw a coin for each example, independent of the others"
        )
    return None


@probe("probability-misread")
def probability(a: Any, t: Trial) -> str | None:
    share = float(a.RandomApply(add_one, 0.2)(torch.zeros(2000, 1), seeded(2)).mean())
    if abs(share - 0.8) < 0.06:
        return "p = 0.2 transforms 80 % of the examples: the comparison is the wrong way round"
    if abs(share - 0.2) > 0.06:
        return f"p = 0.2 transforms {share:.0%} of the examples: compare a uniform number of 0 … 1 with p"
    sure = a.RandomApply(add_one, 1.0)(torch.zeros(500), seeded(3))
    never = a.RandomApply(add_one, 0.0)(torch.zeros(500), seeded(3))
    if not same(sure, torch.ones(500)) or not same(never, torch.zeros(500)):
        return "p = 1 means always and p = 0 means never"
    return None


@probe("transforms-draw-elsewhere")
def transforms_elsewhere(a: Any, t: Trial) -> str | None:
    for name, transform in (
        ("RandomApply", a.RandomApply(add_one, 0.5)),
        ("Compose", a.Compose([noise, a.RandomApply(noise, 0.5)])),
    ):
        x = torch.zeros(64)
        with global_draws() as drawn:
            first = transform(x, seeded(7))
        if drawn:
            return f"{name} draws from {drawn} global random state: draw from the generator that is passed in"
        if not same(first, transform(x, seeded(7))):
            return f"{name}: the same seed gave two results, so something is drawn without the generator"
    generator = seeded(7)
    coins = a.RandomApply(add_one, 0.5)
    if same(coins(torch.zeros(64), generator), coins(torch.zeros(64), generator)):
        return "RandomApply gave the same coins twice from one generator: take its *next* numbers"
    return None


@probe("transform-changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    for name, transform in (("RandomApply", a.RandomApply(add_one, 0.5)), ("Compose", a.Compose([add_one]))):
        x = torch.zeros(40)
        transform(x, seeded(1))
        if x.any():
            return f"{name} wrote its result into the caller's tensor: return a new one (`torch.where`)"
    return None
