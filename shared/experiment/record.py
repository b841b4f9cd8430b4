"""What is kept of a run while it runs: its numbers for the tracker, and the time it took."""

from __future__ import annotations

import time
from collections.abc import Mapping

from shared.experiment.config import ExperimentConfig
from shared.experiment.report import Report
from shared.tracking import JsonlTracker, Tracker, open_tracker
from shared.train import Hook, Record, TrainState


class Clock:
    """CPU seconds of this process; saved and restored with a run, it counts all of its sittings."""

    def __init__(self) -> None:
        self._before, self._started = 0.0, time.process_time()

    @property
    def seconds(self) -> float:
        return self._before + time.process_time() - self._started

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self._before, self._started = state["seconds"], time.process_time()


class Recorder(Hook):
    """Tells the tracker what the trainer logs."""

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self.tracker: Tracker | None = None

    def started(self, state: TrainState) -> None:
        name, folder, config = self.config.tracker, self.config.folder / "record", self.config.of_the_run()
        if name == "jsonl":  # the one that can forget what was logged after the checkpoint we go on from
            self.tracker = JsonlTracker(folder, config, resume_at=state.step + 1)
        else:
            self.tracker = open_tracker(name, folder, config)

    def logged(self, state: TrainState, record: Record) -> None:
        self._log("train", record)

    def evaluated(self, state: TrainState, record: Record) -> None:
        self._log("valid", record)

    def finish(self, report: Report) -> None:
        """Add what the run came to."""
        assert self.tracker is not None, "a run that is over has begun"
        values = {
            f"{part}_{name}": interval.value
            for part, found in report.metrics.items()
            for name, interval in found.items()
        }
        self.tracker.summary(weights=report.weights, cpu_seconds=report.cpu_seconds, **values)

    def close(self) -> None:
        if self.tracker is not None:
            self.tracker.close()

    def _log(self, part: str, record: Record) -> None:
        assert self.tracker is not None, "a run that logs has begun"
        values = {f"{part}_{name}": value for name, value in record.items() if name not in ("step", "epoch")}
        self.tracker.log(step=int(record["step"]), **values)
