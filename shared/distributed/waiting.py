"""Makes a wait for a message visible on a stack: torch's own `Work.wait` leaves no Python frame."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

_wait = dist.Work.wait


def wait(self: dist.Work, *args: Any, **kwargs: Any) -> Any:
    return _wait(self, *args, **kwargs)


def show_waits() -> None:
    """From now on, a rank that hangs in `work.wait()` is seen to wait for others."""
    dist.Work.wait = wait  # type: ignore[method-assign]
