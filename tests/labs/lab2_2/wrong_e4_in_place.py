"""Wrong answers to E4 whose numbers are right: what they replace, return, seed or change on the way."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution as s
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E4")
def returns_the_stack():
    def init_scaled_(stack, depth):
        s.init_scaled_(stack, depth)
        return stack

    return {"init_scaled_": init_scaled_}


@wrong("E4")
def new_parameters():
    def init_scaled_(stack, depth):
        s.init_scaled_(stack, depth)
        for layer in stack.layers:
            for linear in (layer.attention.out, layer.down):
                linear.weight = nn.Parameter(linear.weight.detach().clone())

    return {"init_scaled_": init_scaled_}


@wrong("E4")
def x_requires_a_gradient():
    def depth_report(stack, x):
        return s.depth_report(stack, x.requires_grad_())

    return {"depth_report": depth_report}


@wrong("E4")
def one_seed_for_every_stack():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        torch.manual_seed(0)
        return s.make_stack(depth, d, heads, scheme)

    return {"make_stack": make_stack}


@wrong("E4")
def layers_with_rms_norm():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)
        for layer in stack.layers:
            layer.norm1, layer.norm2 = nn.RMSNorm(d, eps=1e-5), nn.RMSNorm(d, eps=1e-5)
        return stack

    return {"make_stack": make_stack}


@wrong("E4")
def alpha_on_the_first_branch():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)

        def forward(layer, x):
            x = layer.norm1(x + stack.alpha * layer.attention(x))
            return layer.norm2(stack.alpha * x + layer.down(F.gelu(layer.up(x))))

        for layer in stack.layers if scheme == "deepnorm" else ():
            layer.__class__ = type("Changed", (s.EncoderLayer,), {"forward": forward})
        return stack

    return {"make_stack": make_stack}


@wrong("E4")
def always_pre_layers():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)
        for layer in stack.layers:
            layer.placement = "pre"
        return stack

    return {"make_stack": make_stack}


@wrong("E4")
def relu_in_the_stack():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)
        for layer in stack.layers:
            layer.act = "relu"
        return stack

    return {"make_stack": make_stack}


@wrong("E4")
def dropout_in_the_stack():
    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)
        for layer in stack.layers:
            layer.dropout.p = 0.1
        return stack

    return {"make_stack": make_stack}
