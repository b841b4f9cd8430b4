"""Rules on the three built notebooks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from courseware.build import check_lab, measured
from courseware.build.notebook import Json, code_cells, load, source_of
from courseware.contract.rules import rule
from courseware.source import LabFolder
from courseware.source.markers import answer_lines

NOTEBOOKS = ("theory", "exercises", "solution")
DISTINCTIVE = 25  # characters: a shorter line (`with torch.no_grad():`) may well stand elsewhere too
_ABSOLUTE = re.compile(
    r"(?<![\w/.:])/(?:home|root|tmp|Users|usr|var|opt|mnt|private|work)/[\w.]|\b[A-Z]:\\\\Users"
)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}$")


def notebook(lab: LabFolder, name: str) -> Json:
    """A built notebook; an empty one where it is missing, which the rule on files reports."""
    return load(lab.path / f"{name}.ipynb") or {"cells": [], "metadata": {}}


@rule("current", "the notebooks are what their sources give (outputs do not count)")
def current(lab: LabFolder) -> Iterator[str]:
    for built in check_lab(lab):
        if built.state == "stale":
            yield f"{built.path.name} is out of date: run `course build {lab.number}`"


@rule("executed", "the theory and solution notebooks carry the outputs of a run")
def executed(lab: LabFolder) -> Iterator[str]:
    for name in ("theory", "solution"):
        if not notebook(lab, name)["metadata"].get("courseware", {}).get("executed"):
            yield f"{name}.ipynb has not been executed: run `course build {lab.number} --execute`"


@rule("budget", "what the theory and solution notebooks cost is on record, and within the aim")
def budget(lab: LabFolder) -> Iterator[str]:
    own = measured.read(lab.root).get(lab.key, {})
    for name, aim in measured.AIMS.items():
        if name not in own:
            yield f"{name}.ipynb has not been measured: run `course build {lab.number} --execute`"
        elif own[name]["cpu_seconds"] > aim:
            yield f"{name}.ipynb takes {own[name]['cpu_seconds']} CPU seconds, the aim is {aim}"


@rule("ids", "cell ids are unique, and exercise cells are named by key and role")
def ids(lab: LabFolder) -> Iterator[str]:
    for name in NOTEBOOKS:
        cells = notebook(lab, name)["cells"]
        for cell_id, times in Counter(cell.get("id") for cell in cells).items():
            if times > 1:
                yield f"{name}.ipynb: the id {cell_id!r} occurs {times} times"
        for cell in cells:
            yield from (f"{name}.ipynb: {problem}" for problem in _id_problems(cell))


def _id_problems(cell: Json) -> Iterator[str]:
    cell_id = str(cell.get("id"))
    if not _ID.match(cell_id):
        yield f"the id {cell_id!r} is not allowed in a notebook"
    mark = cell.get("metadata", {}).get("courseware", {})
    if "exercise" in mark:
        key, role = mark["exercise"], mark["role"]
        stem = key if role == "answer" else f"{key}-{role}"
        if not re.fullmatch(rf"{stem}(?:-\d+)?", cell_id):
            yield f"the {role} of {key} has the id {cell_id!r}, expected {stem!r}"


@rule("clean", "kernel named, no execution counts, no errors or stderr, no paths of one machine")
def clean(lab: LabFolder) -> Iterator[str]:
    for name in NOTEBOOKS:
        content = notebook(lab, name)
        metadata = content["metadata"]
        if metadata.get("kernelspec", {}).get("name") != "python3" or "language_info" not in metadata:
            yield f"{name}.ipynb does not name its kernel: JupyterLab would ask for one"
        for cell in code_cells(content):
            yield from (
                f"{name}.ipynb, cell {cell['id']}: {problem}" for problem in _output_problems(cell, name)
            )


def _output_problems(cell: Json, name: str) -> Iterator[str]:
    outputs = cell.get("outputs", [])
    if cell.get("execution_count") is not None or any(output.get("execution_count") for output in outputs):
        yield "has an execution count"
    if outputs and name == "exercises":
        yield "has outputs, and exercises start without"
    for output in outputs:
        if output["output_type"] == "error":
            yield f"ended in {output.get('ename')}"
        if output.get("name") == "stderr":
            yield f"wrote to stderr: {''.join(output['text'])[:100]!r}"
        if found := _ABSOLUTE.search(_shown(output)):
            yield f"shows a path of one machine: {found[0]!r}…"


def _shown(output: Json) -> str:
    texts = [output.get("text", "")]
    texts += [value for mime, value in output.get("data", {}).items() if mime.startswith("text/")]
    return "\n".join("".join(text) for text in texts)


@rule("no leak", "exercises.ipynb holds no line of any answer")
def no_leak(lab: LabFolder) -> Iterator[str]:
    source = lab.solution()
    answers = [cell for cell in source.cells if cell.role == "answer"]
    secret = {line.strip(): cell.exercise for cell in answers for line in answer_lines(cell, source.path)}
    everywhere = Counter(line.strip() for cell in source.cells for line in cell.text.splitlines())
    hidden = Counter(line.strip() for cell in answers for line in answer_lines(cell, source.path))
    shown = Counter(
        line.strip() for cell in notebook(lab, "exercises")["cells"] for line in source_of(cell).splitlines()
    )
    for line, key in secret.items():
        if not re.search(r"\w", line):
            continue
        if shown[line] > everywhere[line] - hidden[line]:
            yield f"exercises.ipynb shows a line of the answer to {key}: {line!r}"
        elif len(line) >= DISTINCTIVE and any(line in text for text in shown):
            yield f"exercises.ipynb gives away a line of the answer to {key}: {line!r}"
