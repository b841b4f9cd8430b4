"""What `make` asks of the set-up: the environment, with or without extras, or a new lock."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from courseware.setup.environment import Environment
from courseware.setup.locking import write_lock
from courseware.setup.problem import SetupProblem

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bootstrap.py", description="Make the course's Python environment.")
    parser.add_argument(
        "--with", dest="extras", action="append", default=[], metavar="EXTRA", help="add this extra"
    )
    parser.add_argument(
        "--lock", action="store_true", help="write requirements.lock anew, from the newest versions"
    )
    options = parser.parse_args(arguments)
    try:
        if options.lock:
            write_lock(ROOT)
        else:
            Environment(ROOT).ensure(options.extras)
    except SetupProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; what is half made is redone the next time.", file=sys.stderr)
        return 130
    return 0
