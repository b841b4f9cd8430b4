"""Right answers to E3, written otherwise than the reference."""

from dataclasses import astuple, dataclass
from functools import reduce

import torch

from phase1_foundations.lab6_cnn_classifier.solution import Layer
from tests.labs.answers import Answers

right = Answers()


@right("E3")
def from_the_output_back():
    def receptive_field(layers):
        def pixels(output):  # the first and last pixel that this output reads
            low = high = output
            for layer in reversed(layers):
                low = low * layer.s - layer.p
                high = high * layer.s - layer.p + layer.d * (layer.k - 1)
            return low, high

        (low, high), (following, _) = pixels(0), pixels(1)
        return high - low + 1, following - low, (low + high) / 2

    return {"receptive_field": receptive_field}


@right("E3")
def closed_formulas():
    def receptive_field(layers):
        jumps = [1]
        for layer in layers:
            jumps.append(jumps[-1] * layer.s)
        rf = 1 + sum((layer.extent - 1) * j for layer, j in zip(layers, jumps, strict=False))
        start = sum(((layer.extent - 1) / 2 - layer.p) * j for layer, j in zip(layers, jumps, strict=False))
        return rf, jumps[-1], float(start)

    return {"receptive_field": receptive_field}


@right("E3")
def folded():
    def receptive_field(layers):
        def step(state, layer):
            k, s, p, d = astuple(layer)
            rf, jump, centre = state
            return rf + d * (k - 1) * jump, jump * s, centre + (d * (k - 1) / 2 - p) * jump

        return reduce(step, layers, (1, 1, 0.0))

    return {"receptive_field": receptive_field}


@right("E3")
def another_layer():
    @dataclass(frozen=True)
    class Layer:
        k: int
        s: int = 1
        p: int = 0
        d: int = 1

        @property
        def extent(self):
            return len(range(0, self.d * (self.k - 1) + 1))

    return {"Layer": Layer}


@right("E3")
def searches_for_the_stack():
    def cheapest_stack(target_rf, max_stride=1):
        def search(rf, jump, depth):
            if rf >= target_rf:
                return []
            if depth == 0:
                return None
            for s in (2, 1):
                if jump * s <= max_stride:
                    rest = search(rf + 2 * jump, jump * s, depth - 1)
                    if rest is not None:
                        return [Layer(k=3, s=s, p=1), *rest]
            return None

        depth = 0
        while (found := search(1, 1, depth)) is None:
            depth += 1
        return found

    return {"cheapest_stack": cheapest_stack}


@right("E3")
def no_stride_in_the_last_layer():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf < target_rf:
            rf += 2 * jump
            more = rf < target_rf and jump * 2 <= max_stride
            layers.append(Layer(3, 2 if more else 1, 1, 1))
            jump *= layers[-1].s
        return layers

    return {"cheapest_stack": cheapest_stack}


@right("E3")
def costs_by_counting():
    def conv_cost(cin, cout, k, hw, groups=1):
        with torch.device("meta"):
            weights = torch.nn.Conv2d(cin, cout, k, groups=groups, bias=False).weight
        each_output = 2 * (cin // groups) * k**2
        return weights.numel(), each_output * cout * hw**2

    def separable_cost(cin, cout, k, hw):
        costs = [conv_cost(cin, cin, k, hw, cin), conv_cost(cin, cout, 1, hw)]
        return tuple(map(sum, zip(*costs, strict=True)))

    return {"conv_cost": conv_cost, "separable_cost": separable_cost}


@right("E3")
def image_by_image():
    def effective_rf(model, x):
        total = torch.zeros(x.shape[2:], dtype=x.dtype)
        for image in x:
            image = image.clone().detach()[None].requires_grad_(True)
            y = model(image)
            middle = y[0, :, y.shape[2] // 2, y.shape[3] // 2]
            (slope,) = torch.autograd.grad(middle.sum(), [image])
            total += slope[0].abs().sum(0)
        return total / (x.shape[0] * x.shape[1])

    return {"effective_rf": effective_rf}


@right("E3")
def with_a_seed_for_backward():
    def effective_rf(model, x):
        x = x.clone().detach().requires_grad_()
        with torch.enable_grad():
            y = model(x)
        seed = torch.zeros_like(y)
        seed[..., y.size(-2) // 2, y.size(-1) // 2] = 1
        slopes = torch.autograd.grad(y, x, grad_outputs=seed)[0]
        return slopes.abs().permute(2, 3, 0, 1).flatten(2).mean(-1)

    return {"effective_rf": effective_rf}


@right("E3")
def with_torch_func():
    def effective_rf(model, x):
        def centre(images):
            y = model(images)
            return y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum()

        return torch.func.grad(centre)(x.detach()).abs().mean(dim=(0, 1))

    return {"effective_rf": effective_rf}
