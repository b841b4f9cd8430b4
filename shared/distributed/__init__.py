"""Several processes as one: launched from a notebook cell or by torchrun, with the same function.

def total(rank_value):
    from shared.distributed import rank, sum_over_ranks
    return sum_over_ranks(torch.tensor(rank_value + rank())).item()

launch(total, 10, ranks=2)      # [21, 21]
"""

from shared.distributed.collectives import (
    all_gather_single,
    broadcast_object,
    gather_objects,
    mean_over_ranks,
    reduce_scatter_single,
    sum_over_ranks,
)
from shared.distributed.environment import (
    barrier,
    is_main,
    local_rank,
    process_group,
    rank,
    world_size,
)
from shared.distributed.launch import LaunchTimeout, RankFailed, launch
from shared.distributed.metrics import Mean
from shared.distributed.ready import ReadyRanks, ready_ranks
from shared.distributed.sampler import RankSampler
from shared.distributed.training import AllRanks
from shared.distributed.wrap import distribute

__all__ = [
    "AllRanks",
    "LaunchTimeout",
    "Mean",
    "RankFailed",
    "RankSampler",
    "ReadyRanks",
    "all_gather_single",
    "barrier",
    "broadcast_object",
    "distribute",
    "gather_objects",
    "is_main",
    "launch",
    "local_rank",
    "mean_over_ranks",
    "process_group",
    "rank",
    "ready_ranks",
    "reduce_scatter_single",
    "sum_over_ranks",
    "world_size",
]
