"""E1: broadcasting by strides, and its adjoint."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.edges import layouts
from courseware.check.numeric import inner
from phase1_foundations.lab1_tensors.checks_by_exercise.e1_mistakes import (
    REFUSED,
    expected_view,
    probe,
    shape_pairs,
)
from shared.plotting import heatmap, panels, show

e1 = Exercise(
    "E1",
    takes={"broadcast_view": Tensor, "unbroadcast": Tensor},
    forbids=forbid(
        *("expand", "expand_as", "expand_copy", "broadcast_to", "broadcast_tensors", "sum_to_size"),
        *("numpy", "__array__"),
        autograd=True,
        why=(
            "it is the answer under another name. Build the view with `as_strided`, and the way back with "
            "`sum`"
        ),
    ),
    hints=(
        "Along an axis that is broadcast, the next element is the same one again: the same address is "
        "read a second time. On the way back, everything that was read from one address is added up there.",
        "Line the shapes up at the right. Stride 0 where a size of 1 grows and for every new axis; x's "
        "own stride everywhere else. `unbroadcast`: sum the new axes away, then sum with keepdim where "
        "`shape` has a 1.",
        "`strides = [0] * new_axes + [0 if n == 1 and m != 1 else s for n, s, m in zip(x.shape, "
        "x.stride(), shape[new_axes:])]`, after refusing every n that is neither m nor 1; then "
        "`x.as_strided(shape, strides)`. Back: `while g.dim() > len(shape): g = g.sum(0)`, then a loop "
        "over the axes of `shape`.",
    ),
)
probe.add_to(e1)


@e1.property("broadcast_view shows the right values", points=3)
def right_values(a: Any, t: Trial) -> None:
    for small, big in shape_pairs(t, 100):
        x = t.randn(*small)
        t.equal(a.broadcast_view(x, big), expected_view(t, x, big))


@e1.property("without a copy", points=3)
def zero_copy(a: Any, t: Trial) -> None:
    for small, big in [((2, 1), (2, 3)), ((3,), (2, 3)), ((), (4,)), *shape_pairs(t, 60)]:
        x = t.randn(*small)
        view, expected = a.broadcast_view(x, big), expected_view(t, x, big)
        t.that(
            view.numel() == 0 or view.data_ptr() == x.data_ptr(),
            f"{small} → {big} does not read the storage of x: it was copied",
        )
        for axis, size in enumerate(view.shape):
            if size > 1 and view.numel():
                t.equal(
                    view.stride()[axis], expected.stride()[axis], f"stride of axis {axis} of {small} → {big}"
                )


@e1.property("any layout and dtype", points=3)
def any_layout(a: Any, t: Trial) -> None:
    for shape in ((3,), (2, 3), (3, 1), (2, 1, 3)):
        for _layout, x in layouts(t, *shape):
            for big in (
                x.shape,
                (2, *x.shape),
                (*x.shape[:-1], max(x.shape[-1], 3 if x.shape[-1] == 1 else 1)),
            ):
                view = a.broadcast_view(x, tuple(big))
                t.equal(view, expected_view(t, x, tuple(big)))
                t.that(view.data_ptr() == x.data_ptr(), f"{tuple(x.shape)} → {tuple(big)} was copied")
    for dtype in (torch.int64, torch.bool, torch.float16, torch.complex64):
        x = t.randn(3, 1).to(dtype)
        t.equal(a.broadcast_view(x, (2, 3, 4)), expected_view(t, x, (2, 3, 4)))


@e1.property("ValueError where shapes do not fit", points=2)
def refuses(a: Any, t: Trial) -> None:
    for small, big in (*REFUSED, ((3,), (-1, 3)), ((1,), (-2,))):
        t.raises(
            ValueError,
            lambda small=small, big=big: a.broadcast_view(t.randn(*small), big),
            f"{small} → {big}",
        )


@e1.property("unbroadcast is the adjoint: ⟨Bx, g⟩ = ⟨x, Bᵀg⟩", points=4)
def adjoint(a: Any, t: Trial) -> None:
    for small, big in shape_pairs(t, 200):
        x, g = t.randn(*small), t.randn(*big)
        back = a.unbroadcast(g, small)
        with t.oracle():
            t.equal(back, g.sum_to_size(small))
        left, right = inner(expected_view(t, x, big), g), inner(x, back)
        t.equal(right, left, f"⟨x, Bᵀg⟩ against ⟨Bx, g⟩ for {small} → {big}", rtol=1e-9, atol=1e-9)
    g = t.randn(4, 3, dtype=torch.float32).T
    t.equal(a.unbroadcast(g, (1, 4)), g.sum(0, keepdim=True))


@e1.reward
def address_maps(a: Any) -> None:
    """Which place in the storage does each element of the learner's views read?"""
    storage = torch.arange(12.0)
    cases = {
        "x[:4] as (3, 4)": (storage[:4], (3, 4)),
        "column x[3:6] as (3, 4)": (storage[3:6, None], (3, 4)),
        "transposed (3, 4), untouched": (storage.reshape(4, 3).T, (3, 4)),
    }
    fig, axes = panels(1, 3, height=2.3)
    for ax, (title, (x, shape)) in zip(axes, cases.items(), strict=True):
        view = a.broadcast_view(x, shape)
        rows, columns = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
        address = view.storage_offset() + rows * view.stride(0) + columns * view.stride(1)
        heatmap(ax, address, limits=(0, 11), title=f"{title}\nstrides {view.stride()}")
        ax.set_axis_off()
    reads = a.unbroadcast(torch.ones(3, 4), (4,))
    show(
        fig,
        caption=(
            "Each cell shows the address that your view reads: one storage of 12 numbers, three ways to "
            f"read it. In the first picture each number is read {reads[0]:.0f} times: that is what "
            "`unbroadcast` of ones counts."
        ),
        alt=(
            "Three 3 by 4 tables of addresses. In the first all rows are 0 1 2 3, in the second all "
            "columns are 3 4 5, in the third the addresses 0 to 11 run down the columns."
        ),
    )
