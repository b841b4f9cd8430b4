"""Rules on the folder and its front page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from courseware.contract.rules import rule
from courseware.source import LabFolder

FILES = (
    "README.md",
    "theory.md",
    "theory.ipynb",
    "solution.py",
    "exercises.ipynb",
    "solution.ipynb",
    "checks.py",
    "misconceptions.py",
)
ONE_SCREEN = 60  # lines
LONGEST_LINE = 240  # characters: a table row, not a paragraph
PARTS = {
    "what you will be able to do": r"objectives|able to|you will learn|you can afterwards",
    "prerequisites": r"prerequisites|you need|before this lab",
    "time": r"time|hours",
    "exercises": r"exercises",
    "how to open it": r"open it|open this lab|how to open|start it",
}
_LABEL = re.compile(r"#+ (.+)|(?:[-*|] )?\*\*(.+?)\*\*")  # a heading, or bold words that begin a line


@rule("files", "the folder holds the eight files of a lab; a project also a program in src/")
def files(lab: LabFolder) -> Iterator[str]:
    for name in FILES:
        if not (lab.path / name).is_file():
            yield f"{name} is missing"
    if lab.name.startswith("project") and not list((lab.path / "src").glob("**/__main__.py")):
        yield "a project has a program with a command line: src/…/__main__.py is missing"


@rule(
    "readme",
    "the front page fits one screen: hook, objectives, prerequisites, time, exercises, how to open it",
)
def readme(lab: LabFolder) -> Iterator[str]:
    path = lab.path / "README.md"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if not lines or not lines[0].startswith("# "):
        yield "README.md must begin with the lab's title"
        return
    if len(lines) > ONE_SCREEN:
        yield f"README.md has {len(lines)} lines, a screen holds {ONE_SCREEN}"
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            yield f"README.md:{number} has {len(line)} characters: break the line"
    if lab.title not in lines[0]:
        yield f"README.md is headed {lines[0][2:]!r}, the lab is called {lab.title!r}"
    yield from _hook(lines)
    yield from _parts(lines)
    text = "\n".join(lines)
    for exercise in lab.exercises:
        if exercise.title not in text:
            yield f"README.md does not name {exercise.key} · {exercise.title}"


def _hook(lines: list[str]) -> Iterator[str]:
    """The first paragraph is the hook: prose, before any heading, list or bold label."""
    first = next((line for line in lines[1:] if line.strip()), "")
    if not re.match(r"[A-Za-z\d`*_\"“(].*\w", first) or first.startswith(("**", "* ", "- ")):
        yield "README.md has no hook: a paragraph right under the title that makes one want to read on"


def _parts(lines: list[str]) -> Iterator[str]:
    labels = [match[1] or match[2] for line in lines if (match := _LABEL.match(line))]
    for part, words in PARTS.items():
        if not any(re.search(rf"\b(?:{words})\b", label, re.IGNORECASE) for label in labels):
            yield f"README.md does not say {part} (no heading or bold label for it)"
