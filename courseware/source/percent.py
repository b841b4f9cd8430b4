"""Reads `solution.py`: an importable module in percent format, with the exercises of a lab.

jupytext reads the same format; ours adds line numbers to errors, stable cell ids, and the rules of a lab.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware.source.exercises import check_exercises, describe
from courseware.source.ids import IdGiver, heading_of
from courseware.source.markers import check_markers
from courseware.source.model import EXERCISE_KEYS, Cell, ExerciseInfo, Kind, LabSource, Role, SourceError
from courseware.source.options import read_options
from courseware.source.parameters import check_parameters
from courseware.source.python import lines_inside_strings, parse, refuse_import_effects, unguard

_MARKER = re.compile(r"# %%(?:\s+(\[markdown\]))?(?:\s+(.*))?$")
KNOWN_OPTIONS = {
    "markdown": ("exercise", "minutes", "tags"),
    "code": ("exercise", "check", "reward", "tags", "cut"),
}


@dataclass(frozen=True)
class RawCell:
    """A cell as it stands between two markers; `line` is that of the first line of `text`."""

    kind: Kind
    text: str
    line: int
    options: dict[str, Any]


def read_solution(path: Path) -> LabSource:
    """Read and check a `solution.py`."""
    text = path.read_text(encoding="utf-8")
    refuse_import_effects(parse(text, path), path)
    for line in sorted(lines_inside_strings(text)):
        if _MARKER.match(text.splitlines()[line - 1]):
            raise SourceError(
                path, line, "a cell marker inside a string; indent it or build the string otherwise"
            )
    ids = IdGiver()
    cells = []
    for raw in split(text, path):
        if raw.kind == "code":
            unguard(raw.text, path, raw.line)  # each cell stands alone in a notebook: parse it as one
        cells.append(_cell(raw, ids, path))
    check_parameters(cells, path)
    check_markers(cells, path)
    exercises = check_exercises(cells, path)
    return LabSource(path, _title(cells, path), tuple(cells), exercises)


def read_outline(path: Path) -> tuple[str, tuple[ExerciseInfo, ...]]:
    """Title and exercises alone, in about a millisecond: what a status table needs. Checks little."""
    ids = IdGiver()
    cells = [
        _cell(raw, ids, path)
        for raw in split(path.read_text(encoding="utf-8"), path)
        if raw.kind == "markdown"
    ]
    statements = [cell for cell in cells if cell.role == "statement"]
    return _title(cells, path), tuple(describe(cell, path) for cell in statements)


def split(text: str, path: Path) -> Iterator[RawCell]:
    """Cut the file at its markers; a Markdown cell loses its comment signs."""
    lines = text.splitlines()
    marks = [
        (number, match) for number, line in enumerate(lines, 1) if (match := _marker(line, path, number))
    ]
    first = marks[0][0] if marks else len(lines) + 1
    for number, line in enumerate(lines[: first - 1], 1):
        if line.strip():
            raise SourceError(path, number, "text before the first `# %%` belongs to no cell")
    if not marks:
        raise SourceError(path, 1, "no cell found: cells begin with `# %%` or `# %% [markdown]`")
    ends = [number for number, _ in marks[1:]] + [len(lines) + 1]
    for (number, match), end in zip(marks, ends, strict=True):
        kind: Kind = "markdown" if match[1] else "code"
        options = read_options(match[2] or "", path, number, KNOWN_OPTIONS[kind])
        body = lines[number : end - 1]
        start = number + 1
        while body and not body[0].strip():
            body, start = body[1:], start + 1
        while body and not body[-1].strip():
            body = body[:-1]
        if not body:
            raise SourceError(path, number, "this cell is empty")
        if kind == "markdown":
            body = [_uncomment(line, path, start + offset) for offset, line in enumerate(body)]
        yield RawCell(kind, "\n".join(body), start, options)


def _marker(line: str, path: Path, number: int) -> re.Match[str] | None:
    match = _MARKER.match(line)
    if match is None and re.match(r"#\s*%%", line):
        raise SourceError(path, number, "a cell marker is written `# %%` or `# %% [markdown]`, then options")
    return match


def _uncomment(line: str, path: Path, number: int) -> str:
    if line.rstrip() in ("", "#"):
        return ""
    if not line.startswith("# "):
        raise SourceError(path, number, "in a Markdown cell every line begins with `# `")
    return line[2:]


def _cell(raw: RawCell, ids: IdGiver, path: Path) -> Cell:
    tags = tuple(raw.options.get("tags", ()))
    role, key = _role(raw, tags, path)
    heading = heading_of(raw.text) if raw.kind == "markdown" else None
    cell_id = ids.of_exercise(key, role, heading) if key else ids.under_heading(heading)
    return Cell(raw.kind, raw.text, raw.line, cell_id, role, key, tags, dict(raw.options))


def _role(raw: RawCell, tags: tuple[str, ...], path: Path) -> tuple[Role, str | None]:
    marker_line = raw.line - 1
    named = [
        (option, raw.options[option]) for option in ("exercise", "check", "reward") if option in raw.options
    ]
    if len(named) > 1:
        raise SourceError(
            path, marker_line, f"a cell has one role, this one has {' and '.join(n for n, _ in named)}"
        )
    if not named:
        if "discussion" in tags or "minutes" in raw.options:
            raise SourceError(
                path, marker_line, 'this cell needs exercise="…" to say which exercise it belongs to'
            )
        if "parameters" in tags:
            return "parameters", None
        return ("prose" if raw.kind == "markdown" else "code"), None
    option, key = named[0]
    if key not in EXERCISE_KEYS:
        raise SourceError(
            path, marker_line, f"unknown exercise key {json.dumps(key)}; keys are W1 … W8 and E1 … E5"
        )
    if "discussion" in tags:
        return "discussion", key
    if option != "exercise":
        return ("check" if option == "check" else "reward"), key
    return ("statement" if raw.kind == "markdown" else "answer"), key


def _title(cells: list[Cell], path: Path) -> str:
    for cell in cells:
        if cell.kind == "markdown":
            if not cell.text.startswith("# "):
                break
            return cell.text.splitlines()[0][2:].strip()
    raise SourceError(path, 1, "the first Markdown cell must begin with the lab's title: `# Lab 1.1 · Title`")
