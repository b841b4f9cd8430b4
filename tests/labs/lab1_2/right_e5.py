"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase1_foundations.lab2_nn_module.solution import BatchNorm, LayerNorm, kaiming_normal_, orthogonal_
from tests.labs.answers import Answers

right = Answers()


class Net(nn.Module):
    def __init__(self, blocks, width, n_classes):
        super().__init__()
        self.first = nn.Linear(64, width)
        self.blocks = blocks
        self.last = nn.Linear(width, n_classes)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


@right("E5")
def gates_that_start_at_zero():
    """No norm at all: each branch has one number in front, small or zero (ReZero)."""

    class Block(nn.Module):
        def __init__(self, width, gate):
            super().__init__()
            self.linear = nn.Linear(width, width)
            orthogonal_(self.linear.weight)
            self.gate = nn.Parameter(torch.full((), gate))

        def forward(self, x):
            return x + self.gate * F.relu(self.linear(x))

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        gate = 0.0 if zero_init else 1.0 / depth
        return Net(nn.ModuleList(Block(width, gate) for _ in range(depth)), width, n_classes)

    def train_deep(model, X, y, *, epochs=8, seed=0):
        torch.manual_seed(seed)
        steps = epochs * -(-len(X) // 32)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        model.train()
        for _ in range(epochs):
            order = torch.randperm(len(X))
            for start in range(0, len(X), 32):
                rows = order[start : start + 32]
                optimizer.zero_grad()
                loss = F.cross_entropy(model(X[rows]), y[rows])
                loss.backward()
                optimizer.step()
                cosine.step()
        model.eval()
        return model

    return {"build_deep": build_deep, "train_deep": train_deep}


@right("E5")
def batch_norm_in_the_branch():
    class Block(nn.Module):
        def __init__(self, width, depth, zero_init):
            super().__init__()
            self.norm = BatchNorm(width)
            self.one = nn.Linear(width, width)
            self.two = nn.Linear(width, width)
            kaiming_normal_(self.one.weight)
            kaiming_normal_(self.two.weight, nonlinearity="linear")
            with torch.no_grad():
                self.two.bias.zero_()
                self.two.weight.mul_(0 if zero_init else depth**-0.5)

        def forward(self, x):
            return self.two(torch.relu(self.one(self.norm(x)))) + x

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        blocks = [Block(width, depth, zero_init) for _ in range(depth)]
        return Net(nn.Sequential(*blocks), width, n_classes)

    return {"build_deep": build_deep}


@right("E5")
def sgd_with_momentum():
    def train_deep(model, X, y, *, epochs=8, seed=0):
        generator = torch.Generator()
        generator.manual_seed(seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / (epochs + 1))
        model.train(True)
        for _ in range(epochs):
            for rows in torch.randperm(X.shape[0], generator=generator).split(50):
                model.zero_grad()
                torch.nn.CrossEntropyLoss()(model(X[rows]), y[rows]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            schedule.step()
        model.train(False)
        return model

    return {"train_deep": train_deep}


@right("E5", slow=True)
def gated_like_a_highway():
    class Block(nn.Module):
        def __init__(self, width, zero_init):
            super().__init__()
            self.norm, self.both = LayerNorm(width), nn.Linear(width, 2 * width)
            self.out = nn.Parameter(torch.zeros(width) if zero_init else torch.full((width,), 0.2))

        def forward(self, x):
            value, gate = self.both(self.norm(x)).chunk(2, dim=-1)
            return x + self.out * torch.tanh(value) * torch.sigmoid(gate)

    class Deep(nn.Module):
        def __init__(self, depth, width, n_classes, zero_init):
            super().__init__()
            self.inward = nn.Sequential(nn.Linear(64, width), nn.Tanh())
            self.blocks = nn.ModuleList([Block(width, zero_init) for _ in range(depth)])
            self.outward = nn.Sequential(LayerNorm(width), nn.Linear(width, n_classes))

        def forward(self, x):
            x = self.inward(x)
            for i in range(len(self.blocks)):
                x = self.blocks[i](x)
            return self.outward(x)

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        return Deep(depth, width, n_classes, zero_init)

    return {"build_deep": build_deep}
