"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase1_foundations.lab2_nn_module import solution
from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e5_rescue import Plain, building
from phase1_foundations.lab2_nn_module.solution import DeepNet, LayerNorm
from shared.data import digits
from tests.labs.answers import Answers

wrong = Answers()


def one(name, named=True, **objects):
    wrong.add("E5", name, lambda: objects, named=named)


# ---- build_deep -----------------------------------------------------------------------------------------


def replaced(make):
    """Every block exchanged for make(block, width)."""

    def change(net, depth, width):
        net.blocks = nn.Sequential(*[make(block, width) for block in net.blocks])

    return building(change)


class Wrapped(nn.Module):
    def __init__(self, block, compute):
        super().__init__()
        self.block, self.compute = block, compute

    def forward(self, x):
        return self.compute(self.block, x)


def wrapped(compute):
    return replaced(lambda block, width: Wrapped(block, compute))


class Linear(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.linear, self.scale = block.linear, block.scale

    def forward(self, x):
        return x + self.scale * self.linear(x)


class Bottleneck(nn.Module):
    def __init__(self, block, width):
        super().__init__()
        self.down, self.up = nn.Linear(width, 4), nn.Linear(4, width)
        self.norm, self.scale = LayerNorm(width), block.scale
        if not block.linear.weight.any():
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, x):
        return x + self.scale * self.up(torch.relu(self.down(self.norm(x))))


class BatchStatistics(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.linear, self.scale = block.linear, block.scale

    def forward(self, x):
        return x + self.scale * self.linear(torch.relu(solution.normalize(x, (0,), 1e-5)))


class WithoutBlocks(nn.Module):
    """The stem's output goes to the head as well, and the blocks hardly count."""

    def __init__(self, net):
        super().__init__()
        self.stem, self.blocks, self.head = net.stem, net.blocks, net.head
        self.direct = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, net.head.out_features))

    def forward(self, x):
        return self.direct(x) + 1e-3 * self.head(self.blocks(self.stem(x)))


class NeverCalled(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.stem, self.blocks, self.head = net.stem, net.blocks, net.head

    def forward(self, x):
        return self.head(torch.relu(self.stem(x)))


class Doubled(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.stem, self.blocks, self.head, self.norm = net.stem, net.blocks, net.head, net.norm

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.blocks(self.stem(x)))))


def network(make, **how):
    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        return make(DeepNet(depth, width, n_classes, zero_init))

    return build_deep


def always_three(depth=30, width=64, n_classes=10, *, zero_init=False):
    return DeepNet(3, width, n_classes, zero_init)


def ten_classes(depth=30, width=64, n_classes=10, *, zero_init=False):
    return DeepNet(depth, width, 10, zero_init)


def width_sixty_four(depth=30, width=64, n_classes=10, *, zero_init=False):
    return DeepNet(depth, 64, n_classes, zero_init)


def zero_init_ignored(depth=30, width=64, n_classes=10, *, zero_init=False):
    return DeepNet(depth, width, n_classes, False)


def seeded_inside(depth=30, width=64, n_classes=10, *, zero_init=False):
    generator = torch.Generator()
    generator.seed()
    net = DeepNet(depth, width, n_classes, zero_init)
    with torch.no_grad():
        net.stem.weight.normal_(0, 0.1, generator=generator)
    return net


def no_attribute(net):
    layers = [net.stem, *net.blocks, net.norm, net.head]
    return nn.Sequential(*layers)


def shared_linear(net, depth, width):
    for block in net.blocks:
        block.linear = net.blocks[0].linear


def torch_initialisers(net, depth, width):
    for block in net.blocks:
        if block.linear.weight.any():
            nn.init.kaiming_normal_(block.linear.weight)


def zeroes_the_weight_only(net, depth, width):
    for block in net.blocks:
        nn.init.normal_(block.linear.bias, std=0.1)


one("no_blocks_attribute", build_deep=network(no_attribute))
one("never_called", build_deep=network(NeverCalled))
one("blocks_run_twice", build_deep=network(Doubled))
one("always_three", build_deep=always_three)
one("ten_classes", build_deep=ten_classes)
one("width_sixty_four", build_deep=width_sixty_four)
one("zero_init_ignored", build_deep=zero_init_ignored)
one("seeded_inside", build_deep=seeded_inside)
one("linear_blocks", build_deep=replaced(lambda block, width: Linear(block)))
one("bottleneck", build_deep=replaced(Bottleneck))
one("batch_statistics", build_deep=replaced(lambda block, width: BatchStatistics(block)))
one("plain_blocks", build_deep=replaced(lambda block, width: Plain(width)))
one("halves", build_deep=wrapped(lambda block, x: 0.5 * block(x)))
one("relu_after", build_deep=wrapped(lambda block, x: torch.relu(block(x))))
one("norm_after", build_deep=wrapped(lambda block, x: solution.normalize(block(x), (-1,), 1e-5)))
one("branch_alone", build_deep=wrapped(lambda block, x: block(x) - x))
one("adds_twice", build_deep=wrapped(lambda block, x: x + block(x)))
one("shared_linear", build_deep=building(shared_linear))
one("torch_initialisers", build_deep=building(torch_initialisers))
one("zeroes_the_weight_only", build_deep=building(zeroes_the_weight_only))
one("without_blocks", build_deep=network(WithoutBlocks))
one("nothing_built", build_deep=lambda depth=30, width=64, n_classes=10, *, zero_init=False: None)


# ---- train_deep -----------------------------------------------------------------------------------------


def training(
    parameters=lambda model: model.parameters(),
    data=lambda X, y: (X, y),
    lr=2e-3,
    loss=F.cross_entropy,
    rounds=lambda epochs: epochs,
    step=True,
    result=lambda model: model.eval(),
):
    def train_deep(model, X, y, *, epochs=8, seed=0):
        X, y = data(X, y)
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(parameters(model), lr=lr)
        model.train()
        for _ in range(rounds(epochs)):
            for rows in torch.randperm(len(X), generator=generator).split(64):
                optimizer.zero_grad()
                loss(model(X[rows]), y[rows]).backward()
                if step:
                    optimizer.step()
        return result(model)

    return train_deep


def test_digits_too(X, y):
    both = digits(flat=True)
    return torch.cat([both.train.inputs, both.test.inputs]), torch.cat(
        [both.train.targets, both.test.targets]
    )


one("head_alone", train_deep=training(lambda model: model.head.parameters()))
one("no_step", train_deep=training(step=False))
one("no_epochs", train_deep=training(rounds=lambda epochs: 0))
one("learns_the_wrong_way", train_deep=training(loss=lambda s, y: -F.cross_entropy(s, y)))
one("learning_rate_one", train_deep=training(lr=1.0))
one("learning_rate_tiny", train_deep=training(lr=1e-6))
one("a_single_batch", train_deep=training(data=lambda X, y: (X[:64], y[:64])))
one("test_digits_too", train_deep=training(data=test_digits_too))
one("returns_the_loss", train_deep=training(result=lambda model: 0.1))
one("returns_nothing", train_deep=training(result=lambda model: None))
one("returns_the_blocks", train_deep=training(result=lambda model: model.blocks))
one("stays_in_training", train_deep=training(result=lambda model: model))
