"""A short run of `leaves_nothing`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 6


@pytest.mark.skipif(sys.platform != "linux", reason="processes and ports are looked up in /proc")
def test_checks_leave_no_process_and_no_port() -> None:
    command = [sys.executable, "-m", "tests.labs.lab2_5.leaves_nothing", str(RUNS)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count(" process\n") == RUNS
