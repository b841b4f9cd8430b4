"""The examples in the map of the library run as they stand."""

import re
from pathlib import Path

import pytest

MAP = Path(__file__).parents[2] / "docs" / "shared.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (title, code)
    for title, text in SECTION.findall(MAP.read_text(encoding="utf-8"))
    for code in EXAMPLE.findall(text)
]


@pytest.fixture(scope="module")
def names() -> dict[str, object]:
    """What the examples define, one after the other as a reader would run them."""
    return {}


@pytest.mark.parametrize("code", [code for _, code in EXAMPLES], ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(code: str, names: dict[str, object]) -> None:
    exec(compile(code, str(MAP), "exec"), names)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4
