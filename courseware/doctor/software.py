"""The installed packages, and torch among them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from courseware.doctor.finding import Finding
from courseware.setup.lockfile import LOCK_NAME, read_pins

NAMED = 4  # so many deviations are named; more would bury the first


def packages(root: Path) -> Finding:
    """The installed versions against the lock; what is not installed belongs to an extra."""
    pins = read_pins((root / LOCK_NAME).read_text(encoding="utf-8"))
    installed = {name: found for name in pins if (found := installed_version(name))}
    others = [
        f"{name} {found} instead of {pins[name]}" for name, found in installed.items() if found != pins[name]
    ]
    found = f"{len(installed) - len(others)} of {len(installed)} installed packages are the tested versions"
    if not others:
        return Finding("packages", found)
    named = ", ".join(others[:NAMED]) + (" and others" if len(others) > NAMED else "")
    return Finding("packages", found, f"{named}; `make clean setup` brings the tested ones")


def installed_version(name: str) -> str | None:
    """Without the local part: `2.13.0+cpu` is one build of 2.13.0."""
    try:
        return version(name).split("+", 1)[0]
    except PackageNotFoundError:
        return None


def torch_itself() -> Finding:
    try:
        import torch

        total = int((torch.ones(2, 2) @ torch.ones(2, 2)).sum())
    except (ImportError, OSError, RuntimeError) as error:
        last_line = str(error).strip().rpartition("\n")[2]
        return Finding("torch", "cannot be used", f"{last_line}; `make clean setup` installs it anew")
    if total != 8:
        return Finding("torch", torch.__version__, f"2×2 ones multiplied sum to {total} instead of 8")
    return Finding("torch", str(torch.__version__))


def device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", f"cuda: {torch.cuda.get_device_name()}; the laptop profile runs on the CPU")
    if torch.backends.mps.is_available():
        return Finding("device", "mps (Apple GPU); the laptop profile runs on the CPU")
    return Finding("device", "cpu, which every lab is made for")
