"""Wrong answers to E2: a sampler, a metric, a gradient, with one mistake at a time."""

import math

import torch
import torch.distributed as dist
from torch.utils.data import Sampler

from courseware.check import misconception


def sampler(
    *, generator_seed=lambda self: self.seed + self.epoch, pad_exact=False, deal=None, drop_rank=False
):
    class ShardSampler(Sampler):
        def __init__(self, n, rank, world, shuffle=True, seed=0, mode="pad"):
            if not 0 <= rank < world or mode not in ("pad", "drop", "exact"):
                raise ValueError("rank or mode")
            self.n, self.rank, self.world, self.shuffle = n, rank, world, shuffle
            self.seed, self.mode, self.epoch = seed, "pad" if pad_exact and mode == "exact" else mode, 0

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __len__(self):
            return len(self._mine())

        def __iter__(self):
            return iter(self._mine())

        def _mine(self):
            generator = torch.Generator().manual_seed(generator_seed(self))
            order = torch.randperm(self.n, generator=generator) if self.shuffle else torch.arange(self.n)
            order = order.tolist()
            if self.mode == "drop":
                order = order[: self.n // self.world * self.world]
            while self.mode == "pad" and order and len(order) % self.world:
                order.append(order[len(order) - self.n])
            return deal(order, self) if deal else order[self.rank :: self.world]

    return {"ShardSampler": ShardSampler}


@misconception("E2", diagnosis="seed-includes-the-rank")
def each_rank_its_own_shuffle():
    return sampler(generator_seed=lambda self: self.seed + self.epoch + 1000 * self.rank)


@misconception("E2", diagnosis="epochs-are-all-alike")
def epoch_has_no_effect():
    return sampler(generator_seed=lambda self: self.seed)


@misconception("E2", diagnosis="exact-is-not-exact")
def pads_in_evaluation():
    return sampler(pad_exact=True)


@misconception("E2", diagnosis="blocks-instead-of-stride")
def blocks():
    def deal(order, self):
        if not self.shuffle or len(order) % self.world:
            return order[self.rank :: self.world]
        size = len(order) // self.world
        return order[self.rank * size : (self.rank + 1) * size]

    return sampler(deal=deal)


@misconception("E2", diagnosis="mean-of-means")
def averages_the_averages():
    def global_metric(local_sum, local_count):
        mean = local_sum.double() / local_count.double()
        dist.all_reduce(mean)
        return (mean / dist.get_world_size()).item()

    return {"global_metric": global_metric}


@misconception("E2", diagnosis="metric-rounds")
def adds_in_float32():
    def global_metric(local_sum, local_count):
        both = torch.stack([local_sum.float(), local_count.float()])
        dist.all_reduce(both)
        return (both[0] / both[1]).item()

    return {"global_metric": global_metric}


@misconception("E2", diagnosis="arguments-changed")
def reduces_the_arguments():
    def global_metric(local_sum, local_count):
        local_sum, local_count = local_sum.detach(), local_count.detach()
        dist.all_reduce(local_count)
        total = local_sum.double()
        dist.all_reduce(total)
        return (total / local_count).item() if local_count else math.nan

    return {"global_metric": global_metric}


@misconception("E2", diagnosis="nan-where-nobody-has-an-example")
def zero_for_nothing():
    def global_metric(local_sum, local_count):
        both = torch.stack([local_sum.double(), local_count.double()])
        dist.all_reduce(both)
        return (both[0] / both[1].clamp(min=1)).item()

    return {"global_metric": global_metric}


def mean_by(weigh):
    def weighted_grad_mean(model, local_tokens):
        tokens = torch.tensor(float(local_tokens), dtype=torch.float64)
        dist.all_reduce(tokens)
        for p in model.parameters():
            if p.requires_grad:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
                weigh(p.grad, local_tokens, max(tokens.item(), 1))

    return {"weighted_grad_mean": weighted_grad_mean}


@misconception("E2", diagnosis="divided-by-the-ranks")
def divides_by_the_world():
    def weigh(grad, local, total):
        dist.all_reduce(grad)
        grad /= dist.get_world_size()

    return mean_by(weigh)


@misconception("E2", diagnosis="mean-of-rank-means")
def every_rank_weighs_the_same():
    def weigh(grad, local, total):
        grad /= max(local, 1)
        dist.all_reduce(grad)
        grad /= dist.get_world_size()

    return mean_by(weigh)


@misconception("E2", diagnosis="calls-differ")
def leaves_out_what_is_none():
    def weighted_grad_mean(model, local_tokens):
        tokens = torch.tensor(float(local_tokens), dtype=torch.float64)
        dist.all_reduce(tokens)
        for p in model.parameters():
            if p.grad is not None:
                dist.all_reduce(p.grad)
                p.grad /= max(tokens.item(), 1)

    return {"weighted_grad_mean": weighted_grad_mean}
