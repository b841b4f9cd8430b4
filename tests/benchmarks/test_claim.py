"""The line by which a benchmark says whether its claim holds."""

import pytest

from benchmarks._claim import verdict


@pytest.mark.parametrize(
    ("ratio", "at_least", "status", "word"),
    [
        (5.0, True, 0, "holds"),
        (4.99, True, 1, "falls short"),
        (12.3456, True, 0, "holds"),
        (5.0, False, 0, "holds"),
        (5.01, False, 1, "falls short"),
    ],
)
def test_line_and_status_agree(ratio: float, at_least: bool, status: int, word: str, capsys) -> None:
    assert verdict("speed", ratio, 5.0, at_least=at_least) == status
    assert capsys.readouterr().out == f"CLAIM speed ratio={ratio:.3g} target=5 {word}\n"
