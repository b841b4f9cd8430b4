"""Wrong answers to E3, second part: the other norms, and folding."""

from __future__ import annotations

import torch
from torch import nn

from phase1_foundations.lab2_nn_module import solution
from phase1_foundations.lab2_nn_module.solution import normalize, per_channel, wider
from tests.labs.answers import Answers

wrong = Answers()


def one(name, named=True, **objects):
    wrong.add("E3", name, lambda: objects, named=named)


# ---- LayerNorm, GroupNorm, InstanceNorm -----------------------------------------------------------------


def layer_norm(plain=None, scaled=None):
    class LayerNorm(solution.LayerNorm):
        def forward(self, x):
            y = plain(self, wider(x)) if plain else normalize(wider(x), self.dims, self.eps)
            if self.weight is not None:
                y = scaled(self, y) if scaled else y * self.weight + self.bias
            return y.to(x.dtype)

    return LayerNorm


def group_norm(plain=None, scaled=None):
    class GroupNorm(solution.GroupNorm):
        def forward(self, x):
            blocks = wider(x).reshape(len(x), self.num_groups, -1)
            y = plain(self, wider(x)) if plain else normalize(blocks, (2,), self.eps).reshape(x.shape)
            if self.weight is not None:
                y = scaled(self, y) if scaled else y * per_channel(self.weight, x) + per_channel(self.bias, x)
            return y.to(x.dtype)

    return GroupNorm


def instance_norm(axes):
    class InstanceNorm(solution.InstanceNorm):
        def forward(self, x):
            y = normalize(wider(x), axes(x), self.eps)
            if self.weight is not None:
                y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
            return y.to(x.dtype)

    return InstanceNorm


one("ln_over_the_batch", LayerNorm=layer_norm(lambda s, x: normalize(x, (0,), s.eps)))
one(
    "ln_all_but_the_batch",
    LayerNorm=layer_norm(lambda s, x: normalize(x, tuple(range(1, x.dim())) or (0,), s.eps)),
)
one("ln_without_affine", LayerNorm=layer_norm(scaled=lambda s, y: y))
one("ln_without_bias", LayerNorm=layer_norm(scaled=lambda s, y: y * s.weight))
one("ln_ignores_eps", LayerNorm=layer_norm(lambda s, x: normalize(x, s.dims, 1e-5)))
one(
    "ln_affine_first",
    LayerNorm=layer_norm(
        lambda s, x: normalize(x if s.weight is None else x * s.weight + s.bias, s.dims, s.eps),
        scaled=lambda s, y: y,
    ),
)
one(
    "gn_group_size",
    GroupNorm=group_norm(
        lambda s, x: normalize(x.reshape(len(x), x.shape[1] // s.num_groups, -1), (2,), s.eps).reshape(
            x.shape
        )
    ),
)
one(
    "gn_each_pixel",
    GroupNorm=group_norm(
        lambda s, x: normalize(
            x.reshape(len(x), s.num_groups, x.shape[1] // s.num_groups, -1), (2,), s.eps
        ).reshape(x.shape)
    ),
)
one(
    "gn_over_the_batch",
    GroupNorm=group_norm(
        lambda s, x: normalize(x.reshape(len(x), s.num_groups, -1), (0, 2), s.eps).reshape(x.shape)
    ),
)
one(
    "gn_affine_last_axis",
    GroupNorm=group_norm(
        scaled=lambda s, y: (
            y * s.weight + s.bias
            if y.shape[-1] == len(s.weight)
            else y * per_channel(s.weight, y) + per_channel(s.bias, y)
        )
    ),
)
one("gn_affine_ignored", GroupNorm=group_norm(scaled=lambda s, y: y))
one(
    "gn_needs_view",
    GroupNorm=group_norm(lambda s, x: normalize(x.view(len(x), s.num_groups, -1), (2,), s.eps).view(x.shape)),
)
one("in_over_the_batch", InstanceNorm=instance_norm(lambda x: (0, *range(2, x.dim()))))
one("in_last_axis", InstanceNorm=instance_norm(lambda x: (-1,)))
one("in_all_channels", InstanceNorm=instance_norm(lambda x: tuple(range(1, x.dim()))))


@wrong("E3")
def gn_uneven():
    class GroupNorm(solution.GroupNorm):
        def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
            super().__init__(num_groups, num_groups * (num_channels // num_groups), eps, affine)

    return {"GroupNorm": GroupNorm}


@wrong("E3")
def gn_one_weight_a_group():
    class GroupNorm(solution.GroupNorm):
        def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
            super().__init__(num_groups, num_channels, eps, False)
            if affine:
                self.weight = nn.Parameter(torch.ones(num_groups))
                self.bias = nn.Parameter(torch.zeros(num_groups))

        def forward(self, x):
            blocks = wider(x).reshape(len(x), self.num_groups, -1)
            y = normalize(blocks, (2,), self.eps)
            if self.weight is not None:
                y = y * self.weight[:, None] + self.bias[:, None]
            return y.reshape(x.shape).to(x.dtype)

    return {"GroupNorm": GroupNorm}


@wrong("E3")
def in_affine_by_default():
    class InstanceNorm(solution.InstanceNorm):
        def __init__(self, num_features, eps=1e-5, affine=True):
            super().__init__(num_features, eps, affine)

    return {"InstanceNorm": InstanceNorm}


@wrong("E3")
def ln_weight_of_the_last_axis():
    class LayerNorm(solution.LayerNorm):
        def __init__(self, shape, eps=1e-5, affine=True):
            super().__init__(shape, eps, False)
            last = shape if isinstance(shape, int) else shape[-1]
            self.weight = nn.Parameter(torch.ones(last)) if affine else None
            self.bias = nn.Parameter(torch.zeros(last)) if affine else None

    return {"LayerNorm": LayerNorm}


# ---- AdaLayerNorm ---------------------------------------------------------------------------------------


def adaptive(change, init=None):
    class AdaLayerNorm(solution.AdaLayerNorm):
        def __init__(self, dim, cond_dim, gated=True):
            super().__init__(dim, cond_dim, gated)
            if init:
                init(self, dim)

        def forward(self, x, c):
            parts = wider(self.project(c.to(self.project.weight.dtype)))[:, None, :].chunk(self.parts, dim=-1)
            plain = normalize(wider(x), (-1,), 1e-5)
            y, gate = change(self, plain, *parts, *([None] * (3 - len(parts))), x)
            return y.to(x.dtype), gate

    return AdaLayerNorm


def right_one(self, n, s, b, g, x):
    return (1 + s) * n + b, g


def default_weights(self, dim):
    self.project.reset_parameters()


def random_bias(self, dim):
    nn.init.normal_(self.project.bias)


def gate_one(self, dim):
    if self.parts == 3:
        with torch.no_grad():
            self.project.bias[2 * dim :] = 1


one("ada_without_one", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: (s * n + b, g)))
one("ada_default_weights", AdaLayerNorm=adaptive(right_one, default_weights))
one("ada_random_bias", AdaLayerNorm=adaptive(right_one, random_bias))
one("ada_gate_one", AdaLayerNorm=adaptive(right_one, gate_one))
one(
    "ada_gate_flat",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * n + b, None if g is None else g[:, 0])),
)
one(
    "ada_gate_applied",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: (((1 + s) * n + b) * (1 if g is None else g), g)),
)
one("ada_no_norm", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * x + b, g)))
one("ada_no_shift", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * n, g)))
one("ada_no_scale", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: (n + b, g)))
one(
    "ada_condition_ignored",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: (n, None if g is None else 0 * g)),
)
one("ada_exp", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: (s.exp() * n + b, g)))
one(
    "ada_tanh_gate",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * n + b, None if g is None else g.tanh())),
)
one(
    "ada_sigmoid_gate",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * n + b, None if g is None else g.sigmoid())),
)
one("ada_shift_scaled", AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * (n + b), g)))
one(
    "ada_tokens",
    AdaLayerNorm=adaptive(lambda self, n, s, b, g, x: ((1 + s) * normalize(x, (1,), 1e-5) + b, g)),
)


@wrong("E3")
def ada_one_value():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def forward(self, x, c):
            y, gate = super().forward(x, c)
            return y if gate is None else (y, gate)

    return {"AdaLayerNorm": AdaLayerNorm}


@wrong("E3")
def ada_own_affine():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def __init__(self, dim, cond_dim, gated=True):
            super().__init__(dim, cond_dim, gated)
            self.norm = solution.LayerNorm(dim)

        def forward(self, x, c):
            gate = super().forward(x, c)[1]
            parts = self.project(c.to(self.project.weight.dtype))[:, None].chunk(self.parts, -1)
            return ((1 + parts[0]) * self.norm(wider(x)) + parts[1]).to(x.dtype), gate

    return {"AdaLayerNorm": AdaLayerNorm}


@wrong("E3")
def ada_silu_first():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def forward(self, x, c):
            return super().forward(x, nn.functional.silu(c))

    return {"AdaLayerNorm": AdaLayerNorm}
