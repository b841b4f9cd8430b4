"""`course build`: the three notebooks of a lab from its two sources, the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from courseware.build.cells import View, render
from courseware.build.execute import ExecutionFailed, execute_into
from courseware.build.measured import update_readme
from courseware.build.notebook import Json, dump, load, notebook, write
from courseware.build.outputs import OutputError, carry_over, without_outputs
from courseware.build.results import measure_results
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
            notebooks += check_lab(folder) if check else build_lab(folder, execute=execute)
        except (SourceError, OutputError, ExecutionFailed) as error:
            problems.append(str(error).replace(f"{course.root}/", ""))
    if execute:
        update_readme(course)
    return BuildSummary(tuple(notebooks), tuple(problems))


def build_lab(folder: LabFolder, *, execute: bool = False) -> list[Built]:
    """Write the three notebooks, outputs carried over where the code is the same; then run them if asked."""
    contents = _contents(folder)
    built = {
        path: Built(path, "written" if write(path, dump(new)) else "unchanged") for path, new in contents
    }
    for path, content in contents if execute else ():
        if content["metadata"]["courseware"]["role"] != "exercises":
            execute_into(content, folder)
            write(path, dump(content))
            built[path] = Built(path, "executed")
    if execute:
        measure_results(folder)
    return list(built.values())


def check_lab(folder: LabFolder) -> list[Built]:
    """Compare the notebooks on disk with their sources; outputs do not count."""
    built = []
    for path, content in _contents(folder):
        existing = load(path)
        current = existing is not None and dump(without_outputs(existing)) == dump(without_outputs(content))
        built.append(Built(path, "unchanged" if current else "stale"))
    return built


def _contents(folder: LabFolder) -> list[tuple[Path, Json]]:
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
            carry_over(content, load(path), folder.root)
        contents.append((path, content))
    return contents
