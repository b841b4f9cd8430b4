"""The known mistakes of E2's shift, schedule and accuracy, each by its value on a few numbers."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import F64

probe = Probes()


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
        empty = value_of(t, lambda size=size: a.shift_right(y[:, :size], 2), "shift-of-nothing", words)
        t.that(
            same(empty, bos[:, :size]),
            f"{words} gave {numbers(empty)}, expected {numbers(bos[:, :size])}",
            diagnosis="shift-of-nothing",
        )


@probe("noam")
def schedule(a: Any, t: Trial) -> None:
    def f(step: int, **how: Any) -> Any:
        words = f"noam({step}, 64, 100)"
        return value_of(
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
                "noam-decay",
                values(lambda s: 64**-0.5 * min(1 / s, s * 100**-1.5)),
                "after the warm-up the rate falls like 1/s: it falls like one over the *root* of s",
            ),
            (
                "noam-decay",
                values(lambda s: 64**-0.5 * min(100**-0.5, s * 100**-1.5)),
                "after the warm-up the rate stays where it is: it falls like one over the root of s",
            ),
            (
                "noam-arguments-exchanged",
                values(lambda s: 100**-0.5 * min(s**-0.5, s * 64**-1.5)),
                "`d` and `warmup` are exchanged: the order is step, d, warmup, factor",
            ),
            (
                "noam-width",
                values(lambda s: 512**-0.5 * min(s**-0.5, s * 100**-1.5)),
                "that is the rate of a model of width 512: `d` is an argument",
            ),
            (
                "noam-counts-from-zero",
                values(lambda s: 64**-0.5 * min((s + 1) ** -0.5, (s + 1) * 100**-1.5)),
                "1 was added to the step: steps count from 1, only step 0 counts as step 1",
            ),
        ],
    )
    right = values(lambda s: 64**-0.5 * min(s**-0.5, s * 100**-1.5))
    t.that(
        same(found, right),
        f"noam(s, 64, 100) at 1, 50, 100, 400 is {numbers(found)}, expected {numbers(right)}",
        diagnosis="noam-wrong",
    )
    t.that(
        same(f(0), f(1)),
        f"noam(0) is {f(0):.4g}, expected the rate of step 1, {f(1):.4g}",
        diagnosis="noam-at-zero",
    )
    t.that(
        same(f(50, factor=1.0), found[1]),
        "without `factor` the rate is another than with factor=1.0, the default",
        diagnosis="noam-factor",
    )
    times = [value and f(step, factor=3.0) / value for step, value in ((50, found[1]), (400, found[3]))]
    t.that(not same(times, [1.0, 1.0]), "`factor` has no effect", diagnosis="noam-factor")
    t.that(
        same(times, [3.0, 3.0]),
        f"factor=3 makes the rate {numbers(times)} times what it is at the steps 50 and 400 of 100 steps of "
        "warm-up: it multiplies the whole, in the warm-up and after it",
        diagnosis="noam-factor",
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
    found = value_of(t, lambda: a.token_accuracy(logits[:1, :2], nothing, 0), "accuracy-of-nothing", words)
    t.that(same(found, 0.0), f"{words} is {found}, expected 0.0", diagnosis="accuracy-of-nothing")
