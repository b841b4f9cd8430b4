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


@wrong("E3")
def extent_of_k_dilated():
    @dataclass
    class Dilated:
        k: int
        s: int = 1
        p: int = 0
        d: int = 1

        @property
        def extent(self):
            return self.k * self.d

    return {"Layer": Dilated}


@wrong("E3")
def extent_as_a_method():
    @dataclass
    class Method:
        k: int
        s: int = 1
        p: int = 0
        d: int = 1

        def extent(self):
            return self.d * (self.k - 1) + 1

    def receptive_field(layers):
        rf, jump, centre = 1, 1, 0.0
        for layer in layers:
            rf += (layer.extent() - 1) * jump
            centre += ((layer.extent() - 1) / 2 - layer.p) * jump
            jump *= layer.s
        return rf, jump, centre

    return {"Layer": Method, "receptive_field": receptive_field}


@wrong("E3")
def starts_from_zero():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, c + shift(la, j)), (0, 1, 0.0))


@wrong("E3")
def ignores_strides():
    return field(lambda rf, j, c, la: (rf + la.extent - 1, 1, c + shift(la, 1)))


@wrong("E3")
def grows_by_its_own_stride():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1) * la.s, j * la.s, c + shift(la, j)))


@wrong("E3")
def halves_k():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, c + (la.extent // 2 - la.p) * j))


@wrong("E3")
def padding_unscaled():
    return field(
        lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, c + (la.extent - 1) / 2 * j - la.p)
    )


@wrong("E3")
def middle_of_the_field():
    return field(
        lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, (rf + (la.extent - 1) * j - 1) / 2)
    )


@wrong("E3")
def padding_shrinks():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1 - 2 * la.p) * j, j * la.s, c + shift(la, j)))


@wrong("E3")
def everything_a_float():
    return field(lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, c + shift(la, j)), (1.0, 1.0, 0.0))


@wrong("E3")
def walks_backwards():
    sound = field(lambda rf, j, c, la: (rf + (la.extent - 1) * j, j * la.s, c + shift(la, j)))[
        "receptive_field"
    ]
    return {"receptive_field": lambda layers: sound(layers[::-1])}


@wrong("E3")
def forgets_the_centre():
    def receptive_field(layers):
        rf, jump = 1, 1
        for layer in layers:
            rf, jump = rf + (layer.extent - 1) * jump, jump * layer.s
        return rf, jump

    return {"receptive_field": receptive_field}


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


@wrong("E3")
def one_layer_too_many():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf <= target_rf and target_rf > 1:
            s = 2 if 2 * jump <= max_stride else 1
            layers.append(Layer(3, s, 1))
            rf, jump = rf + 2 * jump, jump * s
        return layers

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def one_layer_too_few():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf + 2 * jump <= target_rf:
            s = 2 if 2 * jump <= max_stride else 1
            layers.append(Layer(3, s, 1))
            rf, jump = rf + 2 * jump, jump * s
        return layers

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def each_stride_below_the_limit():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf < target_rf:
            s = 2 if max_stride >= 2 else 1
            layers.append(Layer(3, s, 1))
            rf, jump = rf + 2 * jump, jump * s
        return layers

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def forgets_padding_in_the_stack():
    def cheapest_stack(target_rf, max_stride=1):
        layers, rf, jump = [], 1, 1
        while rf < target_rf:
            s = 2 if 2 * jump <= max_stride else 1
            layers.append(Layer(3, s))
            rf, jump = rf + 2 * jump, jump * s
        return layers

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def dilates_instead():
    def cheapest_stack(target_rf, max_stride=1):
        return [Layer(3, 1, 1, max(1, -(-(target_rf - 1) // 2)))] if target_rf > 1 else []

    return {"cheapest_stack": cheapest_stack}


@wrong("E3")
def with_the_bias():
    def conv_cost(cin, cout, k, hw, groups=1):
        parameters = cout * (cin // groups) * k * k + cout
        return parameters, 2 * parameters * hw * hw

    return {"conv_cost": conv_cost}


@wrong("E3")
def hw_is_an_area():
    def conv_cost(cin, cout, k, hw, groups=1):
        parameters = cout * (cin // groups) * k * k
        return parameters, 2 * parameters * hw

    return {"conv_cost": conv_cost}


@wrong("E3")
def divides_twice():
    def conv_cost(cin, cout, k, hw, groups=1):
        parameters = (cin // groups) * (cout // groups) * k * k
        return parameters, 2 * parameters * hw * hw

    return {"conv_cost": conv_cost}


@wrong("E3")
def divides_to_floats():
    def conv_cost(cin, cout, k, hw, groups=1):
        parameters = cin * cout * k * k / groups
        return parameters, 2 * parameters * hw * hw

    return {"conv_cost": conv_cost}


@wrong("E3")
def pointwise_first_channels():
    def separable_cost(cin, cout, k, hw):
        parameters = cout * k * k + cin * cout
        return parameters, 2 * parameters * hw * hw

    return {"separable_cost": separable_cost}


@wrong("E3")
def separable_without_hw():
    def separable_cost(cin, cout, k, hw):
        parameters = cin * k * k + cin * cout
        return parameters, 2 * parameters

    return {"separable_cost": separable_cost}


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
