"""The warm lane's process: has torch loaded, has one thread, and forks for every notebook.

Needs a system that can fork: the warm lane does not exist on Windows.

It listens on a Unix socket in its scratch folder. A connection carries the path of one request's folder; the
supervisor that is forked for it answers with one line when the run is over. When the connection closes early
the run is ended. When standard input ends, the owner has died, and so does the zygote.
"""

import contextlib
import gc
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

import psutil

from courseware.run import guard
from courseware.run.journal import Journal
from courseware.run.preload import NotForkable, preload
from courseware.run.processes import adopt_orphans, end_below
from courseware.run.request import Request
from courseware.run.supervisor import finish, supervise

READY = "ready.json"
SOCKET = "zygote.sock"


def main(folder: Path) -> None:
    base_path = _path_of_a_kernel()
    try:
        files = preload()
    except NotForkable as problem:
        sys.exit(str(problem))
    adopt_orphans()
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / SOCKET))
    listener.listen(64)
    part = folder / "ready.part"
    part.write_text(json.dumps({str(file): _changed(file) for file in files}))
    part.replace(folder / READY)
    _serve(listener, base_path)
    shutil.rmtree(folder, ignore_errors=True)


def _path_of_a_kernel() -> list[str]:
    """sys.path without this program's own first entry and without PYTHONPATH, which each run sets anew."""
    extra = set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return [entry for entry in sys.path[1:] if entry not in extra]


def _changed(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _serve(listener: socket.socket, base_path: list[str]) -> None:
    supervisors: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [], 0.5)
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1024):
            end_below()
            return
        if listener in ready:
            connection, _ = listener.accept()
            pid = os.fork()
            if pid == 0:
                listener.close()
                _run_and_exit(connection, base_path)
            connection.close()
            supervisors.add(pid)
        _tidy(supervisors)


def _tidy(supervisors: set[int]) -> None:
    """Collect supervisors that ended, and kill what was left by one that was itself killed."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            supervisors.discard(pid)
    for child in psutil.Process().children():
        if child.pid not in supervisors:
            for process in [*child.children(recursive=True), child]:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def _run_and_exit(connection: socket.socket, base_path: list[str]) -> None:
    """The supervisor: run what the connection asks for, answer, and end."""
    try:
        os.setsid()
        folder = Path(connection.makefile("r").readline().rstrip("\n"))
        request = Request.load(folder)
        outcome = supervise(
            request,
            lambda: _fork_run(request, connection, base_path),
            abandoned=lambda: bool(select.select([connection], [], [], 0)[0]),
            separate_driver=False,
        )
        finish(outcome, folder)
        connection.sendall(b"done\n")
    finally:
        os._exit(0)


def _fork_run(request: Request, connection: socket.socket, base_path: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        connection.close()
        _become_the_run(request, base_path)
        journal = Journal(request.journal)
        try:
            _run_notebook(request, journal)
        except Exception as problem:
            journal.broken(f"{type(problem).__name__}: {problem}")
    finally:
        os._exit(0)


def _run_notebook(request: Request, journal: Journal) -> None:
    from courseware.run.notebooks import read
    from courseware.run.shell import run_cells

    run_cells(read(request.notebook), journal, allow_errors=request.allow_errors)


def _become_the_run(request: Request, base_path: list[str]) -> None:
    """Take on the session, folder, environment and randomness that a fresh kernel would have."""
    os.setsid()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.cwd)
    given = request.environment.get("PYTHONPATH", "").split(os.pathsep)
    startup = str(Path(__file__).parent / "startup")
    sys.path[:] = [*(entry for entry in given if entry and entry != startup), *base_path]
    installed = (
        i for i, entry in enumerate(sys.path) if Path(entry).name in ("site-packages", "dist-packages")
    )
    sys.path.insert(next(installed, 0), "")  # the notebook's folder, where a kernel looks for it
    sys.argv[:] = [sys.argv[0]]
    import tempfile

    tempfile.tempdir = None  # forget the zygote's
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(None)  # a fork inherits the state: unseeded notebooks would all draw the same
    if not request.network:
        guard.install()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
