"""Check the answers that stand in your notebook, without opening it. Your progress is recorded.

The notebook's cells run in a process of their own; the notebook itself is not changed.
"""

import argparse

from courseware.cli.place import Place

EXAMPLES = """\
  course check 1.1               every exercise of the lab
  course check 1.1 E2            one exercise
  course check 1.1 --timeout 60  stop after a minute"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB", help="number or folder")
    parser.add_argument(
        "exercise", metavar="EXERCISE", nargs="?", help="key, such as E1; without: all of them"
    )
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="SECONDS", help="limit for the run (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    place = Place.here()
    folder = place.course.lab(options.lab)
    key = place.exercise(folder, options.exercise) if options.exercise else None
    from courseware.cli.checking import Checking  # only here: running notebooks takes a second to import

    checking = Checking(
        place.workspace.notebook(folder, "exercises"),
        key,
        home=place.home,
        root=place.course.root,
        timeout=options.timeout,
    )
    print(f"Running your notebook of lab {folder.number} …\n", flush=True)
    status: dict[str, str] = {}
    for told in checking:
        status[told.key] = told.status
        if told.status != "not attempted" or key:
            print(told.text, end="\n\n", flush=True)
    for problem in checking.problems:
        print(problem)
    wanted = [key] if key else [info.key for info in folder.exercises]
    return _closing(wanted, status, folder.number, explained=bool(checking.problems))


def _closing(wanted: list[str], status: dict[str, str], number: str, *, explained: bool) -> int:
    open_ = [one for one in wanted if status.get(one) == "not attempted"]
    silent = [] if explained else [one for one in wanted if one not in status]
    passed = [one for one in wanted if status.get(one) == "passed"]
    if open_ and len(wanted) > 1:
        print(f"Not attempted yet: {', '.join(open_)}")
    if silent:
        print(
            f"No report from a check of {', '.join(silent)}: its cell is gone from the notebook; "
            f"`course reset {number} {silent[0]}` brings it back and keeps your answer in a backup."
        )
    print(f"{len(passed)} of {len(wanted)} passed")
    return 0 if len(passed) == len(wanted) else 1
