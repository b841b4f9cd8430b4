"""Wrong answers to E4."""

import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder import solution
from phase2_intermediate.lab2_transformer_encoder.solution import probe_loss


def scaling(factor, which=("attention.out", "down"), deep=("attention.out", "down", "attention.value", "up")):
    """`init_scaled_` with another factor, or for other parts; DeepNorm stays right."""

    @torch.no_grad()
    def init_scaled_(stack, depth):
        is_deep = stack.scheme == "deepnorm"
        for layer in stack.layers:
            for name in deep if is_deep else which:
                layer.get_submodule(name).weight.mul_((8 * depth) ** -0.25 if is_deep else factor(depth))

    return {"init_scaled_": init_scaled_}


@misconception("E4", diagnosis="all-weights-scaled")
def scales_every_matrix():
    every = ("attention.query", "attention.key", "attention.value", "attention.out", "up", "down")
    return scaling(lambda n: (2 * n) ** -0.5, which=every)


@misconception("E4", diagnosis="another-factor")
def one_over_depth():
    return scaling(lambda n: 1 / n)


@misconception("E4", diagnosis="a-matrix-not-scaled")
def forgets_the_network():
    return scaling(lambda n: (2 * n) ** -0.5, which=("attention.out",))


@misconception("E4", diagnosis="biases-or-norms-scaled")
def scales_biases_too():
    @torch.no_grad()
    def init_scaled_(stack, depth):
        solution.init_scaled_(stack, depth)
        for layer in stack.layers:
            layer.down.bias.mul_((2 * depth) ** -0.5)

    return {"init_scaled_": init_scaled_}


@misconception("E4", diagnosis="drawn-anew")
def draws_the_weights_anew():
    @torch.no_grad()
    def init_scaled_(stack, depth):
        for layer in stack.layers:
            for linear in (layer.attention.out, layer.down):
                nn.init.normal_(linear.weight, 0.0, 0.02 / (2 * depth) ** 0.5)

    return {"init_scaled_": init_scaled_}


def rebuilt(change):
    """`make_stack` whose stack is changed before it is given back."""

    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = solution.make_stack(depth, d, heads, scheme)
        change(stack, depth, d)
        return stack

    return {"make_stack": make_stack}


@misconception("E4", diagnosis="no-last-norm")
def feeds_the_stream_raw():
    def change(stack, depth, d):
        stack.norm = nn.Identity()

    return rebuilt(change)


@misconception("E4", diagnosis="one-norm-too-many")
def norms_every_stack():
    def change(stack, depth, d):
        stack.norm = nn.LayerNorm(d)

    return rebuilt(change)


class Deep(solution.EncoderLayer):
    """A DeepNorm layer in two steps, each of which a misconception may replace."""

    def step(self, x, branch, norm):
        return norm(self.alpha * x + branch(x))

    def forward(self, x, key_padding_mask=None):
        x = self.step(x, self.attention, self.norm1)
        return self.step(x, lambda h: self.down(nn.functional.gelu(self.up(h))), self.norm2)


def deep(step):
    def change(stack, depth, d):
        if stack.scheme == "deepnorm":
            for layer in stack.layers:
                layer.__class__ = type("Changed", (Deep,), {"step": step, "alpha": stack.alpha})

    return rebuilt(change)


@misconception("E4", diagnosis="alpha-on-the-branch")
def louder_branches():
    return deep(lambda self, x, branch, norm: norm(x + self.alpha * branch(x)))


@misconception("E4", diagnosis="alpha-without-effect")
def scales_the_sum():
    return deep(lambda self, x, branch, norm: norm(self.alpha * (x + branch(x))))


@misconception("E4", diagnosis="another-alpha")
def fourth_root_of_the_depth():
    def change(stack, depth, d):
        if stack.scheme == "deepnorm":
            stack.alpha = depth**0.25
            for layer in stack.layers:
                layer.__class__ = type("Changed", (Deep,), {"alpha": stack.alpha})

    return rebuilt(change)


@misconception("E4", diagnosis="layers-are-one-layer")
def one_layer_many_times():
    def change(stack, depth, d):
        stack.layers = nn.ModuleList([stack.layers[0]] * depth)

    return rebuilt(change)


@misconception("E4", diagnosis="init-scaled-already")
def scales_when_it_builds():
    return rebuilt(lambda stack, depth, d: solution.init_scaled_(stack, depth))


def reporting(change):
    """`depth_report` whose lists are changed."""

    def depth_report(stack, x):
        return change(solution.depth_report(stack, x))

    return {"depth_report": depth_report}


@misconception("E4", diagnosis="variance-not-deviation")
def reports_variances():
    return reporting(lambda found: {**found, "activation_std": [v * v for v in found["activation_std"]]})


@misconception("E4", diagnosis="layers-reversed")
def last_layer_first():
    return reporting(lambda found: {key: values[::-1] for key, values in found.items()})


@misconception("E4", diagnosis="mean-square-loss")
def another_loss():
    def depth_report(stack, x):
        found = solution.depth_report(stack, x)
        norms = []
        gradients = iter(torch.autograd.grad(stack(x).square().mean(), list(stack.layers.parameters())))
        for layer in stack.layers:
            norms.append(sum(next(gradients).square().sum() for _ in layer.parameters()).sqrt().item())
        return {**found, "gradient_norm": norms}

    return {"depth_report": depth_report}


@misconception("E4", diagnosis="report-changes-the-stack")
def leaves_gradients_behind():
    def depth_report(stack, x):
        probe_loss(stack(x)).backward()
        return solution.depth_report(stack, x)

    return {"depth_report": depth_report}
