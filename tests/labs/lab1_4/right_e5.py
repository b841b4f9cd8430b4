"""Right answers to E5, written otherwise than the reference."""

import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from tests.labs.answers import Answers

right = Answers()


def torch_warp(x, angle, scale, right_, down):
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    theta = torch.stack([cos, -sin, right_, sin, cos, down], dim=1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


@right("E5", slow=True)
def distorted_in_getitem():
    class Crooked(Dataset):
        def __init__(self, x, y, seed):
            self.x, self.y = x, y
            self.rng = np.random.default_rng(seed)

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            a, s, r, d = torch.from_numpy(self.rng.uniform(-1, 1, (4, 1)).astype(np.float32))
            x = torch_warp(self.x[i][None], 0.5 * a, 1 + 0.12 * s, 0.3 * r, 0.3 * d)
            return x[0], int(self.y[i])

    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator()
        g.manual_seed(seed + 12345)
        return DataLoader(Crooked(X200, y200, seed), batch_size=64, shuffle=True, generator=g)

    def train(loader, steps=1500, seed=0):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
        )
        opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
        sched = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, total_steps=max(steps, 2))
        batches = iter(loader)
        for _ in range(steps):
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(loader)
                x, y = next(batches)
            opt.zero_grad(set_to_none=False)
            F.cross_entropy(net(x), y).backward()
            opt.step()
            sched.step()
        net.eval()
        return net

    return {"build_pipeline": build_pipeline, "train": train}


@right("E5")
def an_epoch_in_one_batch_sampler():
    class Whole(Dataset):
        def __init__(self, x, y, g):
            self.x, self.y, self.g = x.clone(), y.clone(), g

        def __len__(self):
            return len(self.y)

        def __getitem__(self, indices):
            x, y = self.x[indices], self.y[indices]
            u = torch.rand(len(y), 4, generator=self.g).mul(2).sub(1)
            x = torch_warp(x, math.radians(28) * u[:, 0], 1 + 0.12 * u[:, 1], 0.28 * u[:, 2], 0.28 * u[:, 3])
            return x + 0.03 * torch.randn(x.shape, generator=self.g), y

    def build_pipeline(X200, y200, *, seed):
        order = torch.Generator().manual_seed(2 * seed + 1)
        data = Whole(X200, y200, torch.Generator().manual_seed(2 * seed))
        sampler = BatchSampler(RandomSampler(data, generator=order), 40, drop_last=False)
        return DataLoader(data, batch_size=None, sampler=sampler, generator=order)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, stride=2, padding=1)
            self.norm, self.drop = nn.BatchNorm2d(32), nn.Dropout(0.1)
            self.head = nn.Linear(512, 10)

        def forward(self, x):
            x = F.relu(self.norm(self.b(F.relu(self.a((x - 0.3) / 0.37)))))
            return self.head(self.drop(x.flatten(1)))

    def train(loader, steps=1500, seed=0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = Net()
            opt = torch.optim.Adam(net.parameters(), 3e-3)
            step = 0
            while True:
                for x, y in loader:
                    if step == steps:
                        return net.eval()
                    for group in opt.param_groups:
                        group["lr"] = 3e-3 * (1 - step / steps)
                    loss = F.cross_entropy(net(x), y, label_smoothing=0.05)
                    net.zero_grad()
                    loss.backward()
                    opt.step()
                    step += 1

    return {"build_pipeline": build_pipeline, "train": train}


@right("E5")
def plain_sgd_with_momentum():
    def train(loader, steps=1500, seed=0):
        g = torch.Generator().manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 10))
        for p in net.parameters():
            with torch.no_grad():
                p.copy_(
                    torch.randn(p.shape, generator=g) * (2 / p.shape[-1]) ** 0.5 if p.dim() == 2 else p * 0
                )
        velocity = [torch.zeros_like(p) for p in net.parameters()]
        done = 0
        while done < steps:
            for x, y in loader:
                loss = -net(x).log_softmax(1)[torch.arange(len(y)), y].mean()
                grads = torch.autograd.grad(loss, list(net.parameters()))
                with torch.no_grad():
                    for p, v, grad in zip(net.parameters(), velocity, grads, strict=True):
                        v.mul_(0.9).add_(grad)
                        p.sub_(0.1 * (1 - 0.9 * done / steps) * v)
                done += 1
                if done >= steps:
                    break
        return net.eval()

    return {"train": train}


@right("E5")
def scipy_free_clock():
    def choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0):
        result = {}
        for count in candidates:
            end = time.monotonic() + budget_s / len(candidates)
            begin = time.monotonic()
            loader = DataLoader(dataset, batch_size=32, num_workers=count, shuffle=False)
            total, seen = math.ceil(len(dataset) / 32), 0
            iterator = iter(loader)
            while seen < total:
                next(iterator)
                seen += 1
                if time.monotonic() >= end:
                    break
            result[count] = float((time.monotonic() - begin) / seen * total)
            del iterator
        best = sorted(result.items(), key=lambda pair: pair[1])[0][0]
        return best, result

    return {"choose_workers": choose_workers}


@right("E5")
def integer_pixels_and_rotations():
    """Augmentation by bilinear look-ups written out, an augmented copy of the batch each time."""

    def build_pipeline(X200, y200, *, seed):
        rng = np.random.default_rng([seed, 77])

        class Order(torch.utils.data.Sampler):
            def __iter__(self):
                return iter(rng.permutation(len(X200)).tolist())

            def __len__(self):
                return len(X200)

        def collate(indices):
            x, y = X200[indices], y200[indices]
            numbers = torch.from_numpy(rng.uniform(-1, 1, size=(4, len(indices)))).float()
            a, s, r, d = numbers
            return torch_warp(x, 0.45 * a, 1.0 + 0.15 * s, 0.27 * r, 0.27 * d), y

        return DataLoader(range(len(X200)), batch_size=32, sampler=Order(), collate_fn=collate)

    return {"build_pipeline": build_pipeline}


@right("E5", slow=True)
def a_few_fixed_amounts():
    """Five angles, three scales, whole and half pixels: not continuous, and enough."""

    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator().manual_seed(seed)

        def pick(values, count):
            return torch.tensor(values)[torch.randint(len(values), (count,), generator=g)]

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            n = len(x)
            angle, scale = pick([-0.5, -0.25, 0.0, 0.25, 0.5], n), pick([0.9, 1.0, 1.1], n)
            return torch_warp(x, angle, scale, pick([-0.25, 0.0, 0.25], n), pick([-0.25, 0.0, 0.25], n)), y

        data = torch.utils.data.TensorDataset(X200, y200)
        return DataLoader(data, batch_size=50, shuffle=True, generator=g, collate_fn=collate)

    return {"build_pipeline": build_pipeline}


@right("E5", slow=True)
def strong_distortions():
    def build_pipeline(X200, y200, *, seed):
        g = torch.Generator().manual_seed(seed)

        def collate(examples):
            x, y = (torch.stack(part) for part in zip(*examples, strict=True))
            u = 2 * torch.rand(6, len(x), generator=g) - 1
            x = torch_warp(x, 0.65 * u[0], 1 + 0.2 * u[1], 0.35 * u[2], 0.35 * u[3])
            x = x * (1 + 0.15 * u[4])[:, None, None, None] + 0.05 * torch.randn(x.shape, generator=g)
            return x, y

        data = torch.utils.data.TensorDataset(X200, y200)
        return DataLoader(data, batch_size=64, shuffle=True, generator=g, collate_fn=collate)

    return {"build_pipeline": build_pipeline}
