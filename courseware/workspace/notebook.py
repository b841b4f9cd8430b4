"""Notebooks as plain JSON: read without "repairing" anything, written the way JupyterLab writes them."""

import json
from typing import Any

Json = dict[str, Any]

# JupyterLab and Colab write these; a cell whose type is anything else is not one we understand.
CELL_TYPES = ("code", "markdown", "raw")


class DamagedNotebook(Exception):
    """The bytes are no notebook; the text says where reading stopped."""


def loads(content: bytes) -> Json:
    """The notebook in `content`, exactly as it stands; raises DamagedNotebook if it is none."""
    try:
        notebook = json.loads(content)
    except json.JSONDecodeError as error:
        raise DamagedNotebook(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedNotebook("its text cannot be decoded") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise DamagedNotebook("it has no list of cells")
    if not isinstance(notebook.get("metadata", {}), dict):
        raise DamagedNotebook("its metadata are no object")
    for number, cell in enumerate(notebook["cells"], start=1):
        _check_cell(cell, number)
    return notebook


def _check_cell(cell: object, number: int) -> None:
    if not isinstance(cell, dict) or cell.get("cell_type") not in CELL_TYPES:
        raise DamagedNotebook(f"cell {number} is no code, Markdown or raw cell")
    source = cell.get("source")
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise DamagedNotebook(f"cell {number} has no text")
    if not isinstance(cell.get("metadata", {}), dict):
        raise DamagedNotebook(f"the metadata of cell {number} are no object")


def dumps(notebook: Json) -> bytes:
    """The notebook's bytes: one space of indent and a line break at the end, like JupyterLab's."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can carry
        return (json.dumps(notebook, indent=1, sort_keys=True) + "\n").encode("ascii")


def text_of(cell: Json) -> str:
    """A cell's source as one text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def content_of(cell: Json) -> tuple[str, str, str]:
    """What a person can edit in a cell. Blank lines at the end do not count: editors add and drop them."""
    attachments = json.dumps(cell.get("attachments") or {}, sort_keys=True)
    return str(cell["cell_type"]), text_of(cell).rstrip(), attachments


def course_data(cell: Json) -> Json:
    """The course's own metadata of a cell; empty for a cell that the learner made."""
    data = cell.get("metadata", {}).get("courseware")
    return data if isinstance(data, dict) else {}


def exercise_of(cell: Json) -> str | None:
    """The key of the exercise that a cell belongs to."""
    exercise = course_data(cell).get("exercise")
    return exercise if isinstance(exercise, str) else None


def role_of(cell: Json) -> str | None:
    """What the cell is for: statement, answer, check, reward, …"""
    role = course_data(cell).get("role")
    return role if isinstance(role, str) else None


def is_answer(cell: Json) -> bool:
    """Whether this cell is where an exercise is answered."""
    return role_of(cell) == "answer" and exercise_of(cell) is not None
