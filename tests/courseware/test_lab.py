"""The `lab` object in a learner's hands: what it shows, what it remembers, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from courseware import open_lab
from courseware.check import CheckFailed
from courseware.lab import UnknownExercise

SOLUTION = """\
# %% [markdown]
# # Lab 1.1 · Demo
# %% [markdown] exercise="W1" minutes=2
# ## W1 · One
# Return one.
# %% exercise="W1"
def one():
    # BEGIN SOLUTION
    return 1
    # END SOLUTION
# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", one)
# %% [markdown] exercise="E1" minutes=5
# ## E1 · Two
# Return two.
# %% exercise="E1"
def two():
    # BEGIN SOLUTION
    return 2
    # END SOLUTION
# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", two)
"""

CHECKS = """\
from courseware.check import Exercise

w1 = Exercise("W1", takes=("one",), hints=("w-first", "w-second", "w-third"))

@w1.property("is one")
def is_one(a, t):
    t.equal(a.one(), 1)

e1 = Exercise("E1", takes={"two": int}, hints=("first", "second", "third"))

@e1.property("is two", points=15)
def is_two(a, t):
    t.equal(a.two(), 2)

@e1.reward
def picture(a):
    print("picture of", a.two())
"""


def one():
    return 1


def two():
    return 2


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "phase1_demo" / "lab1_demo"
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    (folder / "solution.py").write_text(SOLUTION)
    (folder / "checks.py").write_text(CHECKS)
    home = tmp_path / "work"
    (home / "phase1_demo").mkdir(parents=True)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.delenv("COURSEWARE_VALIDATE", raising=False)
    monkeypatch.setenv("COURSE_HOME", str(home))
    monkeypatch.chdir(home / "phase1_demo")
    return tmp_path


def events(course: Path) -> list[dict]:
    record = course / "work" / ".course" / "progress.jsonl"
    lines = record.read_text().splitlines() if record.exists() else []
    return [json.loads(line) for line in lines if line]


def test_a_check_shows_its_report_once_and_returns_it(course, capsys):
    report = open_lab("1.1").check("E1", two)
    assert report.passed
    assert capsys.readouterr().out.count("E1 · Two — passed") == 1
    report._ipython_display_()
    assert capsys.readouterr().out == ""


def test_progress_is_recorded_in_the_workspace(course):
    lab = open_lab("1.1")
    lab.check("E1", one)
    lab.check("E1", two)
    assert [(e["exercise"], e["status"], e["points"]) for e in events(course)] == [
        ("E1", "not quite", 0),
        ("E1", "passed", 15),
    ]


def test_a_run_outside_the_workspace_records_nothing(course, monkeypatch):
    monkeypatch.chdir(course)
    open_lab("1.1").check("E1", two)
    assert events(course) == []


def test_a_validation_run_stops_at_a_report_that_is_no_pass_and_records_nothing(course, monkeypatch):
    monkeypatch.setenv("COURSEWARE_VALIDATE", "1")
    lab = open_lab("1.1")
    lab.check("E1", two)
    with pytest.raises(CheckFailed, match="not quite"):
        lab.check("E1", one)
    assert events(course) == []


def test_an_unattempted_exercise_is_not_an_attempt(course):
    def stub():
        raise NotImplementedError

    open_lab("1.1").check("E1", stub)
    assert events(course) == []


def test_hints_come_one_by_one_and_are_remembered_by_the_next_session(course, capsys):
    lab = open_lab("1.1")
    lab.hint("E1")
    assert "first" in capsys.readouterr().out
    again = open_lab("1.1")
    again.hint("E1")
    again.hint("E1")
    again.hint("E1")
    said = capsys.readouterr().out
    assert [said.count(word) for word in ("first", "second", "third")] == [0, 1, 2]
    assert sum(e["event"] == "hint" for e in events(course)) == 3


def test_the_footer_offers_the_next_hint_and_the_next_exercise(course):
    lab = open_lab("1.1")
    assert "Hint 1 of 3" in lab.check("W1", two).text()
    lab.hint("W1")
    assert "Hint 2 of 3" in lab.check("W1", two).text()
    assert "Next: E1 · Two" in lab.check("W1", one).text()
    done = lab.check("E1", two).text()
    assert "15 of 15 points" in done
    assert "Every exercise of this lab is done" in done


def test_after_the_last_exercise_comes_what_was_skipped(course):
    assert "Next: W1 · One" in open_lab("1.1").check("E1", two).text()
    assert "Every exercise of this lab is done" in open_lab("1.1").check("W1", one).text()


def test_points_of_an_earlier_session_count(course):
    open_lab("1.1").check("E1", two)
    assert "15 of 15 points" in open_lab("1.1").check("W1", one).text()


def test_the_reference_is_shown_after_an_attempt_beside_the_learners_own(course, capsys):
    lab = open_lab("1.1")
    lab.solution("E1")
    assert "return 2" not in capsys.readouterr().out
    lab.check("E1", one)
    capsys.readouterr()
    lab.solution("E1")
    said = capsys.readouterr().out
    assert "return 1" in said
    assert "return 2" in said
    assert "BEGIN SOLUTION" not in said
    assert events(course)[-1]["event"] == "solution"


def test_the_reward_waits_for_the_pass_and_uses_the_learners_objects(course, capsys):
    lab = open_lab("1.1")
    lab.reward("E1")
    assert "picture of" not in capsys.readouterr().out
    lab.check("E1", two)
    capsys.readouterr()
    lab.reward("E1")
    assert "picture of 2" in capsys.readouterr().out
    lab.check("E1", one)
    capsys.readouterr()
    lab.reward("E1")
    assert "picture of" not in capsys.readouterr().out, "an answer that broke again has no picture"


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ((), "takes 1 of your objects (two)"),
        ((two, one), "takes 1 of your objects (two)"),
        ((2,), "itself, without calling it"),
    ],
)
def test_a_wrong_call_of_check_is_explained(course, objects, words):
    report = open_lab("1.1").check("E1", *objects)
    assert report.status == "not attempted"
    assert words in report.message
    assert events(course) == []


def test_an_unknown_exercise_is_named_with_those_that_exist(course):
    with pytest.raises(UnknownExercise, match=r"E9.*W1, E1") as error:
        open_lab("1.1").check("E9", two)
    assert error.value._render_traceback_() == [str(error.value)], "a notebook shows one line"


def test_run_gives_the_report_as_data_and_shows_nothing(course, capsys):
    report = open_lab("1.1").run("E1", {"two": two}, seed=7)
    assert report.to_dict()["points"] == 15
    assert capsys.readouterr().out == ""
