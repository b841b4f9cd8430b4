"""The rules on runs accept the notebooks of a good lab and say in words which cell of a broken one fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from courseware.build import build_lab
from courseware.contract import full_profile_runs, solution_runs, stubs_run
from courseware.scaffold import new_lab
from courseware.source import Course, LabFolder
from tests.courseware.contract.breaking import NUMBER, edit

KEY = "phase1_foundations/lab9_demo"
RUNS: dict[str, Callable[[LabFolder], list[str]]] = {
    "solution": lambda lab: list(solution_runs(lab, lane="warm")),
    "stubs": lambda lab: list(stubs_run(lab)),
    "full theory": lambda lab: list(full_profile_runs(lab, "theory")),
    "full solution": lambda lab: list(full_profile_runs(lab, "solution")),
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabFolder:
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    made = new_lab(Course(tmp_path), KEY)
    build_lab(made)
    return made


def test_new_lab_runs_in_every_way(lab: LabFolder) -> None:
    assert {name: run(lab) for name, run in RUNS.items()} == {name: [] for name in RUNS}


BROKEN = {
    "a solution that its check refuses": (
        "solution",
        ("solution.py", "return x.mean(dim=0)\n", "return x.mean(dim=1)\n"),
        "solution.ipynb, cell W2-check: failed: CheckFailed",
    ),
    "a demonstration that fetches data": (
        "solution",
        (
            "solution.py",
            '        print("Sides 3',
            '        import urllib.request\n\n        urllib.request.urlopen("http://192.0.2.1")\n'
            '        print("Sides 3',
        ),
        "solution.ipynb, cell W4-reward: failed",
    ),
    "a demonstration that warns": (
        "solution",
        (
            "solution.py",
            '        print("Sides 3',
            '        import warnings\n\n        warnings.warn("old", stacklevel=1)\n        print("Sides 3',
        ),
        "cell W4-reward writes to stderr",
    ),
    "a reward that does not wait for the check": (
        "stubs",
        ("solution.py", '    if lab.passed("W1"):\n        print', "    if True:\n        print"),
        "exercises.ipynb, cell W1-reward: failed: NotImplementedError",
    ),
    "a check that no stub can fail": (
        "stubs",
        (
            "checks.py",
            '@w2.property("the mean of every column")',
            '@w2.probe("always")\ndef always(a, t):\n    return "no"\n\n\n'
            '@w2.property("the mean of every column")',
        ),
        "cell W2-check says",
    ),
    "a theory that only fits a laptop": (
        "full theory",
        (
            "theory.md",
            'repeats = full_repeats if profile == "full"',
            'repeats = full_size if profile == "full"',
        ),
        "on the full profile: theory.ipynb, cell why-this-lab-matters-5: failed: NameError",
    ),
    "exercises that only fit a laptop": (
        "full solution",
        ("solution.py", 'size = full_size if profile == "full"', 'size = {}["size"] if profile == "full"'),
        "on the full profile: solution.ipynb",
    ),
    "a notebook without the switch": (
        "full theory",
        ("theory.md", ' tags=["parameters"] cut={"full_repeats": 4}', ""),
        "theory.ipynb has no parameters cell",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_notebook_is_named_with_its_cell(lab: LabFolder, case: str) -> None:
    name, (file, old, new), words = BROKEN[case]
    edit(lab.path / file, old, new)
    build_lab(Course(lab.root).lab(NUMBER))
    problems = RUNS[name](lab)
    assert any(words in problem for problem in problems), problems


def test_the_full_profile_leaves_the_checks_to_the_other_run(lab: LabFolder) -> None:
    old, new = BROKEN["a solution that its check refuses"][1][1:]
    edit(lab.path / "solution.py", old, new)
    build_lab(Course(lab.root).lab(NUMBER))
    assert RUNS["solution"](lab)
    assert RUNS["full solution"](lab) == []


def test_what_waits_for_a_check_runs_on_the_full_profile(lab: LabFolder) -> None:
    solution = lab.path / "solution.py"
    waiting = 'if lab.passed("W2") and profile == "full":\n        gone()'
    solution.write_text(f'{solution.read_text()}\n\n# %%\nif __name__ == "__main__":\n    {waiting}\n')
    build_lab(Course(lab.root).lab(NUMBER))
    assert any("NameError: name 'gone'" in problem for problem in RUNS["full solution"](lab))
