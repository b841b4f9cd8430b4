"""Wrong answers to E5: one pipeline, one clock and one loop, with one mistake at a time."""

import itertools
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from courseware.check import misconception


def distort(x, generator, turn=0.5):
    """Right amounts, by torch's own functions."""
    u = 2 * torch.rand(4, len(x), generator=generator) - 1
    angle, scale, shift = turn * u[0], 1 + 0.15 * u[1], 0.3 * u[2:].T
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([cos, -sin, shift[:, 0]], dim=1), torch.stack([sin, cos, shift[:, 1]], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def pipeline(change=distort, up_front=lambda x, generator: x, renew=False, **how):
    """A right `build_pipeline` with parts to be exchanged."""

    def build_pipeline(X200, y200, *, seed):
        generator = torch.Generator().manual_seed(seed)
        order = torch.Generator().manual_seed(seed + 1_000_000)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            return change(x, torch.Generator().manual_seed(seed) if renew else generator), y

        dataset = TensorDataset(up_front(X200, generator), y200)
        settings = {"batch_size": 50, "shuffle": True, "generator": order, "collate_fn": collate}
        return DataLoader(dataset, **{**settings, **how})

    return {"build_pipeline": build_pipeline}


@misconception("E5", diagnosis="distorted-once-for-all")
def distorts_up_front():
    return pipeline(change=lambda x, generator: x, up_front=distort)


@misconception("E5", diagnosis="normalised-per-batch")
def normalises_each_batch():
    def change(x, generator):
        x = distort(x, generator)
        return (x - x.mean()) / x.std()

    return pipeline(change=change)


@misconception("E5", diagnosis="mirrored")
def flips_digits():
    def change(x, generator):
        flipped = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
        x = distort(x, generator)
        return torch.where(flipped, x.flip(-1), x)

    return pipeline(change=change)


@misconception("E5", diagnosis="workers-in-the-pipeline")
def workers_with_equal_generators():
    return pipeline(num_workers=2)


@misconception("E5", diagnosis="drawn-again-in-every-batch")
def seeds_in_the_collate_function():
    return pipeline(renew=True)


@misconception("E5", diagnosis="every-epoch-the-same")
def seeds_in_each_epoch():
    class Again(DataLoader):
        def __iter__(self):
            for generator in self.generators:
                generator.manual_seed(5)
            return super().__iter__()

    def build_pipeline(X200, y200, *, seed):
        generator = torch.Generator().manual_seed(seed)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            return distort(x, generator), y

        loader = Again(
            TensorDataset(X200, y200), batch_size=50, shuffle=True, generator=generator, collate_fn=collate
        )
        loader.generators = [generator]
        return loader

    return {"build_pipeline": build_pipeline}


@misconception("E5", diagnosis="one-distortion-for-the-batch")
def one_angle_a_batch():
    def change(x, generator):
        turn = torch.rand((), generator=generator) - 0.5
        theta = torch.stack([turn.cos(), -turn.sin(), turn * 0, turn.sin(), turn.cos(), turn * 0]).view(
            1, 2, 3
        )
        grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    return pipeline(change=change)


@misconception("E5", diagnosis="examples-missing-or-twice")
def drops_the_last_batch():
    return pipeline(drop_last=True)


@misconception("E5", diagnosis="not-reproducible")
def global_random_numbers():
    return pipeline(change=lambda x, generator: distort(x, None))


@misconception("E5", diagnosis="not-distorted")
def plain_loader():
    return pipeline(change=lambda x, generator: x)


@misconception("E5", diagnosis="turned-too-far")
def any_angle():
    return pipeline(change=lambda x, generator: distort(x, generator, turn=3.1))


# ---- choose_workers -------------------------------------------------------------------------------------


def clock(choose=lambda seconds: min(seconds, key=seconds.get), stop=True, scale=True, begun=False):
    """A right `choose_workers` with parts to be exchanged."""

    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        seconds = {}
        for workers in candidates:
            loader = DataLoader(dataset, batch_size=32, num_workers=workers)
            batches = iter(loader)
            started = time.perf_counter()
            if begun:
                next(batches)
                started = time.perf_counter()
            seen = int(begun)
            for _ in batches:
                seen += 1
                if stop and time.perf_counter() - started > budget_s / len(candidates):
                    break
            elapsed = time.perf_counter() - started
            seconds[workers] = elapsed * len(loader) / seen if scale else elapsed
        return choose(seconds), seconds

    return {"choose_workers": choose_workers}


@misconception("E5", diagnosis="start-up-not-counted")
def clock_after_the_first_batch():
    return clock(begun=True)


@misconception("E5", diagnosis="budget-ignored")
def always_a_whole_epoch():
    return clock(stop=False)


@misconception("E5", diagnosis="not-extrapolated")
def reports_the_elapsed_time():
    return clock(scale=False)


@misconception("E5", diagnosis="not-the-fastest")
def takes_the_slowest():
    return clock(choose=lambda seconds: max(seconds, key=seconds.get))


@misconception("E5", diagnosis="candidates-not-measured")
def rule_of_thumb():
    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        seconds = {workers: 1.0 / (workers + 1) for workers in candidates}
        return max(candidates), seconds

    return {"choose_workers": choose_workers}


# ---- train ----------------------------------------------------------------------------------------------


def loop(batches=None, clear=True, noisy=False, finish=nn.Module.eval, start=torch.manual_seed):
    """A right `train` with parts to be exchanged."""

    def again(loader):
        while True:
            yield from loader

    def train(loader, steps=1500, seed=0):
        with torch.random.fork_rng():
            start(seed)
            layers = [nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)]
            model = nn.Sequential(*([Noise(), *layers] if noisy else layers))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        for x, y in itertools.islice((batches or again)(loader), steps):
            if clear:
                optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        return finish(model)

    return {"train": train}


class Noise(nn.Module):
    """Augmentation as a layer that does not look at `self.training`."""

    def forward(self, x):
        return x + 0.3 * torch.randn_like(x)


@misconception("E5", diagnosis="answers-change")
def distorts_the_test_images_too():
    return loop(noisy=True)


@misconception("E5", diagnosis="first-epoch-kept")
def itertools_cycle():
    return loop(batches=itertools.cycle)


@misconception("E5", diagnosis="stops-with-the-loader")
def one_epoch():
    return loop(batches=iter)


@misconception("E5", diagnosis="gradients-never-cleared")
def never_clears():
    return loop(clear=False)


@misconception("E5", diagnosis="left-in-training-mode")
def forgets_eval():
    return loop(finish=lambda model: model.train())


@misconception("E5", diagnosis="training-ignores-the-seed")
def fixed_seed():
    return loop(start=lambda seed: torch.manual_seed(0))
