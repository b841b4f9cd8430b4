"""Drives one real kernel through papermill's engine and writes down what it sends."""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager
from papermill.iorw import load_notebook_node
from traitlets.config import Config

from courseware.run.journal import Journal
from courseware.run.request import Request


class JournalClient(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's client; outputs go to the journal as they come instead of piling up in memory."""

    journal: Journal

    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        self.journal.finished()  # what comes after concerns a kernel that may have left at its last cell

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> None:
        if msg["msg_type"] not in ("status", "execute_input"):
            self.journal.message(cell_index, msg["msg_type"], msg["content"])
        super().process_message(msg, cell, cell_index)

    def output(self, *_: object) -> None:
        """Already in the journal."""

    def clear_output(self, *_: object) -> None:
        """Already in the journal."""


class _KernelLeft(Exception):
    """A cell asked its kernel to exit. The kernel would go on for a moment, and cells would pass by luck."""


def run(request: Request, journal: Journal) -> None:
    """Run the cells of the request's notebook, up to the first one that fails."""
    left = False

    def about_to_execute(cell: Any, cell_index: int) -> None:
        journal.start(cell_index)
        if left:
            raise _KernelLeft

    def executed(cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        nonlocal left
        reply = execute_reply["content"]
        failed = reply["status"] != "ok"
        error = (str(reply.get("ename", reply["status"])), str(reply.get("evalue", ""))) if failed else None
        journal.end(cell_index, reply.get("execution_count"), error)
        left = left or any(payload.get("source") == "ask_exit" for payload in reply.get("payload", []))

    class JournalEngine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(
            cls, nb_man: NotebookExecutionManager, kernel_name: str, **_: object
        ) -> None:
            client = JournalClient(
                nb_man,
                kernel_name=kernel_name,
                config=_private_sockets(request),
                allow_errors=request.allow_errors,
                timeout=None,  # the supervisor keeps the time
                raise_on_iopub_timeout=False,  # a flood of displays may lose messages; the reply still comes
                record_timing=False,
                shutdown_kernel="immediate",
                on_cell_execute=about_to_execute,
                on_cell_executed=executed,
            )
            client.journal = journal
            client.execute()

    try:
        JournalEngine.execute_notebook(
            load_notebook_node(str(request.notebook)), "python3", progress_bar=False, autosave_cell_every=0
        )
    except (DeadKernelError, _KernelLeft):
        return  # the journal shows how far it came


def _private_sockets(request: Request) -> Config:
    """Unix sockets in the run's own folder: ports would be raced for, as is the default name in the cwd."""
    return Config({"KernelManager": {"transport": "ipc", "ip": str(request.folder / "rt" / "k")}})


def main(folder: Path) -> None:
    request = Request.load(folder)
    journal = Journal(request.journal)
    os.chdir(request.cwd)
    try:
        run(request, journal)
    except Exception as problem:
        journal.broken(f"{type(problem).__name__}: {problem}")
        raise
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        (folder / "driver-cpu").write_text(json.dumps(used.ru_utime + used.ru_stime))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
