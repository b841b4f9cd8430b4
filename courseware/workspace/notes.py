"""The short notes that an update leaves beside a learner's cell when the course changed the same place."""

import hashlib
import re

from courseware.workspace.notebook import Json, text_of

# Under a name of its own: a note belongs to the workspace and is no cell of the course.
MARK = "course_update"

_KEPT = "> ↑ **The course changed this cell.** Your version of it is kept below, exactly as you left it."


def stub_note(stub: Json, *, answered: bool) -> Json:
    """A Markdown cell that shows the new starting point; `answered`: the learner's answer follows it."""
    code = text_of(stub)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
    lead = "> **The course changed the starting point of this exercise.** "
    rest = "Your answer below is untouched; this is the new start:" if answered else "This is the new start:"
    return _note(stub, "stub", f"{lead}{rest}\n\n{fence}python\n{code}\n{fence}")


def kept_note(new: Json) -> Json:
    """A Markdown cell that stands between the course's new text and the learner's version of the old one."""
    return _note(new, "kept", _KEPT, about=text_of(new))


def is_note_like(cell: Json, note: Json) -> bool:
    """Whether the cell already says what `note` says, for the same cell of the course."""
    return bool(_mark(cell) == note["metadata"][MARK])


def is_older_note(cell: Json, note: Json) -> bool:
    """Whether the cell is an earlier, unedited note of the same kind about the same cell of the course."""
    mark, wanted = _mark(cell), note["metadata"][MARK]
    return (
        mark is not None
        and mark.get("digest") == digest(text_of(cell))
        and (mark.get("kind"), mark.get("about")) == (wanted["kind"], wanted["about"])
        and mark.get("version") != wanted["version"]
    )


def is_note_about(cell: Json, names: set[str]) -> bool:
    """Whether the cell is a note, edited or not, about one of these cells of the course."""
    mark = _mark(cell)
    return mark is not None and mark.get("about") in names


def digest(text: str) -> str:
    """A short fingerprint of a text."""
    return hashlib.sha256(text.rstrip().encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _mark(cell: Json) -> Json | None:
    mark = cell.get("metadata", {}).get(MARK)
    return mark if isinstance(mark, dict) else None


def _note(course_cell: Json, kind: str, text: str, about: str | None = None) -> Json:
    name = str(course_cell.get("id", "cell"))
    version = digest(text if about is None else about)
    mark = {"kind": kind, "about": name, "version": version, "digest": digest(text)}
    return {
        "cell_type": "markdown",
        "id": f"{kind}-{name[:40]}-{version}",
        "metadata": {MARK: mark},
        "source": text.splitlines(keepends=True),
    }
