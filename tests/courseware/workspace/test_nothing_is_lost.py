"""Whatever learners, authors, crashes and full disks do in whatever order: no line of a learner's is lost."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courseware.source import Course
from courseware.workspace import Workspace, WorkspaceError
from tests.courseware.workspace.faulty_disk import Killed, faulty_disk
from tests.courseware.workspace.small_course import LAB, Author, Learner, load, write_course

Action = Callable[[Workspace], object]

LINE = re.compile(r"mine \d+\.")


class World:
    """One learner, one author, one disk; `step` does one thing and asserts that it loses nothing."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = Random(seed)
        self.author, self.learner = Author(self.chance), Learner(self.chance)
        self.root, self.home = folder / "course", folder / "home"
        self.notebook = self.home / LAB / "exercises.ipynb"
        self.copies = itertools.count()
        self.publish()
        self.workspace.create()

    @property
    def workspace(self) -> Workspace:
        return Workspace(Course(self.root), self.home)

    def publish(self) -> None:
        write_course(self.root, self.author.notebook())

    # ---- what is asserted -------------------------------------------------------------------------------

    def lines(self, *, backups: bool) -> set[str]:
        """The learner's lines in notebooks; a notebook that is damaged counts with what is left of it."""
        found: set[str] = set()
        for path in self.home.rglob("*.ipynb"):
            inside = path.relative_to(self.home).parts[0] == ".course"
            if not inside or (backups and "backups" in path.parts):
                found |= set(LINE.findall(path.read_text(errors="replace")))
        return found

    def backups(self) -> dict[Path, bytes]:
        return {
            path: path.read_bytes()
            for path in (self.home / ".course" / "backups").rglob("*")
            if path.is_file()
        }

    def readable(self) -> set[Path]:
        paths = [path for path in self.home.rglob("*.ipynb") if ".course" not in path.parts]
        return {path for path in paths if _parses(path)}

    def guarded(self, action: Action, fault: tuple[int, Literal["killed", "full"]] | None = None) -> None:
        """Do something with the course's tools, perhaps on a failing disk; nothing may be lost."""
        before, everything = self.lines(backups=False), self.lines(backups=True)
        old_backups, readable = self.backups(), self.readable()
        try:
            if fault is None:
                action(self.workspace)
            else:
                workspace = self.workspace
                with faulty_disk(*fault):
                    action(workspace)
        except (WorkspaceError, Killed):
            pass
        assert everything <= self.lines(backups=True)
        assert readable <= self.readable()
        now = self.backups()
        assert all(now.get(path) == content for path, content in old_backups.items())
        if action is update:
            assert before <= self.lines(backups=False)

    # ---- what can happen --------------------------------------------------------------------------------

    def learner_edits(self) -> None:
        self.learner.edit(self.notebook)

    def course_changes(self) -> None:
        self.author.revise()
        self.publish()

    def update(self) -> None:
        self.guarded(update)

    def update_on_a_failing_disk(self) -> None:
        self.guarded(update, (self.chance.randint(0, 25), self.chance.choice(["killed", "full"])))

    def reset_exercise(self) -> None:
        self.guarded(reset(self.chance.choice(["E1", "E2", "E3", "E9"])))

    def reset_exercise_on_a_failing_disk(self) -> None:
        key = self.chance.choice(["E1", "E2", "E3"])
        self.guarded(reset(key), (self.chance.randint(0, 12), self.chance.choice(["killed", "full"])))

    def reset_lab(self) -> None:
        self.guarded(reset(None))

    def reset_lab_on_a_failing_disk(self) -> None:
        self.guarded(reset(None), (self.chance.randint(0, 20), self.chance.choice(["killed", "full"])))

    def create(self) -> None:
        self.guarded(create)

    def rename(self) -> None:
        if self.notebook.exists():
            self.notebook.rename(self.notebook.with_name(f"exercises (copy {next(self.copies)}).ipynb"))

    def damage(self) -> None:
        if self.notebook.exists():
            content = self.notebook.read_bytes()
            self.notebook.write_bytes(content[: self.chance.randrange(len(content) + 1)])

    def lose_bases(self) -> None:
        for path in (self.home / ".course" / "base").rglob("*.ipynb"):
            path.unlink()

    def restore_a_backup(self) -> None:
        """The learner copies an old backup over the notebook, which is kept under another name."""
        backups = [path for path in self.backups() if "exercises" in path.name]
        if backups:
            self.rename()
            self.notebook.parent.mkdir(parents=True, exist_ok=True)
            self.notebook.write_bytes(self.chance.choice(backups).read_bytes())


def update(workspace: Workspace) -> None:
    workspace.update()


def create(workspace: Workspace) -> None:
    workspace.create()


def reset(exercise: str | None) -> Action:
    return lambda workspace: workspace.reset(workspace.course.lab(LAB), exercise)


STEPS = [
    *[World.learner_edits] * 5,
    *[World.course_changes] * 2,
    *[World.update] * 2,
    World.update_on_a_failing_disk,
    World.reset_exercise,
    World.reset_exercise_on_a_failing_disk,
    World.reset_lab,
    World.reset_lab_on_a_failing_disk,
    World.create,
    World.rename,
    World.damage,
    World.lose_bases,
    World.restore_a_backup,
]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=14))
def test_no_sequence_of_edits_updates_resets_crashes_and_full_disks_loses_a_line(
    seed: int, steps: list[Callable[[World], None]]
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), seed)
        for step in steps:
            step(world)


def test_update_against_200_random_edit_histories_keeps_every_line_in_the_notebook(tmp_path: Path) -> None:
    kept = 0
    for seed in range(200):
        world = World(tmp_path / str(seed), seed)
        for _ in range(world.chance.randint(1, 4)):
            for _ in range(world.chance.randint(1, 3)):
                world.learner_edits()
            if world.chance.random() < 0.9:
                world.course_changes()
            written = set(LINE.findall(world.notebook.read_text()))
            world.workspace.update()
            after = set(LINE.findall(world.notebook.read_text()))
            assert written <= after, f"history {seed} lost {written - after}"
            kept += len(written)
            again = world.workspace.update()
            assert {change.action for change in again} == {"current"}, f"history {seed} is not settled"
    assert kept > 1000  # the histories did write


@pytest.mark.parametrize("fault", ["killed", "full"])
def test_an_update_that_fails_at_any_single_operation_can_be_run_again(
    tmp_path: Path, fault: Literal["killed", "full"]
) -> None:
    for fail_at in range(60):
        world = World(tmp_path / str(fail_at), 3)
        for _ in range(4):
            world.learner_edits()
        world.course_changes()
        written = set(LINE.findall(world.notebook.read_text()))
        assert written
        try:
            with faulty_disk(fail_at, fault):
                world.workspace.update()
            break  # the update needs fewer operations than this
        except (WorkspaceError, Killed):
            pass
        assert written <= set(LINE.findall(world.notebook.read_text()))
        world.workspace.update()
        assert written <= set(LINE.findall(world.notebook.read_text()))
        assert {change.action for change in world.workspace.update()} == {"current"}
        assert not list(world.home.rglob("*.course-tmp"))
    else:
        pytest.fail("the update never got through")
    assert fail_at > 8  # faults were really met


def _parses(path: Path) -> bool:
    try:
        load(path)
    except ValueError:
        return False
    return True
