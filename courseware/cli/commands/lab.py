"""Open the course in JupyterLab, in your own workspace: `work`, or the folder that COURSE_HOME names."""

import argparse

from courseware.cli.place import Place

EXAMPLES = """\
  course lab
  course lab --port 9000 --no-browser
  COURSE_HOME=~/pytorch course lab"""


def arguments(parser: argparse.ArgumentParser) -> None:
    from courseware.jupyter.server import FIRST_PORT

    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port to try (%(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(options: argparse.Namespace) -> int:
    from courseware.jupyter import open_course

    place = Place.here()
    place.workspace.create()
    if any(change.action == "updated" for change in place.workspace.update(dry_run=True)):
        print("The course has new text for your notebooks: `course update` brings it and keeps your work.")
    browser = False if options.no_browser else None
    return open_course(place.home, port=options.port, open_browser=browser)
