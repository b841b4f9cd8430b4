"""Turns source cells into notebook cells: what a learner sees, and what the solution shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from courseware.build.notebook import Json, as_lines
from courseware.source.markers import stubbed, unmarked
from courseware.source.model import Cell, ExerciseInfo, LabSource, points_of
from courseware.source.python import unguard

View = Literal["theory", "exercises", "solution"]


def render(source: LabSource, view: View) -> list[Json]:
    """The cells of one notebook, without outputs."""
    exercises = {exercise.key: exercise for exercise in source.exercises}
    shown = [cell for cell in source.cells if view == "solution" or cell.role != "discussion"]
    return [_notebook_cell(cell, _text(cell, view, exercises, source.path)) for cell in shown]


def _text(cell: Cell, view: View, exercises: dict[str, ExerciseInfo], path: Path) -> str:
    if cell.kind == "markdown":
        return _with_effort(cell, exercises) if cell.role == "statement" else cell.text
    text = cell.text
    if cell.role == "answer":
        text = stubbed(cell, path) if view == "exercises" else unmarked(cell, path)
    return text if view == "theory" else unguard(text, path, cell.line)


def _with_effort(cell: Cell, exercises: dict[str, ExerciseInfo]) -> str:
    """A statement with the time and points of its exercise under the heading."""
    info = exercises[cell.exercise or ""]
    worth = f"{info.points} points" if info.points else "warm-up"
    heading, *rest = cell.text.split("\n")
    return "\n".join([heading, "", f"*About {info.minutes} minutes · {worth}*", *rest])


def _notebook_cell(cell: Cell, text: str) -> Json:
    result: Json = {
        "cell_type": cell.kind,
        "id": cell.id,
        "metadata": _metadata(cell),
        "source": as_lines(text),
    }
    if cell.kind == "code":
        result |= {"execution_count": None, "outputs": []}
    return result


def _metadata(cell: Cell) -> Json:
    metadata: Json = {}
    if cell.exercise is not None:
        metadata["courseware"] = {"exercise": cell.exercise, "role": cell.role}
    if "cut" in cell.meta:
        metadata["courseware"] = {"cut": cell.meta["cut"]}
    if cell.role in ("statement", "answer", "check"):
        metadata["nbgrader"] = _nbgrader(cell)
        metadata["deletable"] = False
        if cell.role != "answer":
            metadata["editable"] = False
    # nbval compares the outputs of cells that carry its own tag
    tags = ["nbval-check-output" if tag == "exact" else tag for tag in cell.tags]
    if tags:
        metadata["tags"] = tags
    if "hide-input" in cell.tags:
        metadata["jupyter"] = {"source_hidden": True}
    return metadata


def _nbgrader(cell: Cell) -> dict[str, Any]:
    """Cell metadata in nbgrader's schema 3."""
    metadata: dict[str, Any] = {
        "grade": cell.role == "check",
        "grade_id": cell.id,
        "locked": cell.role != "answer",
        "schema_version": 3,
        "solution": cell.role == "answer",
        "task": False,
    }
    if cell.role == "check":
        metadata["points"] = points_of(cell.exercise or "")
    return metadata
