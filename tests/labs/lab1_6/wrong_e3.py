"""Wrong answers to E3, as strangers might write them."""

from dataclasses import dataclass

import torch

from phase1_foundations.lab6_cnn_classifier.solution import Layer
from tests.labs.answers import Answers

wrong = Answers()


def field(step, start=(1, 1, 0.0)):
    def receptive_field(layers):
        state = start
        for layer in layers:
            state = step(*state, layer)
        return state

    return {"receptive_field": receptive_field}


def shift(layer, jump):
    return ((layer.extent - 1) / 2 - layer.p) * jump


def sound(rf, j, c, la):
    return rf + (la.extent - 1) * j, j * la.s, c + shift(la, j)


def about_the_centre(change):
    """The field and the jump are right, the centre moves by something else."""

    def step(rf, j, c, la):
        rf, jump, _ = sound(rf, j, c, la)
        return rf, jump, change(rf, j, c, la)

    return field(step)


def layer_class(extent):
    @dataclass
    class Window:
        k: int
        s: int = 1
        p: int = 0
        d: int = 1

    Window.extent = extent
    return {"Layer": Window}


@wrong("E3")
def extent_of_k_dilated():
    return layer_class(property(lambda self: self.k * self.d))


@wrong("E3")
def extent_as_a_method():
    def receptive_field(layers):
        rf, jump, centre = 1, 1, 0.0
        for layer in layers:
            rf += (layer.extent() - 1) * jump
            centre += ((layer.extent() - 1) / 2 - layer.p) * jump
            jump *= layer.s
        return rf, jump, centre

    return layer_class(lambda self: self.d * (self.k - 1) + 1) | {"receptive_field": receptive_field}


@wrong("E3")
def starts_from_zero():
    return field(sound, (0, 1, 0.0))


@wrong("E3")
def ignores_strides():
    return field(lambda rf, j, c, la: (rf + la.extent - 1, 1, c + shift(la, 1)))


@wrong("E3")
def grows_by_its_own_stride():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1) * la.s, j * la.s, c + shift(la, j)))


@wrong("E3")
def halves_k():
    return about_the_centre(lambda rf, j, c, la: c + (la.extent // 2 - la.p) * j)


@wrong("E3")
def padding_unscaled():
    return about_the_centre(lambda rf, j, c, la: c + (la.extent - 1) / 2 * j - la.p)


@wrong("E3")
def middle_of_the_field():
    return about_the_centre(lambda rf, j, c, la: (rf - 1) / 2)


@wrong("E3")
def padding_shrinks():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1 - 2 * la.p) * j, j * la.s, c + shift(la, j)))


@wrong("E3")
def everything_a_float():
    return field(sound, (1.0, 1.0, 0.0))


@wrong("E3")
def walks_backwards():
    forwards = field(sound)["receptive_field"]
    return {"receptive_field": lambda layers: forwards(layers[::-1])}


@wrong("E3")
def forgets_the_centre():
    whole = field(sound)["receptive_field"]
    return {"receptive_field": lambda layers: whole(layers)[:2]}


@wrong("E3")
def jump_before_field():
    whole = field(sound)["receptive_field"]
    return {"receptive_field": lambda layers: tuple(whole(layers)[i] for i in (1, 0, 2))}


@wrong("E3")
def forgets_the_last_layer():
    whole = field(sound)["receptive_field"]
    return {"receptive_field": lambda layers: whole(layers[:-1])}


@wrong("E3")
def padding_shifts_to_the_right():
    return about_the_centre(lambda rf, j, c, la: c + ((la.extent - 1) / 2 + la.p) * j)


@wrong("E3")
def eats_the_list():
    def receptive_field(layers):
        rf, jump, centre = 1, 1, 0.0
        for layer in layers:
            centre += shift(layer, jump)
            rf += (layer.extent - 1) * jump
            jump *= layer.s
            layer.s = 1
        return rf, jump, centre

    return {"receptive_field": receptive_field}


def stack(goes_on=lambda rf, jump, target: rf < target, stretches=None, padding=1):
    """Layers of 3×3 from the image on, with one of the three decisions made otherwise."""

    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while goes_on(rf, jump, target_rf):
            stretch = stretches(jump, max_stride) if stretches else 2 * jump <= max_stride
            layers.append(Layer(3, 2 if stretch else 1, padding))
            rf, jump = rf + 2 * jump, jump * layers[-1].s
        return layers

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def one_layer_too_many():
    return stack(goes_on=lambda rf, jump, target: rf <= target and target > 1)


@wrong("E3")
def one_layer_too_few():
    return stack(goes_on=lambda rf, jump, target: rf + 2 * jump <= target)


@wrong("E3")
def each_stride_below_the_limit():
    return stack(stretches=lambda jump, limit: limit >= 2)


@wrong("E3")
def forgets_padding_in_the_stack():
    return stack(padding=0)


@wrong("E3")
def dilates_instead():
    def cheapest_stack(target_rf, max_stride=1):
        return [Layer(3, 1, 1, max(1, -(-(target_rf - 1) // 2)))] if target_rf > 1 else []

    return {"cheapest_stack": cheapest_stack}


def cost(parameters=lambda cin, cout, k, groups: cout * (cin // groups) * k * k, places=lambda hw: hw * hw):
    def conv_cost(cin, cout, k, hw, groups=1):
        weights = parameters(cin, cout, k, groups)
        return weights, 2 * weights * places(hw)

    return {"conv_cost": conv_cost}


@wrong("E3")
def with_the_bias():
    return cost(lambda cin, cout, k, groups: cout * (cin // groups) * k * k + cout)


@wrong("E3")
def hw_is_an_area():
    return cost(places=lambda hw: hw)


@wrong("E3")
def divides_twice():
    return cost(lambda cin, cout, k, groups: (cin // groups) * (cout // groups) * k * k)


@wrong("E3")
def divides_to_floats():
    return cost(lambda cin, cout, k, groups: cin * cout * k * k / groups)


def separable(weights, operations=lambda weights, hw: 2 * weights * hw * hw):
    def separable_cost(cin, cout, k, hw):
        parameters = weights(cin, cout, k)
        return parameters, operations(parameters, hw)

    return {"separable_cost": separable_cost}


@wrong("E3")
def pointwise_first_channels():
    return separable(lambda cin, cout, k: cout * k * k + cin * cout)


@wrong("E3")
def pointwise_with_the_large_kernel():
    return separable(lambda cin, cout, k: cin * k * k + cin * cout * k * k)


@wrong("E3")
def separable_without_hw():
    return separable(lambda cin, cout, k: cin * k * k + cin * cout, lambda weights, hw: 2 * weights)


def effective(target=lambda y: y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum(), finish=None):
    def effective_rf(model, x):
        x = x.detach().clone().requires_grad_()
        (slopes,) = torch.autograd.grad(target(model(x)), x)
        return finish(slopes) if finish else slopes.abs().mean((0, 1))

    return {"effective_rf": effective_rf}


@wrong("E3")
def first_output_pixel():
    return effective(target=lambda y: y[:, :, 0, 0].sum())


@wrong("E3")
def rounds_the_centre_down():
    return effective(target=lambda y: y[:, :, (y.shape[2] - 1) // 2, (y.shape[3] - 1) // 2].sum())


@wrong("E3")
def the_middle_of_the_input():
    def effective_rf(model, x):
        x = x.detach().clone().requires_grad_()
        y, (row, column) = model(x), (x.shape[2] // 2, x.shape[3] // 2)
        target = y[:, :, min(row, y.shape[2] - 1), min(column, y.shape[3] - 1)].sum()
        return torch.autograd.grad(target, x)[0].abs().mean((0, 1))

    return {"effective_rf": effective_rf}


@wrong("E3")
def one_output_channel():
    return effective(target=lambda y: y[:, 0, y.shape[2] // 2, y.shape[3] // 2].sum())


@wrong("E3")
def scales_to_one():
    return effective(finish=lambda s: s.abs().mean((0, 1)) / s.abs().mean((0, 1)).max())


@wrong("E3")
def signed():
    return effective(finish=lambda s: s.mean((0, 1)))


@wrong("E3")
def keeps_the_channels():
    return effective(finish=lambda s: s.abs().mean(0))


@wrong("E3")
def squares():
    return effective(finish=lambda s: s.square().mean((0, 1)))


@wrong("E3")
def marks_the_callers_x():
    def effective_rf(model, x):
        x.requires_grad_()
        y = model(x)
        (slopes,) = torch.autograd.grad(y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)
        return slopes.abs().mean((0, 1))

    return {"effective_rf": effective_rf}
