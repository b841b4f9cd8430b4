"""W4: a padded batch, and what in it is real."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.compare import same
from courseware.check.naming import family, name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures_warmups as pictures

w4 = Exercise(
    "W4",
    takes={"pad_batch": tuple},
    hints=(
        "First the lengths of all texts, then a tensor of zeros as wide as the longest, then one row at a "
        "time.",
        "real[b, t] is t < lengths[b]: a row of positions against a column of lengths.",
        "`tokens = sequences[0].new_zeros(B, T)`; `row[: len(sequence)] = sequence`; `real = torch.arange(T) "
        "< lengths[:, None]`.",
    ),
)


def padded(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    lists = [s.tolist() for s in sequences]
    longest = max(map(len, lists))
    tokens = torch.tensor([x + [0] * (longest - len(x)) for x in lists], dtype=sequences[0].dtype)
    real = [[i < len(x) for i in range(longest)] for x in lists]
    return tokens.reshape(len(lists), longest), torch.tensor(real, dtype=torch.bool).reshape(
        len(lists), longest
    )


@w4.probe("the-batch")
def wrong_batches(a: Any, t: Trial) -> None:
    texts = [torch.tensor([5]), torch.tensor([7, 8, 9])]
    pair = value_of(t, lambda: a.pad_batch(texts), "pad-batch-fails", "pad_batch of texts of 1 and 3 tokens")
    t.that(
        len(pair) == 2 and all(isinstance(x, Tensor) for x in pair),
        f"pad_batch returns the pair (tokens, real), two tensors; yours has {len(pair)} parts",
        diagnosis="not-a-pair",
    )
    tokens, real = pair
    right, right_real = padded(texts)
    t.that(
        not (tokens.dtype == torch.bool and real.dtype != torch.bool),
        "the pair came as (real, tokens); it is (tokens, real)",
        diagnosis="pair-in-the-wrong-order",
    )
    t.that(
        real.dtype == torch.bool,
        f"`real` is {real.dtype}: a mask is boolean",
        diagnosis="mask-not-boolean",
    )
    cases = [
        ("padded-on-the-left", torch.tensor([[0, 0, 5], [7, 8, 9]]), "the padding stands on the left"),
        ("cut-to-the-shortest", torch.tensor([[5], [7]]), "long texts were cut: T is the *largest* length"),
        ("time-first", right.T, "the result is [T, B]: each text is a row (`batch_first=True`)"),
        ("padded-with-another-number", torch.tensor([[5, -1, -1], [7, 8, 9]]), "fill up with 0, not −1"),
        ("padded-with-another-number", torch.tensor([[5, 1, 1], [7, 8, 9]]), "fill up with 0, not 1"),
        ("padded-with-another-number", torch.tensor([[5, 5, 5], [7, 8, 9]]), "fill up with 0, not with the "
                                                                             "last "
         "token"),
    ]  # fmt: skip
    name_it(t, tokens, right, cases)
    t.that(
        tokens.shape != (2, 4),
        "the batch is one column too wide: T is the largest length",
        diagnosis="one-too-wide",
    )
    words = "the mask is inverted: True means *real* here (in `nn.TransformerEncoder` it means padding)"
    name_it(
        t,
        real,
        right_real,
        [
            ("mask-inverted", ~right_real, words),
            ("mask-all-true", torch.ones(2, 3).bool(), "the mask is True everywhere: padding is not real"),
            (
                "mask-off-by-one",
                torch.arange(3) <= torch.tensor([[1], [3]]),
                "one padded place counts as real",
            ),
            (
                "mask-off-by-one",
                torch.arange(3) < torch.tensor([[0], [2]]),
                "the last token counts as padding",
            ),
        ],
    )


@w4.probe("mask-from-the-tokens")
def zero_is_a_token(a: Any, t: Trial) -> str | None:
    _, real = a.pad_batch([torch.tensor([0, 4, 0]), torch.tensor([3])])
    if same(real, torch.tensor([[False, True, False], [True, False, False]])):
        return (
            "the text (0, 4, 0) has three real tokens, your mask says one: 0 may be a token. Make the mask "
            "from the lengths"
        )
    return None


@w4.probe("other-dtype")
def keeps_dtype_of_tokens(a: Any, t: Trial) -> str | None:
    for dtype in (torch.int32, torch.uint8):
        found = a.pad_batch([torch.tensor([1, 2], dtype=dtype), torch.tensor([3], dtype=dtype)])[0].dtype
        if found != dtype:
            return f"texts of {dtype} came back as {found}: the batch has the dtype of the texts"
    return None


@w4.probe("rows-in-another-order")
def keeps_the_order(a: Any, t: Trial) -> None:
    texts = [torch.tensor([5, 6]), torch.tensor([7, 8, 9]), torch.tensor([4])]
    given, (right, _) = list(texts), padded(texts)
    tokens, _ = a.pad_batch(texts)
    t.that(
        same(tokens, right) or not same(tokens[tokens[:, 0].argsort()], right[right[:, 0].argsort()]),
        "the rows came in another order than the texts (by length?): row b is text b",
        diagnosis="rows-in-another-order",
    )
    t.that(
        all(one is other for one, other in zip(texts, given, strict=True)),
        "the caller's list is in another order afterwards: `sequences.sort()` changes it, `sorted` does not",
        diagnosis="changes-its-input",
    )


@w4.probe("empty-texts")
def empties(a: Any, t: Trial) -> None:
    for lengths in ((0, 2), (2, 0), (0,), (0, 0)):
        texts = [torch.arange(1, n + 1) for n in lengths]
        with family("empty-texts", f"texts of the lengths {lengths}"):
            right = padded(texts)
            t.equal(tuple(a.pad_batch(texts)), right)


@w4.property("every text in its row, and what is real")
def batches(a: Any, t: Trial) -> None:
    for count in (1, 2, 3, 6):
        texts = [t.randint(0, 50, t.random.randint(0, 7)) for _ in range(count)]
        right = padded(texts)
        t.equal(tuple(a.pad_batch(texts)), right)
    t.equal(tuple(a.pad_batch([torch.tensor([4])])), padded([torch.tensor([4])]))


w4.reward(pictures.a_padded_batch)
