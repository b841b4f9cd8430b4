"""Wrong answers to E5: the reference with one mistake at a time."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase1_foundations.lab2_nn_module import solution
from phase1_foundations.lab2_nn_module.solution import DeepNet, kaiming_normal_


def building(change):
    """build_deep of the reference, its network changed by `change(net, depth, width)`."""

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        net = DeepNet(depth, width, n_classes, zero_init)
        change(net, depth, width)
        return net

    return build_deep


class Plain(nn.Module):
    """A linear layer and relu: no way around it."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        kaiming_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return torch.relu(self.linear(x))


@misconception("E5", diagnosis="blocks-in-a-python-list")
def a_list_of_blocks():
    class Hidden(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.stem, self.norm, self.head = net.stem, net.norm, net.head
            self.blocks = list(net.blocks)

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        return Hidden(DeepNet(depth, width, n_classes, zero_init))

    return {"build_deep": build_deep}


@misconception("E5", diagnosis="one-block-for-all")
def the_same_block_thirty_times():
    def repeat(net, depth, width):
        net.blocks = nn.Sequential(*[net.blocks[0]] * depth)

    return {"build_deep": building(repeat)}


@misconception("E5", diagnosis="residual-on-some-layers-only")
def every_second_block_is_plain():
    def replace(net, depth, width):
        for i in range(1, depth, 2):
            net.blocks[i] = Plain(width)

    return {"build_deep": building(replace)}


@misconception("E5", diagnosis="size-grows-with-depth")
def full_size_without_a_norm():
    class Doubling(nn.Module):
        def __init__(self, width, zero_init):
            super().__init__()
            self.linear = nn.Linear(width, width)
            kaiming_normal_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
            if zero_init:
                nn.init.zeros_(self.linear.weight)

        def forward(self, x):
            return x + self.linear(torch.relu(x))

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        net = DeepNet(depth, width, n_classes, zero_init)
        net.blocks = nn.Sequential(*[Doubling(width, zero_init) for _ in range(depth)])
        return net

    return {"build_deep": build_deep}


@misconception("E5", diagnosis="not-in-eval-mode")
def stays_in_training_mode():
    def train_deep(model, X, y, *, epochs=8, seed=0):
        return solution.train_deep(model, X, y, epochs=epochs, seed=seed).train()

    return {"train_deep": train_deep}


@misconception("E5", diagnosis="branch-starts-dead")
def two_factors_are_zero():
    class Gated(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block, self.gate = block, nn.Parameter(torch.ones(1))
            if not block.linear.weight.any():
                nn.init.zeros_(self.gate)

        def forward(self, x):
            return x + self.gate * (self.block(x) - x)

    def gate(net, depth, width):
        net.blocks = nn.Sequential(*[Gated(block) for block in net.blocks])

    return {"build_deep": building(gate)}


@misconception("E5", diagnosis="zero-init-is-not-the-identity")
def activation_after_the_sum():
    class PostActivation(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.norm, self.linear, self.scale = block.norm, block.linear, block.scale

        def forward(self, x):
            return torch.relu(x + self.scale * self.linear(self.norm(x)))

    def replace(net, depth, width):
        net.blocks = nn.Sequential(*[PostActivation(block) for block in net.blocks])

    return {"build_deep": building(replace)}


@misconception("E5", diagnosis="seed-ignored")
def order_from_the_global_generator():
    def train_deep(model, X, y, *, epochs=8, seed=0):
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                F.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
        return model.eval()

    return {"train_deep": train_deep}


@misconception("E5", diagnosis="gradients-pile-up")
def never_clears_gradients():
    def train_deep(model, X, y, *, epochs=8, seed=0):
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(epochs):
            for rows in torch.randperm(len(X), generator=generator).split(64):
                F.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
        return model.eval()

    return {"train_deep": train_deep}


@misconception("E5", diagnosis="returns-another-model")
def trains_a_copy():
    def train_deep(model, X, y, *, epochs=8, seed=0):
        return solution.train_deep(copy.deepcopy(model), X, y, epochs=epochs, seed=seed)

    return {"train_deep": train_deep}


@misconception("E5", diagnosis="forbidden")
def torch_s_own_norm():
    def replace(net, depth, width):
        for block in net.blocks:
            block.norm = nn.LayerNorm(width)

    return {"build_deep": building(replace)}


@misconception("E5", diagnosis="gradient-does-not-arrive")
def residual_only_where_it_is_asked_for():
    class Saturating(nn.Module):
        def __init__(self, width, zero_init):
            super().__init__()
            self.linear, self.zero_init = nn.Linear(width, width), zero_init
            nn.init.zeros_(self.linear.bias)
            with torch.no_grad():
                self.linear.weight.normal_(0, 0.0 if zero_init else 2 / width**0.5)

        def forward(self, x):
            y = torch.tanh(self.linear(x))
            return x + y if self.zero_init else y

    def build_deep(depth=30, width=64, n_classes=10, *, zero_init=False):
        net = DeepNet(depth, width, n_classes, zero_init)
        net.blocks = nn.Sequential(*[Saturating(width, zero_init) for _ in range(depth)])
        return net

    return {"build_deep": build_deep}
