"""Small things that several checks of this lab need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial, forbid
from courseware.check.compare import same
from courseware.check.rules import Rules

F64 = torch.float64
CLOSE = {"rtol": 1e-5, "atol": 1e-6}

SHARED = tuple(
    f"shared.losses.{name}"
    for name in (
        *("classification.cross_entropy", "classification.focal_loss", "classification.binary_focal_loss"),
        *("regression.huber_loss", "pairs.contrastive_loss", "pairs.cosine_embedding_loss"),
        *("triplet.triplet_loss", "triplet.mined_triplet_loss", "triplet._hardest"),
        *("segmentation.dice_loss", "imbalance.class_weights", "imbalance.logit_adjusted_loss"),
        *("imbalance.log_priors", "infonce.info_nce"),
    )
)


def closed(*functions: str, why: str, aten: tuple[str, ...] = (), shared: str = "") -> Rules:
    """Rules that close torch's functions by name, and those of `shared.losses` whose path has a word."""
    words = shared.split()
    python = tuple(path for path in SHARED if any(word in path for word in words))
    return forbid(*functions, aten=aten, python=python, why=why)


def double(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def close(observed: Any, expected: Any, **how: Any) -> bool:
    """`same` to 1e-5 in every dtype."""
    if isinstance(expected, int | float):
        expected = double(float(expected))
    return same(observed, expected, **{**CLOSE, **how})


class CloseProbes(Probes):
    """Probes whose values are compared to 1e-5."""

    def value(self, diagnosis: str, call: Callable[[Any], Any], wrong: Any, words: str, **how: Any) -> None:
        values = wrong if isinstance(wrong, list) else [wrong]
        tensors = [double(float(x)) if isinstance(x, int | float) else x for x in values]
        super().value(diagnosis, call, tensors, words, **{**CLOSE, **how})


def gradients(call: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, list[Tensor | None]]:
    """The loss of `call(*inputs)` and its gradient for each input."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    loss = call(*leaves)
    if not loss.requires_grad:
        return loss, [None] * len(leaves)
    loss.sum().backward()
    return loss.detach(), [leaf.grad for leaf in leaves]


def expect(
    t: Trial, call: Callable[[], Any], expected: Any, words: str, *, diagnosis: str, **how: Any
) -> None:
    """The call must give what is expected; a miss, or an exception, carries the name and the words."""
    attempt = t.tried(call)
    if attempt.error is not None:
        first = (str(attempt.error).splitlines() or [""])[0]
        t.fail(f"{words}. It raised {type(attempt.error).__name__}: {first}", diagnosis=diagnosis)
    t.equal(attempt.value, expected, words, diagnosis=diagnosis, **{"dtype": False, **CLOSE, **how})


def expect_gradient(
    t: Trial,
    call: Callable[..., Tensor],
    oracle: Callable[..., Tensor],
    inputs: Iterable[Tensor],
    words: str,
    *,
    diagnosis: str,
    **how: Any,
) -> None:
    """Loss and gradients of `call` against those of `oracle`, which is computed in float64."""
    inputs = list(inputs)
    with t.oracle():
        loss, wanted = gradients(oracle, *(x.to(F64) for x in inputs))
    attempt = t.tried(lambda: gradients(call, *inputs))
    if attempt.error is not None:
        first = (str(attempt.error).splitlines() or [""])[0]
        t.fail(f"{words}. It raised {type(attempt.error).__name__}: {first}", diagnosis=diagnosis)
    found, grads = attempt.value
    how = {"dtype": False, **CLOSE, **how}
    t.equal(found, loss, words, diagnosis=diagnosis, where="the loss", **how)
    for number, (grad, right) in enumerate(zip(grads, wanted, strict=True), 1):
        of = f"the gradient of input {number}" if len(inputs) > 1 else "the gradient"
        t.that(
            grad is not None, f"{words}: {of} does not arrive, something was detached", diagnosis="detached"
        )
        right = torch.zeros_like(inputs[number - 1], dtype=F64) if right is None else right
        t.equal(grad, right, words, diagnosis=diagnosis, where=of, **how)


def right_dtype(t: Trial, name: str, call: Callable[[torch.dtype], Tensor]) -> None:
    """float32 and float64 come back as they are; bfloat16 as itself or as float32."""
    for dtype in (torch.float32, F64, torch.bfloat16):
        found = call(dtype).dtype
        allowed = (dtype, torch.float32) if dtype is torch.bfloat16 else (dtype,)
        t.that(
            found in allowed,
            f"`{name}` of {dtype} gives {found}, expected {' or '.join(map(str, allowed))}",
            diagnosis="other-dtype",
        )


def zero_with_graph(t: Trial, call: Callable[[Tensor], Tensor], x: Tensor, words: str, name: str) -> None:
    """A mean over nothing: 0, and a gradient of zeros that can be asked for."""
    attempt = t.attempt(lambda: gradients(call, x))
    if attempt.error is None and attempt.value[1] == [None]:
        t.fail(
            f"{words}: no gradient arrives at the input. Let the 0 come out of it, as a sum of nothing",
            diagnosis=name,
        )
    expect(
        t,
        lambda: gradients(call, x),
        (double(0.0), [torch.zeros_like(x, dtype=F64)]),
        f"{words}: the mean over nothing is 0 here, with a graph and a gradient of zeros (0/0 is nan; "
        "divide by at least 1)",
        diagnosis=name,
    )
