"""Wrong answers to E1."""

import torch

from courseware.check import misconception


def fits(x, shape):
    """The part that these answers get right."""
    tail = shape[len(shape) - x.dim() :]
    if len(shape) < x.dim() or any(n not in (1, m) for n, m in zip(x.shape, tail, strict=True)):
        raise ValueError("does not broadcast")
    if any(size < 0 for size in shape):
        raise ValueError("negative size")


def zero_where_it_grows(x, shape, strides):
    new_axes = len(shape) - x.dim()
    return [0] * new_axes + [
        0 if n == 1 and m != 1 else s for n, s, m in zip(x.shape, strides, shape[new_axes:], strict=True)
    ]


@misconception("E1", diagnosis="copies")
def repeats():
    def broadcast_view(x, shape):
        fits(x, shape)
        full = (1,) * (len(shape) - x.dim()) + tuple(x.shape)
        return x.repeat([m if n == 1 else 1 for n, m in zip(full, shape, strict=True)])

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="contiguous-strides")
def computes_strides_from_the_shape():
    def broadcast_view(x, shape):
        fits(x, shape)
        strides, step = [], 1
        for size in reversed(x.shape):
            strides.insert(0, step)
            step *= size
        return x.as_strided(shape, zero_where_it_grows(x, shape, strides))

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="offset-lost")
def begins_at_zero():
    def broadcast_view(x, shape):
        fits(x, shape)
        return x.as_strided(shape, zero_where_it_grows(x, shape, x.stride()), 0)

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="aligned-at-the-left")
def lines_up_at_the_left():
    def broadcast_view(x, shape):
        fits(x, shape)
        sizes = tuple(x.shape) + (1,) * (len(shape) - x.dim())
        strides = tuple(x.stride()) + (0,) * (len(shape) - x.dim())
        pairs = zip(sizes, strides, shape, strict=True)
        return x.as_strided(shape, [0 if n == 1 and m != 1 else s for n, s, m in pairs])

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="accepts-what-does-not-fit")
def checks_nothing():
    def broadcast_view(x, shape):
        if any(size < 0 for size in shape):
            raise ValueError("negative size")
        new_axes = len(shape) - x.dim()
        sizes, strides = tuple(x.shape)[-len(shape) :], x.stride()[-len(shape) :]
        pairs = zip(sizes, strides, shape[max(new_axes, 0) :], strict=False)
        return x.as_strided(shape, [0] * new_axes + [s if n == m else 0 for n, s, m in pairs])

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="other-exception")
def asserts_that_it_fits():
    def broadcast_view(x, shape):
        if any(size < 0 for size in shape):
            raise ValueError("negative size")
        tail = shape[len(shape) - x.dim() :]
        assert all(n in (1, m) for n, m in zip(x.shape, tail, strict=True))
        return x.as_strided(shape, zero_where_it_grows(x, shape, x.stride()))

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="minus-one-accepted")
def minus_one_means_keep():
    def broadcast_view(x, shape):
        full = (1,) * (len(shape) - x.dim()) + tuple(x.shape)
        shape = tuple(n if m == -1 else m for n, m in zip(full, shape, strict=False))
        fits(x, shape)
        return x.as_strided(shape, zero_where_it_grows(x, shape, x.stride()))

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="forbidden")
def expands():
    def broadcast_view(x, shape):
        fits(x, shape)
        return x.expand(shape)

    return {"broadcast_view": broadcast_view}


@misconception("E1", diagnosis="only-new-axes-summed")
def sums_what_was_added():
    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = g.sum(dim=0)
        return g

    return {"unbroadcast": unbroadcast}


@misconception("E1", diagnosis="mean-instead-of-sum")
def takes_the_mean():
    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = g.mean(dim=0)
        for axis, size in enumerate(shape):
            if size == 1 and g.shape[axis] != 1:
                g = g.mean(dim=axis, keepdim=True)
        return g

    return {"unbroadcast": unbroadcast}


@misconception("E1", diagnosis="sum-over-no-axis")
def sums_over_an_empty_list():
    def unbroadcast(g, shape):
        added = g.dim() - len(shape)
        axes = list(range(added)) + [
            added + i for i, n in enumerate(shape) if n == 1 and g.shape[added + i] != 1
        ]
        return g.sum(dim=axes).reshape(shape) if added else g.sum(dim=axes, keepdim=True)

    return {"unbroadcast": unbroadcast}


@misconception("E1", diagnosis="axis-disappears")
def forgets_keepdim():
    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = g.sum(dim=0)
        for axis in reversed(range(len(shape))):
            if shape[axis] == 1:
                g = g.sum(dim=axis)
        return g

    return {"unbroadcast": unbroadcast}


@misconception("E1", diagnosis="wrong-axis-summed")
def sums_the_last_axes():
    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = g.sum(dim=-1)
        for axis, size in enumerate(shape):
            if size == 1:
                g = g.sum(dim=axis, keepdim=True)
        return g

    return {"unbroadcast": unbroadcast}


@misconception("E1", diagnosis="picks-one-instead-of-summing")
def takes_the_first():
    def unbroadcast(g, shape):
        while g.dim() > len(shape):
            g = g[0] if g.shape[0] else torch.zeros(g.shape[1:], dtype=g.dtype)
        for axis, size in enumerate(shape):
            if size == 1:
                g = g.narrow(axis, 0, min(1, g.shape[axis]))
        return g

    return {"unbroadcast": unbroadcast}
