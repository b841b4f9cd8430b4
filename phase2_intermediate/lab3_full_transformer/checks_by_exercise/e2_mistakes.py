"""The known mistakes of E2, each by its signature on a few tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import Case, name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    F64,
)

probe = Probes()


def right_loss(logits: Tensor, target: Tensor, pad: int, smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Token by token, by the definition, in float64."""
    total, count = torch.zeros((), dtype=F64), 0
    classes = logits.shape[-1]
    for row, label in zip(logits.reshape(-1, classes).double(), target.flatten().tolist(), strict=True):
        if label == pad:
            continue
        q = torch.full((classes,), smoothing / classes, dtype=F64)
        q[label] += 1 - smoothing
        cost = row.logsumexp(0) - row  # −log p
        total = total + (q * cost)[q > 0].sum()
        count += 1
    return total, count


def pair_of(t: Trial, answer: Any) -> tuple[Any, Any]:
    t.that(
        isinstance(answer, tuple | list) and len(answer) == 2,
        f"seq_loss returned a {type(answer).__name__}, expected the pair (total, count)",
        diagnosis="not-a-pair",
    )
    total, count = answer
    t.that(
        not (isinstance(total, int) and isinstance(count, Tensor)),
        "the pair came as (count, total); it is (total, count)",
        diagnosis="pair-in-the-wrong-order",
    )
    t.that(
        isinstance(count, int),
        f"the count is a {type(count).__name__}, expected an int: `int(real.sum())`",
        diagnosis="count-is-no-int",
    )
    t.that(
        isinstance(total, Tensor) and total.shape == (),
        f"the total is a {type(total).__name__}"
        + (f" of shape {tuple(total.shape)}" if isinstance(total, Tensor) else "")
        + ", expected a scalar tensor",
        diagnosis="total-is-no-scalar",
    )
    return total, count


@probe("the-loss")
def loss(a: Any, t: Trial) -> None:
    logits, target = 2 * t.randn(2, 4, 5), torch.tensor([[4, 2, 1, 0], [3, 1, 0, 0]])
    total, count = pair_of(t, a.seq_loss(logits, target, pad=0))
    right, tokens = right_loss(logits, target, 0)
    everything, _ = right_loss(logits, target, -1)
    smoothed, _ = right_loss(logits, target, 0, 0.1)
    p = logits.softmax(-1).gather(-1, target[..., None])[..., 0][target != 0]
    name_it(
        t,
        total,
        right,
        [
            (
                "pads-counted",
                everything,
                f"the total is {float(everything):.3f}, expected {float(right):.3f}: the padding is in it. "
                "The loss would change when a batch is padded further",
            ),
            ("mean-instead-of-sum", right / tokens, "that is the mean over the tokens: return sum and count"),
            (
                "mean-instead-of-sum",
                right / 8,
                "that is the sum over 8 positions, padding included: return the sum",
            ),
            ("mean-instead-of-sum", everything / 8, "that is a mean, padding included: return the sum"),
            ("mean-instead-of-sum", right / 2, "the sum was divided by the number of rows: return the sum"),
            ("smoothing-by-default", smoothed, "the default is smoothing=0.0; yours smooths by 0.1"),
            ("sign-of-the-loss", -right, "the sign is wrong: the loss is *minus* log p, so it is positive"),
            (
                "no-logarithm",
                -p.sum(),
                "that is the sum of the probabilities: their logarithms are asked for",
            ),
            ("no-logarithm", (1 - p).sum(), "that adds up 1 − p: −log p is asked for"),
            (
                "no-softmax",
                -logits.gather(-1, target[..., None])[..., 0][target != 0].sum(),
                "the logits were taken for log-probabilities: `log_softmax` makes them so",
            ),
            (
                "softmax-over-time",
                -logits.log_softmax(1).gather(-1, target[..., None])[..., 0][target != 0].sum(),
                "the softmax runs over the positions: it runs over the classes, the last axis",
            ),
        ],
    )
    name_it(
        t,
        count,
        tokens,
        [
            ("pads-in-the-count", 8, "the count is 8: padding was counted as tokens; 5 are real"),
            ("count-of-rows", 2, "the count is 2, the number of rows: 5 tokens are real"),
            ("count-of-rows", 3, "the count is 3: of 8 positions 5 are real, 3 are padding"),
        ],
    )
    t.that(
        same(total, right),
        f"the total of 5 tokens is {float(total):.10g}, expected {float(right):.10g}",
        diagnosis="loss-wrong",
    )
    t.that(count == tokens, f"the count is {count}, expected {tokens}", diagnosis="count-wrong")


@probe("pad-number-fixed")
def pad_argument(a: Any, t: Trial) -> str | None:
    logits, target = t.randn(1, 4, 5), torch.tensor([[3, 0, 2, -100]])
    for pad in (3, 2):
        given = target[:, :3]
        total, count = pair_of(t, a.seq_loss(logits[:, :3], given, pad=pad))
        if not same(total, right_loss(logits[:, :3], given, pad)[0]) or count != 2:
            return (
                f"with pad={pad} of the targets {numbers(given)}, the total or the count is wrong: {pad} is "
                "padding here, and 0 is a token like any other"
            )
    words = "pad=-100, which is no class of the vocabulary,"
    total, count = pair_of(
        t, value_of(t, lambda: a.seq_loss(logits, target, pad=-100), "pad-outside-the-vocabulary", words)
    )
    if not same(total, right_loss(logits, target, -100)[0]) or count != 3:
        t.fail(f"{words} gave a wrong total or count", diagnosis="pad-outside-the-vocabulary")
    return None


@probe("smoothing")
def smoothing(a: Any, t: Trial) -> None:
    logits, target, eps = 2 * t.randn(1, 4, 5), torch.tensor([[4, 2, 1, 0]]), 0.3
    total, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=eps))
    rows, labels = logits[0, :3].double(), target[0, :3]
    cost = rows.logsumexp(-1, keepdim=True) - rows
    hit = cost[torch.arange(3), labels]

    def with_mass(mass: Tensor, on_target: float) -> Tensor:
        q = mass.expand(3, 5).clone()
        q[torch.arange(3), labels] = on_target
        return (q * cost).sum()

    spread = torch.full((5,), eps / 5, dtype=F64)
    no_pad, rest = spread.clone(), torch.full((5,), eps / 4, dtype=F64)
    no_pad[0] = 0
    q = torch.tensor([1 - eps + eps / 5, *[eps / 5] * 4], dtype=F64)
    entropy = (q * q.log()).sum()  # negative
    cases: list[Case] = [
        ("smoothing-ignored", hit.sum(), "smoothing=0.3 has no effect"),
        (
            "mass-without-the-target",
            with_mass(rest, 1 - eps),
            "ε/(V − 1) went to the other classes, 1 − ε to the target: every class gets ε/V, the target too",
        ),
        (
            "mass-without-the-target",
            with_mass(spread, 1 - eps),
            "the target got 1 − ε, and its own ε/V is missing: the masses add up to less than 1",
        ),
        (
            "mass-added-to-one",
            hit.sum() + eps * cost.mean(-1).sum(),
            "ε/V was added to every class, but the target kept 1: it gets 1 − ε + ε/V",
        ),
        (
            "pad-class-without-mass",
            with_mass(no_pad, 1 - eps + eps / 5),
            "the class whose number is `pad` got no mass: padding is a matter of positions, every class "
            "gets ε/V",
        ),
        (
            "pad-class-without-mass",
            with_mass(torch.where(no_pad > 0, eps / 4, no_pad), 1 - eps + eps / 4),
            "the class `pad` got no mass, the others ε/(V − 1): every class gets ε/V",
        ),
        (
            "pad-class-without-mass",
            with_mass(torch.where(no_pad > 0, eps / 3, no_pad), 1 - eps),
            "the mass went to all classes but the target and `pad`: every class gets ε/V",
        ),
        (
            "mass-not-divided-by-v",
            (1 - eps) * hit.sum() + eps * cost.sum(),
            "every class got the mass ε instead of ε/V",
        ),
        (
            "smoothing-inverted",
            eps * hit.sum() + (1 - eps) * cost.mean(-1).sum(),
            "ε and 1 − ε are exchanged",
        ),
        (
            "kl-instead-of-cross-entropy",
            right_loss(logits, target, 0, eps)[0] + 3 * entropy,
            "that is a Kullback–Leibler divergence, q's entropy is missing: the loss is Σ q · (−log p)",
        ),
        ("only-one-part", (1 - eps) * hit.sum(), "the uniform part is missing: (1 − ε)·(−log p_y) + ε·mean"),
    ]
    everywhere = logits[0].double().logsumexp(-1, keepdim=True) - logits[0].double()
    cases.append(
        (
            "smoothing-of-the-padding",
            (1 - eps) * hit.sum() + eps * everywhere.mean(-1).sum(),
            "the uniform part was added at padded positions too: they cost nothing at all",
        )
    )
    right = right_loss(logits, target, 0, eps)[0]
    name_it(t, total, right, cases)
    t.that(
        same(total, right, rtol=1e-6),
        f"with smoothing=0.3 the total is {float(total):.4f}, expected {float(right):.4f}: Σ_c q_c (−log "
        "p_c) with q_c = (1 − ε)[c = y] + ε/V",
        diagnosis="smoothing-wrong",
    )
    for value in (0.0, 1.0):
        found, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=value))
        t.that(
            same(found, right_loss(logits, target, 0, value)[0], rtol=1e-6),
            f"smoothing={value:g} gives {float(found):.4f}, expected "
            f"{float(right_loss(logits, target, 0, value)[0]):.4f}",
            diagnosis="smoothing-at-its-ends",
        )
