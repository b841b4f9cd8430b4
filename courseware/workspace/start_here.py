"""Makes START_HERE.ipynb, the learner's first page, from START_HERE.md."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from urllib.parse import quote

from courseware.build.cells import render
from courseware.build.notebook import Json, notebook
from courseware.progress.overview import phase_name
from courseware.source import Course, LabFolder, read_theory

# The line of START_HERE.md that becomes the list of labs.
PLACE_OF_LABS = "<!-- labs -->"


def start_here(course: Course) -> Json:
    """The page as a notebook, with a link to both notebooks of every lab that exists."""
    source = read_theory(course.root / "START_HERE.md")
    labs = "\n".join(_lab_lines(course))
    cells = tuple(replace(cell, text=cell.text.replace(PLACE_OF_LABS, labs)) for cell in source.cells)
    return notebook(render(replace(source, cells=cells), "theory"), "START_HERE", "start", source.path)


def _lab_lines(course: Course) -> Iterator[str]:
    for phase, labs in groupby(course.labs, key=lambda lab: lab.phase):
        yield f"**{phase_name(phase)}**\n"
        yield from map(_lab_line, labs)
        yield ""


def _lab_line(lab: LabFolder) -> str:
    # Relative links: JupyterLab opens them in place, and they stay right when the workspace moves.
    links = [
        f"[{name}]({quote(lab.key)}/{name}.ipynb)"
        for name in ("theory", "exercises")
        if (lab.path / f"{name}.ipynb").is_file()
    ]
    return f"- {lab.number} {lab.title}: {' · '.join(links) or 'in the making'}"
