"""Reads `theory.md`: prose with ```python fences that become code cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from courseware.source.ids import IdGiver, heading_of
from courseware.source.model import Cell, LabSource, Role, SourceError
from courseware.source.options import read_options
from courseware.source.parameters import check_parameters
from courseware.source.python import parse

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([\w+-]*)\s*(.*)$")
_SPLIT = re.compile(r"#{2,3} ")


@dataclass
class _Block:
    """A fence, or the prose between two fences; lines keep their numbers."""

    code: bool
    line: int
    lines: list[str]
    options: str = ""


def read_theory(path: Path) -> LabSource:
    """Read and check a `theory.md`."""
    ids = IdGiver()
    cells = []
    for block in _blocks(path.read_text(encoding="utf-8").splitlines(), path):
        if block.code:
            cells.append(_code_cell(block, ids, path))
        else:
            cells.extend(_prose_cells(block, ids))
    check_parameters(cells, path)
    if not cells or not cells[0].text.startswith("# "):
        raise SourceError(path, 1, "the first line must be the title: `# Lab 1.1 · Title — theory`")
    return LabSource(path, cells[0].text.splitlines()[0][2:].strip(), tuple(cells))


def _blocks(lines: list[str], path: Path) -> Iterator[_Block]:
    """Runnable fences as they come, and the prose between them, other fences included."""
    prose = _Block(False, 1, [])
    number = 1
    while number <= len(lines):
        line = lines[number - 1]
        fence = _FENCE.match(line)
        if fence is None:
            prose.lines.append(line)
            number += 1
            continue
        end = _closing(lines, number, fence[1], path)
        inside = lines[number : end - 1]
        if fence[2] == "python" and line.startswith("`") and not _kept_as_prose(fence[3], path, number):
            _refuse_folded(prose, path, number)
            yield prose
            yield _Block(True, number + 1, inside, fence[3])
            prose = _Block(False, end + 1, [])
        else:
            opening = f"{fence[1]}{fence[2]}" if fence[2] == "python" else line
            prose.lines += [opening, *inside, lines[end - 1]]
        number = end + 1
    yield prose


def _closing(lines: list[str], opened: int, fence: str, path: Path) -> int:
    """Number of the line that closes the fence opened at line `opened`."""
    closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for number in range(opened + 1, len(lines) + 1):
        if closing.match(lines[number - 1]):
            return number
    raise SourceError(path, opened, f"unclosed code fence: no line with {fence} follows")


def _kept_as_prose(options: str, path: Path, line: int) -> bool:
    read = read_options(options, path, line, ("tags", "cut", "run"))
    if "run" in read and read != {"run": False}:
        raise SourceError(path, line, "the one use of run is run=false, alone: a fence that stays prose")
    return "run" in read


def _refuse_folded(prose: _Block, path: Path, line: int) -> None:
    text = "\n".join(prose.lines)
    if text.count("<details") > text.count("</details>"):
        raise SourceError(path, line, "a code cell cannot stand inside <details>; write ```python run=false")


def _code_cell(block: _Block, ids: IdGiver, path: Path) -> Cell:
    text = "\n".join(block.lines).strip("\n")
    start = block.line
    for line in block.lines:
        if line.strip():
            break
        start += 1
    if not text.strip():
        raise SourceError(path, block.line - 1, "this code cell is empty")
    parse(text, path, start)
    options = read_options(block.options, path, block.line - 1, ("tags", "cut"))
    tags = tuple(options.get("tags", ()))
    if "discussion" in tags:
        raise SourceError(path, block.line - 1, "discussion belongs to exercises; theory.md has none")
    role: Role = "parameters" if "parameters" in tags else "code"
    return Cell("code", text, start, ids.under_heading(None), role, None, tags, options)


def _prose_cells(block: _Block, ids: IdGiver) -> Iterator[Cell]:
    """Cut prose before every second- and third-level heading that is neither fenced nor folded."""
    pieces: list[tuple[int, list[str]]] = [(block.line, [])]
    fence = ""
    folded = 0
    for number, line in enumerate(block.lines, block.line):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        if not fence and not folded and _SPLIT.match(line):
            pieces.append((number, []))
        folded += line.count("<details") - line.count("</details>")
        pieces[-1][1].append(line)
    for start, lines in pieces:
        while lines and not lines[0].strip():
            lines, start = lines[1:], start + 1
        text = "\n".join(lines).rstrip()
        if text:
            yield Cell("markdown", text, start, ids.under_heading(heading_of(text)), "prose")
