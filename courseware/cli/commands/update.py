"""Bring the newest course text into your notebooks.

Your answers, your notes and the cells that you added stay; a backup is made first. Where you and the course
both changed a text, both versions are kept.
"""

import argparse
import sys

from courseware.cli.place import Place, shown
from courseware.workspace import Change

EXAMPLES = """\
  course update --dry-run  only say what would change
  course update"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")


def run(options: argparse.Namespace) -> int:
    changes = Place.here().workspace.update(dry_run=options.dry_run)
    moved = [change for change in changes if change.action in ("created", "updated")]
    for change in moved:
        _print_change(change, dry_run=options.dry_run)
    damaged = [change for change in changes if change.action == "damaged"]
    for change in damaged:
        _print_damage(change)
    if not moved and not damaged:
        print("Your notebooks hold the newest course text.")
    if any(change.action == "updated" for change in moved) and not options.dry_run:
        print("Is one of them open in JupyterLab? Choose File → Reload Notebook from Disk before you go on.")
    return 1 if damaged else 0


def _print_change(change: Change, *, dry_run: bool) -> None:
    words = {"created": "would be made", "updated": "would be updated"} if dry_run else {}
    print(f"{words.get(change.action, change.action)}: {shown(change.path)}")
    for detail in change.details:
        print(f"  {detail}")
    if change.backup:
        print(f"  as it was: {shown(change.backup)}")


def _print_damage(change: Change) -> None:
    kept = f", a copy is in {shown(change.backup)}" if change.backup else ""
    print(
        f"course: {shown(change.path)} cannot be read as a notebook ({'; '.join(change.details)}); "
        f"it was left alone{kept}. For a fresh one, rename it and run `course update` again",
        file=sys.stderr,
    )
