"""The known mistakes of E2, each by its signature on a few tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    F64,
    Case,
    name_it,
    tensor,
    tried,
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


@probe("shift")
def shift(a: Any, t: Trial) -> None:
    y = torch.tensor([[4, 5, 6, 3], [7, 8, 3, 0]])
    bos = y.new_full((2, 1), 2)
    found = a.shift_right(y, 2)
    name_it(
        t,
        found,
        torch.cat((bos, y[:, :-1]), 1),
        [
            (
                "not-shifted",
                y,
                "the decoder reads what it is to say: it learns to copy. Shift by one to the right",
            ),
            ("bos-dropped", y[:, :-1], "the begin token is missing: nothing tells the decoder to start"),
            (
                "last-token-kept",
                torch.cat((bos, y), 1),
                "the last token is still there: the result is as long as y",
            ),
            ("shifted-left", torch.cat((y[:, 1:], bos), 1), "shifted to the left: bos comes first, then y"),
            ("shifted-left", y[:, 1:], "shifted to the left: bos comes first, then y without its last token"),
            ("shifted-cyclically", y.roll(1, 1), "the last token came back as the first: `bos` stands there"),
            (
                "overwrites-the-first",
                torch.cat((bos, y[:, 1:]), 1),
                "`bos` took the place of the first token: the tokens move one place to the right",
            ),
            (
                "shifts-the-batch",
                torch.cat((bos[:1].expand(1, 4), y[:-1])),
                "that shifts the rows of the batch",
            ),
        ],
    )
    for value, what in ((0, "0"), (1, "1")):
        t.that(
            not same(found, torch.cat((bos * 0 + value, y[:, :-1]), 1)),
            f"the first token is {what}, whatever `bos` is: use the argument",
            diagnosis="bos-ignored",
        )
    t.that(
        found.dtype == torch.int64,
        f"int64 tokens came back as {found.dtype}: keep the dtype",
        diagnosis="shift-changes-the-dtype",
    )
    t.that(
        same(found, torch.cat((bos, y[:, :-1]), 1)),
        f"shift_right(y, bos=2) of {numbers(y)} is {numbers(found)}",
        diagnosis="shift-wrong",
    )
    for size in (0, 1):
        words = f"shift_right of a [2, {size}] tensor"
        empty = tried(t, lambda size=size: a.shift_right(y[:, :size], 2), "shift-of-nothing", words)
        t.that(
            same(empty, bos[:, :size]),
            f"{words} gave {numbers(empty)}, expected {numbers(bos[:, :size])}",
            diagnosis="shift-of-nothing",
        )


@probe("the-loss")
def loss(a: Any, t: Trial) -> None:
    logits, target = 2 * t.randn(2, 4, 5), torch.tensor([[4, 2, 1, 0], [3, 1, 0, 0]])
    total, count = pair_of(t, a.seq_loss(logits, target, pad=0))
    right, tokens = right_loss(logits, target, 0)
    everything, _ = right_loss(logits, target, -1)
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
            ("count-of-rows", 3, "the count is 3, the number of pads: 5 tokens are real"),
        ],
    )
    t.that(
        same(total, right),
        f"the total of 5 tokens is {float(total):.4f}, expected {float(right):.4f}",
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
        t, tried(t, lambda: a.seq_loss(logits, target, pad=-100), "pad-outside-the-vocabulary", words)
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
        same(total, right),
        f"with smoothing=0.3 the total is {float(total):.4f}, expected {float(right):.4f}: "
        "Σ_c q_c (−log p_c) with q_c = (1 − ε)[c = y] + ε/V",
        diagnosis="smoothing-wrong",
    )
    for value in (0.0, 1.0):
        found, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=value))
        t.that(
            same(found, right_loss(logits, target, 0, value)[0]),
            f"smoothing={value:g} gives {float(found):.4f}, expected "
            f"{float(right_loss(logits, target, 0, value)[0]):.4f}",
            diagnosis="smoothing-at-its-ends",
        )


@probe("overflow")
def overflow(a: Any, t: Trial) -> str | None:
    total, _ = pair_of(t, a.seq_loss(tensor([[[1e4, 0.0, -1e4]]]), torch.tensor([[1]]), pad=0))
    if not same(total, tensor(1e4)):
        return (
            f"logits (10⁴, 0, −10⁴) with target 1 cost {float(total):.4g}, expected 10⁴: exp overflows or "
            "log(0) "
            "appears. Use `log_softmax`, or subtract the maximum first"
        )
    return None


@probe("infinite-logits")
def infinite(a: Any, t: Trial) -> str | None:
    logits, target = tensor([[[0.0, 0.0, -math.inf]]]), torch.tensor([[1]])
    total, _ = pair_of(t, a.seq_loss(logits, target, pad=0))
    if not same(total, tensor(math.log(2))):
        return (
            f"a logit of −∞ for a class that is not the target gives {float(total):.4g} with smoothing 0, "
            "expected "
            "log 2 = 0.6931: 0 · ∞ is NaN, so leave the uniform part out when smoothing is 0"
        )
    total, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=0.1))
    if not same(total, tensor(math.inf)):
        t.fail(
            f"with smoothing=0.1 a class of probability 0 gives {float(total):.4g}, expected inf: its −log "
            "p is ∞",
            diagnosis="infinity-lost",
        )
    return None


@probe("padding-not-silent")
def silent_padding(a: Any, t: Trial) -> str | None:
    logits = t.randn(1, 3, 4)
    logits[0, 2] = math.nan
    logits.requires_grad_()
    total, _ = pair_of(t, a.seq_loss(logits, torch.tensor([[1, 2, 0]]), pad=0, smoothing=0.1))
    if bool(total.isnan()):
        return "NaN logits at a padded position make the total NaN: 0 · NaN is NaN. Select the real positions"
    t.that(
        total.requires_grad,
        "the total has no graph: it cannot be trained with. Something was detached",
        diagnosis="detached",
    )
    total.backward()
    assert logits.grad is not None
    if not bool((logits.grad[0, 2] == 0).all()):
        t.fail(
            f"the gradient at a padded position is {numbers(logits.grad[0, 2])}, expected zeros: NaN comes "
            "back "
            "through a multiplication by 0. Select the real positions before computing",
            diagnosis="padding-gets-gradient",
        )
    return None


@probe("nothing-left")
def nothing(a: Any, t: Trial) -> str | None:
    logits = t.randn(1, 2, 3).requires_grad_()
    words = "seq_loss of padding alone"
    for eps in (0.0, 0.1):
        total, count = pair_of(
            t,
            tried(
                t,
                lambda eps=eps: a.seq_loss(logits, torch.zeros(1, 2).long(), pad=0, smoothing=eps),
                "nothing-left",
                words,
            ),
        )
        if not same(total, tensor(0.0)) or count != 0:
            return f"{words} gave ({float(total):.4g}, {count}), expected (0, 0)"
        if not total.requires_grad:
            return f"{words} has no graph: `backward()` must work, and give gradients of 0"
    return None


@probe("precision")
def precision(a: Any, t: Trial) -> str | None:
    target = torch.randint(1, 50, (1, 300), generator=t.generator)
    for dtype in (torch.bfloat16, torch.float16, torch.float32, F64):
        logits = (3 * t.randn(1, 300, 50)).to(dtype)
        total, _ = pair_of(t, a.seq_loss(logits, target, pad=0, smoothing=0.1))
        wanted = F64 if dtype == F64 else torch.float32
        if total.dtype != wanted:
            return f"logits in {dtype} give a total in {total.dtype}, expected {wanted}"
        right = right_loss(logits, target, 0, 0.1)[0]
        if not same(total, right, rtol=2e-5, atol=1e-3):
            return (
                f"logits in {dtype} give {float(total):.3f}, expected {float(right):.3f}: convert to "
                "float32 before "
                "the softmax and the sum"
            )
    return None


@probe("noam")
def schedule(a: Any, t: Trial) -> None:
    def f(step: int, **how: Any) -> Any:
        words = f"noam({step}, 64, 100)"
        return tried(
            t, lambda: a.noam(step, 64, 100, **how), "noam-at-zero" if step == 0 else "noam-raises", words
        )

    found = [f(step) for step in (1, 50, 100, 400)]
    t.that(
        all(isinstance(value, float) for value in found),
        f"noam returned a {type(found[0]).__name__}, expected a float",
        diagnosis="noam-is-no-float",
    )

    def values(rate: Any) -> list[float]:
        return [rate(step) for step in (1, 50, 100, 400)]

    name_it(
        t,
        found,
        values(lambda s: 64**-0.5 * min(s**-0.5, s * 100**-1.5)),
        [
            (
                "noam-without-warm-up",
                values(lambda s: 64**-0.5 * s**-0.5),
                "there is no warm-up: the rate is highest at step 1. Take the *smaller* of the two terms",
            ),
            (
                "noam-maximum",
                values(lambda s: 64**-0.5 * max(s**-0.5, s * 100**-1.5)),
                "the larger of the two terms was taken: the rate grows for ever. Take the smaller",
            ),
            ("noam-width", values(lambda s: min(s**-0.5, s * 100**-1.5)), "the factor d^(−½) is missing"),
            (
                "noam-width",
                values(lambda s: 8 * min(s**-0.5, s * 100**-1.5)),
                "√d was multiplied: it is d^(−½)",
            ),
            ("noam-width", values(lambda s: min(s**-0.5, s * 100**-1.5) / 64), "divided by d: it is d^(−½)"),
            (
                "noam-warm-up-exponent",
                values(lambda s: 64**-0.5 * min(s**-0.5, s / 100)),
                "the warm-up is s / w: it is s · w^(−3/2), so that both terms meet at s = w",
            ),
            (
                "noam-warm-up-exponent",
                values(lambda s: 64**-0.5 * min(s**-0.5, s * 100**-0.5)),
                "the warm-up is s · w^(−½): it is s · w^(−3/2), so that both terms meet at s = w",
            ),
            (
                "noam-counts-from-zero",
                values(lambda s: 64**-0.5 * min((s + 1) ** -0.5, (s + 1) * 100**-1.5)),
                "1 was added to the step: steps count from 1, only step 0 counts as step 1",
            ),
        ],
    )
    t.that(
        same(f(0), f(1)),
        f"noam(0) is {f(0):.4g}, expected the rate of step 1, {f(1):.4g}",
        diagnosis="noam-at-zero",
    )
    t.that(
        same(f(50, factor=3.0), 3 * found[1], rtol=1e-9), "`factor` has no effect", diagnosis="noam-factor"
    )
    right = values(lambda s: 64**-0.5 * min(s**-0.5, s * 100**-1.5))
    t.that(
        same(found, right),
        f"noam(s, 64, 100) at 1, 50, 100, 400 is {numbers(found)}, expected {numbers(right)}",
        diagnosis="noam-wrong",
    )


@probe("accuracy")
def accuracy(a: Any, t: Trial) -> None:
    target = torch.tensor([[1, 2, 0, 0, 0], [3, 1, 2, 3, 0]])  # six tokens, four pads
    logits = torch.zeros(2, 5, 4, dtype=F64)
    said = torch.tensor([[1, 2, 0, 0, 3], [3, 2, 1, 3, 0]])  # 4 of 6 right; of the pads 3 of 4
    logits.scatter_(2, said[..., None], 5.0)
    found = a.token_accuracy(logits, target, 0)
    t.that(
        isinstance(found, float),
        f"token_accuracy returned a {type(found).__name__}, expected a float",
        diagnosis="accuracy-is-no-float",
    )
    name_it(
        t,
        found,
        4 / 6,
        [
            ("accuracy-counts-pads", 7 / 10, "7 of 10 is with the padding: 4 of 6 tokens are right"),
            (
                "accuracy-divides-by-all",
                4 / 10,
                "4 of 10: only the 6 tokens that are not padding are divided by",
            ),
            ("accuracy-counts-pads", 7 / 6, "padded positions count as right: 4 of 6"),
            (
                "accuracy-is-a-count",
                4.0,
                "that is the number of right tokens: divide by the number of tokens",
            ),
            ("accuracy-is-a-percentage", 400 / 6, "that is a percentage: return a share from 0 to 1"),
            ("accuracy-of-sequences", 0.5, "that is the share of whole sequences: count tokens"),
            (
                "accuracy-averages-rows",
                (1 + 0.5) / 2,
                "each row's accuracy was averaged: all tokens count alike",
            ),
            ("error-instead-of-accuracy", 2 / 6, "that is the share of wrong tokens"),
        ],
        rtol=1e-6,
    )
    t.that(
        same(found, 4 / 6, rtol=1e-6),
        f"4 of 6 tokens are right, found {found:.4g}",
        diagnosis="accuracy-wrong",
    )
    found = a.token_accuracy(logits, target, 3)
    t.that(
        same(found, 5 / 8, rtol=1e-6),
        f"with pad=3 the accuracy is {found:.4g}, expected 5 of 8: `pad` is an argument, and 0 a token",
        diagnosis="accuracy-pad-fixed",
    )
    words = "token_accuracy of padding alone"
    nothing = torch.zeros(1, 2).long()
    found = tried(t, lambda: a.token_accuracy(logits[:1, :2], nothing, 0), "accuracy-of-nothing", words)
    t.that(same(found, 0.0), f"{words} is {found}, expected 0.0", diagnosis="accuracy-of-nothing")
