"""Run notebooks: one, or many side by side."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from courseware.run import notebooks, warm
from courseware.run.environment import run_environment
from courseware.run.processes import end_marked
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
    options = Options(lane, parameters, timeout, allow_errors, cwd, env or {}, network)
    return _execute(notebook, options, threading.Event())


@dataclass(frozen=True)
class Options:
    """How a notebook is to be run: the arguments of `execute`."""

    lane: Lane = "kernel"
    parameters: Mapping[str, Any] | None = None
    timeout: float = TIMEOUT
    allow_errors: bool = False
    cwd: Path | str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    network: bool = False


def _execute(notebook: Path | str | NotebookNode, options: Options, stop: threading.Event) -> RunResult:
    if sys.platform == "win32":
        raise RunnerError("notebooks are run on Linux or macOS only; on Windows use WSL")
    if isinstance(notebook, NotebookNode):
        path, source = None, notebook
    else:
        path = Path(notebook).resolve()
        source = notebooks.read(path)
    ready = notebooks.prepared(source, options.parameters)
    place = Path(options.cwd or (path.parent if path else Path.cwd()))
    if not place.is_dir():
        raise RunnerError(f"{place}: no such folder to run a notebook in")
    folder = scratch_folder()
    try:
        request = _request(folder, place.resolve(), options)
        notebooks.write(ready, request.notebook)
        began = time.monotonic()
        (warm.run if options.lane == "warm" else _run_kernel)(request, stop)
        if (outcome := Outcome.load(folder)) is None:  # the notebook ended its own supervisor
            end_marked(request.run_id)
        return notebooks.result_of(path, ready, request, outcome, time.monotonic() - began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _request(folder: Path, cwd: Path, options: Options) -> Request:
    run_id = uuid.uuid4().hex
    request = Request(
        folder=folder,
        run_id=run_id,
        cwd=cwd,
        timeout=options.timeout,
        allow_errors=options.allow_errors,
        network=options.network,
        environment=run_environment(folder, run_id, network=options.network, changes=options.env),
    )
    request.save()
    return request


def execute_many(
    paths: Iterable[Path | str],
    lane: Lane = "kernel",
    workers: int = 2,
    *,
    done: Callable[[RunResult], None] | None = None,
    **options: Any,
) -> list[RunResult]:
    """Run notebooks, `workers` at a time, and return their results in the order of `paths`.

    `done` is called with each result as it comes; `options` are those of `execute`. An error that is not a
    verdict, or an interrupt, ends what is still running.
    """
    stop = threading.Event()

    def one(path: Path | str) -> RunResult:
        result = _execute(path, Options(lane, **options), stop)
        if done:
            done(result)
        return result

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        try:
            return list(pool.map(one, paths))
        except BaseException:
            stop.set()
            raise


def _run_kernel(request: Request, stop: threading.Event) -> None:
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
        while supervisor.poll() is None and not stop.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(timeout=1)
    finally:
        supervisor.terminate()  # it ends the run before it goes
        supervisor.wait()
