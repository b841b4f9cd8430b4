"""The learner's workspace: there, and writable."""

from __future__ import annotations

import tempfile
from pathlib import Path

from courseware.doctor.finding import Finding


def workspace(home: Path) -> Finding:
    """A workspace that is not there yet is nothing wrong: `make lab` creates it."""
    if not home.exists():
        return Finding("workspace", f"none yet; `make lab` creates it in {home}")
    if not home.is_dir():
        return Finding("workspace", str(home), "is a file and not a folder; move it away or set COURSE_HOME")
    try:
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"1")
    except OSError as error:
        return Finding(
            "workspace", str(home), f"cannot be written: {error.strerror}; set COURSE_HOME to another folder"
        )
    notebooks = sum(1 for file in home.glob("phase*/*/exercises.ipynb"))
    return Finding("workspace", f"{home} with the exercises of {notebooks} labs")
