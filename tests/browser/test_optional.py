"""Without Chromium the browser's test is skipped on a person's machine and fails in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIRST_LAB = Path(__file__).with_name("test_first_lab.py")


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_chromium_is_optional_except_in_ci(tmp_path, ci, outcome):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CHROMIUM", "PYTEST"))
    }
    environment |= {"PATH": str(tmp_path), "CI": ci}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", FIRST_LAB],
        cwd=FIRST_LAB.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout
    assert "Chromium is not installed" in done.stdout
    assert (done.returncode == 0) == (ci == "")
