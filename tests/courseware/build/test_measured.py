"""The table of costs: kept by lab and notebook, shown in the README between its two comments."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from courseware.build import measured
from courseware.check import Measure
from courseware.source import Course

KEY = "phase1_foundations/lab1_small"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    folder = tmp_path / KEY
    folder.mkdir(parents=True)
    (folder / "solution.py").write_text("# %% [markdown]\n# # Lab 1.1 · Small\n", encoding="utf-8")
    return Course(tmp_path)


def test_table_keeps_the_last_run_of_each_notebook(course: Course) -> None:
    (lab,) = course.labs
    measured.record(lab, "theory", cpu_seconds=9.04, peak_bytes=300 * 2**20)
    measured.record(lab, "solution", cpu_seconds=4.0, peak_bytes=2**30)
    measured.record(lab, "theory", cpu_seconds=8.06, peak_bytes=301 * 2**20)
    own = measured.read(course.root)[KEY]
    assert (own["theory"]["cpu_seconds"], own["theory"]["peak_mib"]) == (8.1, 301)
    assert own["solution"]["peak_mib"] == 1024
    assert own["theory"]["python"] == platform.python_version()


def test_readme_shows_the_table_between_its_comments_and_nothing_else_changes(course: Course) -> None:
    (lab,) = course.labs
    measured.record(lab, "theory", cpu_seconds=9.0, peak_bytes=300 * 2**20)
    before = f"# Course\n\n{measured.BEGIN}\nold\n{measured.END}\n\nThe end.\n"
    after = measured.with_table(before, course)
    assert after.startswith(f"# Course\n\n{measured.BEGIN}\n| lab |")
    assert after.endswith(f"{measured.END}\n\nThe end.\n")
    assert "| 1.1 Small | 9 s, 300 MiB | – | – |" in after
    assert f"Verified on Python {platform.python_version()} and torch 2." in after
    assert measured.with_table(after, course) == after


def test_readme_shows_what_e5_reached_and_what_is_asked(course: Course) -> None:
    (lab,) = course.labs
    measured.record_results(lab, [Measure(value, 0.94, "are right") for value in (0.96789, 0.97, 0.95)])
    assert "| 0.968 · 0.97 · 0.95 are right; asked for: at least 0.94 |" in measured.as_markdown(course)


def test_readme_without_the_comments_is_left_alone(course: Course) -> None:
    assert measured.with_table("# Course\n", course) == "# Course\n"
