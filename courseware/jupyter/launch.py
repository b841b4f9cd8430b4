"""`course lab`: the workspace is there, JupyterLab runs on it, and the learner knows the address."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from courseware.jupyter.server import FIRST_PORT, LabProblem, LabServer

# Ctrl-C, `kill`, and a terminal that is closed.
ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def open_course(home: Path, *, port: int = FIRST_PORT, open_browser: bool | None = None) -> int:
    """Serve the workspace until Ctrl-C; the process's exit code. Raises LabProblem if it cannot.

    Without a word from the caller a browser is opened only where somebody would see it.
    """
    if open_browser is None:
        open_browser = has_display(os.environ, sys.platform)
    for end in ENDS:
        signal.signal(end, _interrupt_once)
    print("Starting JupyterLab …", flush=True)
    try:
        with LabServer.start(home, port=port, open_browser=open_browser) as server:
            print(f"\n  The course is open at:\n\n    {server.url}\n", flush=True)
            print(f"  Your work is kept in {home}. Ctrl-C stops it.\n", flush=True)
            code = server.wait()
    except KeyboardInterrupt:
        print("\nStopped. Your work is kept.", flush=True)
        return 0
    if code:
        raise LabProblem(f"JupyterLab ended by itself; its log is {server.log}.")
    return 0


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser opened here would be seen: not over SSH, and on Linux only under a desktop."""
    if "SSH_CONNECTION" in environment:
        return False
    return not platform.startswith("linux") or bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    )


def _interrupt_once(number: int, frame: FrameType | None) -> NoReturn:
    """A second Ctrl-C does not disturb the server while it puts its kernels away."""
    for end in ENDS:
        signal.signal(end, signal.SIG_IGN)
    raise KeyboardInterrupt
