"""E2: the encoder layer. What must hold; the known mistakes stand in `e2_mistakes` and `…_options`."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Exercise, Trial
from courseware.check.naming import family
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise import pictures
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import (
    formula,
    made,
    result,
    right_padding,
    torch_layer,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_mistakes_options import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import ENCODERS, case

e2 = Exercise(
    "E2",
    takes={"EncoderLayer": None},
    forbids=ENCODERS,
    hints=(
        "Write both formulas as two lines each, with A for attention and N for the network. Everything else "
        "is "
        "building the parts.",
        "pre: x = x + drop(A(norm1(x))), then x = x + drop(N(norm2(x))). post: x = norm1(x + drop(A(x))), "
        "then x = "
        "norm2(x + drop(N(x))).",
        "`mask = key_padding_mask[:, None, None, :]`; `self.attention(h, mask=mask)`; "
        "`self.down(self.dropout(hidden))` "
        "with `hidden = F.silu(self.gate(h)) * self.up(h)` or `F.gelu(self.up(h))`; in from_torch "
        "`for linear, w in zip((a.query, a.key, a.value), theirs.in_proj_weight.chunk(3)): "
        "linear.weight.copy_(w)`.",
    ),
)
probe.add_to(e2)
KINDS = [
    {"norm": norm, "act": act, "norm_type": norm_type}
    for norm in ("pre", "post")
    for act in ("gelu", "relu", "swiglu")
    for norm_type in ("ln", "rms")
]


@e2.property("with torch's weights, torch's result and gradients", points=7)
def like_torch(a: Any, t: Trial) -> None:
    for norm_first in (True, False):
        for activation in ("gelu", "relu"):
            theirs = torch_layer(t, norm_first=norm_first, activation=activation)
            t.given(
                f"from_torch(nn.TransformerEncoderLayer(norm_first={norm_first}, activation={activation!r}))"
            )
            with case(f"norm_first={norm_first}, activation={activation!r}"):
                mine = a.EncoderLayer.from_torch(theirs)
                x, real = t.randn(3, 4, 8), right_padding([4, 2, 1], 4)
                along = t.randn(3, 4, 8) * real[:, :, None]
                one, two = x.clone().requires_grad_(), x.clone().requires_grad_()
                with t.oracle():
                    expected = theirs.train()(one, src_key_padding_mask=~real)
                    (expected * along).sum().backward()
                found = result(t, mine.train(), two, real)
                (found * along).sum().backward()
                t.equal(found[real], expected[real], where="the output at real tokens")
                t.equal(two.grad, one.grad, where="the gradient of x")
                t.equal(mine.up.weight.grad, theirs.linear1.weight.grad, where="the gradient of `up`")
                t.equal(mine.norm1.weight.grad, theirs.norm1.weight.grad, where="the gradient of `norm1`")
    subclass(a, t)


def subclass(a: Any, t: Trial) -> None:
    class Special(a.EncoderLayer):  # type: ignore[misc, name-defined]
        pass

    with family("from-torch-ignores-cls", "a subclass's from_torch"):
        kind = type(Special.from_torch(torch_layer(t)))
        t.that(kind is Special, f"made a {kind.__name__}: build `cls(…)`")


@e2.property("every kind of layer is its formula", points=6)
def kinds(a: Any, t: Trial) -> None:
    for how in KINDS:
        layer, x, real = made(a, t, **how), t.randn(3, 4, 8), right_padding([4, 1, 3], 4)
        with case(f"EncoderLayer({how})"):
            t.equal(result(t, layer, x), formula(layer, x, **how))
            t.equal(
                result(t, layer, x, real)[real], formula(layer, x, real, **how)[real], where="at real tokens"
            )
            t.equal(result(t, layer.train(), x), formula(layer, x, **how), where="in training, dropout 0,")


@e2.property("sizes, padding and precision", points=4)
def sizes(a: Any, t: Trial) -> None:
    for batch, T, d, heads, d_ff in ((1, 1, 2, 1, 1), (0, 3, 8, 2, 12), (2, 1, 6, 3, 5), (2, 7, 12, 12, 12)):
        for norm in ("pre", "post"):
            layer, x = made(a, t, d, heads, d_ff, norm=norm), t.randn(batch, T, d)
            with case(f"B={batch}, T={T}, d={d}, heads={heads}, d_ff={d_ff}"):
                t.equal(result(t, layer, x), formula(layer, x, norm=norm))
    layer, x = made(a, t), t.randn(3, 4, 8)
    real = right_padding([4, 0, 2], 4)
    with case("one text is all padding"):
        out = result(t, layer, x, real)
        t.that(bool(out.isfinite().all()), "not all numbers are finite")
        t.equal(out[real], formula(layer, x, real)[real])
        alone = result(t, layer, x[2:, :2])
        t.equal(out[2:, :2], alone, "a text alone and in a batch, padded")
    single = made(a, t).float()
    x = t.randn(2, 3, 8, dtype=torch.float32)
    with case("in float32 and bfloat16"):
        expected = formula(single, x)
        t.equal(result(t, single, x), expected, rtol=1e-4, atol=1e-4)
        half = result(t, single.to(torch.bfloat16), x.to(torch.bfloat16))
        t.that(half.dtype == torch.bfloat16 and bool(half.isfinite().all()), "a layer in bfloat16")


@e2.property("dropout keeps the mean, and only in training", points=3)
def dropout_keeps_the_mean(a: Any, t: Trial) -> None:
    layer, x = made(a, t, dropout=0.2), t.randn(1, 3, 8)
    with torch.no_grad(), case("dropout=0.2"):
        t.equal(result(t, layer, x), formula(layer, x), "in evaluation")
        with torch.no_grad():
            layer.attention.out.weight.zero_()  # the network's branch alone: nothing bends after its dropouts
            layer.attention.out.bias.zero_()
        quiet = result(t, layer, x)
        many = result(t, layer.train(), x.expand(6000, 3, 8))
        error = ((many.mean(0) - quiet[0]) / (many.std(0) / 6000**0.5 + 1e-12)).abs().max()
        t.that(float(error) < 6, f"the mean over 6,000 draws is {float(error):.0f} standard errors off")


e2.reward(pictures.stream_by_layer)
