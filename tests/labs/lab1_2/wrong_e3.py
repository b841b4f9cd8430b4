"""Wrong answers to E3 beyond the lab's own misconceptions: the formula, and BatchNorm."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase1_foundations.lab2_nn_module import solution
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e3_norms import batch_norm
from phase1_foundations.lab2_nn_module.solution import per_channel, wider
from tests.labs.answers import Answers

wrong = Answers()


def one(name, named=True, **objects):
    wrong.add("E3", name, lambda: objects, named=named)


# ---- normalize ------------------------------------------------------------------------------------------


def formula(change):
    def normalize(x, dims, eps):
        wide = wider(x)
        mean = wide.mean(dims, keepdim=True)
        var = (wide - mean).square().mean(dims, keepdim=True)
        return change(wide, mean, var, eps, dims).to(x.dtype)

    return normalize


def no_keepdim(x, dims, eps):
    return (x - x.mean(dims)) / (x.var(dims, correction=0) + eps).sqrt()


def in_place(x, dims, eps):
    x -= x.mean(dims, keepdim=True)
    return x / (x.square().mean(dims, keepdim=True) + eps).sqrt()


def no_return(x, dims, eps):
    (x - x.mean(dims, keepdim=True)) / (x.var(dims, correction=0, keepdim=True) + eps).sqrt()


def float32_out(x, dims, eps):
    return solution.normalize(x.float(), dims, eps)


def first_axis(x, dims, eps):
    return solution.normalize(x, dims[:1], eps)


def all_axes(x, dims, eps):
    return solution.normalize(x, tuple(range(x.dim())), eps)


def last_axis(x, dims, eps):
    return solution.normalize(x, (-1,), eps)


one("divides_by_variance", normalize=formula(lambda x, m, v, e, d: (x - m) / (v + e)))
one("fourth_root", normalize=formula(lambda x, m, v, e, d: (x - m) / (v + e).sqrt().sqrt()))
one("multiplies", normalize=formula(lambda x, m, v, e, d: (x - m) * (v + e).sqrt()))
one("mean_only", normalize=formula(lambda x, m, v, e, d: x - m))
one("deviation_only", normalize=formula(lambda x, m, v, e, d: x / (v + e).sqrt()))
one("eps_squared_outside", normalize=formula(lambda x, m, v, e, d: (x - m) / (v.sqrt() + e)))
one("eps_ignored", normalize=formula(lambda x, m, v, e, d: (x - m) / (v + 1e-5).sqrt()))
one("no_eps", normalize=formula(lambda x, m, v, e, d: (x - m) / v.sqrt()))
one("unbiased_std", normalize=formula(lambda x, m, v, e, d: (x - m) / (x.std(d, keepdim=True) + e)))
one("unbiased", normalize=formula(lambda x, m, v, e, d: (x - m) / (x.var(d, keepdim=True) + e).sqrt()))
one("constants", normalize=formula(lambda x, m, v, e, d: (x - m.detach()) / (v.detach() + e).sqrt()))
one("median", normalize=formula(lambda x, m, v, e, d: (x - x.median()) / (v + e).sqrt()))
one("no_keepdim", normalize=no_keepdim)
one("in_place", normalize=in_place)
one("no_return", normalize=no_return)
one("float32_out", normalize=float32_out)
one("first_axis", normalize=first_axis)
one("all_axes", normalize=all_axes)
one("last_axis", normalize=last_axis)
one("torch_s_function", normalize=lambda x, dims, eps: F.layer_norm(x, x.shape[-len(dims) :], eps=eps))


# ---- BatchNorm ------------------------------------------------------------------------------------------


def with_buffers(change):
    class BatchNorm(solution.BatchNorm):
        def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
            super().__init__(num_features, eps, momentum, affine)
            change(self, num_features)

    return BatchNorm


def evaluation(compute):
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            if self.training:
                return super().forward(x)
            v = {k: None if t is None else per_channel(t, x) for k, t in self.named()}
            return compute(self, wider(x), v).to(x.dtype)

        def named(self):
            return [(k, getattr(self, k)) for k in ("running_mean", "running_var", "weight", "bias")]

    return BatchNorm


def affine(y, v):
    return y if v["weight"] is None else y * v["weight"] + v["bias"]


def zero_weights(bn, n):
    if bn.weight is not None:
        nn.init.zeros_(bn.weight)


def zero_variance(bn, n):
    bn.running_var.zero_()


def trained_statistics(bn, n):
    mean = bn.running_mean
    del bn.running_mean
    bn.running_mean = nn.Parameter(mean)


def plain_statistics(bn, n):
    for name in ("running_mean", "running_var"):
        value = getattr(bn, name)
        delattr(bn, name)
        setattr(bn, name, value)


def unsaved_count(bn, n):
    del bn.num_batches_tracked
    bn.num_batches_tracked = 0


def statistics_of_one(bn, n):
    bn.running_mean, bn.running_var = torch.zeros(1), torch.ones(1)


one("bn_zero_weights", BatchNorm=with_buffers(zero_weights))
one("bn_zero_variance", BatchNorm=with_buffers(zero_variance))
one("bn_trained_statistics", BatchNorm=with_buffers(trained_statistics))
one("bn_plain_statistics", BatchNorm=with_buffers(plain_statistics))
one("bn_unsaved_count", BatchNorm=with_buffers(unsaved_count))
one("bn_statistics_of_one", BatchNorm=with_buffers(statistics_of_one))
one(
    "bn_never_refuses", BatchNorm=batch_norm(refuses=lambda x, n: False, unbiased=lambda n: n / max(n - 1, 1))
)
one("bn_never_learns", BatchNorm=batch_norm(learns=lambda self: False))
one("bn_batch_in_eval", BatchNorm=batch_norm(uses_batch=lambda self: True))
one("bn_running_in_training", BatchNorm=batch_norm(uses_batch=lambda self: False))
one("bn_replaces", BatchNorm=batch_norm(remember=lambda old, new, m: old.copy_(new)))
one("bn_adds", BatchNorm=batch_norm(remember=lambda old, new, m: old.add_(m * new)))
one(
    "bn_none_weighs_all",
    BatchNorm=batch_norm(weight_of_batch=lambda s: 1.0 if s.momentum is None else s.momentum),
)
one("bn_fixed_momentum", BatchNorm=batch_norm(weight_of_batch=lambda s: 0.1))
one(
    "bn_eval_without_affine",
    BatchNorm=evaluation(lambda s, x, v: (x - v["running_mean"]) / (v["running_var"] + s.eps).sqrt()),
)
one(
    "bn_eval_without_eps",
    BatchNorm=evaluation(lambda s, x, v: affine((x - v["running_mean"]) / v["running_var"].sqrt(), v)),
)
one(
    "bn_eval_by_variance",
    BatchNorm=evaluation(lambda s, x, v: affine((x - v["running_mean"]) / (v["running_var"] + s.eps), v)),
)
one("bn_eval_is_identity", BatchNorm=evaluation(lambda s, x, v: x))


@wrong("E3")
def bn_keeps_the_graph():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            if self.training:
                dims = (0, *range(2, x.dim()))
                y = super().forward(x)
                self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean(dims)
                return y
            return super().forward(x)

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def bn_two_axes_only():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            if x.dim() == 4 and self.training:
                mean, var = x.mean(0, keepdim=True), x.var(0, correction=0, keepdim=True)
                return (x - mean) / (var + self.eps).sqrt() * per_channel(self.weight, x) + per_channel(
                    self.bias, x
                )
            return super().forward(x)

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def bn_one_pass():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            if not self.training:
                return super().forward(x)
            super().forward(x)
            dims = (0, *range(2, x.dim()))
            wide = wider(x)
            mean = wide.mean(dims)
            var = (wide * wide).mean(dims) - mean * mean
            y = (wide - per_channel(mean, x)) * per_channel((var + self.eps).rsqrt(), x)
            if self.weight is not None:
                y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
            return y.to(x.dtype)

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def bn_in_place():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            y = super().forward(x)
            with torch.no_grad():
                x.copy_(y)
            return y

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def bn_of_torch():
    class BatchNorm(nn.BatchNorm2d):
        def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
            super().__init__(num_features, eps, momentum, affine)

        def _check_input_dim(self, input):
            pass

    return {"BatchNorm": BatchNorm}


@wrong("E3")
def bn_eval_refuses_one():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            if x.numel() == x.shape[1]:
                raise ValueError("one value a channel")
            return super().forward(x)

    return {"BatchNorm": BatchNorm}
