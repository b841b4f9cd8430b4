"""docs/authoring.md is true: its examples are read and run, its table is that of the rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from courseware.contract import RULES, Bench, misconceptions_are_named, solution_passes, stub_is_not_attempted
from courseware.scaffold import new_lab
from courseware.source import Course, read_solution
from courseware.source.options import TAGS
from courseware.source.percent import KNOWN_OPTIONS

TEXT = (Path(__file__).parents[3] / "docs/authoring.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    return Course(tmp_path)


def test_example_lab_is_read_and_its_check_does_what_the_text_says(course: Course) -> None:
    solution, _, checks, wrong, _ = EXAMPLES
    lab = new_lab(course, "phase1_foundations/lab7_graphs")
    for name, text in (("solution", solution), ("checks", checks), ("misconceptions", wrong)):
        (lab.path / f"{name}.py").write_text(text, encoding="utf-8")
    lab = Course(course.root).lab("1.7")
    bench = Bench.of(lab)
    assert list(bench.exercises) == ["E1"]
    assert list(solution_passes(bench, "E1", (1, 2))) == []
    assert list(stub_is_not_attempted(bench, "E1")) == []
    assert list(misconceptions_are_named(bench, "E1", (1, 2))) == []


def test_example_of_a_bank_holds_what_the_example_check_refuses(course: Course) -> None:
    lab = new_lab(course, "phase1_foundations/lab7_graphs")
    for name, text in (("solution", EXAMPLES[0]), ("checks", EXAMPLES[2]), ("misconceptions", EXAMPLES[3])):
        (lab.path / f"{name}.py").write_text(text, encoding="utf-8")
    bank: dict[str, Any] = {}
    exec(EXAMPLES[4], bank)
    (answer,) = bank["wrong"].all
    report = Bench.of(Course(course.root).lab("1.7")).run(answer.exercise, answer.build(), 1)
    assert not report.passed
    assert bool(report.diagnosis) is answer.named


def test_example_of_the_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "solution.py"
    path.write_text(f"# %% [markdown]\n# # Lab\n\n{EXAMPLES[1]}", encoding="utf-8")
    assert read_solution(path).cells[1].meta["cut"] == {"full_steps": 5}


def test_table_lists_the_rules() -> None:
    table = TEXT[TEXT.index("| rule | asks for |") :]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.MULTILINE)[1:]
    assert rows == [(rule.name, rule.asks) for rule in RULES]


def test_options_and_tags_are_all_named() -> None:
    paragraph = next(part for part in TEXT.split("\n\n") if part.startswith("Options of cells"))
    options = {option for known in KNOWN_OPTIONS.values() for option in known}
    assert set(re.findall(r"`([\w-]+)`", paragraph)) == options | set(TAGS)
