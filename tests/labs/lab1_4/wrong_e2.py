"""Wrong answers to E2, as a stranger would write them."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from tests.labs.answers import Answers

wrong = Answers()

# ---- affine_matrix --------------------------------------------------------------------------------------


def matrix(entries):
    def affine_matrix(angle, scale, shift, shear):
        a, b, c, d = entries(angle.cos(), angle.sin(), scale, shear)
        top = torch.stack([a, b, shift[:, 0]], dim=1)
        return torch.stack([top, torch.stack([c, d, shift[:, 1]], dim=1)], dim=1)

    return {"affine_matrix": affine_matrix}


@wrong("E2")
def minus_in_the_lower_row():
    return matrix(lambda c, s, z, k: (z * (c - k * s), z * (s + k * c), -z * s, z * c))


@wrong("E2")
def shear_downwards():
    return matrix(lambda c, s, z, k: (z * c, -z * s, z * (s + k * c), z * (c - k * s)))


@wrong("E2")
def shear_added_to_the_corner():
    return matrix(lambda c, s, z, k: (z * c, -z * s + k, z * s, z * c))


@wrong("E2")
def scale_forgotten_in_the_sines():
    return matrix(lambda c, s, z, k: (z * c + k * s, k * z * c - s, s, z * c))


@wrong("E2")
def divides_by_the_scale():
    return matrix(lambda c, s, z, k: ((c + k * s) / z, (k * c - s) / z, s / z, c / z))


@wrong("E2")
def no_shear():
    return matrix(lambda c, s, z, k: (z * c, -z * s, z * s, z * c))


@wrong("E2")
def columns_as_rows():
    return matrix(lambda c, s, z, k: (z * (c + k * s), z * s, z * (k * c - s), z * c))


@wrong("E2")
def three_by_three():
    def affine_matrix(angle, scale, shift, shear):
        found = matrix(lambda c, s, z, k: (z * (c + k * s), z * (k * c - s), z * s, z * c))
        top = found["affine_matrix"](angle, scale, shift, shear)
        last = torch.tensor([0.0, 0.0, 1.0], dtype=top.dtype).expand(len(top), 1, 3)
        return torch.cat([top, last], dim=1)

    return {"affine_matrix": affine_matrix}


@wrong("E2")
def python_numbers():
    def affine_matrix(angle, scale, shift, shear):
        rows = []
        for a, z, (tx, ty), k in zip(
            angle.tolist(), scale.tolist(), shift.tolist(), shear.tolist(), strict=True
        ):
            c, s = z * math.cos(a), z * math.sin(a)
            rows.append([[c + k * s, k * c - s, tx], [s, c, ty]])
        return torch.tensor(rows, dtype=angle.dtype)

    return {"affine_matrix": affine_matrix}


@wrong("E2")
def shift_down_first():
    def affine_matrix(angle, scale, shift, shear):
        found = matrix(lambda c, s, z, k: (z * (c + k * s), z * (k * c - s), z * s, z * c))
        return found["affine_matrix"](angle, scale, shift.flip(1), shear)

    return {"affine_matrix": affine_matrix}


@wrong("E2")
def always_float32():
    def affine_matrix(angle, scale, shift, shear):
        found = matrix(lambda c, s, z, k: (z * (c + k * s), z * (k * c - s), z * s, z * c))
        return found["affine_matrix"](angle.float(), scale.float(), shift.float(), shear.float())

    return {"affine_matrix": affine_matrix}


# ---- warp -----------------------------------------------------------------------------------------------


def warper(
    *,
    base=lambda n, dt: (2 * torch.arange(n, dtype=dt) + 1) / n - 1,
    pixel=lambda u, n: ((u + 1) * n - 1) / 2,
    theta_of=lambda theta: theta,
    detach=False,
    refuse=True,
    weigh=lambda d: 1 - d.abs(),
    swap_sizes=False,
):
    def warp(x, theta, *, padding="zeros"):
        if refuse and padding not in ("zeros", "border"):
            raise ValueError(padding)
        B, _, H, W = x.shape
        gy, gx = torch.meshgrid(base(H, x.dtype), base(W, x.dtype), indexing="ij")
        points = torch.stack([gx, gy, torch.ones_like(gx)], -1)
        place = torch.einsum("bij,hwj->ibhw", theta_of(theta), points)
        if detach:
            place = place.detach()
        col, row = pixel(place[0], H if swap_sizes else W), pixel(place[1], W if swap_sizes else H)
        b, out = torch.arange(B)[:, None, None], 0
        for r in (row.detach().floor(), row.detach().floor() + 1):
            for c in (col.detach().floor(), col.detach().floor() + 1):
                w = weigh(row - r) * weigh(col - c)
                if padding == "zeros":
                    w = w * ((r >= 0) & (r < H) & (c >= 0) & (c < W))
                picked = x[b, :, r.long().clamp(0, H - 1), c.long().clamp(0, W - 1)]
                out = out + w[..., None] * picked
        return out.movedim(-1, 1)

    return {"warp": warp}


@wrong("E2")
def linspace_from_end_to_end():
    return warper(base=lambda n, dt: torch.linspace(-1, 1, n, dtype=dt))


@wrong("E2")
def unnormalises_by_n_minus_one():
    return warper(pixel=lambda u, n: (u + 1) / 2 * (n - 1))


@wrong("E2")
def left_edges():
    return warper(base=lambda n, dt: 2 * torch.arange(n, dtype=dt) / n - 1)


@wrong("E2")
def left_edges_both_ways():
    return warper(
        base=lambda n, dt: 2 * torch.arange(n, dtype=dt) / n - 1, pixel=lambda u, n: (u + 1) * n / 2
    )


@wrong("E2")
def mirrored_weights():
    return warper(weigh=lambda d: d.abs())


@wrong("E2")
def detached_coordinates():
    return warper(detach=True)


@wrong("E2")
def any_padding_is_border():
    return warper(refuse=False)


@wrong("E2")
def sizes_exchanged():
    return warper(swap_sizes=True)


@wrong("E2")
def transposed_theta():
    return warper(theta_of=lambda t: torch.cat([t[:, :, :2].mT, t[:, :, 2:]], dim=2))


@wrong("E2")
def shift_as_pixels():
    return warper(theta_of=lambda t: torch.cat([t[:, :, :2], t[:, :, 2:] * 0], dim=2))


@wrong("E2")
def mean_theta():
    return warper(theta_of=lambda t: t[-1:].expand_as(t))


@wrong("E2")
def rounds_to_a_pixel():
    def warp(x, theta, *, padding="zeros"):
        if padding not in ("zeros", "border"):
            raise ValueError(padding)
        B, _, H, W = x.shape
        gy, gx = torch.meshgrid(
            (2 * torch.arange(H, dtype=x.dtype) + 1) / H - 1,
            (2 * torch.arange(W, dtype=x.dtype) + 1) / W - 1,
            indexing="ij",
        )
        place = torch.einsum("bij,hwj->ibhw", theta, torch.stack([gx, gy, torch.ones_like(gx)], -1))
        col, row = (
            (((place[0] + 1) * W - 1) / 2).round().long(),
            (((place[1] + 1) * H - 1) / 2).round().long(),
        )
        ok = (row >= 0) & (row < H) & (col >= 0) & (col < W) if padding == "zeros" else torch.ones_like(row)
        found = x[torch.arange(B)[:, None, None], :, row.clamp(0, H - 1), col.clamp(0, W - 1)]
        return (found * ok[..., None]).movedim(-1, 1)

    return {"warp": warp}


@wrong("E2")
def masks_whole_places():
    def warp(x, theta, *, padding="zeros"):
        out = warper()["warp"](x, theta, padding="border")
        if padding == "zeros":
            _, _, H, W = x.shape
            gy, gx = torch.meshgrid(
                (2 * torch.arange(H, dtype=x.dtype) + 1) / H - 1,
                (2 * torch.arange(W, dtype=x.dtype) + 1) / W - 1,
                indexing="ij",
            )
            place = torch.einsum("bij,hwj->bhwi", theta, torch.stack([gx, gy, torch.ones_like(gx)], -1))
            out = out * (place.abs() <= 1).all(-1)[:, None]
        elif padding != "border":
            raise ValueError(padding)
        return out

    return {"warp": warp}


@wrong("E2")
def torch_grid_sampler():
    def warp(x, theta, *, padding="zeros"):
        modes = {"zeros": 0, "border": 1}
        if padding not in modes:
            raise ValueError(padding)
        grid = torch.affine_grid_generator(theta, list(x.shape), False)
        return torch.grid_sampler(x, grid, 0, modes[padding], False)

    return {"warp": warp}


@wrong("E2")
def scipy_like_numpy():
    def warp(x, theta, *, padding="zeros"):
        found = warper()["warp"](x.detach(), theta.detach(), padding=padding)
        return torch.from_numpy(found.numpy().copy())

    return {"warp": warp}


@wrong("E2")
def in_float32():
    def warp(x, theta, *, padding="zeros"):
        return warper()["warp"](x.float(), theta.float(), padding=padding).to(x.dtype)

    return {"warp": warp}


# ---- mixup ----------------------------------------------------------------------------------------------


def mixer(share=None, order=None, finish=lambda x, y, own, hard, soft: soft, blend=None):
    def mixup(x, y, n_classes, alpha, generator):
        rng = np.random.default_rng(int(torch.randint(2**60, (), generator=generator)))
        n = len(x)
        partner = order(n, generator) if order else torch.randperm(n, generator=generator)
        lam = share(rng, alpha, n) if share else (rng.beta(alpha, alpha, n) if alpha else np.ones(n))
        own = torch.as_tensor(np.asarray(lam)).to(x.dtype)
        hard = F.one_hot(y, n_classes).to(x.dtype)
        wide = own.view(-1, *[1] * (x.dim() - 1))
        new_x = wide * x + (1 - wide) * x[partner]
        if blend:
            new_x = blend(x, wide, partner, generator)
        return new_x, finish(x, y, own, hard, own[:, None] * hard + (1 - own[:, None]) * hard[partner])

    return {"mixup": mixup}


@wrong("E2")
def labels_of_the_larger_share():
    return mixer(finish=lambda x, y, own, hard, soft: torch.where(own[:, None] >= 0.5, hard, hard.roll(1, 0)))


@wrong("E2")
def labels_as_classes():
    return mixer(finish=lambda x, y, own, hard, soft: y)


@wrong("E2")
def shares_not_complementary():
    return mixer(finish=lambda x, y, own, hard, soft: soft + 0.1)


@wrong("E2")
def another_permutation_for_x():
    def blend(x, wide, partner, generator):
        return wide * x + (1 - wide) * x[torch.randperm(len(x), generator=generator)]

    return mixer(blend=blend)


@wrong("E2")
def x_is_not_mixed():
    return mixer(blend=lambda x, wide, partner, generator: x.clone())


@wrong("E2")
def folded_shares():
    def share(rng, alpha, n):
        lam = rng.beta(alpha, alpha, n) if alpha else np.ones(n)
        return np.maximum(lam, 1 - lam)

    return mixer(share=share)


@wrong("E2")
def beta_of_alpha_and_one():
    return mixer(share=lambda rng, alpha, n: rng.beta(alpha, 1, n) if alpha else np.ones(n))


@wrong("E2")
def rolled_partner():
    return mixer(order=lambda n, generator: torch.arange(n).roll(1))


@wrong("E2")
def partner_with_replacement():
    return mixer(order=lambda n, generator: torch.randint(0, max(n, 1), (n,), generator=generator))


@wrong("E2")
def torch_beta_distribution():
    def mixup(x, y, n_classes, alpha, generator):
        n = len(x)
        partner = torch.randperm(n, generator=generator)
        own = (
            torch.distributions.Beta(alpha, alpha).sample((n,)).to(x.dtype)
            if alpha
            else torch.ones(n, dtype=x.dtype)
        )
        hard = F.one_hot(y, n_classes).to(x.dtype)
        wide = own.view(-1, *[1] * (x.dim() - 1))
        return wide * x + (1 - wide) * x[partner], own[:, None] * hard + (1 - own[:, None]) * hard[partner]

    return {"mixup": mixup}


@wrong("E2")
def for_images_alone():
    def mixup(x, y, n_classes, alpha, generator):
        rng = np.random.default_rng(int(torch.randint(2**60, (), generator=generator)))
        lam = rng.beta(alpha, alpha, len(x)) if alpha else np.ones(len(x))
        own = torch.from_numpy(lam).to(x.dtype)[:, None, None, None]
        partner = torch.randperm(len(x), generator=generator)
        hard = F.one_hot(y, n_classes).to(x.dtype)
        soft = own[:, :, 0, 0] * hard + (1 - own[:, :, 0, 0]) * hard[partner]
        return own * x + (1 - own) * x[partner], soft

    return {"mixup": mixup}


@wrong("E2")
def classes_that_occur():
    def mixup(x, y, n_classes, alpha, generator):
        classes = int(y.max()) + 1 if len(y) else n_classes
        return mixer()["mixup"](x, y, classes, alpha, generator)

    return {"mixup": mixup}


@wrong("E2")
def writes_into_x():
    def mixup(x, y, n_classes, alpha, generator):
        new_x, new_y = mixer()["mixup"](x, y, n_classes, alpha, generator)
        x.copy_(new_x)
        return x, new_y

    return {"mixup": mixup}


@wrong("E2")
def seeds_numpy_from_the_initial_seed():
    def mixup(x, y, n_classes, alpha, generator):
        fresh = torch.Generator().manual_seed(generator.initial_seed())
        return mixer()["mixup"](x, y, n_classes, alpha, fresh)

    return {"mixup": mixup}


# ---- Compose and RandomApply ----------------------------------------------------------------------------


def compose(call):
    class Compose:
        def __init__(self, transforms):
            self.transforms = transforms

        def __call__(self, x, generator):
            return call(self.transforms, x, generator)

    return {"Compose": Compose}


@wrong("E2")
def last_one_only():
    def call(transforms, x, generator):
        out = x
        for transform in transforms:
            out = transform(x, generator)
        return out

    return compose(call)


@wrong("E2")
def without_the_generator():
    def call(transforms, x, generator):
        for transform in transforms:
            x = transform(x)
        return x

    return compose(call)


@wrong("E2")
def fresh_generators():
    def call(transforms, x, generator):
        for transform in transforms:
            x = transform(x, torch.Generator().manual_seed(generator.initial_seed()))
        return x

    return compose(call)


def random_apply(call):
    class RandomApply:
        def __init__(self, transform, p):
            self.transform, self.p = transform, p

        def __call__(self, x, generator):
            return call(self, x, generator)

    return {"RandomApply": RandomApply}


@wrong("E2")
def probability_inverted():
    def call(self, x, generator):
        chosen = torch.rand(len(x), generator=generator) > self.p
        return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), self.transform(x, generator), x)

    return random_apply(call)


@wrong("E2")
def a_coin_for_each_pixel():
    def call(self, x, generator):
        return torch.where(torch.rand(x.shape, generator=generator) < self.p, self.transform(x, generator), x)

    return random_apply(call)


@wrong("E2")
def exactly_a_share():
    def call(self, x, generator):
        count = int(self.p * len(x))
        out = x.clone()
        out[:count] = self.transform(x, generator)[:count]
        return out

    return random_apply(call)


@wrong("E2")
def in_place():
    def call(self, x, generator):
        chosen = torch.rand(len(x), generator=generator) < self.p
        x[chosen] = self.transform(x, generator)[chosen]
        return x

    return random_apply(call)


@wrong("E2")
def always_half():
    def call(self, x, generator):
        chosen = torch.rand(len(x), generator=generator) < 0.5
        return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), self.transform(x, generator), x)

    return random_apply(call)


@wrong("E2")
def lambdas_with_a_seed_of_their_own():
    def mixup(x, y, n_classes, alpha, generator):
        order = torch.randperm(len(x), generator=generator)
        drawn = np.random.default_rng(0).beta(alpha, alpha, size=len(x)) if alpha else np.ones(len(x))
        lam = torch.as_tensor(drawn, dtype=x.dtype)
        onehot = F.one_hot(y, n_classes).to(x.dtype)
        across = lam.reshape(-1, *[1] * (x.dim() - 1))
        labels = lam[:, None] * onehot + (1 - lam[:, None]) * onehot[order]
        return across * x + (1 - across) * x[order], labels

    return {"mixup": mixup}


@wrong("E2")
def an_iterator_of_transforms():
    class Compose:
        def __init__(self, transforms):
            self.transforms = iter(transforms)

        def __call__(self, x, generator):
            for transform in self.transforms:
                x = transform(x, generator)
            return x

    return {"Compose": Compose}


@wrong("E2")
def blends_with_probability():
    class RandomApply:
        def __init__(self, transform, p):
            self.transform, self.p = transform, p

        def __call__(self, x, generator):
            return self.p * self.transform(x, generator) + (1 - self.p) * x

    return {"RandomApply": RandomApply}


@wrong("E2")
def key_error_for_an_unknown_padding():
    from phase1_foundations.lab4_data_loading.solution import warp as right

    def warp(x, theta, *, padding="zeros"):
        return right(x, theta, padding={"zeros": "zeros", "border": "border"}[padding])

    return {"warp": warp}


@wrong("E2")
def partners_rolled_by_a_random_step():
    def order(count, generator):
        return torch.arange(count).roll(int(torch.randint(1, max(count, 2), (), generator=generator)))

    return mixer(order=order)


@wrong("E2")
def a_random_half():
    def call(self, x, generator):
        chosen = torch.randperm(len(x), generator=generator)[: round(self.p * len(x))]
        out = x.clone()
        out[chosen] = self.transform(x, generator)[chosen]
        return out

    return random_apply(call)


@wrong("E2")
def examples_one_by_one():
    def call(self, x, generator):
        coins = torch.rand(len(x), generator=generator) < self.p
        each = [self.transform(one, generator) if coin else one for one, coin in zip(x, coins, strict=True)]
        return torch.stack(each) if each else x

    return random_apply(call)


@wrong("E2")
def one_list_for_all_chains():
    kept = []

    class Compose:
        def __init__(self, transforms):
            kept.extend(transforms)

        def __call__(self, x, generator):
            for transform in kept:
                x = transform(x, generator)
            return x

    return {"Compose": Compose}
