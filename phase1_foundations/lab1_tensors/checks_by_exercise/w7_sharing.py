"""W7: who shares memory with whom."""

import torch

from courseware.check import Exercise
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w7 = Exercise(
    "W7",
    takes={"shares_storage": bool},
    hints=(
        "Equal numbers prove nothing, and neither do two names. What is one and the same for all views of "
        "a tensor?",
        "Two tensors share their storage exactly if their storages begin at the same address.",
        "`a.untyped_storage().data_ptr()` is that address; compare it with the one of `b`.",
    ),
)


@w7.probe("compares-values")
def compares_values(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x.clone()):
        return (
            "True for `x` and `x.clone()`: their numbers are equal, their memory is not. Compare "
            "addresses, not values"
        )


@w7.probe("compares-names")
def compares_names(a, t):
    x = t.randn(4)
    if not a.shares_storage(x, x[:]) and a.shares_storage(x, x):
        return (
            "False for `x` and `x[:]`: `is` asks for the same Python object, and every view is an object "
            "of its own. Compare the addresses of their storages"
        )


@w7.probe("compares-the-first-element")
def compares_first(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x[:2]) and not a.shares_storage(x, x[1:]):
        return (
            "False for `x` and `x[1:]`: `data_ptr()` of a tensor is the address of its *first element*. "
            "The storage has an address of its own: `x.untyped_storage().data_ptr()`"
        )


@w7.probe("needs-a-common-element")
def needs_common(a, t):
    x = t.randn(6)
    if a.shares_storage(x, x[1:]) and not a.shares_storage(x[:3], x[3:]):
        return (
            "False for `x[:3]` and `x[3:]`: they have no element in common, but both read the storage of "
            "`x`, and the storage is what is asked for"
        )


@w7.probe("asks-for-the-same-view")
def same_view(a, t):
    x = t.randn(4)
    if a.shares_storage(x, x[:]) and not a.shares_storage(x, x[:2]):
        return (
            "False for `x` and `x[:2]`: they differ in shape, but both read the storage of `x`. Shape, "
            "offset and strides say *how* a tensor reads it; compare where the storage begins"
        )
    if a.shares_storage(x, x[1:]) and not a.shares_storage(x, x.detach()):
        return (
            "False for `x` and `x.detach()`: not everything that reads a storage is recorded as a view "
            "(`_base`). Compare the addresses of the storages"
        )


@w7.probe("a-view-of-something")
def is_a_view(a, t):
    x, y = t.randn(4), t.randn(4)
    if a.shares_storage(x[1:], y[1:]):
        return (
            "True for views of two different tensors: being a view is not enough, it must be one of the "
            "same storage"
        )


@w7.probe("false-for-itself")
def false_for_itself(a, t):
    x = t.randn(4)
    if not a.shares_storage(x, x):
        return (
            "False for `x` and `x` itself. `x.untyped_storage()` makes a new Python object when it likes, "
            "and lists of its bytes are always new: compare the addresses that `data_ptr()` gives"
        )


@w7.property("views share")
def views(a, t):
    x = t.randn(4, 6)
    cases = {
        "x and x": (x, x),
        "x and x[1:]": (x, x[1:]),
        "x[:2] and x[2:]": (x[:2], x[2:]),
        "x and x.T": (x, x.T),
        "x[:, ::2] and x[:, 1::2]": (x[:, ::2], x[:, 1::2]),
        "x and x.reshape(24)": (x, x.reshape(24)),
        "x and x[0].expand(3, 6)": (x, x[0].expand(3, 6)),
        "x and x.detach()": (x, x.detach()),
        "x and x.contiguous()": (x, x.contiguous()),
        "x and x.view(torch.int64)": (x, x.view(torch.int64)),
    }
    for name, (left, right) in cases.items():
        t.that(a.shares_storage(left, right), f"{name} share one storage, you say they do not")
        t.that(a.shares_storage(right, left), f"{name} share one storage; you say so only in one order")


@w7.property("copies do not")
def copies(a, t):
    x = t.randn(4, 6)
    cases = {
        "x and x.clone()": x.clone(),
        "x and x.T.contiguous()": x.T.contiguous(),
        "x and x.T.reshape(24)": x.T.reshape(24),
        "x and x + 0": x + 0,
        "x and x[[0, 1]]": x[[0, 1]],
        "x and x[x > -100]": x[x > -100],
        "x and x.float()": x.float(),
        "x and another tensor": t.randn(4, 6),
    }
    for name, other in cases.items():
        t.that(not a.shares_storage(x, other), f"{name} have storages of their own, you say they share one")


w7.reward(pictures.table_of_views)
