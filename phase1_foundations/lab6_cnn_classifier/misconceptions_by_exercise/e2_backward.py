"""Wrong answers to E2."""

import torch
from torch.nn import functional as F

from courseware.check import misconception


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def conv_backward(
    kernels=lambda w: w,
    weights=lambda gw: gw,
    images=lambda gx, x: gx,
    bias=lambda g: g.sum((0, 2, 3)),
    fold=F.fold,
):
    """A sound `conv2d_backward` with parts to be exchanged."""

    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        how = {"stride": pair(stride), "padding": pair(padding), "dilation": pair(dilation)}
        kernel = tuple(w.shape[2:])
        patches = F.unfold(x, kernel, **how)
        gw = torch.einsum("nol,npl->op", g.flatten(2), patches).reshape(w.shape)
        sent = torch.einsum("op,nol->npl", kernels(w).flatten(1), g.flatten(2))
        gx = fold(sent, tuple(x.shape[2:]), kernel, **how)
        return images(gx, x), weights(gw), bias(g)

    return {"conv2d_backward": conv2d_backward}


@misconception("E2", diagnosis="kernel-not-flipped")
def slides_the_kernel_as_it_is():
    return conv_backward(kernels=lambda w: w.flip(2, 3))


@misconception("E2", diagnosis="last-rows-missing")
def as_large_as_what_was_visited():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        s, p, d = pair(stride), pair(padding), pair(dilation)
        gx, gw, gb = conv_backward()["conv2d_backward"](g, x, w, stride=s, padding=p, dilation=d)
        rows, columns = (
            (g.shape[2 + i] - 1) * s[i] + d[i] * (w.shape[2 + i] - 1) + 1 - 2 * p[i] for i in range(2)
        )
        return gx[:, :, :rows, :columns], gw, gb

    return {"conv2d_backward": conv2d_backward}


@misconception("E2", diagnosis="stride-ignored")
def places_shares_side_by_side():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        gx, gw, gb = conv_backward()["conv2d_backward"](
            g, x, w, stride=stride, padding=padding, dilation=dilation
        )
        if pair(stride) == (1, 1):
            return gx, gw, gb
        (ph, pw), (dh, dw) = pair(padding), pair(dilation)
        wide = torch.zeros(*x.shape[:2], *(n + 20 for n in x.shape[2:]), dtype=x.dtype)
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                share = torch.einsum("no,ocuv->ncuv", g[:, :, i, j], w)
                rows, columns = dh * (w.shape[2] - 1) + 1, dw * (w.shape[3] - 1) + 1
                wide[:, :, i : i + rows : dh, j : j + columns : dw] += share
        return wide[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]], gw, gb

    return {"conv2d_backward": conv2d_backward}


@misconception("E2", diagnosis="padding-not-cropped")
def keeps_the_padding():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        ph, pw = pair(padding)
        x = F.pad(x, (pw, pw, ph, ph))
        return conv_backward()["conv2d_backward"](g, x, w, stride=stride, dilation=dilation)

    return {"conv2d_backward": conv2d_backward}


@misconception("E2", diagnosis="overlaps-overwritten")
def writes_instead_of_adding():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
        _, gw, gb = conv_backward()["conv2d_backward"](
            g, x, w, stride=stride, padding=padding, dilation=dilation
        )
        gx = torch.zeros_like(F.pad(x, (pw, pw, ph, ph)))
        rows, columns = dh * (w.shape[2] - 1) + 1, dw * (w.shape[3] - 1) + 1
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                share = torch.einsum("no,ocuv->ncuv", g[:, :, i, j], w)
                gx[:, :, i * sh : i * sh + rows : dh, j * sw : j * sw + columns : dw] = share
        return gx[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]], gw, gb

    return {"conv2d_backward": conv2d_backward}


@misconception("E2", diagnosis="gb-not-summed")
def bias_for_each_image():
    return conv_backward(bias=lambda g: g.sum((2, 3)))


@misconception("E2", diagnosis="averaged")
def mean_over_the_batch():
    return conv_backward(bias=lambda g: g.sum((2, 3)).mean(0))


@misconception("E2", diagnosis="gw-flipped")
def flips_the_wrong_one():
    return conv_backward(weights=lambda gw: gw.flip(2, 3))


@misconception("E2", diagnosis="forbidden")
def asks_autograd():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        patches = F.unfold(x, tuple(w.shape[2:]), dilation=dilation, padding=padding, stride=stride)
        y = (w.flatten(1) @ patches).reshape(g.shape)
        gx, gw = torch.autograd.grad(y, (x, w), g)
        return gx, gw, g.sum((0, 2, 3))

    return {"conv2d_backward": conv2d_backward}


def pool_backward(choose, add=True):
    """`choose(window [k, k])` gives the weights with which the window's gradient is handed on."""

    def max_pool2d_backward(g, x, k, stride):
        gx = torch.zeros_like(x)
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                for i in range(g.shape[2]):
                    for j in range(g.shape[3]):
                        rows, columns = slice(i * stride, i * stride + k), slice(j * stride, j * stride + k)
                        share = g[n, c, i, j] * choose(x[n, c, rows, columns])
                        if add:
                            gx[n, c, rows, columns] += share
                        else:
                            gx[n, c, rows, columns] = torch.where(share != 0, share, gx[n, c, rows, columns])
        return gx

    return {"max_pool2d_backward": max_pool2d_backward}


def first_largest(window):
    weights = torch.zeros_like(window)
    weights.view(-1)[window.reshape(-1).argmax()] = 1
    return weights


@misconception("E2", diagnosis="pool-splits-ties")
def splits_ties():
    def choose(window):
        largest = (window == window.max()).to(window.dtype)
        return largest / largest.sum()

    return pool_backward(choose)


@misconception("E2", diagnosis="pool-spreads")
def spreads_evenly():
    return pool_backward(lambda window: torch.full_like(window, 1 / window.numel()))


@misconception("E2", diagnosis="pool-overlaps-overwritten")
def overwrites_the_winner():
    return pool_backward(first_largest, add=False)


@misconception("E2", diagnosis="pool-stride-ignored")
def assumes_stride_k():
    inner = pool_backward(first_largest)["max_pool2d_backward"]

    def max_pool2d_backward(g, x, k, stride):
        rows, columns = g.shape[2] * k, g.shape[3] * k
        wide = F.pad(x, (0, max(0, columns - x.shape[3]), 0, max(0, rows - x.shape[2])), value=-99)
        return inner(g, wide, k, k)[:, :, : x.shape[2], : x.shape[3]]

    return {"max_pool2d_backward": max_pool2d_backward}
