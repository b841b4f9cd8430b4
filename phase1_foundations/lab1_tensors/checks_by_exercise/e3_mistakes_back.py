"""The known mistakes of E3 on the way back, and in memory and precision."""

from typing import Any

import torch

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise.e3_mistakes import (
    LOGITS,
    ROWS,
    TARGET,
    gradient,
    kept_bytes,
    loss_and_gradient,
    loss_of,
    onehot,
    probe,
    softmax,
    sound,
)

# ---- the gradient ---------------------------------------------------------------------------------------


@probe("loss-in-float32")
def coarse_loss(a: Any, t: Trial) -> str | None:
    loss = loss_of(a, LOGITS, TARGET)
    if loss.dtype == torch.float32:
        return "float64 logits gave a float32 loss: only half precision is widened to float32, float64 stays"
    return None


@probe("calls-share-their-notes")
def shared_notes(a: Any, t: Trial) -> str | None:
    target = torch.tensor([0, 2])
    _, alone = loss_and_gradient(a, LOGITS, target, 2)
    z, other = (x.detach().requires_grad_() for x in (LOGITS, 2 * LOGITS))
    first = loss_of(a, z, target, 2)
    loss_of(a, other, target, 0)
    first.backward()
    if not same(z.grad, alone):
        return (
            "a second loss with another ignore_index, computed before the first one's backward, changed the "
            "first one's gradient: what a call must remember belongs into its own `ctx`, not into the class"
        )
    return None


@probe("wrong-number-of-gradients")
def wrong_count(a: Any, t: Trial) -> str | None:
    for more in ((), (-100,)):
        attempt = t.attempt(lambda more=more: gradient(a, LOGITS, TARGET, *more))
        if attempt.raised(RuntimeError) and "number of gradients" in str(attempt.error):
            return (
                f"backward must give one gradient for each input of forward, here {2 + len(more)}: the "
                f"logits' gradient, then None for `target` and None for `ignore_index` ({attempt.error})"
            )
    return None


@probe("grad-out-forgotten")
def grad_out(a: Any, t: Trial) -> str | None:
    once, twice = gradient(a, LOGITS, TARGET), gradient(a, LOGITS, TARGET, scale=2.0)
    if same(once, twice) and bool((once != 0).any()):
        return "backward(2 · loss) gave the same gradient as backward(loss): multiply by grad_out"
    return None


@probe("grad-out-not-a-factor")
def not_a_factor(a: Any, t: Trial) -> str | None:
    once, other = gradient(a, LOGITS, TARGET), gradient(a, LOGITS, TARGET, scale=-2.5)
    if bool((once != 0).any()) and not same(other, -2.5 * once):
        return (
            f"backward(−2.5 · loss) gave {numbers(other[0])} and backward(loss) {numbers(once[0])}: "
            "grad_out is a plain factor, used once"
        )
    return None


@probe("only-the-target-column")
def only_target(a: Any, t: Trial) -> str | None:
    found = gradient(a, LOGITS, TARGET)
    if bool((found[0, 1:] == 0).all()) and bool((found[0] != 0).any()):
        return (
            "only the target's logit gets a gradient: every class does, its probability; the target's is "
            "p − 1"
        )
    return None


@probe("log-probabilities-as-gradient")
def log_p_gradient(a: Any, t: Trial) -> str | None:
    if same(gradient(a, LOGITS, TARGET), (LOGITS.log_softmax(1) - onehot(TARGET, 3)) / 2):
        return "your gradient is log p − onehot: take `exp` of the saved log-probabilities first, p − onehot"
    return None


@probe("onehot-forgotten")
def no_onehot(a: Any, t: Trial) -> str | None:
    found, p = gradient(a, LOGITS, TARGET), softmax(LOGITS)
    if same(found, p / 2) or same(found, p):
        return (
            "your gradient is the softmax alone; each row must add up to 0: take 1 off at the target, p − "
            "onehot"
        )
    return None


@probe("gradient-sign")
def gradient_sign(a: Any, t: Trial) -> str | None:
    exact = (softmax(LOGITS) - onehot(TARGET, 3)) / 2
    if same(gradient(a, LOGITS, TARGET), -exact):
        return (
            "your gradient has the opposite sign: it is p − onehot, negative at the target, so that "
            "descent raises its logit"
        )
    return None


@probe("gradient-not-divided")
def not_divided(a: Any, t: Trial) -> str | None:
    exact = (softmax(LOGITS) - onehot(TARGET, 3)) / 2
    if same(gradient(a, LOGITS, TARGET), 2 * exact):
        return (
            "your gradient is 2 times too large for 2 rows: the loss is a mean, so its gradient is "
            "divided by the rows kept"
        )
    return None


@probe("gradient-divided-by-all-rows")
def divided_by_all(a: Any, t: Trial) -> str | None:
    target = torch.tensor([0, -100])
    exact = softmax(LOGITS)[0] - onehot(torch.tensor([0]), 3)[0]
    if same(gradient(a, LOGITS, target)[0], exact / 2):
        return (
            "with 1 of 2 rows kept your gradient is half of what it should be: backward divides by the "
            "rows kept, as forward does"
        )
    return None


@probe("gradient-in-ignored-rows")
def in_ignored(a: Any, t: Trial) -> str | None:
    found = gradient(a, LOGITS, torch.tensor([0, -100]))
    if bool((found[1] != 0).any()):
        return (
            f"a row that is left out has the gradient {numbers(found[1])}, expected zeros: it has no part "
            "in the loss"
        )
    return None


@probe("nothing-kept")
def nothing_kept(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: loss_and_gradient(a, LOGITS, torch.tensor([-100, -100])))
    if attempt.raised(ZeroDivisionError):
        return (
            "no row is kept, and a Python division by 0 raised: the loss is nan there; divide tensors, or "
            "return nan"
        )
    if attempt.error is not None:
        return None
    loss, grad = attempt.value
    if not bool(loss.isnan()):
        return (
            f"no row is kept: your loss is {loss.item():g}, asked for is nan, as in torch: there is no "
            "mean of nothing"
        )
    if bool((grad != 0).any()):
        return (
            f"no row is kept: your gradient is {numbers(grad[0])}, expected zeros. 0/0 in backward gives "
            "nan: divide by at least 1"
        )
    return None


@probe("second-backward-differs")
def second_backward(a: Any, t: Trial) -> str | None:
    z = LOGITS.clone().requires_grad_()
    loss = loss_of(a, z, TARGET)
    (first,) = torch.autograd.grad(loss, z, retain_graph=True)
    first = first.clone()
    attempt = t.attempt(lambda: torch.autograd.grad(loss, z)[0])
    if attempt.raised(RuntimeError, AttributeError, TypeError) or (
        attempt.error is None and not same(attempt.value, first)
    ):
        how = (
            (f"raised {type(attempt.error).__name__}")
            if attempt.error
            else f"gave {numbers(attempt.value[0])} after {numbers(first[0])}"
        )
        return (
            f"a second backward of the same loss {how}: backward writes into a saved tensor (or throws it "
            "away). Work on a new one"
        )
    return None


@probe("changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    logits, target = LOGITS.clone(), torch.tensor([0, -100])
    t.attempt(lambda: loss_of(a, logits, target))
    if not same(logits, LOGITS) or target.tolist() != [0, -100]:
        what = "logits" if not same(logits, LOGITS) else "target"
        return f"forward changed the caller's {what} in place (`-=`, `[…] =`): work on a new tensor"
    return None


# ---- memory and precision -------------------------------------------------------------------------------


@probe("keeps-too-much")
def keeps_too_much(a: Any, t: Trial) -> str | None:
    logits, target = t.randn(ROWS, 1000, dtype=torch.float32), t.randint(0, 1000, ROWS)
    kept, size = kept_bytes(a, logits, target), logits.numel() * 4
    if kept > 1.1 * size + ROWS * 8:
        return (
            f"kept for backward are {kept / size:.1f} times the bytes of the logits: one tensor of that "
            "size suffices. From the log-probabilities (or from the logits alone) backward can compute "
            "everything else; a onehot matrix is another one"
        )
    return None


@probe("overflows-in-half-precision")
def half_overflow(a: Any, t: Trial) -> str | None:
    if not sound(a):
        return None  # wrong in float64 already
    logits = torch.zeros(6000, 4, dtype=torch.float16)
    logits[:, 0] = -15
    target = torch.zeros(6000, dtype=torch.int64)
    loss = loss_of(a, logits, target)
    if loss.dtype not in (torch.float16, torch.float32):
        return f"float16 logits gave a loss in {loss.dtype}; asked for is float32 or the logits' own dtype"
    if not same(loss, torch.tensor(16.1), rtol=2e-2):
        return (
            f"6,000 float16 rows with a loss of 16.1 each gave {loss.item():g}: their sum, 96,600, is "
            "beyond float16's 65,504 (or was added up too coarsely). Begin with `logits.float()`"
        )
    return None
