"""Style and types hold for everything, as `make lint` says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = {
    "ruff check": ["ruff", "check"],
    "ruff format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_the_tool_finds_nothing(tool):
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


LONGEST = 350
BANK = re.compile(r"lab-template|tests/labs/lab\w+/(right|wrong)_\w+\.py$")


def test_no_file_holds_more_than_one_idea():
    """A file that passes a few hundred lines holds two ideas; banks hold many short answers."""
    folders = ("courseware", "shared", "tests", "benchmarks")
    files = [file for folder in folders for file in (ROOT / folder).glob("**/*.py")]
    lines = {str(file.relative_to(ROOT)): file.read_text().count("\n") for file in files}
    assert not {file: count for file, count in lines.items() if count > LONGEST and not BANK.search(file)}
