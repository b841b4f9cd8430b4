"""The known mistakes of E1: sinusoids and the learned table. Those of rope are in `e1_mistakes_rope`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import (
    right_angles,
    right_sinusoidal,
)

probe = Probes()


@probe("the-sinusoids")
def wrong_waves(a: Any, t: Trial) -> None:
    T, d, base = 7, 8, 50.0
    found = value_of(t, lambda: a.sinusoidal(T, d, base), "sinusoidal-fails", "sinusoidal(7, 8, 50.0)")
    right = right_sinusoidal(T, d, base)
    p, i = torch.arange(T).double()[:, None], torch.arange(4).double()

    def waves(angle: Tensor) -> Tensor:
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)

    angle = right_angles(torch.arange(T), d, base)
    every = torch.arange(d).double()
    one_each = p * base ** (-every / d)
    alternating = torch.where(every % 2 == 0, one_each.sin(), one_each.cos())
    cases = [
        ("halves-not-interleaved", torch.cat((angle.sin(), angle.cos()), -1), "all sines stand first and all "
         "cosines after them: here they alternate, sine at 2i and cosine at 2i + 1"),
        ("halves-not-interleaved", torch.cat((angle.cos(), angle.sin()), -1), "all cosines stand first and "
                                                                              "all "
         "sines after them: here they alternate, sine at 2i and cosine at 2i + 1"),
        ("sine-and-cosine-swapped", torch.stack((angle.cos(), angle.sin()), -1).flatten(-2),
         "sine and cosine "
         "are exchanged: row 0 is (0, 1, 0, 1, …)"),
        ("one-speed-each", alternating, "sine and cosine of a pair have different speeds: entry 2i + 1 "
         "belongs to the same angle as entry 2i"),
        ("exponent-without-the-two", waves(p * base ** (-i / d)), "the exponent is −2i/d; yours is −i/d"),
        ("exponent-without-the-two", waves(p * base ** (-4 * i / d)), "the exponent is −2i/d; yours is "
                                                                      "−4i/d: "
         "`arange(0, d, 2)` is 2i already"),
        ("exponent-with-d-minus-2", waves(p * base ** (-i / 3)), "the exponents run from 0 to 1; they are "
                                                                 "2i/d"),
        ("base-to-the-plus", waves(p * base ** (2 * i / d)), "the exponent has the wrong sign: later pairs "
                                                             "turn "
         "more slowly"),
        ("base-ignored", right_sinusoidal(T, d), "`base` has no effect: 10,000 is only its default"),
        ("positions-from-one", waves(angle + base ** (-2 * i / d)), "the first row is position 1; it is "
                                                                    "position "
         "0, (0, 1, 0, 1, …)"),
        ("angles-not-waves", angle.repeat_interleave(2, -1), "these are the angles: take sine and cosine"),
        ("sines-only", angle.sin().repeat_interleave(2, -1), "both numbers of a pair are sines: the second "
                                                             "is a "
         "cosine"),
    ]  # fmt: skip
    name_it(t, found, right, cases, rtol=1e-4, atol=1e-5)
    t.that(
        found.shape == (T, d),
        f"sinusoidal(7, 8) has shape {tuple(found.shape)}, expected (7, 8)",
        diagnosis="shape-of-the-sinusoids",
    )
    t.that(
        found.dtype == torch.float32,
        f"sinusoidal gives {found.dtype}, expected float32",
        diagnosis="dtype-of-the-sinusoids",
    )
    t.that(
        not found.requires_grad,
        "the sinusoids require a gradient: they are computed, nobody trains them",
        diagnosis="sinusoids-with-gradient",
    )
    off = (a.sinusoidal(2600, 8).double() - right_sinusoidal(2600, 8)).abs()
    early, late = float(off[:20].max()), float(off.max())
    t.that(
        early > 2e-2 or (early < 5e-5 and late < 2e-3),
        f"the sinusoids are off by up to {early:.1g} at the first 20 positions and {late:.1g} at 2,600: that "
        "is half precision. Make angles and waves in float32 at least",
        diagnosis="angles-in-half-precision",
    )


@probe("remembers-an-earlier-call")
def fresh_waves(a: Any, t: Trial) -> str | None:
    right = right_sinusoidal(5, 4, 30.0)
    if not same(a.sinusoidal(5, 4, 30.0), right, atol=1e-5):
        return None
    a.sinusoidal(6, 4, 900.0).detach().zero_()
    for base in (900.0, 30.0):
        if not same(a.sinusoidal(5, 4, base), right_sinusoidal(5, 4, base), atol=1e-5):
            return (
                "sinusoidal gives other numbers after an earlier call (with another base, or whose result "
                "was changed): a table that is kept belongs to its base, and the caller gets a copy"
            )
    return None


@probe("odd-width")
def odd(a: Any, t: Trial) -> None:
    for words, call in (("sinusoidal(4, 5)", lambda: a.sinusoidal(4, 5)),
                        ("rope with d = 5", lambda: a.rope(t.randn(2, 5), torch.arange(2)))):  # fmt: skip
        t.raises(ValueError, call, f"{words}: sines and cosines come in pairs", diagnosis="odd-width")


@probe("short-texts")
def short(a: Any, t: Trial) -> None:
    for T in (0, 1):
        found = value_of(t, lambda T=T: a.sinusoidal(T, 4), "short-texts", f"sinusoidal({T}, 4)")
        t.equal(
            found, right_sinusoidal(T, 4).float(), f"sinusoidal({T}, 4)", diagnosis="short-texts", atol=1e-6
        )
        x = t.randn(2, T, 4)
        out = value_of(t, lambda x=x, T=T: a.rope(x, torch.arange(T)), "short-texts", f"rope with T = {T}")
        t.that(
            out.shape == x.shape,
            f"rope of {tuple(x.shape)} has shape {tuple(out.shape)}",
            diagnosis="short-texts",
        )


def built(a: Any, t: Trial, max_len: int, d: int) -> Any:
    words = f"LearnedPositions({max_len}, {d})"
    t.given(words)
    module = value_of(t, lambda: a.LearnedPositions(max_len, d), "learned-fails", words)
    t.that(isinstance(module, nn.Module), "LearnedPositions must be an nn.Module", diagnosis="learned-fails")
    return module


@probe("the-table")
def table(a: Any, t: Trial) -> None:
    module = built(a, t, 50, 8)
    shapes = [tuple(p.shape) for p in module.parameters() if p.requires_grad]
    t.that(
        bool(shapes),
        "LearnedPositions has no trained parameter: an `nn.Parameter` (or nn.Embedding), not a plain tensor "
        "or a buffer",
        diagnosis="table-not-a-parameter",
    )
    t.that(
        shapes == [(50, 8)],
        f"the parameters have the shapes {shapes}, expected one table of shape (50, 8): max_len rows of "
        "width d",
        diagnosis="shape-of-the-table",
    )
    values = next(module.parameters()).detach().clone()
    drawn = next(built(a, t, 200, 40).parameters()).detach()
    spread = float(drawn.std())
    t.that(
        0.018 < spread < 0.022,
        f"the table's numbers have a deviation of {spread:.3g}, expected 0.02, from a normal distribution",
        diagnosis="deviation-of-the-table",
    )
    beyond = float((drawn.abs() > 2 * spread).double().mean())
    t.that(
        0.03 < beyond < 0.062,
        f"of the table's numbers {beyond:.1%} are more than two deviations from 0, of a normal distribution "
        "4.6 %: it is another distribution",
        diagnosis="distribution-of-the-table",
    )
    t.that(
        not same(drawn, next(built(a, t, 200, 40).parameters())),
        "two tables hold the same numbers: the seed is the caller's to set, not the constructor's",
        diagnosis="the-same-table-each-time",
    )
    t.that(
        not same(values[0], values[1]), "all rows of the table are equal", diagnosis="deviation-of-the-table"
    )
    x, kept = t.randn(2, 3, 8, dtype=torch.float32), values[:3].clone()
    handed = x.clone()
    found = value_of(t, lambda: module(handed), "learned-fails", "LearnedPositions(50, 8) with x [2, 3, 8]")
    t.that(
        same(handed, x),
        "LearnedPositions changed its input: `x += …` writes into the caller's tensor, `x + …` makes a "
        "new one",
        diagnosis="changes-its-input",
    )
    t.that(
        same(next(module.parameters()), values),
        "forward changed the table itself: only an optimizer does",
        diagnosis="table-changed",
    )
    cases = [
        ("positions-returned-alone", kept, "that is the table alone: it is *added* to x"),
        ("positions-returned-alone", kept.expand(2, 3, 8), "that is the table alone: it is *added* to x"),
        ("positions-from-one", x + values[1:4], "position 0 gets row 1: it gets row 0"),
        ("table-by-the-batch", x + values[:2, None], "the rows belong to the texts of the batch in your "
                                                     "answer: "
         "they belong to the positions, axis 1"),
        ("table-multiplied", x * values[:3], "x was multiplied by the table: add it"),
        ("one-row-for-all", x + values[0], "all positions get row 0"),
        ("table-from-the-end", x + values[-3:], "the *last* rows of the table were added: position t gets "
                                                "row "
         "offset + t"),
        ("table-not-added", x, "x came back as it was: the table is not added"),
    ]  # fmt: skip
    name_it(t, found, x + values[:3], cases)
    t.equal(module(x), x + values[:3], "x plus the first rows of the table", diagnosis="table-not-added")


@probe("the-offset")
def offset(a: Any, t: Trial) -> None:
    module, x = built(a, t, 6, 4), t.randn(2, 2, 4, dtype=torch.float32)
    values = next(module.parameters()).detach()
    found = value_of(t, lambda: module(x, offset=3), "learned-fails", "LearnedPositions(6, 4), offset=3")
    cases = [
        ("offset-ignored", x + values[:2], "`offset=3` has no effect: position t gets row offset + t, so "
                                           "that a "
         "text may go on where another call ended"),
        ("offset-off-by-one", x + values[4:6], "with `offset=3` the first position got row 4: it gets row 3"),
        ("offset-off-by-one", x + values[2:4], "with `offset=3` the first position got row 2: it gets row 3"),
    ]  # fmt: skip
    name_it(t, found, x + values[3:5], cases)
    attempt = t.tried(lambda: module(x, 4))
    t.that(
        not isinstance(attempt.error, ValueError),
        f"T = 2 and offset = 4 fit a table of 6, and it raised ValueError: {attempt.error}",
        diagnosis="past-the-table",
    )
    found = value_of(t, lambda: module(x, 4), "learned-fails", "LearnedPositions(6, 4), called as (x, 4)")
    t.equal(found, x + values[4:6], "positions 4 and 5 of a table of 6", diagnosis="past-the-table")
    t.that(
        same(module(x), x + values[:2]),
        "without `offset` the rows of an earlier call came again: each call begins at 0",
        diagnosis="offset-remembered",
    )


@probe("past-the-table")
def outside(a: Any, t: Trial) -> None:
    module = built(a, t, 6, 4)
    for length, start in ((7, 0), (2, 5), (1, 6), (3, 4)):
        t.raises(
            ValueError,
            lambda n=length, s=start: module(t.randn(1, n, 4, dtype=torch.float32), offset=s),
            f"a table of 6 rows, T = {length}, offset = {start}: nobody has learned that position",
            diagnosis="past-the-table",
        )
    for start in (-1, -2):
        t.raises(
            ValueError,
            lambda s=start: module(t.randn(1, 2, 4, dtype=torch.float32), offset=s),
            f"offset = {start}: Python would count rows from the end",
            diagnosis="negative-offset",
        )


@probe("learned-dtype")
def learned_dtype(a: Any, t: Trial) -> str | None:
    module = built(a, t, 6, 4)
    for dtype in (torch.bfloat16, torch.float64):
        found = module(t.randn(1, 2, 4, dtype=dtype)).dtype
        if found != dtype:
            return f"LearnedPositions made {found} of a {dtype} x: the result has the dtype of `x`"
    return None


@probe("table-without-gradient")
def learns(a: Any, t: Trial) -> str | None:
    module = built(a, t, 6, 4)
    out = module(t.randn(3, 2, 4, dtype=torch.float32).requires_grad_())
    if not out.requires_grad:
        return "nothing learns: the result is cut off from autograd"
    out.sum().backward()
    gradient = next(module.parameters()).grad
    expected = torch.tensor([3.0, 3.0, 0, 0, 0, 0])[:, None].expand(6, 4)
    if gradient is None or not same(gradient, expected):
        shown = "None" if gradient is None else numbers(gradient[:, 0])
        return (
            f"the gradient of the table, for a sum over three texts, is {shown} a row, expected [3, 3, 0, "
            "0, 0, 0]"
        )
    return None
