"""`course new`: a small complete lab that passes the contract's tests, to be replaced piece by piece."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from courseware.source import Course, LabFolder

TEMPLATE = Path(__file__).parent / "lab-template"
PROJECT = Path(__file__).parent / "project-template"  # what a project has besides
_KEY = re.compile(r"phase([1-9]\d*)_[a-z0-9_]+/(?:lab|project)([1-9]\d*)_[a-z0-9_]+$")


class ScaffoldError(Exception):
    """A new lab cannot be made; says what to do instead."""


def new_lab(course: Course, key: str, *, title: str | None = None) -> LabFolder:
    """Make the folder of a new lab with its sources; an existing lab is never touched.

    `key` is phase/lab, as in phase1_foundations/lab7_graphs. Without a title the folder's words are used.
    """
    match = _KEY.match(key.rstrip("/"))
    if match is None:
        raise ScaffoldError(
            f"{key!r} is no lab's place; expected phase and lab, as in phase1_foundations/lab7_graphs"
        )
    key = key.rstrip("/")
    number = f"{match[1]}.{match[2]}"
    folder = course.root / key
    taken = next((lab for lab in course.labs if lab.number == number), None)
    if taken is not None:
        raise ScaffoldError(f"lab {number} exists already: {taken.key}")
    if folder.exists():
        raise ScaffoldError(f"{folder} exists already; choose another name or remove it")
    words = title or folder.name.split("_", 1)[1].replace("_", " ").capitalize()
    templates = [TEMPLATE, PROJECT] if folder.name.startswith("project") else [TEMPLATE]
    for template in templates:
        shutil.copytree(template, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8")
        for placeholder, value in _replacements(key, number, words).items():
            text = text.replace(placeholder, value)
        path.write_text(text, encoding="utf-8")
    return Course(course.root).lab(key)


def _replacements(key: str, number: str, title: str) -> dict[str, str]:
    return {
        "phase0_foundations/lab0_template": key,
        "Lab 0.0": f"Lab {number}",
        "Template title": title,
    }
