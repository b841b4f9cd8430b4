"""Run notebooks: one, or many side by side."""

import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from courseware.run import notebooks, warm
from courseware.run.environment import run_environment
from courseware.run.request import Request, scratch_folder
from courseware.run.result import Lane, RunnerError, RunResult
from courseware.run.supervisor import Outcome

TIMEOUT = 600.0


def execute(
    notebook: Path | str | NotebookNode,
    *,
    lane: Lane = "kernel",
    parameters: Mapping[str, Any] | None = None,
    timeout: float = TIMEOUT,
    allow_errors: bool = False,
    cwd: Path | str | None = None,
    env: Mapping[str, str | None] | None = None,
    network: bool = False,
) -> RunResult:
    """Run a notebook and return the verdict, its cost and the notebook with outputs; the file is not written.

    The lane "kernel" starts a real kernel; "warm" forks a process that has torch loaded,
    and gives the same verdicts.
    `timeout` is for the whole notebook, in seconds. With `allow_errors` a failing cell does not stop the
    rest. Cells run in `cwd`, by default the notebook's folder. `env` changes the environment (None removes a
    name); COURSEWARE_VALIDATE=1 is set unless it says otherwise. The outside network is refused unless
    `network`.

    Raises RunnerError, with one line for a person, where the run itself could not be done.
    """
    if sys.platform == "win32":
        raise RunnerError("notebooks are run on Linux or macOS only; on Windows use WSL")
    if isinstance(notebook, NotebookNode):
        path, source = None, notebook
    else:
        path = Path(notebook).resolve()
        source = notebooks.read(path)
    ready = notebooks.prepared(source, parameters)
    place = Path(cwd) if cwd is not None else path.parent if path is not None else Path.cwd()
    if not place.is_dir():
        raise RunnerError(f"{place}: no such folder to run a notebook in")
    folder = scratch_folder()
    try:
        run_id = uuid.uuid4().hex
        request = Request(
            folder=folder,
            run_id=run_id,
            cwd=place.resolve(),
            timeout=timeout,
            allow_errors=allow_errors,
            network=network,
            environment=run_environment(folder, run_id, network=network, changes=env or {}),
        )
        request.save()
        notebooks.write(ready, request.notebook)
        began = time.monotonic()
        (warm.run if lane == "warm" else _run_kernel)(request)
        outcome = Outcome.load(folder)
        return notebooks.result_of(path, ready, request, outcome, time.monotonic() - began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def execute_many(
    paths: Iterable[Path | str],
    lane: Lane = "kernel",
    workers: int = 2,
    *,
    done: Callable[[RunResult], None] | None = None,
    **options: Any,
) -> list[RunResult]:
    """Run notebooks, `workers` at a time, and return their results in the order of `paths`.

    `done` is called with each result as it comes; `options` are those of `execute`.
    """

    def one(path: Path | str) -> RunResult:
        result = execute(path, lane=lane, **options)
        if done:
            done(result)
        return result

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return list(pool.map(one, paths))


def _run_kernel(request: Request) -> None:
    """Start a supervisor for a real kernel and wait for it."""
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "courseware.run.supervisor", str(request.folder)],
        env=request.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        supervisor.wait()
    except BaseException:
        supervisor.terminate()  # it ends the run before it goes
        supervisor.wait()
        raise
