"""The exact versions that were tested, and what the project says it needs."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOCK_NAME = "requirements.lock"

HEADER = """\
# The exact versions that this course was tested with, for all of its extras.
# Made by `make lock`; every set-up reads it as constraints: pip install -c requirements.lock -e .
"""


def canonical(name: str) -> str:
    """The name of a distribution as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(text: str) -> dict[str, str]:
    """Canonical name → version for every `name==version` line."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    pairs = (line.split("==", 1) for line in lines if line)
    return {canonical(name): version for name, version in pairs}


def write_pins(frozen: Iterable[str], *, without: str) -> str:
    """The lock's text from the lines of `pip freeze`, without the project itself.

    A local version (`2.13.0+cpu`) names one build of a release; the lock names the release, so that each
    machine may take the build that fits it.
    """
    pins: dict[str, str] = {}
    for line in frozen:
        name, separator, version = line.strip().partition("==")
        if separator and canonical(name) != canonical(without):
            pins[name] = version.split("+", 1)[0]
    return HEADER + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins, key=canonical))


def extras(root: Path) -> list[str]:
    """The names of the project's extras."""
    return sorted(_project(root)["optional-dependencies"])


def distribution_name(root: Path) -> str:
    return str(_project(root)["name"])


def build_requirements(root: Path) -> list[str]:
    """What builds the project: installed beforehand, so that the lock covers it too."""
    return [str(requirement) for requirement in _pyproject(root)["build-system"]["requires"]]


def fingerprint(root: Path) -> str:
    """Changes exactly when an installed environment would have to change.

    Tool settings in pyproject.toml (ruff, mypy, pytest) leave it alone.
    """
    pyproject = _pyproject(root)
    project = pyproject["project"]
    wanted = [
        pyproject["build-system"],
        pyproject.get("tool", {}).get("setuptools"),
        {key: project.get(key) for key in ("name", "requires-python", "dependencies")},
        {key: project.get(key) for key in ("optional-dependencies", "scripts")},
        (root / LOCK_NAME).read_text(encoding="utf-8"),
    ]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def _project(root: Path) -> dict[str, Any]:
    project: dict[str, Any] = _pyproject(root)["project"]
    return project


def _pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
