"""What a run is, as numbers and names: two runs with equal configurations and data end in equal weights."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from shared.config import ConfigError, option, to_dict
from shared.optim import OptimizerConfig, ScheduleConfig
from shared.train.config import CheckpointConfig, StoppingConfig, TrainConfig

NOT_OF_THE_RUN: Final = ("out", "resume", "progress", "tracker")
"""Options that say where to write and what to show. They change no weight, and a report leaves them out."""


@dataclass(frozen=True)
class ExperimentConfig:
    """One run from data to report. ``architecture`` holds what differs from the catalogue's configuration of
    the model."""

    model: str = option("transformer_encoder", "a model of the catalogue, or its kind: transformer")
    data: str = option("names", "a data set")
    architecture: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "options of the model, as in --architecture.layers 4"}
    )
    seed: int = option(0, "of weights, order and dropout")
    epochs: int = option(8, "passes over the training data")
    batch_size: int = option(64, "examples in a batch")
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    smoothing: float = option(0.0, "share of the target's probability that is spread over all classes")
    accumulate: int = option(1, "batches whose gradients are added up for one optimizer step")
    clip_norm: float | None = option(1.0, "upper bound of the gradient's global norm; null clips nothing")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option("fp32", "format of the forward pass")
    device: str = option("cpu", "cpu, cuda, cuda:<n>, mps, or auto for the best there is")
    deterministic: bool = option(
        False, "refuse operations that have no deterministic implementation; a CPU has hardly any"
    )
    threads: int = option(1, "of torch on the CPU; another number may round differently")
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    save_every: int | None = option(None, "also save after every so many steps, not only after each epoch")
    log_every: int = option(50, "optimizer steps between two records")
    tracker: Literal["jsonl", "tensorboard", "mlflow", "wandb"] = option("jsonl", "who keeps the record")
    out: Path | None = option(None, "folder of the run; null for runs/MODEL-DATA-seedSEED")
    resume: bool = option(False, "go on where the run in that folder was interrupted")
    progress: bool = option(True, "show a bar on a terminal")

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed should be from 0 to 2**32 - 1, but it is {self.seed}")
        for name in ("batch_size", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} should be at least 1, but it is {getattr(self, name)}")
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"smoothing should be from 0 to below 1, but it is {self.smoothing}")
        if self.stopping.metric not in ("loss", "accuracy"):
            raise ConfigError(f'stopping.metric should be "loss" or "accuracy", not "{self.stopping.metric}"')
        self.training()

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return self.out or Path("runs") / f"{self.model}-{self.data}-seed{self.seed}"

    def training(self) -> TrainConfig:
        """The part that the trainer reads."""
        checkpoints = CheckpointConfig(
            folder=self.folder / "checkpoints", every=self.save_every, resume=self.resume
        )
        same = {field.name for field in fields(TrainConfig)} - {"checkpoint"}
        return TrainConfig(**{name: getattr(self, name) for name in same}, checkpoint=checkpoints)

    def of_the_run(self) -> dict[str, Any]:
        """What decides the weights, as plain values."""
        return {name: value for name, value in to_dict(self).items() if name not in NOT_OF_THE_RUN}
