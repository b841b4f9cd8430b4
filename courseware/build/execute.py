"""Runs a built notebook with a real kernel and keeps its outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from courseware.build.measured import record
from courseware.build.notebook import Json, code_cells
from courseware.build.outputs import normalised, refuse_noise
from courseware.source import LabFolder

if TYPE_CHECKING:
    from courseware.run import RunResult


class ExecutionFailed(Exception):
    """A notebook did not run to its end."""


def execute_into(content: Json, folder: LabFolder) -> None:
    """Execute the notebook `content` in validation mode and store its outputs in it."""
    role = content["metadata"]["courseware"]["role"]
    name = f"{folder.key}/{role}.ipynb"
    result = _run(content, folder, name)
    executed: Json = json.loads(untyped_nbformat().writes(result.notebook))
    for cell, ran in zip(code_cells(content), code_cells(executed), strict=True):
        cell["outputs"] = normalised(ran["outputs"], folder.root)
        refuse_noise(cell["outputs"], f"{name}, cell {cell['id']}")
    content["metadata"]["courseware"]["executed"] = True
    record(folder, role, cpu_seconds=result.cpu_seconds, peak_bytes=result.peak_bytes)


def untyped_nbformat() -> Any:
    """Imported late: it takes a while, and a build without execution does not need it."""
    import nbformat

    return nbformat


def _run(content: Json, folder: LabFolder, name: str) -> RunResult:
    from courseware.run import RunnerError, execute

    try:
        result = execute(untyped_nbformat().from_dict(_joined(content)), cwd=folder.path)
    except RunnerError as error:
        raise ExecutionFailed(f"{name}: {error}") from None
    if not result.passed:
        cell = "" if result.cell_index is None else f", cell {content['cells'][result.cell_index]['id']}"
        raise ExecutionFailed(f"{name}{cell}: {result.verdict}: {result.error}")
    return result


def _joined(content: Json) -> Json:
    """The form that nbformat has in memory: texts in one piece."""
    cells = [{**cell, "source": "".join(cell["source"]), **_emptied(cell)} for cell in content["cells"]]
    return {**content, "cells": cells}


def _emptied(cell: Json) -> Json:
    return {"outputs": []} if cell["cell_type"] == "code" else {}
