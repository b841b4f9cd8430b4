"""Give the next of an exercise's three hints: the idea, the formula, nearly the code.

A hint costs nothing.
"""

import argparse

from courseware.cli.place import Place

EXAMPLES = "  course hint 1.1 E1"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB", help="number or folder")
    parser.add_argument("exercise", metavar="EXERCISE", help="key, such as E1 or W3")


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    folder = place.course.lab(options.lab)
    key = place.exercise(folder, options.exercise)
    from courseware.lab import Lab, load_exercises  # only here: the checks import torch

    Lab(folder, load_exercises(folder), place.progress).hint(key)
    return 0
