"""Reads a learner's notebook without changing it."""

from pathlib import Path

from courseware.workspace.files import WorkspaceError
from courseware.workspace.notebook import DamagedNotebook, Json, exercise_of, is_answer, loads, text_of


def read_notebook(path: Path) -> Json:
    """The learner's notebook; WorkspaceError with one line if it is missing or damaged."""
    try:
        return loads(path.read_bytes())
    except FileNotFoundError:
        raise WorkspaceError(f"{path} is not there; `course update` makes it") from None
    except DamagedNotebook as error:
        raise WorkspaceError(
            f"{path} cannot be read as a notebook ({error}); "
            "mend it, or rename it and run `course update` for a fresh one"
        ) from error
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read ({error.strerror})") from error


def answer_in(path: Path, exercise: str) -> str:
    """What stands in the exercise's answer cells; empty if there are none."""
    cells = read_notebook(path)["cells"]
    marked = [text_of(cell) for cell in cells if is_answer(cell) and exercise_of(cell) == exercise]
    # A tool that strips metadata leaves the id, which for an answer is the exercise's key.
    return "\n\n".join(marked or [text_of(cell) for cell in cells if cell.get("id") == exercise])
