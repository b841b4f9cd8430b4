"""The rules that tie the cells of an exercise together: statement, answer, check, reward, discussion."""

from __future__ import annotations

import re
from pathlib import Path

from courseware.source.model import Cell, ExerciseInfo, Role, SourceError, points_of

_ORDER: tuple[Role, ...] = ("statement", "answer", "check", "reward", "discussion")
_ONLY_ONE: tuple[Role, ...] = ("statement", "answer", "check")


def check_exercises(cells: list[Cell], path: Path) -> tuple[ExerciseInfo, ...]:
    """Every exercise has one statement, one answer and one check, in this order; returns them."""
    by_key: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.exercise is not None:
            by_key.setdefault(cell.exercise, []).append(cell)
    for key, own in by_key.items():
        _check_complete(key, own, path)
        _check_order(key, own, path)
    return tuple(describe(cell, path) for cell in cells if cell.role == "statement")


def _check_complete(key: str, own: list[Cell], path: Path) -> None:
    found: dict[Role, Cell] = {}
    for cell in own:
        if cell.role in _ONLY_ONE and cell.role in found:
            first = found[cell.role].line
            raise SourceError(
                path,
                cell.line,
                f"duplicate exercise key {key}: its {cell.role} already stands at line {first}",
            )
        found.setdefault(cell.role, cell)
    line = own[0].line
    if "answer" not in found:
        if "check" in found:
            raise SourceError(
                path, found["check"].line, f'check without an exercise: no `# %% exercise="{key}"` cell'
            )
        raise SourceError(path, line, f'{key} has no answer: add a `# %% exercise="{key}"` cell')
    if "statement" not in found:
        raise SourceError(
            path,
            found["answer"].line,
            f'{key} has no statement: add a `# %% [markdown] exercise="{key}" minutes=…` cell',
        )
    if "check" not in found:
        raise SourceError(
            path, found["answer"].line, f'{key} is an exercise without a check: add `# %% check="{key}"`'
        )


def _check_order(key: str, own: list[Cell], path: Path) -> None:
    reached = 0
    for cell in own:
        place = _ORDER.index(cell.role)
        if place < reached:
            raise SourceError(
                path, cell.line, f"the {cell.role} of {key} stands too late; the order is {', '.join(_ORDER)}"
            )
        reached = place


def describe(statement: Cell, path: Path) -> ExerciseInfo:
    """Title and minutes of a statement cell."""
    key = statement.exercise
    assert key is not None
    match = re.match(rf"#{{2,4}} {key} · (\S.*)", statement.text)
    if match is None:
        raise SourceError(
            path, statement.line, f"the statement of {key} must begin with a heading `## {key} · Title`"
        )
    minutes = statement.meta.get("minutes")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes <= 0:
        raise SourceError(
            path, statement.line - 1, f"the statement of {key} needs its time, as in minutes=20"
        )
    return ExerciseInfo(key, match[1].strip(), minutes, points_of(key), statement.line)
