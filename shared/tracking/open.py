"""Trackers by name, so that a configuration file can choose one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shared.tracking.jsonl import JsonlTracker
from shared.tracking.protocol import Tracker, TrackingError


def _service(class_name: str) -> Callable[..., Tracker]:
    def build(folder: Path | str, config: Mapping[str, Any] | None) -> Tracker:
        from shared.tracking import services

        tracker: Tracker = getattr(services, class_name)(folder, config)
        return tracker

    return build


TRACKERS: dict[str, Callable[..., Tracker]] = {
    "jsonl": JsonlTracker,
    "tensorboard": _service("TensorBoardTracker"),
    "mlflow": _service("MlflowTracker"),
    "wandb": _service("WandbTracker"),
}


def open_tracker(name: str, folder: Path | str, config: Mapping[str, Any] | None = None) -> Tracker:
    """The tracker of this name, writing to `folder`; a missing package is named with its extra."""
    if name not in TRACKERS:
        close = difflib.get_close_matches(name, TRACKERS, n=1)
        advice = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(TRACKERS)}"
        raise TrackingError(f"no tracker {name!r}; {advice}")
    try:
        return TRACKERS[name](folder, config)
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"the {name} tracker needs the package {error.name!r}: pip install 'pytorch-course[tracking]'"
        ) from error
