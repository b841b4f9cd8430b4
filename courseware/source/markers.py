"""The regions between `# BEGIN SOLUTION` and `# END SOLUTION`: found, checked, and replaced by a stub."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from courseware.source.model import Cell, SourceError
from courseware.source.python import comments, parse

BEGIN = "# BEGIN SOLUTION"
END = "# END SOLUTION"
STUB = "raise NotImplementedError"
_LOOKS_LIKE_MARKER = re.compile(r"#+\s*(begin|end)\s+solution\b", re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """An answer within its cell: lines of the two markers (from 1) and the column they stand at."""

    begin: int
    end: int
    column: int


def check_markers(cells: Iterable[Cell], path: Path) -> None:
    """Answer cells hold at least one sound region, other cells none."""
    for cell in cells:
        if cell.kind == "code":
            found = regions(cell, path)
            if found and cell.role != "answer":
                raise SourceError(
                    path,
                    cell.line - 1 + found[0].begin,
                    "a stray solution marker: this cell is no exercise's answer",
                )
            if cell.role == "answer":
                _check_answer(cell, found, path)


def regions(cell: Cell, path: Path) -> list[Region]:
    """The cell's solution regions; unclosed, nested and stray markers are errors."""
    found: list[Region] = []
    opened: tuple[int, int] | None = None
    for line, column, comment, alone in comments(cell.text):
        here = cell.line - 1 + line
        if not _LOOKS_LIKE_MARKER.match(comment):
            continue
        if comment not in (BEGIN, END) or not alone:
            raise SourceError(
                path, here, f"a solution marker is written exactly `{BEGIN}` or `{END}`, on its own line"
            )
        if comment == BEGIN:
            if opened:
                raise SourceError(
                    path,
                    here,
                    f"nested solution marker: the one at line {cell.line - 1 + opened[0]} is still open",
                )
            opened = line, column
        elif opened is None:
            raise SourceError(path, here, f"a stray `{END}`: no region is open in this cell")
        else:
            found.append(Region(opened[0], line, opened[1]))
            opened = None
    if opened:
        raise SourceError(
            path, cell.line - 1 + opened[0], f"unclosed solution marker: `{END}` is missing in this cell"
        )
    return found


def _check_answer(cell: Cell, found: list[Region], path: Path) -> None:
    if not found:
        raise SourceError(
            path, cell.line, f"the answer of {cell.exercise} is not between `{BEGIN}` and `{END}`"
        )
    functions = [
        (node.lineno, node.end_lineno or 0)
        for node in ast.walk(parse(cell.text, path, cell.line))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lines = cell.text.splitlines()
    for region in found:
        where = cell.line - 1 + region.begin
        code = [n for n in range(region.begin + 1, region.end) if lines[n - 1].strip().split("#")[0]]
        if not code:
            raise SourceError(path, where, "nothing stands between the solution markers")
        if not any(start < region.begin and code[-1] <= end for start, end in functions):
            raise SourceError(
                path, where, "an answer stands inside a function, so that its stub raises when called"
            )
    parse(stubbed(cell, path), path, cell.line)


def stubbed(cell: Cell, path: Path) -> str:
    """The cell with every region replaced by the stub."""
    return _replace(cell, path, keep=False)


def unmarked(cell: Cell, path: Path) -> str:
    """The cell with its answer, without the marker lines."""
    return _replace(cell, path, keep=True)


def answer_lines(cell: Cell, path: Path) -> list[str]:
    """The lines that must not reach a learner."""
    lines = cell.text.splitlines()
    return [
        line
        for region in regions(cell, path)
        for line in lines[region.begin : region.end - 1]
        if line.strip()
    ]


def _replace(cell: Cell, path: Path, *, keep: bool) -> str:
    lines = cell.text.splitlines()
    for region in reversed(regions(cell, path)):
        answer = lines[region.begin : region.end - 1]
        lines[region.begin - 1 : region.end] = answer if keep else [" " * region.column + STUB]
    return "\n".join(lines)
