"""Decoding with a cache gives what decoding without one gives."""

import pytest
import torch

from shared.nn import KVCache, LayerCache, MultiHeadAttention, Rotary


def layer() -> MultiHeadAttention:
    return MultiHeadAttention(8, 4, 2, rotary=Rotary(2)).double().eval()


@pytest.mark.parametrize("chunks", [[1] * 7, [3, 1, 3], [7], [5, 2]])
def test_chunks_through_a_cache_equal_the_whole(chunks: list[int]) -> None:
    attention, cache = layer(), LayerCache(7)
    x = torch.randn(2, 7, 8, dtype=torch.float64)
    parts = [attention(part, causal=True, cache=cache) for part in x.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), attention(x, causal=True))
    assert cache.length == 7


def test_a_context_is_projected_once() -> None:
    attention, cache = layer(), LayerCache(1)
    attention.rotary = None
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    attention.key.register_forward_hook(count)
    x, context = torch.randn(2, 1, 8, dtype=torch.float64), torch.randn(2, 5, 8, dtype=torch.float64)
    answers = [attention(x, context, cache=cache) for _ in range(3)]
    assert calls == 1
    torch.testing.assert_close(answers[2], attention(x, context))


def test_reordered_rows_continue_the_history_they_name() -> None:
    attention, cache = layer(), KVCache(1, 4)
    x = torch.randn(3, 3, 8, dtype=torch.float64)
    attention(x[:, :2], causal=True, cache=cache.own[0])
    rows = torch.tensor([2, 2, 0])
    cache.reorder(rows)
    step = attention(x[:, 2:], causal=True, cache=cache.own[0])
    histories = torch.cat((x[rows, :2], x[:, 2:]), 1)
    torch.testing.assert_close(step, attention(histories, causal=True)[:, 2:])


def test_reordered_rows_do_not_share_memory() -> None:
    cache = LayerCache(2)
    cache.append(torch.zeros(2, 1, 1, 1), torch.zeros(2, 1, 1, 1))
    cache.reorder(torch.tensor([0, 0]))
    keys, _ = cache.append(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1))
    assert keys[:, 0, 1, 0].tolist() == [1.0, 2.0]


def test_a_cropped_cache_has_forgotten() -> None:
    attention, cache = layer(), KVCache(1, 5)
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    attention(x, causal=True, cache=cache.own[0])
    cache.crop(2)
    assert cache.length == 2
    again = attention(x[:, 2:], causal=True, cache=cache.own[0])
    torch.testing.assert_close(again, attention(x, causal=True)[:, 2:])


def test_bytes_follow_the_formula() -> None:
    cache = KVCache(3, 10)
    for own in cache.own:
        own.append(torch.zeros(2, 4, 1, 8), torch.zeros(2, 4, 1, 8))
    assert cache.nbytes() == 2 * 3 * 2 * 4 * 10 * 8 * 4


def test_a_full_cache_says_so() -> None:
    cache = LayerCache(2)
    with pytest.raises(ValueError, match="holds 2 positions, 3 are needed"):
        cache.append(torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 3, 2))
    with pytest.raises(ValueError, match="cannot crop a cache of 0 positions to 1"):
        KVCache(1, 2).crop(1)
