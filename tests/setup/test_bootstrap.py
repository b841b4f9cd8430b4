"""The first step works with any Python, and says in one line why it cannot go on."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "courseware" / "bootstrap.py"


def run(command: list[object], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 14)])
def test_an_unsupported_python_gets_one_line(fake_python, tmp_path, version):
    python = fake_python(tmp_path / "bin", "python3", version)
    done = run([python, BOOTSTRAP], PATH=str(tmp_path / "empty"))
    line = only_line(done.stderr)
    assert done.returncode == 1
    assert "Python 3.11 to 3.13" in line
    assert f"Python {version[0]}.{version[1]}" in line
    assert str(python) in line


def test_make_hands_the_line_on_and_fails(fake_python, tmp_path):
    python = fake_python(tmp_path / "bin", "old-python", (3, 9))
    done = run(["make", "setup", f"PYTHON={python}"])
    ours, makes = done.stderr.splitlines()
    assert done.returncode != 0
    assert "this course needs python" in ours.lower()
    assert makes.startswith("make: ***")


def test_a_supported_python_on_the_path_is_used_instead(fake_python, tmp_path):
    old = fake_python(tmp_path / "bin", "python3", (3, 9))
    supported = tmp_path / "bin" / "python3.12"
    supported.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "asked: $*"\n')
    supported.chmod(0o755)
    done = run([old, BOOTSTRAP, "--with", "test"], PATH=str(tmp_path / "bin"))
    assert done.returncode == 0
    assert only_line(done.stdout) == f"asked: {BOOTSTRAP} --with test"


def test_a_python_that_does_not_start_is_passed_over(fake_python, tmp_path):
    old = fake_python(tmp_path / "bin", "python3", (3, 9))
    shim = tmp_path / "bin" / "python3.13"
    shim.write_text("#!/bin/sh\necho 'version 3.13 is not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    done = run([old, BOOTSTRAP], PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "This course needs Python" in only_line(done.stderr)


def test_a_chosen_python_is_not_replaced_by_another(fake_python, tmp_path):
    chosen = fake_python(tmp_path / "bin", "python3", (3, 9))
    (tmp_path / "bin" / "python3.12").symlink_to(sys.executable)
    done = run([chosen, BOOTSTRAP], PATH=str(tmp_path / "bin"), PYTHON=str(chosen))
    assert done.returncode == 1
    assert "This course needs Python" in only_line(done.stderr)


def test_a_machine_without_python_gets_one_line(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = run(["make", "lab"], PATH=str(tools))
    assert done.returncode != 0
    assert "there is no python3 on PATH" in only_line(done.stderr)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_gets_one_line(fake_python, tmp_path, module, project):
    python = fake_python(tmp_path / "bin", "python3", sys.version_info[:2], lacks=(module,))
    shutil.copytree(ROOT / "courseware" / "setup", project / "courseware" / "setup")
    for name in ("__init__.py", "bootstrap.py"):
        shutil.copy(ROOT / "courseware" / name, project / "courseware")
    done = run([python, project / "courseware" / "bootstrap.py"])
    line = only_line(done.stderr)
    assert done.returncode == 1
    assert "cannot make virtual environments" in line
    assert "-venv" in line
    assert not (project / ".venv").exists()


def test_every_python_can_read_the_first_file():
    """No f-string and no annotation: they would stop an old Python before the sentence."""
    tree = ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 4))
    functions = [part for part in ast.walk(tree) if isinstance(part, ast.FunctionDef)]
    assert functions
    assert not [part for part in functions if part.returns]
    assert not [part for part in ast.walk(tree) if isinstance(part, ast.arg) and part.annotation]
    assert not [
        part for part in ast.walk(tree) if isinstance(part, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)
    ]
    assert BOOTSTRAP.read_text().isascii()


def test_the_set_up_needs_nothing_but_the_standard_library():
    code = "import sys; sys.path.insert(0, '.'); import courseware.setup.commands"
    done = run([sys.executable, "-I", "-S", "-c", code])
    assert done.returncode == 0, done.stderr
