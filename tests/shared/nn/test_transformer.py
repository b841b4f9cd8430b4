"""A Transformer layer equals torch's encoder and decoder layers with the same weights."""

import pytest
import torch
from torch import Tensor, nn

from shared.nn import MultiHeadAttention, TransformerLayer, causal_mask, combine, key_mask, padding_mask


def copy_attention(ours: MultiHeadAttention, twin: nn.MultiheadAttention) -> None:
    nn.init.normal_(twin.in_proj_bias)
    nn.init.normal_(twin.out_proj.bias)
    for layer, weight, bias in zip(
        (ours.query, ours.key, ours.value),
        twin.in_proj_weight.chunk(3),
        twin.in_proj_bias.chunk(3),
        strict=True,
    ):
        layer.load_state_dict({"weight": weight, "bias": bias})
    ours.out.load_state_dict(twin.out_proj.state_dict())


def copy_rest(ours: TransformerLayer, twin: nn.Module, norms: list[tuple[nn.Module, nn.Module]]) -> None:
    for mine, theirs in norms:
        nn.init.normal_(theirs.weight)
        nn.init.normal_(theirs.bias)
        mine.load_state_dict(theirs.state_dict())
    ours.feedforward.up.load_state_dict(twin.linear1.state_dict())
    ours.feedforward.down.load_state_dict(twin.linear2.state_dict())


def sample(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


REAL = padding_mask(torch.tensor([4, 6]), 6)


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("kind", ["relu", "gelu"])
def test_it_is_torchs_encoder_layer(placement, kind) -> None:
    twin = nn.TransformerEncoderLayer(
        8, 2, 20, 0.0, kind, batch_first=True, norm_first=placement == "pre", dtype=torch.float64
    )
    ours = TransformerLayer(8, 2, 20, kind=kind, placement=placement).double()
    copy_attention(ours.attention, twin.self_attn)
    norms = [(ours.attention_branch.norm, twin.norm1), (ours.feedforward_branch.norm, twin.norm2)]
    copy_rest(ours, twin, norms)
    x = sample(2, 6, 8)
    got, expected = ours(x, mask=key_mask(REAL)), twin(x, src_key_padding_mask=~REAL)
    torch.testing.assert_close(got[REAL], expected[REAL])
    torch.testing.assert_close(
        torch.autograd.grad(got[REAL].square().sum(), x),
        torch.autograd.grad(expected[REAL].square().sum(), x),
    )


@pytest.mark.parametrize("placement", ["pre", "post"])
def test_it_is_torchs_decoder_layer(placement) -> None:
    twin = nn.TransformerDecoderLayer(
        8, 2, 20, 0.0, "relu", batch_first=True, norm_first=placement == "pre", dtype=torch.float64
    )
    ours = TransformerLayer(8, 2, 20, kind="relu", cross=True, placement=placement).double()
    copy_attention(ours.attention, twin.self_attn)
    copy_attention(ours.cross, twin.multihead_attn)
    norms = [
        (ours.attention_branch.norm, twin.norm1),
        (ours.cross_branch.norm, twin.norm2),
        (ours.feedforward_branch.norm, twin.norm3),
    ]
    copy_rest(ours, twin, norms)
    y, memory = sample(2, 5, 8), sample(2, 6, 8)
    expected = twin(y, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~REAL)
    got = ours(y, memory, causal=True, memory_mask=key_mask(REAL))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        torch.autograd.grad(got.square().sum(), (y, memory)),
        torch.autograd.grad(expected.square().sum(), (y, memory)),
    )


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("kind", ["swiglu", "gelu"])
def test_the_future_cannot_be_seen(norm, kind) -> None:
    layer = TransformerLayer(8, 4, key_heads=2, norm=norm, kind=kind)
    x = torch.randn(1, 6, 8)
    changed = x.clone()
    changed[:, 4:] += 1
    before, after = layer(x, causal=True), layer(changed, causal=True)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_a_row_of_nothing_but_padding_stays_finite() -> None:
    mask = combine(key_mask(torch.zeros(2, 6, dtype=torch.bool)), causal_mask(6))
    out = TransformerLayer(8, 2)(torch.randn(2, 6, 8), mask=mask)
    assert out.isfinite().all()


def test_cross_attention_without_a_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="give it the memory"):
        TransformerLayer(8, 2, cross=True)(torch.randn(1, 2, 8))
