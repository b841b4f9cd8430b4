"""What is right in E3, measured: gradients of real convolutions, an exhaustive search, torch's counters."""

import heapq
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

KERNELS, STRIDES = (3, 5, 7), (1, 2)


def measured_field(layers: list[Any]) -> tuple[int, int, float]:
    """(rf, jump, centre) from the gradients of two neighbouring outputs of a long signal, weights all 1."""
    length = 40
    for layer in reversed(layers):  # long enough for some forty outputs, whose middle sees no border
        length = length * layer.s + layer.d * (layer.k - 1) + 1
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x
    for layer in layers:
        weight = torch.ones(1, 1, layer.k, dtype=torch.float64)
        y = F.conv1d(y, weight, stride=layer.s, padding=layer.p, dilation=layer.d)
    place = y.shape[2] // 2
    ends = []
    for output in (place, place + 1):
        (slope,) = torch.autograd.grad(y[0, 0, output], x, retain_graph=True)
        touched = slope[0, 0].nonzero().flatten()
        ends.append((int(touched[0]), int(touched[-1])))
    (first, last), (following, _) = ends
    jump = following - first
    return last - first + 1, jump, (first + last) / 2 - place * jump


@cache
def fewest_weights(target: int, max_stride: int) -> int:
    """The smallest Σ k² of a stack that sees `target` pixels: Dijkstra over (field, jump)."""
    waiting, done = [(0, 1, 1)], set()
    while waiting:
        weights, rf, jump = heapq.heappop(waiting)
        if rf >= target:
            return weights
        if (rf, jump) in done:
            continue
        done.add((rf, jump))
        for k in KERNELS:
            for s in STRIDES:
                if jump * s <= max_stride:
                    heapq.heappush(waiting, (weights + k * k, rf + (k - 1) * jump, jump * s))
    raise AssertionError("a stack of 3×3 layers always gets there")


def field_of(stack: list[Any]) -> tuple[int, int]:
    """(rf, product of the strides) of layers without dilation."""
    rf, jump = 1, 1
    for layer in stack:
        rf, jump = rf + (layer.k - 1) * jump, jump * layer.s
    return rf, jump


def problem_of_stack(stack: list[Any], target: int, max_stride: int) -> str | None:
    """Why this is not a cheapest stack, or None."""
    for layer in stack:
        if not all(hasattr(layer, name) for name in "kspd"):
            return f"it holds {layer!r:.60}, expected `Layer`s"
        if layer.k not in KERNELS or layer.s not in STRIDES:
            return f"{layer!r} is not allowed: k is 3, 5 or 7, and s is 1 or 2"
        if layer.p != layer.k // 2 or layer.d != 1:
            return f"{layer!r} is not allowed: p is k // 2 = {layer.k // 2}, and d is 1"
    rf, jump = field_of(stack)
    if jump > max_stride:
        return f"the strides multiply to {jump}, at most {max_stride} is allowed"
    if rf < target:
        return f"the receptive field is {rf}, at least {target} is asked for"
    weights, fewest = sum(layer.k**2 for layer in stack), fewest_weights(target, max_stride)
    if weights > fewest:
        return f"Σ k² is {weights}, and {fewest} is enough: kernels {[(x.k, x.s) for x in stack]} as (k, s)"
    return None


def measured_cost(*convolutions: tuple[int, int, int, int], hw: int) -> tuple[int, int]:
    """(parameters, flops) of convolutions (cin, cout, k, groups), each with an output of hw×hw, counted."""
    parameters = flops = 0
    for cin, cout, k, groups in convolutions:
        layer = nn.Conv2d(cin, cout, k, groups=groups, bias=False)
        parameters += layer.weight.numel()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(torch.zeros(1, cin, hw + k - 1, hw + k - 1))
        flops += counter.get_total_flops()
    return parameters, flops
