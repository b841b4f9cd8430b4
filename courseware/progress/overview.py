"""The whole course with one learner's standing in it: what `course status` and the dashboard show."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from courseware.progress import Progress
from courseware.progress.standing import Standing
from courseware.source import Course, ExerciseInfo, LabFolder

State = Literal["passed", "begun", "open"]


@dataclass(frozen=True)
class ExerciseView:
    """One exercise and where the learner stands in it."""

    info: ExerciseInfo
    standing: Standing

    @property
    def state(self) -> State:
        if self.standing.passed:
            return "passed"
        return "begun" if self.standing.attempts or self.standing.hints else "open"

    @property
    def is_warm_up(self) -> bool:
        return self.info.points == 0


@dataclass(frozen=True)
class LabView:
    """One lab and where the learner stands in it."""

    folder: LabFolder
    exercises: tuple[ExerciseView, ...]
    seconds: float

    @property
    def passed(self) -> int:
        return sum(exercise.standing.passed for exercise in self.exercises)

    @property
    def points(self) -> int:
        """Points earned; never more than an exercise is worth, should its worth have changed."""
        return sum(int(min(one.standing.points, one.info.points)) for one in self.exercises)

    @property
    def minutes(self) -> int:
        """Minutes that the author expects all exercises to take."""
        return sum(exercise.info.minutes for exercise in self.exercises)

    @property
    def begun(self) -> bool:
        return any(exercise.state != "open" for exercise in self.exercises)

    def next(self) -> ExerciseView | None:
        """The first exercise not passed. Who has passed a real exercise is not sent back to a warm-up."""
        beyond_warm_ups = any(one.standing.passed and not one.is_warm_up for one in self.exercises)
        waiting = [one for one in self.exercises if not one.standing.passed]
        return next((one for one in waiting if not (beyond_warm_ups and one.is_warm_up)), None)


@dataclass(frozen=True)
class Overview:
    """All labs of the course in order."""

    labs: tuple[LabView, ...]

    @classmethod
    def of(cls, course: Course, progress: Progress) -> "Overview":
        standings = progress.standings()
        return cls(tuple(_lab_view(folder, standings.get(folder.key, {})) for folder in course.labs))

    @cached_property
    def phases(self) -> dict[str, list[LabView]]:
        phases: dict[str, list[LabView]] = {}
        for lab in self.labs:
            phases.setdefault(lab.folder.phase, []).append(lab)
        return phases

    @property
    def points(self) -> int:
        return sum(lab.points for lab in self.labs)

    @property
    def all_points(self) -> int:
        return sum(lab.folder.points for lab in self.labs)

    @property
    def seconds(self) -> float:
        return sum(lab.seconds for lab in self.labs)

    def next(self) -> tuple[LabView, ExerciseView] | None:
        """Where to go on: the first exercise not passed; None when the course is done."""
        return next(((lab, exercise) for lab in self.labs if (exercise := lab.next())), None)

    def to_dict(self) -> dict[str, Any]:
        """The overview as JSON-ready data."""
        coming = self.next()
        return {
            "points": self.points,
            "max_points": self.all_points,
            "seconds": round(self.seconds),
            "next": {"lab": coming[0].folder.key, "exercise": coming[1].info.key} if coming else None,
            "labs": [_lab_dict(lab) for lab in self.labs],
        }


def phase_name(phase: str) -> str:
    """`phase1_foundations` in words: `Phase 1 · Foundations`."""
    number, _, words = phase.removeprefix("phase").partition("_")
    return f"Phase {number} · {words.replace('_', ' ').capitalize()}"


def _lab_view(folder: LabFolder, standings: dict[str, Standing]) -> LabView:
    exercises = tuple(ExerciseView(info, standings.get(info.key, Standing())) for info in folder.exercises)
    # An exercise that the course has dropped still took time.
    return LabView(folder, exercises, sum(standing.seconds for standing in standings.values()))


def _lab_dict(lab: LabView) -> dict[str, Any]:
    return {
        "lab": lab.folder.key,
        "number": lab.folder.number,
        "title": lab.folder.title,
        "points": lab.points,
        "max_points": lab.folder.points,
        "minutes": lab.minutes,
        "seconds": round(lab.seconds),
        "exercises": [
            {
                "key": one.info.key,
                "title": one.info.title,
                "state": one.state,
                "max_points": one.info.points,
                "minutes": one.info.minutes,
                **asdict(one.standing),
                "seconds": round(one.standing.seconds),
            }
            for one in lab.exercises
        ],
    }
