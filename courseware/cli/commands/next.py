"""Say where to go on: the first exercise that has not passed, and the notebook to open."""

import argparse

from courseware.cli.place import Place, shown
from courseware.progress.overview import Overview
from courseware.progress.words import where_next

EXAMPLES = "  course next"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    overview = Overview.of(place.course, place.progress)
    print(where_next(overview))
    coming = overview.next()
    if coming is None:
        return 0
    lab, exercise = coming
    theory = place.workspace.notebook(lab.folder, "theory")
    exercises = place.workspace.notebook(lab.folder, "exercises")
    if not lab.begun:
        print(f"Read:  {shown(theory)}")
    print(f"Open:  {shown(exercises)}")
    if not exercises.exists():
        print("       (not there yet: `course lab` makes it and opens JupyterLab)")
    print(f"Check: course check {lab.folder.number} {exercise.info.key}")
    return 0
