"""Wrong answers to E1, as strangers might write them."""

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

wrong = Answers()


def two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def checked(x, w, s, p, d, groups):
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError("channels")
    out = []
    for i in range(2):
        free = x.shape[2 + i] + 2 * p[i] - d[i] * (w.shape[2 + i] - 1) - 1
        if free < 0:
            raise ValueError("kernel")
        out.append(free // s[i] + 1)
    return out


def columns(x, w, b, s, p, d, groups, size):
    if len(x) == 0:
        return x.new_zeros(0, w.shape[0], *size)
    parts = [
        k.flatten(1) @ F.unfold(i, k.shape[2:], dilation=d, padding=p, stride=s)
        for i, k in zip(x.chunk(groups, 1), w.chunk(groups, 0), strict=True)
    ]
    y = torch.cat(parts, 1).reshape(len(x), w.shape[0], *size)
    return y if b is None else y + b[:, None, None]


def spoilt(change):
    """`change(x, w, b, s, p, d, groups)` gives what the sound convolution works on."""

    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        checked(x, w, s, p, d, groups)
        x, w, b, s, p, d, groups = change(x, w, b, s, p, d, groups)
        return columns(x, w, b, s, p, d, groups, checked(x, w, s, p, d, groups))

    return {"conv2d": conv2d}


@wrong("E1")
def forgets_dilation():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, b, s, p, (1, 1), g))


@wrong("E1")
def forgets_the_bias():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, None, s, p, d, g))


@wrong("E1")
def forgets_the_stride():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, b, (1, 1), p, d, g))


@wrong("E1")
def same_padding_always():
    def change(x, w, b, s, p, d, g):
        return x, w, b, s, (p[0] or w.shape[2] // 2, p[1] or w.shape[3] // 2), d, g

    return spoilt(change)


@wrong("E1")
def reflects():
    def change(x, w, b, s, p, d, g):
        if max(p) and p[0] < x.shape[2] and p[1] < x.shape[3]:
            x, p = F.pad(x, (p[1], p[1], p[0], p[0]), mode="reflect"), (0, 0)
        return x, w, b, s, p, d, g

    return spoilt(change)


@wrong("E1")
def one_number_for_both_strides():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, b, (s[0], s[0]), p, d, g))


@wrong("E1")
def dilation_exchanged():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, b, s, p, d[::-1], g))


@wrong("E1")
def turns_the_kernel_by_ninety_degrees():
    def change(x, w, b, s, p, d, g):
        return x, w.rot90(1, (2, 3)) if w.shape[2] == w.shape[3] else w, b, s, p, d, g

    return spoilt(change)


@wrong("E1")
def detaches_the_kernel():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w.detach(), b, s, p, d, g))


@wrong("E1")
def detaches_the_bias():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, None if b is None else b.data, s, p, d, g))


@wrong("E1")
def single_precision():
    return spoilt(
        lambda x, w, b, s, p, d, g: (x.float(), w.float(), None if b is None else b.float(), s, p, d, g)
    )


@wrong("E1")
def averages_over_the_window():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w / (w.shape[2] * w.shape[3]), b, s, p, d, g))


@wrong("E1")
def flips_left_and_right_only():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w.flip(3), b, s, p, d, g))


@wrong("E1")
def the_first_channel_only():
    def change(x, w, b, s, p, d, g):
        mask = torch.zeros_like(w)
        mask[:, 0] = 1
        return x, w * mask, b, s, p, d, g

    return spoilt(change)


@wrong("E1")
def without_gradients():
    def conv2d(x, w, b=None, **how):
        with torch.no_grad():
            return spoilt(lambda *all_: all_)["conv2d"](x, w, b, **how)

    return {"conv2d": conv2d}


@wrong("E1")
def in_numpy():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        sound = spoilt(lambda *all_: all_)["conv2d"]
        x, w = torch.from_numpy(x.detach().numpy().copy()), torch.from_numpy(w.detach().numpy().copy())
        b = None if b is None else torch.from_numpy(b.detach().numpy().copy())
        return sound(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)

    return {"conv2d": conv2d}


@wrong("E1")
def asserts():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        try:
            return spoilt(lambda *all_: all_)["conv2d"](
                x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        except ValueError as error:
            raise AssertionError(str(error)) from error

    return {"conv2d": conv2d}


@wrong("E1")
def empty_where_it_does_not_fit():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        try:
            return spoilt(lambda *all_: all_)["conv2d"](
                x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        except ValueError as error:
            if "kernel" in str(error):
                return x.new_zeros(len(x), w.shape[0], 0, 0)
            raise

    return {"conv2d": conv2d}


@wrong("E1")
def one_group_only():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        if groups != 1:
            raise ValueError("groups are not supported")
        return spoilt(lambda *all_: all_)["conv2d"](
            x, w, b, stride=stride, padding=padding, dilation=dilation
        )

    return {"conv2d": conv2d}


@wrong("E1")
def pixel_by_pixel():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = checked(x, w, s, p, d, groups)
        x = F.pad(x, (p[1], p[1], p[0], p[0]))
        kh, kw = w.shape[2:]
        rows = []
        for i in range(Ho):
            row = []
            for j in range(Wo):
                top, left = i * s[0], j * s[1]
                window = x[
                    :, :, top : top + d[0] * (kh - 1) + 1 : d[0], left : left + d[1] * (kw - 1) + 1 : d[1]
                ]
                parts = [
                    torch.einsum("ncuv,ocuv->no", a, k)
                    for a, k in zip(window.chunk(groups, 1), w.chunk(groups, 0), strict=True)
                ]
                row.append(torch.cat(parts, 1))
            rows.append(torch.stack(row, -1))
        y = torch.stack(rows, -2)
        return y if b is None else y + b[:, None, None]

    return {"conv2d": conv2d}


@wrong("E1")
def calls_a_layer():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        checked(x, w, s, p, d, groups)
        layer = torch.nn.Conv2d(x.shape[1], w.shape[0], w.shape[2:], s, p, d, groups, bias=False).to(x.dtype)
        y = torch.func.functional_call(layer, {"weight": w}, (x,))
        return y if b is None else y + b[:, None, None]

    return {"conv2d": conv2d}


@wrong("E1")
def writes_the_bias_into_the_kernel():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        y = spoilt(lambda *all_: all_)["conv2d"](
            x, w, None, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
        if b is None:
            return y
        return y + b[:, None, None] * (w.shape[1] * w.shape[2] * w.shape[3])

    return {"conv2d": conv2d}


def changed(change):
    """Spoil the result."""
    sound = spoilt(lambda *all_of_it: all_of_it)["conv2d"]
    return {"conv2d": lambda x, w, b=None, **how: change(sound(x, w, b, **how))}


@wrong("E1")
def ends_in_a_relu():
    return changed(torch.relu)


@wrong("E1")
def channels_last():
    return changed(lambda y: y.permute(0, 2, 3, 1))


@wrong("E1")
def divided_by_the_batch():
    return changed(lambda y: y / max(1, len(y)))


@wrong("E1")
def half_precision_inside():
    return changed(lambda y: y.half().to(y.dtype))


@wrong("E1")
def asks_whether_the_bias_is_true():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w, b if b else None, s, p, d, g))


@wrong("E1")
def all_padding_left_and_above():
    def change(x, w, b, s, p, d, g):
        return F.pad(x, (2 * p[1], 0, 2 * p[0], 0)), w, b, s, (0, 0), d, g

    return spoilt(change)


@wrong("E1")
def kernels_flattened_in_another_order():
    return spoilt(lambda x, w, b, s, p, d, g: (x, w.permute(0, 2, 3, 1).reshape(w.shape), b, s, p, d, g))


@wrong("E1")
def last_places_lost_with_a_stride():
    return changed(lambda y: y[:, :, : max(1, y.shape[2] - 1)] if y.shape[2] > 2 else y)
