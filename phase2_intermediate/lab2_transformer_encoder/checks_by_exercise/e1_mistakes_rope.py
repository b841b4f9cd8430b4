"""The known mistakes of E1's rope, each by what it does to a few vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e1_mistakes import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import (
    right_angles,
    right_rope,
    right_sinusoidal,
    turned,
)


def halves(x: Tensor, angle: Tensor) -> Tensor:
    """The other layout: x_i is paired with x_{i + d/2}."""
    first, second = x.chunk(2, dim=-1)
    c, s = angle.cos(), angle.sin()
    return torch.cat((first * c - second * s, first * s + second * c), dim=-1)


@probe("the-rotation")
def wrong_rotations(a: Any, t: Trial) -> None:
    x, d, base, row = t.randn(2, 3, 8), 8, 50.0, torch.tensor([2, 3, 5])
    found = value_of(t, lambda: a.rope(x, row, base), "rope-fails", "rope with x [2, 3, 8] and 3 positions")
    angle = right_angles(row, d, base)
    right = turned(x, angle.expand(2, 3, 4))
    p, i = row.double()[:, None], torch.arange(4).double()

    def by(angle: Tensor) -> Tensor:
        return turned(x, angle.expand(2, 3, 4))

    c, s = angle.cos(), angle.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    longer = float((x + right_sinusoidal(6, d, base)[row]).norm() / x.norm() - 1)
    apart = torch.cat((even * c - odd * s, even * s + odd * c), -1)
    rotated = torch.stack((-odd, even), -1).flatten(-2)
    new = even * c - odd * s
    cases = [
        ("half-split-layout", halves(x, angle), "the pairs (0, d/2), (1, d/2 + 1), … were turned. Here the "
                                                "pairs "
         "are neighbours: (0, 1), (2, 3), …"),
        ("not-interleaved-again", apart, "the pairs were turned rightly, but came back as all first "
                                         "numbers, then "
         "all second ones: neighbours stay neighbours (stack on a new last axis, then flatten)"),
        ("exponent-without-the-two", by(p * base ** (-i / d)), "the exponent is −2i/d; yours is −i/d"),
        ("exponent-without-the-two", by(p * base ** (-4 * i / d)), "the exponent is −2i/d; yours is −4i/d"),
        ("exponent-with-d-minus-2", by(p * base ** (-i / 3)), "the exponents run from 0 to 1; they are 2i/d"),
        ("base-to-the-plus", by(p * base ** (2 * i / d)), "the exponent has the wrong sign: later pairs "
                                                          "turn more "
         "slowly"),
        ("base-ignored", turned(x, right_angles(row, d).expand(2, 3, 4)), "`base` has no effect: 10,000 is "
                                                                          "only "
         "its default"),
        ("one-speed-for-all-pairs", by(p * torch.ones(4)), "all pairs are turned by p: pair i by p · "
                                                           "base^(−2i/d)"),
        ("turned-twice", by(2 * angle), "every pair was turned by twice its angle: is the rotation applied "
                                        "twice?"),
        ("uses-the-new-first", torch.stack((new, new * s + odd * c), -1).flatten(-2),
         "the second number of a pair was computed from the *new* first one: keep the old one"),
        ("half-of-the-pairs", torch.cat((right[..., :2], x[..., 2:]), -1), "only the first pair was turned"),
        ("positions-relative-to-the-first", by(right_angles(row - 2, d, base)), "the first position was "
                                                                                "taken for 0: use "
         "the positions as they are"),
        ("clockwise", by(-angle), "the pairs were turned clockwise: x_2i cos − x_2i+1 sin comes first"),
        ("positions-not-used", by(right_angles(torch.arange(3), d, base)), "the positions 2, 3, 5 were "
                                                                           "taken for 0, "
         "1, 2: use what the caller gives"),
        ("positions-not-used", by(right_angles(torch.arange(1, 4), d, base)), "the positions 2, 3, 5 were "
                                                                              "taken for "
         "1, 2, 3: use what the caller gives"),
        ("positions-not-used", by(right_angles(torch.arange(2, 5), d, base)), "the positions 2, 3, 5 were "
                                                                              "taken for "
         "2, 3, 4: they may have gaps"),
        ("positions-from-one", by(right_angles(row + 1, d, base)), "position p is turned by the angle of p "
                                                                   "+ 1"),
        ("sine-and-cosine-swapped", torch.stack((even * s - odd * c, even * c + odd * s), -1).flatten(-2),
         "sine "
         "and cosine are exchanged: position 0 must change nothing"),
        ("a-reflection", torch.stack((even * c + odd * s, even * s - odd * c), -1).flatten(-2), "that is a "
         "reflection: the minus belongs to the first number of a pair"),
        ("minus-missing", torch.stack((even * c + odd * s, even * s + odd * c), -1).flatten(-2),
         "the minus is "
         "missing: x_2i cos − x_2i+1 sin"),
        ("added-instead-of-turned", x + right_sinusoidal(6, d, base)[row], "the waves were added, and the "
                                                                           "vectors are "
         f"{abs(longer):.0%} {'longer' if longer > 0 else 'shorter'} now: rope *turns* pairs, their lengths "
         "stay"),
        ("multiplied-by-waves", x * right_sinusoidal(6, d, base)[row], "x was multiplied by the waves: each "
                                                                       "pair is "
         "turned, which mixes its two numbers"),
        ("half-of-the-pairs", torch.cat((turned(x[..., :4], right_angles(row, 4, base).expand(2, 3, 2)),
                                         x[..., 4:]), -1), "only the first half of the numbers was turned"),
        ("half-of-the-pairs", torch.cat((right[..., :4], x[..., 4:]), -1), "the second half of the numbers "
                                                                           "was not "
         "turned"),
        ("repeated-angles-misaligned", x * torch.cat((c, c), -1) + rotated * torch.cat((s, s), -1),
         "the angles are "
         "laid out for halves and the pairs are neighbours: repeat each angle for its two neighbours "
         "(`repeat_interleave`, not `cat`)"),
        ("nothing-was-turned", x, "x came back as it was"),
        ("turned-along-the-batch", turned(x, right_angles(torch.arange(2), d, base)[:, None].expand(2, 3, 4)),
         "the first axis was taken for the positions: they run along the last axis but one"),
    ]  # fmt: skip
    name_it(t, found, right, cases, rtol=1e-4, atol=1e-5)
    t.that(
        found.shape == x.shape,
        f"rope of {tuple(x.shape)} has shape {tuple(found.shape)}: it keeps the shape",
        diagnosis="shape-of-the-rotation",
    )


@probe("default-of-base")
def default_base(a: Any, t: Trial) -> str | None:
    x, positions = t.randn(2, 8), torch.tensor([1, 4])
    if same(a.rope(x, positions, 10000.0), right_rope(x, positions)) and not same(
        a.rope(x, positions), right_rope(x, positions), rtol=1e-5
    ):
        return "without `base` another one is used than 10,000"
    return None


@probe("float64-in-float32")
def double_precision(a: Any, t: Trial) -> str | None:
    x, positions = t.randn(3, 6), torch.tensor([0, 17, 1234])
    found, right = a.rope(x, positions), right_rope(x, positions)
    if found.dtype != torch.float64:
        return f"a float64 x came back as {found.dtype}: the result has the dtype of `x`"
    if same(found, right, rtol=2e-2, atol=2e-2) and not same(found, right, rtol=1e-8, atol=1e-9):
        error = float((found - right).abs().max())
        return (
            f"for a float64 x the angles were made in float32: the error is {error:.1e}. Make them in float64"
        )
    return None


@probe("position-zero")
def identity(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 4)
    found = a.rope(x, torch.zeros(2, dtype=torch.long))
    if not same(found, x, rtol=1e-5, atol=1e-6):
        return "position 0 must leave a vector as it is, and yours changes it"
    return None


@probe("angles-in-half-precision")
def half(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 4, dtype=torch.bfloat16)
    x[1] = x[0]
    found = a.rope(x, torch.tensor([300, 301]))
    wide = x.double()
    if not same(
        a.rope(wide, torch.tensor([300, 301])), right_rope(wide, torch.tensor([300, 301])), rtol=1e-4
    ):
        return None  # wrong in every precision
    if found.dtype != torch.bfloat16:
        return f"a bfloat16 x came back as {found.dtype}: convert at the end"
    if same(found[0], found[1]):
        return (
            "in bfloat16 the positions 300 and 301 coincide: that dtype has no number between 300 and 302. "
            "Compute angles and rotation in float32, convert at the end"
        )
    right = right_rope(x, torch.tensor([300, 301]))
    error = float((found.double() - right).abs().max())
    if error > 2.0**-6 * float(x.double().abs().max()):
        return f"in bfloat16 the result is off by {error:.2g}: compute angles and rotation in float32"
    return None


@probe("rotation-in-half-precision")
def half_products(a: Any, t: Trial) -> str | None:
    for dtype, step in ((torch.bfloat16, 2.0**-8), (torch.float16, 2.0**-11)):
        x, positions = t.randn(400, 8, dtype=dtype), t.randint(0, 200, 400)
        found, right = a.rope(x, positions), right_rope(x, positions)
        if not same(a.rope(x.double(), positions), right, rtol=1e-4, atol=1e-5):
            return None
        excess = (found.double() - right).abs() / (right.abs() * step + 1e-4)
        if found.dtype == dtype and float(excess.max()) > 1.3:
            return (
                f"in {str(dtype).removeprefix('torch.')} the result is off by {float(excess.max()):.1f} "
                "times what "
                "rounding it once explains: the products were rounded too. Turn in float32, convert at the "
                "end"
            )
    return None


@probe("positions-with-leading-axes")
def own_positions(a: Any, t: Trial) -> None:
    for of_x, axes in (((2, 3, 4, 6), (2, 1, 4)), ((2, 4, 6), (2, 4)), ((2, 3, 4, 6), (3, 4))):
        x, positions = t.randn(*of_x), t.randint(0, 50, *axes)
        if not same(a.rope(x, torch.arange(4)), right_rope(x, torch.arange(4).expand(of_x[:-1])), rtol=1e-6):
            return  # wrong for one row of positions, too
        words = f"positions {list(axes)} for an x {list(of_x)}"
        found = value_of(t, lambda x=x, p=positions: a.rope(x, p), "positions-with-leading-axes", words)
        t.equal(
            found,
            right_rope(x, positions.expand(of_x[:-1])),
            f"{words}: leading axes broadcast, so that each text (or head) may have its own",
            diagnosis="positions-with-leading-axes",
            rtol=1e-7,
            atol=1e-8,
        )


@probe("negative-or-fractional-positions")
def signed(a: Any, t: Trial) -> None:
    x, whole = t.randn(3, 4), torch.tensor([1, 4, 9])
    if not same(a.rope(x, whole), right_rope(x, whole), rtol=1e-6):
        return  # wrong for whole positions, too
    for positions in (torch.tensor([-3, 0, 2]), torch.tensor([0.5, -1.5, 7.25])):
        words = f"positions {positions.tolist()}"
        found = value_of(t, lambda p=positions: a.rope(x, p), "negative-or-fractional-positions", words)
        t.equal(
            found,
            right_rope(x, positions),
            words,
            diagnosis="negative-or-fractional-positions",
            rtol=1e-7,
            atol=1e-8,
        )


@probe("gradient-of-rope")
def backward(a: Any, t: Trial) -> str | None:
    x, along, positions = t.randn(2, 4).requires_grad_(), t.randn(2, 4), torch.tensor([1, 4])
    out = a.rope(x, positions)
    if not out.requires_grad:
        return "the result of rope is cut off from autograd"
    (out * along).sum().backward()
    if x.grad is None or not same(x.grad, right_rope(along, -positions), rtol=1e-6, atol=1e-8):
        return (
            "the gradient that arrives at x is not the one of a rotation: something was detached or rounded"
        )
    return None
