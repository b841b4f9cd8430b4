"""E1: three positional encodings. What must hold; the known mistakes stand in `e1_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.edges import layouts
from courseware.check.naming import family
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e1_mistakes import built
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e1_mistakes_rope import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import (
    case,
    right_rope,
    right_sinusoidal,
)

e1 = Exercise(
    "E1",
    takes={"sinusoidal": Tensor, "LearnedPositions": None, "rope": Tensor},
    forbids=forbid(
        python=(
            "shared.nn.positions.angles",
            "shared.nn.positions.SinusoidalPositions.forward",
            "shared.nn.positions.LearnedPositions.__init__",
            "shared.nn.positions.Rotary.forward",
        ),
        why="it is the answer itself. Angles, sines and cosines are all that is needed",
    ),
    hints=(
        "All three start from positions × speeds, a table of angles. Sinusoids are what the hands of a clock "
        "point at; rope turns pairs of numbers by those hands.",
        "Sine at 2i, cosine at 2i + 1. And (x_2i, x_2i+1) → (x_2i cos a − x_2i+1 sin a, x_2i sin a + x_2i+1 "
        "cos "
        "a), with a = p · base^(−2i/d).",
        "`torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)`; `x1, x2 = x[..., 0::2], x[..., "
        "1::2]`; "
        "`torch.stack((x1 * c - x2 * s, x1 * s + x2 * c), dim=-1).flatten(-2)`; in LearnedPositions "
        "`x + self.table[offset : offset + T].to(x.dtype)`.",
    ),
)
probe.add_to(e1)


@e1.property("sinusoids of every size", points=4)
def sinusoids(a: Any, t: Trial) -> None:
    for T, d, base in ((0, 2, 1e4), (1, 2, 1e4), (2, 4, 1e4), (50, 6, 1e4), (9, 64, 100.0), (3000, 10, 1e4)):
        with case(f"sinusoidal({T}, {d}, {base:g})"):
            found = a.sinusoidal(T, d, base)
            t.equal(found, right_sinusoidal(T, d, base).float(), atol=1e-6 + 3e-7 * T)
    waves = a.sinusoidal(40, 6).double()
    shift = torch.linalg.lstsq(waves[:30], waves[7:37]).solution
    t.equal(waves[:30] @ shift, waves[7:37], "PE(p + 7) is one linear map of PE(p)", atol=1e-4)


@e1.property("the learned table", points=3)
def learned(a: Any, t: Trial) -> None:
    for max_len, d, batch, T, offset in ((1, 1, 1, 1, 0), (9, 5, 3, 4, 5), (9, 4, 2, 9, 0), (9, 4, 0, 3, 1),
                                         (9, 4, 2, 0, 9)):  # fmt: skip
        module, x = built(a, t, max_len, d), t.randn(batch, T, d, dtype=torch.float32)
        table = next(module.parameters()).detach()
        with case(f"x {tuple(x.shape)}, offset {offset}"):
            t.equal(module(x, offset), x + table[offset : offset + T])
    one, other = built(a, t, 9, 4), built(a, t, 9, 4)
    with torch.no_grad():
        next(one.parameters()).zero_()
    t.that(bool(next(other.parameters()).any()), "two modules share one table", diagnosis="table-shared")


@e1.property("rope is the rotation, for positions of every kind", points=4)
def rotation(a: Any, t: Trial) -> None:
    for shape, of_positions in (((1, 2), (1,)), ((3, 4), (3,)), ((2, 3, 4), (3,)), ((2, 2, 5, 6), (2, 1, 5)),
                                ((2, 2, 5, 6), (2, 2, 5)), ((2, 3, 4), (2, 3)), ((0, 3, 4), (3,)),
                                ((2, 0, 4), (0,))):  # fmt: skip
        x, positions = t.randn(*shape), t.randint(-20, 500, *of_positions)
        with case(f"x {shape}, positions {of_positions}"):
            right = right_rope(x, positions.expand(shape[:-1]), 300.0)
            t.equal(a.rope(x, positions, 300.0), right, rtol=1e-7, atol=1e-8)
    for layout, x in layouts(t, 3, 4):
        with family("rope-of-other-layouts", f"an x that is {layout}"):
            t.equal(
                a.rope(x, torch.tensor([1, 5, 2])),
                right_rope(x, torch.tensor([1, 5, 2])),
                rtol=1e-7,
                atol=1e-8,
            )
    x = t.randn(40, 8, dtype=torch.float32)
    positions = t.randint(0, 1000, 40)
    t.equal(a.rope(x, positions), right_rope(x, positions).float(), "in float32", rtol=1e-4, atol=1e-3)


@e1.property("scores depend on distances alone, and lengths stay", points=4)
def relative(a: Any, t: Trial) -> None:
    q, k = t.randn(1, 16), t.randn(1, 16)
    for m, n in ((0, 0), (3, 1), (5, 40)):
        shift = t.random.randint(1, 5000)
        near = (a.rope(q, torch.tensor([m])) * a.rope(k, torch.tensor([n]))).sum()
        far = (a.rope(q, torch.tensor([m + shift])) * a.rope(k, torch.tensor([n + shift]))).sum()
        t.equal(far, near, f"the score of positions {m} and {n}, both moved by {shift}", rtol=1e-6, atol=1e-7)
    for p in (1, 999, 10**6):
        t.equal(a.rope(q, torch.tensor([p])).norm(), q.norm(), f"the length at position {p}", rtol=1e-7)
    single, place = q.float(), torch.tensor([10**6])
    t.equal(
        a.rope(single, place).double(),
        right_rope(single, place),
        "at position 10⁶ in float32, to the precision of its angle",
        atol=0.15 * float(q.abs().max()),
    )


e1.reward(pictures.waves_and_scores)
