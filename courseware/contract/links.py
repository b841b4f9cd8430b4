"""Every link inside the repository resolves, for its readers and from a learner's workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from courseware.build.notebook import load, source_of
from courseware.contract.rules import rule
from courseware.source import LabFolder

_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<a\s[^>]*href=[\"']([^\"']+)")
_HEADING = re.compile(r"^#{1,6}\s+(.+)$", re.MULTILINE)
_FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
WORKSPACE = ("theory.ipynb", "exercises.ipynb")  # what a learner's copy of a lab holds


@rule("links", "every link inside the repository leads somewhere, also from the learner's workspace")
def links(lab: LabFolder) -> Iterator[str]:
    readme = lab.path / "README.md"
    if readme.is_file():
        yield from dead_links(lab.root, readme, readme.read_text(encoding="utf-8"))
    for name in ("theory", "exercises", "solution"):
        path = lab.path / f"{name}.ipynb"
        yield from dead_links(lab.root, path, _prose(path), for_learner=path.name in WORKSPACE)


def dead_links(root: Path, path: Path, text: str, *, for_learner: bool = False) -> Iterator[str]:
    """Links in `text`, which stands in the file `path`, that lead nowhere inside the repository `root`."""
    for match in _LINK.finditer(_FENCE.sub("", text)):
        target = unquote(match[1] or match[2])
        if re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE):
            continue
        name, _, anchor = target.partition("#")
        aim = (path.parent / name).resolve() if name else path
        if not aim.exists() or not aim.is_relative_to(root):
            yield f"{path.name} links to {target}, which does not exist"
        elif for_learner and aim != path and aim.name not in WORKSPACE:
            yield f"{path.name} links to {target}, which a learner's workspace does not hold"
        elif anchor and aim.suffix in (".md", ".ipynb") and _slug(anchor) not in _anchors(aim):
            yield f"{path.name} links to {target}, and there is no such heading"


def _prose(path: Path) -> str:
    content = load(path) or {"cells": []}
    return "\n\n".join(source_of(cell) for cell in content["cells"] if cell["cell_type"] == "markdown")


def _anchors(path: Path) -> set[str]:
    text = _prose(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
    return {_slug(heading) for heading in _HEADING.findall(text)}


def _slug(heading: str) -> str:
    """GitHub and JupyterLab spell anchors differently; both keep the words."""
    return re.sub(r"[^\w]+", "-", heading.lower()).strip("-")
