"""When some classes are rare: weigh them up, or shift the logits by how common each class is.

Weights change how much an example counts; logit adjustment changes the margin that a class must win by, and
is the one of the two whose optimum is the classifier with the best balanced accuracy.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from shared.losses.classification import IGNORE, check_targets, cross_entropy
from shared.losses.reduction import Reduction, at_least_float32
from shared.shapes import expect

Scheme = Literal["inverse", "sqrt", "effective"]


def class_weights(
    counts: Num[Tensor, "K"], scheme: Scheme = "inverse", *, beta: float = 0.999
) -> Float[Tensor, "K"]:
    """A weight w_k for each class from how often it occurs, scaled so that Σ n_k w_k = Σ n_k.

    inverse 1/n, sqrt 1/√n, effective (1 − β)/(1 − βⁿ), which lies between no weights (β = 0) and inverse (β
    → 1). A class that never occurs gets weight 0.
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"no scheme is called {scheme!r}; there are {', '.join(get_args(Scheme))}")
    if not 0.0 <= beta < 1.0:
        raise ValueError(f"beta lies in [0, 1), not {beta}: for beta towards 1 take the scheme 'inverse'")
    n = _checked_counts(counts)
    seen = n > 0
    if scheme == "effective":
        weights = (1 - beta) / (1 - beta**n)
    else:
        weights = n.reciprocal() if scheme == "inverse" else n.rsqrt()
    weights = weights.where(seen, torch.zeros_like(n))
    return (weights * n.sum() / (weights * n).sum()).float()


def log_priors(counts: Num[Tensor, "K"]) -> Float[Tensor, "K"]:
    """log π_k, the logarithm of each class's share of the training data."""
    n = _checked_counts(counts)
    if (n == 0).any():
        empty = n.eq(0).nonzero().flatten().tolist()
        raise ValueError(
            f"classes {empty} never occur, so their prior is 0: leave them out or add 1 to all counts"
        )
    return (n / n.sum()).log().float()


def logit_adjusted_loss(
    logits: Float[Tensor, "*N K"],
    target: Int[Tensor, "*N"],
    log_prior: Float[Tensor, "K"],
    *,
    tau: float = 1.0,
    ignore: int = IGNORE,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """Cross-entropy of z + τ log π: a rare class must win by more in training; predict from plain z.

    As stable as ``cross_entropy``; 0 where nothing counts.
    """
    check_targets("logit_adjusted_loss", logits, target)
    expect(log_prior, "K", "log_prior", "one a class, from log_priors(counts)", K=logits.shape[-1])
    adjusted = at_least_float32(logits) + tau * log_prior.to(logits.device)
    return cross_entropy(adjusted, target, ignore=ignore, reduction=reduction)


def _checked_counts(counts: Tensor) -> Float[Tensor, "K"]:
    """The counts in float64."""
    expect(counts, "K", "counts", "how many training examples each class has")
    if (counts < 0).any() or not (counts > 0).any():
        raise ValueError(f"counts are how often each class occurs, not {counts.tolist()}")
    return counts.double()
