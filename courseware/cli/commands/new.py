"""Make a new lab to start from.

It is small and complete: it builds and passes the contract's tests. Replace it piece by piece.
"""

import argparse

from courseware.cli.place import Place, shown

EXAMPLES = """\
  course new phase1_foundations/lab7_graphs
  course new phase1_foundations/lab7_graphs --title "Graphs and Messages\""""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="PHASE/LAB", help="the new folder, with numbers: phase1_x/lab7_y")
    parser.add_argument("--title", help="the lab's title; by default the folder's words")


def run(options: argparse.Namespace) -> int:
    from courseware.scaffold import new_lab

    lab = new_lab(Place.here().course, options.key, title=options.title)
    print(f"made: {shown(lab.path)}")
    print("Write solution.py, theory.md, checks.py and misconceptions.py; docs/authoring.md shows how. Then:")
    print(f"  course build {lab.number} --execute")
    print(f"  course validate {lab.number}")
    return 0
