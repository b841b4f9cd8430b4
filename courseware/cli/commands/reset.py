"""Put one exercise, or both notebooks of a lab, back to how the course gave them.

What stands there now goes to a backup that is never overwritten. Your points stay.
"""

import argparse
import sys

from courseware.cli.place import Place, shown
from courseware.cli.program import UsageError

EXAMPLES = """\
  course reset 1.1 E3      start exercise E3 over
  course reset 1.1         start the whole lab over (asks first)
  course reset 1.1 --yes   without asking"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB", help="number or folder")
    parser.add_argument(
        "exercise", metavar="EXERCISE", nargs="?", help="key, such as E3; without: the whole lab"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a whole lab is put back")


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    folder = place.course.lab(options.lab)
    key = place.exercise(folder, options.exercise) if options.exercise else None
    if key is None and not options.yes and not _agreed(folder.number):
        print("Nothing was changed.")
        return 1
    for change in place.workspace.reset(folder, key):
        done = {"created": "made", "reset": f"{key} put back in" if key else "put back"}[change.action]
        print(f"{done}: {shown(change.path)}")
        if change.backup:
            print(f"  what was there is kept in {shown(change.backup)}")
    print("If it is open in JupyterLab: File → Reload Notebook from Disk.")
    return 0


def _agreed(number: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"`course reset {number}` puts back both notebooks of the lab; add --yes if you mean it"
        )
    question = f"Put back theory and exercises of lab {number}? What is there now is kept in a backup. [y/N] "
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
