"""`course check` runs the learner's own notebook in a real kernel, tells every report and records it."""

import pytest

from tests.courseware.cli.conftest import LAB, Desk

RIGHT = "def total(x):\n    import math\n    return math.fsum(x.flatten().tolist())"
WRONG = "def column_means(x):\n    return x.mean()"
BROKEN = "def centred(x:\n    return x"


def test_check_reports_right_wrong_broken_and_missing_answers(desk: Desk) -> None:
    desk.write(W1=RIGHT, W2=WRONG, W3=BROKEN)
    before = desk.exercises.read_bytes()
    assert desk.course("check", "1.1") == 1
    assert "✓ W1" in desk.out
    assert "✗ W2" in desk.out
    assert "(W3): SyntaxError" in desk.out
    assert "Not attempted yet: W4, E1, E2, E3, E4, E5" in desk.out
    assert "No report" not in desk.out
    assert "1 of 9 passed" in desk.out
    standing = desk.progress.standing(LAB)
    assert standing["W1"].passed
    assert not standing["W2"].passed
    assert standing["W2"].attempts == 1
    assert desk.exercises.read_bytes() == before


def test_one_exercise_is_checked_alone(desk: Desk) -> None:
    desk.write(W1=RIGHT, W2=WRONG, W3="lab.check('W2', column_means)  # left behind while trying things")
    assert desk.course("check", "1.1", "w1") == 0
    assert "1 of 1 passed" in desk.out
    assert "✗ W2" not in desk.out


def test_a_check_that_is_gone_from_the_notebook_is_named(desk: Desk) -> None:
    desk.write(**{"W1": RIGHT, "W1-check": "pass"})
    assert desk.course("check", "1.1", "W1") == 1
    assert "`course reset 1.1 W1` brings it back" in desk.out


def test_a_notebook_that_never_ends_is_stopped_at_the_limit(desk: Desk) -> None:
    desk.write(W1="while True:\n    pass")
    assert desk.course("check", "1.1", "W1", "--timeout", "4") == 1
    assert "ran longer than 4 seconds" in desk.out


@pytest.mark.parametrize(
    "make", [lambda desk: desk.exercises.unlink(), lambda desk: desk.exercises.write_text("")]
)
def test_a_missing_or_damaged_notebook_gets_one_line(desk: Desk, make: "type[None]") -> None:
    make(desk)
    assert desk.course("check", "1.1") == 2
    assert "course update" in desk.err
    assert len(desk.err.splitlines()) == 1
