"""pip's many lines become few, and its failures one sentence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from courseware.setup import pip

ROOT = Path(__file__).parents[2]

NO_INDEX = """\
Collecting jupyterlab
  WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': Failed to \
establish a new connection: [Errno 111] Connection refused')': /simple/jupyterlab/
ERROR: Could not find a version that satisfies the requirement jupyterlab (from versions: none)
ERROR: No matching distribution found for jupyterlab
"""
BROKEN_DOWNLOAD = """\
Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (880 MB)
ERROR: Exception:
Traceback (most recent call last):
pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.
"""
FULL = """\
Installing collected packages: numpy, torch
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
CONFLICT = """\
WARNING: Retrying after connection broken by 'timed out'
ERROR: Cannot install small and numpy because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit the documentation
"""
NOTHING_THERE = """\
ERROR: Could not find a version that satisfies the requirement onnx (from versions: none)
ERROR: No matching distribution found for onnx
"""
WRONG_VERSION = "ERROR: No matching distribution found for torch==2.99.0\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (NO_INDEX, "no connection to the package index"),
        (BROKEN_DOWNLOAD, "no connection to the package index"),
        (FULL, "the disk is full"),
        (CONFLICT, "ResolutionImpossible: for help visit the documentation"),
        (WRONG_VERSION, "No matching distribution found for torch==2.99.0"),
        (
            NOTHING_THERE,
            "the package index cannot be reached, or has nothing (No matching distribution found for onnx)",
        ),
        ("", "pip stopped without naming a reason"),
    ],
)
def test_a_failure_is_told_by_its_cause(output, reason):
    assert pip.explain(output) == reason


@pytest.fixture
def no_network(monkeypatch) -> None:
    """A package index that refuses the connection, and nothing beside it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def test_pip_without_network_is_told_in_one_line_and_its_log_is_kept(no_network, tmp_path, capsys):
    log = tmp_path / "setup.log"
    with pytest.raises(pip.PipProblem, match="no connection to the package index") as problem:
        pip.install(
            Path(sys.executable),
            ["a-package-that-is-not-installed"],
            cwd=tmp_path,
            log=log,
            before_change=lambda: pytest.fail("nothing may change"),
        )
    assert not problem.value.changed
    assert "Connection refused" in log.read_text()
    assert len(capsys.readouterr().out.splitlines()) <= 1


@pytest.mark.slow
def test_make_on_a_machine_without_network_fails_in_one_line_and_starts_over(no_network, tmp_path):
    shutil.copytree(
        ROOT / "courseware", tmp_path / "courseware", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for _ in range(2):
        done = subprocess.run(
            ["make", "lab", f"PYTHON={sys.executable}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        ours, makes = done.stderr.splitlines()
        assert done.returncode != 0
        assert "no connection to the package index" in ours
        assert makes.startswith("make: ***")
        assert done.stdout.startswith("Making the Python environment in .venv")
        assert (tmp_path / ".venv" / "setup.log").exists()
