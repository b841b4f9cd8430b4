"""The known mistakes of E3, first part: the formula."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import batch, column, formula

probe = Probes()


@probe("changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    places = {
        "BatchNorm": lambda x: a.BatchNorm(4).double()(x),
        "BatchNorm in evaluation": lambda x: a.BatchNorm(4).double().eval()(x),
        "LayerNorm": lambda x: a.LayerNorm(3).double()(x),
        "GroupNorm": lambda x: a.GroupNorm(2, 4).double()(x),
        "InstanceNorm": lambda x: a.InstanceNorm(4).double()(x),
        "AdaLayerNorm": lambda x: a.AdaLayerNorm(3, 2).double()(x, torch.ones(5, 2).double()),
    }
    for name, run in places.items():
        x = t.randn(5, 4, 3)
        before = x.clone()
        t.attempt(lambda run=run, x=x: run(x))
        if not torch.equal(x, before):
            return f"`{name}` changed its input in place (`-=`, `/=`, `sub_`): make a new tensor instead"
    return None


@probe("returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    x = t.randn(5, 4, 3)
    places = {
        "BatchNorm": lambda: a.BatchNorm(4).double()(x),
        "LayerNorm": lambda: a.LayerNorm(3).double()(x),
        "GroupNorm": lambda: a.GroupNorm(2, 4).double()(x),
        "InstanceNorm": lambda: a.InstanceNorm(4).double()(x),
        "AdaLayerNorm": lambda: a.AdaLayerNorm(3, 2).double()(x, torch.ones(5, 2).double()),
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if attempt.error is None and attempt.value is None:
            return f"`{name}` gives None: did the `return` in `forward` go missing?"
    return None


@probe("means-do-not-line-up")
def keepdim(a: Any, t: Trial) -> str | None:
    x = t.randn(5, 3, 4)
    attempt = t.attempt(lambda: a.normalize(x, (1,), 1e-5))
    if attempt.raised(RuntimeError) and "size of tensor" in str(attempt.error):
        return (
            f"`normalize` of [5, 3, 4] over (1,) raised “{attempt.error}”: the mean has lost its axis; take "
            "`x.mean(dims, keepdim=True)`"
        )
    if attempt.error is None and attempt.value.shape != x.shape:
        return (
            f"`normalize` of [5, 3, 4] over (1,) gives the shape {tuple(attempt.value.shape)}; expected "
            "is x's"
        )
    for dims in ((1,), (1, 2), (0, -1)):
        attempt = t.attempt(lambda dims=dims: a.normalize(x, dims, 1e-5))
        for other in ((0, 1, 2), (0,), (1,), (2,), (0, 1), (1, 2), (0, 2)):
            right = tuple(sorted(d % 3 for d in dims))
            if attempt.error is None and other != right and same(attempt.value, formula(x, other, 1e-5)):
                return f"`normalize` of [5, 3, 4] over {dims} takes mean and variance over {other}"
    return None


@probe("normalises-by-the-unbiased-variance")
def unbiased(a: Any, t: Trial) -> str | None:
    expected, wrong = formula(batch(), (0,), 1e-5), (batch() - 2.5) / math.sqrt(1.25 + 1e-5)
    places = {
        "normalize": lambda: a.normalize(batch(), (0,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(1).double()(batch()),
        "LayerNorm": lambda: a.LayerNorm(5).double()(batch().T).T,
        "GroupNorm": lambda: a.GroupNorm(1, 5).double()(batch().T).T,
        "InstanceNorm": lambda: a.InstanceNorm(1).double()(batch().T[None])[0].T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if (
            isinstance(attempt.value, Tensor)
            and same(attempt.value, wrong, rtol=1e-4)
            and not same(attempt.value, expected, rtol=1e-4)
        ):
            return (
                f"`{name}` divides by the root of the *unbiased* variance, "
                f"{numbers(column(attempt.value))} for {numbers(column(batch()))}; "
                "normalising takes the biased one (divide by n): `x.var(dims, correction=0)`, since `var` "
                "divides by n − 1 unless told"
            )
    return None


@probe("no-root")
def no_root(a: Any, t: Trial) -> str | None:
    y = a.normalize(batch() * 2, (0,), 0.0)
    if same(y, (batch() * 2 - 5) / 4):
        return (
            "`normalize` divides by the variance 4 where its root 2 is due: the result must have variance 1"
        )
    if same(y, batch() * 2 - 5):
        return "`normalize` subtracts the mean, but does not divide by the deviation"
    if same(y, batch()):
        return "`normalize` divides by the deviation, but does not subtract the mean"
    if same(y, (batch() * 2 - 5) / 2**0.5):
        return "`normalize` takes one root too many: divide by √σ², which is 2 for these numbers"
    if same(y, (batch() * 2 - 5) * 2):
        return "`normalize` multiplies by the deviation where it has to divide"
    return None


@probe("eps-outside-the-root")
def eps_outside(a: Any, t: Trial) -> str | None:
    places = {
        "normalize": lambda: a.normalize(batch(), (0,), 0.44),
        "BatchNorm": lambda: a.BatchNorm(1, eps=0.44).double()(batch()),
        "LayerNorm": lambda: a.LayerNorm(5, eps=0.44).double()(batch().T).T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if isinstance(attempt.value, Tensor) and same(attempt.value, (batch() - 2.5) / 1.44):
            return (
                f"`{name}` adds eps to the deviation: it belongs to the variance, inside the root: √(σ² "
                "+ ε), not √σ² + ε"
            )
        if isinstance(attempt.value, Tensor) and same(attempt.value, batch() - 2.5):
            return (
                f"`{name}` with eps = 0.44 gives what eps = 0 gives: eps is added to the variance, not a "
                "smallest value for it"
            )
        if isinstance(attempt.value, Tensor) and same(attempt.value, (batch() - 2.5) / math.sqrt(1 + 1e-5)):
            return f"`{name}` ignores the eps that it is given: with eps = 0.44 it behaves as with 1e-5"
    return None


@probe("constant-channel-is-nan")
def constant(a: Any, t: Trial) -> str | None:
    x = torch.full((2, 4, 3), 7.0)
    places = {
        "normalize": lambda: a.normalize(x, (1,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(4)(x),
        "LayerNorm": lambda: a.LayerNorm(3)(x),
        "GroupNorm": lambda: a.GroupNorm(2, 4)(x),
        "InstanceNorm": lambda: a.InstanceNorm(4)(x),
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if attempt.error is None and isinstance(attempt.value, Tensor) and bool(attempt.value.isnan().any()):
            return (
                f"`{name}` of numbers that are all 7 gives nan, 0/0: ε under the root is there to prevent it"
            )
    return None


@probe("one-pass-variance")
def one_pass(a: Any, t: Trial) -> str | None:
    near, far = t.randn(64, 1).float(), (1e4 + t.randn(64, 1)).float()
    places = {
        "normalize": lambda x: a.normalize(x, (0,), 1e-5),
        "BatchNorm": lambda x: a.BatchNorm(1)(x),
        "LayerNorm": lambda x: a.LayerNorm(64)(x.T.contiguous()).T,
        "GroupNorm": lambda x: a.GroupNorm(1, 64)(x.T.contiguous()).T,
        "InstanceNorm": lambda x: a.InstanceNorm(1)(x.T[None])[0].T,
    }
    for name, run in places.items():
        attempts = [t.attempt(lambda run=run, x=x: run(x.clone())) for x in (near, far)]
        if not all(isinstance(each.value, Tensor) and each.value.shape == near.shape for each in attempts):
            continue
        errors = [
            (each.value.detach().double() - formula(x, (0,), 1e-5)).abs().nan_to_num(torch.inf).max()
            for each, x in zip(attempts, (near, far), strict=True)
        ]
        if errors[0] < 1e-3 and errors[1] > 0.02:
            variance = float((far * far).mean() - far.mean() ** 2)
            return (
                f"`{name}` is right for numbers around 0, but of 64 numbers around 10,000 with deviation 1 "
                f"(float32) it gives {numbers(column(attempts[1].value)[:3])}…, expected "
                f"{numbers(column(formula(far, (0,), 1e-5))[:3])}…: E[x²] − E[x]² is {variance:g} there, it "
                "can even be negative. Subtract the mean first, then square"
            )
    return None


@probe("single-image-refused")
def image_refused(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.BatchNorm(2).double()(t.randn(1, 2, 3, 3)))
    if attempt.raised(ValueError):
        return (
            "BatchNorm refuses a batch of one image with 3×3 pixels; there are nine values a channel. Only "
            "*one value a channel*, N times pixels = 1, has no variance"
        )
    return None


@probe("single-value-accepted")
def value_accepted(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.BatchNorm(2).double()(t.randn(1, 2)))
    if attempt.error is None:
        return (
            f"BatchNorm in training accepts one value a channel and gives {numbers(attempt.value)}: the "
            "value minus itself. Every input would become β; raise ValueError"
        )
    attempt = t.attempt(lambda: a.BatchNorm(2).double().eval()(t.randn(1, 2)))
    if attempt.raised(ValueError):
        return (
            "BatchNorm refuses a single example in *evaluation* mode, where no variance is computed: "
            "only training needs two"
        )
    return None
