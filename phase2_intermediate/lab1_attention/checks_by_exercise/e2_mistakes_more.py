"""The known mistakes of E2, second part: what two options do together, and what is left behind."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_formula import formula, made, result
from phase2_intermediate.lab1_attention.checks_by_exercise.e2_mistakes import torch_layer
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import random_mask

probe = Probes()


@probe("heads-that-fit-refused")
def refused(a: Any, t: Trial) -> str | None:
    for sizes in ((24, 4, 1), (24, 4, 2), (24, 4, 4), (24, 1), (4, 4)):
        attempt = t.tried(lambda sizes=sizes: a.MultiHeadAttention(*sizes))
        if attempt.raised(ValueError):
            return f"MultiHeadAttention{sizes} fits, and raised ValueError: {attempt.error}"
    return None


@probe("causal-forgotten")
def causal_forgotten(a: Any, t: Trial) -> None:
    layer, x, context = made(a, t, 24, 4), t.randn(2, 3, 24), t.randn(2, 3, 24)
    mask = torch.tensor([[True, True, True], [False, True, True], [True, True, False]])
    for words, others, seen in (("a context", context, None), ("a mask", None, mask)):
        free, right = (formula(layer, 4, x, others, seen, is_causal=c)[0].detach() for c in (False, True))
        both = f"is_causal has no effect as soon as there is {words}: both apply"
        y, _ = result(t, layer(x, others, mask=seen, is_causal=True))
        name_it(t, y.detach(), right, [("causal-forgotten", free, both)])


@probe("mask-for-each-head")
def per_head(a: Any, t: Trial) -> str | None:
    layer, x, mask = made(a, t, 24, 4), t.randn(2, 3, 24), random_mask(t, 4, 3, 3)
    flat, _ = result(t, layer(x, mask=mask[0]))
    if not same(flat.detach(), formula(layer, 4, x, None, mask[0])[0].detach()):
        return None
    attempt = t.tried(lambda: result(t, layer(x, mask=mask))[0].detach())
    if attempt.error is not None or not same(attempt.value, formula(layer, 4, x, None, mask)[0].detach()):
        ended = f"ends in {type(attempt.error).__name__}" if attempt.error else "gives other numbers"
        return (
            f"right for a mask [3, 3], but one of shape [4, 3, 3], for 4 heads, {ended}: a mask broadcasts "
            "to [B, H, T_q, T_k] from the right, so three axes are [H, T_q, T_k]. Hand it on as it is"
        )
    return None


@probe("from-torch-changes-its-argument")
def changes_mha(a: Any, t: Trial) -> str | None:
    return changed_by_from_torch(a, t)


def changed_by_from_torch(a: Any, t: Trial) -> str | None:
    """What `from_torch` changes in torch's layer, in words, or None."""
    for training in (True, False):
        mha = torch_layer(t, bias=True).train(training)
        before = {name: value.clone() for name, value in mha.state_dict().items()}
        a.MultiHeadAttention.from_torch(mha)
        state = mha.state_dict()
        if set(state) != set(before) or any(not torch.equal(state[name], before[name]) for name in before):
            return "from_torch changes the weights of torch's layer: it only reads them"
        if any(not p.requires_grad for p in mha.parameters()):
            return "after from_torch torch's own layer cannot be trained any more: it is only read"
        if mha.training is not training:
            return "from_torch changes the mode of torch's layer (training or evaluation): it only reads it"
    return None


@probe("remembers-an-earlier-call")
def remembers(a: Any, t: Trial) -> str | None:
    layer, x, mask = made(a, t, 24, 4), t.randn(2, 3, 24), random_mask(t, 3, 3)
    first = result(t, layer(x))[0].detach()
    layer(x, t.randn(2, 3, 24), mask=mask)
    if not same(result(t, layer(x))[0].detach(), first):
        return "layer(x) changes after a call with a context and a mask: the layer keeps one of them"
    return None
