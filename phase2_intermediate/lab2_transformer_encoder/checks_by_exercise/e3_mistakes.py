"""The known mistakes of E3's two poolings; those of packing are in `e3_mistakes_packing`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import double

probe = Probes()


def example() -> tuple[Tensor, Tensor]:
    """h [2, 4, 2] and its mask, new at each call: an answer that writes into them spoils nobody else's."""
    first = [[1.0, -8.0], [3.0, -2.0], [50.0, 60.0], [70.0, 81.0]]
    second = [[2.0, -1.0], [4.0, -3.0], [9.0, -5.0], [1.0, -6.0]]
    return double([first, second]), torch.tensor([[True, True, False, False], [True, True, True, True]])


def by_rows(h: Tensor, mask: Tensor, kind: str) -> Tensor:
    """The definition: take the real rows of each text, then mean or maximum."""
    rows = []
    for vectors, real in zip(h.double(), mask, strict=True):
        kept = vectors[real]
        if len(kept) == 0:
            rows.append(torch.zeros(h.shape[2], dtype=torch.float64))
        else:
            rows.append(kept.mean(0) if kind == "mean" else kept.amax(0))
    return torch.stack(rows) if rows else h.double().new_zeros(0, h.shape[2])


@probe("the-mean")
def wrong_means(a: Any, t: Trial) -> None:
    given, real = example()
    found = value_of(t, lambda: a.masked_mean(given, real), "mean-fails", "masked_mean with h [2, 4, 2]")
    total = (given * real[:, :, None]).sum(1)
    right = by_rows(given, real, "mean")
    cases = [
        ("mean-over-padding", given.mean(1), "that is the mean over all places: pad the text further, and "
                                             "its "
                                         "vector "
         "changes"),
        ("divided-by-t", total / 4, "the sum is over real tokens, but it is divided by T: divide by the "
                                    "number of real "
         "tokens"),
        ("sum-not-mean", total, "that is the sum over the real tokens: divide by how many there are"),
        ("divided-by-all-tokens", total / 6, "the sum was divided by the real tokens of the whole batch: "
                                             "each text has "
         "its own number"),
        ("divided-by-all-tokens", total / 3, "the sum was divided by a mean length: each text has its own "
                                             "number"),
        ("divided-by-all-tokens", total.sum(0).expand(2, 2) / 6, "that is one mean for the whole batch"),
        ("mean-over-the-batch", (given * real[:, :, None]).sum(0) / real.sum(0)[:, None], "the mean runs "
                                                                                          "over "
                                                                                      "the texts, "
         "axis 0: it runs over the positions, axis 1"),
        ("divided-by-the-padding", total / (~real).sum(1, keepdim=True).clamp(min=1), "the sum was "
         "divided by the number of *padded* places: divide by the number of real tokens"),
        ("divided-by-the-features", right / 2, "the sum was divided by the number of features, too: the mean "
         "runs over the positions alone"),
        ("mask-of-another-text", (given * real[:1, :, None]).sum(1) / real.sum(1, keepdim=True), "the mask "
         "of the first text was used for all texts"),
        ("count-plus-one", total / double([[3.0], [5.0]]), "the sum was divided by the number of tokens "
                                                           "plus one"),
        ("first-token", given[:, 0], "that is the first token's vector"),
        ("last-token", given[torch.arange(2), real.sum(1) - 1], "that is the last token's vector"),
        ("mean-and-max-exchanged", by_rows(given, real, "max"), "`masked_mean` computes the maximum"),
        ("mask-inverted", (given * ~real[:, :, None]).sum(1) / (~real).sum(1, keepdim=True).clamp(min=1),
         "that is the mean over the padding: True means *real*"),
        ("mask-inverted", (given * ~real[:, :, None]).sum(1) / (~real).sum(1, keepdim=True), "that is the "
                                                                                             "mean "
                                                                                         "over the "
         "padding: True means *real*"),
    ]  # fmt: skip
    name_it(t, found, right, cases)
    t.that(
        same(found, right) or not same(found, right, rtol=0.01),
        f"the mean of 1 and 3 is {float(found.flatten()[0]):.6g}: nothing is added to the number of tokens; "
        "`clamp(min=1)` "
        "keeps 0 from dividing",
        diagnosis="something-added-to-the-count",
    )
    t.that(
        found.shape == (2, 2),
        f"masked_mean of h [2, 4, 2] has shape {tuple(found.shape)}, expected (2, 2)",
        diagnosis="shape-of-the-pooled",
    )


@probe("the-maximum")
def wrong_maxima(a: Any, t: Trial) -> None:
    given, real = example()
    found = value_of(t, lambda: a.masked_max(given, real), "max-fails", "masked_max with h [2, 4, 2]")
    cases = [
        ("max-over-padding", given.amax(1), "that is the maximum over all places, padding included"),
        ("max-filled-with-zero", (given * real[:, :, None]).amax(1), "the second feature is negative at all "
                                                                 "real tokens, "
         "and its maximum came out as 0: the padding was filled with 0. Fill it with −∞"),
        ("max-over-the-batch", given.masked_fill(~real[:, :, None], -torch.inf).amax(0), "the maximum runs "
                                                                                         "over "
                                                                                     "the texts, "
         "axis 0: it runs over the positions, axis 1"),
        ("negative-maxima-cut", by_rows(given, real, "max").relu(), "negative maxima came out as 0: a "
                                                                    "maximum "
                                                                "may be negative"),
        ("largest-vector", given[torch.arange(2), given.norm(dim=-1).masked_fill(~real, -1).argmax(1)],
         "that is the one vector with the largest norm: the maximum is taken for each feature by itself"),
        ("minimum", given.masked_fill(~real[:, :, None], torch.inf).amin(1), "that is the minimum"),
        ("largest-absolute-value", (given.abs() * real[:, :, None]).amax(1), "that is the largest *absolute* "
                                                                         "value"),
        ("mean-and-max-exchanged", by_rows(given, real, "mean"), "`masked_max` computes the mean"),
        ("mask-inverted", given.masked_fill(real[:, :, None], -torch.inf).amax(1), "that is the maximum over "
                                                                               "the padding: "
         "True means *real*"),
        ("mask-inverted", by_rows(given, ~real, "max"), "that is the maximum over the padding: True means "
                                                    "*real*"),
        ("where-not-which", given.masked_fill(~real[:, :, None], -torch.inf).argmax(1), "that is *where* the "
                                                                                    "maximum "
         "stands, not the maximum"),
    ]  # fmt: skip
    name_it(t, found, by_rows(given, real, "max"), cases)
    t.that(
        found.shape == (2, 2),
        f"masked_max of h [2, 4, 2] has shape {tuple(found.shape)}, expected (2, 2)",
        diagnosis="shape-of-the-pooled",
    )


@probe("padding-leaks")
def leaks(a: Any, t: Trial) -> None:
    given, real = example()
    for kind in ("mean", "max"):
        pool = getattr(a, f"masked_{kind}")
        if not same(pool(given, real), by_rows(given, real, kind)):
            return  # wrong with finite padding already
        for value, shown in ((torch.nan, "NaN"), (torch.inf, "∞"), (-torch.inf, "−∞")):
            h = given.masked_fill(~real[:, :, None], value)
            found = value_of(t, lambda p=pool, h=h: p(h, real), f"{kind}-fails", f"masked_{kind}")
            why = "0 · NaN is NaN, and so is 0 · ∞: " if kind == "mean" else ""
            t.equal(
                found,
                by_rows(given, real, kind),
                f"with {shown} in the padding masked_{kind} gives other numbers. {why}replace what is padded "
                "(`masked_fill`, `where`), do not multiply it",
                diagnosis="padding-leaks",
                dtype=False,
            )
        h = given.masked_fill(~real[:, :, None], torch.nan).requires_grad_()
        out = pool(h, real)
        t.that(
            out.requires_grad,
            f"the result of masked_{kind} is cut off from autograd",
            diagnosis="pooling-detached",
        )
        out.sum().backward()
        t.that(
            h.grad is not None and not bool(h.grad.isnan().any()),
            f"with NaN in the padding the *gradient* of masked_{kind} is NaN: replace before you compute",
            diagnosis="padding-leaks-in-the-gradient",
        )


@probe("real-numbers-hidden")
def hidden(a: Any, t: Trial) -> None:
    given, real = example()
    given[0, 1, 0] = torch.nan
    for kind in ("mean", "max"):
        found = value_of(
            t, lambda k=kind: getattr(a, f"masked_{k}")(given, real), f"{kind}-fails", f"masked_{kind}"
        )
        t.that(
            found.shape != (2, 2) or bool(found[0, 0].isnan()),
            f"a NaN at a *real* token is gone in masked_{kind}: replace what is padded, by the mask, and not "
            "what is NaN",
            diagnosis="real-numbers-hidden",
        )
    lowest = double([[[-torch.inf], [-torch.inf]]])
    found = value_of(t, lambda: a.masked_max(lowest, torch.ones(1, 2).bool()), "max-fails", "masked_max")
    t.that(
        same(found, lowest[:, 0]),
        f"the maximum of two *real* −∞ came out as {numbers(found)}: whether a text is empty stands in the "
        "mask, not in the maximum",
        diagnosis="real-numbers-hidden",
    )


@probe("empty-texts")
def empty(a: Any, t: Trial) -> None:
    given, _ = example()
    mask = torch.tensor([[False] * 4, [True] * 4])
    for kind in ("mean", "max"):
        pool = getattr(a, f"masked_{kind}")
        found = value_of(t, lambda p=pool: p(given, mask), "empty-texts", f"masked_{kind} with an empty text")
        t.that(
            same(found[0], torch.zeros(2)),
            f"masked_{kind} of a text without any real token is {numbers(found[0])}, expected zeros",
            diagnosis="empty-texts",
        )
        h = given.clone().requires_grad_()
        pool(h, mask).sum().backward()
        t.that(
            h.grad is not None and not bool(h.grad.isnan().any()),
            f"the gradient of masked_{kind} is NaN where a text has no real token: mend the denominator or "
            "the fill "
            "before it is used",
            diagnosis="empty-texts-gradient",
        )
        for shape in ((2, 0, 3), (0, 4, 3), (0, 0, 3)):
            words = f"masked_{kind} with h {shape}"
            found = value_of(
                t,
                lambda p=pool, s=shape: p(torch.zeros(s), torch.zeros(s[:2], dtype=torch.bool)),
                "no-places-at-all",
                words,
            )
            t.equal(found, torch.zeros(shape[0], 3), words, diagnosis="no-places-at-all")


@probe("mask-with-holes")
def holes(a: Any, t: Trial) -> None:
    given, _ = example()
    mask = torch.tensor([[False, True, False, True], [True, False, True, False]])
    x, on_the_left = t.randn(3, 4, 2), torch.arange(4) < torch.tensor([[2], [4], [1]])
    for kind in ("mean", "max"):
        if not same(getattr(a, f"masked_{kind}")(x, on_the_left), by_rows(x, on_the_left, kind)):
            continue  # wrong without holes, too
        found = value_of(
            t, lambda k=kind: getattr(a, f"masked_{k}")(given, mask), f"{kind}-fails", f"masked_{kind}"
        )
        t.equal(
            found,
            by_rows(given, mask, kind),
            f"masked_{kind} with a mask that is not True on the left only: the mask says which places "
            "count, its sum "
            "only says how many",
            diagnosis="mask-with-holes",
            dtype=False,
        )


@probe("finite-fill")
def extremes(a: Any, t: Trial) -> str | None:
    h = torch.full((1, 2, 1), -1e30, dtype=torch.float64)
    found = a.masked_max(h, torch.tensor([[True, False]]))
    if not same(found, double([[-1e30]]), rtol=1e-3):
        return (
            f"a real value of −10³⁰ came back as {numbers(found)}: the padding was filled with a larger "
            "number"
        )
    half = a.masked_max(torch.full((1, 2, 1), -6e4, dtype=torch.float16), torch.tensor([[True, False]]))
    if not same(half, double([[-6e4]]), rtol=1e-2):
        return f"in float16 a real value of −60,000 came back as {numbers(half)}: fill with −∞"
    lowest = double([[[-torch.inf], [0.0]]])
    found = a.masked_max(lowest, torch.tensor([[True, False]]))
    if not same(found, lowest[:, 0]):
        return f"a real −∞ came back as {numbers(found)}: fill with −∞, which is above nothing"
    return None


@probe("half-precision")
def half(a: Any, t: Trial) -> None:
    given, real = example()
    h = torch.full((1, 3000, 1), 30.0, dtype=torch.float16)
    mask = torch.ones(1, 3000, dtype=torch.bool)
    found = value_of(t, lambda: a.masked_mean(h, mask), "mean-fails", "masked_mean in float16")
    t.that(
        bool(found.isfinite().all()) or not same(a.masked_mean(h.double(), mask), double([[30.0]])),
        "in float16 the mean of 3,000 times 30 is ∞: the sum, 90,000, is above 65,504. Sum in float32",
        diagnosis="sum-overflows-in-half",
    )
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float32):
        for kind in ("mean", "max"):
            kept = getattr(a, f"masked_{kind}")(given.to(dtype), real)
            t.that(
                kept.dtype == dtype,
                f"masked_{kind} of {dtype} is {kept.dtype}: the result has the dtype of `h`",
                diagnosis="pooling-dtype",
            )
    x = t.randn(1, 50, 3)
    found, right = a.masked_mean(x, torch.ones(1, 50, dtype=torch.bool)), x.mean(1)
    t.that(
        same(found, right, rtol=1e-10, atol=1e-12) or not same(found, right, rtol=1e-4, atol=1e-5),
        "for a float64 h the mean was computed in float32: it is off by "
        f"{float((found - right).abs().max()):.0e}",
        diagnosis="float64-in-float32",
    )
    x = 1 + t.rand(1, 400, 4, dtype=torch.bfloat16)
    right = x.double().mean(1)
    found = a.masked_mean(x, torch.ones(1, 400, dtype=torch.bool))
    t.that(
        same(found, right, rtol=2.0**-7),
        f"in bfloat16 the mean of 400 numbers is off by {float((found.double() - right).abs().max()):.2g}: "
        "sum in "
        "float32",
        diagnosis="summed-in-half",
    )
