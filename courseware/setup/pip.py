"""Runs pip calmly: a few lines of progress, the whole log in a file, and a failure in one sentence."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from courseware.setup.problem import SetupProblem

_NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Max retries exceeded|Temporary failure in name resolution|"
    r"Name or service not known|nodename nor servname|Network is unreachable|"
    r"Connection (?:refused|reset|aborted|broken)|timed? ?out|ProxyError|IncompleteRead|"
    r"CERTIFICATE_VERIFY_FAILED",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|not enough space on the disk", re.IGNORECASE
)
_OF_A_DOWNLOAD = ("Exception", "No matching", "Could not")
_ERROR = re.compile(r"^ERROR: (.+)", re.MULTILINE | re.IGNORECASE)


class PipProblem(SetupProblem):
    """pip stopped. `changed` says whether it had begun to change installed packages."""

    def __init__(self, reason: str, *, changed: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.changed = changed


def install(
    python: Path, arguments: Sequence[str], *, cwd: Path, log: Path, before_change: Callable[[], None]
) -> None:
    """`pip install`, its output in `log`; `before_change` is called just before packages change."""
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--no-color",
        "--progress-bar",
        "off",
        *arguments,
    ]
    changed = False
    progress = Progress()
    with log.open("a", encoding="utf-8") as sink:
        sink.write(f"\n$ {' '.join(command)}\n")
        sink.flush()
        start = log.stat().st_size
        with subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            for line in _lines(process):
                sink.write(line)
                if line.startswith("Installing collected packages"):
                    before_change()
                    changed = True
                progress.show(line)
    progress.end()
    if process.returncode:
        with log.open(encoding="utf-8", errors="replace") as written:
            written.seek(start)
            raise PipProblem(explain(written.read()), changed=changed)


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def explain(output: str) -> str:
    """Why pip stopped, in a few words, from all that it wrote."""
    if _DISK_FULL.search(output):
        return "the disk is full"
    errors: list[str] = [error.rstrip(".") for error in _ERROR.findall(output)]
    if not errors:
        return "pip stopped without naming a reason"
    # The log of a conflict between packages may hold connections that were retried with success.
    if _NO_NETWORK.search(output) and errors[-1].startswith(_OF_A_DOWNLOAD):
        return "no connection to the package index"
    if "(from versions: none)" in output:
        return f"the package index cannot be reached, or has nothing ({errors[-1]})"
    return errors[-1]


class Progress:
    """One line that moves on a terminal; elsewhere a line every half minute."""

    INTERVAL = 30.0

    def __init__(self) -> None:
        self._moving = sys.stdout.isatty()
        self._found = 0
        self._shown = time.monotonic()
        self._width = 0

    def show(self, line: str) -> None:
        words = line.split()
        if words[:1] == ["Collecting"] or (words[:1] == ["Processing"] and ".whl" in line):
            self._found += 1
            self._say(f"{self._found} found")
        elif words[:1] == ["Downloading"]:
            size = f" {words[2]} {words[3]}" if len(words) > 3 else ""
            self._say(f"{self._found} found, downloading {words[1].split('-')[0]}{size}")
        elif line.startswith("Installing collected packages: "):
            count = line.count(",") + 1
            self._say(f"installing {count} package{'s' * (count > 1)}", always=count > 1)

    def _say(self, text: str, *, always: bool = False) -> None:
        if self._moving:
            print(f"\r  {text:<{self._width}}", end="", flush=True)
            self._width = len(text)
        elif always or time.monotonic() - self._shown > self.INTERVAL:
            print(f"  {text}", flush=True)
            self._shown = time.monotonic()

    def end(self) -> None:
        if self._moving and self._width:
            print(f"\r  {'':<{self._width}}\r", end="", flush=True)
