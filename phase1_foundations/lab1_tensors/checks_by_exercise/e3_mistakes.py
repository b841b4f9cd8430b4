"""The known mistakes of E3 in the loss."""

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
