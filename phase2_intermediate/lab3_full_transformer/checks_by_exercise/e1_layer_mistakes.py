"""The known mistakes of E1's decoder layer, each by the output that it gives with random weights."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import Case, name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    real,
    shake,
)
from shared.nn import MultiHeadAttention, TransformerLayer

probe = Probes()
D, HEADS, HIDDEN = 8, 2, 12
PARTS = ("attention", "cross", "feedforward", "norms")


def built(a: Any, t: Trial, **how: Any) -> Any:
    """A layer of width 8 with random weights, in evaluation mode, its parts where they should be."""
    text = "".join(f", {key}={value!r}" for key, value in how.items())
    words = f"DecoderLayer({D}, {HEADS}, {HIDDEN}{text})"
    t.given(words)
    layer = value_of(t, lambda: a.DecoderLayer(D, HEADS, HIDDEN, **how), "layer-cannot-be-built", words)
    t.that(isinstance(layer, nn.Module), "DecoderLayer must be an nn.Module", diagnosis="not-a-module")
    missing = [name for name in PARTS if not hasattr(layer, name)]
    t.that(
        not missing,
        f"the layer has no {' and no '.join(f'`{name}`' for name in missing)}: its parts are called "
        "attention, cross, feedforward and norms, since E3 takes it apart",
        diagnosis="parts-missing",
    )
    for name in ("attention", "cross"):
        part = getattr(layer, name)
        t.that(
            isinstance(part, MultiHeadAttention),
            f"`{name}` is a {type(part).__name__}, expected a shared.nn.MultiHeadAttention",
            diagnosis="parts-missing",
        )
    t.that(
        len(layer.norms) == 3,
        f"`norms` has {len(layer.norms)} norms: three branches need one each",
        diagnosis="norms-shared",
    )
    ready = [m for m in layer.modules() if isinstance(m, TransformerLayer | nn.TransformerDecoderLayer)]
    t.that(
        not ready,
        f"inside the layer there is a {type(ready[0]).__name__ if ready else ''}: build it from attention "
        "and a network",
        diagnosis="ready-made-inside",
    )
    t.that(
        len({id(norm) for norm in layer.norms}) == 3,
        "`norms` holds one and the same norm several times: each branch has its own",
        diagnosis="norms-shared",
    )
    right = 8 * (D * D + D) + 2 * D * HIDDEN + HIDDEN + D + 6 * D
    found = sum(p.numel() for p in layer.parameters())
    t.that(
        layer.attention is not layer.cross,
        "`attention` and `cross` are one and the same module: each has its own weights",
        diagnosis="attentions-shared",
    )
    t.that(
        found == right,
        f"the layer has {found} parameters, expected {right} in two attentions, two linear layers, three "
        + (
            "norms: something is not registered (a plain list is not, nn.ModuleList is)"
            if found < right
            else "norms: it holds more than its parts"
        ),
        diagnosis="parameters-missing" if found < right else "parameters-too-many",
    )
    return shake(layer, t)


def run(t: Trial, layer: Any, y: Tensor, memory: Tensor, **masks: Any) -> Tensor:
    names = ", ".join(f"{key}={tuple(mask.shape)}" for key, mask in masks.items() if mask is not None)
    words = f"a layer with y {tuple(y.shape)}, memory {tuple(memory.shape)}{names and ', ' + names}"
    out = value_of(t, lambda: layer(y, memory, **masks), "layer-raises", words)
    t.that(
        out is not None, "`forward` returned None: did the `return` go missing?", diagnosis="returns-nothing"
    )
    t.that(
        isinstance(out, Tensor) and out.shape == y.shape,
        f"{words} gave {tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__}, expected a "
        f"tensor {tuple(y.shape)}",
        diagnosis="wrong-shape",
    )
    return out.detach()


def formula(
    layer: Any,
    y: Tensor,
    memory: Tensor,
    *,
    pre: bool = True,
    self_mask: Tensor | None = None,
    memory_mask: Tensor | None = None,
    order: tuple[int, ...] = (0, 1, 2),
    norms: tuple[int, ...] = (0, 1, 2),
    residual: bool = True,
    source: Any = None,
    kind: str = "",
) -> Tensor:
    """What a layer with these parts should give; the other arguments make mistakes of it."""
    with torch.no_grad():
        source = source or (lambda norm, x: layer.cross(x, memory, mask=memory_mask))
        for number in order:
            norm = layer.norms[norms[number]] if norms[number] >= 0 else nn.Identity()

            def branch(x: Tensor, number: int = number, norm: Any = norm) -> Tensor:
                if number == 0:
                    return layer.attention(x, mask=self_mask)
                return source(norm, x) if number == 1 else layer.feedforward(x)

            if kind == "normed stream":
                y = norm(y)
                y = y + branch(y)
            elif kind == "norm of branch":
                y = y + norm(branch(y))
            elif pre:
                y = branch(norm(y)) + (y if residual else 0)
            else:
                y = norm(branch(y) + (y if residual else 0))
    return y


def order_cases(layer: Any, y: Tensor, memory: Tensor, pre: bool) -> list[Case]:
    def f(**how: Any) -> Tensor:
        return formula(layer, y, memory, **{"pre": pre, **how})

    cases: list[Case] = [
        ("cross-missing", f(order=(0, 2)), "the output ignores the source: cross-attention is missing"),
        ("self-missing", f(order=(1, 2)), "self-attention is missing: the target never looks at itself"),
        ("network-missing", f(order=(0, 1)), "the feed-forward network is missing"),
        ("residual-missing", f(residual=False), "the residual path is missing: y + f(norm(y))"),
        (
            "norms-missing",
            f(norms=(-1, -1, -1)),
            "there is no norm at all in what `forward` computes: each branch has its own",
        ),
        (
            "memory-is-the-target",
            f(source=lambda norm, x: layer.cross(x)),
            "the output ignores the source: keys and values of cross-attention come from y. They come from "
            "the memory, the queries alone from y",
        ),
        (
            "memory-in-self-attention",
            memory_first(layer, y, memory, pre),
            "`attention` reads the memory: it is self-attention, queries, keys and values come from y",
        ),
        (
            "memory-normed",
            f(source=lambda norm, x: layer.cross(x, norm(memory))),
            "the memory goes through norms[1] as well: the norm acts on y, the encoder has normed the memory",
        ),
        (
            "attentions-exchanged",
            exchanged(layer, y, memory, pre),
            "`attention` reads the memory and `cross` reads y: their names are exchanged",
        ),
    ]
    for order in permutations(range(3)):
        words = "the branches come in another order: self-attention, cross-attention, network"
        cases.append(("order-of-branches", f(order=order), words))
        by_place = tuple(order.index(number) for number in range(3))
        cases.append(("order-of-branches", f(order=order, norms=by_place), words))
    for norms in ((0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 2, 1), (2, 1, 0)):
        words = f"the three branches use norms {norms}: each has its own, in order 0, 1, 2"
        cases.append(("norms-shared", f(norms=norms), words))
    for norms in ((-1, 1, 2), (0, -1, 2), (0, 1, -1)):
        which = ("self-attention", "cross-attention", "the network")[norms.index(-1)]
        cases.append(("norms-missing", f(norms=norms), f"the norm of {which} is missing"))
    return cases


def memory_first(layer: Any, y: Tensor, memory: Tensor, pre: bool) -> Tensor:
    first, second, third = layer.norms
    with torch.no_grad():
        if pre:
            y = y + layer.attention(first(y), memory)
            y = y + layer.cross(second(y), memory)
            return y + layer.feedforward(third(y))
        y = first(y + layer.attention(y, memory))
        y = second(y + layer.cross(y, memory))
        return third(y + layer.feedforward(y))


def exchanged(layer: Any, y: Tensor, memory: Tensor, pre: bool) -> Tensor:
    first, second, third = layer.norms
    with torch.no_grad():
        if pre:
            y = y + layer.cross(first(y))
            y = y + layer.attention(second(y), memory)
            return y + layer.feedforward(third(y))
        y = first(y + layer.cross(y))
        y = second(y + layer.attention(y, memory))
        return third(y + layer.feedforward(y))


@probe("pre-norm")
def pre_norm(a: Any, t: Trial) -> None:
    layer, y, memory = built(a, t), t.randn(2, 3, D), t.randn(2, 4, D)
    right = formula(layer, y, memory)
    cases = [
        (
            "post-instead-of-pre",
            formula(layer, y, memory, pre=False),
            'the default is norm="pre", y + f(norm(y)); yours computes norm(y + f(y))',
        ),
        (
            "stream-normed",
            formula(layer, y, memory, kind="normed stream"),
            "y itself is replaced by norm(y) before the branch is added: the stream stays as it is, only "
            "the branch sees norm(y)",
        ),
        (
            "norm-around-the-branch",
            formula(layer, y, memory, kind="norm of branch"),
            "that is y + norm(f(y)): the norm comes before the function, y + f(norm(y))",
        ),
        *order_cases(layer, y, memory, pre=True),
    ]
    past = torch.ones(3, 3, dtype=torch.bool).tril()
    cases.append(
        (
            "layer-always-causal",
            formula(layer, y, memory, self_mask=past),
            "without `self_mask` position 0 does not see position 2: the layer is not causal by itself, the "
            "mask makes it so",
        )
    )
    out = run(t, layer, y, memory)
    name_it(t, out, right, cases)
    by_names = "pre: y + f(norm(y)) for `attention`, `cross`, `feedforward` in this order, with norms 0, 1, 2"
    t.that(
        same(out, right),
        f"the output is not that of the layer's own parts. {by_names}",
        diagnosis="not-the-formula",
        observed=out[0],
        expected=right[0],
    )


@probe("post-norm")
def post_norm(a: Any, t: Trial) -> None:
    layer, y, memory = built(a, t, norm="post"), t.randn(2, 3, D), t.randn(2, 4, D)
    right = formula(layer, y, memory, pre=False)
    cases = [
        ("norm-ignored", formula(layer, y, memory), 'norm="post" gives what norm="pre" gives'),
        (
            "norm-around-the-branch",
            formula(layer, y, memory, kind="norm of branch"),
            'with norm="post" yours computes y + norm(f(y)): the norm takes the sum, norm(y + f(y))',
        ),
        *order_cases(layer, y, memory, pre=False),
    ]
    out = run(t, layer, y, memory)
    name_it(t, out, right, cases)
    t.that(
        same(out, right),
        'with norm="post" the output is not norm(y + f(y)), branch after branch',
        diagnosis="not-the-formula",
        observed=out[0],
        expected=right[0],
    )


@probe("norm-not-refused")
def other_norms(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.DecoderLayer(D, HEADS, HIDDEN, norm="both"))
    if not isinstance(attempt.error, ValueError):
        what = "raised nothing" if attempt.error is None else f"raised {type(attempt.error).__name__}"
        return f'norm="both" {what}: any other value than "pre" and "post" is a ValueError'
    return None


@probe("masks-of-the-layer")
def masks(a: Any, t: Trial) -> None:
    layer, y, memory = built(a, t), t.randn(2, 3, D), t.randn(2, 3, D)  # T = S: nothing is told by a shape
    past = torch.ones(3, 3, dtype=torch.bool).tril()
    visible = real(t, 2, 1, size=3)[:, None, None, :]
    out = run(t, layer, y, memory, memory_mask=visible)
    right = formula(layer, y, memory, memory_mask=visible)
    none = formula(layer, y, memory)
    name_it(
        t,
        out,
        right,
        [
            (
                "memory-mask-ignored",
                none,
                "`memory_mask` has no effect: padding of the source is attended to",
            ),
            (
                "memory-mask-inverted",
                formula(layer, y, memory, memory_mask=~visible),
                "`memory_mask` is read the wrong way round: True means that the query may attend",
            ),
            (
                "memory-mask-on-the-target",
                formula(layer, y, memory, self_mask=visible),
                "`memory_mask` was given to self-attention: it belongs to cross-attention",
            ),
            (
                "memory-mask-on-the-target",
                formula(layer, y, memory, self_mask=visible, memory_mask=visible),
                "`memory_mask` was given to self-attention too: it belongs to cross-attention alone",
            ),
        ],
    )
    t.that(same(out, right), "with a `memory_mask` the output is wrong", diagnosis="memory-mask-wrong")
    out = run(t, layer, y, memory, self_mask=past)
    right = formula(layer, y, memory, self_mask=past)
    name_it(
        t,
        out,
        right,
        [
            ("self-mask-ignored", none, "`self_mask` has no effect: position 0 sees position 2"),
            (
                "self-mask-inverted",
                formula(layer, y, memory, self_mask=~past),
                "`self_mask` is read the wrong way round: True means that the query may attend",
            ),
            (
                "self-mask-on-the-memory",
                formula(layer, y, memory, memory_mask=past),
                "`self_mask` was given to cross-attention: decoder step 0 cannot see source token 2",
            ),
            (
                "self-mask-on-the-memory",
                formula(layer, y, memory, memory_mask=past, self_mask=past),
                "`self_mask` was given to cross-attention too: decoder step 0 cannot see source token 2",
            ),
        ],
    )
    t.that(same(out, right), "with a `self_mask` the output is wrong", diagnosis="self-mask-wrong")
