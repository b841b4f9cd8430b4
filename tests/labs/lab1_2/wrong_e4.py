"""Wrong answers to E4 beyond the lab's own misconceptions: the probe."""

from __future__ import annotations

import math

import torch

from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e4_probe import watching
from phase1_foundations.lab2_nn_module.solution import ActivationProbe as Reference
from phase1_foundations.lab2_nn_module.solution import LayerStats
from tests.labs.answers import Answers

wrong = Answers()


def one(name, probe, named=True):
    wrong.add("E4", name, lambda: {"ActivationProbe": probe}, named=named)


def step(stats, tensor):
    stats.add(tensor.detach())


def stats_with(**members):
    return type("Stats", (LayerStats,), members)


def life(**methods):
    return type("ActivationProbe", (Reference,), methods)


# ---- the numbers ----------------------------------------------------------------------------------------


def last_batch(stats, tensor):
    square = stats.grad_square
    stats.__init__()
    stats.grad_square = square
    stats.add(tensor.detach())


def count_batches(stats, tensor):
    stats.add(tensor.detach())
    stats.batches = getattr(stats, "batches", 0) + 1


def mean_of_means(stats, tensor):
    stats.add(tensor.detach())
    stats.means = [*getattr(stats, "means", []), float(tensor.detach().mean())]


def no_distance_between(stats, tensor):
    values = tensor.detach().double()
    stats.m2_alone = getattr(stats, "m2_alone", 0.0) + float((values - values.mean()).square().sum())
    stats.add(tensor.detach())


def root_mean_of_variances(stats, tensor):
    values = tensor.detach()[tensor.detach().isfinite()].double()
    stats.variances = getattr(stats, "variances", [])
    if values.numel():
        stats.variances.append(float(values.var(correction=0)))
    stats.add(tensor.detach())


def nan_spoils(stats, tensor):
    stats.add(tensor.detach())
    if not bool(tensor.isfinite().all()):
        stats.mean = math.nan


def nan_counts_as_zero(stats, tensor):
    values = tensor.detach().clone()
    bad = int((~values.isfinite()).sum())
    stats.add(values.nan_to_num(0.0, 0.0, 0.0))
    stats.bad = getattr(stats, "bad", 0) + bad


def zeros_of_relu(stats, tensor):
    stats.add(tensor.detach())
    stats.zeros += int((tensor < 0).sum())


def lists_of_numbers(stats, tensor):
    stats.add(tensor.detach())
    stats.all = [*getattr(stats, "all", []), *tensor.detach().flatten().tolist()]


def view_of_the_first(stats, tensor):
    stats.add(tensor.detach())
    stats.views = [*getattr(stats, "views", []), tensor.detach().flatten()[:1]]


def copy_of_all(stats, tensor):
    stats.add(tensor.detach())
    stats.copies = [*getattr(stats, "copies", []), tensor.detach().clone()]


def last_output(stats, tensor):
    stats.add(tensor.detach())
    stats.last = tensor


one("last_batch", watching(last_batch))
one(
    "n_counts_batches",
    watching(count_batches, stats_with(n=property(lambda s: getattr(s, "batches", 0), lambda s, v: None))),
)
one(
    "mean_of_means",
    watching(
        mean_of_means,
        stats_with(
            mean=property(
                lambda s: sum(s.means) / len(s.means) if hasattr(s, "means") else math.nan, lambda s, v: None
            )
        ),
    ),
)
one(
    "no_distance_between",
    watching(
        no_distance_between,
        stats_with(std=property(lambda s: math.sqrt(s.m2_alone / s.finite) if s.finite else math.nan)),
    ),
)
one(
    "root_mean_of_variances",
    watching(
        root_mean_of_variances,
        stats_with(
            std=property(
                lambda s: math.sqrt(sum(s.variances) / len(s.variances)) if s.variances else math.nan
            )
        ),
    ),
)
one(
    "variance_for_deviation",
    watching(step, stats_with(std=property(lambda s: s.m2 / s.finite if s.finite else math.nan))),
)
one("percent_for_share", watching(step, stats_with(frac_zero=property(lambda s: 100 * s.zeros / s.n))))
one("zeros_counted", watching(step, stats_with(frac_zero=property(lambda s: float(s.zeros)))))
one(
    "share_of_the_finite",
    watching(step, stats_with(frac_zero=property(lambda s: s.zeros / s.finite if s.finite else 0.0))),
)
one("share_that_is_finite", watching(step, stats_with(frac_nonfinite=property(lambda s: s.finite / s.n))))
one("nan_spoils", watching(nan_spoils))
one(
    "nan_counts_as_zero",
    watching(nan_counts_as_zero, stats_with(frac_nonfinite=property(lambda s: getattr(s, "bad", 0) / s.n))),
)
one("zeros_of_relu", watching(zeros_of_relu))
one(
    "zero_for_nothing",
    watching(step, stats_with(std=property(lambda s: math.sqrt(s.m2 / s.finite) if s.finite else 0.0))),
)
one("lists_of_numbers", watching(lists_of_numbers))
one("view_of_the_first", watching(view_of_the_first))
one("copy_of_all", watching(copy_of_all))
one("last_output", watching(last_output))
one(
    "tensor_statistics",
    watching(step, stats_with(grad_norm=property(lambda s: torch.tensor(s.grad_square).sqrt()))),
)
one("doubles_the_output", watching(lambda s, x: (s.add(x.detach()), x * 2)[1]))
one("returns_a_number", watching(lambda s, x: (s.add(x.detach()), 1.0)[1]))
one(
    "always_hooks_the_tensor",
    life(
        _watch=lambda self, name: (
            lambda m, i, o: (
                self.stats.setdefault(name, LayerStats()).add(o.detach()),
                o.register_hook(lambda g: None),
                None,
            )[2]
        )
    ),
)
