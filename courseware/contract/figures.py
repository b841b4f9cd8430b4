"""Rules on figures: how many, and that each has a caption and a description in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from courseware.build.notebook import Json, code_cells, source_of
from courseware.contract.notebooks import notebook
from courseware.contract.rules import rule
from courseware.source import LabFolder

FEWEST, MOST = 6, 10
SHORTEST_ALT = 15  # characters: a description, not a file name
_PICTURES = ("image/png", "image/svg+xml", "image/jpeg", "image/gif")


@rule("figures", f"{FEWEST} to {MOST} figures in the theory notebook")
def figures(lab: LabFolder) -> Iterator[str]:
    drawn = sum(len(_pictures(cell)) for cell in code_cells(notebook(lab, "theory")))
    if not FEWEST <= drawn <= MOST:
        yield f"theory.ipynb shows {drawn} figures, expected {FEWEST} to {MOST}"


@rule("captions", "every figure has a caption under it, and its content in words for who cannot see it")
def captions(lab: LabFolder) -> Iterator[str]:
    for name in ("theory", "solution"):
        content = notebook(lab, name)
        for cell in code_cells(content):
            yield from (f"{name}.ipynb, cell {cell['id']}: {problem}" for problem in _figure_problems(cell))
        for cell in content["cells"]:
            if cell["cell_type"] == "markdown":
                yield from (f"{name}.ipynb, cell {cell['id']}: {p}" for p in _embedded(source_of(cell)))


def _pictures(cell: Json) -> list[tuple[int, str]]:
    return [
        (index, mime)
        for index, output in enumerate(cell.get("outputs", []))
        for mime in _PICTURES
        if mime in output.get("data", {})
    ]


def _figure_problems(cell: Json) -> Iterator[str]:
    outputs = cell.get("outputs", [])
    for index, mime in _pictures(cell):
        alt = outputs[index].get("metadata", {}).get(mime, {}).get("alt", "")
        if len(alt.strip()) < SHORTEST_ALT:
            yield f"a figure has no description (alt is {alt!r}): draw it with shared.plotting.show"
        after = outputs[index + 1] if index + 1 < len(outputs) else {}
        if not "".join(after.get("data", {}).get("text/markdown", "")).strip():
            yield "a figure has no caption under it: draw it with shared.plotting.show"


def _embedded(text: str) -> Iterator[str]:
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", text):
        if len(alt.strip()) < SHORTEST_ALT:
            yield f"the picture {target} has no description in its brackets"
    for tag in re.findall(r"<img\b[^>]*>", text):
        alt = re.search(r"""alt=["']([^"']*)""", tag)
        if alt is None or len(alt[1].strip()) < SHORTEST_ALT:
            yield f"{tag} has no alt text"
