"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import copy

import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e4_adam import Sound
from tests.labs.answers import Answers

right = Answers()


@right("E4")
def counts_for_each_number():
    return {"ShardedAdam": Sound}


@right("E4")
def reduce_scatter():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            own = grads.new_empty(self.size)
            dist.reduce_scatter_single(own, grads, group=self.group)
            whole = torch.zeros_like(grads)
            self.own(whole).copy_(own / self.world)
            return whole

    return {"ShardedAdam": ShardedAdam}


@right("E4")
def divides_before_adding():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            grads = grads / self.world
            dist.all_reduce(grads, group=self.group)
            return grads

    return {"ShardedAdam": ShardedAdam}


@right("E4")
def gathers_objects():
    class ShardedAdam(Sound):
        def gather(self, own):
            parts = [None] * self.world
            dist.all_gather_object(parts, own, group=self.group)
            return torch.cat(parts)

    return {"ShardedAdam": ShardedAdam}


@right("E4")
def each_part_is_broadcast():
    class ShardedAdam(Sound):
        def gather(self, own):
            parts = []
            for r in range(self.world):
                part = own.clone() if r == self.rank else torch.empty_like(own)
                dist.broadcast(part, src=dist.get_global_rank(self.group, r), group=self.group)
                parts.append(part)
            return torch.cat(parts)

    return {"ShardedAdam": ShardedAdam}


@right("E4")
def steps_as_tensors():
    class ShardedAdam(Sound):
        def state_dict_full(self):
            state = super().state_dict_full()
            return {**state, "step": [torch.tensor(s) for s in state["step"]]} if state else {}

        def load_state_dict_full(self, state):
            super().load_state_dict_full({**copy.deepcopy(state), "step": [int(s) for s in state["step"]]})

    return {"ShardedAdam": ShardedAdam}


@right("E4")
def plan_from_a_table():
    def memory_plan(n_params, world, stage):
        shares = {0: (1, 1, 1), 1: (1, 1, world), 2: (1, world, world), 3: (world, world, world)}
        if stage not in shares:
            raise ValueError("stage is 0 to 3")
        p, g, s = (n_params * size / by for size, by in zip((2, 2, 12), shares[stage], strict=True))
        return {"total": p + g + s, "states": s, "grads": g, "params": p}

    return {"memory_plan": memory_plan}


@right("E4")
def decay_written_otherwise():
    class ShardedAdam(Sound):
        def update(self, value, grad, m, v, steps):
            one, two = self.betas
            size = self.lr / (1 - one**steps)
            root = v.sqrt() / (1 - two**steps).sqrt() + self.eps
            return value - self.lr * self.decay * value - size * m / root

    return {"ShardedAdam": ShardedAdam}
