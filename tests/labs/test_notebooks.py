"""The notebooks run. The theory notebooks are executed by nbval, on the same command line as these tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from courseware.contract import full_profile_runs, solution_runs, stubs_run
from courseware.source import LabFolder
from tests.labs.conftest import ROOT


def test_solution_runs_in_a_real_kernel(lab: LabFolder) -> None:
    assert not list(solution_runs(lab))


def test_stubs_run_top_to_bottom(lab: LabFolder) -> None:
    assert not list(stubs_run(lab))


@pytest.mark.parametrize("name", ["theory", "solution"])
def test_full_profile_runs(lab: LabFolder, name: str) -> None:
    assert not list(full_profile_runs(lab, name))


def test_solution_runs_as_a_module(lab: LabFolder, pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("long"):
        pytest.skip("runs the lab once more, outside a notebook: only with --long")
    command = [sys.executable, "-m", f"{lab.key.replace('/', '.')}.solution"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
