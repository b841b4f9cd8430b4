"""The known mistakes of E2 in what the layer computes; those of its options are in `e2_mistakes_options`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import (
    formula,
    made,
    network,
    normed,
    result,
    right_padding,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import attention

probe = Probes()


@probe("the-parts")
def parts(a: Any, t: Trial) -> None:
    for how in ({}, {"act": "swiglu"}, {"norm_type": "rms"}, {"norm": "post", "act": "relu"}):
        layer = made(a, t, shaken=False, **how)
        names = {"attention", "norm1", "norm2", "up", "down"} | (
            {"gate"} if how.get("act") == "swiglu" else set()
        )
        missing = sorted(
            name for name in names if not isinstance(getattr(layer, name, None), torch.nn.Module)
        )
        t.that(
            not missing,
            f"the layer has no module {', '.join(missing)}: the statement says how the parts are called",
            diagnosis="parts-missing",
        )
        t.that(
            layer.norm1 is not layer.norm2,
            "`norm1` and `norm2` are one and the same norm: each branch has gains of its own",
            diagnosis="one-norm-shared",
        )
        heads = getattr(layer.attention, "heads", 2)
        t.that(heads == 2, f"with heads=2 `attention` has {heads}", diagnosis="heads-ignored")
        wanted = {
            **{f"attention.{n}.{p}": (8, 8) if p == "weight" else (8,) for n in ("query", "key", "value",
             "out")
               for p in ("weight", "bias")},
            "up.weight": (12, 8), "up.bias": (12,), "down.weight": (8, 12), "down.bias": (8,),
            "norm1.weight": (8,), "norm2.weight": (8,),
        }  # fmt: skip
        if how.get("act") == "swiglu":
            wanted |= {"gate.weight": (12, 8), "gate.bias": (12,)}
        if how.get("norm_type") != "rms":
            wanted |= {"norm1.bias": (8,), "norm2.bias": (8,)}
        found = {name: tuple(p.shape) for name, p in layer.named_parameters()}
        lost = [f"{name} {shape}" for name, shape in wanted.items() if found.get(name) != shape]
        extra = [name for name in found if name not in wanted]
        if how.get("norm_type") == "rms" and "norm1.bias" in extra:
            t.fail(
                "with norm_type='rms' the norms have biases: use nn.RMSNorm", diagnosis="norm-type-ignored"
            )
        if how.get("act") != "swiglu" and any(name.startswith("gate") for name in extra):
            t.fail("only act='swiglu' has a `gate`", diagnosis="parameters-that-nobody-uses")
        t.that(
            not lost,
            f"missing, or of another shape: {', '.join(lost)}",
            diagnosis="parameters-of-other-shapes",
        )
        t.that(
            not extra,
            f"parameters that nobody asked for: {', '.join(extra[:4])}",
            diagnosis="parameters-that-nobody-uses",
        )


def variants(layer: Any, x: Tensor) -> dict[str, Tensor]:
    """Ways to place norms, skips and branches that people write."""

    def A(h: Tensor) -> Tensor:
        return attention(layer.attention, h)

    def N(h: Tensor) -> Tensor:
        return network(layer, h, "gelu")

    def n1(h: Tensor) -> Tensor:
        return normed(layer.norm1, h, "ln")

    def n2(h: Tensor) -> Tensor:
        return normed(layer.norm2, h, "ln")

    pre1, post1 = x + A(n1(x)), n1(x + A(x))
    return {
        "pre": pre1 + N(n2(pre1)),
        "post": n2(post1 + N(post1)),
        "norm-of-the-branch": (lambda h: h + n2(N(h)))(x + n1(A(x))),
        "skip-from-the-norm": (lambda h: n2(h) + N(n2(h)))(n1(x) + A(n1(x))),
        "first-skip-from-the-norm": (lambda h: h + N(n2(h)))(n1(x) + A(n1(x))),
        "second-skip-from-the-norm": n2(pre1) + N(n2(pre1)),
        "no-skip": N(n2(A(n1(x)))),
        "no-skip-post": n2(N(n1(A(x)))),
        "first-skip": (lambda h: h + N(n2(h)))(A(n1(x))),
        "first-skip-post": (lambda h: n2(h + N(h)))(n1(A(x))),
        "second-skip": N(n2(pre1)),
        "second-skip-post": n2(N(post1)),
        "skip-from-the-input": x + N(n2(pre1)),
        "skip-from-the-input-post": n2(x + N(post1)),
        "parallel": x + A(n1(x)) + N(n2(x)),
        "parallel-one-norm": x + A(n1(x)) + N(n1(x)),
        "norm1-twice": pre1 + N(n1(pre1)),
        "norm1-twice-post": n1(post1 + N(post1)),
        "norms-exchanged": (lambda h: h + N(n1(h)))(x + A(n2(x))),
        "norms-exchanged-post": (lambda h: n1(h + N(h)))(n2(x + A(x))),
        "network-first": (lambda h: h + A(n1(h)))(x + N(n2(x))),
        "network-first-post": (lambda h: n1(h + A(h)))(n2(x + N(x))),
        "both-sides": (lambda h: n2(h + N(n2(h))))(n1(x + A(n1(x)))),
        "no-norm": (lambda h: h + N(h))(x + A(x)),
        "network-without-norm": pre1 + N(pre1),
        "attention-without-norm": (lambda h: h + N(n2(h)))(x + A(x)),
        "attention-only": pre1,
        "attention-only-post": post1,
        "network-only": x + N(n2(x)),
        "network-only-post": n2(x + N(x)),
        "pre-then-normed": n2(pre1 + N(n2(pre1))),
        "second-norm-missing-post": post1 + N(post1),
        "first-norm-missing-post": n2((x + A(x)) + N(x + A(x))),
    }


WORDS = {
    "norm-of-the-branch": ("norm-inside-the-branch", "that is x + norm(f(x)): the norm stands on what the "
                                                     "branch "
                           "gives. Pre-norm is x + f(norm(x)), post-norm is norm(x + f(x))"),
    "skip-from-the-norm": ("skip-from-the-normed", "norm(x) + f(norm(x)): the skip takes the normed copy. "
                                                   "The "
                           "stream itself, x, runs past the branch: x + f(norm(x))"),
    "first-skip-from-the-norm": ("skip-from-the-normed", "attention adds to norm1(x): the stream itself, x, "
                                 "runs past the branch, x + A(norm1(x))"),
    "second-skip-from-the-norm": ("skip-from-the-normed", "the network adds to norm2(x): the stream itself, "
                                  "x, runs past the branch, x + N(norm2(x))"),
    "no-skip": ("skip-missing", "nothing runs past the branches: each *adds* to x"),
    "first-skip": ("skip-missing", "nothing runs past the attention: it adds to x"),
    "second-skip": ("skip-missing", "nothing runs past the network: it adds to x"),
    "skip-from-the-input": ("second-skip-from-the-input", "the network's result was added to the layer's "
                                                          "*input*, so "
                            "that what attention added is lost: the second branch starts from the first "
                            "one's sum"),
    "parallel": ("branches-side-by-side", "both branches read the same x: the network reads what attention "
                                          "has added "
                 "to"),
    "parallel-one-norm": ("branches-side-by-side", "both branches read the same x, through the same norm: "
                                                   "the network "
                          "reads what attention has added to"),
    "norm1-twice": ("one-norm-shared", "`norm1` is used in both branches: the network has `norm2`"),
    "norms-exchanged": ("norms-exchanged", "`norm1` belongs to attention, `norm2` to the network; yours are "
                        "exchanged"),
    "network-first": ("network-before-attention", "the network comes first in your layer: attention does"),
    "no-norm": ("norm-missing", "no norm is used at all"),
    "network-without-norm": ("norm-missing", "the network reads x without `norm2`"),
    "attention-without-norm": ("norm-missing", "attention reads x without `norm1`"),
    "second-norm-missing-post": ("norm-missing", "with norm='post', the second sum is not normed"),
    "first-norm-missing-post": ("norm-missing", "with norm='post', the first sum is not normed"),
    "attention-only": ("branch-missing", "only the attention was computed: the network is missing"),
    "network-only": ("branch-missing", "only the network was computed: attention is missing"),
    "both-sides": ("norm-before-and-after", "norm(x + f(norm(x))): the norm stands before the branch *and* "
                                            "after the "
                   "addition. One of the two"),
    "pre-then-normed": ("pre-with-a-last-norm", "with norm='pre' the result was normed once more: that last "
                                                "norm "
                        "belongs to the stack (E4), not to each layer"),
}  # fmt: skip


@probe("the-two-formulas")
def placement(a: Any, t: Trial) -> None:
    x = t.randn(2, 3, 8)
    for norm, other in (("pre", "post"), ("post", "pre")):
        layer = made(a, t, norm=norm)
        found, values = result(t, layer, x), variants(layer, x)
        t.that(
            found.shape == x.shape,
            f"x {tuple(x.shape)} gave {tuple(found.shape)}",
            diagnosis="shape-of-the-result",
        )
        cases = [
            ("pre-and-post-exchanged", values[other], f"norm={norm!r} computes the {other}-norm formula"),
        ]
        for name, value in values.items():
            diagnosis, words = WORDS.get(name) or WORDS.get(name.removesuffix("-post"), ("", ""))
            if diagnosis:
                cases.append((diagnosis, value, f"norm={norm!r}: {words}"))
        name_it(t, found, values[norm], cases)


@probe("approximate-gelu")
def erf_or_tanh(a: Any, t: Trial) -> None:
    layer, x = made(a, t), 2 * t.randn(2, 3, 8)
    found, right = result(t, layer, x), formula(layer, x)
    first = x + attention(layer.attention, normed(layer.norm1, x, "ln"))
    h = normed(layer.norm2, first, "ln")
    up = layer.up(h)
    error = float((found - right).abs().max())
    cases = [
        ("approximate-gelu", first + layer.down(F.gelu(up, approximate="tanh")), "a systematic difference of "
         f"{error:.0e}: that is the tanh approximation of GELU. Here it is the exact one, with erf "
         "(`F.gelu(x)`)"),
        ("approximate-gelu", first + layer.down(up * torch.sigmoid(1.702 * up)), "that is the sigmoid "
                                                                                 "approximation "
         "of GELU: `F.gelu(x)` is exact"),
        ("another-activation", first + layer.down(F.relu(up)), "act='gelu' computes a ReLU"),
        ("another-activation", first + layer.down(F.silu(up)), "act='gelu' computes SiLU, x · sigmoid(x)"),
        ("another-activation", first + layer.down(up.tanh()), "act='gelu' computes tanh"),
        ("no-activation", first + layer.down(up), "nothing bends between `up` and `down`: two linear maps "
                                                  "are one"),
        ("activation-after-down", first + F.gelu(layer.down(up)), "the activation stands after `down`: it "
                                                                  "stands "
         "between `up` and `down`"),
        *(("activation-after-down", first + bend(layer.down(F.gelu(up))), "there is a second activation "
           "after `down`") for bend in (F.gelu, F.relu)),
    ]  # fmt: skip
    name_it(t, found, right, cases)


@probe("causal-attention")
def causal(a: Any, t: Trial) -> str | None:
    layer, x = made(a, t), t.randn(2, 4, 8)
    found = result(t, layer, x)

    def after(place: int) -> Tensor:
        changed = x.clone()
        changed[:, place] = t.randn(2, 8)
        return result(t, layer, changed)

    if same(after(3)[:, :3], found[:, :3]) and not same(after(0)[:, 3], found[:, 3]):
        return "no position sees a later one: the attention is causal. In an encoder each sees all"
    return None


@probe("the-mask")
def masks(a: Any, t: Trial) -> None:
    x, real = t.randn(2, 4, 8), right_padding([2, 4], 4)
    for norm in ("pre", "post"):
        layer = made(a, t, norm=norm)
        found, right = result(t, layer, x, real), formula(layer, x, real, norm=norm)
        if same(found[real], right[real]):
            continue
        inverted = formula(layer, x, ~real, norm=norm)
        t.that(
            not same(found[0, :2], inverted[0, :2]) and not same(found[0, :2], inverted.nan_to_num()[0, :2]),
            "the mask is read the wrong way round: True means a *real* token here "
            "(`nn.TransformerEncoderLayer` has "
            "it the other way)",
            diagnosis="mask-inverted",
        )
        t.that(
            not same(found[real], formula(layer, x, norm=norm)[real]),
            "real tokens still see padded keys: the mask has no effect, or not on the keys. `attention` "
            "wants it as [B, 1, 1, T]",
            diagnosis="mask-ignored",
        )
        t.that(
            not same(found[real], formula(layer, x, real[:1].expand(2, 4), norm=norm)[real]),
            "the mask of the first text was used for all texts",
            diagnosis="mask-of-another-text",
        )
        zeroed = formula(layer, x * real[:, :, None], norm=norm)
        t.that(
            not same(found[0, :2], zeroed[0, :2]),
            "the padding was set to 0 and attended to: a key of zeros still takes its share of the softmax. "
            "Hand "
            "the mask to `attention`",
            diagnosis="padding-zeroed-not-hidden",
        )


@probe("padding-counts")
def padding(a: Any, t: Trial) -> str | None:
    layer, x, real = made(a, t), t.randn(2, 4, 8), right_padding([2, 3], 4)
    other = torch.where(real[:, :, None], x, 100 * t.randn(2, 4, 8))
    one, two = result(t, layer, x, real), result(t, layer, other, real)
    if not same(one[real], two[real], rtol=1e-6, atol=1e-8):
        return (
            "other numbers in the padding change what comes out at real tokens: padded keys must be seen by "
            "nobody. "
            "The mask is [B, T]; attention wants it as [B, 1, 1, T]"
        )
    return None


@probe("all-padding")
def blind_text(a: Any, t: Trial) -> str | None:
    for norm in ("pre", "post"):
        out = result(t, made(a, t, norm=norm), t.randn(2, 3, 8), right_padding([0, 3], 3))
        if not bool(out.isfinite().all()):
            return (
                "a text of nothing but padding gives NaN or ∞. What comes out at padded places is not looked "
                "at, but it must be finite"
            )
    return None


@probe("half-precision-fails")
def bf16(a: Any, t: Trial) -> str | None:
    layer = made(a, t).to(torch.bfloat16)
    x, real = t.randn(2, 3, 8, dtype=torch.bfloat16), right_padding([2, 3], 3)
    attempt = t.tried(lambda: layer(x, real))
    if attempt.error is not None:
        return f"a layer in bfloat16 raises {type(attempt.error).__name__}: {attempt.error}"
    if attempt.value.dtype != torch.bfloat16:
        return f"a layer in bfloat16 gives {attempt.value.dtype}"
    return None
