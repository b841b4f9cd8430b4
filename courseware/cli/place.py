"""Where a command works: the course around us, and the learner's home."""

from dataclasses import dataclass
from pathlib import Path

from courseware.progress import Progress
from courseware.source import Course, LabFolder
from courseware.workspace import Workspace, find_home, known_exercise


@dataclass(frozen=True)
class Place:
    course: Course
    home: Path

    @classmethod
    def here(cls) -> "Place":
        course = Course.find()
        return cls(course, find_home(course))

    @property
    def progress(self) -> Progress:
        return Progress(self.home)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.course, self.home)

    def exercise(self, lab: LabFolder, typed: str) -> str:
        """The exercise's key; an error with a suggestion if the lab has none by this name."""
        return known_exercise(typed, [info.key for info in lab.exercises], lab.number)


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
