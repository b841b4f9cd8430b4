"""Runs a built notebook with a real kernel and keeps its outputs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from courseware.build.notebook import Json, code_cells, dump
from courseware.build.outputs import normalised, refuse_noise
from courseware.source import LabFolder

TIMEOUT = 600.0  # seconds; budgets are held by the contract tests, this only ends a runaway


class ExecutionFailed(Exception):
    """A notebook did not run to its end."""


def execute_into(content: Json, folder: LabFolder, root: Path) -> None:
    """Execute the notebook `content` in validation mode and store its outputs in it."""
    role = content["metadata"]["courseware"]["role"]
    with tempfile.TemporaryDirectory() as scratch, _environment(scratch):
        path = Path(scratch) / f"{role}.ipynb"
        path.write_text(dump(content), encoding="utf-8")
        executed = _run(path, f"{folder.key}/{role}.ipynb")
    for cell, ran in zip(code_cells(content), code_cells(executed), strict=True):
        cell["outputs"] = normalised(ran["outputs"], root)
        refuse_noise(cell["outputs"], f"{folder.key}/{role}.ipynb cell {cell['id']}")
    content["metadata"]["courseware"]["executed"] = True


def _run(path: Path, name: str) -> Json:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    untyped: Any = nbformat
    node = untyped.read(path, as_version=4)
    try:
        NotebookClient(
            node, timeout=int(TIMEOUT), resources={"metadata": {"path": str(path.parent)}}
        ).execute()
    except (CellExecutionError, CellTimeoutError) as error:
        raise ExecutionFailed(f"{name}: {error}") from None
    executed: Json = json.loads(untyped.writes(node))
    return executed


@contextmanager
def _environment(scratch: str) -> Iterator[None]:
    """Checks must pass, and nothing is recorded as a learner's progress."""
    changes = {"COURSEWARE_VALIDATE": "1", "COURSE_HOME": f"{scratch}/work"}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
