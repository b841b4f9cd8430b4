"""Who am I among how many?  The same answers alone, in a launched function and under torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist


def rank() -> int:
    """This process's number, 0 when it is alone."""
    return dist.get_rank() if _running() else 0


def world_size() -> int:
    """How many processes work together, 1 when this one is alone."""
    return dist.get_world_size() if _running() else 1


def local_rank() -> int:
    """This process's number on its own machine: which GPU is its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Is this the process that prints, logs and saves?"""
    return rank() == 0


def barrier() -> None:
    """Wait until all are here; alone, nothing to wait for."""
    if _running():
        dist.barrier()


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()


def default_backend() -> str:
    """NCCL where every process on this machine has a GPU of its own, gloo everywhere else."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return "nccl" if torch.cuda.is_available() and torch.cuda.device_count() >= processes else "gloo"


@contextmanager
def process_group(*, backend: str | None = None, timeout_seconds: float = 600.0) -> Iterator[None]:
    """Join the processes that a launcher started, and leave them at the end, also after an error.

    Without a launcher this process becomes a group of one, so that the same script runs as plain
    `python script.py`. Inside a group that is already there, nothing happens.
    """
    if _running():
        yield
        return
    backend = backend or default_backend()
    if backend == "nccl":
        torch.cuda.set_device(local_rank())
    patience = timedelta(seconds=timeout_seconds)
    if "RANK" in os.environ and "MASTER_ADDR" in os.environ:
        dist.init_process_group(backend, timeout=patience)
    else:
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1, timeout=patience)
    try:
        yield
    finally:
        dist.destroy_process_group()
