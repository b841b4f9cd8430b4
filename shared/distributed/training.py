"""What a training loop wants of the processes that train together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from shared.distributed.collectives import sum_over_ranks
from shared.distributed.environment import rank, world_size


class AllRanks:
    """The running process group as a trainer takes it: `Trainer(…, ranks=AllRanks())`.

    Every rank needs equally many batches in a window, of whatever sizes: in each of them DDP and FSDP2 wait
    for all. A rank with nothing left joins in with a batch that has no valid target.
    """

    def __init__(self) -> None:
        self.rank, self.size = rank(), world_size()

    def sum(self, value: Tensor) -> Tensor:
        return sum_over_ranks(value)

    @contextmanager
    def synchronise(self, model: nn.Module, last: bool) -> Iterator[None]:
        """Within it, gradients add up on their rank, and the `last` time the ranks average what they have."""
        if isinstance(model, FSDPModule):
            model.set_requires_gradient_sync(last)
            yield
        elif isinstance(model, DistributedDataParallel) and not last:
            with model.no_sync():
                yield
        else:
            yield
