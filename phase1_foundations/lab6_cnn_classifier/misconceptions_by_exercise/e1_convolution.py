"""Wrong answers to E1: one sound convolution, with one mistake at a time."""

import torch
from torch.nn import functional as F

from courseware.check import misconception


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def pad_all(x, ph, pw):
    return F.pad(x, (pw, pw, ph, ph))


def size_of(size, k, s, p, d):
    return (size + 2 * p - d * (k - 1) - 1) // s + 1


def true_strides(x):
    return x.stride()


def grouped(patches, w, groups):
    """patches [N, C, Ho, Wo, kH, kW]."""
    N, C, Ho, Wo, kh, kw = patches.shape
    split = patches.reshape(N, groups, C // groups, Ho, Wo, kh, kw)
    kernels = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    return torch.einsum("ngcijuv,gocuv->ngoij", split, kernels).reshape(N, w.shape[0], Ho, Wo)


def convolution(
    pad=pad_all,
    size=size_of,
    strides=true_strides,
    product=grouped,
    steps=lambda s, d: (s, d),
    add_bias=lambda y, b: y + b[:, None, None],
    fits=True,
):
    """A sound `conv2d` with parts to be exchanged."""

    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, d = steps(pair(stride), pair(dilation))
        p = pair(padding)
        N, C, H, W = x.shape
        O, depth, kh, kw = w.shape
        if fits and (depth * groups != C or O % groups):
            raise ValueError("channels do not fit")
        Ho, Wo = size(H, kh, s[0], p[0], d[0]), size(W, kw, s[1], p[1], d[1])
        if fits and min(Ho, Wo) < 1:
            raise ValueError("kernel does not fit")
        x = pad(x, *p)
        sN, sC, sH, sW = strides(x)
        patches = x.as_strided((N, C, Ho, Wo, kh, kw), (sN, sC, sH * s[0], sW * s[1], sH * d[0], sW * d[1]))
        y = product(patches, w, groups)
        return y if b is None else add_bias(y, b)

    return {"conv2d": conv2d}


@misconception("E1", diagnosis="flips-the-kernel")
def true_convolution():
    return convolution(product=lambda patches, w, groups: grouped(patches, w.flip(2, 3), groups))


@misconception("E1", diagnosis="pads-one-side")
def pads_right_and_below():
    def pad(x, ph, pw):
        return F.pad(x, (0, pw, 0, ph))

    return convolution(pad=pad, size=lambda size, k, s, p, d: (size + p - d * (k - 1) - 1) // s + 1)


@misconception("E1", diagnosis="rounds-up")
def rounds_up():
    def size(size, k, s, p, d):
        return -((d * (k - 1) + 1 - size - 2 * p) // s) + 1

    def pad(x, ph, pw):
        return F.pad(x, (pw, pw + 8, ph, ph + 8))  # so that there is something to read

    return convolution(size=size, pad=pad)


@misconception("E1", diagnosis="dilation-missing-in-the-size")
def forgets_dilation_in_the_size():
    return convolution(size=lambda size, k, s, p, d: (size + 2 * p - k) // s + 1)


@misconception("E1", diagnosis="groups-mixed")
def repeats_the_kernels():
    def product(patches, w, groups):
        full = w.repeat(1, groups, 1, 1)
        return torch.einsum("ncijuv,ocuv->noij", patches, full)

    return convolution(product=product)


@misconception("E1", diagnosis="groups-dealt-in-turn")
def deals_channels_in_turn():
    def product(patches, w, groups):
        outs = w.shape[0] // groups
        each = [
            torch.einsum("ncijuv,ocuv->noij", patches[:, g::groups], w[g * outs : (g + 1) * outs])
            for g in range(groups)
        ]
        return torch.cat(each, dim=1)

    return convolution(product=product)


@misconception("E1", diagnosis="strides-computed-from-the-shape")
def assumes_contiguous():
    def strides(x):
        _, C, H, W = x.shape
        return C * H * W, H * W, W, 1

    def pad(x, ph, pw):
        return pad_all(x, ph, pw) if ph or pw else x

    return convolution(strides=strides, pad=pad)


@misconception("E1", diagnosis="stride-pair-exchanged")
def swaps_the_strides():
    return convolution(steps=lambda s, d: (s[::-1], d))


@misconception("E1", diagnosis="padding-pair-exchanged")
def swaps_the_padding():
    inner = convolution()["conv2d"]

    def conv2d(x, w, b=None, *, padding=0, **how):
        return inner(x, w, b, padding=pair(padding)[::-1], **how)

    return {"conv2d": conv2d}


@misconception("E1", diagnosis="bias-along-the-wrong-axis")
def adds_the_bias_to_columns():
    def add_bias(y, b):
        return y + b if y.shape[-1] == len(b) else y + b[:, None, None]

    return convolution(add_bias=add_bias)


@misconception("E1", diagnosis="does-not-refuse")
def leaves_it_to_torch():
    return convolution(fits=False)


@misconception("E1", diagnosis="breaks-the-gradient")
def computes_on_data():
    inner = convolution()["conv2d"]

    def conv2d(x, w, b=None, **how):
        return inner(x.detach(), w, b, **how)

    return {"conv2d": conv2d}


@misconception("E1", diagnosis="no-images-refused")
def lets_reshape_guess():
    inner = convolution()["conv2d"]

    def conv2d(x, w, b=None, **how):
        y = inner(x, w, b, **how)
        return y.reshape(len(x), -1, *y.shape[2:])

    return {"conv2d": conv2d}


@misconception("E1", diagnosis="loops-over-the-input")
def loops_over_images():
    inner = convolution()["conv2d"]

    def conv2d(x, w, b=None, **how):
        if len(x) == 0:
            return inner(x, w, b, **how)
        return torch.cat([inner(image[None], w, b, **how) for image in x])

    return {"conv2d": conv2d}


@misconception("E1", diagnosis="forbidden")
def calls_torch():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        if w.shape[1] * groups != x.shape[1]:
            raise ValueError("channels")
        try:
            return torch.convolution(
                x, w, b, pair(stride), pair(padding), pair(dilation), False, (0, 0), groups
            )
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    return {"conv2d": conv2d}
