"""A model on many ranks: replicated (DDP) or sharded (FSDP2), by name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from shared.distributed.environment import world_size

Strategy = Literal["none", "ddp", "fsdp2"]


def distribute(
    model: nn.Module,
    strategy: Strategy,
    *,
    blocks: type[nn.Module] | tuple[type[nn.Module], ...] = (),
    mesh: DeviceMesh | None = None,
) -> nn.Module:
    """The model, ready to train on every rank of the running process group.

    `none` leaves it alone. `ddp` keeps a whole copy on each rank and averages gradients. `fsdp2` keeps a
    shard on each rank: every module of a type in `blocks` is gathered by itself when needed, the rest as one.
    Build the optimizer afterwards: FSDP2 replaces the parameters.
    """
    if strategy == "none":
        return model
    if not torch.distributed.is_initialized():
        raise RuntimeError(
            f"distribute(model, {strategy!r}) needs a process group: call it inside `with process_group():`, "
            "in a function given to launch(), or under torchrun"
        )
    if strategy == "ddp":
        return DistributedDataParallel(model)
    if strategy == "fsdp2":
        return _shard(model, blocks, mesh)
    raise ValueError(f"no strategy {strategy!r}: expected none, ddp or fsdp2")


def _shard(
    model: nn.Module, blocks: type[nn.Module] | tuple[type[nn.Module], ...], mesh: DeviceMesh | None
) -> nn.Module:
    device = next(model.parameters()).device.type
    mesh = mesh or init_device_mesh(device, (world_size(),))
    for module in model.modules():
        if blocks and isinstance(module, blocks) and module is not model:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    assert isinstance(model, FSDPModule)
    return model
