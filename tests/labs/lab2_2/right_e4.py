"""Right answers to E4 in other styles."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution
from phase2_intermediate.lab2_transformer_encoder.solution import EncoderLayer, probe_loss
from shared.nn import MultiHeadAttention
from tests.labs.answers import Answers

right = Answers()


class OwnLayer(nn.Module):
    """All three schemes in one layer of its own, with skip factor α."""

    def __init__(self, d, heads, pre, alpha):
        super().__init__()
        self.pre, self.alpha = pre, alpha
        self.attention = MultiHeadAttention(d, heads)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_normal_(m.weight)
                m.bias.data.zero_()

    def network(self, h):
        return self.down(F.gelu(self.up(h)))

    def forward(self, x):
        if self.pre:
            x = x + self.attention(self.norm1(x))
            return x + self.network(self.norm2(x))
        x = self.norm1(torch.add(self.attention(x), x, alpha=self.alpha))
        return self.norm2(self.network(x) + self.alpha * x)


class OwnStack(nn.Module):
    def __init__(self, depth, d, heads, scheme):
        super().__init__()
        if scheme not in ("pre", "post", "deepnorm"):
            raise ValueError(scheme)
        self.scheme = scheme
        self.alpha = math.pow(2 * depth, 1 / 4) if scheme == "deepnorm" else 1.0
        self.layers = nn.ModuleList([OwnLayer(d, heads, scheme == "pre", self.alpha) for _ in range(depth)])
        self.norm = nn.LayerNorm(d) if scheme == "pre" else nn.Identity()

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


@right("E4")
def a_layer_of_its_own():
    return {"make_stack": lambda depth, d=32, heads=4, scheme="pre": OwnStack(depth, d, heads, scheme)}


@right("E4")
def a_sequential_with_attributes():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        whole = OwnStack(depth, d, heads, scheme)

        class Stack(nn.Module):
            def forward(self, x):
                return nn.Sequential(*self.layers, self.norm)(x)

        stack = Stack()
        stack.add_module("norm", whole.norm)
        stack.add_module("layers", whole.layers)
        stack.scheme, stack.alpha = scheme, whole.alpha
        return stack

    return {"make_stack": make_stack}


@right("E4")
def deepnorm_by_scaling_around_e2():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = OwnStack(depth, d, heads, scheme)
        if scheme != "deepnorm":
            stack.layers = nn.ModuleList(EncoderLayer(d, heads, 4 * d, norm=scheme) for _ in range(depth))
            for name, p in stack.layers.named_parameters():
                if p.dim() == 2:
                    nn.init.xavier_uniform_(p)
                elif "norm" not in name:
                    nn.init.zeros_(p)
        return stack

    return {"make_stack": make_stack}


@right("E4")
def scales_by_names():
    def init_scaled_(stack, depth):
        deep = stack.scheme == "deepnorm"
        factor = 1 / (8 * depth) ** 0.25 if deep else 1 / math.sqrt(2 * depth)
        ends = ["attention.out.weight", "down.weight"] + (
            ["attention.value.weight", "up.weight"] if deep else []
        )
        for name, parameter in stack.named_parameters():
            if name.endswith(tuple(ends)):
                parameter.data = parameter.data * factor

    return {"init_scaled_": init_scaled_}


@right("E4")
def scales_with_copy():
    def init_scaled_(stack, depth):
        with torch.no_grad():
            for layer in stack.layers:
                linears = [layer.attention.out, layer.down]
                factor = (2 * depth) ** -0.5
                if stack.scheme == "deepnorm":
                    linears += [layer.attention.value, layer.up]
                    factor = (8 * depth) ** (-1 / 4)
                for linear in linears:
                    linear.weight.copy_(factor * linear.weight)

    return {"init_scaled_": init_scaled_}


@right("E4")
def hooks_on_a_copy():
    def depth_report(stack, x):
        twin, outs = copy.deepcopy(stack), []
        twin.zero_grad(set_to_none=True)
        for layer in twin.layers:
            layer.register_forward_hook(lambda module, inputs, out: outs.append(out.std().item()))
        probe_loss(twin(x)).backward()
        norms = [
            torch.stack([p.grad.norm() for p in layer.parameters()]).norm().item() for layer in twin.layers
        ]
        sizes = [nn.utils.parameters_to_vector(layer.parameters()).norm().item() for layer in twin.layers]
        return {
            "activation_std": outs,
            "gradient_norm": norms,
            "update_ratio": [0.01 * n / s for n, s in zip(norms, sizes, strict=True)],
        }

    return {"depth_report": depth_report}


@right("E4")
def backward_and_put_back():
    def depth_report(stack, x):
        before = [(p, p.grad) for p in stack.parameters()]
        for p, _ in before:
            p.grad = None
        report = {"activation_std": [], "gradient_norm": [], "update_ratio": []}
        h = x
        for layer in stack.layers:
            h = layer(h)
            report["activation_std"].append(float(h.detach().std()))
        probe_loss(stack.norm(h)).backward()
        for layer in stack.layers:
            g = sum(float(p.grad.pow(2).sum()) for p in layer.parameters()) ** 0.5
            w = sum(float(p.detach().pow(2).sum()) for p in layer.parameters()) ** 0.5
            report["gradient_norm"].append(g)
            report["update_ratio"].append(0.01 * g / w)
        for p, grad in before:
            p.grad = grad
        return report

    return {"depth_report": depth_report}


@right("E4")
def one_layer_at_a_time():
    def depth_report(stack, x):
        found = solution.depth_report(stack, x)
        loss = probe_loss(stack(x))
        norms = []
        for layer in stack.layers:
            grads = torch.autograd.grad(loss, tuple(layer.parameters()), retain_graph=True)
            norms.append(float(torch.cat([g.reshape(-1) for g in grads]).norm()))
        return {**found, "gradient_norm": norms}

    return {"depth_report": depth_report}
