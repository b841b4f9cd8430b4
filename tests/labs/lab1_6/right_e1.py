"""Right answers to E1, written otherwise than the reference."""

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()


def two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def sizes(x, w, s, p, d, groups):
    _, C, H, W = x.shape
    O, D, kh, kw = w.shape
    if D * groups != C:
        raise ValueError("input channels")
    if O % groups != 0:
        raise ValueError("output channels")
    high, wide = H + 2 * p[0] - d[0] * (kh - 1), W + 2 * p[1] - d[1] * (kw - 1)
    if high < 1 or wide < 1:
        raise ValueError("kernel")
    return (high - 1) // s[0] + 1, (wide - 1) // s[1] + 1


@right("E1")
def shifted_images():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        x = F.pad(x, (p[1], p[1], p[0], p[0]))
        N, O = x.shape[0], w.shape[0]
        x = x.reshape(N, groups, x.shape[1] // groups, *x.shape[2:])
        w = w.reshape(groups, O // groups, *w.shape[1:])
        out = x.new_zeros(N, groups, O // groups, Ho, Wo)
        for u in range(w.shape[-2]):
            for v in range(w.shape[-1]):
                part = x[..., u * d[0] :: s[0], v * d[1] :: s[1]][..., :Ho, :Wo]
                out = out + torch.einsum("ngchw,goc->ngohw", part, w[..., u, v])
        out = out.reshape(N, O, Ho, Wo)
        return out if b is None else out + b.view(1, -1, 1, 1)

    return {"conv2d": conv2d}


@right("E1")
def im2col_by_group():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        if x.shape[0] == 0:
            return x.new_zeros(0, w.shape[0], Ho, Wo)
        parts = []
        for xs, ws in zip(x.chunk(groups, 1), w.chunk(groups, 0), strict=True):
            cols = F.unfold(xs, ws.shape[2:], dilation=d, padding=p, stride=s)
            parts.append(ws.flatten(1) @ cols)
        out = torch.cat(parts, 1).unflatten(2, (Ho, Wo))
        if b is not None:
            out = out + b[None, :, None, None]
        return out

    return {"conv2d": conv2d}


@right("E1")
def advanced_indices():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        x = F.pad(x, [p[1]] * 2 + [p[0]] * 2)
        rows = torch.arange(Ho)[:, None] * s[0] + torch.arange(w.shape[2]) * d[0]
        columns = torch.arange(Wo)[:, None] * s[1] + torch.arange(w.shape[3]) * d[1]
        patches = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]
        out = []
        C, O = x.shape[1] // groups, w.shape[0] // groups
        for g in range(groups):
            out.append(
                torch.tensordot(
                    patches[:, g * C : (g + 1) * C], w[g * O : (g + 1) * O], dims=([1, 4, 5], [1, 2, 3])
                ).permute(0, 3, 1, 2)
            )
        y = torch.cat(out, dim=1)
        return y if b is None else y + b[:, None, None]

    return {"conv2d": conv2d}


@right("E1")
def unfolds_twice():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        sizes(x, w, s, p, d, groups)
        O, D, kh, kw = w.shape
        x = F.pad(x, (p[1], p[1], p[0], p[0]))
        x = x.unfold(2, (kh - 1) * d[0] + 1, s[0]).unfold(3, (kw - 1) * d[1] + 1, s[1])
        x = x[..., :: d[0], :: d[1]]
        x = x.reshape(x.shape[0], groups, D, *x.shape[2:])
        y = (x[:, :, None] * w.reshape(groups, O // groups, D, 1, 1, kh, kw)).sum((3, 6, 7))
        y = y.flatten(1, 2)
        return y + (0 if b is None else b.unsqueeze(-1).unsqueeze(-1))

    return {"conv2d": conv2d}


@right("E1")
def through_the_fft():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        O, D, kh, kw = w.shape
        x = F.pad(x, (p[1], p[1], p[0], p[0]))
        if x.shape[0] == 0:
            return x.new_zeros(0, O, Ho, Wo)
        H, W = x.shape[2:]
        wide = w.new_zeros(O, D, H, W)
        wide[:, :, : d[0] * (kh - 1) + 1 : d[0], : d[1] * (kw - 1) + 1 : d[1]] = w
        X = torch.fft.rfft2(x.double()).reshape(x.shape[0], groups, D, H, -1)
        K = torch.fft.rfft2(wide.double()).conj().reshape(groups, O // groups, D, H, -1)
        Y = torch.einsum("ngchw,gochw->ngohw", X, K).flatten(1, 2)
        y = torch.fft.irfft2(Y, s=(H, W))[:, :, :: s[0], :: s[1]][:, :, :Ho, :Wo].to(x.dtype)
        return y if b is None else y + b[:, None, None]

    return {"conv2d": conv2d}


@right("E1")
def a_custom_function():
    class Convolve(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, options, size):
            cols = F.unfold(x, w.shape[2:], **options)
            ctx.save_for_backward(cols, w)
            ctx.options, ctx.image = options, x.shape[2:]
            return (w.flatten(1) @ cols).reshape(x.shape[0], w.shape[0], *size)

        @staticmethod
        def backward(ctx, g):
            cols, w = ctx.saved_tensors
            g = g.flatten(2)
            gw = (g @ cols.transpose(1, 2)).sum(0).reshape(w.shape)
            gx = F.fold(w.flatten(1).T @ g, ctx.image, w.shape[2:], **ctx.options)
            return gx, gw, None, None

    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        if len(x) == 0:
            return x.new_empty((0, w.shape[0], Ho, Wo))
        options = {"stride": s, "padding": p, "dilation": d}
        pieces = zip(x.tensor_split(groups, 1), w.tensor_split(groups, 0), strict=True)
        y = torch.cat([Convolve.apply(i, k, options, (Ho, Wo)) for i, k in pieces], 1)
        return y if b is None else y.add(b[:, None, None])

    return {"conv2d": conv2d}


@right("E1")
def kernels_spread_over_all_channels():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        O, D, kh, kw = w.shape
        full = torch.zeros(O, x.shape[1], kh, kw, dtype=w.dtype)
        for g in range(groups):
            outs, ins = slice(g * O // groups, (g + 1) * O // groups), slice(g * D, (g + 1) * D)
            full[outs, ins] = w[outs]
        x = F.pad(x, (p[1], p[1], p[0], p[0]))
        if not x.is_contiguous():
            x = x.contiguous()
        N, C, H, W = x.shape
        cut = torch.as_strided(
            x,
            (N, Ho, Wo, C, kh, kw),
            (C * H * W, W * s[0], s[1], H * W, W * d[0], d[1]),
        )
        y = cut.reshape(N * Ho * Wo, C * kh * kw) @ full.reshape(O, -1).t()
        y = y.reshape(N, Ho, Wo, O).permute(0, 3, 1, 2)
        return y.contiguous() if b is None else y + b.reshape(1, O, 1, 1)

    return {"conv2d": conv2d}


@right("E1")
def a_matrix_for_the_whole_image():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        Ho, Wo = sizes(x, w, s, p, d, groups)
        N, _, H, W = x.shape
        O, D, kh, kw = w.shape
        pixels = torch.eye(H * W, dtype=x.dtype).reshape(H * W, 1, H, W)
        reach = F.unfold(pixels, (kh, kw), d, p, s)  # [H·W, kh·kw, L]
        flat = x.reshape(N, groups, D, H * W)
        kernels = w.reshape(groups, O // groups, D, kh * kw)
        y = torch.einsum("ngcp,pkl,gock->ngol", flat, reach, kernels).reshape(N, O, Ho, Wo)
        if b is not None:
            y = y + b.reshape(-1, 1, 1)
        return y

    return {"conv2d": conv2d}


@right("E1")
def in_double_precision_and_back():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        dtype = x.dtype
        x, w = x.to(torch.float64), w.to(torch.float64)
        y = shifted_images()["conv2d"](
            x, w, None, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
        if b is not None:
            y = y + b.to(torch.float64)[None, :, None, None]
        return y.to(dtype)

    return {"conv2d": conv2d}
