"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from tests.labs.answers import Answers

wrong = Answers()
INF = float("inf")


def case(name, **objects):
    wrong.add("E3", name, lambda: objects)


def ones(*shape):
    return torch.ones(*shape, dtype=torch.bool)


case("causal_upper", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).triu(offset))
case("causal_what_is_hidden", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).triu(offset + 1))
case("causal_minus_offset", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(-offset))
case("causal_one_ahead", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(offset + 1))
case("causal_square", causal=lambda Tq, Tk, offset=0: ones(Tq, Tq).tril(offset))
case("causal_transposed", causal=lambda Tq, Tk, offset=0: ones(Tk, Tq).tril(offset))
case("causal_integers", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(offset).long())
case(
    "causal_additive",
    causal=lambda Tq, Tk, offset=0: torch.zeros(Tq, Tk).masked_fill(~ones(Tq, Tk).tril(offset), -INF),
)
case("causal_with_batch_axes", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(offset)[None, None])
case("causal_no_negative_offset", causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(max(offset, 0)))
case(
    "causal_forgets_the_cache",
    causal=lambda Tq, Tk, offset=0: ones(Tq, Tk).tril(offset) & (torch.arange(Tk) >= offset),
)
case("causal_returns_none", causal=lambda Tq, Tk, offset=0: None)
case(
    "window_symmetric",
    window=lambda Tq, Tk, left, right: (torch.arange(Tk) - torch.arange(Tq)[:, None]).abs() <= left,
)
case("window_only_left", window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril().triu(-left))
case("window_or", window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril(right) | ones(Tq, Tk).triu(-left))
case("window_left_exclusive", window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril(right).triu(1 - left))
case("window_right_exclusive", window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril(right - 1).triu(-left))
case(
    "window_without_centre",
    window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril(right).triu(-left).fill_diagonal_(False),
)
case(
    "window_sum_of_sides",
    window=lambda Tq, Tk, left, right: ones(Tq, Tk).tril(left + right).triu(-left - right),
)
case("window_square", window=lambda Tq, Tk, left, right: ones(Tq, Tq).tril(right).triu(-left))
case("window_inverted", window=lambda Tq, Tk, left, right: ~ones(Tq, Tk).tril(right).triu(-left))


def real(lengths, T):
    return torch.arange(T) < lengths[:, None]


case("padding_inverted", padding=lambda lengths, T: ~real(lengths, T)[:, None, None])
case(
    "padding_on_the_left", padding=lambda lengths, T: (torch.arange(T) >= T - lengths[:, None])[:, None, None]
)
case("padding_three_axes", padding=lambda lengths, T: real(lengths, T)[:, None])
case(
    "padding_square",
    padding=lambda lengths, T: (real(lengths, T)[:, None, :] & real(lengths, T)[:, :, None])[:, None],
)
case("padding_expanded", padding=lambda lengths, T: real(lengths, T)[:, None, None].expand(-1, 1, T, T))
case(
    "padding_longest_only",
    padding=lambda lengths, T: real(lengths, int(lengths.max()) if len(lengths) else T)[:, None, None],
)
case("padding_at_least_one", padding=lambda lengths, T: real(lengths.clamp(min=1), T)[:, None, None])
case("padding_floats", padding=lambda lengths, T: real(lengths, T)[:, None, None].float())
case("padding_one_short", padding=lambda lengths, T: real(lengths - 1, T)[:, None, None])


def pairs(ids):
    return ids[:, :, None] == ids[:, None, :]


case("documents_zero_is_padding", documents=lambda ids: (pairs(ids) & (ids > 0)[:, :, None])[:, None])
case("documents_inverted", documents=lambda ids: ~(pairs(ids) & (ids >= 0)[:, :, None])[:, None])
case("documents_causal", documents=lambda ids: (pairs(ids) & (ids >= 0)[:, :, None])[:, None].tril())
case(
    "documents_everything_real",
    documents=lambda ids: ((ids >= 0)[:, None, :] & (ids >= 0)[:, :, None])[:, None],
)
case(
    "documents_padding_sees_itself",
    documents=lambda ids: ((pairs(ids) & (ids >= 0)[:, :, None]) | torch.eye(ids.shape[1]).bool())[:, None],
)
case(
    "documents_first_row_only",
    documents=lambda ids: (pairs(ids) & (ids >= 0)[:, :, None])[:1, None].expand(len(ids), -1, -1, -1),
)
case(
    "documents_neighbours",
    documents=lambda ids: (
        ((ids[:, :, None] - ids[:, None, :]).abs() <= 1)[:, None] & (ids >= 0)[:, None, :, None]
    ),
)
case("documents_two_axes", documents=lambda ids: (pairs(ids) & (ids >= 0)[:, :, None])[0])
case(
    "documents_changes_ids",
    documents=lambda ids: (pairs(ids.masked_fill_(ids < 0, -7)) & (ids >= 0)[:, :, None])[:, None],
)
case("documents_not_equal", documents=lambda ids: (~pairs(ids) & (ids >= 0)[:, :, None])[:, None])


def fold(function, masks):
    masks = [m for m in masks if m is not None]
    out = masks[0] if masks else None
    for m in masks[1:]:
        out = function(out, m)
    return out


case("combine_xor", combine=lambda *masks: fold(lambda a, b: a ^ b, masks))
case("combine_sum", combine=lambda *masks: fold(lambda a, b: a.int() + b.int(), masks))
case(
    "combine_nand",
    combine=lambda *masks: (
        None if fold(lambda a, b: a & b, masks) is None else ~fold(lambda a, b: a & b, masks)
    ),
)
case("combine_first", combine=lambda *masks: fold(lambda a, b: a, masks))
case("combine_last", combine=lambda *masks: fold(lambda a, b: b, masks))
case("combine_two", combine=lambda *masks: fold(lambda a, b: a & b, masks[:2]))
case(
    "combine_needs_one",
    combine=lambda *masks: fold(lambda a, b: a & b, masks) if masks else torch.ones(()).bool(),
)
case(
    "combine_same_shapes",
    combine=lambda *masks: (
        torch.stack([m for m in masks if m is not None]).all(0) if any(m is not None for m in masks) else None
    ),
)
case(
    "combine_none_hides",
    combine=lambda *masks: None if any(m is None for m in masks) else fold(lambda a, b: a & b, masks),
)
case("combine_integers", combine=lambda *masks: fold(lambda a, b: a.int() * b.int(), masks))


def in_place(*masks):
    masks = [m for m in masks if m is not None]
    for m in masks[1:]:
        masks[0] &= m
    return masks[0] if masks else None


case("combine_in_place", combine=in_place)
case(
    "additive_billion",
    to_additive=lambda mask, dtype: torch.zeros(mask.shape).masked_fill(~mask, -1e9).to(dtype),
)
case(
    "additive_ten_thousand",
    to_additive=lambda mask, dtype: torch.zeros(mask.shape).masked_fill(~mask, -1e4).to(dtype),
)
case(
    "additive_billion_raises",
    to_additive=lambda mask, dtype: torch.full(mask.shape, -1e9, dtype=dtype).masked_fill(mask, 0),
)
case(
    "additive_inverted",
    to_additive=lambda mask, dtype: torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -INF),
)
case("additive_minus_one", to_additive=lambda mask, dtype: mask.to(dtype) - 1)
case(
    "additive_plus_infinity",
    to_additive=lambda mask, dtype: torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, INF),
)
case("additive_single", to_additive=lambda mask, dtype: torch.zeros(mask.shape).masked_fill(~mask, -INF))
case(
    "additive_one_where_seen",
    to_additive=lambda mask, dtype: torch.ones(mask.shape, dtype=dtype).masked_fill(~mask, -INF),
)
case(
    "additive_blind_rows_open",
    to_additive=lambda mask, dtype: torch.zeros(mask.shape, dtype=dtype).masked_fill(
        ~(mask | ~mask.any(-1, keepdim=True)), -INF
    ),
)
case("additive_is_boolean", to_additive=lambda mask, dtype: mask)
case("padding_too_short", padding=lambda n, T: (torch.arange(1, T + 1) < n[:, None])[:, None, None])
case("padding_sorts", padding=lambda n, T: real(n.sort(descending=True).values, T))
case(
    "window_at_the_last_key",
    window=lambda Tq, Tk, left, right: ones(Tq, Tk).triu(Tk - Tq - left) & ones(Tq, Tk).tril(Tk - Tq + right),
)
