"""Wrong answers to E2, as strangers make them."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.solution import ShardSampler as Reference
from phase2_intermediate.lab5_distributed_training.solution import global_metric as metric
from phase2_intermediate.lab5_distributed_training.solution import weighted_grad_mean as grad_mean
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E2")
def drops_by_default():
    class ShardSampler(Reference):
        def __init__(self, n, rank, world, shuffle=True, seed=0, mode="drop"):
            super().__init__(n, rank, world, shuffle, seed, mode)

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def epoch_counts_itself():
    class ShardSampler(Reference):
        def __iter__(self):
            found = super().__iter__()
            self.epoch += 1
            return found

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def global_generator():
    class ShardSampler(Reference):
        def __iter__(self):
            torch.manual_seed(self.seed + self.epoch)
            order = torch.randperm(self.n).tolist() if self.shuffle else list(range(self.n))
            if self.mode != "exact" and self.n:
                order = (order * len(order) * self.world)[: len(self) * self.world]
            return iter(order[: len(self)] if self.rank == 0 else order[self.rank :: self.world])

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def tensors_for_indices():
    class ShardSampler(Reference):
        def __iter__(self):
            return iter(torch.tensor(list(super().__iter__()), dtype=torch.int64))

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def len_of_the_whole():
    class ShardSampler(Reference):
        def __iter__(self):
            return iter(list(super().__iter__()))

        def __len__(self):
            return self.n

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def any_rank_will_do():
    class ShardSampler(Reference):
        def __init__(self, n, rank, world, shuffle=True, seed=0, mode="pad"):
            super().__init__(n, rank % world, world, shuffle, seed, mode)

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def pads_with_the_last():
    class ShardSampler(Reference):
        def __iter__(self):
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(self.n, generator=generator).tolist() if self.shuffle else [*range(self.n)]
            while self.mode == "pad" and order and len(order) % self.world:
                order.append(order[-1])
            if self.mode == "drop":
                order = order[: self.n // self.world * self.world]
            return iter(order[self.rank :: self.world])

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def epoch_times_seed():
    class ShardSampler(Reference):
        def set_epoch(self, epoch):
            self.epoch = 17 * epoch

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def metric_of_rank_0():
    def global_metric(local_sum, local_count):
        result = metric(local_sum, local_count)
        return result if dist.get_rank() == 0 else math.nan

    return {"global_metric": global_metric}


@wrong("E2")
def metric_as_tensor():
    return {"global_metric": lambda s, c: torch.tensor(metric(s, c), dtype=torch.float64)}


@wrong("E2")
def counts_are_averaged():
    def global_metric(local_sum, local_count):
        total = local_sum.double().clone()
        dist.all_reduce(total)
        return (total / local_count.double()).item() if local_count else math.nan

    return {"global_metric": global_metric}


@wrong("E2")
def zero_division_raises():
    def global_metric(local_sum, local_count):
        both = torch.stack([local_sum.double(), local_count.double()])
        dist.all_reduce(both)
        total, count = both.tolist()
        return total / count

    return {"global_metric": global_metric}


@wrong("E2")
def stacked_without_conversion():
    def global_metric(local_sum, local_count):
        both = torch.stack([local_sum, local_count.to(local_sum.dtype)])
        dist.all_reduce(both)
        total, count = both.tolist()
        return total / count if count else math.nan

    return {"global_metric": global_metric}


@wrong("E2")
def gradients_only_added():
    def weighted_grad_mean(model, local_tokens):
        for p in model.parameters():
            if p.requires_grad:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def weighted_once_more():
    def weighted_grad_mean(model, local_tokens):
        for p in model.parameters():
            if p.grad is not None:
                p.grad *= local_tokens
        grad_mean(model, local_tokens)

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def thaws_the_frozen():
    def weighted_grad_mean(model, local_tokens):
        grad_mean(model, local_tokens)
        for p in model.parameters():
            if p.grad is None:
                p.grad = torch.zeros_like(p)

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def gradients_in_float32():
    def weighted_grad_mean(model, local_tokens):
        grad_mean(model, local_tokens)
        for p in model.parameters():
            if p.grad is not None:
                p.data = p.data.float()
                p.grad = None if p.grad is None else p.grad.float()

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def no_gradient_where_there_was_none():
    def weighted_grad_mean(model, local_tokens):
        had = [p.grad is not None for p in model.parameters()]
        grad_mean(model, local_tokens)
        for p, there in zip(model.parameters(), had, strict=True):
            p.grad = p.grad if there else None

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def nan_without_tokens():
    def weighted_grad_mean(model, local_tokens):
        total = torch.tensor(float(local_tokens))
        dist.all_reduce(total)
        for p in model.parameters():
            if p.requires_grad:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)
                p.grad /= total

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def seeds_the_global_generator():
    class ShardSampler(Reference):
        def __iter__(self):
            torch.manual_seed(0)
            return super().__iter__()

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def frozen_gradient_is_averaged():
    def weighted_grad_mean(model, local_tokens):
        frozen = [p for p in model.parameters() if not p.requires_grad and p.grad is not None]
        grad_mean(model, local_tokens)
        for p in frozen:
            dist.all_reduce(p.grad)

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def epoch_of_the_class():
    class ShardSampler(Reference):
        def set_epoch(self, epoch):
            ShardSampler.all_epochs = epoch

        def __iter__(self):
            self.epoch = getattr(ShardSampler, "all_epochs", 0)
            return super().__iter__()

    return {"ShardSampler": ShardSampler}


@wrong("E2")
def a_shared_weight_counts_twice():
    def weighted_grad_mean(model, local_tokens):
        tokens = torch.tensor(float(local_tokens))
        dist.all_reduce(tokens)
        for _, p in model.named_parameters(remove_duplicate=False):
            if p.requires_grad:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)
                p.grad /= max(tokens.item(), 1)

    return {"weighted_grad_mean": weighted_grad_mean}


@wrong("E2")
def tokens_counted_in_bfloat16():
    def weighted_grad_mean(model, local_tokens):
        tokens = torch.tensor(local_tokens, dtype=torch.bfloat16)
        dist.all_reduce(tokens)
        for p in model.parameters():
            if p.requires_grad:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)
                p.grad /= max(tokens.item(), 1)

    return {"weighted_grad_mean": weighted_grad_mean}
