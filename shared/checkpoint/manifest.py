"""The list of a checkpoint's files with their sizes and checksums: what is not as listed is not used."""

import hashlib
import json
from pathlib import Path
from typing import Any

NAME = "manifest.json"


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """List all files that are in ``folder``, together with ``facts`` for its readers."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
    }
    text = json.dumps({**facts, "files": files}, indent=2)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The facts and files as they were written. Raises ValueError, with the reason, if there is no such
    list."""
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if not isinstance(manifest["files"], dict):
            raise TypeError
        return dict(manifest)
    except OSError as error:
        raise ValueError(f"its {NAME} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"its {NAME} is damaged") from None


def verify(folder: Path) -> None:
    """Compare every file with the manifest; raise ValueError, with the reason, at the first that differs."""
    for name, listed in read_manifest(folder)["files"].items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{name} is missing")
        if path.stat().st_size != listed["bytes"]:
            raise ValueError(f"{name} has {path.stat().st_size} bytes instead of {listed['bytes']}")
        if _sha256(path) != listed["sha256"]:
            raise ValueError(f"{name} has another SHA-256 than when it was written")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
