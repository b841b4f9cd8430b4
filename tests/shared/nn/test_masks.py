"""Masks equal their definitions, cell by cell; True = may attend."""

import pytest
import torch

from shared.nn import causal_mask, combine, document_mask, key_mask, padding_mask, window_mask


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (4, 4), (2, 5), (1, 6), (0, 3)])
def test_causal(queries: int, keys: int) -> None:
    expected = [[j <= i + keys - queries for j in range(keys)] for i in range(queries)]
    assert causal_mask(queries, keys).tolist() == expected


@pytest.mark.parametrize(("left", "right"), [(0, 0), (1, 0), (2, 1), (9, 9)])
def test_window(left: int, right: int) -> None:
    expected = [[-left <= j - i <= right for j in range(5)] for i in range(5)]
    assert window_mask(5, left, right).tolist() == expected


def test_padding_including_an_empty_and_a_full_sequence() -> None:
    expected = [[False] * 3, [True, True, False], [True] * 3]
    assert padding_mask(torch.tensor([0, 2, 3]), 3).tolist() == expected


def test_key_mask_hides_keys_from_every_query_of_every_head() -> None:
    real = padding_mask(torch.tensor([1, 3]), 3)
    full = key_mask(real).expand(2, 4, 3, 3)
    for b in range(2):
        assert (full[b] == real[b]).all()


def test_documents_see_themselves_only_and_nobody_sees_padding() -> None:
    ids = [[4, 4, 0, -1], [1, 2, 1, 1]]
    expected = [[[row[i] == row[j] and row[j] >= 0 for j in range(4)] for i in range(4)] for row in ids]
    assert document_mask(torch.tensor(ids))[:, 0].tolist() == expected


def test_combine_is_and_and_none_allows_everything() -> None:
    a, b = torch.rand(4, 4) > 0.5, torch.rand(2, 1, 4, 4) > 0.5
    assert combine() is None
    assert combine(None, None) is None
    assert torch.equal(combine(None, a), a)
    assert torch.equal(combine(a, None, b), a & b)


def test_fewer_keys_than_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least as many keys as queries, got 3 queries and 2 keys"):
        causal_mask(3, 2)
