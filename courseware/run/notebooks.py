"""Notebook files before and after a run."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import nbformat
from nbformat import NotebookNode

from courseware.run.journal import events
from courseware.run.outputs import CellOutputs, portable
from courseware.run.request import Request
from courseware.run.result import KERNEL_DIED, TIME_LIMIT, CellError, RunnerError, RunResult
from courseware.run.supervisor import Outcome


def read(path: Path) -> NotebookNode:
    """The notebook in a file."""
    try:
        return cast(NotebookNode, nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise RunnerError(f"{path}: no such notebook") from None
    except Exception as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise RunnerError(f"{path}: not a notebook that can be read: {first}") from None


def write(notebook: NotebookNode, path: Path) -> None:
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def prepared(notebook: NotebookNode, parameters: Mapping[str, Any] | None) -> NotebookNode:
    """A copy without outputs, with a cell that sets the parameters after the one tagged "parameters"."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if not parameters:
        return notebook
    from papermill.parameterize import parameterize_notebook

    if not any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        names = ", ".join(parameters)
        raise RunnerError(f"no cell is tagged 'parameters', so {names} cannot be set")
    before = copy.deepcopy(notebook.metadata)
    notebook.metadata.setdefault("papermill", {})
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill asks every cell for them
    notebook = parameterize_notebook(notebook, dict(parameters), kernel_name="python3", language="python")
    notebook.metadata = before
    return notebook


def result_of(
    path: Path | None, notebook: NotebookNode, request: Request, outcome: Outcome | None, wall_seconds: float
) -> RunResult:
    """Put the result together from what the run wrote down and what its supervisor saw."""
    outputs, counts, errors = CellOutputs(), dict[int, int | None](), list[CellError]()
    running: int | None = None
    finished = False
    told = events(request.journal)
    if not told and outcome and outcome.exit_code:
        raise RunnerError(f"the runner did not start: {_last_line(request.log)}")
    for event in told:
        match event:
            case {"event": "start", "cell": cell}:
                running = cell
                outputs.start(cell)
            case {"event": "message", "cell": cell, "kind": kind, "content": content}:
                outputs.receive(cell, kind, content)
            case {"event": "end", "cell": cell, "count": count, "error": error}:
                running, counts[cell] = None, count
                if error and "raises-exception" not in notebook.cells[cell].metadata.get("tags", []):
                    errors.append(CellError(cell, error[0], portable(error[1])))
            case {"event": "finished"}:
                finished = True
            case {"event": "broken", "problem": problem}:
                raise RunnerError(f"{path or 'notebook'}: it could not be run: {problem}")
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs.of(index), counts.get(index)
    timed_out = outcome is not None and outcome.timed_out and not finished
    if not finished:
        errors.append(_ending(notebook, running, counts, request, timed_out))
    return RunResult(
        path=path,
        verdict="timed out" if timed_out else "failed" if errors else "passed",
        cell_index=errors[0].cell_index if errors else None,
        error=errors[0] if errors else None,
        errors=tuple(errors),
        cpu_seconds=outcome.cpu_seconds if outcome else 0.0,
        peak_bytes=outcome.peak_bytes if outcome else 0,
        wall_seconds=outcome.wall_seconds if outcome else wall_seconds,
        network=outcome.network if outcome else "unknown: the notebook ended its supervisor",
        notebook=notebook,
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it left no word"


def _ending(
    notebook: NotebookNode,
    running: int | None,
    counts: dict[int, int | None],
    request: Request,
    timed_out: bool,
) -> CellError:
    """The error of a run that did not come to its end."""
    if running is None:  # between two cells, or before the first
        later = range(max(counts, default=-1) + 1, len(notebook.cells))
        running = next((i for i in later if notebook.cells[i].cell_type == "code"), len(notebook.cells) - 1)
    if timed_out:
        return CellError(running, TIME_LIMIT, f"the notebook ran longer than {request.timeout:g} s")
    return CellError(running, KERNEL_DIED, "the process that ran the cells ended")
