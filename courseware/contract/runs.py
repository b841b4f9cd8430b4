"""What must happen when a lab's notebooks are executed. Outbound network is refused throughout.

The theory notebook on its laptop profile is executed by nbval, which compares the outputs marked as exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from courseware.build.measured import AIMS
from courseware.build.notebook import code_cells, source_of
from courseware.build.outputs import OutputError, refuse_noise
from courseware.contract.notebooks import notebook
from courseware.source import LabFolder

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from courseware.run import Lane, RunResult

GUARD = 2  # this machine may be slower than the one that the aims were measured on


def solution_runs(lab: LabFolder, lane: Lane = "kernel") -> Iterator[str]:
    """Every check passes, nothing is written to stderr, and the budget is kept."""
    from courseware.run import execute

    result = execute(lab.path / "solution.ipynb", lane=lane)
    if not result.passed:
        yield _failure(result, "solution.ipynb")
        return
    if result.cpu_seconds > GUARD * AIMS["solution"]:
        yield f"solution.ipynb took {result.cpu_seconds:.0f} CPU seconds, the aim is {AIMS['solution']}"
    for cell in result.notebook.cells:
        try:
            refuse_noise(cell.get("outputs", []), f"solution.ipynb, cell {cell.id}")
        except OutputError as noise:
            yield str(noise)


def stubs_run(lab: LabFolder, lane: Lane = "warm") -> Iterator[str]:
    """The learner's notebook runs top to bottom before a line is written, and each check says so."""
    from courseware.run import execute

    with TemporaryDirectory() as home:
        # as a learner runs it: a check that is not passed raises nothing
        env = {"COURSEWARE_VALIDATE": None, "COURSE_HOME": home}
        result = execute(lab.path / "exercises.ipynb", lane=lane, env=env)
    if not result.passed:
        yield _failure(result, "exercises.ipynb")
        return
    for cell in result.notebook.cells:
        if cell.metadata.get("courseware", {}).get("role") == "check":
            shown = "".join(_text(output) for output in cell.outputs)
            if "not attempted" not in shown:
                yield f"exercises.ipynb, cell {cell.id} says {shown[:200]!r}, expected not attempted"


def full_profile_runs(lab: LabFolder, name: str, lane: Lane = "warm") -> Iterator[str]:
    """The notebook runs on the full profile too, its sizes cut to what the parameters cell allows.

    Checks and rewards that do not look at the profile are left to `solution_runs`.
    """
    from courseware.run import execute
    from courseware.run.notebooks import read

    cells = code_cells(notebook(lab, name))
    parameters = next((cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])), None)
    if parameters is None:
        yield f"{name}.ipynb has no parameters cell"
        return
    if not any("profile" in source_of(cell) for cell in cells if cell is not parameters):
        return  # nothing hangs on the profile: it would be the same run once more
    cut = parameters["metadata"].get("courseware", {}).get("cut", {})
    unchecked = _without_checks(read(lab.path / f"{name}.ipynb"))
    result = execute(unchecked, lane=lane, parameters={"profile": "full", **cut}, cwd=lab.path)
    if not result.passed:
        yield f"on the full profile: {_failure(result, f'{name}.ipynb')}"


def _without_checks(notebook: NotebookNode) -> NotebookNode:
    """The same cells with the answers taken as passed, and without the rewards that come of it."""
    for cell in notebook.cells:
        role = cell.metadata.get("courseware", {}).get("role")
        if cell.cell_type != "code" or "profile" in cell.source:
            continue
        if role == "check":
            cell.source = cell.source.replace("lab.check(", "lab.take_as_passed(")
        elif role == "reward":
            cell.source = ""
    return notebook


def _failure(result: RunResult, name: str) -> str:
    cell = "" if result.cell_index is None else f", cell {result.notebook.cells[result.cell_index].id}"
    return f"{name}{cell}: {result.verdict}: {result.error}"


def _text(output: dict[str, dict[str, str]]) -> str:
    return output.get("data", {}).get("text/plain", "")
