"""W1 to W4: masks of a decoder, the chance of a sentence, where a text ends, what a cache costs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import family, name_it
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import pictures_warmups as pictures
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import real

w1 = Exercise(
    "W1",
    takes={"decoder_masks": tuple},
    hints=(
        "Two questions for each pair (query, key): may I look at that place, and is there a token?",
        "self = (j ≤ i) and target_real[j]; memory = source_real[j].",
        "`torch.ones(T, T, dtype=torch.bool).tril() & target_real[:, None, None, :]`",
    ),
)


def right_masks(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    past = torch.arange(target.shape[1])
    return (past <= past[:, None]) & target[:, None, None, :], source[:, None, None, :]


@w1.probe("the-masks")
def masks(a: Any, t: Trial) -> None:
    source, target = real(t, 3, 2, size=3), real(t, 2, 4, size=4)
    pair = a.decoder_masks(source, target)
    t.that(len(pair) == 2, f"decoder_masks returned {len(pair)} things, expected two", diagnosis="not-a-pair")
    own, memory = pair
    own_right, memory_right = right_masks(source, target)
    t.that(
        not same(own, memory_right),
        "the pair came as (memory_mask, self_mask): the self mask is the first",
        diagnosis="pair-in-the-wrong-order",
    )
    for name, found in (("self_mask", own), ("memory_mask", memory)):
        t.that(
            isinstance(found, Tensor) and found.dtype == torch.bool,
            f"`{name}` is {getattr(found, 'dtype', type(found).__name__)}, expected booleans",
            diagnosis="mask-is-not-boolean",
        )
    past, tokens = torch.ones(4, 4, dtype=torch.bool).tril(), target[:, None, None, :].expand(2, 1, 4, 4)
    queries = target[:, None, :, None]
    name_it(
        t,
        own,
        own_right,
        [
            ("no-future-hidden", tokens, "position 0 sees the future: add j ≤ i"),
            ("no-future-hidden", target[:, None, None, :], "position 0 sees the future: add j ≤ i"),
            ("padding-not-hidden", past.expand(2, 1, 4, 4), "padded keys are visible: and target_real[j]"),
            ("padding-not-hidden", past, "padded keys are visible, and the batch is missing: [B, 1, T, T]"),
            ("sees-only-the-future", ~past & tokens, "the triangle is the wrong one: j ≤ i, not j > i"),
            ("sees-only-the-future", past.T & tokens, "the triangle is upside down: j ≤ i, not j ≥ i"),
            (
                "does-not-see-itself",
                past.tril(-1) & tokens,
                "a position does not see itself: j ≤ i, not j < i",
            ),
            ("combined-with-or", past | tokens, "both must hold: `&`, not `|`"),
            ("true-means-ignore", ~own_right, "the mask is inverted: True is what may be seen"),
            (
                "padding-hides-queries",
                past & queries,
                "padding hides queries here: it hides keys, the last axis",
            ),
            (
                "padding-hides-queries",
                past & queries & tokens,
                "padding hides queries too: it hides keys only",
            ),
        ],
    )
    name_it(
        t,
        memory,
        memory_right,
        [
            (
                "memory-mask-repeated",
                memory_right.expand(2, 1, 4, 3),
                "`memory_mask` is [B, 1, T, S], one row a query: one row serves all, [B, 1, 1, S]",
            ),
            ("true-means-ignore", ~memory_right, "`memory_mask` is inverted: True is a real token"),
            (
                "memory-mask-from-the-target",
                target[:, None, None, :],
                "`memory_mask` is made of the target's padding: the memory is the source",
            ),
        ],
    )
    for name, found, right in (("self_mask", own, own_right), ("memory_mask", memory, memory_right)):
        if found.shape != right.shape and found.squeeze().shape == right.squeeze().shape:
            t.fail(
                f"`{name}` has shape {tuple(found.shape)}, expected {tuple(right.shape)}: the axis of the "
                "heads is the second one",
                diagnosis="axis-of-the-heads",
            )


@w1.property("both masks, for every length")
def every_length(a: Any, t: Trial) -> None:
    for batch, source, target in ((1, 1, 1), (2, 3, 1), (3, 2, 4), (2, 5, 5)):
        tokens = t.rand(batch, source) < 0.6, t.rand(batch, target) < 0.6  # padding may stand anywhere
        with family("masks-at-the-edge", f"source {batch}×{source}, target {batch}×{target}"):
            t.equal(tuple(a.decoder_masks(*tokens)), right_masks(*tokens))


w2 = Exercise(
    "W2",
    takes={"log_probability": Tensor},
    hints=(
        "One number of each row of logits matters: that of the token which is there. But first make the row "
        "a logarithm of probabilities.",
        "Σ over real t of log_softmax(logits)[t, token_t].",
        "`logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)`, then `torch.where(real, …, 0)`",
    ),
)


def right_sums(logits: Tensor, tokens: Tensor, given: Tensor) -> Tensor:
    sums = []
    for rows, labels, there in zip(logits.double(), tokens.tolist(), given.tolist(), strict=True):
        parts = [row[y] - row.logsumexp(0) for row, y, ok in zip(rows, labels, there, strict=True) if ok]
        sums.append(torch.stack(parts).sum() if parts else torch.zeros((), dtype=torch.float64))
    return torch.stack(sums) if sums else torch.zeros(0, dtype=torch.float64)


@w2.probe("the-sum")
def sums(a: Any, t: Trial) -> None:
    logits, tokens, given = t.randn(2, 3, 4), torch.tensor([[1, 3, 2], [0, 2, 1]]), real(t, 3, 2, size=3)
    right = right_sums(logits, tokens, given)
    lp = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    raw = logits.gather(-1, tokens[..., None])[..., 0]
    p = lp.exp()
    found = a.log_probability(logits, tokens, given)
    name_it(
        t,
        found,
        right,
        [
            ("padding-counted", lp.sum(1), "padding is in the sum: only real tokens count"),
            (
                "logits-summed",
                (raw * given).sum(1),
                "logits were added up: `log_softmax` makes log-probabilities",
            ),
            ("no-logarithm", (p * given).sum(1), "probabilities were added up: add their logarithms"),
            (
                "no-logarithm",
                torch.where(given, p, 1.0).prod(1),
                "that is the probability: its logarithm is asked for",
            ),
            ("sign", -right, "the sign is wrong: log p is negative"),
            ("axis-kept", right[:, None], "the result is [B, 1]: one number a row, [B]"),
            (
                "shifted-against-the-logits",
                (logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0] * given[:, 1:]).sum(
                    1
                ),
                "row t was taken for the token at t + 1: row t of `logits` scores what stands at position t",
            ),
            (
                "mean",
                (lp * given).sum(1) / given.sum(1),
                "that is the mean over the tokens: the sum is asked for",
            ),
            ("mean", (lp * given).mean(1), "that is a mean: the sum is asked for"),
            ("whole-batch", right.sum(), "that is one number for the whole batch: one a row, [B]"),
            ("per-token", lp * given, "that is one number a token: add up over the positions"),
            (
                "best-token",
                torch.where(given, logits.log_softmax(-1).amax(-1), 0.0).sum(1),
                "that is the log-probability of the likeliest tokens: of those in `tokens`",
            ),
            ("mask-inverted", (lp * ~given).sum(1), "the padding was added up instead of the tokens"),
            (
                "softmax-over-time",
                (logits.log_softmax(1).gather(-1, tokens[..., None])[..., 0] * given).sum(1),
                "the softmax runs over the positions: it runs over the vocabulary, the last axis",
            ),
        ],
    )


@w2.probe("underflow")
def underflow(a: Any, t: Trial) -> str | None:
    logits = torch.tensor([1000.0, 0.0], dtype=torch.float64).expand(1, 3, 2)
    found = a.log_probability(logits, torch.ones(1, 3).long(), torch.ones(1, 3, dtype=torch.bool))
    if not same(found, torch.tensor([-3000.0])):
        return (
            f"three tokens of log-probability −1000 give {numbers(found)}: a probability rounded to 0 on "
            "the way"
        )
    return None


@w2.probe("padding-leaks")
def leaks(a: Any, t: Trial) -> str | None:
    logits = torch.tensor([[[0.0, 0.0], [-math.inf, 0.0], [math.nan, 0.0]]], dtype=torch.float64)
    found = a.log_probability(logits, torch.zeros(1, 3).long(), real(t, 1, size=3))
    if not same(found, torch.tensor([-math.log(2)])):
        return f"padding that holds −∞ or NaN makes the sum {numbers(found)}: 0 · ∞ is NaN. Use `torch.where`"
    return None


@w2.property("log p of every row")
def every_row(a: Any, t: Trial) -> None:
    for batch, length, classes in ((1, 1, 1), (2, 3, 4), (3, 2, 7), (3, 1, 4)):
        for dtype in (torch.float64, torch.float32):
            logits = (3 * t.randn(batch, length, classes)).to(dtype)
            tokens, given = t.randint(0, classes, batch, length), t.rand(batch, length) < 0.6
            with family("sum-at-the-edge", f"logits {tuple(logits.shape)}, {dtype}"):
                t.equal(a.log_probability(logits, tokens, given), right_sums(logits, tokens, given).to(dtype))


w3 = Exercise(
    "W3",
    takes={"until_end": list},
    hints=(
        "Where does `end` stand first? What comes after does not count, whatever it is.",
        "row[:k] with k the index of the first end, or the whole row if there is none.",
        "`row[: row.index(end)] if end in row else row`, for each row of `tokens.tolist()`",
    ),
)


@w3.probe("the-cut")
def cut(a: Any, t: Trial) -> None:
    tokens = torch.tensor([[5, 6, 3, 6, 3], [3, 7, 7, 7, 7], [8, 8, 8, 8, 8]])
    found = a.until_end(tokens, 3)
    name_it(
        t,
        found,
        [[5, 6], [], [8, 8, 8, 8, 8]],
        [
            ("keeps-the-end", [[5, 6, 3], [3], [8] * 5], "the end token is still there: cut before it"),
            (
                "only-removes-ends",
                [[5, 6, 6], [7] * 4, [8] * 5],
                "text after the end: cut there, do not filter",
            ),
            ("cuts-at-the-last-end", [[5, 6, 3, 6], [], [8] * 5], "cut at the *first* end token"),
            (
                "drops-rows-without-end",
                [[5, 6], []],
                "the row without an end token is missing: it comes whole",
            ),
            ("drops-rows-without-end", [[5, 6], [], []], "the row without an end token comes whole"),
            (
                "loses-the-last-token",
                [[5, 6], [], [8] * 4],
                "the row without an end token lost its last token",
            ),
            ("drops-empty-rows", [[5, 6], [8] * 5], "a row that ends at once is an empty list, not nothing"),
            ("nothing-cut", tokens.tolist(), "nothing was cut"),
        ],
    )
    numbers_only = all(isinstance(row, list) and all(type(x) is int for x in row) for row in found)
    t.that(numbers_only, "the rows hold tensors: a list of lists of ints is asked for", diagnosis="not-ints")


@w3.probe("end-fixed")
def end_argument(a: Any, t: Trial) -> str | None:
    if same(a.until_end(torch.tensor([[5, 6, 3, 6, 0]]), 6), [[5, 6]]):
        return "with end=6 the row was cut at 3: use the argument"
    if not same(a.until_end(torch.tensor([[5, 0, 3, 6]]), 0), [[5]]):
        t.fail("end=0 is not found: 0 is a token like any other", diagnosis="end-zero")
    return None


@w3.property("every row, up to its end")
def rows(a: Any, t: Trial) -> None:
    for batch, length in ((1, 1), (2, 3), (4, 6)):
        tokens = t.randint(0, 4, batch, length)
        right = []
        for row in tokens.tolist():
            kept = []
            for token in row:
                if token == 2:
                    break
                kept.append(token)
            right.append(kept)
        with family("rows-at-the-edge", f"tokens {tuple(tokens.shape)}"):
            t.equal(a.until_end(tokens, 2), right)


w1.reward(pictures.masks)
w2.reward(pictures.shrinking)
w3.reward(pictures.noise)
