"""Wrong answers to E4, as strangers make them."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e4_adam import Sound
from phase2_intermediate.lab5_distributed_training.solution import memory_plan as plan
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def torchs_adam_inside():
    class ShardedAdam(Sound):
        def __init__(self, params, **how):
            super().__init__(params, **how)
            self.inner = torch.optim.AdamW(self.params)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def last_part_without_padding():
    class ShardedAdam(Sound):
        def publish(self, own):
            for p, x in zip(self.params, self.pieces(self.gather(own)), strict=True):
                if p.ndim:
                    p.copy_(x)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def eps_in_the_root():
    class ShardedAdam(Sound):
        def update(self, value, grad, m, v, steps):
            one, two = self.betas
            root = (v / (1 - two**steps) + self.eps).sqrt()
            return value * (1 - self.lr * self.decay) - self.lr * m / (1 - one**steps) / root

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def no_decay():
    class ShardedAdam(Sound):
        def update(self, value, grad, m, v, steps):
            self.decay = 0.0
            return super().update(value, grad, m, v, steps)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def betas_exchanged():
    class ShardedAdam(Sound):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, group=None):
            super().__init__(params, lr, betas[::-1], eps, weight_decay, group)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def other_defaults():
    class ShardedAdam(Sound):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, group=None):
            super().__init__(params, lr, betas, eps, weight_decay, group)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def steps_start_at_zero():
    class ShardedAdam(Sound):
        def update(self, value, grad, m, v, steps):
            return super().update(value, grad, m, v, steps + 1)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def moments_start_anew():
    class ShardedAdam(Sound):
        def step(self):
            self.m, self.v = torch.zeros_like(self.m), torch.zeros_like(self.v)
            super().step()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def new_parameters():
    class ShardedAdam(Sound):
        def publish(self, own):
            for p, x in zip(self.params, self.pieces(self.gather(own)), strict=True):
                p.data = x.clone()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def one_moment_counted():
    class ShardedAdam(Sound):
        def state_bytes(self):
            return self.m.nbytes

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def numbers_for_bytes():
    class ShardedAdam(Sound):
        def state_bytes(self):
            return self.m.numel() + self.v.numel()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def says_a_part_keeps_the_whole():
    class ShardedAdam(Sound):
        def step(self):
            super().step()
            self.everything = self.gather(self.m), self.gather(self.v)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def keeps_whole_moments_in_small_pieces():
    class ShardedAdam(Sound):
        def step(self):
            super().step()
            self.whole = [x.clone() for x in self.pieces(self.gather(self.m))], self.steps
            self.second = [x.clone() for x in self.pieces(self.gather(self.v))]

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def keeps_the_vector_of_gradients():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            self.buffer = super().reduced(grads)
            return self.buffer

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def keeps_weights_of_its_own():
    class ShardedAdam(Sound):
        def publish(self, own):
            self.master = own
            super().publish(own)

        def own(self, whole):
            mine = super().own(whole)
            is_value = hasattr(self, "master") and torch.equal(whole, self.flat(self.params))
            return self.master if is_value else mine

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def counts_in_the_class():
    class ShardedAdam(Sound):
        counts: ClassVar[list[int]] = [0, 0, 0, 0]

        def count(self):
            self.counts[:] = [s + (p.grad is not None) for s, p in zip(self.counts, self.params, strict=True)]
            return list(self.counts)

        def __init__(self, *args, **how):
            super().__init__(*args, **how)
            self.counts[:] = [0] * (len(self.params) - len(self.counts)) + self.counts[: len(self.params)]

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def every_rank_returns_the_state():
    class ShardedAdam(Sound):
        def state_dict_full(self):
            m, v = self.pieces(self.gather(self.m)), self.pieces(self.gather(self.v))
            return {"step": list(self.steps), "exp_avg": m, "exp_avg_sq": v}

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def only_rank_0_gathers():
    class ShardedAdam(Sound):
        def state_dict_full(self):
            return super().state_dict_full() if self.rank == 0 else {}

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def loads_the_first_part_everywhere():
    class ShardedAdam(Sound):
        def load_state_dict_full(self, state):
            self.steps = list(state["step"])
            self.m = self.flat(state["exp_avg"])[: self.size].clone()
            self.v = self.flat(state["exp_avg_sq"])[: self.size].clone()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def forgets_the_group():
    class ShardedAdam(Sound):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, group=None):
            super().__init__(params, lr, betas, eps, weight_decay, None)

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def none_fails():
    class ShardedAdam(Sound):
        def step(self):
            for p in self.params:
                p.grad.mul_(1)
            super().step()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def one_count_for_all():
    class ShardedAdam(Sound):
        def count(self):
            return [s + 1 for s in self.steps]

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def average_over_the_whole_world():
    class ShardedAdam(Sound):
        def reduced(self, grads):
            dist.all_reduce(grads, group=self.group)
            return grads / dist.get_world_size()

    return {"ShardedAdam": ShardedAdam}


@wrong("E4")
def sixteen_bytes_of_states():
    def memory_plan(n_params, world, stage):
        found = plan(n_params, world, stage)
        return {**found, "states": found["states"] * 16 / 12, "total": found["total"]}

    return {"memory_plan": memory_plan}


@wrong("E4")
def total_of_all_ranks():
    def memory_plan(n_params, world, stage):
        found = plan(n_params, world, stage)
        return {**found, "total": found["total"] * world}

    return {"memory_plan": memory_plan}


@wrong("E4")
def stage_5_as_stage_3():
    return {"memory_plan": lambda n_params, world, stage: plan(n_params, world, max(0, min(stage, 3)))}


@wrong("E4")
def state_from_rank_0_of_all():
    class ShardedAdam(Sound):
        def state_dict_full(self):
            state = super().state_dict_full()
            return state if dist.get_rank() == 0 else {}

    return {"ShardedAdam": ShardedAdam}
