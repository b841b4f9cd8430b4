"""Feed-forward, residual convolutions, pooling and embedding, each against its formula."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shared.nn import (
    BasicBlock,
    BottleneckBlock,
    FeedForward,
    TokenEmbedding,
    masked_max,
    masked_mean,
    padding_mask,
)
from shared.nn.pooling import pool

ACTIVATIONS = {"relu": torch.relu, "gelu": F.gelu, "silu": F.silu}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_a_plain_feed_forward_is_its_formula(kind) -> None:
    block = FeedForward(6, 10, kind).double()
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    hidden = ACTIVATIONS[kind](x @ block.up.weight.T + block.up.bias)
    torch.testing.assert_close(block(x), hidden @ block.down.weight.T + block.down.bias)


@pytest.mark.parametrize(("kind", "bend"), [("swiglu", lambda z: z * torch.sigmoid(z)), ("geglu", F.gelu)])
def test_a_gated_feed_forward_is_its_formula(kind, bend) -> None:
    block = FeedForward(6, 10, kind, bias=False).double()
    x = torch.randn(2, 3, 6, dtype=torch.float64)
    hidden = bend(x @ block.gate.weight.T) * (x @ block.up.weight.T)
    torch.testing.assert_close(block(x), hidden @ block.down.weight.T)


def test_gated_and_plain_cost_the_same_by_default() -> None:
    counts = {
        kind: sum(p.numel() for p in FeedForward(96, kind=kind, bias=False).parameters())
        for kind in ("gelu", "swiglu")
    }
    assert counts == {"gelu": 8 * 96**2, "swiglu": 8 * 96**2}


def test_an_unknown_kind_lists_the_known_ones_through_the_type() -> None:
    with pytest.raises(Exception, match="swiglu"):
        FeedForward(4, kind="glu")


@pytest.mark.parametrize(("block", "expansion"), [(BasicBlock, 1), (BottleneckBlock, 4)])
def test_a_new_residual_block_is_relu_of_its_shortcut(block, expansion: int) -> None:
    same = block(4 * expansion, 4)
    x = torch.randn(2, 4 * expansion, 6, 6)
    assert torch.equal(same(x), torch.relu(x))
    smaller = block(5, 4, stride=2)
    x = torch.randn(2, 5, 6, 6)
    assert smaller(x).shape == (2, 4 * expansion, 3, 3)
    torch.testing.assert_close(smaller(x), torch.relu(smaller.shortcut(x)))


def test_a_basic_block_is_its_formula() -> None:
    block = BasicBlock(3, 5, stride=2).double().eval()
    nn.init.normal_(block.branch[2][1].weight)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    first, second = block.branch[0], block.branch[2]
    eps = 1 + 1e-5  # a new batch norm in evaluation divides by √(1 + ε)
    hidden = torch.relu(F.conv2d(x, first[0].weight, stride=2, padding=1) / eps**0.5)
    branch = second[1].weight[:, None, None] * F.conv2d(hidden, second[0].weight, padding=1) / eps**0.5
    short = F.conv2d(x, block.shortcut[0].weight, stride=2) / eps**0.5
    torch.testing.assert_close(block(x), torch.relu(branch + short))


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group"])
def test_a_residual_block_takes_any_norm(norm) -> None:
    assert BottleneckBlock(8, 8, norm=norm)(torch.randn(2, 8, 4, 4)).shape == (2, 32, 4, 4)


def test_pooling_is_that_of_each_sequence_alone() -> None:
    x, lengths = torch.randn(3, 6, 4) - 10, torch.tensor([6, 2, 1])
    real = padding_mask(lengths, 6)
    for b, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(masked_mean(x, real)[b], x[b, :n].mean(0))
        torch.testing.assert_close(masked_max(x, real)[b], x[b, :n].max(0).values)


@pytest.mark.parametrize("pool", [masked_mean, masked_max])
def test_padding_of_nan_does_not_leak_into_a_pool_or_its_gradient(pool) -> None:
    x = torch.full((2, 3, 4), torch.nan)
    x[0, :2] = torch.randn(2, 4)
    x.requires_grad_()
    out = pool(x, padding_mask(torch.tensor([2, 0]), 3))
    assert out.isfinite().all()
    assert not out[1].any()
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[1].any()


def test_an_embedding_looks_up_and_its_padding_stays_zero() -> None:
    embedding = TokenEmbedding(5, 3)
    tokens = torch.tensor([[1, 4, 0]])
    out = embedding(tokens)
    assert torch.equal(out, embedding.table.weight[tokens])
    assert not out[0, 2].any()
    out.sum().backward()
    assert not embedding.table.weight.grad[0].any()
    assert embedding.table.weight.grad[1].eq(1).all()


def test_an_id_outside_the_vocabulary_is_named() -> None:
    with pytest.raises(IndexError, match="ids run from 2 to 9, but the vocabulary is 0 to 4"):
        TokenEmbedding(5, 3)(torch.tensor([[2, 9]]))


def test_pooling_of_the_first_position_is_zero_for_an_empty_sequence() -> None:
    x = torch.randn(2, 3, 4)
    out = pool(x, padding_mask(torch.tensor([2, 0]), 3), "first")
    assert torch.equal(out[0], x[0, 0])
    assert not out[1].any()
