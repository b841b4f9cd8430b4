"""E3: a fused cross-entropy. What must hold; the known mistakes stand in `e3_mistakes`."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.numeric import numeric_gradient
from courseware.check.observe import saved_bytes
from phase1_foundations.lab1_tensors.checks_by_exercise.e3_mistakes import ROWS, kept_bytes, loss_and_gradient
from phase1_foundations.lab1_tensors.checks_by_exercise.e3_mistakes_back import probe
from shared.plotting import bars, panels, show

e3 = Exercise(
    "E3",
    takes={"FusedCrossEntropy": None},
    forbids=forbid(
        *("cross_entropy", "cross_entropy_loss", "nll_loss", "nll_loss_nd", "linear_cross_entropy"),
        aten=("nll_loss_forward", "nll_loss2d_forward", "cross_entropy_loss"),
        why="it is the answer itself. Build the loss from `logsumexp` or `log_softmax` and indexing",
    ),
    hints=(
        "The loss of a row is logsumexp(z) − z[y]. Its derivative with respect to z is the softmax, with "
        "1 taken off at the target: p − onehot. Everything else is bookkeeping: which rows count, and by "
        "what to divide.",
        "Forward: log_p = z − logsumexp(z) along the classes, loss = −Σ log_p[i, y_i] / (rows kept), over "
        "the rows that are kept. Backward: (exp(log_p) − onehot) · grad_out / (rows kept), and 0 in the "
        "other rows. Save log_p and the target.",
        "`kept = target != ignore_index`; `chosen = log_p[kept, target[kept]]`; backward: `p = "
        "log_p.exp()`; `p[kept, target[kept]] -= 1`; `p[~kept] = 0`; `return p * (grad_out / "
        "kept.sum().clamp(min=1)), None, None`. For half precision begin with `logits.float()`.",
    ),
)
probe.add_to(e3)


def oracle(t: Trial, logits: Tensor, target: Tensor, ignore_index: int = -100) -> tuple[Tensor, Tensor]:
    """Loss and gradient by torch, in float64."""
    with t.oracle():
        z = logits.detach().double().requires_grad_()
        loss = torch.nn.functional.cross_entropy(z, target, ignore_index=ignore_index)
        return loss.detach(), torch.autograd.grad(loss, z)[0]


def compare(
    a: Any, t: Trial, logits: Tensor, target: Tensor, *ignore_index: int, rtol: float | None = None
) -> None:
    """Loss, gradient and unchanged inputs for one case."""
    before = logits.clone(), target.clone()
    t.given(
        f"logits {tuple(logits.shape)} {logits.dtype}, target {target.tolist() if len(target) < 9 else '…'}"
    )
    loss, gradient = loss_and_gradient(a, logits, target, *ignore_index)
    expected_loss, expected_gradient = oracle(t, logits, target, *ignore_index)
    # In float64 to seven digits: `1 / kept.sum()` is a float32 in torch, and no mistake.
    wide = logits.dtype == torch.float64
    close = {"rtol": rtol or (1e-7 if wide else 1e-5), "atol": rtol or (1e-9 if wide else 1e-6)}
    t.that(
        isinstance(loss, Tensor) and loss.dim() == 0,
        f"the loss has shape {tuple(loss.shape)}, expected a 0-d tensor",
    )
    t.equal(loss, expected_loss, dtype=False, where="the loss", **close)
    t.that(gradient is not None, "no gradient arrived at the logits")
    t.equal(gradient, expected_gradient.to(logits.dtype), where="the gradient", **close)
    t.equal((logits, target), before, "after the call the inputs have changed")


@e3.property("the loss and its gradient", points=6)
def loss_and_its_gradient(a: Any, t: Trial) -> None:
    for rows, classes in ((1, 2), (1, 5), (2, 3), (4, 10), (7, 4)):
        for dtype in (torch.float64, torch.float32):
            compare(a, t, t.randn(rows, classes, dtype=dtype) * 3, t.randint(0, classes, rows))


@e3.property("its gradient by central differences, times grad_out", points=2)
def by_differences(a: Any, t: Trial) -> None:
    logits, target = t.randn(4, 3), torch.tensor([0, -100, 2, 1])
    numeric = numeric_gradient(lambda z: a.FusedCrossEntropy.apply(z, target), logits)
    for scale in (1.0, -2.5):
        _, gradient = loss_and_gradient(a, logits, target, scale=scale)
        t.equal(gradient, numeric * scale, f"the gradient of {scale:g} · loss", rtol=1e-5, atol=1e-7)


@e3.property("rows with ignore_index are left out", points=3)
def left_out(a: Any, t: Trial) -> None:
    for ignore_index in (-100, 2, 0, -1):
        for rows in (2, 5, 8):
            target = t.randint(0, 4, rows)
            target[t.random.randrange(rows)] = ignore_index
            target[0] = 3 if ignore_index != 3 else 1
            compare(a, t, t.randn(rows, 4), target, *([] if ignore_index == -100 else [ignore_index]))
    target = torch.tensor([1, -100, 0])
    _, gradient = loss_and_gradient(a, t.randn(3, 2), target)
    t.equal(gradient[1], torch.zeros(2).double(), "the gradient of a row that is left out")


@e3.property("large logits, and classes that are ruled out", points=3)
def extremes(a: Any, t: Trial) -> None:
    for dtype in (torch.float64, torch.float32):
        compare(a, t, t.randn(3, 4, dtype=dtype) * 1e4, torch.tensor([0, 1, 3]))
        compare(a, t, t.randn(3, 4, dtype=dtype) + 1e4, torch.tensor([0, 1, 3]), rtol=2e-3)
        compare(a, t, torch.tensor([[1e4, -1e4], [-1e4, 1e4]], dtype=dtype), torch.tensor([0, 0]))
        masked = t.randn(4, 5, dtype=dtype)
        masked[:, 2] = -torch.inf
        masked[1, 4] = -torch.inf
        compare(a, t, masked, torch.tensor([0, 1, 3, -100]))


@e3.property("no rows, one class, other layouts", points=2)
def edges(a: Any, t: Trial) -> None:
    compare(a, t, t.randn(3, 1), torch.tensor([0, 0, 0]))
    compare(a, t, t.randn(4, 6).T, torch.tensor([0, 3, -100, 1, 2, 0]))
    compare(a, t, t.randn(6, 8)[::2, 1::2], torch.tensor([0, 3, 1]))
    compare(a, t, t.randn(3, 4), torch.full((3,), -100))
    compare(a, t, t.randn(0, 4), torch.empty(0, dtype=torch.int64))


@e3.property("half precision", points=2)
def half(a: Any, t: Trial) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        for rows in (3, 6000):
            logits = (t.randn(rows, 8) * 4).to(dtype)
            logits[:, 0] -= 12  # class 0 is unlikely: losses are large, and their sum overflows float16
            target = torch.zeros(rows, dtype=torch.int64)
            t.given(f"logits ({rows}, 8) {dtype}")
            loss, gradient = loss_and_gradient(a, logits, target)
            expected_loss, expected_gradient = oracle(t, logits, target)
            coarse = 2.0**-7 if dtype == torch.bfloat16 else 2.0**-9
            t.that(
                loss.dtype in (dtype, torch.float32), f"the loss is {loss.dtype}, expected {dtype} or float32"
            )
            t.equal(loss, expected_loss, where="the loss", dtype=False, rtol=coarse, atol=0)
            t.equal(gradient, expected_gradient.to(dtype), where="the gradient", rtol=2 * coarse, atol=1e-6)


@e3.property("one tensor is kept for backward", points=2)
def memory(a: Any, t: Trial) -> None:
    for classes in (1000, 3000):
        logits, target = t.randn(ROWS, classes, dtype=torch.float32), t.randint(0, classes, ROWS)
        kept, size = kept_bytes(a, logits, target), logits.numel() * 4
        t.given(f"logits ({ROWS}, {classes}) float32")
        t.that(
            kept <= 1.1 * size + ROWS * 8,
            f"kept for backward are {kept:,} bytes, {kept / size:.2f} times the logits; at most 1.1 times "
            "are allowed",
        )


@e3.reward
def saved_by_each(a: Any) -> None:
    """Bytes kept for backward: small steps, this answer, torch's own."""
    logits = torch.randn(256, 2000, requires_grad=True)
    target = torch.randint(0, 2000, (256,))

    def composed() -> Tensor:
        shifted = logits - logits.amax(dim=1, keepdim=True).detach()
        p = shifted.exp() / shifted.exp().sum(dim=1, keepdim=True)
        return -p.log()[torch.arange(256), target].mean()

    saved = {
        "softmax, log, pick: step by step": saved_bytes(composed),
        "yours": saved_bytes(lambda: a.FusedCrossEntropy.apply(logits, target)),
        "torch's cross_entropy": saved_bytes(lambda: torch.nn.functional.cross_entropy(logits, target)),
    }
    times = {name: count / (logits.numel() * 4) for name, count in saved.items()}
    fig, ax = panels(height=2.1)
    bars(
        ax,
        times,
        fmt=lambda x: f"{x:.2f}",
        highlight=["yours"],
        xlabel="kept for backward, in sizes of the logits",
    )
    show(
        fig,
        caption="What the forward pass keeps alive for the backward pass, for 256 rows of 2,000 classes. "
        f"Yours: {saved['yours'] / 1e6:.1f} MB, step by step: {next(iter(saved.values())) / 1e6:.1f} MB.",
        alt=("Three bars, in sizes of the logits: ")
        + ", ".join(f"{name} {x:.2f}" for name, x in times.items())
        + ".",
    )
