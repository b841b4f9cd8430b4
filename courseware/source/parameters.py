"""The parameters cell: `profile = "laptop"`, and how small the tests may make the full profile.

    # %% tags=["parameters"] cut={"full_steps": 3}
    profile = "laptop"
    full_steps = 2000

`cut` names variables of this cell; a test runs the notebook with profile = "full" and these values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from courseware.source.model import Cell, SourceError
from courseware.source.python import parse

PROFILE = "laptop"


def check_parameters(cells: Iterable[Cell], path: Path) -> None:
    """At most one parameters cell; it starts on the laptop's profile, and defines what `cut` names."""
    first: Cell | None = None
    for cell in cells:
        if cell.role != "parameters":
            if "cut" in cell.meta:
                raise SourceError(path, cell.line - 1, 'cut belongs to the cell with tags=["parameters"]')
            continue
        if first is not None:
            raise SourceError(path, cell.line, f"a second parameters cell; the first is at line {first.line}")
        first = cell
        values = _assigned(cell, path)
        if values.get("profile") != PROFILE:
            raise SourceError(path, cell.line, f'the parameters cell must hold profile = "{PROFILE}"')
        cut = cell.meta.get("cut", {})
        if not isinstance(cut, dict):
            raise SourceError(path, cell.line - 1, 'cut must be a JSON object, as in cut={"full_steps": 3}')
        for name in cut:
            if name == "profile" or name not in values:
                raise SourceError(path, cell.line - 1, f"cut names {name!r}, which this cell does not define")


def _assigned(cell: Cell, path: Path) -> dict[str, object]:
    """Names and literal values that the cell assigns; papermill replaces them by assignments of its own."""
    values: dict[str, object] = {}
    for node in parse(cell.text, path, cell.line).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            raise SourceError(
                path, cell.line - 1 + node.lineno, "a parameters cell holds plain assignments, nothing else"
            )
        try:
            values[node.targets[0].id] = ast.literal_eval(node.value)
        except ValueError:
            raise SourceError(
                path, cell.line - 1 + node.lineno, "a parameter is a literal, so that it can be replaced"
            ) from None
    return values
