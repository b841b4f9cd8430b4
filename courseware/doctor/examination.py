"""The doctor's round: each probe looks at one thing and never fails itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from courseware.doctor.finding import Finding
from courseware.doctor.kernel import kernel
from courseware.doctor.machine import disk, python, threads
from courseware.doctor.software import device, packages, torch_itself
from courseware.doctor.workspace import workspace


def examine(root: Path, home: Path) -> Iterator[Finding]:
    """The findings in the order of importance, each as soon as it is known; about five seconds in all."""
    probes: dict[str, Callable[[], Finding]] = {
        "Python": python,
        "packages": lambda: packages(root),
        "torch": torch_itself,
        "device": device,
        "threads": threads,
        "disk": lambda: disk(home),
        "kernel": kernel,
        "workspace": lambda: workspace(home),
    }
    for subject, probe in probes.items():
        try:
            yield probe()
        except Exception as error:  # whatever breaks here is what the learner came to hear about
            yield Finding(subject, "not known", f"looking at it failed: {type(error).__name__}: {error}")
