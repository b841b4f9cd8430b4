"""A small course on disk in versions that a test writes, and the ways in which a learner edits it."""

import json
from pathlib import Path
from random import Random
from typing import Any

Json = dict[str, Any]

LAB = "phase1_foundations/lab1_tensors"

SOLUTION = '''# %% [markdown]
# # Lab 1.1 · Tensors
# %% [markdown] exercise="E1" minutes=10
# ## E1 · First
# %% exercise="E1"
def first(x):
    """First."""
    # BEGIN SOLUTION
    return x
    # END SOLUTION
# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", first)
'''

START_HERE = """# Start here

Welcome.

<!-- labs -->

```python
print("progress")
```
"""


def code(text: str, name: str, exercise: str | None = None, role: str | None = None) -> Json:
    return {
        **markdown(text, name, exercise, role),
        "cell_type": "code",
        "outputs": [],
        "execution_count": None,
    }


def markdown(text: str, name: str, exercise: str | None = None, role: str | None = None) -> Json:
    metadata = {"courseware": {"exercise": exercise, "role": role}} if exercise else {}
    source = text.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source}


def exercise(key: str, *, stub: str = "", statement: str = "Do it.") -> list[Json]:
    name = f"answer_{key.lower()}"
    text = stub or f"def {name}(x):\n    raise NotImplementedError"
    return [
        markdown(f"## {key}\n\n{statement}", f"{key}-statement", key, "statement"),
        code(text, key, key, "answer"),
        code(f'lab.check("{key}", {name})', f"{key}-check", key, "check"),
    ]


def book(*cells: Json) -> Json:
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"courseware": {"lab": LAB, "role": "exercises"}, "kernelspec": kernel}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write_course(root: Path, exercises: Json, theory: Json | None = None) -> Path:
    """A course root with one lab that has these notebooks."""
    lab = root / LAB
    lab.mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text("[tool.courseware]\n")
    (root / "START_HERE.md").write_text(START_HERE)
    (lab / "solution.py").write_text(SOLUTION)
    save(lab / "exercises.ipynb", exercises)
    save(lab / "theory.ipynb", theory or book(markdown("# Theory", "theory-1")))
    return root


def save(path: Path, notebook: Json) -> None:
    """As JupyterLab saves."""
    path.write_text(
        json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def load(path: Path) -> Json:
    notebook: Json = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def text(cell: Json) -> str:
    return "".join(cell["source"])


def texts(notebook: Json) -> list[str]:
    return [text(cell) for cell in notebook["cells"]]


class Author:
    """Writes version after version of a notebook. Every line of the course begins with the word `course`."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.words = 0
        self.exercises = {key: self._stub(key) for key in ("E1", "E2", "E3")}
        self.statements = {key: self._line() for key in self.exercises}
        self.prose = [self._line() for _ in range(3)]
        self.order = list(self.exercises)

    def revise(self) -> None:
        """Change something, as authors do."""
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(
                [self._reword, self._restub, self._insert, self._remove, self._reorder, self._add]
            )()

    def notebook(self) -> Json:
        cells = [markdown("# course title", "course-title-1")]
        for number, line in enumerate(self.prose, start=1):
            cells.append(markdown(line, f"prose-{number}"))
        for key in self.order:
            cells += exercise(key, stub=self.exercises[key], statement=self.statements[key])
        return book(*cells)

    def _line(self) -> str:
        self.words += 1
        return f"course line {self.words}"

    def _stub(self, key: str) -> str:
        return f'def answer_{key.lower()}(x):\n    """{self._line()}"""\n    raise NotImplementedError'

    def _reword(self) -> None:
        if self.prose and self.chance.random() < 0.5:
            self.prose[self.chance.randrange(len(self.prose))] = self._line()
        elif self.order:
            self.statements[self.chance.choice(self.order)] = self._line()

    def _restub(self) -> None:
        if self.order:
            key = self.chance.choice(self.order)
            self.exercises[key] = self._stub(key)

    def _insert(self) -> None:
        self.prose.insert(self.chance.randint(0, len(self.prose)), self._line())

    def _remove(self) -> None:
        if self.prose and self.chance.random() < 0.6:
            self.prose.pop(self.chance.randrange(len(self.prose)))
        elif self.order:
            self.order.remove(self.chance.choice(self.order))

    def _reorder(self) -> None:
        self.chance.shuffle(self.order)

    def _add(self) -> None:
        missing = [key for key in ("E1", "E2", "E3", "E4", "E5") if key not in self.order]
        if missing:
            key = self.chance.choice(missing)
            self.exercises.setdefault(key, self._stub(key))
            self.statements.setdefault(key, self._line())
            self.order.append(key)


class Learner:
    """Edits a notebook the way people and their tools do. Every line of theirs is unique and says `mine`."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.words = 0

    def edit(self, path: Path) -> None:
        """Open the notebook, change some things, save it."""
        if not path.exists():
            return
        try:
            notebook = load(path)
        except ValueError:
            return  # damaged: JupyterLab would not open it either
        for _ in range(self.chance.randint(1, 4)):
            if not notebook["cells"]:
                self._add(notebook)
            self.chance.choices(
                [
                    self._answer,
                    self._write_into,
                    self._add,
                    self._run,
                    self._duplicate,
                    self._split,
                    self._join,
                    self._move,
                    self._delete,
                    self._retype,
                    self._forget,
                    self._empty,
                ],
                weights=[6, 4, 4, 3, 2, 2, 2, 2, 2, 1, 1, 1],
            )[0](notebook)
        save(path, notebook)

    def line(self) -> str:
        self.words += 1
        return f"mine {self.words}."

    def _any(self, notebook: Json) -> int:
        return self.chance.randrange(len(notebook["cells"]))

    def _answer(self, notebook: Json) -> None:
        answers = [
            cell
            for cell in notebook["cells"]
            if cell["metadata"].get("courseware", {}).get("role") == "answer"
        ]
        if answers:
            cell = self.chance.choice(answers)
            kept = [line for line in cell["source"] if "NotImplementedError" not in line]
            cell["source"] = [
                *kept,
                *(() if not kept or kept[-1].endswith("\n") else ("\n",)),
                f"    # {self.line()}",
            ]

    def _write_into(self, notebook: Json) -> None:
        cell = notebook["cells"][self._any(notebook)]
        lines = text(cell).split("\n")
        lines.insert(self.chance.randint(0, len(lines)), self.line())
        cell["source"] = "\n".join(lines).splitlines(keepends=True)

    def _add(self, notebook: Json) -> None:
        kind = self.chance.choice([code, markdown])
        cell = kind(self.line(), f"{self.chance.getrandbits(32):08x}")
        notebook["cells"].insert(self.chance.randint(0, len(notebook["cells"])), cell)

    def _run(self, notebook: Json) -> None:
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["execution_count"] = self.chance.randint(1, 99)
                cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["an output\n"]}]

    def _duplicate(self, notebook: Json) -> None:
        place = self._any(notebook)
        copy = json.loads(json.dumps(notebook["cells"][place])) | {"id": f"{self.chance.getrandbits(32):08x}"}
        notebook["cells"].insert(self.chance.randint(0, len(notebook["cells"])), copy)

    def _split(self, notebook: Json) -> None:
        place = self._any(notebook)
        cell = notebook["cells"][place]
        lines = text(cell).splitlines(keepends=True)
        if len(lines) > 1:
            cut = self.chance.randint(1, len(lines) - 1)
            other = json.loads(json.dumps(cell)) | {"id": f"{self.chance.getrandbits(32):08x}"}
            pieces = (lines[:cut], lines[cut:])
            cell["source"], other["source"] = pieces if self.chance.random() < 0.5 else pieces[::-1]
            notebook["cells"].insert(place + (cell["source"] is pieces[0]), other)

    def _join(self, notebook: Json) -> None:
        place = self._any(notebook)
        if place + 1 < len(notebook["cells"]):
            other = notebook["cells"].pop(place + 1)
            cell = notebook["cells"][place]
            cell["source"] = f"{text(cell)}\n{text(other)}".splitlines(keepends=True)

    def _move(self, notebook: Json) -> None:
        cell = notebook["cells"].pop(self._any(notebook))
        notebook["cells"].insert(self.chance.randint(0, len(notebook["cells"])), cell)

    def _delete(self, notebook: Json) -> None:
        notebook["cells"].pop(self._any(notebook))

    def _retype(self, notebook: Json) -> None:
        place = self._any(notebook)
        old = notebook["cells"][place]
        new = {
            "cell_type": "markdown",
            "id": old.get("id"),
            "metadata": old["metadata"],
            "source": old["source"],
        }
        if old["cell_type"] == "markdown":
            new |= {"cell_type": "code", "outputs": [], "execution_count": None}
        notebook["cells"][place] = new

    def _forget(self, notebook: Json) -> None:
        """Pass the notebook through a tool that knows no ids, or strips metadata, or both."""
        tool = self.chance.randrange(3)
        for cell in notebook["cells"]:
            if tool != 0:
                cell.pop("id", None)
            if tool != 1:
                cell["metadata"] = {}
        if tool != 1:
            notebook["metadata"] = {}
        if tool != 0:
            notebook["nbformat_minor"] = 4

    def _empty(self, notebook: Json) -> None:
        notebook["cells"][self._any(notebook)]["source"] = []
