"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DistributedSampler

from tests.labs.answers import Answers

right = Answers()


@right("E2")
def torchs_own_sampler_inside():
    class ShardSampler:
        def __init__(self, n, rank, world, shuffle=True, seed=0, mode="pad"):
            if mode not in ("pad", "drop", "exact") or rank not in range(world):
                raise ValueError(f"{mode}, {rank} of {world}")
            self.mode, self.rank, self.world = mode, rank, world
            self.inner = DistributedSampler(range(n), world, rank, shuffle, seed, drop_last=mode == "drop")
            self.n = n
            self.everyone = [DistributedSampler(range(n), 1, 0, shuffle, seed)]

        def set_epoch(self, epoch):
            self.inner.set_epoch(epoch)
            self.everyone[0].set_epoch(epoch)

        def __len__(self):
            return len([*iter(self)])

        def __iter__(self):
            if self.mode == "exact":
                return iter(list(self.everyone[0])[self.rank :: self.world])
            return iter(list(self.inner)) if self.n else iter(())

    return {"ShardSampler": ShardSampler}


@right("E2")
def a_generator_with_modulo():
    class ShardSampler:
        epoch = 0

        def __init__(self, n, rank, world, shuffle=True, seed=0, mode="pad"):
            if rank < 0 or rank >= world:
                raise ValueError("rank")
            totals = {"pad": math.ceil(n / world) * world, "drop": n - n % world, "exact": n}
            if mode not in totals:
                raise ValueError("mode")
            self.total, self.n, self.rank, self.world = totals[mode], n, rank, world
            self.seed, self.shuffle = seed, shuffle

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __len__(self):
            return max(0, math.ceil((self.total - self.rank) / self.world))

        def __iter__(self):
            g = torch.Generator()
            g.manual_seed(self.epoch + self.seed)
            order = torch.randperm(self.n, generator=g).tolist() if self.shuffle else range(self.n)
            position = self.rank
            while position < self.total:
                yield order[position % self.n]
                position += self.world

    return {"ShardSampler": ShardSampler}


@right("E2")
def two_reductions():
    def global_metric(local_sum, local_count):
        total, count = local_sum.clone().to(torch.float64), local_count.clone().to(torch.float64)
        dist.all_reduce(total)
        dist.all_reduce(count)
        return float(total / count) if count > 0 else float("nan")

    return {"global_metric": global_metric}


@right("E2")
def gathered_objects():
    def global_metric(local_sum, local_count):
        pairs = [None] * dist.get_world_size()
        dist.all_gather_object(pairs, (local_sum.item(), local_count.item()))
        total, count = (math.fsum(column) for column in zip(*pairs, strict=True))
        return total / count if count else math.nan

    return {"global_metric": global_metric}


@right("E2")
def division_gives_the_nan():
    def global_metric(local_sum, local_count):
        both = torch.tensor([local_sum.item(), local_count.item()], dtype=torch.double)
        parts = [torch.empty_like(both) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, both)
        total, count = torch.stack(parts).sum(dim=0)
        return (total / count).item()

    return {"global_metric": global_metric}


@right("E2")
def one_flat_message():
    def weighted_grad_mean(model, local_tokens):
        params = [p for p in model.parameters() if p.requires_grad]
        flat = [(torch.zeros_like(p) if p.grad is None else p.grad).double().flatten() for p in params]
        both = torch.cat([*flat, torch.tensor([float(local_tokens)], dtype=torch.double)])
        dist.all_reduce(both)
        mean = both[:-1] / both[-1].clamp(min=1)
        for p, part in zip(params, mean.split([p.numel() for p in params]), strict=True):
            p.grad = part.view_as(p).to(p.dtype)

    return {"weighted_grad_mean": weighted_grad_mean}


@right("E2")
def scaled_first_then_added():
    def weighted_grad_mean(model, local_tokens):
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([local_tokens]))
        total = int(torch.cat(counts).sum()) or 1
        for p in filter(lambda q: q.requires_grad, model.parameters()):
            p.grad = p.grad / total if p.grad is not None else p.new_zeros(p.shape)
            dist.all_reduce(p.grad, op=dist.ReduceOp.SUM)

    return {"weighted_grad_mean": weighted_grad_mean}


@right("E2")
def reduced_and_broadcast():
    def weighted_grad_mean(model: nn.Module, local_tokens: int) -> None:
        total = torch.tensor(local_tokens)
        dist.all_reduce(total)
        with torch.no_grad():
            for p in model.parameters():
                if not p.requires_grad:
                    continue
                grad = torch.zeros_like(p) if p.grad is None else p.grad.clone()
                dist.reduce(grad, dst=0)
                grad = grad / total if total else torch.zeros_like(grad)
                dist.broadcast(grad, src=0)
                p.grad = grad

    return {"weighted_grad_mean": weighted_grad_mean}
