"""Every lab keeps every rule of the contract; that each can fail is shown in tests/courseware/contract."""

from __future__ import annotations

import pytest

from courseware.build import measured
from courseware.contract import RULES, Rule
from courseware.source import Course, LabFolder
from tests.labs.conftest import ROOT, labs


@pytest.mark.parametrize("rule", RULES, ids=[rule.name.replace(" ", "-") for rule in RULES])
def test_lab_keeps_the_rule(lab: LabFolder, rule: Rule) -> None:
    problems = rule.problems(lab)
    assert not problems, f"{rule.asks}:\n" + "\n".join(problems)


def test_readme_shows_the_measured_costs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert measured.BEGIN in readme, (
        f"README.md has no place for the table: {measured.BEGIN} … {measured.END}"
    )
    assert readme == measured.with_table(readme, Course(ROOT)), "run `course build --execute`"


def test_the_course_has_labs(pytestconfig: pytest.Config) -> None:
    assert labs(pytestconfig)
