"""TensorBoard, MLflow and Weights & Biases, each behind the same three verbs and each writing to local files.

Nothing here needs a network: MLflow writes to a folder, Weights & Biases runs in its offline mode.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from shared.tracking.protocol import Scalar, Tracker, flat, numbers


class TensorBoardTracker(Tracker):
    """Event files that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path | str, config: Mapping[str, Any] | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        if config is not None:
            rows = [f"| {name} | {value} |" for name, value in flat(config).items()]
            self._text("config", "\n".join(["| name | value |", "|---|---|", *rows]))

    def log(self, step: int, **metrics: SupportsFloat) -> None:
        for name, value in numbers(metrics).items():
            self._writer.add_scalar(name, value, step)

    def summary(self, **values: Scalar) -> None:
        self._text("summary", "\n".join(f"{name}: {value}  " for name, value in values.items()))

    def close(self) -> None:
        self._writer.close()

    def _text(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)


class MlflowTracker(Tracker):
    """A run in a local MLflow store under `folder`."""

    def __init__(self, folder: Path | str, config: Mapping[str, Any] | None = None) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # the store that needs no data base
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=Path(folder).resolve().as_uri())
        found = self._client.get_experiment_by_name("course")
        experiment = found.experiment_id if found else self._client.create_experiment("course")
        self.run_id: str = self._client.create_run(experiment).info.run_id
        for name, value in flat(config or {}).items():
            self._client.log_param(self.run_id, name, value)
        self._open = True

    def log(self, step: int, **metrics: SupportsFloat) -> None:
        for name, value in numbers(metrics).items():
            self._client.log_metric(self.run_id, name, value, step=step)

    def summary(self, **values: Scalar) -> None:
        for name, value in values.items():
            self._client.set_tag(self.run_id, f"summary.{name}", str(value))

    def close(self) -> None:
        if self._open:
            self._client.set_terminated(self.run_id)
            self._open = False


class WandbTracker(Tracker):
    """An offline Weights & Biases run; `wandb sync` sends it, if somebody wants to."""

    def __init__(self, folder: Path | str, config: Mapping[str, Any] | None = None) -> None:
        import wandb

        Path(folder).mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project="course",
            dir=str(folder),
            mode="offline",
            config=flat(config or {}),
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    @property
    def folder(self) -> Path:
        """Where the offline run's files are."""
        return Path(self._run.dir)

    def log(self, step: int, **metrics: SupportsFloat) -> None:
        self._run.log(numbers(metrics), step=step)

    def summary(self, **values: Scalar) -> None:
        self._run.summary.update(values)

    def close(self) -> None:
        """When this returns the file is written: its writer is another process, which ``finish`` does not
        always wait for."""
        import wandb

        self._run.finish()
        wandb.teardown()
