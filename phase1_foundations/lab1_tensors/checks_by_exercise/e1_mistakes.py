"""The known mistakes of E1, in the view and in its adjoint."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.observe import same_storage

Shape = tuple[int, ...]

probe = Probes()


def shape_pairs(t: Trial, count: int) -> Iterator[tuple[Shape, Shape]]:
    """(small, big) such that small broadcasts to big; from 0 axes to 4, sizes 0 to 4."""
    for case in range(count):
        big = tuple(t.random.choice([0, 1, 2, 3, 4]) for _ in range(case * 5 // count))
        dropped = t.random.randint(0, len(big))
        yield tuple(t.random.choice([1, size]) for size in big[dropped:]), big


def expected_view(t: Trial, x: Tensor, shape: Shape) -> Tensor:
    with t.oracle():
        return torch.broadcast_to(x, shape)


# ---- broadcast_view: known mistakes ---------------------------------------------------------------------


@probe("copies")
def copies(a: Any, t: Trial) -> str | None:
    x = t.randn(1000, 1)
    view = a.broadcast_view(x, (1000, 8))
    if same(view, x * torch.ones(8)) and not same_storage(view, x):
        return (
            f"the values are right, but they were copied: {view.untyped_storage().nbytes():,} bytes for a "
            f"tensor of {x.untyped_storage().nbytes():,}. Read the same storage again: a broadcast axis "
            "has stride 0"
        )
    return None


@probe("copies-other-layouts")
def copies_other_layouts(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3).T
    view = a.broadcast_view(x, (2, 3, 2))
    if same(view, x * torch.ones(2, 1, 1)) and not same_storage(view, x):
        return (
            "right and without a copy where x is contiguous, but a transposed x was copied: "
            "`.contiguous()` (and `.reshape`) make a new tensor. Use the strides that x has"
        )
    return None


@probe("copies-where-nothing-grows")
def copies_the_same(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3)
    if same_storage(a.broadcast_view(x, (4, 2, 3)), x) and not same_storage(a.broadcast_view(x, (2, 3)), x):
        return (
            "(2, 3) → (2, 3) was copied: also where the shape stays the result is a view, of the same storage"
        )
    return None


@probe("refuses-what-fits")
def refuses_what_fits(a: Any, t: Trial) -> str | None:
    for small, big in (((3, 1), (3, 4)), ((3,), (2, 3)), ((), (2, 2)), ((1, 3), (0, 3)), ((0, 3), (5, 0, 3))):
        attempt = t.attempt(lambda small=small, big=big: a.broadcast_view(t.randn(*small), big))
        if attempt.raised(ValueError):
            return (
                f"{small} broadcasts to {big}, but you raised ValueError ({attempt.error}): 0 is a size "
                "like any other"
            )
    return None


@probe("size-one-does-not-stretch")
def size_one(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.broadcast_view(t.randn(2, 1), (2, 3)))
    if attempt.raised(ValueError) or (attempt.error is None and attempt.value.shape == (2, 1)):
        return "a tensor of shape (2, 1) should stretch to (2, 3): not only new axes, a size of 1 grows too"
    return None


@probe("contiguous-strides")
def contiguous_strides(a: Any, t: Trial) -> str | None:
    x = torch.arange(6.0).reshape(2, 3).T  # shape (3, 2), strides (1, 3)
    view = a.broadcast_view(x, (2, 3, 2))
    if same(view[0], torch.arange(6.0).reshape(3, 2)):
        return (
            "wrong on a transposed input: x has shape (3, 2) and strides (1, 3), and you read it with "
            "strides (2, 1), computed from its shape. Take them from `x.stride()`"
        )
    return None


@probe("offset-lost")
def offset_lost(a: Any, t: Trial) -> str | None:
    x = torch.arange(6.0)[2:]
    view = a.broadcast_view(x, (3, 4))
    if same(view[0], torch.arange(4.0)):
        return (
            "wrong on x[2:]: your view begins at the beginning of the storage. Either pass "
            "`x.storage_offset()` as the third argument of `as_strided`, or no third argument: then x "
            "keeps its own"
        )
    return None


@probe("aligned-at-the-left")
def aligned_left(a: Any, t: Trial) -> str | None:
    x = torch.tensor([1.0, 2.0])
    view = a.broadcast_view(x, (2, 2))
    if same(view, torch.tensor([[1.0, 1.0], [2.0, 2.0]])):
        return (
            "[1, 2] as (2, 2) should be [[1, 2], [1, 2]], you gave [[1, 1], [2, 2]]: shapes line up at "
            "the right, new axes come in front"
        )
    return None


@probe("new-axes-need-stride-zero")
def moving_axes(a: Any, t: Trial) -> str | None:
    x = torch.arange(12.0)[:3]
    attempt = t.attempt(lambda: a.broadcast_view(x, (2, 3)))
    if attempt.error is None and attempt.value.shape == (2, 3) and attempt.value.stride()[0] != 0:
        return (
            f"your new axis has stride {attempt.value.stride()[0]}: its second row reads other numbers, "
            f"{numbers(attempt.value[1])} instead of {numbers(x)}. An axis that repeats has stride 0"
        )
    return None


@probe("stretched-axes-need-stride-zero")
def stretched_axes(a: Any, t: Trial) -> str | None:
    x = torch.arange(12.0).reshape(3, 4)[:, :1]
    view = t.attempt(lambda: a.broadcast_view(x, (3, 2))).value
    if view is not None and view.shape == (3, 2) and view.stride()[1] != 0:
        return (
            f"(3, 1) → (3, 2): the stretched axis has stride {view.stride()[1]} and walks on to other "
            "numbers. Where a size of 1 grows, the stride is 0"
        )
    return None


@probe("every-stride-zero")
def every_stride_zero(a: Any, t: Trial) -> str | None:
    x = torch.tensor([1.0, 2.0, 3.0])
    if same(a.broadcast_view(x, (2, 3)), torch.ones(2, 3)):
        return (
            "you see the first element everywhere: only axes that repeat get stride 0, the others keep "
            "x's stride"
        )
    return None


@probe("minus-one-accepted")
def minus_one(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.broadcast_view(t.randn(3), (-1, 3)))
    if attempt.error is None:
        return (
            f"(3,) → (−1, 3) gave shape {tuple(attempt.value.shape)}: a negative size is no size, raise "
            "ValueError"
        )
    if attempt.raised(RuntimeError):
        return (
            "(3,) → (−1, 3): you leave it to torch to complain (RuntimeError); check for sizes below 0 "
            "and raise ValueError"
        )
    attempt = t.attempt(lambda: a.broadcast_view(t.randn(3), (3, -1)))
    if attempt.error is None:
        return (
            f"(3,) → (3, −1) gave shape {tuple(attempt.value.shape)}: -1 does not mean “as it is” here, a "
            "negative size is an error (ValueError)"
        )
    return None


REFUSED: tuple[tuple[Shape, Shape], ...] = (
    ((4,), (2,)),
    ((3,), (4,)),
    ((2, 3), (3,)),
    ((2, 3), (3, 2)),
    ((3,), (3, 2)),
    ((2,), (1,)),
    ((2,), (0,)),
    ((0,), (2,)),
    ((1, 1), (1,)),
    ((2,), ()),
    ((3,), (3, -1)),
)


@probe("accepts-what-does-not-fit")
def accepts_all(a: Any, t: Trial) -> str | None:
    for small, big in REFUSED[:5]:
        attempt = t.attempt(lambda small=small, big=big: a.broadcast_view(t.randn(*small), big))
        if attempt.error is None:
            return (
                f"{small} does not broadcast to {big}, but you returned a view of it: `as_strided` reads "
                "whatever it is told to. Compare the sizes first and raise ValueError"
            )
    for small, big, why in (
        ((2,), (0,), "0 is a size like any other, and only 1 stretches"),
        ((2,), (1,), "a size of 1 stretches, nothing shrinks to 1"),
        ((1, 1), (1,), "x has more axes than the shape; axes of size 1 are not dropped"),
    ):
        attempt = t.attempt(lambda small=small, big=big: a.broadcast_view(t.randn(*small), big))
        if attempt.error is None:
            return f"{small} does not broadcast to {big}, but you returned a result: {why}. Raise ValueError"
    return None


@probe("other-exception")
def other_exception(a: Any, t: Trial) -> str | None:
    for small, big in REFUSED[:5]:
        attempt = t.tried(lambda small=small, big=big: a.broadcast_view(t.randn(*small), big))
        if attempt.raised(RuntimeError, IndexError, AssertionError, TypeError):
            return (
                f"{small} → {big} raised {type(attempt.error).__name__} ({attempt.error}); asked for is "
                "ValueError: compare number of axes and sizes yourself before anything else"
            )
    return None


# ---- unbroadcast: known mistakes ------------------------------------------------------------------------


@probe("only-new-axes-summed")
def only_new_axes(a: Any, t: Trial) -> str | None:
    g = torch.ones(3, 4)
    attempt = t.attempt(lambda: a.unbroadcast(g, (3, 1)))
    if attempt.error is None and attempt.value.shape == (3, 4):
        return (
            "unbroadcast from (3, 4) to (3, 1) came back with shape (3, 4): you only sum the axes that "
            "were added in front. Where `shape` has a 1 and g has more, sum too, with keepdim"
        )
    return None


@probe("mean-instead-of-sum")
def mean(a: Any, t: Trial) -> str | None:
    g = torch.tensor([[1.0, 2.0, 3.0, 6.0], [0.0, 1.0, 0.0, 3.0], [5.0, 0.0, 3.0, 0.0]])
    for shape in ((3, 1), (4,)):
        factor = 4 if shape == (3, 1) else 3
        result = a.unbroadcast(g, shape).flatten()
        total = g.sum(1) if shape == (3, 1) else g.sum(0)
        if same(result * factor, total):
            return (
                f"your adjoint is off by the broadcast factor {factor}: (3, 4) → {shape} gave "
                f"{numbers(result)}, expected {numbers(total)}. The gradient is a sum over all places that "
                "read the element, not a mean"
            )
    return None


@probe("changes-the-dtype")
def changes_dtype(a: Any, t: Trial) -> str | None:
    result = a.unbroadcast(t.randn(2, 3), (3,))
    if result.dtype != torch.float64:
        return (
            f"a float64 gradient came back as {result.dtype}: the result keeps the dtype of g, so no "
            "`.float()`"
        )
    result = a.unbroadcast(t.randn(2, 3, dtype=torch.float32), (3,))
    if result.dtype != torch.float32:
        return f"a float32 gradient came back as {result.dtype}: the result keeps the dtype of g"
    tiny = 1 + 2.0**-40
    if float(a.unbroadcast(torch.tensor([tiny], dtype=torch.float64), (1,))) == 1.0:
        return (
            "1 + 2⁻⁴⁰ in a float64 gradient came back as 1: on the way it was float32, which has 24 binary "
            "digits. Compute in the dtype of g"
        )
    return None


@probe("largest-instead-of-sum")
def largest(a: Any, t: Trial) -> str | None:
    g = torch.tensor([[1.0, 4.0], [3.0, 2.0]])
    if same(a.unbroadcast(g, (2,)), torch.tensor([3.0, 4.0])):
        return (
            "you took the largest of the gradients: an element that was read twice receives the sum of both"
        )
    return None


@probe("sum-over-no-axis")
def no_axis(a: Any, t: Trial) -> str | None:
    g = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    if t.attempt(lambda: a.unbroadcast(g, (2, 2))).raised(RuntimeError):
        return (
            "unbroadcast from (2, 2) to (2, 2) raised an error: with nothing to sum, `g.sum(())` sums "
            "over *all* axes, and what is left has no such shape. Skip the sum when the list of axes is "
            "empty"
        )
    if same(a.unbroadcast(g, (2, 2)).flatten(), torch.tensor([10.0])):
        return (
            "nothing was broadcast from (2, 2) to (2, 2), yet everything was summed: `g.sum(dim=())` does "
            "not sum over no axis, it sums over all. Skip the sum when the list of axes is empty"
        )
    return None


@probe("axis-disappears")
def axis_disappears(a: Any, t: Trial) -> str | None:
    for big, small in (((3, 4), (3, 1)), ((1, 4), (1, 4)), ((2, 1), (2, 1))):
        result = a.unbroadcast(torch.ones(big), small)
        if result.dim() < len(small):
            return (
                f"unbroadcast from {big} to {small} came back with shape {tuple(result.shape)}: an axis of "
                "size 1 is an axis. Sum it with keepdim=True"
            )
    return None


@probe("axis-stays")
def axis_stays(a: Any, t: Trial) -> str | None:
    result = a.unbroadcast(torch.ones(2, 3), (3,))
    if result.dim() == 2:
        return (
            "unbroadcast from (2, 3) to (3,) came back with two axes: an axis that was added must go, "
            "without keepdim"
        )
    return None


@probe("wrong-axis-summed")
def wrong_axis(a: Any, t: Trial) -> str | None:
    g = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    if same(a.unbroadcast(g, (2,)), torch.tensor([3.0, 7.0])):
        return (
            "unbroadcast of [[1, 2], [3, 4]] to (2,) gave [3, 7], expected [4, 6]: shapes line up at the "
            "right, so the axis in front is the one that was added"
        )
    return None


@probe("only-one-axis-summed")
def one_axis_summed(a: Any, t: Trial) -> str | None:
    for big, small in (((2, 3), (1, 1)), ((4, 2, 3), (3,))):
        result = a.unbroadcast(torch.ones(big), small)
        if tuple(result.shape) != small and result.numel() > torch.ones(small).numel():
            return (
                f"unbroadcast from {big} to {small} came back as {tuple(result.shape)}: two axes were "
                "broadcast, and one was summed. Go through all of them"
            )
    return None


@probe("sums-across-other-places")
def other_places(a: Any, t: Trial) -> str | None:
    g = torch.arange(12.0).reshape(3, 4)
    attempt = t.attempt(lambda: a.unbroadcast(g, (3, 1)))
    found = attempt.value
    if found is None or found.shape != (3, 1) or same(found, g.sum(1, keepdim=True)):
        return None
    if same(found.sum(), g.sum()):
        return (
            "(3, 4) → (3, 1): the numbers add up, but they went to the wrong rows: "
            f"{numbers(found.flatten())} instead of [6, 22, 38]. `reshape` before a sum regroups "
            "elements across axes; sum over the axes themselves"
        )
    return None


@probe("picks-one-instead-of-summing")
def picks_one(a: Any, t: Trial) -> str | None:
    g = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    if same(a.unbroadcast(g, (2,)), g[0]) or same(a.unbroadcast(g, (2, 1)), g[:, :1]):
        return (
            "you picked one of the gradients: an element that was read in several places receives the sum "
            "of all of them"
        )
    return None
