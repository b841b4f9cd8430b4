"""The learner's folder: what it holds, what an update reports, what is never touched."""

import os
import re
from pathlib import Path

import pytest

from courseware.source import Course
from courseware.workspace import Workspace, WorkspaceError, find_home
from courseware.workspace import workspace as workspace_module
from tests.courseware.workspace.small_course import (
    LAB,
    Json,
    book,
    code,
    exercise,
    load,
    markdown,
    save,
    text,
    texts,
    write_course,
)

FIRST = book(markdown("# Title", "title-1"), *exercise("E1"), *exercise("E2"))
SECOND = book(markdown("# Better title", "title-1"), *exercise("E1"), *exercise("E2"))
ANSWER = "def answer_e1(x):\n    return x + 1"


class Desk:
    """A course in its first version, and a learner's workspace made from it."""

    def __init__(self, folder: Path) -> None:
        self.root = write_course(folder / "course", FIRST)
        self.home = folder / "home"
        self.exercises = self.home / LAB / "exercises.ipynb"
        self.workspace.create()

    @property
    def workspace(self) -> Workspace:
        return Workspace(Course(self.root), self.home)

    def answer(self, key: str = "E1", answer: str = ANSWER) -> None:
        notebook = load(self.exercises)
        self.cell(notebook, key)["source"] = answer.splitlines(keepends=True)
        save(self.exercises, notebook)

    def cell(self, notebook: Json, name: str) -> Json:
        cell: Json = next(cell for cell in notebook["cells"] if cell["id"] == name)
        return cell

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_workspace_holds_theory_and_exercises_and_no_answer(tmp_path: Path) -> None:
    root = write_course(tmp_path / "course", FIRST)
    save(root / LAB / "solution.ipynb", book(code("the secret answer", "E1")))
    (root / LAB / "checks.py").write_text("# the secret check\n")
    Workspace(Course(root), tmp_path / "home").create()
    home = tmp_path / "home"
    visible = sorted(
        str(path.relative_to(home)) for path in home.rglob("*.ipynb") if ".course" not in path.parts
    )
    assert visible == ["START_HERE.ipynb", f"{LAB}/exercises.ipynb", f"{LAB}/theory.ipynb"]
    assert not [path for path in home.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_every_link_of_start_here_leads_to_a_file_in_the_workspace(desk: Desk) -> None:
    page = "\n".join(texts(load(desk.home / "START_HERE.ipynb")))
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) == 2
    assert all((desk.home / link).is_file() for link in links)


def test_create_again_does_not_even_open_what_is_there(desk: Desk) -> None:
    desk.exercises.write_bytes(b"whatever the learner has made of it")
    before = desk.files()
    assert desk.workspace.create() == []
    assert desk.files() == before


def test_update_brings_new_text_keeps_the_answer_and_makes_a_backup(desk: Desk) -> None:
    desk.answer()
    before = desk.exercises.read_bytes()
    write_course(desk.root, SECOND)
    change = next(change for change in desk.workspace.update() if change.path == desk.exercises)
    assert change.action == "updated"
    assert change.backup is not None
    assert change.backup.read_bytes() == before
    assert "# Better title" in texts(load(desk.exercises))
    assert text(desk.cell(load(desk.exercises), "E1")) == ANSWER
    assert {change.action for change in desk.workspace.update()} == {"current"}


def test_a_dry_run_says_the_same_and_writes_nothing(desk: Desk) -> None:
    desk.answer()
    write_course(desk.root, SECOND)
    before = desk.files()
    planned = desk.workspace.update(dry_run=True)
    assert desk.files() == before
    done = desk.workspace.update()
    assert [(one.path, one.action, one.details) for one in planned] == [
        (one.path, one.action, one.details) for one in done
    ]


def test_a_dry_run_in_an_empty_place_makes_no_folder(tmp_path: Path) -> None:
    root = write_course(tmp_path / "course", FIRST)
    changes = Workspace(Course(root), tmp_path / "home").update(dry_run=True)
    assert {change.action for change in changes} == {"created"}
    assert not (tmp_path / "home").exists()


def test_an_update_without_news_leaves_files_as_jupyterlab_saved_them(desk: Desk) -> None:
    desk.answer()
    before = desk.exercises.stat().st_mtime_ns, desk.exercises.read_bytes()
    assert {change.action for change in desk.workspace.update()} == {"current"}
    assert (desk.exercises.stat().st_mtime_ns, desk.exercises.read_bytes()) == before


def test_a_renamed_notebook_is_left_alone_and_a_fresh_one_made(desk: Desk) -> None:
    desk.answer()
    renamed = desk.exercises.rename(desk.exercises.with_name("my exercises.ipynb"))
    before = renamed.read_bytes()
    write_course(desk.root, SECOND)
    desk.workspace.update()
    assert renamed.read_bytes() == before
    assert texts(load(desk.exercises)) == texts(SECOND)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b'{"cells": [{"cell_type": "code"',
        b"[]",
        b'{"cells": {}}',
        b'{"cells": [3]}',
        b'{"cells": [{"cell_type": "code", "metadata": {}}]}',
        b'{"cells": [{"cell_type": "code", "source": "x", "metadata": []}]}',
        b'{"worksheets": []}',
        b"\xff\xfe\x00",
        b"[" * 50_000,
    ],
)
def test_a_damaged_notebook_is_not_touched_and_a_backup_is_named(desk: Desk, content: bytes) -> None:
    desk.exercises.write_bytes(content)
    write_course(desk.root, SECOND)
    change = next(change for change in desk.workspace.update() if change.path == desk.exercises)
    assert change.action == "damaged"
    assert desk.exercises.read_bytes() == content
    assert change.backup is not None
    assert change.backup.read_bytes() == content
    with pytest.raises(WorkspaceError, match=r"course reset 1\.1"):
        desk.workspace.reset(Course(desk.root).lab("1.1"), "E1")
    assert len(desk.workspace.update()) == 3  # the others are not held up


def test_reset_of_an_exercise_restores_it_and_keeps_the_old_answer(desk: Desk) -> None:
    desk.answer("E1")
    desk.answer("E2", "def answer_e2(x):\n    return 2")
    (change,) = desk.workspace.reset(Course(desk.root).lab("1.1"), "e1")
    notebook = load(desk.exercises)
    assert text(desk.cell(notebook, "E1")) == text(desk.cell(FIRST, "E1"))
    assert text(desk.cell(notebook, "E2")) == "def answer_e2(x):\n    return 2"
    assert change.backup is not None
    assert text(desk.cell(load(change.backup), "E1")) == ANSWER
    assert {change.action for change in desk.workspace.update()} == {"current"}


def test_two_resets_in_one_second_keep_two_backups(desk: Desk) -> None:
    lab = Course(desk.root).lab("1.1")
    backups = []
    for number in range(3):
        desk.answer("E1", f"answer {number}")
        (change,) = desk.workspace.reset(lab, "E1")
        assert change.backup is not None
        backups.append(change.backup)
    assert len(set(backups)) == 3
    assert [text(desk.cell(load(path), "E1")) for path in backups] == [f"answer {n}" for n in range(3)]


def test_reset_of_a_lab_brings_back_damaged_notebooks_too(desk: Desk) -> None:
    desk.exercises.write_bytes(b"damaged")
    changes = desk.workspace.reset(Course(desk.root).lab("1.1"))
    assert texts(load(desk.exercises)) == texts(FIRST)
    assert b"damaged" in {change.backup.read_bytes() for change in changes if change.backup}


def test_an_unknown_exercise_gets_a_suggestion(desk: Desk) -> None:
    with pytest.raises(WorkspaceError, match="did you mean E"):
        desk.workspace.reset(Course(desk.root).lab("1.1"), "E7")


def test_what_jupyterlab_saves_during_an_update_is_not_overwritten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_course(desk.root, SECOND)
    merge = workspace_module.merge
    saves = iter(["first", "second"])

    def merge_while_somebody_types(base: Json | None, mine: Json, new: Json) -> object:
        merged = merge(base, mine, new)
        if any(cell["id"] == "E1" for cell in mine["cells"]) and (typed := next(saves, None)):
            desk.answer("E1", f"typed {typed}")
        return merged

    monkeypatch.setattr(workspace_module, "merge", merge_while_somebody_types)
    desk.workspace.update()
    notebook = load(desk.exercises)
    assert text(desk.cell(notebook, "E1")) == "typed second"
    assert "# Better title" in texts(notebook)


def test_a_restored_backup_is_merged_with_the_version_that_it_came_from(desk: Desk) -> None:
    desk.answer()
    write_course(desk.root, SECOND)
    backup = next(change.backup for change in desk.workspace.update() if change.path == desk.exercises)
    assert backup is not None
    desk.exercises.write_bytes(backup.read_bytes())
    desk.workspace.update()
    # Not "# Title" beside it: the old title is the course's own and known as such.
    assert texts(load(desk.exercises))[0] == "# Better title"
    assert len(load(desk.exercises)["cells"]) == len(SECOND["cells"])


def test_a_linked_notebook_stays_a_link(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    desk.exercises.rename(elsewhere)
    desk.exercises.symlink_to(elsewhere)
    write_course(desk.root, SECOND)
    desk.workspace.update()
    assert desk.exercises.is_symlink()
    assert "# Better title" in texts(load(elsewhere))


def test_odd_but_valid_text_survives_an_update(desk: Desk) -> None:
    odd = "def answer_e1(x):\n    return '\\ud800 \u2028 🜁 é'"
    desk.answer("E1", odd)
    raw = desk.exercises.read_bytes().replace(b"\\\\ud800", b"\\ud800")
    desk.exercises.write_bytes(raw)
    written = text(desk.cell(load(desk.exercises), "E1"))
    assert "\ud800" in written
    write_course(desk.root, SECOND)
    desk.workspace.update()
    assert text(desk.cell(load(desk.exercises), "E1")) == written
    assert "# Better title" in texts(load(desk.exercises))


def test_data_files_come_with_the_lab_and_are_not_overwritten(tmp_path: Path) -> None:
    root = write_course(tmp_path / "course", FIRST)
    (root / LAB / "data").mkdir()
    (root / LAB / "data" / "names.csv").write_text("a,b\n")
    workspace = Workspace(Course(root), tmp_path / "home")
    workspace.create()
    copied = tmp_path / "home" / LAB / "data" / "names.csv"
    assert copied.read_text() == "a,b\n"
    copied.write_text("mine\n")
    workspace.update()
    assert copied.read_text() == "mine\n"


def test_the_courses_own_folder_is_refused_as_a_workspace(tmp_path: Path) -> None:
    root = write_course(tmp_path / "course", FIRST)
    with pytest.raises(WorkspaceError, match="COURSE_HOME"):
        Workspace(Course(root), root)


def test_a_home_that_is_a_file_gives_one_line(tmp_path: Path) -> None:
    root = write_course(tmp_path / "course", FIRST)
    (tmp_path / "home").write_text("no folder")
    with pytest.raises(WorkspaceError) as caught:
        Workspace(Course(root), tmp_path / "home").create()
    assert "\n" not in str(caught.value)
    assert "home" in str(caught.value)


def test_home_is_work_unless_course_home_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = Course(tmp_path)
    monkeypatch.delenv("COURSE_HOME", raising=False)
    assert find_home(course) == tmp_path / "work"
    monkeypatch.setenv("COURSE_HOME", os.path.join("~", "lessons"))  # noqa: PTH118
    assert find_home(course) == Path.home() / "lessons"
