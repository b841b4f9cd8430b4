"""One JupyterLab server on one learner's workspace, apart from any other Jupyter of the same person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from courseware.jupyter.layout import seed_layout

START_PAGE = "START_HERE.ipynb"
SETTINGS = Path(__file__).parent / "settings"
FIRST_PORT = 8888
PORTS_TRIED = 100
START_LIMIT = 120.0  # seconds; a cold disk with a virus scanner needs most of them
STOP_LIMIT = 20.0


class LabProblem(Exception):
    """JupyterLab cannot be offered: one line for the learner."""


def state_folder(home: Path) -> Path:
    """Where JupyterLab keeps what belongs to this workspace: settings, layout, runtime files, log."""
    return home / ".course" / "jupyter"


def server_environment(home: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of server and kernels: this Python's tools, and nothing of the person's own Jupyter.

    A kernel called python3 or a start-up script in the home directory would otherwise run in place of ours.
    """
    state = state_folder(home)
    foreign = {"JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTERLAB_DIR"}
    environment = {name: value for name, value in inherited.items() if name not in foreign}
    tools = str(Path(sys.executable).parent)
    environment |= {
        "COURSE_HOME": str(home),
        "PATH": os.pathsep.join([tools, inherited.get("PATH", "")]).rstrip(os.pathsep),
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
        # The debugger's warning about frozen modules is of no use to a learner.
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    return environment


def server_command(home: Path, *, port: int, open_browser: bool) -> list[str]:
    options = {
        "ServerApp.root_dir": home,
        "ServerApp.port": port,
        "ServerApp.port_retries": PORTS_TRIED,
        "ServerApp.open_browser": open_browser,
        "ServerApp.answer_yes": True,  # Ctrl-C stops without asking back
        "ServerApp.allow_root": hasattr(os, "geteuid") and os.geteuid() == 0,
        "LabApp.app_settings_dir": SETTINGS,
        "LabApp.default_url": f"/lab/tree/{START_PAGE}",
        "LabApp.extension_manager": "readonly",
        "LanguageServerManager.autodetect": False,
    }
    return [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]


class LabServer:
    """A running JupyterLab. Made by `start`; `url` opens it; `stop` ends it and its kernels."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @classmethod
    def start(cls, home: Path, *, port: int = FIRST_PORT, open_browser: bool = False) -> LabServer:
        """Start on the first free port from `port` on; raises LabProblem if no page is served in time."""
        state = state_folder(home)
        runtime, log = state / "runtime", state / "server.log"
        try:
            seed_layout(state / "workspaces", START_PAGE)
            runtime.mkdir(parents=True, exist_ok=True)
            sink = log.open("wb")
        except OSError as error:
            raise LabProblem(f"The workspace {home} cannot be written: {error.strerror or error}.") from error
        others = set(runtime.glob("jpserver-*.json"))
        with sink:
            process = subprocess.Popen(
                server_command(home, port=port, open_browser=open_browser),
                env=server_environment(home, os.environ),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for us: Jupyter would leave without putting its kernels away.
                start_new_session=True,
            )
        server = cls(process, log)
        try:
            server.url = server._wait_for_address(runtime, others)
        except BaseException:
            server.stop()
            raise
        return server

    def _wait_for_address(self, runtime: Path, others: set[Path]) -> str:
        limit = time.monotonic() + START_LIMIT
        while time.monotonic() < limit:
            for file in set(runtime.glob("jpserver-*.json")) - others:
                try:
                    facts = json.loads(file.read_text(encoding="utf-8"))
                except ValueError:  # still being written
                    continue
                return f"{facts['url']}lab/tree/{quote(START_PAGE)}?token={facts['token']}"
            if self._process.poll() is not None:
                raise LabProblem(
                    f"JupyterLab stopped while starting: {_last_words(self.log)}. Its log is {self.log}."
                )
            time.sleep(0.1)
        raise LabProblem(f"JupyterLab did not start within {START_LIMIT:.0f} seconds. Its log is {self.log}.")

    def wait(self) -> int:
        """Block until the server ends; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End the server and its kernels, gently if it lets us."""
        for end in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                end()
            try:
                self._process.wait(timeout=STOP_LIMIT)
                return
            except subprocess.TimeoutExpired:
                continue


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "it said nothing"
