"""The folder of a run: who may write into it, and what stands there in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shared.config import load_yaml, save_yaml
from shared.experiment.config import ExperimentConfig
from shared.experiment.digest import weights_digest
from shared.experiment.errors import ExperimentError
from shared.experiment.page import write_page
from shared.experiment.report import Report, read_report
from shared.models import build

CONFIG, REPORT, WEIGHTS = "config.yaml", "report.json", "weights.pt"


def claim_folder(config: ExperimentConfig) -> None:
    """Make the folder with its ``config.yaml``; refuse one that holds another run, or this one unless
    resuming."""
    folder, stored = config.folder, config.folder / CONFIG
    with _saying_where(folder):
        if not stored.exists():
            folder.mkdir(parents=True, exist_ok=True)
            to_keep = replace(config, out=None, resume=False, progress=True)
            _whole(stored, lambda path: save_yaml(to_keep, path))
            return
    if not config.resume:
        raise ExperimentError(
            f"{folder} already holds a run: --resume goes on with it, another --out starts a new one"
        )
    begun = load_yaml(ExperimentConfig, stored)
    for name, then, now in _differences(begun.of_the_run(), config.of_the_run(), ""):
        raise ExperimentError(
            f"the run in {folder} began with {name} {then} and cannot go on with {now}: "
            "leave that option out, or take another --out"
        )


def write_results(folder: Path, report: Report, model: nn.Module) -> None:
    """The weights first and the report last: where there is a report, all of it is there."""
    with _saying_where(folder):
        _whole(folder / WEIGHTS, lambda path: torch.save(model.state_dict(), path))
        write_page(report, folder)
        _whole(folder / REPORT, lambda path: path.write_text(report.to_json(), encoding="utf-8"))


def load_model(folder: Path) -> nn.Module:
    """The model of a finished run, with its weights, on the CPU and in evaluation mode."""
    report = read_report(folder / REPORT)
    model = build(report.config["model"], report.config["architecture"])
    state = torch.load(folder / WEIGHTS, weights_only=True, map_location="cpu")
    if weights_digest(state) != report.weights:
        raise ExperimentError(f"{folder / WEIGHTS} is not what {REPORT} describes: make the run again")
    model.load_state_dict(state)
    return model.eval()


def _differences(then: Any, now: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in {**then, **now}:
            yield from _differences(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif then != now:
        yield name, then, now


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that half of it never stands under its own."""
    unfinished = path.with_name(f".{path.name}")
    write(unfinished)
    unfinished.replace(path)


@contextmanager
def _saying_where(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch.save raises the second where a disk is full
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ExperimentError(f"cannot write into {folder}: {reason}: take another --out") from error
