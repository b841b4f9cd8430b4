"""The notebooks run, with outbound network refused.

The theory notebooks are executed by nbval, on the same command line: it compares the outputs that are marked
as exact. Here the solution notebooks run in real kernels, the learner's notebooks on their stubs, and both
profiles: the full one with its sizes cut to what the parameters cell allows.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from courseware.build.notebook import code_cells, load, source_of
from courseware.build.outputs import refuse_noise
from courseware.run import execute
from courseware.source import LabFolder
from tests.labs.conftest import ROOT

SECONDS_SOLUTION = 45  # CPU seconds that a lab aims at
GUARD = 2  # this machine may be slower than the one the aim was set on


def notebook(lab: LabFolder, name: str) -> Path:
    return lab.path / f"{name}.ipynb"


def cells(path: Path) -> list[dict[str, Any]]:
    content = load(path)
    assert content is not None, f"{path} is missing"
    return code_cells(content)


def test_solution_runs_in_a_real_kernel_within_its_budget(lab: LabFolder) -> None:
    result = execute(notebook(lab, "solution"), lane="kernel")
    assert result.passed, result
    assert result.cpu_seconds < GUARD * SECONDS_SOLUTION
    for cell in result.notebook.cells:
        refuse_noise(cell.get("outputs", []), f"solution.ipynb, cell {cell.id}")


def test_stubs_run_top_to_bottom_and_are_not_attempted(lab: LabFolder, tmp_path: Path) -> None:
    # as a learner runs it: a check that is not passed raises nothing
    env = {"COURSEWARE_VALIDATE": None, "COURSE_HOME": str(tmp_path)}
    result = execute(notebook(lab, "exercises"), lane="warm", env=env)
    assert result.passed, result
    checks = [cell for cell in result.notebook.cells if str(cell.id).endswith("-check")]
    assert [cell.metadata.courseware.exercise for cell in checks] == [info.key for info in lab.exercises]
    for cell in checks:
        shown = "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        assert "not attempted" in shown, f"{cell.id} says {shown!r}"


@pytest.mark.parametrize("name", ["theory", "solution"])
def test_full_profile_runs_with_its_sizes_cut(lab: LabFolder, name: str) -> None:
    code = cells(notebook(lab, name))
    parameters = next(cell for cell in code if "parameters" in cell["metadata"].get("tags", []))
    if not any("profile" in source_of(cell) for cell in code if cell is not parameters):
        return  # nothing hangs on the profile: the notebook's other run was this one
    cut = parameters["metadata"].get("courseware", {}).get("cut", {})
    result = execute(notebook(lab, name), lane="warm", parameters={"profile": "full", **cut})
    assert result.passed, result


def test_solution_runs_as_a_module(lab: LabFolder, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    if not pytestconfig.getoption("long"):
        pytest.skip("runs the lab once more, outside a notebook: only with --long")
    module = f"{lab.key.replace('/', '.')}.solution"
    run = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
