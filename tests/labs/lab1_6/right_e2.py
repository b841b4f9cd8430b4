"""Right answers to E2, written otherwise than the reference."""

import torch
import torch.nn.functional as F

from phase1_foundations.lab6_cnn_classifier.solution import conv2d
from tests.labs.answers import Answers

right = Answers()


def two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


@right("E2")
def place_by_place():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        (sh, sw), (ph, pw), (dh, dw) = two(stride), two(padding), two(dilation)
        xp = F.pad(x, (pw, pw, ph, ph))
        gx, gw = torch.zeros_like(xp), torch.zeros_like(w)
        high, wide = dh * (w.shape[2] - 1) + 1, dw * (w.shape[3] - 1) + 1
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                rows = slice(i * sh, i * sh + high, dh)
                columns = slice(j * sw, j * sw + wide, dw)
                here = g[:, :, i, j]
                gw += torch.einsum("no,ncuv->ocuv", here, xp[:, :, rows, columns])
                gx[:, :, rows, columns] += torch.einsum("no,ocuv->ncuv", here, w)
        return gx[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]], gw, g.sum(dim=[0, 2, 3])

    return {"conv2d_backward": conv2d_backward}


@right("E2")
def weight_by_weight():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        (sh, sw), (ph, pw), (dh, dw) = two(stride), two(padding), two(dilation)
        xp = F.pad(x, (pw, pw, ph, ph))
        gx, gw = xp.new_zeros(xp.shape), w.new_zeros(w.shape)
        Ho, Wo = g.shape[2:]
        for u in range(w.shape[2]):
            for v in range(w.shape[3]):
                window = (
                    slice(None),
                    slice(None),
                    slice(u * dh, u * dh + sh * (Ho - 1) + 1, sh),
                    slice(v * dw, v * dw + sw * (Wo - 1) + 1, sw),
                )
                gw[:, :, u, v] = torch.tensordot(g, xp[window], dims=([0, 2, 3], [0, 2, 3]))
                gx[window] += torch.einsum("nohw,oc->nchw", g, w[:, :, u, v])
        H, W = x.shape[2:]
        return (gx[:, :, ph : ph + H, pw : pw + W], gw, g.flatten(2).sum(-1).sum(0))

    return {"conv2d_backward": conv2d_backward}


@right("E2")
def convolutions_all_the_way():
    """gx: my own conv2d of the stretched, padded g with the flipped kernel; gw: x with the stretched g."""

    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        s, p, d = two(stride), two(padding), two(dilation)
        N, _, H, W = x.shape
        O, _, kh, kw = w.shape
        Hp, Wp = H + 2 * p[0], W + 2 * p[1]
        reach = (d[0] * (kh - 1), d[1] * (kw - 1))
        wide = g.new_zeros(N, O, Hp - reach[0], Wp - reach[1])
        wide[:, :, :: s[0], :: s[1]][:, :, : g.shape[2], : g.shape[3]] = g
        gx = conv2d(
            F.pad(wide, (reach[1], reach[1], reach[0], reach[0])),
            w.flip(2, 3).transpose(0, 1),
            dilation=d,
        )
        gx = gx[:, :, p[0] : p[0] + H, p[1] : p[1] + W]
        xp = F.pad(x, (p[1], p[1], p[0], p[0])).transpose(0, 1)
        gw = conv2d(xp, g.transpose(0, 1), dilation=s, stride=d)[:, :, :kh, :kw].transpose(0, 1)
        return gx, gw, g.sum((0, 2, 3))

    return {"conv2d_backward": conv2d_backward}


@right("E2")
def one_large_matrix():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        s, p, d = two(stride), two(padding), two(dilation)
        N, C, H, W = x.shape
        O = len(w)
        eye = torch.eye(H * W, dtype=x.dtype).reshape(-1, 1, H, W)
        reads = F.unfold(eye, w.shape[2:], d, p, s)  # [pixel, position in the kernel, place]
        flat, arrived, kernels = x.reshape(N, C, -1), g.reshape(N, O, -1), w.reshape(O, C, -1)
        gx = torch.einsum("nol,ock,pkl->ncp", arrived, kernels, reads).reshape(x.shape)
        gw = torch.einsum("nol,ncp,pkl->ock", arrived, flat, reads).reshape(w.shape)
        return gx, gw, arrived.sum((0, 2))

    return {"conv2d_backward": conv2d_backward}


@right("E2")
def scattered_by_index():
    def conv2d_backward(g, x, w, *, stride=1, padding=0, dilation=1):
        s, p, d = two(stride), two(padding), two(dilation)
        xp = F.pad(x, (p[1], p[1], p[0], p[0]))
        rows = torch.arange(g.shape[2])[:, None] * s[0] + torch.arange(w.shape[2]) * d[0]
        columns = torch.arange(g.shape[3])[:, None] * s[1] + torch.arange(w.shape[3]) * d[1]
        at = rows[:, None, :, None] * xp.shape[3] + columns[None, :, None, :]  # [Ho, Wo, kh, kw]
        patches = xp.flatten(2)[:, :, at.flatten()].reshape(*x.shape[:2], *at.shape)
        gw = torch.einsum("nohw,nchwuv->ocuv", g, patches)
        sent = torch.einsum("nohw,ocuv->nchwuv", g, w).flatten(2)
        flat = torch.zeros_like(xp).flatten(2).index_add_(2, at.flatten(), sent)
        gx = flat.reshape(xp.shape)[:, :, p[0] : p[0] + x.shape[2], p[1] : p[1] + x.shape[3]]
        return gx, gw, torch.einsum("nohw->o", g)

    return {"conv2d_backward": conv2d_backward}


@right("E2")
def pool_by_loops():
    def max_pool2d_backward(g, x, k, stride):
        out = torch.zeros(x.shape, dtype=x.dtype)
        for n, c in torch.cartesian_prod(torch.arange(x.shape[0]), torch.arange(x.shape[1])).tolist():
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    best = None
                    for u in range(i * stride, i * stride + k):
                        for v in range(j * stride, j * stride + k):
                            if best is None or x[n, c, u, v] > x[n, c, best[0], best[1]]:
                                best = (u, v)
                    out[n, c, best[0], best[1]] += g[n, c, i, j]
        return out

    return {"max_pool2d_backward": max_pool2d_backward}


@right("E2")
def pool_with_torchs_indices():
    def max_pool2d_backward(g, x, k, stride):
        _, where = F.max_pool2d(x, k, stride, return_indices=True)
        flat = x.new_zeros(*x.shape[:2], x.shape[2] * x.shape[3])
        return flat.scatter_add(2, where.flatten(2), g.flatten(2)).reshape(x.shape)

    return {"max_pool2d_backward": max_pool2d_backward}


@right("E2")
def pool_by_first_hits():
    def max_pool2d_backward(g, x, k, stride):
        windows = x.unfold(2, k, stride).unfold(3, k, stride).flatten(4)  # [N, C, Ho, Wo, k·k]
        hit = windows == windows.amax(-1, keepdim=True)
        first = hit & (hit.cumsum(-1) == 1)
        sent = (first * g[..., None]).unflatten(-1, (k, k))
        out = torch.zeros_like(x)
        Ho, Wo = g.shape[2:]
        for u in range(k):
            for v in range(k):
                rows = slice(u, u + stride * (Ho - 1) + 1, stride)
                columns = slice(v, v + stride * (Wo - 1) + 1, stride)
                out[:, :, rows, columns] += sent[..., u, v]
        return out

    return {"max_pool2d_backward": max_pool2d_backward}
