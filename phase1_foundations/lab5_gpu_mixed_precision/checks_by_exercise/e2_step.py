"""The known mistakes of E2's `amp_step`: how far does one step move a weight of zeros?"""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.watched_scaler import (
    WatchedScaler,
    length,
    loss_with_gradient,
)

probe = Probes()
S = 2.0**16


def moved(
    a: Any, gradient: tuple[float, ...], max_norm: float, **scaler: Any
) -> tuple[list[float], Any, Any]:
    """How far one amp_step with lr 1 moved a weight of zeros; what it returned; the scaler."""
    weight, watched = nn.Parameter(torch.zeros(len(gradient))), WatchedScaler(**scaler)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    returned = a.amp_step(loss_with_gradient(weight, *gradient), optimizer, watched, max_norm)
    return (-weight.detach()).tolist(), returned, watched


@probe("amp-step-fails")
def amp_step_fails(a: Any, t: Trial) -> str | None:
    if error := failure(t, lambda: moved(a, (0.3, 0.4), 1.0)):
        return f"amp_step with a sound scaler (the check's own) ends in {error}"
    return None


@probe("loss-not-scaled")
def not_scaled(a: Any, t: Trial) -> str | None:
    _, _, watched = moved(a, (0.3, 0.4), 1.0)
    if "scale" not in watched.calls:
        return "amp_step never calls `scaler.scale`: backward has to start from S · loss"
    return None


@probe("scaler-does-not-step")
def scaler_does_not_step(a: Any, t: Trial) -> str | None:
    _, _, watched = moved(a, (0.3, 0.4), 1.0)
    if "step" not in watched.calls:
        return (
            "amp_step never calls `scaler.step(optimizer)`: `optimizer.step()` would step on infinite "
            "gradients too"
        )
    return None


@probe("no-update")
def no_update(a: Any, t: Trial) -> str | None:
    _, _, good = moved(a, (0.3, 0.4), 1.0)
    _, _, bad = moved(a, (0.3, 0.4), 1.0, overflow_at=(0,))
    if good.updates == 0 and bad.updates == 0:
        return "amp_step never calls `scaler.update()`: the scale would stay where it is for ever"
    if bad.updates == 0:
        return "after a skipped step `scaler.update()` is not called: that is when the scale must fall"
    if good.updates > 1 or good.calls.index("update") < good.calls.index("step"):
        return "`scaler.update()` comes once, after the step"
    return None


@probe("clips-before-unscaling")
def clips_before(a: Any, t: Trial) -> str | None:
    found, _, _ = moved(a, (0.3, 0.4), 1.0)
    if length(torch.tensor(found)) < 1e-3:
        return (
            f"a gradient of norm 0.5 and max_norm = 1 moved the weight by {length(torch.tensor(found)):.2g}: "
            f"the *scaled* gradient, {S / 2:g} long, was clipped to 1, and then divided by {S:g}. `unscale_` "
            "comes before clipping"
        )
    return None


@probe("never-clips")
def never_clips(a: Any, t: Trial) -> str | None:
    found = length(torch.tensor(moved(a, (30.0, 40.0), 1.0)[0]))
    if found > 49.0:
        return f"a gradient of norm 50 and max_norm = 1 moved the weight by {found:g}: it was not clipped"
    if abs(found - length(torch.tensor([1.0, 1.0]))) < 1e-3:
        return (
            "the entries 30 and 40 were each clipped to 1: asked for is the *norm* of the whole gradient, "
            "its "
            "direction stays (`clip_grad_norm_`, not `clip_grad_value_`)"
        )
    if abs(found - 1.0) > 1e-3:
        return f"a gradient of norm 50, clipped to 1, moved the weight by {found:.4g} (with lr = 1)"
    return None


@probe("max-norm-ignored")
def max_norm_ignored(a: Any, t: Trial) -> str | None:
    found = length(torch.tensor(moved(a, (30.0, 40.0), 5.0)[0]))
    if abs(found - 5.0) > 1e-3:
        return f"a gradient of norm 50 and max_norm = 5 moved the weight by {found:.4g}: clip to `max_norm`"
    return None


@probe("stretches-small-gradients")
def stretches(a: Any, t: Trial) -> str | None:
    found = length(torch.tensor(moved(a, (0.3, 0.4), 1.0)[0]))
    if abs(found - 0.5) > 1e-3:
        return f"a gradient of norm 0.5 and max_norm = 1 moved the weight by {found:.4g}, expected 0.5"
    return None


@probe("each-parameter-clipped-alone")
def each_alone(a: Any, t: Trial) -> str | None:
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [w]} for w in weights], lr=1.0)
    loss = 30 * weights[0].sum() + 40 * weights[1].sum()
    a.amp_step(loss, optimizer, WatchedScaler(), 1.0)
    found = [-w.item() for w in weights]
    if max(abs(found[0] - 0.6), abs(found[1] - 0.8)) > 1e-3:
        return (
            f"two parameters (in two groups) with gradients 30 and 40, max_norm = 1: they moved by "
            f"{found[0]:.3g} "
            f"and {found[1]:.3g}, expected 0.6 and 0.8: one norm over all parameters of the optimizer"
        )
    return None


@probe("old-gradients-added")
def old_gradients(a: Any, t: Trial) -> str | None:
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.tensor([5.0 * S])
    optimizer = torch.optim.SGD([weight], lr=1.0)
    a.amp_step(loss_with_gradient(weight, 0.25), optimizer, WatchedScaler(), 100.0)
    if abs(weight.item() + 0.25) > 1e-4:
        return (
            f"the weight had an old gradient, and moved by {-weight.item():.4g} instead of 0.25: clear the "
            "gradients *before* the backward pass"
        )
    return None


@probe("amp-step-returns-no-bool")
def returns_no_bool(a: Any, t: Trial) -> str | None:
    good, bad = moved(a, (0.3, 0.4), 1.0)[1], moved(a, (0.3, 0.4), 1.0, overflow_at=(0,))[1]
    if good is not True or bad is not False:
        return f"amp_step returned {good!r} after a step and {bad!r} when it skipped; expected True and False"
    return None
