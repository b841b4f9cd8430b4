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


def convolution(products, add=lambda y, b: y + b[:, None, None]):
    """The answer that pads, checks and adds the bias as all do; `products` is what it does otherwise.

    It gets the padded x, w, groups, stride, dilation and the size of the result.
    """

    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        size = sizes(x, w, s, p, d, groups)
        y = products(F.pad(x, (p[1], p[1], p[0], p[0])), w, groups, s, d, size)
        return y if b is None else add(y, b)

    return {"conv2d": conv2d}


@right("E1")
def shifted_images():
    def products(x, w, groups, s, d, size):
        N, O = x.shape[0], w.shape[0]
        x = x.reshape(N, groups, x.shape[1] // groups, *x.shape[2:])
        w = w.reshape(groups, O // groups, *w.shape[1:])
        out = x.new_zeros(N, groups, O // groups, *size)
        for u in range(w.shape[-2]):
            for v in range(w.shape[-1]):
                part = x[..., u * d[0] :: s[0], v * d[1] :: s[1]][..., : size[0], : size[1]]
                out = out + torch.einsum("ngchw,goc->ngohw", part, w[..., u, v])
        return out.reshape(N, O, *size)

    return convolution(products, add=lambda y, b: y + b.view(1, -1, 1, 1))


@right("E1")
def im2col_by_group():
    def products(x, w, groups, s, d, size):
        if x.shape[0] == 0:
            return x.new_zeros(0, w.shape[0], *size)
        parts = []
        for xs, ws in zip(x.chunk(groups, 1), w.chunk(groups, 0), strict=True):
            parts.append(ws.flatten(1) @ F.unfold(xs, ws.shape[2:], dilation=d, stride=s))
        return torch.cat(parts, 1).unflatten(2, size)

    return convolution(products, add=lambda y, b: y + b[None, :, None, None])


@right("E1")
def im2col_that_pads_by_itself():
    def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        s, p, d = two(stride), two(padding), two(dilation)
        size = sizes(x, w, s, p, d, groups)
        if len(x) == 0:
            return torch.empty(0, len(w), *size, dtype=x.dtype)
        windows = torch.nn.Unfold(w.shape[2:], d, p, s)(x).unflatten(1, (groups, -1))
        y = (w.reshape(groups, len(w) // groups, -1) @ windows).reshape(len(x), len(w), *size)
        return y if b is None else y + b.reshape(-1, 1, 1)

    return {"conv2d": conv2d}


@right("E1")
def advanced_indices():
    def products(x, w, groups, s, d, size):
        rows = torch.arange(size[0])[:, None] * s[0] + torch.arange(w.shape[2]) * d[0]
        columns = torch.arange(size[1])[:, None] * s[1] + torch.arange(w.shape[3]) * d[1]
        patches = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]
        out = []
        C, O = x.shape[1] // groups, w.shape[0] // groups
        for g in range(groups):
            seen, kernels = patches[:, g * C : (g + 1) * C], w[g * O : (g + 1) * O]
            out.append(torch.tensordot(seen, kernels, dims=([1, 4, 5], [1, 2, 3])).permute(0, 3, 1, 2))
        return torch.cat(out, dim=1)

    return convolution(products)


@right("E1")
def unfolds_twice():
    def products(x, w, groups, s, d, size):
        O, D, kh, kw = w.shape
        x = x.unfold(2, (kh - 1) * d[0] + 1, s[0]).unfold(3, (kw - 1) * d[1] + 1, s[1])
        x = x[..., :: d[0], :: d[1]]
        x = x.reshape(x.shape[0], groups, D, *x.shape[2:])
        y = (x[:, :, None] * w.reshape(groups, O // groups, D, 1, 1, kh, kw)).sum((3, 6, 7))
        return y.flatten(1, 2)

    return convolution(products, add=lambda y, b: y + b.unsqueeze(-1).unsqueeze(-1))


@right("E1")
def through_the_fft():
    def products(x, w, groups, s, d, size):
        O, D, kh, kw = w.shape
        if x.shape[0] == 0:
            return x.new_zeros(0, O, *size)
        H, W = x.shape[2:]
        wide = w.new_zeros(O, D, H, W)
        wide[:, :, : d[0] * (kh - 1) + 1 : d[0], : d[1] * (kw - 1) + 1 : d[1]] = w
        X = torch.fft.rfft2(x.double()).reshape(x.shape[0], groups, D, H, -1)
        K = torch.fft.rfft2(wide.double()).conj().reshape(groups, O // groups, D, H, -1)
        Y = torch.einsum("ngchw,gochw->ngohw", X, K).flatten(1, 2)
        return torch.fft.irfft2(Y, s=(H, W))[:, :, :: s[0], :: s[1]][:, :, : size[0], : size[1]].to(x.dtype)

    return convolution(products)


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

    def products(x, w, groups, s, d, size):
        if len(x) == 0:
            return x.new_empty((0, w.shape[0], *size))
        pieces = zip(x.tensor_split(groups, 1), w.tensor_split(groups, 0), strict=True)
        return torch.cat([Convolve.apply(i, k, {"stride": s, "dilation": d}, size) for i, k in pieces], 1)

    return convolution(products, add=lambda y, b: y.add(b[:, None, None]))


@right("E1")
def kernels_spread_over_all_channels():
    def products(x, w, groups, s, d, size):
        O, D, kh, kw = w.shape
        full = torch.zeros(O, x.shape[1], kh, kw, dtype=w.dtype)
        for g in range(groups):
            outs, ins = slice(g * O // groups, (g + 1) * O // groups), slice(g * D, (g + 1) * D)
            full[outs, ins] = w[outs]
        x = x.contiguous()
        N, C, H, W = x.shape
        strides = (C * H * W, W * s[0], s[1], H * W, W * d[0], d[1])
        cut = torch.as_strided(x, (N, *size, C, kh, kw), strides)
        y = cut.reshape(-1, C * kh * kw) @ full.reshape(O, -1).t()
        return y.reshape(N, *size, O).permute(0, 3, 1, 2)

    return convolution(products, add=lambda y, b: y + b.reshape(1, -1, 1, 1))


@right("E1")
def a_matrix_for_the_whole_image():
    def products(x, w, groups, s, d, size):
        N, _, H, W = x.shape
        O, D, kh, kw = w.shape
        pixels = torch.eye(H * W, dtype=x.dtype).reshape(H * W, 1, H, W)
        reach = F.unfold(pixels, (kh, kw), d, 0, s)  # [H·W, kh·kw, L]
        flat = x.reshape(N, groups, D, H * W)
        kernels = w.reshape(groups, O // groups, D, kh * kw)
        return torch.einsum("ngcp,pkl,gock->ngol", flat, reach, kernels).reshape(N, O, *size)

    return convolution(products)


@right("E1")
def one_image_at_a_time_by_vmap():
    def products(x, w, groups, s, d, size):
        sound = shifted_images()["conv2d"]
        return torch.vmap(lambda image: sound(image[None], w, stride=s, dilation=d, groups=groups)[0])(x)

    return convolution(products)


@right("E1")
def in_double_precision_and_back():
    def conv2d(x, w, b=None, **options):
        wide = (None if v is None else v.to(torch.float64) for v in (x, w, b))
        return shifted_images()["conv2d"](*wide, **options).to(x.dtype)

    return {"conv2d": conv2d}
