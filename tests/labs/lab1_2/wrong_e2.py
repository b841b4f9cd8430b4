"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

wrong = Answers()


def one(name, key, function, named=True):
    wrong.add("E2", name, lambda: {key: function}, named=named)


# ---- fans -----------------------------------------------------------------------------------------------


def fans_with(compute):
    def fans(t):
        if t.dim() < 2:
            raise ValueError("two axes needed")
        return compute(t)

    return fans


one("area_added", "fans", fans_with(lambda t: (t.shape[1] + sum(t.shape[2:]), t.shape[0] + sum(t.shape[2:]))))
one(
    "one_side_of_the_window",
    "fans",
    fans_with(lambda t: (t.shape[1] * t.shape[-1], t.shape[0] * t.shape[-1])),
)
one("area_of_fan_in_only", "fans", fans_with(lambda t: (t[0].numel(), t.shape[0])))
one("whole_tensor", "fans", fans_with(lambda t: (t.numel(), t.numel())))
one("a_vector_is_fine", "fans", lambda t: (t.shape[-1], t.shape[0]))
one("returns_a_list", "fans", fans_with(lambda t: [t.shape[1], t.shape[0]]))
one("tuple_of_floats", "fans", fans_with(lambda t: (math.sqrt(t[0].numel()), math.sqrt(t.shape[0]))))
one("type_error", "fans", lambda t: (t.shape[1] * t[0][0].numel(), t.shape[0] * t[0][0].numel()))


# ---- Xavier and Kaiming ---------------------------------------------------------------------------------


def xavier(std, uniform=False):
    def fill(t, gain=1.0, generator=None):
        fan_in, fan_out = solution.fans(t)
        if t.numel() == 0:
            return t
        s = std(gain, fan_in, fan_out)
        with torch.no_grad():
            if uniform:
                return t.uniform_(-s, s, generator=generator)
            return t.normal_(0, s, generator=generator)

    return fill


def kaiming(std, uniform=False, default="fan_in"):
    def fill(t, a=0.0, mode=default, nonlinearity="leaky_relu", generator=None):
        fan_in, fan_out = solution.fans(t)
        solution.kaiming_std(t, a, mode, nonlinearity)
        if t.numel() == 0:
            return t
        gains = {"leaky_relu": math.sqrt(2 / (1 + a**2)), "relu": 2**0.5, "tanh": 5 / 3, "linear": 1.0}
        s = std(gains[nonlinearity], fan_in if mode == "fan_in" else fan_out, a)
        with torch.no_grad():
            if uniform:
                return t.uniform_(-s, s, generator=generator)
            return t.normal_(0, s, generator=generator)

    return fill


X, U = "xavier_normal_", "xavier_uniform_"
K, V = "kaiming_normal_", "kaiming_uniform_"
one("xavier_by_fan_in", X, xavier(lambda g, i, o: g / math.sqrt(i)))
one("xavier_without_the_two", X, xavier(lambda g, i, o: g / math.sqrt(i + o)))
one("xavier_gain_inside_the_root", X, xavier(lambda g, i, o: math.sqrt(g * 2 / (i + o))))
one("xavier_product_of_fans", X, xavier(lambda g, i, o: g * math.sqrt(2 / (i * o))))
one(
    "xavier_mean_of_roots", U, xavier(lambda g, i, o: g * math.sqrt(6 / (i * i + o * o) ** 0.5), uniform=True)
)
one("xavier_bound_without_root", U, xavier(lambda g, i, o: g * 6 / (i + o), uniform=True))
one("xavier_bound_three", U, xavier(lambda g, i, o: 3 * g * math.sqrt(2 / (i + o)), uniform=True))
one("xavier_ignores_gain", U, xavier(lambda g, i, o: math.sqrt(6 / (i + o)), uniform=True))
one("xavier_relu_gain_always", X, xavier(lambda g, i, o: g * 2 / math.sqrt(i + o)))
one("kaiming_default_fan_out", K, kaiming(lambda g, f, a: g / math.sqrt(f), default="fan_out"))
one("kaiming_without_root", K, kaiming(lambda g, f, a: g / f))
one("kaiming_gain_squared", K, kaiming(lambda g, f, a: g**2 / math.sqrt(f)))
one("kaiming_bound_six", V, kaiming(lambda g, f, a: math.sqrt(6 / f), uniform=True))
one("kaiming_bound_std_over_root_three", V, kaiming(lambda g, f, a: g / math.sqrt(3 * f), uniform=True))
one("kaiming_bound_twelve", V, kaiming(lambda g, f, a: g * math.sqrt(12 / f), uniform=True))
one("kaiming_torch_s_linear_default", V, kaiming(lambda g, f, a: 1 / math.sqrt(f), uniform=True))


def uniform_only_positive(t, gain=1.0, generator=None):
    with torch.no_grad():
        return t.uniform_(0, gain * math.sqrt(6 / max(sum(solution.fans(t)), 1)), generator=generator)


def normal_where_uniform(t, gain=1.0, generator=None):
    return solution.xavier_normal_(t, gain, generator)


def uniform_where_normal(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    return solution.kaiming_uniform_(t, a, mode, nonlinearity, generator)


def truncated(t, gain=1.0, generator=None):
    std = gain * math.sqrt(2 / max(sum(solution.fans(t)), 1))
    with torch.no_grad():
        return t.normal_(0, std, generator=generator).clamp_(-2 * std, 2 * std)


def numpy_draws(t, gain=1.0, generator=None):
    std = gain * math.sqrt(2 / max(sum(solution.fans(t)), 1))
    with torch.no_grad():
        return t.copy_(torch.from_numpy(np.random.normal(0, std, tuple(t.shape))))


def seeds_itself(t, gain=1.0, generator=None):
    torch.manual_seed(0)
    return solution.xavier_normal_(t, gain)


def forgets_to_return(t, gain=1.0, generator=None):
    solution.xavier_normal_(t, gain, generator)


def becomes_a_parameter(t, gain=1.0, generator=None):
    return nn.Parameter(solution.xavier_normal_(t, gain, generator))


def writes_into_a_flat_copy(t, gain=1.0, generator=None):
    std = gain * math.sqrt(2 / max(sum(solution.fans(t)), 1))
    with torch.no_grad():
        t.flatten().normal_(0, std, generator=generator)
    return t


def view_of_all(t, gain=1.0, generator=None):
    std = gain * math.sqrt(2 / max(sum(solution.fans(t)), 1))
    with torch.no_grad():
        t.view(-1).normal_(0, std, generator=generator)
    return t


def relies_on_numel(t, gain=1.0, generator=None):
    fan_in, fan_out = solution.fans(t)
    with torch.no_grad():
        return t.normal_(0, gain * math.sqrt(2 / (fan_in + fan_out)), generator=generator)


def freezes(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    t.requires_grad_(False)
    return solution.kaiming_normal_(t, a, mode, nonlinearity, generator)


def unknown_is_linear(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if nonlinearity not in ("leaky_relu", "relu", "tanh"):
        nonlinearity = "linear"
    return solution.kaiming_normal_(t, a, mode, nonlinearity, generator)


def any_mode(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    mode = "fan_in" if mode == "fan_in" else "fan_out"
    return solution.kaiming_uniform_(t, a, mode, nonlinearity, generator)


def slope_in_relu(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    nonlinearity = "leaky_relu" if nonlinearity == "relu" else nonlinearity
    return solution.kaiming_normal_(t, a, mode, nonlinearity, generator)


def tanh_gain_one(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    nonlinearity = "linear" if nonlinearity == "tanh" else nonlinearity
    return solution.kaiming_normal_(t, a, mode, nonlinearity, generator)


def slope_not_squared(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    return solution.kaiming_uniform_(t, math.sqrt(abs(a)), mode, nonlinearity, generator)


one("uniform_only_positive", U, uniform_only_positive)
one("normal_where_uniform", U, normal_where_uniform)
one("uniform_where_normal", K, uniform_where_normal)
one("truncated", X, truncated)
one("numpy_draws", X, numpy_draws)
one("seeds_itself", X, seeds_itself)
one("forgets_to_return", X, forgets_to_return)
one("becomes_a_parameter", X, becomes_a_parameter)
one("writes_into_a_flat_copy", X, writes_into_a_flat_copy)
one("view_of_all", X, view_of_all)
one("relies_on_numel", X, relies_on_numel)
one("freezes", K, freezes)
one("unknown_is_linear", K, unknown_is_linear)
one("any_mode", V, any_mode)
one("slope_in_relu", K, slope_in_relu)
one("tanh_gain_one", K, tanh_gain_one)
one("slope_not_squared", V, slope_not_squared)
