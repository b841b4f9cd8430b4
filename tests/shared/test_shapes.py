"""The vocabulary of dimensions, and the check that the tests of this folder run under."""

import random
import re
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

import shared
from shared.config import did_you_mean
from shared.losses import cross_entropy
from shared.shapes import DIMENSIONS, ShapeError, expect

LIBRARY = Path(shared.__file__).parent
ANNOTATION = re.compile(r'\b(?:Float|Int|Bool|Num)\[Tensor, "([^"]*)"\]')


@pytest.mark.parametrize(
    ("shape", "sizes", "actual"),
    [
        ("B T D", {"D": 4}, (2, 3, 4)),
        ("B T", {}, (0, 7)),
        ("*rest D", {"D": 4}, (4,)),
        ("*rest D", {"D": 4}, (1, 2, 3, 4)),
        ("", {}, ()),
    ],
)
def test_a_fitting_shape_passes(shape: str, sizes: dict[str, int], actual: tuple[int, ...]) -> None:
    expect(torch.zeros(actual), shape, "x", **sizes)


@pytest.mark.parametrize(
    ("shape", "sizes", "actual", "message"),
    [
        ("B T D", {"D": 4}, (2, 3, 5), r"x should have shape (B, T, D=4), but it has (2, 3, 5): transpose"),
        ("B T", {}, (2,), r"x should have shape (B, T), but it has (2,): transpose"),
        ("*rest D", {"D": 4}, (2, 3), r"x should have shape (*rest, D=4), but it has (2, 3): transpose"),
        ("*rest D", {}, (), r"x should have shape (*rest, D), but it has (): transpose"),
    ],
)
def test_another_shape_is_told_with_what_to_do(
    shape: str, sizes: dict[str, int], actual: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        expect(torch.zeros(actual), shape, "x", "transpose", **sizes)
    assert str(caught.value) == message


def test_signatures_are_checked_while_these_tests_run() -> None:
    with pytest.raises(TypeCheckError, match="target"):
        cross_entropy(torch.zeros(4, 3), torch.zeros(5, dtype=torch.long))


def letters() -> dict[str, set[str]]:
    """Each capital letter that an annotation of the library uses, with the files that use it."""
    used: dict[str, set[str]] = {}
    for path in LIBRARY.rglob("*.py"):
        for annotation in ANNOTATION.findall(path.read_text(encoding="utf-8")):
            for word in annotation.split():
                name = word.lstrip("*#_?")
                if name[:1].isupper():
                    used.setdefault(name.split("_")[0], set()).add(path.name)
    return used


def test_every_letter_of_a_signature_is_in_the_vocabulary() -> None:
    unknown = {name: files for name, files in letters().items() if name not in DIMENSIONS}
    assert not unknown


def test_every_letter_of_the_vocabulary_is_used() -> None:
    unused = {name for name in DIMENSIONS if "_" not in name} - letters().keys()
    assert not unused


def test_checking_signatures_draws_no_random_numbers() -> None:
    before = random.getstate()
    for _ in range(10):
        did_you_mean("adan", ["adam", "adamw"])  # takes a sequence, of which the checker looks at one item
    assert random.getstate() == before
