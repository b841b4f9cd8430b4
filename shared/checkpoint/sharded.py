"""Checkpoints of a model spread over ranks: each rank writes its shards, any number of ranks can read them.

Torch's distributed checkpoint does the sharding. This adds what a training run needs around it: a folder
appears under its name only when every rank has finished, the newest complete one is found, old ones go.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from shared.distributed.environment import barrier, is_main

_NAME = re.compile(r"step-(\d{9})$")


class NoCheckpoint(FileNotFoundError):
    """There is nothing complete to load."""


def save_sharded(
    folder: Path | str, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, *, keep: int = 2
) -> Path:
    """Write `folder/step-…`; every rank must call it. The newest `keep` checkpoints stay."""
    root = Path(folder)
    final, unfinished = root / f"step-{step:09d}", root / f".step-{step:09d}.part"
    if is_main():
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    barrier()
    save(_state(model, optimizer, step), checkpoint_id=unfinished)
    barrier()
    if is_main():
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        for old in complete(root)[:-keep]:
            shutil.rmtree(old)
    barrier()
    return final


def load_sharded(folder: Path | str, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the newest complete checkpoint into model and optimizer, in place; returns its step.

    The model may be spread over another number of ranks, or over none. Every rank must call it.
    """
    found = complete(Path(folder))
    if not found:
        raise NoCheckpoint(
            f"no complete sharded checkpoint in {folder}: expected folders like step-000000100"
        )
    state = _state(model, optimizer, 0)
    load(state, checkpoint_id=found[-1])
    set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    return int(state["step"])


def complete(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*") if _NAME.search(path.name))


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    weights, optimizer_state = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": optimizer_state, "step": torch.tensor(step)}
