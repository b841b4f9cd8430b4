"""The first step on a fresh machine: finds a supported Python and lets it make the environment.

    python3 courseware/bootstrap.py [--with EXTRA] [--lock]

Every Python can read this file, so that an old one gets as far as the sentence that refuses it.
Nothing outside the standard library is imported before the environment stands.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)
RANGE = "%d.%d to %d.%d" % (OLDEST + NEWEST)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def is_supported(version):
    # type: (tuple[int, int]) -> bool
    return OLDEST <= version <= NEWEST


def find_supported_python():
    # type: () -> str | None
    """The path of a supported interpreter on PATH that really starts, the newest first; None without one."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            candidate = os.path.join(folder, "python3.%d" % minor)
            if os.path.isfile(candidate) and answers_as(candidate, minor):
                return candidate
    return None


def answers_as(python, minor):
    # type: (str, int) -> bool
    """Whether this interpreter starts and has the version of its name (a version manager's shim may not)."""
    question = "import sys; sys.exit(sys.version_info[:2] != (3, %d))" % minor
    try:
        with open(os.devnull, "w") as nothing:
            return subprocess.call([python, "-c", question], stdout=nothing, stderr=nothing) == 0
    except OSError:
        return False


def main(arguments):
    # type: (list[str]) -> int
    if is_supported(sys.version_info[:2]):
        sys.path.insert(0, ROOT)
        from courseware.setup.commands import main as set_up

        return set_up(arguments)
    # An interpreter that somebody chose is not silently replaced by another.
    other = None if os.environ.get("PYTHON") else find_supported_python()
    if other:
        return subprocess.call([other, os.path.abspath(__file__)] + arguments)
    sys.stderr.write(
        "This course needs Python %s, and %s is Python %d.%d. Install one of these and name it, for example: "
        "make lab PYTHON=python3.12\n"
        % (RANGE, sys.executable or "this one", sys.version_info[0], sys.version_info[1])
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
