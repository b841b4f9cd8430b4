"""The dashboard of START_HERE: the same data as `course status`, as HTML and as plain text."""

from collections.abc import Iterator
from html import escape
from urllib.parse import quote

from courseware.progress import Progress
from courseware.progress.overview import ExerciseView, LabView, Overview, phase_name
from courseware.progress.words import MARKS, duration, overview_text, summary, where_next
from courseware.source import Course

# Colours come from the page, so that light and dark both read well; what they say stands in words too.
_TRACK = (
    "display:inline-block;width:9em;height:.7em;border:1px solid currentColor;border-radius:.35em;"
    "overflow:hidden;vertical-align:middle"
)
_CELL = "padding:.25em .9em .25em 0;text-align:left;vertical-align:baseline;white-space:nowrap"
_CHIP = (
    "display:inline-block;margin:.1em .35em .1em 0;padding:0 .45em;border:1px solid currentColor;"
    "border-radius:.7em;white-space:nowrap;font-size:.9em"
)
_STATES = {"passed": "passed", "begun": "begun", "open": "not begun"}


class Dashboard:
    """Shows itself in a notebook, and prints as text elsewhere."""

    def __init__(self, overview: Overview) -> None:
        self.overview = overview

    def __repr__(self) -> str:
        return overview_text(self.overview)

    def _repr_html_(self) -> str:
        return "\n".join(_page(self.overview))


def dashboard() -> Dashboard:
    """The learner's progress in the whole course, as of now."""
    from courseware.workspace import find_home

    course = Course.find()
    return Dashboard(Overview.of(course, Progress(find_home(course))))


def _page(overview: Overview) -> Iterator[str]:
    yield '<div style="max-width:62em;line-height:1.5">'
    yield f"<p><b>Your progress: {escape(summary(overview))}</b><br>{_next_link(overview)}</p>"
    for phase, labs in overview.phases.items():
        yield f'<p style="margin:.8em 0 .2em"><b>{escape(phase_name(phase))}</b></p>'
        yield '<table style="border-collapse:collapse;margin:0"><tbody>'
        for lab in labs:
            yield from _lab_rows(lab)
        yield "</tbody></table>"
    yield "</div>"


def _next_link(overview: Overview) -> str:
    coming = overview.next()
    words = _plain(where_next(overview))
    return f'<a href="{_address(coming[0], "exercises")}">{words}</a>' if coming else words


def _lab_rows(lab: LabView) -> Iterator[str]:
    share = 100 * lab.passed / max(1, len(lab.exercises))
    said = f"{lab.passed} of {len(lab.exercises)} exercises passed"
    meter = (
        f'<span role="img" aria-label="{said}" style="{_TRACK}">'
        f'<span style="display:block;height:100%;width:{share:.0f}%;background:currentColor"></span></span>'
    )
    links = " · ".join(f'<a href="{_address(lab, name)}">{name}</a>' for name in ("theory", "exercises"))
    cells = [
        f"{escape(lab.folder.number)} {escape(lab.folder.title)}",
        f"{meter} {lab.passed}/{len(lab.exercises)}",
        f"{lab.points}/{lab.folder.points} points",
        duration(lab.seconds) if lab.seconds else f"about {duration(60 * lab.minutes)}",
        links,
    ]
    # JupyterLab shades every other row, which would part a lab from its exercises.
    row = '<tr style="background:transparent">'
    yield row + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
    if lab.begun:
        chips = "".join(map(_chip, lab.exercises))
        yield f'{row}<td colspan="{len(cells)}" style="padding:0 0 .4em;text-align:left">{chips}</td></tr>'


def _chip(exercise: ExerciseView) -> str:
    info, standing = exercise.info, exercise.standing
    points = "" if exercise.is_warm_up else f", {int(standing.points)} of {info.points} points"
    words = _plain(f"{info.key} · {info.title}: {_STATES[exercise.state]}{points}")
    faint = "" if exercise.state != "open" else ";opacity:.6"
    mark = MARKS[exercise.state]
    return f'<span title="{words}" aria-label="{words}" style="{_CHIP}{faint}">{info.key} {mark}</span>'


def _plain(text: str) -> str:
    """Escaped, without the backticks of a title: a tooltip and a screen reader would say them."""
    return escape(text.replace("`", ""), quote=True)


def _address(lab: LabView, notebook: str) -> str:
    """Relative to START_HERE, so that JupyterLab opens it in place."""
    return f"{quote(lab.folder.key)}/{notebook}.ipynb"
