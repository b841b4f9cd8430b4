"""The default tracker: three plain files that any tool can read and a crash cannot spoil."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from shared.tracking.protocol import Scalar, Tracker, TrackingError, json_number, numbers

METRICS = "metrics.jsonl"


class JsonlTracker(Tracker):
    """`config.json`, `metrics.jsonl` (one line a step) and `summary.json` in a folder.

    Opening the same folder again appends: a resumed run continues its record. Pass `resume_at` to drop lines
    from that step on, so that a run resumed from an older checkpoint does not record a step twice.
    """

    def __init__(
        self, folder: Path | str, config: Mapping[str, Any] | None = None, *, resume_at: int | None = None
    ) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if config is not None:
                _write_json(self.folder / "config.json", dict(config))
            if resume_at is not None:
                _forget_from(self.folder / METRICS, resume_at)
            self._file = (self.folder / METRICS).open("a", encoding="utf-8")
        except OSError as error:
            raise TrackingError(
                f"cannot write the run's record in {self.folder}: {error.strerror or error}"
            ) from error
        self._summary: dict[str, Scalar] = {}

    def log(self, step: int, **metrics: SupportsFloat) -> None:
        values = {name: json_number(value) for name, value in numbers(metrics).items()}
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()

    def summary(self, **values: Scalar) -> None:
        self._summary |= values
        _write_json(self.folder / "summary.json", self._summary)

    def close(self) -> None:
        self._file.close()


def read_metrics(folder: Path | str) -> list[dict[str, float | int]]:
    """The steps of a run in the order in which they were logged; a torn last line is left out."""
    path = Path(folder) / METRICS
    if not path.exists():
        raise TrackingError(f"no {METRICS} in {folder}: give the folder of a run")
    rows: list[dict[str, float | int]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # the process died while it wrote
            continue
        rows.append({name: value if name == "step" else float(value) for name, value in row.items()})
    return rows


def _forget_from(path: Path, step: int) -> None:
    if path.exists():
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step(line) < step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError):
        return float("inf")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
    temporary.replace(path)
