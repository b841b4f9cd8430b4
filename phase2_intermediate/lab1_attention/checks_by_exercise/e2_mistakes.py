"""The known mistakes of E2: each gives outputs of its own on a layer with random weights."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it
from courseware.check.observe import same_storage
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_formula import (
    LINEARS,
    WORDS,
    formula,
    made,
    result,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import random_mask

probe = Probes()


@probe("its-parts")
def parts(a: Any, t: Trial) -> None:
    layer = a.MultiHeadAttention(24, 4, 2)
    t.given("MultiHeadAttention(24, 4, 2)")
    t.that(isinstance(layer, nn.Module), "MultiHeadAttention must be an nn.Module", diagnosis="not-a-module")
    shapes = {"query": (24, 24), "key": (12, 24), "value": (12, 24), "out": (24, 24)}
    for name, shape in shapes.items():
        linear = getattr(layer, name, None)
        if not isinstance(linear, nn.Linear):
            t.fail(
                f"`{name}` is {'missing' if linear is None else f'a {type(linear).__name__}'}: the layer "
                f"consists of four nn.Linear, {', '.join(LINEARS)}",
                diagnosis="no-output-projection" if name == "out" else "other-parts",
            )
        t.that(
            tuple(linear.weight.shape) == shape,
            f"with 4 query heads and 2 key heads, `{name}` of a layer of width 24 has a weight of shape "
            f"{tuple(linear.weight.shape)}, expected {shape}: D_h = 6, and 2 · 6 = 12 numbers for keys and "
            "values",
            diagnosis="widths-of-the-projections",
        )
        t.that(linear.bias is not None, f"`{name}` has no bias", diagnosis="biases")
        t.that(
            getattr(a.MultiHeadAttention(24, 4, bias=False), name).bias is None,
            f"with bias=False, `{name}` still has a bias",
            diagnosis="biases",
        )
    names = [name for name, _ in layer.named_parameters()]
    extra = [name for name in names if name.split(".")[0] not in LINEARS]
    t.that(not extra, f"there are further parameters: {', '.join(extra)}", diagnosis="other-parts")


@probe("indivisible-heads")
def indivisible(a: Any, t: Trial) -> str | None:
    for sizes, words in (
        ((10, 4), "d_model=10 cannot be cut into 4 heads"),
        ((24, 4, 3), "4 query heads cannot share 3 key heads evenly"),
    ):
        attempt = t.tried(lambda sizes=sizes: a.MultiHeadAttention(*sizes))
        if not isinstance(attempt.error, ValueError):
            got = "was built" if attempt.error is None else f"raised a {type(attempt.error).__name__}"
            return f"MultiHeadAttention{sizes} {got}, expected a ValueError: {words}"
    return None


def compare(
    a: Any, t: Trial, sizes: tuple[int, ...], mistakes: tuple[str, ...], *inputs: Any, **how: Any
) -> None:
    """Name the mistake if y is what one of them gives."""
    layer, heads = made(a, t, *sizes), sizes[1]
    x, context, mask = (*inputs, None, None)[:3]
    y, _ = result(t, layer(x, context, mask=mask, **how))
    t.given(f"MultiHeadAttention{sizes}, x {tuple(x.shape)}")
    right, _ = formula(layer, heads, x, context, mask, **how)
    name_it(
        t,
        y.detach(),
        right.detach(),
        [
            (name, formula(layer, heads, x, context, mask, mistake=name, **how)[0].detach(), WORDS[name])
            for name in mistakes
        ],
    )


@probe("the-heads")
def heads(a: Any, t: Trial) -> None:
    x = t.randn(2, 5, 24)
    mistakes = (
        *("heads-mix-time-and-channels", "heads-take-every-nth-number", "merges-without-transposing"),
        *("scale-from-the-model-width", "no-scale", "no-output-projection", "one-head-only"),
        *(
            "keys-and-values-exchanged",
            "heads-averaged",
            "adds-its-input",
            "only-cut-wrongly",
            "only-merged-wrongly",
        ),
        *("scale-without-the-root", "scale-from-the-number-of-heads", "always-causal", "projected-twice"),
        *("relu-at-the-end", "query-for-all-three"),
    )
    compare(a, t, (24, 4), mistakes, x)


@probe("batch-and-time-exchanged")
def sequence_first(a: Any, t: Trial) -> str | None:
    layer, x = made(a, t, 24, 4), t.randn(3, 5, 24)
    y, _ = result(t, layer(x))
    alone, _ = result(t, layer(x[1:2]))
    if y.shape == x.shape and alone.shape == (1, 5, 24) and not same(alone[0].detach(), y[1].detach()):
        return (
            "what comes out for a sequence depends on the other sequences of the batch: attention runs over "
            "the positions, the second axis of [B, T, D]"
        )
    return None


@probe("grouped-queries")
def grouped(a: Any, t: Trial) -> None:
    compare(a, t, (24, 4, 2), ("key-heads-interleaved", "first-key-head-for-all"), t.randn(2, 5, 24))


@probe("the-context")
def cross(a: Any, t: Trial) -> None:
    x, context = t.randn(2, 3, 24), t.randn(2, 5, 24)
    compare(a, t, (24, 4), ("context-ignored", "queries-from-the-context"), x, context)
    compare(
        a, t, (24, 4), ("context-ignored", "values-from-x", "queries-from-the-context"), x, t.randn(2, 3, 24)
    )


@probe("the-masks")
def masks(a: Any, t: Trial) -> None:
    x = t.randn(2, 5, 24)
    compare(a, t, (24, 4), ("causal-ignored",), x, is_causal=True)
    for shape in ((5, 5), (2, 1, 1, 5), (2, 4, 5, 5)):
        compare(a, t, (24, 4), ("mask-ignored", "mask-inverted"), x, None, random_mask(t, *shape))


@probe("the-returned-weights")
def returned_weights(a: Any, t: Trial) -> None:
    layer, x, context = made(a, t, 24, 4), t.randn(2, 3, 24), t.randn(2, 5, 24)
    _, nothing = result(t, layer(x, context))
    t.that(
        nothing is None,
        "without need_weights the second result is None; yours is a tensor that nobody asked for",
        diagnosis="weights-although-not-asked",
    )
    y, weights = result(t, layer(x, context, need_weights=True))
    t.that(weights is not None, "with need_weights=True the weights are None", diagnosis="weights-missing")
    _, each = formula(layer, 4, x, context)
    name_it(
        t,
        weights.detach(),
        each.mean(1).detach(),
        [
            (diagnosis, value.detach(), words)
            for diagnosis, value, words in (
                (
                    "weights-of-every-head",
                    each,
                    "the weights are [B, H, T_q, T_k]: return their mean over heads",
                ),
                ("weights-summed", each.sum(1), "the weights of the heads are added up: return their mean"),
                ("weights-of-one-head", each[:, 0], "these are the weights of head 0: return the mean"),
                (
                    "weights-of-one-head",
                    each[:, -1],
                    "these are the weights of the last head: return the mean",
                ),
                (
                    "weights-of-every-head",
                    each.mean(2),
                    "the mean runs over the queries: it runs over the heads",
                ),
                ("weights-of-one-head", each.amax(1), "that is the maximum over the heads: return the mean"),
            )
        ],
    )
    t.that(
        same(y.detach(), result(t, layer(x, context))[0].detach()),
        "with need_weights=True another y comes out",
        diagnosis="need-weights-changes-y",
    )


def ones_layer(a: Any, p: float, training: bool) -> Any:
    """A layer whose values are all 1 and whose projection is the identity: y is the sum of kept weights."""
    layer = a.MultiHeadAttention(8, 2, dropout=p).double().train(training)
    with torch.no_grad():
        for name in LINEARS:
            getattr(layer, name).weight.zero_()
            getattr(layer, name).bias.zero_()
        layer.value.bias.fill_(1.0)
        layer.out.weight.copy_(torch.eye(8))
    return layer


@probe("dropout")
def dropout(a: Any, t: Trial) -> None:
    x = t.randn(40, 12, 8)
    t.given("MultiHeadAttention(8, 2, dropout=0.5), values all 1, equal scores, out the identity")
    y, _ = result(t, ones_layer(a, 0.5, training=False)(x))
    t.that(
        same(y, torch.ones_like(y)) and same(result(t, ones_layer(a, 0.5, training=False)(x))[0], y),
        "in evaluation (`layer.eval()`) weights are still dropped: `F.dropout` drops unless it is told "
        "`training=self.training`",
        diagnosis="dropout-in-evaluation",
    )
    y, _ = result(t, ones_layer(a, 0.5, training=True)(x))
    if same(y, torch.ones_like(y)):
        layer = made(a, t, 8, 2, dropout=0.5, training=True)
        same_again = same(result(t, layer(x))[0].detach(), result(t, layer(x))[0].detach())
        t.fail(
            "in training, dropout=0.5 changes nothing"
            if same_again
            else "in training the weights of a row still add up to 1: drop weights *after* the softmax",
            diagnosis="dropout-missing" if same_again else "dropout-before-the-softmax",
        )
    t.that(
        same(y[..., 0], y[..., 3]) and same(y[..., 4], y[..., 7]),
        "numbers of the same head got different dropout: the weights are to be dropped, not the output",
        diagnosis="dropout-on-the-output",
    )
    t.that(
        abs(float(y.mean()) - 1) < 0.2,
        f"with half of the weights dropped, they add up to {float(y.mean()):.2f} on average, expected 1: the "
        "others are divided by 1 − dropout",
        diagnosis="dropout-not-rescaled",
    )
    t.that(
        len(y.detach().round(decimals=6).unique()) > 4,
        "a query lost either all its weights or none: each weight is dropped by itself",
        diagnosis="dropout-of-whole-rows",
    )
    shared = {
        "both heads": same(y[..., 0], y[..., 4]),
        "all sequences of the batch": same(y[1:], y[:1].expand_as(y[1:])),
        "all queries": same(y[:, 1:], y[:, :1].expand_as(y[:, 1:])),
    }
    for who, holds in shared.items():
        t.that(
            not holds,
            f"{who} lost the same weights: each weight is dropped by itself, so the random numbers must have "
            "the shape [B, H, T_q, T_k]",
            diagnosis="dropout-is-shared",
        )
    y, _ = result(t, ones_layer(a, 0.1, training=True)(x))
    t.that(
        float(y.std()) < 0.3,
        f"with dropout=0.1 the sums of weights have a deviation of {float(y.std()):.2f}, as if 0.9 of them "
        "were dropped: `dropout` is the probability of being dropped",
        diagnosis="dropout-probability-inverted",
    )


@probe("dropout-on-the-input")
def dropout_of_inputs(a: Any, t: Trial) -> str | None:
    layer, x = ones_layer(a, 0.5, training=True), t.randn(200, 1, 8)
    with torch.no_grad():
        layer.value.weight.copy_(torch.eye(8))
        layer.value.bias.zero_()
    y, _ = result(t, layer(x))  # a single key: each head's half of x comes doubled, or not at all
    halves, doubled = y.detach().reshape(200, 2, 4), 2 * x.reshape(200, 2, 4)
    fine = (halves == 0).all(-1) | ((halves - doubled).abs() < 1e-9).all(-1)
    if not bool(fine.all()):
        return (
            "with a single position, a head gives its value, doubled by dropout=0.5, or 0; yours gives "
            "something in between: only the weights are dropped, neither x nor queries, keys and values"
        )
    return None


@probe("from-torch")
def from_torch(a: Any, t: Trial) -> None:
    mha = torch_layer(t, bias=True)
    t.given("from_torch(nn.MultiheadAttention(12, 3)) with random weights and biases")
    layer = a.MultiHeadAttention.from_torch(mha)
    t.that(
        isinstance(layer, a.MultiHeadAttention),
        f"from_torch returned {'None' if layer is None else f'a {type(layer).__name__}'}, expected a "
        "MultiHeadAttention",
        diagnosis="from-torch-returns-something-else",
    )
    t.that(
        layer.query.weight.dtype == torch.float64,
        f"from a float64 layer came one in {layer.query.weight.dtype}: copy the dtype too",
        diagnosis="from-torch-loses-the-dtype",
    )
    order_of_projections(t, layer, mha)
    for name, own, theirs in (
        ("out.weight", layer.out.weight, mha.out_proj.weight),
        ("out.bias", layer.out.bias, mha.out_proj.bias),
        *(
            (f"{n}.bias", getattr(layer, n).bias, b)
            for n, b in zip(LINEARS, mha.in_proj_bias.chunk(3), strict=False)
        ),
    ):
        t.that(
            own is not None and same(own.detach(), theirs.detach()),
            f"`{name}` was not copied",
            diagnosis="from-torch-forgets-the-biases" if "bias" in name else "from-torch-forgets-out-proj",
        )
    originals = (mha.in_proj_weight, mha.in_proj_bias, mha.out_proj.weight, mha.out_proj.bias)
    t.that(
        not any(same_storage(p, o) for p in layer.parameters() for o in originals),
        "the new layer shares memory with torch's: training one would change the other. Copy",
        diagnosis="from-torch-shares-memory",
    )
    frozen = [name for name, p in layer.named_parameters() if not p.requires_grad or not p.is_leaf]
    t.that(
        not frozen,
        f"{', '.join(frozen)} cannot be trained any more: copy into the parameters under torch.no_grad()",
        diagnosis="from-torch-freezes",
    )


def torch_layer(t: Trial, *, bias: bool, dropout: float = 0.0, heads: int = 3) -> nn.MultiheadAttention:
    mha = nn.MultiheadAttention(12, heads, dropout=dropout, bias=bias, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in mha.parameters():
            parameter.copy_(0.4 * t.randn(*parameter.shape))
    return mha.eval()


def order_of_projections(t: Trial, layer: nn.Module, mha: nn.MultiheadAttention) -> None:
    thirds: list[Tensor] = [w.detach() for w in mha.in_proj_weight.chunk(3)]
    own = [getattr(layer, name).weight.detach() for name in LINEARS[:3]]
    if all(same(x, y) for x, y in zip(own, thirds, strict=True)):
        return
    for order in permutations(range(3)):
        if all(same(x, thirds[i]) for x, i in zip(own, order, strict=True)):
            names = ", ".join(LINEARS[i] for i in order)
            t.fail(
                f"query, key and value got torch's {names}: from top to bottom `in_proj_weight` holds query, "
                "key, value",
                diagnosis="from-torch-in-another-order",
            )
    if any(same(x, y.T) for x, y in zip(own, thirds, strict=True)):
        t.fail("the matrices were transposed: copy them as they are", diagnosis="from-torch-transposes")
    t.fail(
        "the input projections are not those of `in_proj_weight`, whose first D rows are the query's",
        diagnosis="from-torch-wrong-weights",
    )


@probe("from-torch-without-bias")
def from_torch_without_bias(a: Any, t: Trial) -> str | None:
    mha = torch_layer(t, bias=False)
    attempt = t.tried(lambda: a.MultiHeadAttention.from_torch(mha))
    if attempt.error is not None:
        return f"a layer without biases raised {type(attempt.error).__name__}: {attempt.error}"
    if any(getattr(attempt.value, name).bias is not None for name in LINEARS):
        return "from a layer without biases came one with biases: pass `bias` on"
    return None


@probe("from-torch-forgets-dropout")
def from_torch_dropout(a: Any, t: Trial) -> str | None:
    layer = a.MultiHeadAttention.from_torch(torch_layer(t, bias=True, dropout=0.5)).train()
    x = t.randn(3, 6, 12)
    if same(result(t, layer(x))[0].detach(), result(t, layer(x))[0].detach()):
        return "torch's layer had dropout=0.5, the new one drops nothing in training: copy the probability"
    return None
