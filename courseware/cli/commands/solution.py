"""Show a reference answer beside yours, once you have tried the exercise. That it was shown is recorded."""

import argparse
from pathlib import Path

from courseware.cli.place import Place, shown
from courseware.workspace.answers import answer_in

EXAMPLES = "  course solution 1.1 E1"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB", help="number or folder")
    parser.add_argument("exercise", metavar="EXERCISE", help="key, such as E1 or W3")


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    folder = place.course.lab(options.lab)
    key = place.exercise(folder, options.exercise)
    standing = place.progress.standing(folder.key).get(key)
    if standing is None or not standing.attempts:
        print(f"Try {key} first: check an answer of your own once, then the reference appears.")
        print(f"Check: course check {folder.number} {key}")
        return 1
    from courseware.source.markers import unmarked

    source = folder.solution()
    reference = unmarked(source.cell("answer", key), source.path)
    notebook = place.workspace.notebook(folder, "exercises")
    place.progress.record(lab=folder.key, exercise=key, event="solution")
    print(_titled(f"Your answer ({shown(notebook)})", _own(notebook, key)))
    print(_titled("One good answer", reference))
    return 0


def _own(notebook: Path, key: str) -> str:
    if not notebook.exists():
        return "# there is no such notebook at the moment"
    return answer_in(notebook, key) or f"# no cell for {key} stands in your notebook at the moment"


def _titled(title: str, code: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{code}\n"
