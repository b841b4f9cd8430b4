"""`course build`: the three notebooks of a lab from its two sources, the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from courseware.build.cells import View, render
from courseware.build.execute import ExecutionFailed, execute_into
from courseware.build.notebook import Json, dump, load, notebook, write
from courseware.build.outputs import OutputError, carry_over, without_outputs
from courseware.source import Course, LabFolder, LabSource, SourceError

State = Literal["written", "unchanged", "executed", "stale"]
VIEWS: tuple[View, ...] = ("theory", "exercises", "solution")


@dataclass(frozen=True)
class Built:
    """What became of one notebook."""

    path: Path
    state: State


@dataclass(frozen=True)
class BuildSummary:
    """What a build did. `problems` are errors in sources or in execution, one line each."""

    notebooks: tuple[Built, ...]
    problems: tuple[str, ...]

    @property
    def stale(self) -> tuple[Path, ...]:
        return tuple(built.path for built in self.notebooks if built.state == "stale")

    @property
    def ok(self) -> bool:
        return not self.problems and not self.stale


def build_course(
    course: Course, labs: Iterable[str] | None = None, *, check: bool = False, execute: bool = False
) -> BuildSummary:
    """Build the named labs, or all. `check` writes nothing and reports what is stale.

    A lab with an error does not keep the others from being built.
    """
    folders = course.labs if not labs else [course.lab(name) for name in labs]
    notebooks: list[Built] = []
    problems: list[str] = []
    for folder in folders:
        try:
            notebooks += (
                check_lab(folder, course.root) if check else build_lab(folder, course.root, execute=execute)
            )
        except (SourceError, OutputError, ExecutionFailed) as error:
            problems.append(str(error).replace(f"{course.root}/", ""))
    return BuildSummary(tuple(notebooks), tuple(problems))


def build_lab(folder: LabFolder, root: Path | None = None, *, execute: bool = False) -> list[Built]:
    """Write the three notebooks, outputs carried over where the code is the same; run them first if asked."""
    root = root or folder.path.parent.parent
    built = []
    for path, content in _contents(folder, root):
        runs = execute and content["metadata"]["courseware"]["role"] != "exercises"
        if runs:
            execute_into(content, folder, root)
        changed = write(path, dump(content))
        built.append(Built(path, "executed" if runs else "written" if changed else "unchanged"))
    return built


def check_lab(folder: LabFolder, root: Path | None = None) -> list[Built]:
    """Compare the notebooks on disk with their sources; outputs do not count."""
    built = []
    for path, content in _contents(folder, root or folder.path.parent.parent):
        existing = load(path)
        current = existing is not None and dump(without_outputs(existing)) == dump(without_outputs(content))
        built.append(Built(path, "unchanged" if current else "stale"))
    return built


def _contents(folder: LabFolder, root: Path) -> list[tuple[Path, Json]]:
    """The notebooks as they should be. Both sources are read before anything is written."""
    solution = folder.solution()
    sources: dict[View, LabSource] = {"exercises": solution, "solution": solution}
    if not folder.theory_path.is_file():
        raise SourceError(folder.theory_path, 1, "this lab has no theory.md")
    sources["theory"] = folder.theory()
    contents = []
    for view in VIEWS:
        source = sources[view]
        path = folder.path / f"{view}.ipynb"
        content = notebook(render(source, view), folder.key, view, source.path)
        if view != "exercises":
            carry_over(content, load(path), root)
        contents.append((path, content))
    return contents
