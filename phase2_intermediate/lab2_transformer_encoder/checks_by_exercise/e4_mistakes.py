"""The known mistakes of E4's stack and of its scaling; those of the report are in `e4_mistakes_report`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import (
    formula,
    network,
    normed,
    shake,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import attention

probe = Probes()
SCHEMES = ("pre", "post", "deepnorm")
LINEARS = (*(f"attention.{name}" for name in ("query", "key", "value", "out")), "up", "down")
PARTS = ("attention", "norm1", "norm2", "up", "down")


def alpha_of(scheme: str, depth: int) -> float:
    return float((2 * depth) ** 0.25) if scheme == "deepnorm" else 1.0


def built(a: Any, t: Trial, depth: int, *, shaken: bool = False, **how: Any) -> Any:
    """The learner's stack in float64; its parts are there."""
    words = f"make_stack({depth}{''.join(f', {k}={v!r}' for k, v in how.items())})"
    t.given(words)
    stack = value_of(t, lambda: a.make_stack(depth, **how), "stack-cannot-be-built", words)
    t.that(isinstance(stack, nn.Module), "make_stack returns an nn.Module", diagnosis="stack-cannot-be-built")
    layers = getattr(stack, "layers", None)
    t.that(
        isinstance(layers, nn.ModuleList) and len(layers) == depth,
        "`layers` is "
        f"{f'a list of {len(layers)}' if isinstance(layers, list | nn.ModuleList) else type(layers).__name__}"
        f", expected an nn.ModuleList of {depth}",
        diagnosis="number-of-layers",
    )
    missing = [name for name in PARTS if not hasattr(layers[0], name)]
    t.that(
        not missing and hasattr(layers[0].attention, "query"),
        f"a layer has no {', '.join(missing) or 'attention.query'}: the parts are called as in E2",
        diagnosis="parts-missing",
    )
    stack = stack.double()
    if shaken:
        shake(t, stack, 0.3)
    return stack


def run_by_formula(stack: Any, x: Tensor, scheme: str, alpha: float, *, last: str | None = None) -> Tensor:
    """`last`: "norm" or "none", to say what comes at the end, whatever the scheme asks for."""
    kind = "pre" if scheme == "pre" else "post"
    for layer in stack.layers:
        x = formula(layer, x, norm=kind, alpha=alpha)
    if last == "none" or (last is None and scheme != "pre"):
        return x
    gains = getattr(stack.norm, "weight", None)
    return F.layer_norm(x, x.shape[-1:], gains, getattr(stack.norm, "bias", None))


@probe("layers-are-one-layer")
def distinct(a: Any, t: Trial) -> str | None:
    stack = built(a, t, 3)
    if (
        len({id(layer) for layer in stack.layers}) < 3
        or len({id(layer.up.weight) for layer in stack.layers}) < 3
    ):
        return (
            "the layers are one and the same object, put into the list three times: each has weights of its "
            "own"
        )
    shared = sum(1 for layer in stack.layers for _ in layer.parameters()) - len(
        list(stack.layers.parameters())
    )
    if shared:
        return f"the layers share {shared} of their parameters: each has norms, weights and biases of its own"
    if same(stack.layers[0].up.weight, stack.layers[1].up.weight):
        return "two layers of a fresh stack have the same weights: each draws its own"
    return None


@probe("sizes-of-the-stack")
def sizes(a: Any, t: Trial) -> str | None:
    for d, heads in ((32, 4), (24, 3)):
        stack = built(a, t, 1, d=d, heads=heads) if d != 32 else built(a, t, 1)
        up, block = stack.layers[0].up.weight, stack.layers[0].attention
        given = (
            f"with d={d} and heads={heads}" if d != 32 else "without d and heads, which are 32 and 4 then,"
        )
        if tuple(up.shape) != (4 * d, d):
            return f"{given} `up` has the shape {tuple(up.shape)}, expected {(4 * d, d)}: d_ff is 4d"
        if getattr(block, "heads", heads) != heads:
            return f"{given} the layers have {block.heads} heads"
    return None


@probe("the-words")
def words(a: Any, t: Trial) -> None:
    for scheme, depth in (("pre", 3), ("post", 3), ("deepnorm", 8), ("deepnorm", 1)):
        stack = built(a, t, depth, scheme=scheme)
        t.that(
            getattr(stack, "scheme", None) == scheme,
            f"`scheme` of the stack is {getattr(stack, 'scheme', None)!r}, expected {scheme!r}",
            diagnosis="scheme-not-kept",
        )
        found, right = getattr(stack, "alpha", None), alpha_of(scheme, depth)
        wrong = {
            "N^(1/4)": depth**0.25, "(2N)^(1/2)": (2 * depth) ** 0.5, "(2N)^(−1/4)": (2 * depth) ** -0.25,
            "(8N)^(1/4)": (8 * depth) ** 0.25, "(8N)^(−1/4), which is β": (8 * depth) ** -0.25,
            "1": 1.0, "(2N)^4": (2 * depth) ** 4.0,
        }  # fmt: skip
        if isinstance(found, int | float) and abs(found - right) > 1e-6:
            shown = next((word for word, value in wrong.items() if abs(value - found) < 1e-6), f"{found:.4g}")
            asked = f"(2N)^(1/4) = {right:.4g}" if scheme == "deepnorm" else "1: only DeepNorm has another"
            t.fail(
                f"`alpha` of a {scheme!r} stack of depth {depth} is {shown}: it is {asked}",
                diagnosis="another-alpha",
            )
        t.that(
            isinstance(found, int | float),
            f"`alpha` of the stack is {found!r}, expected the float {right:.4g}",
            diagnosis="alpha-not-kept",
        )
    t.raises(
        ValueError,
        lambda: a.make_stack(2, scheme="sandwich"),
        "scheme='sandwich'",
        diagnosis="unknown-scheme",
    )
    default = built(a, t, 1)
    t.that(default.scheme == "pre", "without `scheme` the stack is not 'pre'", diagnosis="scheme-not-kept")


@probe("the-last-norm")
def last_norm(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        stack, x = built(a, t, 2, scheme=scheme, shaken=True), t.randn(2, 3, 32)
        norm = getattr(stack, "norm", None)
        found = value_of(t, lambda s=stack, x=x: s(x), "forward-fails", f"calling a {scheme!r} stack")
        alpha = alpha_of(scheme, 2)
        raw, right = (run_by_formula(stack, x, scheme, alpha, last=last) for last in ("none", None))
        if scheme == "pre":
            spread = float(built(a, t, 12)(t.randn(2, 8, 32)).std())
            t.that(
                not same(found, raw),
                "a pre-norm stack needs a last norm, `norm = nn.LayerNorm(d)`: after 12 layers the stream "
                "has a deviation "
                f"of {spread:.1f}, and it would be fed raw to the head",
                diagnosis="no-last-norm",
            )
        else:
            t.that(
                same(found, right) or not same(found, run_by_formula(stack, x, scheme, alpha, last="norm")),
                f"a {scheme!r} stack ends with a norm already: `norm` is nn.Identity()",
                diagnosis="one-norm-too-many",
            )
        t.that(
            isinstance(norm, nn.LayerNorm if scheme == "pre" else nn.Identity),
            f"`norm` of a {scheme!r} stack is {type(norm).__name__}, expected "
            f"{'nn.LayerNorm' if scheme == 'pre' else 'nn.Identity'}",
            diagnosis="another-last-norm",
        )


@probe("where-alpha-stands")
def alpha_place(a: Any, t: Trial) -> None:
    stack, x = built(a, t, 1, scheme="deepnorm", shaken=True), t.randn(2, 3, 32)
    layer, alpha = stack.layers[0], 2**0.25

    def A(h: Tensor) -> Tensor:
        return attention(layer.attention, h)

    def N(h: Tensor) -> Tensor:
        return network(layer, h, "gelu")

    def n1(h: Tensor) -> Tensor:
        return normed(layer.norm1, h, "ln")

    def n2(h: Tensor) -> Tensor:
        return normed(layer.norm2, h, "ln")

    right = formula(layer, x, norm="post", alpha=alpha)
    first = n1(alpha * x + A(x))
    branch, whole = n1(x + alpha * A(x)), n1(alpha * (x + A(x)))
    inner = alpha * x + A(n1(x))
    cases = [
        ("alpha-on-the-branch", n2(branch + alpha * N(branch)), "α multiplies the branch in your layer: it "
                                                                "multiplies the "
         "*skip*, norm(α · x + f(x)), so that the old counts more than the new"),
        ("alpha-without-effect", formula(layer, x, norm="post"), "α has no effect: norm(α · x + f(x))"),
        ("alpha-without-effect", n2(alpha * (whole + N(whole))), "α multiplies the whole sum, and the norm "
                                                                 "takes it "
         "out again: α multiplies the skip only"),
        ("alpha-once", n2(first + N(first)), "α multiplies the first skip only: both"),
        ("alpha-once", (lambda h: n2(alpha * h + N(h)))(n1(x + A(x))), "α multiplies the second skip only: "
                                                                       "both"),
        ("deepnorm-as-pre", inner + N(n2(inner)), "that is pre-norm with α: DeepNorm is norm(α · x + f(x))"),
        ("deepnorm-as-pre", alpha * inner + N(n2(inner)), "that is pre-norm with α: DeepNorm is norm(α · x "
                                                          "+ f(x))"),
        ("deepnorm-as-pre", formula(layer, x), "that is plain pre-norm: DeepNorm is norm(α · x + f(x))"),
        ("alpha-divides", formula(layer, x, norm="post", alpha=1 / alpha), "the skip is divided by α: "
                                                                           "multiply"),
    ]  # fmt: skip
    name_it(t, value_of(t, lambda: stack(x), "forward-fails", "calling a deepnorm stack"), right, cases)


@probe("layers-skipped")
def each_layer_counts(a: Any, t: Trial) -> str | None:
    for scheme in SCHEMES:
        stack, x = built(a, t, 3, scheme=scheme, shaken=True), t.randn(2, 3, 32)
        found, alpha = stack(x), alpha_of(scheme, 3)
        for name, order in (("in reverse order", (2, 1, 0)), ("without the first", (1, 2)), ("without the "
                                                                                             "last", (0, 1)),
                            ("the first alone", (0,))):  # fmt: skip
            partial = deepcopy(stack)
            partial.layers = nn.ModuleList([stack.layers[i] for i in order])
            if same(found, run_by_formula(partial, x, scheme, alpha)):
                return f"a {scheme!r} stack of three layers runs {name}"
    return None


@probe("fresh-weights")
def xavier(a: Any, t: Trial) -> None:
    for scheme in SCHEMES:
        stack = built(a, t, 6, scheme=scheme)
        linears = {name: [layer.get_submodule(name) for layer in stack.layers] for name in LINEARS}
        for name, modules in linears.items():
            biased = any(bool(m.bias.any()) for m in modules)
            t.that(not biased, f"in a fresh stack the biases of `{name}` are not 0", diagnosis="fresh-biases")
            out, into = modules[0].weight.shape
            right = (2 / (out + into)) ** 0.5
            ratio = float(torch.cat([m.weight.flatten() for m in modules]).std()) / right
            scaled = ("init-scaled-already", "make_stack does not scale: `init_scaled_` does, and a stack "
                                             "without it can "
                      "then be compared")  # fmt: skip
            other = ("not-xavier", "Xavier with gain 1 has √(2 / (fan_in + fan_out)); torch's own "
                                   "initialisation of "
                     "nn.Linear is another")  # fmt: skip
            is_scaled = abs(ratio * (12 if scheme != "deepnorm" else 48**0.5) ** 0.5 - 1) < 0.08
            diagnosis, why = scaled if is_scaled else other
            t.that(
                0.93 < ratio < 1.07,
                f"in a fresh {scheme!r} stack the weights of `{name}` have {ratio:.2f} times the deviation "
                "of Xavier's. " + why,
                diagnosis=diagnosis,
            )
        for norm in (stack.layers[0].norm1, stack.layers[2].norm2):
            t.that(
                bool((norm.weight == 1).all()) and not bool(norm.bias.any()),
                "in a fresh stack the norms have gains 1 and biases 0",
                diagnosis="fresh-norms",
            )


FACTORS = {
    "1/depth": lambda n: 1 / n, "1/√depth": lambda n: n**-0.5, "1/(2·depth)": lambda n: 1 / (2 * n),
    "√(2·depth)": lambda n: (2 * n) ** 0.5, "(8·depth)^(−1/4)": lambda n: (8 * n) ** -0.25,
    "(8·depth)^(1/4)": lambda n: (8 * n) ** 0.25, "(2·depth)^(−1/4)": lambda n: (2 * n) ** -0.25,
    "(8·depth)^(−1/2)": lambda n: (8 * n) ** -0.5, "(2·depth)^(1/4)": lambda n: (2 * n) ** 0.25,
    "1/√2": lambda n: 0.5**0.5, "1/2": lambda n: 0.5,
}  # fmt: skip


@probe("the-scaling")
def scaling(a: Any, t: Trial) -> None:
    depth = 5
    for scheme in SCHEMES:
        stack = built(a, t, 3, scheme=scheme, shaken=True)
        before = {name: p.detach().clone() for name, p in stack.named_parameters()}
        value_of(
            t,
            lambda s=stack: a.init_scaled_(s, depth),
            "init-scaled-fails",
            f"init_scaled_ on a {scheme!r} stack",
        )
        after = dict(stack.named_parameters())
        ends = ("attention.out.weight", "down.weight")
        ends += ("attention.value.weight", "up.weight") if scheme == "deepnorm" else ()
        factor = (8 * depth) ** -0.25 if scheme == "deepnorm" else (2 * depth) ** -0.5
        for name, old in before.items():
            ratio = after[name].detach() / old
            constant = same(ratio, ratio.flatten()[:1].expand(ratio.shape), rtol=1e-6)
            judge(
                t,
                scheme,
                name,
                ratio.flatten()[0].item() if constant else None,
                factor,
                name.endswith(ends),
                depth,
            )


def judge(
    t: Trial, scheme: str, name: str, ratio: float | None, factor: float, wanted: bool, depth: int
) -> None:
    """One parameter after `init_scaled_(stack, 5)`: the factor that it was multiplied by, or None."""
    what = f"{scheme!r}: `{name.removeprefix('layers.')}`"
    t.that(
        ratio is not None,
        f"{what} was drawn anew or changed unevenly: the weights that are there are multiplied by one factor",
        diagnosis="drawn-anew",
    )
    assert ratio is not None
    if abs(ratio - (factor if wanted else 1.0)) < 1e-6:
        return
    if not wanted:
        if "norm" in name or name.endswith("bias"):
            t.fail(
                f"{what} was multiplied by {ratio:.3g}: biases and norms stay",
                diagnosis="biases-or-norms-scaled",
            )
        t.fail(
            f"{what} was multiplied by {ratio:.3g} and should stay: "
            + ("attention weights are as they were, β is for value, out, up and down" if scheme ==
             "deepnorm" else
               "only the two matrices that write to the stream are scaled, `attention.out` and `down`"),
            diagnosis="all-weights-scaled",
        )  # fmt: skip
    if abs(ratio - 1) < 1e-9:
        t.fail(f"{what} was not scaled", diagnosis="a-matrix-not-scaled")
    if abs(ratio - factor**2) < 1e-6:
        if scheme != "deepnorm":
            t.fail(f"{what} was multiplied by 1/(2N): a *variance* falls by the square, the weights by "
                   "1/√(2N)",
                   diagnosis="another-factor")  # fmt: skip
        t.fail(f"{what} was multiplied by β twice", diagnosis="another-factor")
    shown = next((word for word, f in FACTORS.items() if abs(f(depth) - ratio) < 1e-6), f"{ratio:.4g}")
    formula_of = "(8·depth)^(−1/4)" if scheme == "deepnorm" else "1/√(2·depth)"
    own_depth = abs(ratio - ((24**-0.25) if scheme == "deepnorm" else 6**-0.5)) < 1e-6
    why = " `depth` is the argument, not the length of `layers`." if own_depth else ""
    two = " Two branches a layer, and their variances add up." if scheme != "deepnorm" else ""
    t.fail(
        f"{what} was multiplied by {shown}, expected {formula_of} = {factor:.4g}.{two}{why}",
        diagnosis="another-factor",
    )
