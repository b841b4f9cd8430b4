"""The known mistakes of E4, each by its signature on a few embeddings."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check import Trial
from courseware.check.describe import numbers
from courseware.check.observe import observe, saved_bytes
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import (
    F64,
    CloseProbes,
    close,
    double,
    gradients,
)

probe = CloseProbes()

Z1 = double([[1.0, 0.2, 0.0], [0.0, 2.0, 1.0], [-1.0, 0.5, 0.5], [0.3, -0.4, 1.0]])
Z2 = double([[0.8, 0.1, 0.4], [0.3, 1.0, 0.2], [-0.5, 1.0, -1.0], [1.0, 1.0, 1.0]])
A, B = F.normalize(Z1, dim=1), F.normalize(Z2, dim=1)
S = A @ B.T
HERE = torch.arange(4)
TAU = 0.5


def cross(s: Tensor, tau: float = TAU, reduction: str = "mean") -> Tensor:
    return F.cross_entropy(s / tau, torch.arange(len(s)), reduction=reduction)


FORTH, BACK = cross(S), cross(S.T)
BOTH = (FORTH + BACK) / 2


def plain(a: Any, **how: Any) -> Tensor:
    found: Tensor = a.info_nce(Z1, Z2, TAU, **how)
    return found


def two_n(masked: bool) -> Tensor:
    """NT-Xent over the 2B rows of both views."""
    z = torch.cat([A, B])
    s = z @ z.T / TAU
    s = s.masked_fill(torch.eye(8, dtype=torch.bool), -torch.inf) if masked else s
    return F.cross_entropy(s, torch.cat([HERE + 4, HERE]))


# ---- the loss -----------------------------------------------------------------------------------------


@probe("not-normalised")
def not_normalised(a: Any, t: Trial) -> str | None:
    once = plain(a)
    for name, longer in (("z1", a.info_nce(10 * Z1, Z2, TAU)), ("z2", a.info_nce(Z1, 10 * Z2, TAU))):
        if not close(once, longer):
            return (
                f"scaling {name} by 10 changes the loss from {numbers(once)} to {numbers(longer)}: normalise "
                "both views inside, each row by its own length, so that s is a cosine"
            )
    return None


probe.value(
    "normalised-along-the-batch",
    plain,
    [(cross(s) + cross(s.T)) / 2 for s in (F.normalize(Z1, dim=0) @ F.normalize(Z2, dim=0).T,)],
    "info_nce is {found}: the columns were normalised. Each *row* is an embedding: dim=1",
)
probe.value(
    "temperature-multiplied",
    plain,
    [(cross(S, 1 / TAU) + cross(S.T, 1 / TAU)) / 2, cross(S, 1 / TAU)],
    "info_nce with τ = 0.5 is {found}: the similarities were multiplied by τ; they are divided by it",
)
probe.value(
    "temperature-fixed",
    plain,
    [(cross(S, x) + cross(S.T, x)) / 2 for x in (0.1, 1.0)],
    "info_nce with τ = 0.5 is {found}: another temperature was used; divide by the argument",
)
probe.value(
    "positive-missing-from-the-sum",
    lambda a: plain(a, symmetric=False),
    (S / TAU).masked_fill(torch.eye(4, dtype=torch.bool), -torch.inf).logsumexp(1).mean()
    - (S / TAU).diagonal().mean(),
    "info_nce is {found}: the positive pair is missing from the sum Σ_j. A loss of a probability is never "
    "negative; with j ≠ i it can be",
)
probe.value(
    "info-nce-sign",
    plain,
    [-BOTH, -FORTH],
    "info_nce is {found}, negative: log softmax is below 0, the loss is minus that",
)
probe.value(
    "both-views-in-one-batch",
    plain,
    [two_n(True), two_n(False), 2 * two_n(True), 2 * two_n(False)],
    "info_nce is {found}: all 2B rows compete with each other (SimCLR's form). Here a row of z1 competes "
    "with the B rows of z2 only",
)
probe.value(
    "two-directions-summed",
    plain,
    FORTH + BACK,
    "info_nce is {found}, the sum of both directions; asked for is their mean",
)
probe.value(
    "one-direction-only",
    plain,
    [FORTH, BACK],
    "info_nce is {found}: one direction alone. symmetric=True takes the mean of z1 → z2 and z2 → z1",
)
probe.value(
    "symmetric-ignored",
    lambda a: plain(a, symmetric=False),
    BOTH,
    "symmetric=False gives {found}, the same as True: then only z1 → z2 counts",
)
probe.value(
    "the-other-direction",
    lambda a: plain(a, symmetric=False),
    BACK,
    "symmetric=False gives {found}: that is z2 → z1. Row i of z1 looks for its partner among the rows of z2",
)
probe.value(
    "info-nce-sums",
    lambda a: plain(a, symmetric=False),
    4 * FORTH,
    "info_nce of four pairs is {found}, the sum over the rows; asked for is the mean",
)


@probe("four-pairs")
def four_pairs(a: Any, t: Trial) -> str | None:
    for symmetric, right in ((True, BOTH), (False, FORTH)):
        attempt = t.tried(lambda symmetric=symmetric: plain(a, symmetric=symmetric))
        if attempt.error is not None:
            return f"info_nce of four pairs raised {type(attempt.error).__name__}: {attempt.error}"
        if not close(attempt.value, right):
            return (
                f"info_nce of four pairs with τ = 0.5 and symmetric={symmetric} is {numbers(attempt.value)}, "
                f"expected {numbers(right)}: the cross-entropy of the cosines over τ, with partner i for row "
                "i"
            )
    _, grads = gradients(lambda p, q: a.info_nce(p, q, TAU), Z1, Z2)
    if any(g is None or not bool(g.any()) for g in grads):
        return "info_nce: no gradient arrives at one of the two views; both learn, so nothing is detached"
    return None


# ---- chunks -------------------------------------------------------------------------------------------


@probe("chunks-see-only-themselves")
def only_themselves(a: Any, t: Trial) -> str | None:
    found = plain(a, symmetric=False, chunk=2)
    blocks = (cross(S[:2, :2]) + cross(S[2:, 2:])) / 2
    if close(found, blocks):
        return (
            f"with chunk=2 the loss is {numbers(found)}: each chunk competes only with itself. A row has B − "
            "1 = 3 negatives, whatever the chunk"
        )
    parts = torch.stack([(p / TAU).logsumexp(1) for p in S.split(2, dim=1)])
    for wrong, what in ((parts.mean(0), "averaged"), (parts.sum(0), "added"), (parts.amax(0), "maximised")):
        if close(found, (wrong - S.diagonal() / TAU).mean()):
            return (
                f"the logsumexps of the chunks were {what}: logarithms of partial sums combine by "
                "logaddexp, log(e^x + e^y)"
            )
    for wrong, what in (
        (cross(Z1 @ Z2.T), "the embeddings were not normalised; `chunk` changes how it is computed, no more"),
        (
            (torch.logaddexp(parts.logsumexp(0), torch.zeros(4, dtype=F64)) - S.diagonal() / TAU).mean(),
            "a term e⁰ = 1 too many. The logarithm of a sum of nothing is −∞, so start there, not at 0",
        ),
    ):
        if close(found, wrong):
            return f"with chunk=2 the loss is {numbers(found)}, expected {numbers(FORTH)}: {what}"
    if not close(found, FORTH):
        return (
            f"chunk=2 gives {numbers(found)}, without chunk it should be {numbers(FORTH)}: the loss must not "
            "depend on the chunks. Combine the chunks' logsumexps by logaddexp, and mind which row is the "
            "positive"
        )
    return None


@probe("last-chunk")
def last_chunk(a: Any, t: Trial) -> str | None:
    for chunk in (3, 1, 4, 9):
        attempt = t.tried(lambda chunk=chunk: plain(a, symmetric=False, chunk=chunk))
        if attempt.error is not None or not close(attempt.value, FORTH):
            got = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
            return (
                f"B = 4 with chunk={chunk}: {got}, expected {numbers(FORTH)}. The last chunk may be smaller, "
                "and a chunk larger than B"
            )
    return None


@probe("normalises-again")
def normalises_again(a: Any, t: Trial) -> str | None:
    found = a.ChunkedInfoNCE.apply(Z1, Z2, TAU, 2)
    if close(found, FORTH) or close(found, BOTH):
        return (
            "ChunkedInfoNCE.apply(a, b, …) normalised a and b: it takes plain dot products; normalising is "
            "the work of info_nce"
        )
    forth, back = cross(Z1 @ Z2.T), cross(Z2 @ Z1.T)
    if close(found, (forth + back) / 2):
        return "ChunkedInfoNCE gives both directions: it is one direction, a → b; info_nce calls it twice"
    if not close(found, forth):
        return f"ChunkedInfoNCE.apply(a, b, 0.5, 2) is {numbers(found)}, expected {numbers(forth)}"
    return None


@probe("gradient-of-the-chunks")
def chunk_gradient(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: gradients(lambda p, q: a.ChunkedInfoNCE.apply(p, q, TAU, 3), Z1, Z2)[1])
    _, exact = gradients(lambda p, q: cross(p @ q.T), Z1, Z2)
    if attempt.error is not None:
        words = str(attempt.error)
        if "number of gradients" in words:
            return (
                f"backward must return four things: gradients for a and b, None for temperature and "
                f"chunk ({words})"
            )
        return (
            f"the backward of ChunkedInfoNCE raised {type(attempt.error).__name__}: {words.splitlines()[0]}"
        )
    p = (Z1 @ Z2.T / TAU).softmax(1)
    soft = [p @ Z2 / (4 * TAU), p.T @ Z1 / (4 * TAU)]
    for name, found, right, other in zip("ab", attempt.value, exact, soft, strict=True):
        if found is None:
            return f"no gradient arrives at `{name}`: backward returns one for a *and* one for b"
        for factor, why in (
            (4.0, "it is not divided by B: the loss is a mean over the rows"),
            (TAU, "the 1/τ is missing: the logits are s/τ"),
            (4 * TAU, "the division by B·τ is missing"),
            (-1.0, "it has the opposite sign"),
            (0.5, "it is half as large: is something divided by 2 for a second direction?"),
        ):
            if close(found, right * factor):
                return f"the gradient of `{name}` is {factor:g} times what it should be: {why}"
        if close(found, other):
            return f"the gradient of `{name}` lacks the positive pair: the derivative is p − 1 where j = i"
        if not close(found, right):
            return (
                f"the gradient of `{name}` is {numbers(found[0])} … instead of {numbers(right[0])} …: with p "
                "the softmax of row i, ∂L/∂s_ij = (p_ij − [i = j]) / B, times b_j/τ for a and a_i/τ for b"
            )
    twice = gradients(lambda p, q: -2.5 * a.ChunkedInfoNCE.apply(p, q, TAU, 3), Z1, Z2)[1]
    if not close(twice[0], -2.5 * exact[0]) or not close(twice[1], -2.5 * exact[1]):
        return "backward(−2.5 · loss) does not give −2.5 times the gradient: multiply by grad_out, once"
    return None


def memory_of(a: Any, t: Trial, which: str, rows: int = 256, chunk: int = 16) -> tuple[int, float]:
    """Elements of the largest tensor of a forward and a backward, and numbers kept in between."""
    a1, a2 = F.normalize(t.randn(rows, 4), dim=1), F.normalize(t.randn(rows, 4), dim=1)
    leaves = [x.requires_grad_() for x in (a1, a2)]

    def call() -> Tensor:
        if which == "info_nce":
            return a.info_nce(*leaves, 0.1, chunk=chunk)  # type: ignore[no-any-return]
        return a.ChunkedInfoNCE.apply(*leaves, 0.1, chunk)  # type: ignore[no-any-return]

    with observe() as seen:
        call().backward()
    return seen.largest, saved_bytes(call) / 8


@probe("the-whole-matrix")
def whole_matrix(a: Any, t: Trial) -> str | None:
    for which in ("info_nce", "ChunkedInfoNCE"):
        largest, kept = memory_of(a, t, which)
        if largest > 256 * 16:
            return (
                f"{which} with B = 256, D = 4, chunk = 16 makes a tensor of {largest:,} elements; allowed "
                f"are B · chunk = {256 * 16:,}. The B × B matrix would have {256 * 256:,}. Look at both "
                "passes"
            )
        if kept > 8 * 256 * 4 + 16 * 256:
            return (
                f"{which} with B = 256, D = 4, chunk = 16 keeps {kept:,.0f} numbers for the backward pass, "
                f"at most {8 * 256 * 4 + 16 * 256:,} are allowed: autograd saves every chunk's softmax, "
                "which is the whole matrix again. Compute it anew in `backward`"
            )
    return None


@probe("small-temperature")
def small_temperature(a: Any, t: Trial) -> str | None:
    for how in ({}, {"chunk": 3}):
        found, grads = gradients(lambda p, q, how=how: a.info_nce(p, q, 0.001, **how), Z1, Z2)
        if not bool(found.isfinite()) or any(g is None or not bool(g.isfinite().all()) for g in grads):
            return (
                f"τ = 0.001{' with chunk=3' if how else ''} gives {numbers(found)}: exp(1/0.001) overflows. "
                "Keep to logsumexp and logaddexp, and start the running one at −inf"
            )
    return None
