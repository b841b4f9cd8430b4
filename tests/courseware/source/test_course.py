"""Labs are found by folder, number or name; the course by its mark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from courseware.source import Course, UnknownLab

SOURCE = """\
# %% [markdown]
# # Lab 0.0 · A name · with a dot

# %% [markdown] exercise="W1" minutes=3
# ## W1 · First

# %% [markdown] exercise="E1" minutes=20
# ## E1 · Second

# %% [markdown] exercise="E5" minutes=20
# ## E5 · Last
"""
KEYS = [
    "phase1_foundations/lab1_tensors",
    "phase1_foundations/lab2_modules",
    "phase1_foundations/lab10_more",
    "phase3_applied_projects/project1_feed",
]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    for key in [*KEYS, "phase1_foundations/notes", "other/lab3_x"]:
        (tmp_path / key).mkdir(parents=True)
        (tmp_path / key / "solution.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "phase1_foundations/lab4_empty").mkdir()
    return Course(tmp_path)


def test_labs_are_in_the_order_of_their_numbers(course: Course) -> None:
    assert [lab.key for lab in course.labs] == KEYS
    assert [lab.number for lab in course.labs] == ["1.1", "1.2", "1.10", "3.1"]


def test_outline_gives_title_exercises_and_points(course: Course) -> None:
    lab = course.labs[0]
    assert lab.title == "A name · with a dot"
    assert [exercise.key for exercise in lab.exercises] == ["W1", "E1", "E5"]
    assert lab.points == 15 + 25


@pytest.mark.parametrize(
    "name", ["1.2", "lab2_modules", "phase1_foundations/lab2_modules", "phase1_foundations/lab2_modules/"]
)
def test_lab_goes_by_several_names(course: Course, name: str) -> None:
    assert course.lab(name).key == "phase1_foundations/lab2_modules"


def test_unknown_lab_gets_a_suggestion(course: Course) -> None:
    with pytest.raises(UnknownLab, match="did you mean lab1_tensors"):
        course.lab("lab1_tensor")
    with pytest.raises(UnknownLab, match=r"known: 1\.1, 1\.2"):
        course.lab("xyz")


def test_course_is_found_upward_and_by_environment(
    course: Course, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSE_ROOT", raising=False)
    assert Course.find(course.root / KEYS[0]).root == course.root
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert Course.find(elsewhere).root == Path(__file__).parents[3]
    monkeypatch.setenv("COURSE_ROOT", str(course.root))
    assert Course.find(elsewhere).root == course.root


def test_reading_a_course_does_not_import_torch() -> None:
    code = (
        "import sys; from courseware.source import Course; [lab.exercises for lab in Course.find().labs];"
        "sys.exit('torch' in sys.modules or 'nbformat' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
