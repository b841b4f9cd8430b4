"""Show your progress: phases, labs, exercises, points and time."""

import argparse
import json
import sys
from dataclasses import replace

from courseware.cli.place import Place
from courseware.progress.overview import Overview
from courseware.progress.words import lab_text, overview_text

EXAMPLES = """\
  course status            every lab
  course status 1.1        every exercise of one lab
  course status --json     the same as data"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="?", metavar="LAB", help="one lab with all its exercises")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    overview = Overview.of(place.course, place.progress)
    if options.lab:
        folder = place.course.lab(options.lab)
        overview = replace(overview, labs=tuple(lab for lab in overview.labs if lab.folder.key == folder.key))
    if options.json:
        print(json.dumps(overview.to_dict(), indent=2))
        return 0
    text = lab_text(overview.labs[0]) if options.lab else overview_text(overview)
    if sys.stdout.isatty():
        from rich.console import Console

        from courseware.progress.terminal import print_in_colour

        print_in_colour(text, Console())
    else:
        print(text)
    return 0
