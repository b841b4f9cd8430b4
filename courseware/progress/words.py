"""Progress in characters: bars, times, and the whole overview as plain text."""

from collections.abc import Iterator

from courseware.progress.overview import ExerciseView, LabView, Overview, phase_name

BAR_WIDTH = 10
MARKS = {"passed": "✓", "begun": "…", "open": "·"}


def bar(done: float, of: float, width: int = BAR_WIDTH) -> str:
    """`███████░░░`; full only when everything is done, empty only when nothing is."""
    if of <= 0 or done <= 0:
        return "░" * width
    filled = width if done >= of else min(max(1, int(width * done / of)), width - 1)
    return "█" * filled + "░" * (width - filled)


def duration(seconds: float) -> str:
    """`1 h 20 min`; nothing that lasted at all is shown as zero."""
    minutes = max(1, round(seconds / 60)) if seconds > 0 else 0
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def summary(overview: Overview) -> str:
    """One line on the whole course."""
    worked = f", {duration(overview.seconds)} worked" if overview.seconds else ""
    return f"{overview.points} of {overview.all_points} points{worked}"


def where_next(overview: Overview) -> str:
    """One line on where to go on."""
    coming = overview.next()
    if coming is None:
        return "Every exercise is passed. Congratulations!" if overview.labs else "There are no labs yet."
    lab, exercise = coming
    begin = "Begin" if not lab.begun else "Next"
    about = f"about {exercise.info.minutes} minutes"
    return f"{begin}: lab {lab.folder.number}, {exercise.info.key} · {exercise.info.title} ({about})"


def overview_text(overview: Overview) -> str:
    """The overview as plain text; complete without colour."""
    return "\n".join([f"Your progress: {summary(overview)}", *_phases(overview), "", where_next(overview)])


def lab_text(lab: LabView) -> str:
    """One lab, a line for each exercise."""
    return "\n".join([lab_line(lab), *map(exercise_line, lab.exercises)])


def lab_line(lab: LabView, width: int = 0) -> str:
    """One lab in one line."""
    name = f"{lab.folder.number} {lab.folder.title}"
    passed = f"{bar(lab.passed, len(lab.exercises))} {lab.passed:>2}/{len(lab.exercises):<2}"
    worked = f"  {duration(lab.seconds)}" if lab.seconds else ""
    return f"{name:<{width}}  {passed}  {lab.points:>3}/{lab.folder.points} points{worked}"


def exercise_line(exercise: ExerciseView) -> str:
    """One exercise in one line: passed ✓, begun …, open ·."""
    info, standing = exercise.info, exercise.standing
    points = "      " if exercise.is_warm_up else f"{int(standing.points):>2}/{info.points:<3}"
    facts = [
        f"{standing.attempts} attempt{'s' * (standing.attempts != 1)}" if standing.attempts else "",
        f"{standing.hints} hint{'s' * (standing.hints != 1)}" if standing.hints else "",
        "solution shown" if standing.solution_shown else "",
        duration(standing.seconds) if standing.seconds else f"about {info.minutes} min",
    ]
    words = ", ".join(fact for fact in facts if fact)
    return f"    {MARKS[exercise.state]} {info.key}  {points} {info.title}  ({words})"


def _phases(overview: Overview) -> Iterator[str]:
    width = max((len(f"{lab.folder.number} {lab.folder.title}") for lab in overview.labs), default=0)
    for phase, labs in overview.phases.items():
        yield f"\n{phase_name(phase)}"
        for lab in labs:
            yield f"  {lab_line(lab, width)}"
            if lab.begun:
                marks = (f"{one.info.key} {MARKS[one.state]}" for one in lab.exercises)
                yield f"      {'  '.join(marks)}"
