"""Each rule of the contract passes a good lab and rejects one that breaks it, with words.

The good lab is what `course new` makes, built and executed once. Each broken lab is a copy with one change.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from courseware.build import build_lab
from courseware.contract import RULES, Rule
from courseware.scaffold import new_lab
from courseware.source import Course, LabFolder
from tests.courseware.contract.breaking import NUMBER, Break
from tests.courseware.contract.broken_labs import BROKEN

KEY = "phase1_foundations/lab9_demo"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    root = tmp_path_factory.mktemp("course")
    (root / "pyproject.toml").write_text("[tool.courseware]\n")
    lab = new_lab(Course(root), KEY, title="Means and distances")
    build_lab(lab, execute=True)
    return lab


@pytest.fixture
def lab(good: LabFolder, tmp_path: Path) -> LabFolder:
    """A copy to break."""
    shutil.copytree(good.path, tmp_path / KEY)
    shutil.copy(good.root / "measured.json", tmp_path)
    return Course(tmp_path).lab(NUMBER)


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_new_lab_keeps_the_rule(good: LabFolder, rule: Rule) -> None:
    assert rule.problems(good) == []


@pytest.mark.parametrize(("name", "break_lab", "words"), BROKEN, ids=[f"{n}-{w[:30]}" for n, _, w in BROKEN])
def test_broken_lab_is_rejected_in_words(lab: LabFolder, name: str, break_lab: Break, words: str) -> None:
    break_lab(lab.path)
    rule = next(rule for rule in RULES if rule.name == name)
    problems = rule.problems(Course(lab.root).lab(NUMBER))
    assert any(words in problem for problem in problems), problems


def test_every_rule_has_a_broken_lab() -> None:
    assert {name for name, _, _ in BROKEN} == {rule.name for rule in RULES}
