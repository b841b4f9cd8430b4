"""Inside the kernel of `course check`: every report is written down for the terminal, nothing else happens.

The file that COURSE_REPORTS names gets one JSON object a line, as soon as a check has spoken.
"""

import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

REPORTS = "COURSE_REPORTS"


def watch() -> None:
    """Let `open_lab` give labs that report to the terminal; the first cell of the run calls this."""
    from courseware import lab
    from courseware.check import Report

    reports = Path(os.environ[REPORTS])

    class WatchedLab(lab.Lab):
        def check(self, key: str, *objects: Any) -> Report:
            with redirect_stdout(io.StringIO()):
                report = super().check(key, *objects)
            facts = {"key": key, "status": str(report.status), "points": report.points, "text": report.text()}
            with reports.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**facts, "max_points": report.max_points}) + "\n")
            return report

        # A cell that asked for a hint in JupyterLab must not use up another one here.
        def hint(self, key: str) -> None:
            pass

        def solution(self, key: str) -> None:
            pass

        def reward(self, key: str) -> None:
            pass

    lab.Lab = WatchedLab  # type: ignore[misc]
