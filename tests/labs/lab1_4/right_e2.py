"""Right answers to E2, written otherwise than the reference."""

import math

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("E2")
def matrix_products():
    def affine_matrix(angle, scale, shift, shear):
        B = angle.shape[0]
        K = torch.eye(2, dtype=angle.dtype).repeat(B, 1, 1)
        K = K + shear.view(B, 1, 1) * torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=angle.dtype)
        c, s = torch.cos(angle), torch.sin(angle)
        R = torch.stack([c, -s, s, c], dim=-1).reshape(B, 2, 2)
        S = torch.diag_embed(torch.stack([scale, scale], dim=-1))
        return torch.cat([K.bmm(R).bmm(S), shift.unsqueeze(-1)], dim=-1)

    return {"affine_matrix": affine_matrix}


@right("E2")
def one_image_at_a_time():
    def affine_matrix(angle, scale, shift, shear):
        out = []
        for a, s, t, k in zip(angle, scale, shift, shear, strict=True):
            c, n = torch.cos(a), torch.sin(a)
            out.append(
                torch.stack(
                    [
                        torch.stack([s * (c + k * n), s * (k * c - n), t[0]]),
                        torch.stack([s * n, s * c, t[1]]),
                    ]
                )
            )
        return torch.stack(out)

    return {"affine_matrix": affine_matrix}


@right("E2")
def homogeneous_3x3():
    def affine_matrix(angle, scale, shift, shear):
        zero, one = torch.zeros_like(angle), torch.ones_like(angle)

        def matrix(*rows):
            return torch.stack([torch.stack(row, -1) for row in rows], -2)

        T = matrix((one, zero, shift[:, 0]), (zero, one, shift[:, 1]), (zero, zero, one))
        K = matrix((one, shear, zero), (zero, one, zero), (zero, zero, one))
        R = matrix((angle.cos(), -angle.sin(), zero), (angle.sin(), angle.cos(), zero), (zero, zero, one))
        S = matrix((scale, zero, zero), (zero, scale, zero), (zero, zero, one))
        return (T @ K @ R @ S)[:, :2, :]

    return {"affine_matrix": affine_matrix}


@right("E2")
def four_named_corners():
    def warp(x, theta, *, padding="zeros"):
        if padding != "zeros" and padding != "border":
            raise ValueError("padding")
        B, C, H, W = x.shape
        xs = (torch.arange(W, dtype=x.dtype) + 0.5) * 2 / W - 1
        ys = (torch.arange(H, dtype=x.dtype) + 0.5) * 2 / H - 1
        X = xs.view(1, 1, W).expand(B, H, W)
        Y = ys.view(1, H, 1).expand(B, H, W)
        t = theta[:, :, :, None, None]
        u = t[:, 0, 0] * X + t[:, 0, 1] * Y + t[:, 0, 2]
        v = t[:, 1, 0] * X + t[:, 1, 1] * Y + t[:, 1, 2]
        px, py = (u + 1) * W / 2 - 0.5, (v + 1) * H / 2 - 0.5
        if padding == "border":
            px, py = px.clamp(0, W - 1), py.clamp(0, H - 1)
        x0, y0 = torch.floor(px).long(), torch.floor(py).long()
        wx, wy = (px - x0)[:, None], (py - y0)[:, None]

        def look(yy, xx):
            ok = (yy >= 0) & (yy < H) & (xx >= 0) & (xx < W)
            index = yy.clamp(0, H - 1) * W + xx.clamp(0, W - 1)
            flat = x.reshape(B, C, H * W)
            found = flat.gather(2, index.reshape(B, 1, H * W).expand(B, C, H * W)).reshape(B, C, H, W)
            return found * ok[:, None]

        upper = look(y0, x0) * (1 - wx) + look(y0, x0 + 1) * wx
        lower = look(y0 + 1, x0) * (1 - wx) + look(y0 + 1, x0 + 1) * wx
        return upper * (1 - wy) + lower * wy

    return {"warp": warp}


@right("E2")
def padded_with_a_frame():
    def warp(x, theta, *, padding="zeros"):
        modes = {"zeros": "constant", "border": "replicate"}
        if padding not in modes:
            raise ValueError(padding)
        B, C, H, W = x.shape
        framed = (
            torch.nn.functional.pad(x, (1, 1, 1, 1), mode=modes[padding])
            if B
            else x.new_zeros(0, C, H + 2, W + 2)
        )
        base = torch.ones(H, W, 3, dtype=x.dtype)
        base[..., 0] = torch.linspace(-1 + 1 / W, 1 - 1 / W, W, dtype=x.dtype)
        base[..., 1] = torch.linspace(-1 + 1 / H, 1 - 1 / H, H, dtype=x.dtype)[:, None]
        where = base.view(1, H * W, 3) @ theta.transpose(1, 2)
        col = ((where[..., 0] + 1) * W - 1) / 2 + 1
        row = ((where[..., 1] + 1) * H - 1) / 2 + 1
        col, row = col.clamp(0, W + 1), row.clamp(0, H + 1)
        c0, r0 = col.floor().clamp(max=W).detach(), row.floor().clamp(max=H).detach()
        dc, dr = col - c0, row - r0
        image = torch.arange(B)[:, None]
        c0, r0 = c0.long(), r0.long()
        pick = [framed[image, :, r0 + i, c0 + j] for i in (0, 1) for j in (0, 1)]
        weights = [(1 - dr) * (1 - dc), (1 - dr) * dc, dr * (1 - dc), dr * dc]
        out = sum(w[..., None] * p for w, p in zip(weights, pick, strict=True))
        return out.permute(0, 2, 1).reshape(B, C, H, W)

    return {"warp": warp}


@right("E2")
def hat_functions_as_matrices():
    """The weight of every input pixel for every output pixel: dense, and right."""

    def warp(x, theta, *, padding="zeros"):
        if padding not in {"zeros", "border"}:
            raise ValueError("unknown padding")
        B, C, H, W = x.shape
        j = torch.arange(W, dtype=x.dtype)
        i = torch.arange(H, dtype=x.dtype)
        gy, gx = torch.meshgrid((2 * i + 1) / H - 1, (2 * j + 1) / W - 1, indexing="ij")
        points = torch.stack([gx.flatten(), gy.flatten(), torch.ones(H * W, dtype=x.dtype)])
        place = theta @ points  # B 2 HW
        col, row = ((place[:, 0] + 1) * W - 1) / 2, ((place[:, 1] + 1) * H - 1) / 2
        if padding == "border":
            col, row = col.clamp(0, W - 1), row.clamp(0, H - 1)
        across = (1 - (col[..., None] - j).abs()).clamp(min=0)  # B HW W
        down = (1 - (row[..., None] - i).abs()).clamp(min=0)  # B HW H
        return torch.einsum("bchw,bph,bpw->bcp", x, down, across).reshape(B, C, H, W)

    return {"warp": warp}


@right("E2")
def pixel_by_pixel():
    def warp(x, theta, *, padding="zeros"):
        if padding not in ("zeros", "border"):
            raise ValueError
        B, C, H, W = x.shape
        images = []
        for b in range(B):
            rows = []
            for i in range(H):
                row = []
                for j in range(W):
                    here = torch.tensor([(2 * j + 1) / W - 1, (2 * i + 1) / H - 1, 1.0], dtype=x.dtype)
                    u, v = theta[b] @ here
                    c, r = ((u + 1) * W - 1) / 2, ((v + 1) * H - 1) / 2
                    if padding == "border":
                        c, r = c.clamp(0, W - 1), r.clamp(0, H - 1)
                    c0, r0 = math.floor(float(c.detach())), math.floor(float(r.detach()))
                    total = torch.zeros(C, dtype=x.dtype)
                    for rr, cc in ((r0, c0), (r0, c0 + 1), (r0 + 1, c0), (r0 + 1, c0 + 1)):
                        if 0 <= rr < H and 0 <= cc < W:
                            total = total + (1 - (r - rr).abs()) * (1 - (c - cc).abs()) * x[b, :, rr, cc]
                    row.append(total)
                rows.append(torch.stack(row, dim=-1))
            images.append(torch.stack(rows, dim=-2))
        return torch.stack(images) if images else x.clone()

    return {"warp": warp}


@right("E2")
def gammas_and_an_identity_matrix():
    def mixup(x, y, n_classes, alpha, generator):
        n = x.shape[0]
        perm = torch.argsort(torch.rand(n, generator=generator))
        if alpha > 0:
            g = torch._standard_gamma(
                torch.full((2, n), float(alpha), dtype=torch.float64), generator=generator
            )
            lam = (g[0] / g.sum(0)).to(x.dtype)
        else:
            lam = torch.ones(n, dtype=x.dtype)
        hard = torch.eye(n_classes, dtype=x.dtype)[y]
        lx = lam.reshape((n,) + (1,) * (x.ndim - 1))
        return torch.lerp(x[perm], x, lx), torch.lerp(hard[perm], hard, lam[:, None])

    return {"mixup": mixup}


@right("E2")
def one_example_at_a_time():
    def mixup(x, y, n_classes, alpha, generator):
        seeds = torch.randint(0, 2**31 - 1, (2,), generator=generator).tolist()
        rng = np.random.RandomState(seeds[0])
        order = np.random.RandomState(seeds[1]).permutation(len(x))
        new_x, new_y = torch.empty_like(x), torch.zeros(len(x), n_classes, dtype=x.dtype)
        for i, j in enumerate(order):
            share = float(rng.beta(alpha, alpha)) if alpha != 0 else 1.0
            new_x[i] = share * x[i] + (1 - share) * x[j]
            new_y[i, y[i]] += share
            new_y[i, y[j]] += 1 - share
        return new_x, new_y

    return {"mixup": mixup}


@right("E2")
def global_generator_forked():
    def mixup(x, y, n_classes, alpha, generator):
        n = len(x)
        order = torch.randperm(n, generator=generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**40, (1,), generator=generator)))
            lam = torch.distributions.Beta(alpha, alpha).sample((n,)) if alpha else torch.ones(n)
        lam = lam.to(x.dtype)
        onehot = torch.zeros(n, n_classes, dtype=x.dtype).scatter_(1, y[:, None], 1.0)
        wide = lam[(...,) + (None,) * (x.dim() - 1)]
        return [wide * x + (1 - wide) * x[order], lam[:, None] * onehot + (1 - lam[:, None]) * onehot[order]]

    return {"mixup": mixup}


@right("E2")
def only_the_chosen_ones():
    class Compose:
        def __init__(self, transforms):
            self.steps = tuple(transforms)

        def __call__(self, x, generator):
            for step in self.steps:
                x = step(x, generator)
            return x

    class RandomApply:
        def __init__(self, transform, p):
            self.t, self.probability = transform, p

        def __call__(self, x, generator):
            chosen = torch.bernoulli(torch.full((len(x),), self.probability), generator=generator).bool()
            out = x.clone()
            if chosen.any():
                out[chosen] = self.t(x[chosen], generator)
            return out

    return {"Compose": Compose, "RandomApply": RandomApply}


@right("E2")
def transform_first_then_coins():
    class Compose(torch.nn.Module):
        def __init__(self, transforms):
            super().__init__()
            self.transforms = list(transforms)

        def forward(self, x, generator):
            if not self.transforms:
                return x
            head, *tail = self.transforms
            return Compose(tail)(head(x, generator), generator)

    class RandomApply(torch.nn.Module):
        def __init__(self, transform, p):
            super().__init__()
            self.transform, self.p = transform, p

        def forward(self, x, generator):
            changed = self.transform(x, generator)
            keep = torch.rand(x.shape[0], generator=generator) >= self.p
            return torch.stack([a if k else b for k, a, b in zip(keep, x, changed, strict=True)])

    return {"Compose": Compose, "RandomApply": RandomApply}
