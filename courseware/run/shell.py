"""Runs the cells of a notebook in this process, in the shell that a kernel would use.

It is ipykernel's own shell; its messages are written to the journal instead of being sent. So values,
figures, errors and display updates come out in the form in which a kernel sends them.
"""

import asyncio
import builtins
import getpass
import os
import sys
from typing import Any, NoReturn, cast

from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import ExecutionResult
from jupyter_client.session import Session
from nbformat import NotebookNode
from traitlets import Any as AnyTrait
from traitlets.config import Config

from courseware.run.capture import CapturedStream, DescriptorCapture
from courseware.run.journal import Journal


class _RecordingSession(Session):
    """Takes what the shell sends and hands it to the recorder."""

    recorder = AnyTrait()

    def send(self, stream: object, msg_or_type: Any, content: Any = None, *_: object, **__: object) -> None:
        if not isinstance(msg_or_type, str):
            msg_or_type, content = msg_or_type["header"]["msg_type"], msg_or_type["content"]
        self.recorder.message(msg_or_type, content)


class Shell(ZMQInteractiveShell):
    """A kernel's shell without its kernel."""

    left = False

    def enable_gui(self, gui: str | None = None) -> None:
        if gui is not None:  # inline figures need no event loop
            super().enable_gui(gui)

    def ask_exit(self) -> None:
        self.left = True


class Recorder:
    """Knows which cell is running; everything that is put out goes to the journal under it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.cell = 0
        self.stdout = CapturedStream("stdout", 1, self.text)
        self.stderr = CapturedStream("stderr", 2, self.text)
        self.descriptors = DescriptorCapture(self.text, self.flush)

    def text(self, name: str, text: str) -> None:
        self.message("stream", {"name": name, "text": text})

    def message(self, kind: str, content: dict[str, Any]) -> None:
        self.journal.message(self.cell, kind, content)

    def flush(self) -> None:
        self.stdout.flush()
        self.stderr.flush()

    def settle(self) -> None:
        """Wait until all that the cell wrote is in the journal."""
        self.flush()
        self.descriptors.drain()


def make_shell(recorder: Recorder) -> Shell:
    config = Config()
    config.HistoryManager.enabled = False  # it would write a database, in a thread
    shell: Shell = Shell.instance(config=config, compiler_class=XCachingCompiler)
    session = _RecordingSession(recorder=recorder)
    for sender in (shell.display_pub, shell.displayhook):
        sender.set_trait("session", session)
        sender.set_trait("pub_socket", object())
    sys.stdout, sys.stderr = recorder.stdout, recorder.stderr
    builtins.input = _no_input
    getpass.getpass = _no_password
    return shell


def _no_input(prompt: object = "") -> NoReturn:
    raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")


def _no_password(prompt: object = "", stream: object = None) -> NoReturn:
    raise StdinNotImplementedError("getpass was called, but this frontend does not support input requests.")


def run_cells(notebook: NotebookNode, journal: Journal, *, allow_errors: bool) -> None:
    """Run the code cells in order, up to the first one that fails; with `allow_errors` all of them."""
    recorder = Recorder(journal)
    shell = make_shell(recorder)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_run(notebook, journal, recorder, shell, allow_errors))


async def _run(
    notebook: NotebookNode, journal: Journal, recorder: Recorder, shell: Shell, allow_errors: bool
) -> None:
    # Cells run below a running loop, as in a kernel: `asyncio.run` in a cell must fail in both.
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or not cell.source.strip() or "skip-execution" in tags:
            continue
        recorder.cell = index
        journal.start(index)
        if shell.left:
            os._exit(1)
        count = shell.execution_count
        result = await _execute(shell, cell.source)
        recorder.settle()
        error = _error(shell, result)
        journal.end(index, count, error)
        if error and not (allow_errors or "raises-exception" in tags):
            break
        await asyncio.sleep(0)  # tasks that the cell left behind get a turn
    journal.finished()


async def _execute(shell: Shell, source: str) -> ExecutionResult:
    broken = None
    try:
        transformed = shell.transform_cell(source)  # type: ignore[no-untyped-call]
    except Exception:
        transformed, broken = source, sys.exc_info()
    if not shell.should_run_async(source, transformed_cell=transformed, preprocessing_exc_tuple=broken):
        return cast(ExecutionResult, shell.run_cell(source, store_history=True))  # type: ignore[no-untyped-call]
    try:
        result = await shell.run_cell_async(
            source, store_history=True, transformed_cell=transformed, preprocessing_exc_tuple=broken
        )
    finally:
        shell.events.trigger("post_execute")
    shell.events.trigger("post_run_cell", result)
    return result


def _error(shell: Shell, result: ExecutionResult) -> tuple[str, str] | None:
    problem = result.error_before_exec if result.error_before_exec is not None else result.error_in_exec
    if result.success and not getattr(shell, "_last_traceback_during_displayhook", False):
        return None
    return type(problem).__name__, str(problem)
