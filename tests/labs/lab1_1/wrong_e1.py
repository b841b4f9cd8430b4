"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import numpy as np
import torch

from tests.labs.answers import Answers

wrong = Answers()


view = wrong.stands_for("E1", "broadcast_view")


back = wrong.stands_for("E1", "unbroadcast")


def check(x, shape):
    tail = shape[len(shape) - x.dim() :]
    if len(shape) < x.dim() or any(m < 0 for m in shape):
        raise ValueError("no")
    if any(n not in (1, m) for n, m in zip(x.shape, tail, strict=True)):
        raise ValueError("no")


def strides_of(x, shape):
    k = len(shape) - x.dim()
    return [0] * k + [s if n == m else 0 for n, s, m in zip(x.shape, x.stride(), shape[k:], strict=True)]


@view
def adds_zeros(x, shape):
    check(x, shape)
    return x + torch.zeros(shape, dtype=x.dtype)


@view
def index_copies(x, shape):
    check(x, shape)
    for _ in range(len(shape) - x.dim()):
        x = x[None]
    for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
        if n != m:
            x = x.index_select(axis, torch.zeros(m, dtype=torch.long))
    return x


@view
def tensor_method_by_getattr(x, shape):
    check(x, shape)
    return getattr(x, "ex" + "pand")(*shape)


@view
def broadcast_tensors(x, shape):
    check(x, shape)
    return torch.broadcast_tensors(x, torch.empty(shape))[0]


@view
def through_numpy(x, shape):
    check(x, shape)
    return torch.from_numpy(np.broadcast_to(x.numpy(), shape))


@view
def new_axes_only(x, shape):
    k = len(shape) - x.dim()
    if k < 0 or tuple(x.shape) != tuple(shape[k:]):
        raise ValueError("no")
    return x.as_strided(shape, [0] * k + list(x.stride()))


@view
def contiguous_first(x, shape):
    check(x, shape)
    x = x.contiguous()
    return x.as_strided(shape, strides_of(x, shape))


@view
def new_axis_stride_one(x, shape):
    check(x, shape)
    k = len(shape) - x.dim()
    return x.as_strided(shape, [1] * k + strides_of(x, shape)[k:])


@view
def keeps_stride_of_ones(x, shape):
    check(x, shape)
    k = len(shape) - x.dim()
    return x.as_strided(shape, [0] * k + list(x.stride()))


@view
def all_zero_strides(x, shape):
    check(x, shape)
    return x.as_strided(shape, [0] * len(shape))


@view
def forgets_too_few_axes(x, shape):
    k = len(shape) - x.dim()
    if any(m < 0 for m in shape):
        raise ValueError("no")
    sizes = x.shape[max(-k, 0) :]
    if any(n not in (1, m) for n, m in zip(sizes, shape[max(k, 0) :], strict=True)):
        raise ValueError("no")
    own = x.stride()[max(-k, 0) :]
    return x.as_strided(
        shape, [0] * k + [s if n == m else 0 for n, s, m in zip(sizes, own, shape[max(k, 0) :], strict=True)]
    )


@view
def leaves_errors_to_torch(x, shape):
    k = len(shape) - x.dim()
    return x.as_strided(
        shape, [0] * k + [0 if n == 1 else s for n, s in zip(x.shape, x.stride(), strict=True)]
    )


@view
def returns_false(x, shape):
    try:
        check(x, shape)
    except ValueError:
        return None
    return x.as_strided(shape, strides_of(x, shape))


@view
def larger_divides(x, shape):
    if len(shape) < x.dim() or any(m < 0 for m in shape):
        raise ValueError("no")
    k = len(shape) - x.dim()
    for n, m in zip(x.shape, shape[k:], strict=True):
        if n == 0 or m % n:
            raise ValueError("no")
    return x.as_strided(shape, strides_of(x, shape))


@view
def zero_is_refused(x, shape):
    check(x, shape)
    if 0 in shape:
        raise ValueError("empty")
    return x.as_strided(shape, strides_of(x, shape))


@view
def needs_floats(x, shape):
    check(x, shape)
    return x.float().as_strided(shape, strides_of(x, shape))


@view
def row_strides(x, shape):
    check(x, shape)
    k = len(shape) - x.dim()
    own = list(torch.empty(x.shape).stride())
    return x.as_strided(
        shape, [0] * k + [s if n == m else 0 for n, s, m in zip(x.shape, own, shape[k:], strict=True)]
    )


@back
def sum_to_size(g, shape):
    return g.sum_to_size(shape)


@back
def by_autograd(g, shape):
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    (x + torch.zeros_like(g)).backward(g)
    return x.grad


@back
def returns_g(g, shape):
    return g


@back
def only_the_size_one_axes(g, shape):
    k = g.dim() - len(shape)
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis + k, keepdim=True)
    return g


@back
def keeps_the_new_axes(g, shape):
    k = g.dim() - len(shape)
    axes = [*range(k), *(k + i for i, n in enumerate(shape) if n == 1)]
    return g.sum(axes, keepdim=True) if axes else g


@back
def squeezes(g, shape):
    k = g.dim() - len(shape)
    axes = [*range(k), *(k + i for i, n in enumerate(shape) if n == 1)]
    return g.sum(axes) if axes else g


@back
def reshape_and_sum(g, shape):
    return g.reshape(-1, *shape).sum(0)


@back
def max_instead(g, shape):
    while g.dim() > len(shape):
        g = g.amax(0)
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.amax(axis, keepdim=True)
    return g


@back
def sum_everything(g, shape):
    return g.sum().reshape([1] * len(shape))


@back
def slices_the_corner(g, shape):
    k = g.dim() - len(shape)
    return g[(0,) * k][tuple(slice(0, n) for n in shape)]


@back
def left_aligned_axes(g, shape):
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis, keepdim=True)
    while g.dim() > len(shape):
        g = g.sum(-1)
    return g


@back
def in_place(g, shape):
    while g.dim() > len(shape):
        g = g.cumsum_(0)[-1]
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis, keepdim=True)
    return g


@back
def sum_over_dim_tuple(g, shape):
    k = g.dim() - len(shape)
    axes = tuple(range(k)) + tuple(k + i for i, n in enumerate(shape) if n == 1 and g.shape[k + i] > 1)
    return g.sum(axes, keepdim=True).reshape(shape)


@back
def float32_result(g, shape):
    while g.dim() > len(shape):
        g = g.float().sum(0)
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.float().sum(axis, keepdim=True)
    return g
