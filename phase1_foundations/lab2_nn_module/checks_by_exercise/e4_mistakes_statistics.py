"""The known mistakes of E4, second part: what the numbers are, and what is kept."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    FIELDS,
    first,
    identity_layer,
    kept_memory,
    mlp,
    only_what_is_new,
    second,
    watched,
)

probe = Probes()


@probe("statistics-are-no-numbers")
def no_numbers(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second(), backward=True)
    for field in FIELDS:
        value = getattr(stats, field)
        if value is None:
            return f"`{field}` is None: asked for is a number, also where there is nothing to count yet"
        if isinstance(value, Tensor):
            what = (
                "with a graph that keeps every activation alive"
                if value.requires_grad
                else "expected a Python number"
            )
            return f"`{field}` is a tensor, {what}: take `.item()` of a detached value"
    return None


@probe("n-and-shares")
def shares(a: Any, t: Trial) -> str | None:
    stats = watched(a, torch.tensor([[0.0], [0.0], [3.0], [-1.0]]))
    if stats.n != 4 or isinstance(stats.n, float | Tensor):
        return f"after a batch of 4 elements n is {stats.n!r}, expected the int 4"
    if same(float(stats.frac_zero), 0.75):
        return (
            "frac_zero of [0, 0, 3, −1] is 0.75: you count what is not above 0; asked for is what is "
            "exactly 0, 0.5"
        )
    if not same(float(stats.frac_zero), 0.5):
        return f"frac_zero of [0, 0, 3, −1] is {float(stats.frac_zero):g}, expected 0.5: 2 of 4"
    if not same(float(stats.frac_nonfinite), 0.0):
        return (
            f"frac_nonfinite of [0, 0, 3, −1] is {float(stats.frac_nonfinite):g}: all of them are "
            "finite, expected 0"
        )
    if not same(float(stats.mean), 0.5):
        return f"the mean of [0, 0, 3, −1] is {float(stats.mean):g} in your answer, expected 0.5"
    return None


@probe("sample-deviation")
def sample(a: Any, t: Trial) -> str | None:
    if same(watched(a, first()).std, 2**0.5, rtol=1e-4):
        return (
            "the deviation of [0, 2] came out as 1.414, expected 1: divide by the number of elements, "
            "not by one less (`correction=0`)"
        )
    if same(watched(a, first() * 3).std, 9.0, rtol=1e-4):
        return "the deviation of [0, 6] came out as 9, which is the variance; std is its root, 3"
    return None


@probe("last-batch-only")
def last_only(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    if stats.n == 3 or same(stats.mean, 11.0, rtol=1e-5):
        return (
            "after batches [0, 2] and [10, 10, 13] the numbers are those of the last batch alone: merge "
            "it into what was there"
        )
    if stats.n == 2:
        return (
            "after two batches of 2 and 3 elements n is 2: `n` counts elements, not batches; and the "
            "first batch is not the last"
        )
    if stats.n == 10 or stats.n == 1:
        return f"after batches of 2 and 3 elements n is {stats.n}, expected 5: the number of elements seen"
    return None


@probe("averages-the-batches-means")
def mean_of_means(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    if same(stats.mean, 6.0, rtol=1e-4):
        return (
            "batches [0, 2] and [10, 10, 13]: mean is 6, the mean of the two means 1 and 11; the "
            "mean of all five numbers is 7. Weigh each batch "
            "by its number of elements"
        )
    return None


@probe("averages-the-batches-deviations")
def mean_of_stds(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    averages = (
        1.2071,
        (1.0 * 2 + 1.41421 * 3) / 5,
        ((1.0 + 2.0) / 2) ** 0.5,
        ((1.0 * 2 + 2.0 * 3) / 5) ** 0.5,
    )
    if any(same(float(stats.std), value, rtol=1e-3) for value in averages):
        return (
            f"batches [0, 2] and [10, 10, 13]: std is {float(stats.std):.3f}, an average of the two "
            "batches' deviations; of all five numbers it is "
            "5.060. The std of two batches is not the mean of their stds: merge means and M2, with "
            "δ² nₐ n_b / n for the distance between them"
        )
    return None


@probe("deviation-lost-at-an-offset")
def offset(a: Any, t: Trial) -> str | None:
    x = (1e4 + t.randn(1000, 1)).float()
    found, expected = float(watched(a, x, x + 1).std), float(torch.cat([x, x + 1]).double().std(correction=0))
    if not abs(found - expected) <= 2e-3 * expected:
        return (
            f"around 10,000 with a deviation of {expected:.4f} std came out as {found:.4f}: in "
            "float32, E[x²] − E[x]² loses it. Convert to float64, "
            "and subtract the mean first"
        )
    return None


@probe("one-nan-spoils-all")
def one_nan(a: Any, t: Trial) -> str | None:
    stats = watched(a, torch.tensor([[0.0], [2.0], [torch.nan], [torch.inf]]))
    if not same(float(stats.mean), 1.0) or not same(float(stats.std), 1.0):
        return (
            f"[0, 2, nan, inf]: mean and std are {float(stats.mean):g} and {float(stats.std):g}, "
            "expected 1 and 1: they are over the finite elements, "
            "the others are counted by frac_nonfinite"
        )
    if not same(float(stats.frac_nonfinite), 0.5) or not same(float(stats.frac_zero), 0.25) or stats.n != 4:
        return (
            f"[0, 2, nan, inf]: n {stats.n}, frac_zero {float(stats.frac_zero):g}, frac_nonfinite "
            f"{float(stats.frac_nonfinite):g}; expected 4, 0.25 and 0.5: all are "
            "shares of *all* elements"
        )
    return None


@probe("nothing-finite")
def nothing_finite(a: Any, t: Trial) -> str | None:
    nan = torch.full((3, 1), torch.nan)
    attempt = t.tried(lambda: watched(a, nan))
    if attempt.error is not None:
        return (
            f"an output of nothing but nan raised {type(attempt.error).__name__}: {attempt.error}. mean "
            "and std are nan"
        )
    if attempt.error is not None:
        return None
    attempt = t.attempt(lambda: [float(getattr(attempt.value, field)) for field in ("mean", "std")])
    if attempt.error is not None:
        return (
            f"reading the statistics of nothing but nan raised {type(attempt.error).__name__}: "
            f"{attempt.error}"
        )
    if not all(value != value for value in attempt.value):
        return (
            f"of nothing but nan, mean and std are {attempt.value}; asked for is nan: there is no finite "
            "element"
        )
    attempt = t.attempt(lambda: watched(a, nan, first()))
    if attempt.error is None and not (
        same(float(attempt.value.mean), 1.0) and same(float(attempt.value.std), 1.0)
    ):
        return (
            f"nothing but nan first, then [0, 2]: mean and std are {float(attempt.value.mean):g} and "
            f"{float(attempt.value.std):g}, expected 1 and 1. Weigh by the number of *finite* elements"
        )
    return None


@probe("differs-from-all-values-together")
def differs(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    for field, right in (("n", 5), ("mean", 7.0), ("std", 25.6**0.5)):
        found = float(getattr(stats, field))
        if not same(found, float(right), rtol=1e-3):
            return (
                f"after the batches [0, 2] and [10, 10, 13] {field} is {found:.4g}; of all five numbers "
                f"it is {right:.4g}"
            )
    return None


@probe("keeps-activations")
def keeps(a: Any, t: Trial) -> str | None:
    model, x = mlp(4, 64), torch.ones(256, 64)
    references: list[Any] = []

    def refer(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        references.append(weakref.ref(output))

    for layer in model:
        layer.register_forward_hook(refer)
    for gradients in (False, True):
        references.clear()
        with only_what_is_new(), torch.set_grad_enabled(gradients), a.ActivationProbe(model):
            model(x)
            gc.collect()
            alive = [2 * (i // 2) for i, reference in enumerate(references) if reference() is not None]
        if alive:
            return (
                f"after the forward pass{' (with gradients)' * gradients} the activation of layer "
                f"{alive[0]} is still "
                "alive: somebody holds the output tensor. Take the numbers you need and let it go"
            )
    with torch.no_grad(), a.ActivationProbe(model) as held:
        model(x)
        bytes_kept, grown = kept_memory(lambda: [model(x) for _ in range(6)])
    if bytes_kept > 20_000 or grown > 300_000:
        return (
            f"six more forward passes left {bytes_kept // 1000:,} kB of tensors and "
            f"{grown // 1000:,} kB of other memory "
            "behind (one activation has 66 kB): a detached or copied activation, or a view of one, "
            "still takes its place. "
            "Keep numbers only"
        )
    del held
    return None


@probe("gradient-norm")
def gradient_norm(a: Any, t: Trial) -> str | None:
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        y = layer(torch.ones(4, 1))
        before = t.attempt(lambda: found.stats[""].grad_norm)
        (y * torch.tensor([[3.0], [0.0], [0.0], [4.0]])).sum().backward()
        one = float(found.stats[""].grad_norm)
        (layer(torch.ones(1, 1)) * 12.0).sum().backward()
        two = float(found.stats[""].grad_norm)
    if before.raised(AttributeError, TypeError) or (before.error is None and before.value != 0.0):
        return "before any backward pass grad_norm should be 0.0"
    if abs(one - 7.0) < 1e-6:
        return (
            "the gradients of the output are [3, 0, 0, 4]: you report 7, the sum of their absolute "
            "values, or the gradient of the weight; the norm of "
            "the *output's* gradient is 5"
        )
    if abs(one - 25.0) < 1e-6:
        return (
            "the gradients of the output are [3, 0, 0, 4]: you report 25, the sum of squares; grad_norm "
            "is its root, 5"
        )
    if one == 0.0:
        return (
            "after a backward pass grad_norm is still 0: `output.register_hook(f)` calls f with the "
            "output's gradient"
        )
    if abs(one - 5.0) > 1e-6:
        return (
            f"the gradients of the output are [3, 0, 0, 4]: you report {one:g}; the norm of the "
            "output's gradient is 5, "
            "whatever the input and the weight are"
        )
    if abs(two - 13.0) > 1e-6:
        return (
            f"gradients [3, 0, 0, 4], then in a second pass [12]: grad_norm is {two:g}, expected "
            "√(5² + 12²) = 13: it is the root of the sum of squares over "
            "all passes"
        )
    return None
