"""Build the notebooks of labs from solution.py and theory.md.

Outputs are kept while the code stays the same.
"""

import argparse
import sys

from courseware.cli.place import Place, shown

EXAMPLES = """\
  course build                  every lab
  course build 1.1 --execute    one lab, and run its theory and solution
  course build --check          write nothing; fail if a notebook is out of date"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labs", metavar="LAB", nargs="*", help="labs to build; all by default")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is out of date")
    mode.add_argument("--execute", action="store_true", help="run theory and solution and keep their outputs")


def run(options: argparse.Namespace) -> int:
    from courseware.build import build_course

    summary = build_course(Place.here().course, options.labs, check=options.check, execute=options.execute)
    for built in summary.notebooks:
        if built.state != "unchanged":
            print(f"{built.state}: {shown(built.path)}")
    for problem in summary.problems:
        print(problem, file=sys.stderr)
    if summary.ok and all(built.state == "unchanged" for built in summary.notebooks):
        print(f"{len(summary.notebooks)} notebooks, all up to date with their sources")
    if summary.stale:
        print("out of date with their sources: run `course build`", file=sys.stderr)
    return 0 if summary.ok else 1
