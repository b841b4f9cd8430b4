"""The course's environment in `.venv`: made once, renewed when what it was made from has changed.

A stamp inside says from what it was made. It reads "making" before the first byte is written and "ready"
after the last, so whatever breaks off in between is known, and redone, the next time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from courseware.setup import lockfile, pip
from courseware.setup.problem import SetupProblem

GIGABYTE = 10**9
FREE_FOR_ALL = 4 * GIGABYTE  # torch with its companions, twice while pip unpacks
FREE_FOR_SOME = GIGABYTE // 2

FreeBytes = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def create_venv(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Stamp:
    """From what an environment was made: enough to know whether it is still the right one."""

    state: str  # "making" | "ready"
    fingerprint: str
    root: str  # an environment that was moved or copied does not work
    extras: tuple[str, ...]


class Environment:
    """`<root>/.venv` and what the course keeps in it."""

    def __init__(self, root: Path, *, free: FreeBytes = free_bytes) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.log = self.folder / "setup.log"
        self._stamp = self.folder / "courseware-stamp.json"
        self._free = free

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def ensure(self, extras: Sequence[str] = ()) -> bool:
        """Make the environment what the lock says, with at least these extras; False if nothing was to do."""
        unknown = sorted(set(extras) - set(lockfile.extras(self.root)))
        if unknown:
            known = ", ".join(lockfile.extras(self.root))
            raise SetupProblem(f"There is no extra named {unknown[0]!r}; the project has: {known}.")
        stamp = self.read_stamp()
        usable = (
            stamp is not None and stamp.state == "ready" and stamp.root == str(self.root) and self.starts()
        )
        kept = stamp.extras if stamp is not None else ()
        wanted = Stamp(
            "ready", lockfile.fingerprint(self.root), str(self.root), tuple(sorted({*kept, *extras}))
        )
        if usable and stamp == wanted:
            return False
        if stamp is None:
            self._refuse_foreign()
        self._require_free_space(FREE_FOR_SOME if usable else FREE_FOR_ALL)
        if usable:
            print("Bringing the Python environment in .venv up to date.", flush=True)
        else:
            self._make(wanted)
        self._install(wanted, fresh=not usable)
        self.write_stamp(wanted)
        return True

    def starts(self) -> bool:
        """Whether the environment's own Python runs, and is the one that `PYTHON=` asks for, if it asks."""
        chosen = os.environ.get("PYTHON")
        version = f"sys.version_info[:2] == {sys.version_info[:2]!r}" if chosen else "True"
        question = f"import sys, pip; sys.exit(not ({version}))"
        try:
            return (
                subprocess.run([self.python, "-c", question], capture_output=True, check=False).returncode
                == 0
            )
        except OSError:
            return False

    def read_stamp(self) -> Stamp | None:
        try:
            fields = json.loads(self._stamp.read_text(encoding="utf-8"))
            return Stamp(fields["state"], fields["fingerprint"], fields["root"], tuple(fields["extras"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_stamp(self, stamp: Stamp) -> None:
        half_written = self._stamp.with_suffix(".new")
        half_written.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
        half_written.replace(self._stamp)

    def _refuse_foreign(self) -> None:
        """Somebody's own environment is theirs: it is not taken for a half-made one of ours."""
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self._stamp.exists():
            raise SetupProblem(
                f"{self.folder} is there and was not made by this course. Move it away or delete it, "
                f"and run the command again."
            )

    def _require_free_space(self, needed: int) -> None:
        free = self._free(self.root)
        if free < needed:
            raise SetupProblem(
                f"Too little disk space: the environment needs {needed / GIGABYTE:.1f} GB in {self.root}, "
                f"and {free / GIGABYTE:.1f} GB are free. Make room and run the command again. "
                f"Nothing was changed."
            )

    def _make(self, wanted: Stamp) -> None:
        """An empty environment of the running Python, in place of a half-made or foreign one."""
        version = ".".join(map(str, sys.version_info[:3]))
        if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
            raise SetupProblem(
                f"{sys.executable} (Python {version}) cannot make virtual environments: its venv module is "
                f"incomplete. Install it (Debian and Ubuntu: apt install {package}) and run this again."
            )
        print(f"Making the Python environment in .venv, once (Python {version}).", flush=True)
        print("  It takes 2 GB, or 6 GB where torch comes with CUDA.", flush=True)
        try:
            if self.folder.is_symlink() or self.folder.is_file():
                self.folder.unlink()
            elif self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir()
            self.write_stamp(Stamp("making", wanted.fingerprint, wanted.root, ()))
        except OSError as error:
            raise SetupProblem(f"The folder {self.folder} cannot be written: {error.strerror}.") from error
        made = create_venv(self.folder)
        self.log.write_text(made.stdout + made.stderr, encoding="utf-8")
        if made.returncode:
            last_line = (made.stdout + made.stderr).strip().rpartition("\n")[2]
            raise SetupProblem(
                f"Python's venv module failed: {last_line} The whole story is in {self._named(self.log)}."
            )

    def _install(self, wanted: Stamp, *, fresh: bool) -> None:
        pins = lockfile.read_pins((self.root / lockfile.LOCK_NAME).read_text(encoding="utf-8"))
        selection = f".[{','.join(wanted.extras)}]" if wanted.extras else "."
        # The build backend comes from the lock too: pip's own isolated build would take the newest one.
        steps = [
            [f"setuptools=={pins['setuptools']}"],
            ["--no-build-isolation", "--constraint", lockfile.LOCK_NAME, "--editable", selection],
        ]
        for step in steps:
            try:
                pip.install(
                    self.python,
                    step,
                    cwd=self.root,
                    log=self.log,
                    before_change=lambda: self.write_stamp(
                        Stamp("making", wanted.fingerprint, wanted.root, ())
                    ),
                )
            except pip.PipProblem as problem:
                raise SetupProblem(self._sentence(problem, fresh=fresh)) from problem
            except OSError as error:
                raise SetupProblem(
                    f"The environment in .venv could not be written: {error.strerror}."
                ) from error

    def _sentence(self, problem: pip.PipProblem, *, fresh: bool) -> str:
        """What a failed installation left behind, and what to do."""
        if fresh or problem.changed:
            kept = (
                "The half-made .venv is redone the next time; files that arrived whole stay in pip's cache."
            )
        else:
            kept = "The environment of before is kept, and `.venv/bin/course lab` opens the course with it."
        return (
            f"The packages could not be installed: {problem.reason}. {kept} "
            f"Run the same command again when that is mended; pip's whole log is {self._named(self.log)}."
        )

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.root))
