"""Finds the command, reads its arguments, runs it, and turns errors of the user into one line.

A command's module is imported only when it is called: `course --help` must answer at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

LEARNER = {
    "lab": "open the course in JupyterLab",
    "status": "show your progress: labs, exercises, points and time",
    "next": "say where to go on",
    "check": "check the answers in your notebook",
    "hint": "give the next hint for an exercise",
    "solution": "show an answer beside yours, once you have tried",
    "reset": "put an exercise or a lab back; your answers go to a backup",
    "update": "bring new course text into your notebooks and keep your work",
    "doctor": "say what this machine is like and what is wrong",
}
AUTHOR = {
    "new": "make a new lab to start from",
    "build": "build the notebooks from their sources",
    "validate": "hold labs to the contract and run their notebooks",
}
COMMANDS = LEARNER | AUTHOR

EXAMPLES = """\
examples:
  course status             your progress in every lab
  course check 1.1 E2       check exercise E2 of lab 1.1
  course reset 1.1 E2       start it over; your answer goes to a backup

A lab goes by its number (1.1) or its folder (phase1_foundations/lab1_tensors).
`course COMMAND --help` tells more about a command."""

# Errors that are the user's to mend, by the room that raises them; a room that is not loaded has raised none.
USER_ERRORS = {
    "courseware.source": ("SourceError", "UnknownLab"),
    "courseware.workspace": ("WorkspaceError",),
    "courseware.progress": ("ProgressError",),
    "courseware.scaffold": ("ScaffoldError",),
    "courseware.run.result": ("RunnerError",),
    "courseware.jupyter": ("LabProblem",),
}


class UsageError(Exception):
    """One line for the user: what was expected, what came, what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0 all is well, 1 something failed, 2 the user has something to mend."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without █ still shows the numbers
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `course status | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not isinstance(error, _user_errors()):
            raise
        print(f"course: {error}", file=sys.stderr)
        return 2


def overview() -> str:
    """What `course --help` prints."""
    lines = ["usage: course COMMAND [ARGUMENTS]", "", "for learners:"]
    lines += [f"  {name:<10} {purpose}" for name, purpose in LEARNER.items()]
    lines += ["", "for authors:"]
    lines += [f"  {name:<10} {purpose}" for name, purpose in AUTHOR.items()]
    return "\n".join([*lines, "", EXAMPLES])


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        raise UsageError(
            f"no command {name!r}; " + (f"did you mean {close[0]}?" if close else "see course --help")
        )
    command = import_module(f"courseware.cli.commands.{name}")
    try:
        options = _parser(name, command).parse_args(rest)
    except SystemExit as ending:  # argparse has printed the help or its one line
        return int(ending.code or 0)
    result: int = command.run(options)
    return result


def _parser(name: str, command: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"course {name}",
        description=command.__doc__,
        epilog=f"examples:\n{command.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    return parser


def _user_errors() -> tuple[type[Exception], ...]:
    loaded = ((sys.modules[room], names) for room, names in USER_ERRORS.items() if room in sys.modules)
    return (UsageError, *(getattr(room, name) for room, names in loaded for name in names))
