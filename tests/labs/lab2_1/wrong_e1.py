"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e1_sdpa import variant
from phase2_intermediate.lab1_attention.solution import sdpa as sound
from tests.labs.answers import Answers

wrong = Answers()
INF = float("inf")


answer = wrong.stands_for("E1", "sdpa")


def changed(name, **pieces):
    wrong.add("E1", name, lambda: variant(**pieces))


changed("scale_multiplies", default=lambda q, k, v: math.sqrt(q.shape[-1]))
changed("width_of_the_values", default=lambda q, k, v: v.shape[-1] ** -0.5)
changed("number_of_queries", default=lambda q, k, v: q.shape[-2] ** -0.5)
changed("constant_eight", default=lambda q, k, v: 1 / 8)
changed("upper_triangle", causal=lambda a, b: torch.ones(a, b, dtype=torch.bool).triu())
changed("one_too_far", causal=lambda a, b: torch.ones(a, b, dtype=torch.bool).tril(1))
changed("no_causal", causal=lambda a, b: torch.ones(a, b, dtype=torch.bool))
changed("zero_instead_of_minus_infinity", hide=lambda s, m: s * m)
changed("minus_one_thousand", hide=lambda s, m: s.masked_fill(~m, -1000.0))
changed("plus_infinity", hide=lambda s, m: s.masked_fill(~m, INF))
changed(
    "finfo_min", hide=lambda s, m: s.masked_fill(~m, torch.finfo(s.dtype).min), weigh=lambda s: s.softmax(-1)
)
changed("divides_by_scale", scores=lambda q, k, scale: q @ k.transpose(-1, -2) / scale)
changed("sigmoid", weigh=lambda s: s.sigmoid())
changed("no_softmax", weigh=lambda s: s.masked_fill(s == -INF, 0))
changed("dim_one", weigh=lambda s: s.masked_fill(s == -INF, -1e30).softmax(1 if s.dim() > 2 else -1))
changed("exp_without_maximum", weigh=lambda s: s.exp() / s.exp().sum(-1, keepdim=True).clamp(min=1e-300))
changed(
    "maximum_of_everything",
    weigh=lambda s: (s - s.max()).exp() / (s - s.max()).exp().sum(-1, keepdim=True).clamp(min=1e-300),
)
changed(
    "cosine",
    scores=lambda q, k, scale: scale * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2),
)
changed("reversed_axes", scores=lambda q, k, scale: scale * q @ k.T)
changed("needs_three_axes", scores=lambda q, k, scale: scale * torch.bmm(q, k.transpose(1, 2)))
changed("single_precision_always", wide=lambda dtype: torch.float32)
changed("clamped_scores", scores=lambda q, k, scale: (scale * q @ k.transpose(-1, -2)).clamp(-50, 50))
changed("detached_scores", scores=lambda q, k, scale: (scale * q @ k.transpose(-1, -2)).detach())
changed("detached_keys", scores=lambda q, k, scale: scale * q @ k.detach().transpose(-1, -2))


@answer
def output_alone(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)[0]


@answer
def weights_first(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)[::-1]


@answer
def no_weights(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)[0], None


@answer
def returns_a_list(q, k, v, mask=None, *, is_causal=False, scale=None):
    return list(sound(q, k, v, mask, is_causal=is_causal, scale=scale))


@answer
def forgets_return(q, k, v, mask=None, *, is_causal=False, scale=None):
    sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def scores_as_weights(q, k, v, mask=None, *, is_causal=False, scale=None):
    out, _ = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    return out, (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).to(q.dtype)


@answer
def scales_q_in_place(q, k, v, mask=None, *, is_causal=False, scale=None):
    with torch.no_grad():
        q.mul_(q.shape[-1] ** -0.5 if scale is None else scale)
    return sound(q, k, v, mask, is_causal=is_causal, scale=1.0)


@answer
def changes_the_mask(q, k, v, mask=None, *, is_causal=False, scale=None):
    if is_causal and mask is not None and mask.dtype == torch.bool:
        mask &= torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def every_mask_is_boolean(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, None if mask is None else mask.bool(), is_causal=is_causal, scale=scale)


@answer
def zero_means_hidden_in_every_mask(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, None if mask is None else mask != 0, is_causal=is_causal, scale=scale)


@answer
def floating_mask_ignored(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dtype != torch.bool:
        mask = None
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def mask_before_the_scale(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dtype != torch.bool:
        mask = mask * (q.shape[-1] ** -0.5 if scale is None else scale)
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def mask_of_two_axes_only(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dim() != 2:
        raise ValueError("the mask must be [T_q, T_k]")
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def refuses_both(q, k, v, mask=None, *, is_causal=False, scale=None):
    assert not (is_causal and mask is not None)
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def causal_wins(q, k, v, mask=None, *, is_causal=False, scale=None):
    if is_causal:
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    return sound(q, k, v, mask, scale=scale)


@answer
def blind_only_for_boolean_masks(q, k, v, mask=None, *, is_causal=False, scale=None):
    s = q.double() @ k.double().transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -INF)
    keep = torch.ones((), dtype=torch.bool)
    if mask is not None and mask.dtype == torch.bool:
        keep = mask.any(-1, keepdim=True)
        s = s.masked_fill(~mask & keep, -INF)
    elif mask is not None:
        s = s + mask
    w = s.softmax(-1) * keep
    return (w @ v.double()).to(q.dtype), w.to(q.dtype)


@answer
def first_blind_key_gets_everything(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dtype == torch.bool:
        blind = ~mask.any(-1, keepdim=True)
        mask = mask | (blind & (torch.arange(k.shape[-2]) == 0))
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def blind_rows_see_everything(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dtype == torch.bool:
        mask = mask | ~mask.any(-1, keepdim=True)
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def no_keys_no_answer(q, k, v, mask=None, *, is_causal=False, scale=None):
    (q @ k.transpose(-1, -2)).amax(-1)
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def without_gradient(q, k, v, mask=None, *, is_causal=False, scale=None):
    with torch.no_grad():
        return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def weights_without_gradient(q, k, v, mask=None, *, is_causal=False, scale=None):
    out, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    return out, weights.detach()


@answer
def half_comes_back_wide(q, k, v, mask=None, *, is_causal=False, scale=None):
    wide = torch.promote_types(q.dtype, torch.float32)
    return sound(q.to(wide), k.to(wide), v.to(wide), mask, is_causal=is_causal, scale=scale)


@answer
def softmax_in_single_product_in_half(q, k, v, mask=None, *, is_causal=False, scale=None):
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    s = q @ k.transpose(-1, -2) * scale
    if is_causal:
        s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -INF)
    if mask is not None:
        s = s.masked_fill(~mask, -INF) if mask.dtype == torch.bool else s + mask
    blind = (s == -INF).all(-1, keepdim=True)
    w = s.masked_fill(blind, 0).softmax(-1, dtype=torch.promote_types(q.dtype, torch.float32))
    w = w.masked_fill(blind, 0).to(q.dtype)
    return w @ v, w


@answer
def weights_rounded_before_the_sum(q, k, v, mask=None, *, is_causal=False, scale=None):
    wide = torch.promote_types(q.dtype, torch.float32)
    weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)[1]
    return (weights.to(wide) @ v.to(wide)).to(q.dtype), weights


@answer
def view_of_a_transposed_tensor(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q.view(-1).view(q.shape), k, v, mask, is_causal=is_causal, scale=scale)


@answer
def equal_widths_only(q, k, v, mask=None, *, is_causal=False, scale=None):
    out, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    return out.reshape(*out.shape[:-1], v.shape[-1]).reshape(*out.shape[:-2], *q.shape[-2:]), weights


@answer
def small_constant_in_the_denominator(q, k, v, mask=None, *, is_causal=False, scale=None):
    _, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
    return weights @ v.expand(*v.shape), weights


@answer
def dropout_inside(q, k, v, mask=None, *, is_causal=False, scale=None):
    _, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    weights = F.dropout(weights, 0.1)
    return weights @ v, weights


@answer
def kernel_by_another_door(q, k, v, mask=None, *, is_causal=False, scale=None):
    out = torch.ops.aten.scaled_dot_product_attention.default(q, k, v, mask, 0.0, is_causal, scale=scale)
    return out, sound(q, k, v, mask, is_causal=is_causal, scale=scale)[1]


@answer
def identity_as_values(q, k, v, mask=None, *, is_causal=False, scale=None):
    kernel = getattr(F, "scaled_dot" + "_product_attention")
    weights = kernel(q, k, torch.eye(k.shape[-2], dtype=q.dtype), mask, is_causal=is_causal, scale=scale)
    return weights @ v, weights


@answer
def keys_instead_of_values(q, k, v, mask=None, *, is_causal=False, scale=None):
    _, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    return weights @ k, weights


@answer
def first_query_only(q, k, v, mask=None, *, is_causal=False, scale=None):
    out, weights = sound(q, k, v, mask, is_causal=is_causal, scale=scale)
    return out[..., :1, :].expand_as(out), weights


@answer
def key_mask_of_two_axes(q, k, v, mask=None, *, is_causal=False, scale=None):
    if mask is not None and mask.dtype == torch.bool and mask.dim() == 1:
        mask = mask[:, None]
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


@answer
def scale_without_its_sign(q, k, v, mask=None, *, is_causal=False, scale=None):
    return sound(q, k, v, mask, is_causal=is_causal, scale=None if scale is None else abs(scale))


@answer
def negative_scale_taken_for_none(q, k, v, mask=None, *, is_causal=False, scale=None):
    if scale is not None and scale < 0:
        scale = None
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)


def after(name, change):
    """A sound answer whose pair is spoilt: `change(out, weights, q)`."""

    def sdpa(q, k, v, mask=None, *, is_causal=False, scale=None):
        return change(*sound(q, k, v, mask, is_causal=is_causal, scale=scale), q)

    wrong.add("E1", name, lambda: {"sdpa": sdpa})


after("weights_transposed", lambda out, weights, q: (out, weights.transpose(-1, -2)))
after("log_weights", lambda out, weights, q: (out, weights.log()))
after("weights_averaged_over_heads", lambda o, w, q: (o, w.mean(1) if w.dim() == 4 else w))
after("adds_the_query_where_it_fits", lambda out, w, q: (out + q if out.shape == q.shape else out, w))
changed("mask_of_the_first_query", hide=lambda s, m: s.masked_fill(~m[..., :1, :], -INF))


@answer
def floating_mask_twice(q, k, v, mask=None, *, is_causal=False, scale=None):
    mask = 2 * mask if mask is not None and mask.is_floating_point() else mask
    return sound(q, k, v, mask, is_causal=is_causal, scale=scale)
