"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import torch

from tests.labs.answers import Answers

right = Answers()


@right("E1")
def from_the_right_with_an_offset():
    def broadcast_view(x, shape):
        strides = []
        if x.ndim > len(shape):
            raise ValueError("too few axes")
        for i in range(len(shape)):
            axis = len(shape) - 1 - i
            if shape[axis] < 0:
                raise ValueError("negative")
            if i >= x.ndim:
                strides.append(0)
                continue
            n, s = x.shape[-1 - i], x.stride(-1 - i)
            if n == shape[axis]:
                strides.append(s)
            elif n == 1:
                strides.append(0)
            else:
                raise ValueError("sizes differ")
        return torch.as_strided(x, shape, strides[::-1], x.storage_offset())

    def unbroadcast(g, shape):
        missing = g.ndim - len(shape)
        padded = (1,) * missing + tuple(shape)
        axes = tuple(i for i, n in enumerate(padded) if n == 1)
        if axes:
            g = g.sum(axes, keepdim=True)
        return g.reshape(shape)

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def zero_for_every_one():
    def broadcast_view(x, shape):
        padded = (1,) * (len(shape) - x.dim()) + tuple(x.shape)
        strides = (7,) * (len(shape) - x.dim()) + x.stride()
        if len(padded) != len(shape) or any(m < 0 for m in shape):
            raise ValueError("no")
        if not all(n == m or n == 1 for n, m in zip(padded, shape, strict=True)):
            raise ValueError("no")
        return x.as_strided(
            tuple(shape),
            [0 if n == 1 else s for n, s in zip(padded, strides, strict=True)],
            x.storage_offset(),
        )

    def unbroadcast(g, shape):
        for _ in range(g.dim() - len(shape)):
            g = g.sum(0)
        for axis in range(len(shape)):
            if shape[axis] != g.shape[axis]:
                g = g.sum(axis).unsqueeze(axis)
        return g

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def einsum_and_set():
    def broadcast_view(x, shape):
        added = len(shape) - x.dim()
        if added < 0 or min(shape, default=0) < 0:
            raise ValueError(shape)
        for n, m in zip(x.shape, shape[added:], strict=True):
            if not (n == m or n == 1):
                raise ValueError(shape)
        stride = [0] * added + [s * (n != 1) for n, s in zip(x.shape, x.stride(), strict=True)]
        return x.new_empty(0).set_(x.untyped_storage(), x.storage_offset(), tuple(shape), stride)

    def unbroadcast(g, shape):
        letters = "abcdefgh"[: g.dim()]
        added = g.dim() - len(shape)
        kept = "".join(c for c, n in zip(letters[added:], shape, strict=True) if n != 1)
        return torch.einsum(f"{letters}->{kept}", g).reshape(shape)

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def recursive_and_with_ones():
    def broadcast_view(x, shape):
        def strides(sizes, own, wanted):
            if not wanted:
                if sizes:
                    raise ValueError("x has more axes")
                return []
            if wanted[-1] < 0:
                raise ValueError("negative size")
            if not sizes:
                return [*strides([], [], wanted[:-1]), 0]
            if sizes[-1] not in (1, wanted[-1]):
                raise ValueError("sizes do not fit")
            return [*strides(sizes[:-1], own[:-1], wanted[:-1]), own[-1] if sizes[-1] == wanted[-1] else 0]

        return x.as_strided(shape, strides(list(x.shape), list(x.stride()), list(shape)))

    def unbroadcast(g, shape):
        flat = g.reshape(-1)
        out = torch.zeros(shape, dtype=g.dtype)
        place = torch.arange(out.numel()).reshape(shape)
        padded = place.reshape((1,) * (g.dim() - place.dim()) + tuple(shape))
        index = (padded + torch.zeros(g.shape, dtype=torch.long)).reshape(-1)
        return out.reshape(-1).index_add(0, index, flat).reshape(shape)

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def insert_axes_first():
    def broadcast_view(x, shape):
        view = x
        while view.dim() < len(shape):
            view = view.unsqueeze(0)
        if view.dim() > len(shape):
            raise ValueError("shape has fewer axes than x")
        sizes, strides = list(view.shape), list(view.stride())
        for axis, wanted in enumerate(shape):
            if sizes[axis] == wanted:
                continue
            if sizes[axis] != 1 or wanted < 0:
                raise ValueError(f"axis {axis}")
            sizes[axis], strides[axis] = wanted, 0
        return view.as_strided(sizes, strides)

    def unbroadcast(g, shape):
        if tuple(g.shape) == tuple(shape):
            return g
        if g.dim() > len(shape):
            return unbroadcast(torch.stack(g.unbind(0)).sum(0) if g.shape[0] else g.sum(0), shape)
        for axis, (n, m) in enumerate(zip(g.shape, shape, strict=True)):
            if n != m:
                return unbroadcast(g.sum(axis, keepdim=True), shape)
        raise AssertionError("not reached")

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def try_and_convert_the_error():
    def broadcast_view(x, shape):
        try:
            assert all(isinstance(n, int) and n >= 0 for n in shape)
            assert x.ndim <= len(shape)
            sizes = [1] * (len(shape) - x.ndim) + [*x.shape]
            assert all(a in (1, b) for a, b in zip(sizes, shape, strict=True))
        except AssertionError:
            raise ValueError(f"cannot broadcast {tuple(x.shape)} to {shape}") from None
        own = [0] * (len(shape) - x.ndim) + [*x.stride()]
        return torch.as_strided(
            x, shape, [s if n == m else 0 for n, m, s in zip(sizes, shape, own, strict=True)]
        )

    def unbroadcast(g, shape):
        added = g.ndim - len(shape)
        g = g.flatten(0, added - 1).sum(0) if added > 0 else g
        for axis in (i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1):
            g = g.movedim(axis, 0).sum(0, keepdim=True).movedim(0, axis)
        return g

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def a_matrix_product_for_the_adjoint():
    from phase1_foundations.lab1_tensors.solution import broadcast_view

    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = torch.tensordot(torch.ones(g.shape[0], dtype=g.dtype), g, dims=1)
        for axis, n in enumerate(shape):
            if n == 1:
                g = (
                    torch.cumsum(g, axis).narrow(axis, g.shape[axis] - 1, 1)
                    if g.shape[axis]
                    else g.sum(axis, True)
                )
        return g

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}


@right("E1")
def a_long_way_round():
    class Shape:
        def __init__(self, sizes, strides):
            self.axes = list(zip(sizes, strides, strict=True))

        def grown(self, shape):
            if len(self.axes) > len(shape):
                raise ValueError("axes")
            axes = [(1, 0)] * (len(shape) - len(self.axes)) + self.axes
            for (size, stride), wanted in zip(axes, shape, strict=True):
                match size, wanted:
                    case _, w if w < 0:
                        raise ValueError("negative")
                    case s, w if s == w:
                        yield stride
                    case 1, _:
                        yield 0
                    case _:
                        raise ValueError("sizes")

    def broadcast_view(x, shape):
        return x.as_strided(shape, tuple(Shape(x.shape, x.stride()).grown(shape)))

    def unbroadcast(g, shape):
        total = g.sum(dim=list(range(g.dim() - len(shape)))) if g.dim() > len(shape) else g.clone()
        ones = [i for i, n in enumerate(shape) if n == 1]
        return total.sum(dim=ones, keepdim=True) if ones else total

    return {"broadcast_view": broadcast_view, "unbroadcast": unbroadcast}
