"""Interpreters that claim to be others, and a project small enough to set up in a moment."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from courseware.setup import environment, pip

FakePython = Callable[..., Path]


@pytest.fixture(autouse=True)
def outer_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests call make, and may themselves run under `make test`: the inner one must not know."""
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake_python(tmp_path: Path) -> FakePython:
    """Makes an interpreter that says it has another version, or that lacks modules."""

    def make(folder: Path, name: str, version: tuple[int, int], *, lacks: tuple[str, ...] = ()) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / name
        script.write_text(
            textwrap.dedent(f"""\
                #!{sys.executable}
                import runpy, sys
                sys.version_info = {(*version, 0, "final", 0)!r}
                sys.executable = __file__
                sys.modules.update(dict.fromkeys({list(lacks)!r}))
                if sys.argv[1] == "-c":
                    exec(sys.argv[2])
                else:
                    del sys.argv[0]
                    runpy.run_path(sys.argv[0], run_name="__main__")
                """)
        )
        script.chmod(0o755)
        return script

    return make


PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "small"
version = "1"
requires-python = ">=3.11"
dependencies = ["numpy>=2"]

[project.optional-dependencies]
test = ["pytest"]
export = ["onnx"]

[tool.ruff]
line-length = 100
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "requirements.lock").write_text("numpy==2.4.6\nsetuptools==84.2.1\n")
    return root


class PipRecord:
    """Stands in for pip: keeps what it was asked, and fails as it is told."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.failure: BaseException | None = None
        self.changes_first = True

    def install(
        self, python: Path, arguments: list[str], *, cwd: Path, log: Path, before_change: Callable[[], None]
    ) -> None:
        self.calls.append(arguments)
        if self.failure and not self.changes_first:
            raise self.failure
        before_change()
        if self.failure:
            raise self.failure

    def asked(self) -> list[list[str]]:
        """What was asked since the last time."""
        asked, self.calls = self.calls, []
        return asked


@pytest.fixture
def fake_pip(monkeypatch: pytest.MonkeyPatch) -> PipRecord:
    """No download and no real venv: one that passes the question by to this interpreter."""
    record = PipRecord()

    def create_venv(folder: Path) -> subprocess.CompletedProcess[str]:
        python = folder / "bin" / "python"
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(pip, "install", record.install)
    monkeypatch.setattr(environment, "create_venv", create_venv)
    return record
