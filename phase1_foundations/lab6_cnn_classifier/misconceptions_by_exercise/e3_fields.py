"""Wrong answers to E3."""

import torch

from courseware.check import misconception
from phase1_foundations.lab6_cnn_classifier.solution import Layer


def field(growth, centre=None, jump_first=False):
    """A `receptive_field` with parts to be exchanged."""

    def receptive_field(layers):
        rf, jump, middle = 1, 1, 0.0
        for layer in layers:
            if jump_first:
                jump *= layer.s
            rf += growth(layer) * jump
            shift = (layer.extent - 1) / 2 - layer.p if centre is None else centre(layer)
            middle += shift * jump
            if not jump_first:
                jump *= layer.s
        return rf, jump, middle

    return {"receptive_field": receptive_field}


@misconception("E3", diagnosis="adds-k")
def adds_the_whole_kernel():
    return field(lambda layer: layer.extent)


@misconception("E3", diagnosis="own-stride-enters-its-growth")
def updates_the_jump_first():
    return field(lambda layer: layer.extent - 1, jump_first=True)


@misconception("E3", diagnosis="dilation-ignored")
def forgets_dilation():
    return field(lambda layer: layer.k - 1)


@misconception("E3", diagnosis="centre-without-padding")
def forgets_padding():
    return field(lambda layer: layer.extent - 1, centre=lambda layer: (layer.extent - 1) / 2)


@misconception("E3", diagnosis="centre-off-by-half")
def counts_edges_of_pixels():
    return field(lambda layer: layer.extent - 1, centre=lambda layer: layer.extent / 2 - layer.p)


@misconception("E3", diagnosis="strides-added")
def adds_the_strides():
    def receptive_field(layers):
        rf, jump, centre = 1, 1, 0.0
        for layer in layers:
            rf += (layer.extent - 1) * jump
            centre += ((layer.extent - 1) / 2 - layer.p) * jump
            jump = jump + layer.s - 1 if jump > 1 else layer.s
        return rf, jump, centre

    return {"receptive_field": receptive_field}


@misconception("E3", diagnosis="layers-that-are-not-allowed")
def skips_pixels_cheaply():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while 2 * jump <= max_stride:
            layers.append(Layer(1, 2, 0))
            jump *= 2
        while rf < target_rf:
            layers.append(Layer(3, 1, 1))
            rf += 2 * jump
        return layers if target_rf > 1 else []

    return {"cheapest_stack": cheapest_stack}


@misconception("E3", diagnosis="large-kernels")
def one_large_kernel():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf < target_rf:
            k = next((k for k in (3, 5, 7) if rf + (k - 1) * jump >= target_rf), 7)
            s = 2 if 2 * jump <= max_stride else 1
            layers.append(Layer(k, s, k // 2))
            rf, jump = rf + (k - 1) * jump, jump * s
        return layers

    return {"cheapest_stack": cheapest_stack}


@misconception("E3", diagnosis="strides-unused-or-late")
def strides_at_the_end():
    def cheapest_stack(target_rf, max_stride=1):
        return [Layer(3, 1, 1) for _ in range(target_rf // 2)]

    return {"cheapest_stack": cheapest_stack}


@misconception("E3", diagnosis="multiplications-only")
def counts_multiply_adds():
    def conv_cost(cin, cout, k, hw, groups=1):
        parameters = cout * cin // groups * k * k
        return parameters, parameters * hw * hw

    return {"conv_cost": conv_cost}


@misconception("E3", diagnosis="groups-in-the-cost")
def forgets_groups():
    def conv_cost(cin, cout, k, hw, groups=1):
        return cout * cin * k * k, 2 * cout * cin * k * k * hw * hw

    return {"conv_cost": conv_cost}


@misconception("E3", diagnosis="depthwise-without-pointwise")
def depthwise_alone():
    def separable_cost(cin, cout, k, hw):
        return cin * k * k, 2 * cin * k * k * hw * hw

    return {"separable_cost": separable_cost}


@misconception("E3", diagnosis="signs-cancel")
def averages_before_abs():
    def effective_rf(model, x):
        x = x.detach().requires_grad_()
        y = model(x)
        (slopes,) = torch.autograd.grad(y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)
        return slopes.mean((0, 1)).abs()

    return {"effective_rf": effective_rf}


@misconception("E3", diagnosis="not-the-centre")
def differentiates_everything():
    def effective_rf(model, x):
        x = x.detach().requires_grad_()
        (slopes,) = torch.autograd.grad(model(x).sum(), x)
        return slopes.abs().mean((0, 1))

    return {"effective_rf": effective_rf}


@misconception("E3", diagnosis="leaves-gradients-behind")
def calls_backward():
    def effective_rf(model, x):
        x = x.detach().clone().requires_grad_()
        y = model(x)
        y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
        return x.grad.abs().mean((0, 1))

    return {"effective_rf": effective_rf}
