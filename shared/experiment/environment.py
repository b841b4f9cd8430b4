"""What a run ran on: the facts that another machine may have otherwise, and that may move a last bit."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

from shared.device import device_facts

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")


def environment(device: torch.device) -> dict[str, str]:
    """Versions and hardware, as text."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "device": device_facts(device).name,
    }


def differences(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """One text for each fact that is not as it was: ``torch was 2.12.0 and is 2.13.0``."""
    names = [*then, *(name for name in now if name not in then)]
    return [
        f"{name} was {then.get(name, 'absent')} and is {now.get(name, 'absent')}"
        for name in names
        if then.get(name) != now.get(name)
    ]
