"""Built notebooks: what a learner and the solution see, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from courseware.build import build_course, build_lab, check_lab
from courseware.source import Course, LabFolder

ROOT = Path(__file__).parents[3]
KEY = "phase1_foundations/lab1_small"
SOLUTION = '''\
# %% [markdown]
# # Lab 1.1 · Small

# %%
import math

if __name__ == "__main__":
    text = """
    stays indented
"""
    # a comment
    print(text, math.pi)

# %% tags=["parameters"] cut={"steps": 1}
profile = "laptop"
steps = 5

# %% [markdown] exercise="W1" minutes=3
# ## W1 · Warm
#
# Do it.


# %% exercise="W1"
def warm(a: int) -> int:
    """Its docstring."""
    # BEGIN SOLUTION
    warmer = a + 1
    return warmer
    # END SOLUTION


def given(a):
    """Given, with a docstring only."""


# %% check="W1"
if __name__ == "__main__":
    print("check", warm.__name__)

# %% reward="W1" tags=["hide-input"]
if __name__ == "__main__":
    print("reward")

# %% [markdown] exercise="W1" tags=["discussion"]
# Because.

# %% exercise="W1" tags=["discussion"]
if __name__ == "__main__":
    print("discussed")

# %% [markdown] exercise="E2" minutes=20
# ## E2 · Class


# %% exercise="E2"
class Pair:
    def first(self):
        # BEGIN SOLUTION
        return 1
        # END SOLUTION

    def second(self):
        """Doc."""
        x = 1
        # BEGIN SOLUTION
        return x
        # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    print("check")
'''
THEORY = """\
# Lab 1.1 · Small — theory

```python tags=["parameters"]
profile = "laptop"
```

## Deep Dive

```python tags=["exact", "hide-input"]
if __name__ == "__main__":
    print("a")
3
```
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabFolder:
    (tmp_path / "pyproject.toml").write_text("[tool.courseware]\n")
    folder = tmp_path / KEY
    folder.mkdir(parents=True)
    (folder / "solution.py").write_text(SOLUTION, encoding="utf-8")
    (folder / "theory.md").write_text(THEORY, encoding="utf-8")
    return Course(tmp_path).lab("1.1")


def read(lab: LabFolder, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((lab.path / f"{name}.ipynb").read_text(encoding="utf-8"))
    return loaded


def cell(lab: LabFolder, name: str, cell_id: str) -> dict[str, Any]:
    return next(cell for cell in read(lab, name)["cells"] if cell["id"] == cell_id)


def text(lab: LabFolder, name: str, cell_id: str) -> str:
    return "".join(cell(lab, name, cell_id)["source"])


@pytest.fixture
def built(lab: LabFolder) -> LabFolder:
    build_lab(lab)
    return lab


def test_answer_becomes_a_stub_under_the_same_signature(built: LabFolder) -> None:
    assert text(built, "exercises", "W1") == (
        'def warm(a: int) -> int:\n    """Its docstring."""\n    raise NotImplementedError\n\n\n'
        'def given(a):\n    """Given, with a docstring only."""'
    )
    assert text(built, "exercises", "E2") == (
        "class Pair:\n    def first(self):\n        raise NotImplementedError\n\n"
        '    def second(self):\n        """Doc."""\n        x = 1\n        raise NotImplementedError'
    )


def test_solution_shows_the_answer_without_markers(built: LabFolder) -> None:
    assert "    warmer = a + 1\n    return warmer" in text(built, "solution", "W1")
    assert "SOLUTION" not in json.dumps(read(built, "solution"))


def test_discussion_is_in_the_solution_alone(built: LabFolder) -> None:
    assert "Because." in json.dumps(read(built, "solution"))
    assert text(built, "solution", "W1-discussion-2") == 'print("discussed")'
    assert "discuss" not in json.dumps(read(built, "exercises"))


def test_demonstrations_are_unindented_and_strings_are_left_alone(built: LabFolder) -> None:
    assert text(built, "exercises", "lab-1-1-small-2") == (
        'import math\n\ntext = """\n    stays indented\n"""\n# a comment\nprint(text, math.pi)'
    )
    assert text(built, "exercises", "W1-check") == 'print("check", warm.__name__)'


def test_theory_is_shown_as_it_is_written(built: LabFolder) -> None:
    assert text(built, "theory", "deep-dive-2") == 'if __name__ == "__main__":\n    print("a")\n3'


def test_statement_tells_time_and_points(built: LabFolder) -> None:
    assert text(built, "exercises", "W1-statement") == "## W1 · Warm\n\n*About 3 minutes · warm-up*\n\nDo it."
    assert "*About 20 minutes · 20 points*" in text(built, "exercises", "E2-statement")


@pytest.mark.parametrize("name", ["theory", "exercises", "solution"])
def test_notebook_is_valid_and_names_its_kernel(built: LabFolder, name: str) -> None:
    path = built.path / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    assert notebook.metadata.courseware.lab == KEY
    assert notebook.metadata.courseware.role == name
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert all(cell.get("execution_count") is None for cell in notebook.cells)
    # Jupyter saves a notebook the same way: opening and saving it changes nothing
    assert nbformat.writes(notebook) + "\n" == path.read_text(encoding="utf-8")


def test_metadata_is_what_nbgrader_expects(built: LabFolder) -> None:
    def nbgrader(cell_id: str) -> dict[str, Any]:
        metadata: dict[str, Any] = cell(built, "exercises", cell_id)["metadata"]["nbgrader"]
        return metadata

    common = {"schema_version": 3, "task": False}
    assert nbgrader("E2") == common | {"grade": False, "solution": True, "locked": False, "grade_id": "E2"}
    assert nbgrader("E2-check") == common | {
        "grade": True,
        "solution": False,
        "locked": True,
        "grade_id": "E2-check",
        "points": 20,
    }
    assert nbgrader("W1-statement") == common | {
        "grade": False,
        "solution": False,
        "locked": True,
        "grade_id": "W1-statement",
    }


def test_cells_carry_key_role_and_display(built: LabFolder) -> None:
    reward = cell(built, "exercises", "W1-reward")["metadata"]
    assert reward["courseware"] == {"exercise": "W1", "role": "reward"}
    assert reward["jupyter"] == {"source_hidden": True}
    assert cell(built, "theory", "deep-dive-2")["metadata"]["tags"] == ["nbval-check-output", "hide-input"]
    assert cell(built, "exercises", "lab-1-1-small-3")["metadata"]["courseware"] == {"cut": {"steps": 1}}


def test_bytes_are_the_same_whatever_the_hash_seed_and_folder(lab: LabFolder, tmp_path: Path) -> None:
    """Built anew each time, in other processes: once from the course, once from the file system's root."""
    digests = set()
    for seed, cwd in (("0", lab.root), ("1", Path("/")), ("4242", lab.path)):
        for path in lab.path.glob("*.ipynb"):
            path.unlink()
        code = (
            "import sys; from pathlib import Path; from courseware.build import build_course;"
            "from courseware.source import Course; sys.exit(not build_course(Course(Path(sys.argv[1]))).ok)"
        )
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
        subprocess.run([sys.executable, "-c", code, str(lab.root)], cwd=cwd, env=environment, check=True)
        written = [(lab.path / f"{name}.ipynb").read_bytes() for name in ("theory", "exercises", "solution")]
        digests.add(hashlib.sha256(b"".join(written)).hexdigest())
        assert str(tmp_path).encode() not in b"".join(written)
    assert len(digests) == 1


def test_second_build_writes_nothing(built: LabFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.path.iterdir()}
    assert {result.state for result in build_lab(built)} == {"unchanged"}
    assert {path: path.stat().st_mtime_ns for path in built.path.iterdir()} == before


def test_check_says_what_is_stale_and_writes_nothing(built: LabFolder) -> None:
    assert build_course(Course(built.root), check=True).ok
    built.solution_path.write_text(SOLUTION.replace("Do it.", "Do it now."), encoding="utf-8")
    before = {path: path.read_bytes() for path in built.path.iterdir()}
    summary = build_course(Course(built.root), ["1.1"], check=True)
    assert [path.name for path in summary.stale] == ["exercises.ipynb", "solution.ipynb"]
    assert not summary.ok
    assert {path: path.read_bytes() for path in built.path.iterdir()} == before


def test_line_ends_of_another_system_change_nothing(built: LabFolder) -> None:
    built.solution_path.write_bytes(SOLUTION.replace("\n", "\r\n").encode())
    assert {result.state for result in check_lab(built)} == {"unchanged"}


def test_error_in_one_lab_names_its_line_and_leaves_the_others_built(lab: LabFolder) -> None:
    other = lab.root / "phase1_foundations/lab2_broken"
    other.mkdir()
    (other / "solution.py").write_text(SOLUTION.replace("    # END SOLUTION\n", "", 1), encoding="utf-8")
    (other / "theory.md").write_text(THEORY, encoding="utf-8")
    summary = build_course(Course(lab.root))
    line = SOLUTION[: SOLUTION.index("# BEGIN")].count("\n") + 1
    assert summary.problems == (
        f"phase1_foundations/lab2_broken/solution.py:{line}: "
        "unclosed solution marker: `# END SOLUTION` is missing in this cell",
    )
    assert len(summary.notebooks) == 3
    assert not list(other.glob("*.ipynb"))
