"""The known mistakes of E1's dataset, each by its signature."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import listed

probe = Probes()


def stored() -> list[Tensor]:
    return [torch.tensor([5.0, 6.0, 7.0]), torch.tensor([8.0]), torch.tensor([9.0, 1.0])]


LABELS = torch.tensor([30, 10, 20])


def dataset(a: Any, transform: Any = None) -> Any:
    if transform is None:
        return a.SequenceDataset(stored(), LABELS)
    return a.SequenceDataset(stored(), LABELS, transform)


@probe("length-is-wrong")
def wrong_length(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: len(dataset(a)))
    if attempt.raised(TypeError):
        return (
            f"len(ds) fails ({attempt.error}): `__len__` must return a whole number, the number of sequences"
        )
    if attempt.error is None and attempt.value != 3:
        return f"three sequences, and len(ds) is {attempt.value}: count the sequences"
    return None


@probe("not-a-pair")
def not_a_pair(a: Any, t: Trial) -> str | None:
    pair = dataset(a)[0]
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        kind = f"{len(pair)} things" if isinstance(pair, tuple | list) else f"a {type(pair).__name__}"
        return f"ds[0] is {kind}, asked for is a pair (sequence, label)"
    if not isinstance(pair[0], Tensor):
        return (
            f"the first half of ds[0] is a {type(pair[0]).__name__}, expected the sequence, a tensor: the "
            "pair is (sequence, label)"
        )
    return None


@probe("label-is-no-int")
def label_no_int(a: Any, t: Trial) -> str | None:
    label = dataset(a)[0][1]
    if not isinstance(label, int):
        return (
            f"the label is a {type(label).__name__} ({label!r}), asked for is a Python int: `int(...)` or "
            "`.item()` makes one"
        )
    return None


@probe("sequence-of-another-dtype")
def another_dtype(a: Any, t: Trial) -> str | None:
    for dtype in (torch.int64, torch.float64):
        found = a.SequenceDataset([torch.ones(2, dtype=dtype)], LABELS[:1])[0][0].dtype
        if found != dtype:
            return f"a sequence of {dtype} comes back as {found}: the dataset hands out what it was given"
    return None


@probe("negative-numbers-refused")
def negative_refused(a: Any, t: Trial) -> str | None:
    for index in (-1, -3):
        attempt = t.attempt(lambda index=index: dataset(a)[index])
        if attempt.raised(IndexError):
            return (
                f"ds[{index}] of three examples raised IndexError ({attempt.error}): negative numbers from "
                "−N to −1 count from the end"
            )
    return None


@probe("negative-numbers-shifted")
def negative_shifted(a: Any, t: Trial) -> str | None:
    sequence, label = dataset(a)[-1]
    if label != 20 or not same(sequence, stored()[2]):
        return (
            f"ds[-1] should be the last pair ([9, 1], 20), yours is ({listed(sequence)}, {label}): index + "
            "len, with nothing added or taken away"
        )
    return None


@probe("sequence-and-label-part")
def parted(a: Any, t: Trial) -> str | None:
    pairs = [dataset(a)[i] for i in range(3)]
    right = [same(sequence, want) for (sequence, _), want in zip(pairs, stored(), strict=True)]
    labels = [label for _, label in pairs]
    if all(right) and labels != LABELS.tolist():
        return (
            f"the sequences are right, but their labels come as {labels} instead of {LABELS.tolist()}: "
            "number i of one belongs to number i of the other"
        )
    if not all(right) and sorted(labels) == sorted(LABELS.tolist()) and labels != LABELS.tolist():
        return f"the pairs come in another order: labels {labels}, expected {LABELS.tolist()}"
    return None


@probe("past-the-end-is-accepted")
def no_index_error(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: dataset(a)[3])
    if attempt.error is None:
        return (
            f"three examples, and ds[3] gives {listed(attempt.value)!r:.60} instead of an IndexError: a "
            "for-loop over the dataset never ends"
        )
    if not attempt.raised(IndexError):
        return (
            f"ds[3] of three raised {type(attempt.error).__name__} ({attempt.error}); asked for is "
            "IndexError, which `for` loops wait for"
        )
    return None


@probe("before-the-front-is-accepted")
def before_the_front(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: dataset(a)[-4])
    if attempt.error is None:
        return (
            f"three examples, and ds[-4] gives {listed(attempt.value)!r:.60}: it lies before the first one "
            "(ds[-3]), so raise IndexError"
        )
    return None


# ---- the transform --------------------------------------------------------------------------------------


@probe("transform-gets-the-pair")
def gets_the_pair(a: Any, t: Trial) -> str | None:
    got = []

    def watch(*args: Any) -> Any:
        got.append(args)
        return args[0]

    t.attempt(lambda: dataset(a, watch)[0])
    if got and (len(got[0]) != 1 or not isinstance(got[0][0], Tensor)):
        what = "the pair" if len(got[0]) == 1 else f"{len(got[0])} arguments"
        return f"your transform is called with {what}: it gets the sequence alone, `transform(sequence)`"
    return None


@probe("transform-applied-once-for-all")
def applied_up_front(a: Any, t: Trial) -> str | None:
    calls = []

    def watch(sequence: Tensor) -> Tensor:
        calls.append(1)
        return sequence + len(calls)

    ds = dataset(a, watch)
    if calls:
        return (
            f"the transform ran {len(calls)} times while the dataset was made: then a random transform gives "
            "the same result in every epoch. Call it in `__getitem__`"
        )
    ds[0], ds[0]
    if len(calls) == 1:
        return (
            "the second fetch of ds[0] did not call the transform: its result was kept. A random transform "
            "should give something new every time"
        )
    return None


@probe("transform-ignored")
def transform_ignored(a: Any, t: Trial) -> str | None:
    if same(dataset(a, lambda sequence: sequence * 10)[0][0], stored()[0]):
        return (
            "with a transform that multiplies by 10, ds[0] is still [5, 6, 7]: either the transform is not "
            "called, or what it *returns* is not used"
        )
    return None


@probe("transform-called-twice")
def called_twice(a: Any, t: Trial) -> str | None:
    calls = []

    def watch(sequence: Tensor) -> Tensor:
        calls.append(1)
        return sequence * 10

    sequence, _ = dataset(a, watch)[0]
    if len(calls) > 1:
        return f"one fetch called the transform {len(calls)} times: once is asked for ({listed(sequence)})"
    return None


@probe("transform-changes-the-data")
def changes_the_data(a: Any, t: Trial) -> str | None:
    ds = dataset(a, lambda sequence: sequence.mul_(10))
    first, second = ds[0][0].clone(), ds[0][0].clone()
    if same(first, stored()[0] * 10) and same(second, stored()[0] * 100):
        return (
            "a transform that writes into its argument (x.mul_(10)) gave [50, 60, 70] in the first epoch and "
            "[500, 600, 700] in the second: the second epoch sees twice-transformed data. Hand it a copy, "
            "`sequence.clone()`"
        )
    return None
