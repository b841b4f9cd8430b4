"""Wrong answers to E4 whose numbers are right: what they replace, return, seed or change on the way."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution as s
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("E4", "init_scaled_")
def returns_the_stack(stack, depth):
    s.init_scaled_(stack, depth)
    return stack


@wrong.stands_for("E4", "init_scaled_")
def new_parameters(stack, depth):
    s.init_scaled_(stack, depth)
    for layer in stack.layers:
        for linear in (layer.attention.out, layer.down):
            linear.weight = nn.Parameter(linear.weight.detach().clone())


@wrong.stands_for("E4", "depth_report")
def x_requires_a_gradient(stack, x):
    return s.depth_report(stack, x.requires_grad_())


@wrong.stands_for("E4", "make_stack")
def one_seed_for_every_stack(depth, d=32, heads=4, scheme="pre"):
    torch.manual_seed(0)
    return s.make_stack(depth, d, heads, scheme)


def in_each_layer(change):
    """A sound stack whose layers `change(layer, stack)` has spoiled; the answer has the name of `change`."""

    def make_stack(depth, d=32, heads=4, scheme="pre"):
        stack = s.make_stack(depth, d, heads, scheme)
        for layer in stack.layers:
            change(layer, stack)
        return stack

    wrong.add("E4", change.__name__, lambda: {"make_stack": make_stack})


@in_each_layer
def layers_with_rms_norm(layer, stack):
    d = layer.up.in_features
    layer.norm1, layer.norm2 = nn.RMSNorm(d, eps=1e-5), nn.RMSNorm(d, eps=1e-5)


@in_each_layer
def alpha_on_the_first_branch(layer, stack):
    def forward(layer, x):
        x = layer.norm1(x + stack.alpha * layer.attention(x))
        return layer.norm2(stack.alpha * x + layer.down(F.gelu(layer.up(x))))

    if stack.scheme == "deepnorm":
        layer.__class__ = type("Changed", (s.EncoderLayer,), {"forward": forward})


@in_each_layer
def always_pre_layers(layer, stack):
    layer.placement = "pre"


@in_each_layer
def relu_in_the_stack(layer, stack):
    layer.act = "relu"


@in_each_layer
def dropout_in_the_stack(layer, stack):
    layer.dropout.p = 0.1


@in_each_layer
def one_norm_for_all_layers(layer, stack):
    layer.norm1 = stack.layers[0].norm1


@wrong.stands_for("E4", "make_stack")
def stacks_in_float64(depth, d=32, heads=4, scheme="pre"):
    return s.make_stack(depth, d, heads, scheme).double()


@wrong.stands_for("E4", "init_scaled_")
def freezes_what_it_scales(stack, depth):
    s.init_scaled_(stack, depth)
    for layer in stack.layers:
        layer.down.weight.requires_grad_(False)


def spoils(key, change):
    """The report with one list changed: `change(list, all lists)`."""

    def depth_report(stack, x):
        found = s.depth_report(stack, x)
        return {**found, key: change(found[key], found)}

    return {"depth_report": depth_report}


wrong.add("E4", "lists_exchanged", lambda: spoils("gradient_norm", lambda _, found: found["update_ratio"]))
wrong.add(
    "E4", "a_tenth_of_the_rate", lambda: spoils("update_ratio", lambda own, _: [value / 10 for value in own])
)


@wrong.stands_for("E4", "depth_report")
def numpys_deviation(stack, x):
    found, h = s.depth_report(stack, x), x
    for place, layer in enumerate(stack.layers):
        h = layer(h)
        found["activation_std"][place] = float(h.detach().numpy().std())
    return found
