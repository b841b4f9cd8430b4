"""The learner's own copies: made once, brought up to date without losing work, restored on request."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from courseware.source import Course, LabFolder
from courseware.workspace.choose import known_exercise
from courseware.workspace.documents import (
    Document,
    documents,
    lab_documents,
    stamp_of,
    version_of,
)
from courseware.workspace.files import (
    ChangedMeanwhile,
    WorkspaceError,
    back_up,
    locked,
    read_with_stamp,
    write_atomic,
)
from courseware.workspace.merge import merge
from courseware.workspace.notebook import DamagedNotebook, Json, dumps, loads
from courseware.workspace.restore import exercises_in, restore_exercise

Action = Literal["created", "updated", "current", "damaged", "reset"]
_TRIES = 5


@dataclass(frozen=True)
class Change:
    """What was done to one file of the workspace, or would be; `details` says it in words."""

    path: Path
    action: Action
    details: tuple[str, ...] = ()
    backup: Path | None = None


class Workspace:
    """A learner's folder for one course. Every method raises WorkspaceError with one line for the learner."""

    def __init__(self, course: Course, home: Path) -> None:
        self.course = course
        self.home = home.expanduser().resolve()
        self._state = self.home / ".course"
        if any(self.home / lab.key == lab.path for lab in course.labs):
            raise WorkspaceError(
                f"the workspace cannot be the course's own folder {self.home}: set COURSE_HOME to another one"
            )

    def notebook(self, lab: LabFolder, name: Literal["theory", "exercises"]) -> Path:
        """The learner's copy of a lab's notebook."""
        return self.home / lab.key / f"{name}.ipynb"

    def create(self) -> list[Change]:
        """Make what is missing; what is there is not even opened."""
        with self._explained(), locked(self._state):
            changes = [
                self._create(doc) for doc in documents(self.course) if not (self.home / doc.file).exists()
            ]
            return changes + self._copy_data()

    def update(self, *, dry_run: bool = False) -> list[Change]:
        """Bring the newest course text and keep every cell of the learner's; `dry_run` writes nothing."""
        if dry_run:
            with self._explained():
                return [self._update(doc, dry_run=True) for doc in documents(self.course)]
        with self._explained(), locked(self._state):
            return [self._update(doc) for doc in documents(self.course)] + self._copy_data()

    def reset(self, lab: LabFolder, exercise: str | None = None) -> list[Change]:
        """Put back one exercise, or both notebooks of the lab; what was there is kept in a backup."""
        with self._explained(), locked(self._state):
            docs = list(lab_documents(lab))
            if exercise is None:
                return [self._replace(doc) for doc in docs]
            doc = next((doc for doc in docs if doc.name.endswith("/exercises")), None)
            if doc is None:
                raise WorkspaceError(f"lab {lab.number} has no exercises yet")
            return [self._restore(doc, known_exercise(exercise, exercises_in(doc.new), lab.number))]

    # ---- one notebook ---------------------------------------------------------------------------------

    def _create(self, doc: Document) -> Change:
        self._save(doc, doc.fresh(), expect=None)
        return Change(self.home / doc.file, "created")

    def _update(self, doc: Document, *, dry_run: bool = False) -> Change:
        path = self.home / doc.file
        for _ in range(_TRIES):
            content, stamp = read_with_stamp(path)
            if stamp is None:
                return Change(path, "created") if dry_run else self._create(doc)
            try:
                mine = loads(content)
            except DamagedNotebook as error:
                backup = None if dry_run else self._back_up(doc, content)
                return Change(path, "damaged", (str(error),), backup)
            merged = merge(self._base(doc, mine), mine, doc.new)
            notebook = doc.stamped(merged.notebook)
            if notebook == mine:
                return Change(path, "current")
            if dry_run:
                return Change(path, "updated", merged.changes)
            backup = self._back_up(doc, content)
            try:
                self._save(doc, notebook, expect=stamp)
            except ChangedMeanwhile:
                continue  # saved while we worked: begin again with what stands there now
            return Change(path, "updated", merged.changes, backup)
        raise self._busy(path)

    def _replace(self, doc: Document) -> Change:
        path = self.home / doc.file
        for _ in range(_TRIES):
            content, stamp = read_with_stamp(path)
            backup = self._back_up(doc, content) if stamp is not None else None
            try:
                self._save(doc, doc.fresh(), expect=stamp)
            except ChangedMeanwhile:
                continue
            return Change(path, "created" if stamp is None else "reset", backup=backup)
        raise self._busy(path)

    def _restore(self, doc: Document, exercise: str) -> Change:
        path = self.home / doc.file
        for _ in range(_TRIES):
            content, stamp = read_with_stamp(path)
            if stamp is None:
                return self._create(doc)
            try:
                mine = loads(content)
            except DamagedNotebook as error:
                number = doc.lab.number if doc.lab else ""
                raise WorkspaceError(
                    f"{path} cannot be read as a notebook ({error}), so one exercise cannot be put back; "
                    f"`course reset {number}` replaces the whole notebook and keeps a copy of this one"
                ) from error
            # As it was given, not as it is today: the rest of the notebook comes from there too.
            given = self._base(doc, mine) or doc.new
            if exercise not in exercises_in(given):
                raise WorkspaceError(f"your notebook has no {exercise} yet; `course update` brings it")
            backup = self._back_up(doc, content)
            try:
                self._write(doc, restore_exercise(mine, given, exercise), expect=stamp)
            except ChangedMeanwhile:
                continue
            return Change(path, "reset", (exercise,), backup)
        raise self._busy(path)

    # ---- files ----------------------------------------------------------------------------------------

    def _save(self, doc: Document, notebook: Json, *, expect: tuple[int, ...] | None) -> None:
        # The base comes first: a notebook never names a version that is not there.
        base = self._base_path(doc, doc.version)
        if _read_base(base) is None:
            write_atomic(base, dumps(doc.base), expect=read_with_stamp(base)[1])
        self._write(doc, notebook, expect=expect)

    def _write(self, doc: Document, notebook: Json, *, expect: tuple[int, ...] | None) -> None:
        write_atomic(self.home / doc.file, dumps(notebook), expect=expect)

    def _back_up(self, doc: Document, content: bytes) -> Path:
        name = Path(doc.file)
        return back_up(content, self._state / "backups" / name.parent, name.stem, name.suffix)

    def _base_path(self, doc: Document, version: str) -> Path:
        return self._state / "base" / f"{doc.name}.{version}.ipynb"

    def _base(self, doc: Document, mine: Json) -> Json | None:
        """The course's version that `mine` comes from; if it does not say, the newest that was given."""
        stamp = stamp_of(mine)
        named = [self._base_path(doc, stamp)] if stamp and stamp.isalnum() else []
        folder = self._base_path(doc, "").parent
        given = sorted(folder.glob(f"{Path(doc.name).name}.*.ipynb"), key=_age, reverse=True)
        for path in [*named, *given]:
            base = _read_base(path)
            if base is not None:
                return base
        return None

    def _copy_data(self) -> list[Change]:
        """Files in a lab's `data` folder, each copied once: a course that changes one gives it a new name."""
        changes = []
        for lab in self.course.labs:
            for source in sorted((lab.path / "data").rglob("*")):
                target = self.home / lab.key / source.relative_to(lab.path)
                if source.is_file() and not target.exists():
                    write_atomic(target, source.read_bytes(), expect=None)
                    shutil.copymode(source, target)
                    changes.append(Change(target, "created"))
        return changes

    def _busy(self, path: Path) -> WorkspaceError:
        return WorkspaceError(
            f"{path} is being saved again and again; close it in JupyterLab, then try again"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename or self.home
            raise WorkspaceError(
                f"{place}: {error.strerror or error}; nothing of yours is lost: "
                "make room or make the folder writable, then run the command again"
            ) from error


def _read_base(path: Path) -> Json | None:
    try:
        base = loads(path.read_bytes())
    except (OSError, DamagedNotebook):
        return None
    return base if version_of(base) == path.name.split(".")[-2] else None


def _age(path: Path) -> float:
    return path.stat().st_mtime
