"""Attention equals its definition, in every combination of heads, masks and contexts."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from shared.nn import (
    MultiHeadAttention,
    Rotary,
    attend,
    causal_mask,
    combine,
    document_mask,
    key_mask,
    padding_mask,
    window_mask,
)


def by_definition(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(Q Kᵀ / √D_h) V, one query at a time, over the keys it may see."""
    out = q.new_zeros(*q.shape[:-1], v.shape[-1])
    share = q.shape[1] // k.shape[1]
    for b, h, i in itertools.product(range(q.shape[0]), range(q.shape[1]), range(q.shape[2])):
        seen = range(k.shape[2])
        if mask is not None:
            full = mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
            seen = [j for j in seen if full[b, h, i, j]]
        if not seen:
            continue
        scores = torch.stack([q[b, h, i] @ k[b, h // share, j] for j in seen]) / math.sqrt(q.shape[-1])
        out[b, h, i] = sum(p * v[b, h // share, j] for p, j in zip(scores.softmax(0), seen, strict=True))
    return out


def heads(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


MASKS = {
    "none": None,
    "causal": causal_mask(5),
    "padding": key_mask(padding_mask(torch.tensor([5, 2]), 5)),
    "window": window_mask(5, 1, 1),
    "documents": document_mask(torch.tensor([[0, 0, 1, 1, -1], [3, 3, 3, 0, 0]])),
    "one row sees nothing": torch.tensor([True, True, False, True, True])[:, None].expand(5, 5),
    "nothing sees anything": torch.zeros(5, 5, dtype=torch.bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_attend_is_the_definition_under_every_mask(mask: Tensor | None, key_heads: int) -> None:
    q, k, v = heads(2, 4, 5, 6), heads(2, key_heads, 5, 6), heads(2, key_heads, 5, 3)
    torch.testing.assert_close(attend(q, k, v, mask), by_definition(q, k, v, mask))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_causal_and_a_mask_are_both_obeyed(mask: Tensor | None) -> None:
    q, k, v = heads(2, 2, 5, 6), heads(2, 2, 5, 6), heads(2, 2, 5, 6)
    expected = by_definition(q, k, v, combine(mask, causal_mask(5)))
    torch.testing.assert_close(attend(q, k, v, mask, causal=True), expected)


@pytest.mark.parametrize("queries", [1, 2, 5])
def test_causal_queries_are_the_last_positions_of_their_keys(queries: int) -> None:
    q, k, v = heads(2, 2, 5, 6), heads(2, 2, 5, 6), heads(2, 2, 5, 6)
    whole = attend(q, k, v, causal=True)
    torch.testing.assert_close(attend(q[:, :, -queries:], k, v, causal=True), whole[:, :, -queries:])


def test_a_fully_masked_row_gives_zeros_and_finite_gradients() -> None:
    q, k, v = (heads(1, 2, 3, 4).requires_grad_() for _ in range(3))
    out = attend(q, k, v, MASKS["nothing sees anything"][:3, :3])
    assert not out.any()
    out.sum().backward()
    for tensor in (q, k, v):
        assert not tensor.grad.any()


def test_gradients_are_those_of_numerical_differentiation() -> None:
    q, k, v = (heads(2, 2, 4, 3).requires_grad_() for _ in range(3))
    mask = document_mask(torch.tensor([[0, 0, 1, -1], [0, 0, 0, 0]]))
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, mask, causal=True), (q, k, v))


def test_logits_of_ten_thousand_are_harmless() -> None:
    q = torch.full((1, 1, 2, 4), 1e4)
    k = torch.tensor([[1.0], [-1.0], [0.0]]).expand(3, 4)[None, None]
    out = attend(q, k, torch.eye(3)[None, None])
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([1.0, 0.0, 0.0]))


def test_a_hidden_key_has_no_influence_at_all_and_a_visible_one_has() -> None:
    q, k, v = heads(1, 2, 4, 6), heads(1, 2, 4, 6), heads(1, 2, 4, 6)
    mask = causal_mask(4)
    before = attend(q, k, v, mask)
    changed_k, changed_v = k.clone(), v.clone()
    changed_k[:, :, 2] += 100
    changed_v[:, :, 2] -= 100
    after = attend(q, changed_k, changed_v, mask)
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert not torch.allclose(before[:, :, 2:], after[:, :, 2:])


def copy_of(twin: nn.MultiheadAttention) -> MultiHeadAttention:
    ours = MultiHeadAttention(twin.embed_dim, twin.num_heads, bias=twin.in_proj_bias is not None).to(
        twin.in_proj_weight.dtype
    )
    with torch.no_grad():
        for layer, weight in zip(
            (ours.query, ours.key, ours.value), twin.in_proj_weight.chunk(3), strict=True
        ):
            layer.weight.copy_(weight)
        ours.out.weight.copy_(twin.out_proj.weight)
        if twin.in_proj_bias is not None:
            nn.init.normal_(twin.in_proj_bias)
            nn.init.normal_(twin.out_proj.bias)
            for layer, bias in zip(
                (ours.query, ours.key, ours.value), twin.in_proj_bias.chunk(3), strict=True
            ):
                layer.bias.copy_(bias)
            ours.out.bias.copy_(twin.out_proj.bias)
    return ours


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("crossed", [True, False])
def test_the_layer_equals_torchs_with_the_same_weights(bias: bool, crossed: bool) -> None:
    twin = nn.MultiheadAttention(12, 3, bias=bias, batch_first=True, dtype=torch.float64)
    ours = copy_of(twin)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    context = torch.randn(2, 7, 12, dtype=torch.float64) if crossed else x
    real = padding_mask(torch.tensor([3, 5]), context.shape[1])
    expected = twin(x, context, context, key_padding_mask=~real)[0]  # torch: True = ignore
    got = ours(x, context if crossed else None, mask=key_mask(real))
    torch.testing.assert_close(got, expected)


def test_grouped_query_attention_is_full_attention_with_repeated_key_heads() -> None:
    grouped = MultiHeadAttention(12, 6, 2).double()
    full = MultiHeadAttention(12, 6).double()
    full.load_state_dict(
        {
            name: t.view(2, 2, *t.shape[1:]).repeat_interleave(3, 0).flatten(0, 1)
            if name.startswith(("key", "value"))
            else t
            for name, t in grouped.state_dict().items()
        }
    )
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(grouped(x, causal=True), full(x, causal=True))


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_parameters_are_as_many_as_the_formula_says(key_heads: int) -> None:
    count = sum(p.numel() for p in MultiHeadAttention(16, 4, key_heads).parameters())
    kv = key_heads * 4
    assert count == 2 * (16 * 16 + 16) + 2 * (16 * kv + kv)


def test_self_attention_without_positions_is_permutation_equivariant_and_with_rotary_is_not() -> None:
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain = MultiHeadAttention(8, 2).double()
    torch.testing.assert_close(plain(x[:, order]), plain(x)[:, order])
    rotated = MultiHeadAttention(8, 2, rotary=Rotary(4)).double()
    assert not torch.allclose(rotated(x[:, order]), rotated(x)[:, order])


def test_dropout_acts_in_training_only() -> None:
    layer = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(2, 6, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("shape", [(0, 3, 8), (2, 1, 8)])
def test_an_empty_batch_and_a_single_position_are_fine(shape: tuple[int, ...]) -> None:
    assert MultiHeadAttention(8, 2)(torch.randn(shape), causal=True).shape == shape


def test_bfloat16_stays_bfloat16() -> None:
    layer = MultiHeadAttention(8, 2, rotary=Rotary(4)).bfloat16()
    assert layer(torch.randn(2, 3, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((10, 4), "cannot be split into 4 heads"), ((8, 4, 3), "heads=4 must be a multiple of key_heads=3")],
)
def test_heads_that_do_not_fit_are_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(*arguments)
