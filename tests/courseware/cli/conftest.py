"""A course with one built lab, and a learner's workspace made from it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from courseware.build import build_lab
from courseware.cli import main
from courseware.progress import Progress
from courseware.scaffold import new_lab
from courseware.source import Course

LAB = "phase1_foundations/lab1_demo"


class Desk:
    """Where a learner sits: the course's root, their home, and the words of the command."""

    def __init__(self, root: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.home, self._capsys = root, home, capsys
        self.exercises = home / LAB / "exercises.ipynb"
        self.out = self.err = ""

    def course(self, *arguments: str) -> int:
        """Run `course …` in this process; `out` and `err` hold what it printed."""
        code = main(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def progress(self) -> Progress:
        return Progress(self.home)

    def notebook(self) -> Any:
        return json.loads(self.exercises.read_text())

    def source(self, name: str) -> str:
        return "".join(next(cell["source"] for cell in self.notebook()["cells"] if cell["id"] == name))

    def write(self, **cells: str) -> None:
        """Type into cells, by id, and save."""
        notebook = self.notebook()
        for cell in notebook["cells"]:
            if cell["id"] in cells:
                cell["source"] = cells.pop(cell["id"]).splitlines(keepends=True)
        assert not cells, f"no such cells: {cells}"
        self.exercises.write_text(json.dumps(notebook))


@pytest.fixture(scope="session")
def built_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("course")
    (root / "pyproject.toml").write_text("[tool.courseware]\n")
    (root / "START_HERE.md").write_text("# Start here\n\n<!-- labs -->\n")
    build_lab(new_lab(Course(root), LAB))
    return root


@pytest.fixture
def desk(
    built_course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    root = tmp_path / "course"
    shutil.copytree(built_course, root)
    monkeypatch.setenv("COURSE_ROOT", str(root))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSEWARE_VALIDATE", raising=False)
    monkeypatch.chdir(root)
    desk = Desk(root, tmp_path / "home", capsys)
    assert desk.course("update") == 0
    return desk
