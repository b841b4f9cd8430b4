"""`course new` makes a lab that builds and is tidy; the contract tests show that it keeps all rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from courseware.build import build_lab, check_lab
from courseware.scaffold import ScaffoldError, new_lab
from courseware.source import Course


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    return Course(tmp_path)


def test_new_lab_carries_its_own_name_everywhere_and_builds(course: Course) -> None:
    lab = new_lab(course, "phase2_intermediate/lab3_graph_networks/")
    assert (lab.key, lab.number, lab.title) == (
        "phase2_intermediate/lab3_graph_networks",
        "2.3",
        "Graph networks",
    )
    assert lab.points == 100
    build_lab(lab)
    assert {built.state for built in check_lab(lab)} == {"unchanged"}
    for path in lab.path.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "phase0" not in text
            assert "0.0 ·" not in text
            assert "Template title" not in text


def test_project_comes_with_a_program(course: Course) -> None:
    lab = new_lab(course, "phase3_applied_projects/project2_reader", title="Reader")
    program = lab.path / "src" / "__main__.py"
    run = subprocess.run([sys.executable, str(program), "--help"], capture_output=True, text=True, check=True)
    assert "usage:" in run.stdout
    run = subprocess.run(
        [sys.executable, str(program), "--examples", "900"], capture_output=True, text=True, check=True
    )
    assert "of unseen digits" in run.stdout


def test_labs_have_no_program(course: Course) -> None:
    assert not (new_lab(course, "phase1_foundations/lab1_x").path / "src").exists()


def test_new_lab_is_tidy(course: Course) -> None:
    lab = new_lab(course, "phase1_foundations/lab1_x")
    config = Path(__file__).parents[3] / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", str(config), str(lab.path)]
        assert subprocess.run(ruff, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "key", ["lab1_x", "phase1/lab1_x", "phase1_a/lab_x", "phase1_a/Lab1_x", "../phase1_a/lab1_x"]
)
def test_wrong_place_is_refused(course: Course, key: str) -> None:
    with pytest.raises(ScaffoldError, match="expected phase and lab"):
        new_lab(course, key)
    assert not list(course.root.glob("phase*"))


def test_existing_lab_is_never_touched(course: Course) -> None:
    lab = new_lab(course, "phase1_foundations/lab1_x")
    lab.solution_path.write_text(lab.solution_path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    before = lab.solution_path.read_bytes()
    with pytest.raises(ScaffoldError, match=r"lab 1\.1 exists already: phase1_foundations/lab1_x"):
        new_lab(course, "phase1_foundations/lab1_y")
    (course.root / "phase1_foundations/lab2_z").mkdir()
    with pytest.raises(ScaffoldError, match="exists already"):
        new_lab(course, "phase1_foundations/lab2_z")
    assert lab.solution_path.read_bytes() == before
