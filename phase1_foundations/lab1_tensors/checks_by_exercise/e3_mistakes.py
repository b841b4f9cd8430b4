"""The known mistakes of E3, each by its signature on a few logits."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial, forbid
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.observe import saved_bytes, storage_key, tensors_in

probe = Probes()

ROWS = 64
NO_AUTOGRAD = forbid(
    autograd=True,
    why=(
        "`backward` is to be your own formula, (p − onehot) · grad_out / rows kept, not a second autograd "
        "inside"
    ),
)
LOGITS = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 1.5]], dtype=torch.float64)
TARGET = torch.tensor([0, 2])


def loss_of(a: Any, logits: Tensor, target: Tensor, *ignore_index: int) -> Tensor:
    return a.FusedCrossEntropy.apply(logits, target, *ignore_index)


def sound(a: Any) -> bool:
    """Is the loss of two small rows right?"""
    wanted = -LOGITS.log_softmax(1)[[0, 1], TARGET].mean()
    return same(loss_of(a, LOGITS, TARGET), wanted, dtype=False, rtol=1e-5)


def loss_and_gradient(
    a: Any, logits: Tensor, target: Tensor, *ignore_index: int, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    z = logits.detach().requires_grad_()
    loss = loss_of(a, z, target, *ignore_index)
    (loss * scale).backward()
    return loss.detach(), z.grad


def gradient(a: Any, logits: Tensor, target: Tensor, *ignore_index: int, scale: float = 1.0) -> Tensor:
    return loss_and_gradient(a, logits, target, *ignore_index, scale=scale)[1]


def kept_bytes(a: Any, logits: Tensor, target: Tensor) -> int:
    """Bytes kept for backward, on the graph, on ctx or on the class; each storage once."""
    z = logits.detach().requires_grad_()
    known = {storage_key(tensor) for tensor in tensors_in(dict(vars(a.FusedCrossEntropy)))}
    graph = saved_bytes(lambda: loss_of(a, z, target))
    on_class = {
        storage_key(tensor): tensor.untyped_storage().nbytes()
        for tensor in tensors_in(dict(vars(a.FusedCrossEntropy)))
    }
    return graph + sum(size for key, size in on_class.items() if key not in known)


def softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=1)


def onehot(target: Tensor, classes: int) -> Tensor:
    return torch.eye(classes, dtype=torch.float64)[target]


# ---- the loss -------------------------------------------------------------------------------------------


@probe("forbidden")
def autograd_inside(a: Any, t: Trial) -> str | None:
    z = LOGITS.clone().requires_grad_()
    with NO_AUTOGRAD.hold():
        loss = loss_of(a, z, TARGET)
        if loss.grad_fn is not None and hasattr(loss.grad_fn, "apply"):
            loss.grad_fn.apply(
                torch.ones((), dtype=torch.float64)
            )  # the learner's backward, without the engine
    return None


@probe("softmax-overflows")
def overflow(a: Any, t: Trial) -> str | None:
    logits = torch.tensor([[1000.0, 0.0]])
    small = loss_of(a, torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    loss = loss_of(a, logits, torch.tensor([0]))
    if bool(small.isfinite()) and not bool(loss.isfinite()):
        return (
            f"the loss at logits (1000, 0) is {loss.item()}, expected 0: exp(1000) overflows. Subtract the "
            "row's maximum first, or let `logsumexp` do it"
        )
    return None


@probe("one-maximum-for-all-rows")
def one_maximum(a: Any, t: Trial) -> str | None:
    loss = loss_of(a, torch.tensor([[1000.0, 999.0], [0.0, 0.0]]), torch.tensor([0, 0]))
    if loss.dim() == 0 and not bool(loss.isfinite()):
        return (
            f"rows (1000, 999) and (0, 0) gave {loss.item()}: the maximum of the whole matrix was "
            "subtracted. Each row needs its own"
        )
    return None


@probe("log-of-a-rounded-zero")
def rounded_zero(a: Any, t: Trial) -> str | None:
    loss = loss_of(a, torch.tensor([[0.0, -200.0]]), torch.tensor([1]))
    if not same(loss, torch.tensor(200.0), rtol=1e-3) and (
        not bool(loss.isfinite()) or 10 < loss.item() < 120
    ):
        return (
            f"the loss at logits (0, −200) for class 1 is {loss.item():g}, expected 200: softmax rounds "
            "that probability to 0, and the logarithm of it is lost. Use z − logsumexp(z), never the log "
            "of a softmax (nor of softmax + ε), and leave the logits unclamped"
        )
    return None


@probe("sum-instead-of-mean")
def summed(a: Any, t: Trial) -> str | None:
    expected = -LOGITS.log_softmax(1)[[0, 1], TARGET]
    if same(loss_of(a, LOGITS, TARGET), expected.sum()):
        return (
            f"two rows with losses {numbers(expected)} gave {expected.sum().item():.4g}, their sum; asked "
            "for is the mean"
        )
    return None


@probe("loss-per-row")
def per_row(a: Any, t: Trial) -> str | None:
    loss = loss_of(a, LOGITS, TARGET)
    if loss.dim() > 0:
        return (
            f"the loss has shape {tuple(loss.shape)}, expected a single number: the mean over the rows "
            "that are kept"
        )
    return None


@probe("wrong-axis")
def wrong_axis(a: Any, t: Trial) -> str | None:
    logits = torch.tensor([[1.0, 2.0], [0.0, -1.0]], dtype=torch.float64)
    loss = loss_of(a, logits, torch.tensor([0, 1]))
    if same(loss, -logits.log_softmax(0)[[0, 1], [0, 1]].mean()):
        return (
            "your softmax runs down the rows (dim=0): each row is one example, its classes stand along dim=1"
        )
    return None


@probe("wrong-sign")
def wrong_sign(a: Any, t: Trial) -> str | None:
    expected = -LOGITS.log_softmax(1)[[0, 1], TARGET].mean()
    if same(loss_of(a, LOGITS, TARGET), -expected):
        return (
            f"the loss is {-expected.item():.4g}, expected {expected.item():.4g}: it is *minus* the "
            "log-probability of the target"
        )
    return None


@probe("logarithm-missing")
def no_logarithm(a: Any, t: Trial) -> str | None:
    loss, p = loss_of(a, LOGITS, TARGET), LOGITS.softmax(1)[[0, 1], TARGET]
    for wrong, what in ((-p.mean(), "the mean of −p"), ((1 - p).mean(), "the mean of 1 − p")):
        if same(loss, wrong, dtype=False, rtol=1e-5):
            return (
                f"the loss of two rows is {loss.item():.4g}, {what} at the targets: cross-entropy is the "
                "mean of −log p, so that a confident error costs much"
            )
    return None


@probe("denominator-counts-all-rows")
def denominator(a: Any, t: Trial) -> str | None:
    logits = t.randn(8, 4)
    target = torch.tensor([0, -100, 3, -100, 1, 2, -100, 0])
    kept = target != -100
    losses = -logits.log_softmax(1)[kept, target[kept]]
    if same(loss_of(a, logits, target), losses.sum() / 8):
        return (
            "the denominator is N = 8, but only 5 rows are kept: divide by the number of rows that are "
            "not ignored"
        )
    return None


@probe("ignored-target-used-as-an-index")
def used_as_index(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: loss_and_gradient(a, t.randn(3, 4), torch.tensor([0, -100, 3])))
    words = str(attempt.error)
    if attempt.raised(IndexError, RuntimeError) and (
        "out of bounds" in words or "out of range" in words or "-100" in words
    ):
        return (
            "a target of −100 was used as a class number: index only the rows that are kept, or put a "
            f"harmless class in the place of the ignored ones first ({type(attempt.error).__name__}: "
            f"{words.splitlines()[0]})"
        )
    return None


@probe("ignored-rows-count")
def ignored_count(a: Any, t: Trial) -> str | None:
    logits, target = t.randn(3, 4), torch.tensor([0, 2, 3])
    losses = -logits.log_softmax(1)[[0, 1, 2], target]
    if same(loss_of(a, logits, target, 2), losses.mean()):
        return (
            "ignore_index = 2 made no difference: rows whose target is `ignore_index` are left out of the "
            "loss"
        )
    fake = torch.tensor([0, 0, 3])
    if same(loss_of(a, logits, torch.tensor([0, -100, 3])), -logits.log_softmax(1)[[0, 1, 2], fake].mean()):
        return (
            "the ignored row was counted as class 0: replace its target if you like, but leave its loss out"
        )
    return None


@probe("ignore-index-fixed")
def fixed_index(a: Any, t: Trial) -> str | None:
    if not sound(a):
        return None  # wrong without an ignored row already
    logits, target = t.randn(3, 4), torch.tensor([0, -1, 3])
    attempt = t.attempt(lambda: loss_of(a, logits, target, -1))
    if attempt.raised(TypeError):
        return (
            f"a third argument, FusedCrossEntropy.apply(logits, target, -1), raised TypeError: "
            f"{attempt.error}. `forward` takes `ignore_index` as well, with the default −100"
        )
    expected = -logits.log_softmax(1)[[0, 2], [0, 3]].mean()
    if attempt.error is None and not same(attempt.value, expected):
        return (
            "ignore_index = −1 was not respected: only −100, or every negative target, was left out. "
            "Compare with the argument"
        )
    kept = -logits.log_softmax(1)[[1, 2], [2, 3]].mean()
    attempt = t.attempt(lambda: loss_of(a, logits, torch.tensor([0, 2, 3]), 0))
    if attempt.error is None and not same(attempt.value, kept, dtype=False):
        return (
            "ignore_index = 0 was not respected, −1 was: `if ignore_index:` and `ignore_index or −100` take "
            "0 for “nothing given”. 0 is a class like any other"
        )
    return None


@probe("zero-times-infinity")
def zero_times_infinity(a: Any, t: Trial) -> str | None:
    logits = torch.tensor([[1.0, -torch.inf, 2.0]], dtype=torch.float64)
    loss, grad = loss_and_gradient(a, logits, torch.tensor([0]))
    if bool(loss.isnan()) or bool(grad.isnan().any()):
        what = "loss" if bool(loss.isnan()) else "gradient"
        return (
            f"one class is ruled out by a logit of −inf, and the {what} is nan: 0 · (−inf) is nan. Pick "
            "the target's entry by indexing (or `gather`) instead of multiplying by a onehot matrix"
        )
    return None


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
