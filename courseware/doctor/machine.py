"""Python, threads and disk."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from courseware.bootstrap import RANGE, is_supported
from courseware.doctor.finding import Finding

GIGABYTE = 10**9
ENOUGH_DISK = GIGABYTE  # data sets, checkpoints and backups of all labs


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    found = f"{'.'.join(map(str, version))} at {sys.executable}"
    if not is_supported(version):
        return Finding(
            "Python", found, f"this course is tested with Python {RANGE}; make the environment with one"
        )
    if os.environ.get("PYTHONPATH"):
        return Finding(
            "Python",
            found,
            f"PYTHONPATH is set ({os.environ['PYTHONPATH']}): its modules may stand before ours; unset it",
        )
    return Finding("Python", found)


def usable_cores() -> float:
    """The cores that this process may use: a container's share where there is one."""
    cores = (
        float(len(os.sched_getaffinity(0)))
        if hasattr(os, "sched_getaffinity")
        else float(os.cpu_count() or 1)
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup, or its quota is "max"
        return cores


def threads(used: int | None = None, cores: float | None = None) -> Finding:
    """torch's threads against the cores they have: more threads than cores wait for each other."""
    if used is None:
        import torch

        used = torch.get_num_threads()
    cores = usable_cores() if cores is None else cores
    found = f"torch uses {used}, and {cores:g} cores are there"
    if used > max(1.0, cores):
        return Finding(
            "threads", found, f"too many threads slow training down; set OMP_NUM_THREADS={max(1, int(cores))}"
        )
    return Finding("threads", found)


def disk(home: Path, free: int | None = None) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free if free is None else free
    found = f"{free / GIGABYTE:.1f} GB free in {place}"
    if free < ENOUGH_DISK:
        return Finding("disk", found, f"the labs need about {ENOUGH_DISK / GIGABYTE:.0f} GB; make room")
    return Finding("disk", found)
