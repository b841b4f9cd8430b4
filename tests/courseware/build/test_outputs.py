"""Outputs: carried over while the code is the same, and free of what belongs to one machine or moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from courseware.build import OutputError, build_course, build_lab, check_lab
from courseware.build.outputs import normalised, refuse_noise
from courseware.source import Course, LabFolder

THEORY = """\
# Lab 1.1 · Small — theory

## Deep Dive

```python
print("one")
print("two")
object()
```

```python
import warnings
from pathlib import Path
print(Path.cwd())
```
"""
SOLUTION = """\
# %% [markdown]
# # Lab 1.1 · Small

# %%
import os

if __name__ == "__main__":
    print(os.environ["COURSEWARE_VALIDATE"])
"""


def make(root: Path, theory: str = THEORY, solution: str = SOLUTION) -> LabFolder:
    folder = root / "phase1_foundations/lab1_small"
    folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.courseware]\n")
    (folder / "theory.md").write_text(theory, encoding="utf-8")
    (folder / "solution.py").write_text(solution, encoding="utf-8")
    return Course(root).lab("1.1")


def outputs(lab: LabFolder, name: str = "theory") -> list[list[dict[str, Any]]]:
    cells = json.loads((lab.path / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> LabFolder:
    lab = make(tmp_path_factory.mktemp("course"))
    assert [built.state for built in build_lab(lab, execute=True)] == ["executed", "written", "executed"]
    return lab


@pytest.fixture
def copy(executed: LabFolder, tmp_path: Path) -> LabFolder:
    lab = make(tmp_path)
    for path in executed.path.glob("*.ipynb"):
        (lab.path / path.name).write_bytes(path.read_bytes())
    return lab


def test_execution_stores_outputs_without_counts_addresses_or_this_machines_paths(
    executed: LabFolder,
) -> None:
    first, second = outputs(executed)
    assert first[0] == {"name": "stdout", "output_type": "stream", "text": ["one\n", "two\n"]}
    assert first[1]["data"]["text/plain"] == ["<object at 0x…>"]
    assert first[1]["execution_count"] is None
    assert second[0]["text"] == ["phase1_foundations/lab1_small\n"]


def test_solution_runs_in_validation_mode(executed: LabFolder) -> None:
    assert outputs(executed, "solution")[0][0]["text"] == ["1\n"]


def test_second_execution_gives_the_same_bytes(copy: LabFolder) -> None:
    before = (copy.path / "theory.ipynb").read_bytes()
    build_lab(copy, execute=True)
    assert (copy.path / "theory.ipynb").read_bytes() == before


def test_outputs_stay_when_only_prose_changes(copy: LabFolder) -> None:
    before = outputs(copy)
    copy.theory_path.write_text(THEORY.replace("## Deep Dive", "## Deeper\n\nMore."), encoding="utf-8")
    assert build_lab(copy)[0].state == "written"
    assert outputs(copy) == before


def test_outputs_go_when_any_code_changes(copy: LabFolder) -> None:
    copy.theory_path.write_text(THEORY.replace("import warnings\n", ""), encoding="utf-8")
    build_lab(copy)
    assert outputs(copy) == [[], []]


def test_notebook_saved_by_jupyter_is_cleaned_by_the_next_build(copy: LabFolder) -> None:
    path = copy.path / "theory.ipynb"
    clean = path.read_bytes()
    content = json.loads(clean)
    for count, cell in enumerate(cell for cell in content["cells"] if cell["cell_type"] == "code"):
        cell["execution_count"] = count
        cell["metadata"]["execution"] = {"iopub.execute_input": "2024-01-01T00:00:00Z"}
    path.write_text(json.dumps(content), encoding="utf-8")
    build_lab(copy)
    assert path.read_bytes() == clean


def test_other_outputs_do_not_make_a_notebook_stale(copy: LabFolder) -> None:
    path = copy.path / "theory.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    shown = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    stream = {"output_type": "stream", "name": "stdout", "text": ["another run\n"]}
    shown["outputs"] = [stream, stream]
    shown["execution_count"] = 7
    path.write_text(json.dumps(content), encoding="utf-8")
    assert {built.state for built in check_lab(copy)} == {"unchanged"}


def test_streams_that_follow_each_other_are_joined() -> None:
    def stream(name: str, *lines: str) -> dict[str, Any]:
        return {"output_type": "stream", "name": name, "text": list(lines)}

    parts = [
        stream("stdout", "a"),
        stream("stdout", "b\n", "c"),
        stream("stderr", "d"),
        stream("stdout", "e"),
    ]
    joined = [stream("stdout", "ab\n", "c"), stream("stderr", "d"), stream("stdout", "e")]
    assert normalised(parts, Path("/nowhere")) == joined


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"output_type": "stream", "name": "stderr", "text": ["careful\n"]}, "c1 writes to stderr: careful"),
        (
            {"output_type": "stream", "name": "stdout", "text": ["in /tmp/x/file\n"]},
            "this machine: /tmp/x/file",
        ),
        ({"output_type": "display_data", "data": {"text/html": ["<b>/tmp/x</b>"]}}, "this machine: /tmp/x"),
    ],
)
def test_noise_is_refused(output: dict[str, Any], words: str) -> None:
    with pytest.raises(OutputError, match=words):
        refuse_noise([output], "c1")


def test_addresses_on_the_web_and_divisions_are_no_noise() -> None:
    refuse_noise(
        [{"output_type": "stream", "name": "stdout", "text": ["https://x.org/tmp/y a/tmp/b 1/2"]}], "c1"
    )


def test_failing_cell_is_named_and_the_notebooks_are_still_built(tmp_path: Path) -> None:
    lab = make(tmp_path, theory="# Lab 1.1 · Small — theory\n\n## Deep Dive\n\n```python\n1 / 0\n```\n")
    (problem,) = build_course(Course(tmp_path), execute=True).problems
    assert problem.startswith(
        "phase1_foundations/lab1_small/theory.ipynb, cell deep-dive-2: failed: ZeroDivisionError"
    )
    assert len(list(lab.path.glob("*.ipynb"))) == 3
