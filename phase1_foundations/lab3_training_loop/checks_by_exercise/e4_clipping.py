"""The known mistakes of E4's clip_grad_norm_."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_world import gradients, with_gradients
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
# two gradients: norms 5 and 12, together 13; one factor for both at max_norm 6.5 is 1/2
PAIR = ([3.0, 4.0], [0.0, 12.0])


def clipped(a: Any, max_norm: float, *grads: Any, **how: Any) -> tuple[Any, list[Tensor]]:
    params = with_gradients(*grads)
    norm = a.clip_grad_norm_(params, max_norm, **how)
    return norm, [p.grad for p in params]


def flat(grads: list[Tensor]) -> list[float]:
    return [x for g in grads for x in g.flatten().tolist()]


@probes("generator-used-up")
def generator(a: Any, t: Trial) -> str | None:
    params = with_gradients(*PAIR)
    norm = a.clip_grad_norm_((p for p in params), 6.5)
    after = flat(gradients(params))
    other, grads = clipped(a, 6.5, *PAIR)
    listed = flat(grads)
    if not close(after, listed, 1e-4) or not close(norm, other, 1e-4):
        return (
            f"with a generator as `params` the gradients are {numbers(after)}, with a list "
            f"{numbers(listed)}: a generator can be gone through only once. Make a list of the gradients "
            "first"
        )
    return None


@probes("nothing-clipped")
def nothing(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 6.5, *PAIR)
    if close(flat(after), [3, 4, 0, 12]):
        return (
            "gradients with the joint norm 13 come back unchanged for max_norm 6.5: change `.grad` "
            "itself, in place (`g.mul_(factor)`), not a copy; and go through a list, for a generator "
            "is used up once the norm is known"
        )
    return None


@probes("clipped-one-by-one")
def one_by_one(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 6.5, *PAIR)
    found = flat(after)
    if close(found, [3, 4, 0, 6.5], 1e-4) or close(found, [3.9, 5.2, 0, 6.5], 1e-4):
        before, now = torch.tensor([3.0, 4.0, 0.0, 12.0]), torch.tensor(found, dtype=torch.float32)
        cosine = float(before @ now / before.norm() / now.norm())
        return (
            f"each tensor was clipped by itself, and the direction changed: cosine {cosine:.2f} with the "
            "original. One long vector, one norm (13), one factor for all"
        )
    return None


@probes("clipped-elementwise")
def elementwise(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 3.5, *PAIR)
    if close(flat(after), [3, 3.5, 0, 3.5], 1e-4):
        return "each entry was cut off at max_norm: that is clipping by value. Scale all by one factor"
    return None


@probes("always-scaled")
def always(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 26.0, *PAIR)
    if close(flat(after), [6, 8, 0, 24], 1e-4):
        return "gradients of norm 13 were stretched to max_norm 26: below the threshold nothing changes"
    if flat(after) != [3, 4, 0, 12] and close(flat(after), [3, 4, 0, 12], 1e-3):
        return (
            "below the threshold every bit stays as it is; yours were multiplied by a factor next to 1: "
            "scale only if norm > max_norm, or take min(1, factor)"
        )
    return None


@probes("norms-added-up")
def added(a: Any, t: Trial) -> str | None:
    norm, _ = clipped(a, 6.5, *PAIR)
    if close(norm, 17.0, 1e-4):
        return "norms 5 and 12 gave 17: lengths do not add up, squares do: √(5² + 12²) = 13"
    if close(norm, 169.0, 1e-4):
        return "you return 169, the sum of the squares: the root is missing"
    if close(norm, 12.0, 1e-4):
        return "you return 12, the norm of the last or the largest tensor: all gradients together have 13"
    return None


@probes("clipped-below-the-threshold")
def too_early(a: Any, t: Trial) -> str | None:
    for limit in (13.25, 20.0):
        _, after = clipped(a, limit, *PAIR)
        if flat(after) != [3, 4, 0, 12]:
            return (
                f"gradients of norm 13 were changed for max_norm {limit:g}, which they do not exceed: "
                "scale only if norm > max_norm"
            )
    return None


@probes("scaled-to-length-one")
def to_one(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 6.5, *PAIR)
    if close(flat(after), [3 / 13, 4 / 13, 0, 12 / 13], 1e-4):
        return "the gradients were divided by their norm, so it is 1 now: the factor is max_norm / norm"
    if close(flat(after), [3 * 2, 4 * 2, 0, 24], 1e-4):
        return "the factor is upside down: max_norm / norm, here 1/2"
    return None


@probes("returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    norm, _ = clipped(a, 6.5, *PAIR)
    if not isinstance(norm, Tensor) or norm.dim() != 0:
        return f"asked for is the norm as a 0-d tensor, you return {norm!r:.60}"
    return None


@probes("returns-the-clipped-norm")
def returns_clipped(a: Any, t: Trial) -> str | None:
    norm, _ = clipped(a, 6.5, *PAIR)
    if close(norm, 6.5, 1e-4):
        return (
            "you return 6.5, the norm *after* clipping, which says nothing: asked for is the norm before, "
            "13, which shows when training becomes unstable"
        )
    if close(norm, 0.5, 1e-4):
        return "you return the factor, 0.5: asked for is the norm before clipping, 13"
    return None


@probes("each-entry-clipped")
def each_entry(a: Any, t: Trial) -> str | None:
    _, after = clipped(a, 6.5, *PAIR)
    for bound in (1.0, 6.5):
        if close(flat(after), [min(entry, bound) for entry in (3.0, 4.0, 0.0, 12.0)], 1e-4):
            return (
                f"each entry was cut off at {bound:g} for itself, which turns the long vector: all are "
                "multiplied by one factor, max_norm / norm"
            )
    return None


@probes("clipping-differs")
def differs(a: Any, t: Trial) -> str | None:
    norm, after = clipped(a, 6.5, *PAIR)
    if not close(norm, 13.0, 1e-4) or not close(flat(after), [1.5, 2, 0, 6], 1e-4):
        return (
            "gradients [3, 4] and [0, 12] with max_norm 6.5: norm 13, afterwards [1.5, 2] and [0, 6]. Yours: "
            f"norm {float(norm):.4g}, afterwards {numbers(flat(after))}"
        )
    return None


@probes("norm-type-ignored")
def norm_type(a: Any, t: Trial) -> str | None:
    for p, right in ((1.0, 19.0), (math.inf, 12.0), (3.0, (27 + 64 + 1728) ** (1 / 3))):
        attempt = t.tried(lambda kind=p: clipped(a, 6.5, *PAIR, norm_type=kind))
        if attempt.raised(Exception):
            return f"norm_type={p} raises {type(attempt.error).__name__}: {attempt.error}"
        if not close(attempt.value[0], right, 1e-4):
            extra = " (the largest |g| of all)" if p == math.inf else ""
            return (
                f"norm_type={p}: the norm of [3, 4] and [0, 12] is {right:.4g}{extra}, yours is "
                f"{float(attempt.value[0]):.4g}"
            )
    return None


@probes("signs-lost")
def signs(a: Any, t: Trial) -> str | None:
    for p, right in ((1.0, 7.0), (math.inf, 4.0), (3.0, 91 ** (1 / 3))):
        norm, _ = clipped(a, 100.0, [-3.0, -4.0], norm_type=p)
        if not close(norm, right, 1e-4):
            return (
                f"the norm with norm_type={p} of [−3, −4] is {right:.4g}, yours is {float(norm):.4g}: "
                "take |g|"
            )
    return None


@probes("missing-gradients")
def missing(a: Any, t: Trial) -> str | None:
    for grads, right in (((None, [3.0, 4.0]), 5.0), ((None, None), 0.0), ((), 0.0)):
        attempt = t.tried(lambda g=grads: clipped(a, 1.0, *g))
        if attempt.raised(Exception) or not close(attempt.value[0], right, 1e-4):
            said = f"raises {type(attempt.error).__name__}" if attempt.error else f"is {attempt.value[0]}"
            what = "without any gradient" if right == 0 else "with one gradient None and one [3, 4]"
            return f"{what} the norm should be {right:g}, yours {said}"
    return None


@probes("empty-gradient-fails")
def empty(a: Any, t: Trial) -> str | None:
    for kind in (2.0, math.inf):
        attempt = t.tried(lambda p=kind: clipped(a, 1.0, [], [3.0, 4.0], norm_type=p))
        if attempt.raised(Exception):
            return f"an empty gradient (norm_type={kind}) raises {type(attempt.error).__name__}: leave it out"
    return None


@probes("squares-overflow")
def overflow(a: Any, t: Trial) -> str | None:
    params = with_gradients([3e30, 4e30], [0.0, 12e30], dtype=torch.float32)
    norm = float(a.clip_grad_norm_(params, 6.5))
    if not math.isfinite(norm):
        return (
            "float32 gradients of 3e30, 4e30, 12e30 have the norm 1.3e31, which float32 can hold; yours is "
            f"{norm}: their squares overflow. Add up in float64, or divide by the largest entry first"
        )
    tiny = with_gradients([3e-30, 4e-30], dtype=torch.float32)
    small = float(a.clip_grad_norm_(tiny, 1.0))
    if small == 0:
        return "float32 gradients of 3e-30 and 4e-30 have the norm 5e-30, yours is 0: their squares vanish"
    after = flat(gradients(params))
    if not close(after, [1.5, 2, 0, 6], 1e-3):
        return (
            f"float32 gradients of 3e30 … clipped to 6.5 should be [1.5, 2, 0, 6], yours are {numbers(after)}"
        )
    return None


@probes("not-finite")
def not_finite(a: Any, t: Trial) -> str | None:
    for bad in (math.nan, math.inf):
        quiet = t.tried(lambda b=bad: clipped(a, 1.0, [b, 1.0], [2.0]))
        if quiet.raised(Exception):
            return (
                f"a gradient of {bad} raises {type(quiet.error).__name__} without error_if_nonfinite: "
                "only when asked"
            )
        if math.isfinite(float(quiet.value[0])):
            return f"a gradient of {bad} gives the norm {float(quiet.value[0]):.4g}: it must not be hidden"
        params = with_gradients([bad, 1.0], [2.0])
        before = gradients(params)
        attempt = t.tried(lambda p=params: a.clip_grad_norm_(p, 1.0, error_if_nonfinite=True))
        if not attempt.raised(RuntimeError):
            did = "returns" if attempt.error is None else f"raises {type(attempt.error).__name__}"
            return f"a gradient of {bad} with error_if_nonfinite=True {did}, expected a RuntimeError"
        if any(
            not torch.equal(p.grad.nan_to_num(7), g.nan_to_num(7))
            for p, g in zip(params, before, strict=True)
        ):
            return (
                "with error_if_nonfinite=True the gradients were changed before the error: look "
                "first, then scale"
            )
    if t.attempt(lambda: clipped(a, 1.0, [3.0], error_if_nonfinite=True)).raised(RuntimeError):
        return "error_if_nonfinite=True raises although all gradients are finite"
    return None


@probes("parameters-clipped")
def parameters(a: Any, t: Trial) -> str | None:
    params = with_gradients(*PAIR)
    with torch.no_grad():
        for p in params:
            p += 2
    a.clip_grad_norm_(params, 6.5)
    if any(p.tolist() != [2.0, 2.0] for p in params):
        return "the parameters were changed: it is their gradients that are clipped"
    return None
