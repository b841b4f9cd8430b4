"""Ways to break a lab in one place: in its sources, or in a built notebook by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from courseware.build import build_lab
from courseware.source import Course

Break = Callable[[Path], None]
Content = dict[str, Any]
NUMBER = "1.9"


def change(name: str, old: str, new: str) -> Break:
    """Replace a text in a source, then build again (outputs stay while the code is the same)."""

    def apply(path: Path) -> None:
        edit(path / name, old, new)
        if name in ("solution.py", "theory.md"):
            build_lab(Course(path.parent.parent).lab(NUMBER))

    return apply


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} does not hold {old!r}: this test breaks nothing"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def in_notebook(name: str, mutate: Callable[[Content], None]) -> Break:
    """Change a built notebook by hand."""

    def apply(path: Path) -> None:
        file = path / f"{name}.ipynb"
        content = json.loads(file.read_text(encoding="utf-8"))
        before = json.dumps(content)
        mutate(content)
        assert json.dumps(content) != before, "this test breaks nothing"
        file.write_text(json.dumps(content), encoding="utf-8")

    return apply


def remove(name: str) -> Break:
    return lambda path: (path / name).unlink()


def cell_of(content: Content, cell_id: str) -> Content:
    return next(cell for cell in content["cells"] if cell["id"] == cell_id)


def first_figure(content: Content) -> tuple[Content, int]:
    """The first cell that shows a picture, and the place of that picture among its outputs."""
    for cell in content["cells"]:
        for index, output in enumerate(cell.get("outputs", [])):
            if "image/png" in output.get("data", {}):
                return cell, index
    raise AssertionError("no figure")


def drop_caption(content: Content) -> None:
    cell, index = first_figure(content)
    del cell["outputs"][index + 1]


def drop_alt(content: Content) -> None:
    cell, index = first_figure(content)
    cell["outputs"][index]["metadata"] = {}


def drop_figure(content: Content) -> None:
    cell, index = first_figure(content)
    del cell["outputs"][index]


def repeat_figure(content: Content) -> None:
    cell, index = first_figure(content)
    cell["outputs"][index:index] = [cell["outputs"][index]] * 5


def print_to(content: Content, output: Content) -> None:
    content["cells"][1]["outputs"].append(output)


def stream(name: str, text: str) -> Content:
    return {"output_type": "stream", "name": name, "text": [text]}


def everywhere(name: str, old: str, new: str) -> Break:
    """Replace every occurrence in a file, without a build."""

    def apply(path: Path) -> None:
        text = (path / name).read_text(encoding="utf-8")
        assert old in text
        (path / name).write_text(text.replace(old, new), encoding="utf-8")

    return apply


def add(name: str, text: str) -> Break:
    return lambda path: (path / name).write_text(text, encoding="utf-8")


def measure(role: str, cpu_seconds: float | None) -> Break:
    """Change what the table says of one notebook, or take it out."""

    def apply(path: Path) -> None:
        file = path.parent.parent / "measured.json"
        table = json.loads(file.read_text(encoding="utf-8"))
        own = table[f"{path.parent.name}/{path.name}"]
        if cpu_seconds is None:
            del own[role]
        else:
            own[role]["cpu_seconds"] = cpu_seconds
        file.write_text(json.dumps(table), encoding="utf-8")

    return apply
