"""What counts as equal, and the words for what does not."""

from __future__ import annotations

import math

import pytest
import torch

from courseware.check.compare import difference, tolerance

ONE = torch.tensor([1.0, 2.0])


@pytest.mark.parametrize(
    ("observed", "expected", "words"),
    [
        (torch.tensor([1.0, 3.0]), ONE, "index [1]"),
        (torch.ones(3), ONE, "shape (3,), expected (2,)"),
        (ONE.double(), ONE, "float64, expected float32"),
        ([1.0, 2.0], ONE, "list, expected a tensor"),
        (None, ONE, "NoneType"),
        (torch.tensor([float("nan"), 2.0]), ONE, "nan"),
        (1.5, 1.0, "1.5"),
        ("one", 1.0, "expected a number"),
        ((1, 2), (1, 2, 3), "2 items, expected 3"),
        (3, (1, 2), "int"),
        ({"a": 1}, {"a": 1, "b": 2}, "misses ['b']"),
        ({"a": 1, "c": 1}, {"a": 1}, "nobody asked for"),
        ({"a": 2}, {"a": 1}, "['a']"),
        (True, False, "differs"),
    ],
)
def test_a_difference_is_found_and_worded(observed, expected, words):
    found = difference(observed, expected)
    assert found is not None
    assert words in found.words


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (ONE + 1e-7, ONE),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")])),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")])),
        (torch.empty(0, 3), torch.empty(0, 3)),
        (torch.tensor(1.0), 1.0),
        (math.nan, math.nan),
        ([1, 2], (1, 2)),
        (torch.tensor(3), 3),
    ],
)
def test_what_is_equal_for_all_purposes_is_equal(observed, expected):
    assert difference(observed, expected) is None


def test_the_dtype_can_be_left_open():
    assert difference(ONE.double(), ONE, dtype=False) is None


def test_tolerance_follows_the_coarser_dtype():
    coarse = ONE.to(torch.bfloat16)
    assert difference(coarse * 1.004, ONE, dtype=False) is None
    assert difference(ONE * 1.004, ONE) is not None


def test_float32_tolerance_grows_with_the_root_of_the_sum():
    assert tolerance(torch.float32, 100)[0] == pytest.approx(10 * tolerance(torch.float32)[0])
    assert tolerance(torch.int64) == (0.0, 0.0)
