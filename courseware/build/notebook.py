"""The notebook file itself: metadata, byte-stable JSON, reading and writing."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_LANGUAGE: Json = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
_KERNEL: Json = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def notebook(cells: list[Json], lab: str, role: str, source: Path) -> Json:
    """A notebook in format 4.5. `role` is theory, exercises or solution."""
    return {
        "cells": cells,
        "metadata": {
            "courseware": {"lab": lab, "role": role, "source": source_hash(source)},
            "kernelspec": dict(_KERNEL),
            "language_info": dict(_LANGUAGE),
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def source_hash(path: Path) -> str:
    """Hash of a source's text, the same whatever line ends the machine writes."""
    text = path.read_text(encoding="utf-8")  # translates line ends
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def dump(content: Json) -> str:
    """The one spelling of a notebook: as nbformat and JupyterLab write it, keys sorted."""
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def load(path: Path) -> Json | None:
    """A notebook from disk; None when there is none or the file is not JSON of a notebook."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("cells"), list) else None


def write(path: Path, text: str) -> bool:
    """Replace the file in one step; False when it already holds this text."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)  # mkstemp gives 0600, a course file is for everybody
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


def as_lines(text: str) -> list[str]:
    """Text as notebooks store it: a list of lines that keep their ends."""
    return text.splitlines(keepends=True)


def source_of(cell: Json) -> str:
    """A cell's text, from either form that the format allows."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def code_cells(content: Json) -> list[Json]:
    return [cell for cell in content["cells"] if cell.get("cell_type") == "code"]


def code_texts(content: Json) -> list[str]:
    """What a kernel would be given, in order."""
    return [source_of(cell) for cell in code_cells(content)]
