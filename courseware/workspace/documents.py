"""What a workspace holds for each lab, as the course gives it today."""

import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from courseware.source import Course, LabFolder
from courseware.workspace.files import WorkspaceError
from courseware.workspace.notebook import DamagedNotebook, Json, dumps, loads
from courseware.workspace.notes import MARK
from courseware.workspace.start_here import start_here

# The solution stays where it is: a workspace holds no answer.
LAB_NOTEBOOKS = ("theory", "exercises")
START_HERE = "START_HERE"


@dataclass(frozen=True)
class Document:
    """One notebook of the workspace: its path below home without suffix, and the course's version of it."""

    name: str
    read: Callable[[], Json]
    lab: LabFolder | None = None

    @cached_property
    def new(self) -> Json:
        """The course's version, read when it is needed: most commands need few of many."""
        return self.read()

    @property
    def file(self) -> str:
        return f"{self.name}.ipynb"

    @cached_property
    def base(self) -> Json:
        """What later updates compare with: the course's version without outputs."""
        cells = [{**cell, "outputs": []} if "outputs" in cell else cell for cell in self.new["cells"]]
        return {**self.new, "cells": cells}

    @cached_property
    def version(self) -> str:
        return version_of(self.base)

    def fresh(self) -> Json:
        """A copy for the learner, which remembers from which version of the course it comes."""
        return self.stamped(deepcopy(self.new))

    def stamped(self, notebook: Json) -> Json:
        notebook["metadata"] = {**notebook.get("metadata", {}), MARK: {"base": self.version}}
        return notebook


def version_of(base: Json) -> str:
    """A fingerprint of one version of the course's text."""
    return hashlib.sha256(dumps(base)).hexdigest()[:16]


def stamp_of(notebook: Json) -> str | None:
    """The version of the course that a learner's notebook comes from, if it says so."""
    mark = notebook.get("metadata", {}).get(MARK)
    version = mark.get("base") if isinstance(mark, dict) else None
    return version if isinstance(version, str) else None


def documents(course: Course) -> Iterator[Document]:
    """START_HERE and the notebooks of every lab, in the order of the course."""
    if (course.root / f"{START_HERE}.md").is_file():
        yield Document(START_HERE, partial(start_here, course))
    for lab in course.labs:
        yield from lab_documents(lab)


def lab_documents(lab: LabFolder) -> Iterator[Document]:
    """The notebooks of one lab that are built; a lab in the making may lack some."""
    for notebook in LAB_NOTEBOOKS:
        path = lab.path / f"{notebook}.ipynb"
        if path.is_file():
            yield Document(f"{lab.key}/{notebook}", partial(_course_notebook, path), lab)


def _course_notebook(path: Path) -> Json:
    try:
        notebook = loads(path.read_bytes())
    except DamagedNotebook as error:
        raise WorkspaceError(
            f"the course's own {path} is damaged ({error}); get it anew, or run `course build`"
        ) from error
    for number, cell in enumerate(notebook["cells"], start=1):
        if not isinstance(cell.get("id"), str):
            raise WorkspaceError(f"cell {number} of the course's own {path} has no id; run `course build`")
    return notebook
