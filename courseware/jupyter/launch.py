"""`course lab`: the workspace is there, JupyterLab runs on it, and the learner knows the address."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from courseware.jupyter.server import FIRST_PORT, LabServer
from courseware.source import Course
from courseware.workspace import Workspace


def open_course(
    course: Course, home: Path, *, port: int = FIRST_PORT, open_browser: bool | None = None
) -> int:
    """Create the workspace where it is missing and serve it until Ctrl-C; the process's exit code.

    Raises WorkspaceError or LabProblem, each with one line for the learner, if it cannot.
    Without a word from the caller a browser is opened only where somebody would see it.
    """
    Workspace(course, home).create()
    if open_browser is None:
        open_browser = has_display(os.environ, sys.platform)
    signal.signal(signal.SIGTERM, _as_interrupt)
    print("Starting JupyterLab …", flush=True)
    server = LabServer.start(home, port=port, open_browser=open_browser)
    print(f"\n  The course is open at:\n\n    {server.url}\n", flush=True)
    print(f"  Your work is kept in {home}. Ctrl-C stops it.\n", flush=True)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        server.stop()
        print("\nStopped. Your work is kept.", flush=True)
        return 0
    if code:
        print(
            "JupyterLab ended by itself; its log is in .course/jupyter/server.log of your workspace.",
            file=sys.stderr,
        )
    return code


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser opened here would be seen: not over SSH, and on Linux only under a desktop."""
    if "SSH_CONNECTION" in environment:
        return False
    return not platform.startswith("linux") or bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    )


def _as_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
