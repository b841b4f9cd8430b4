"""Everything about a training run that is a number or a name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shared.config import option


@dataclass(frozen=True)
class StoppingConfig:
    """Which evaluation counts as the best, and when to give up waiting for a better one."""

    metric: str = option("loss", "the metric of the evaluation that is compared")
    mode: Literal["min", "max"] = option("min", "whether less or more of it is better")
    min_delta: float = option(0.0, "by how much an evaluation must beat the best to count as better")
    patience: int | None = option(
        None, "stop at the n-th evaluation in a row that is no better, and go back to the best weights"
    )

    def __post_init__(self) -> None:
        _at_least(0, "min_delta", self.min_delta)
        _at_least(1, "patience", self.patience)


@dataclass(frozen=True)
class CheckpointConfig:
    """Where the run saves itself, and how often."""

    folder: Path | None = option(None, "where checkpoints go; without it none are written")
    every: int | None = option(
        None, "also save after every so many optimizer steps, not only after each epoch"
    )
    keep: int = option(2, "how many of the newest to keep; the best one is kept besides")
    resume: bool = option(False, "go on from the newest good checkpoint in the folder, if there is one")

    def __post_init__(self) -> None:
        _at_least(1, "every", self.every)
        _at_least(1, "keep", self.keep)
        if self.folder is None and (self.resume or self.every):
            raise ValueError("resume and every need a folder: set checkpoint.folder")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Two runs with equal configurations, data and models end in equal weights."""

    epochs: int = option(10, "passes over the training data")
    seed: int = option(0, "seeds every generator as the run starts")
    deterministic: bool = option(False, "refuse operations that have no deterministic implementation")
    device: str = option("auto", "cpu, cuda, cuda:<n>, mps, or auto for the best there is")
    # Not "auto": that would give other numbers on another CPU.
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "fp32", "format of the forward pass; auto takes the lowest one that is fast on the device"
    )
    accumulate: int = option(1, "batches whose gradients are added up for one optimizer step")
    clip_norm: float | None = option(1.0, "upper bound of the gradient's global norm; null clips nothing")
    log_every: int = option(50, "optimizer steps between two records, and between two looks for a NaN")
    progress: bool = option(True, "show a bar on a terminal")
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        _at_least(0, "epochs", self.epochs)
        _at_least(1, "accumulate", self.accumulate)
        _at_least(1, "log_every", self.log_every)
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(
                f"clip_norm should be positive, or null to clip nothing, but it is {self.clip_norm}"
            )


def _at_least(least: int | float, name: str, value: int | float | None) -> None:
    if value is not None and not value >= least:
        raise ValueError(f"{name} should be at least {least}, but it is {value}")
