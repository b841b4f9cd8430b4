"""Wrong answers to E4, second part: LSUV."""

from __future__ import annotations

import torch
from torch import nn

from phase1_foundations.lab2_nn_module.misconceptions_by_exercise.e4_probe import layers_of, measure
from phase1_foundations.lab2_nn_module.solution import lsuv_init_, orthogonal_
from tests.labs.answers import Answers

wrong = Answers()


def one(name, function, named=True):
    wrong.add("E4", name, lambda: {"lsuv_init_": function}, named=named)


def lsuv(
    start=lambda layer: orthogonal_(layer.weight),
    scale=lambda layer, std, target: layer.weight.mul_(target / std),
    std_of=lambda output: float(output.double().std(correction=0)),
    kinds=(nn.Linear, nn.Conv2d),
    near=lambda std, target, tol: abs(std / target - 1) <= tol,
    evaluate=True,
    gradients=False,
):
    """A sound LSUV of which every step can be exchanged for a wrong one."""

    def initialise(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        layers, found = {m: n for n, m in model.named_modules() if isinstance(m, kinds)}, {}
        handles = [
            m.register_forward_hook(lambda m, i, o: found.update({m: std_of(o.detach())})) for m in layers
        ]
        modes = [(m, m.training) for m in model.modules()]
        if evaluate:
            model.eval()
        with torch.set_grad_enabled(gradients):
            model(x)
            with torch.no_grad():
                for layer in found:
                    start(layer)
            for layer in list(found):
                for _ in range(max_iter):
                    model(x)
                    if found[layer] == 0 or near(found[layer], target_std, tol):
                        break
                    with torch.no_grad():
                        scale(layer, found[layer], target_std)
            model(x)
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
        return {layers[m]: std for m, std in found.items()}

    return initialise


def scales_bias_too(layer, std, target):
    layer.weight.mul_(target / std)
    if layer.bias is not None:
        layer.bias.mul_(target / std)


def centres_bias(layer):
    orthogonal_(layer.weight)
    if layer.bias is not None:
        layer.bias.zero_()


def kaiming_start(layer):
    layer.weight.normal_(0, (2 / layer.weight[0].numel()) ** 0.5)


one("sound_but_scales_bias", lsuv(scale=scales_bias_too))
one("zeroes_the_bias", lsuv(start=centres_bias))
one("starts_from_kaiming", lsuv(start=kaiming_start))
one(
    "target_never_used",
    lsuv(
        scale=lambda layer, std, target: layer.weight.div_(std), near=lambda s, target, tol: abs(s - 1) <= tol
    ),
)
one("divides_by_the_target", lsuv(scale=lambda layer, std, target: layer.weight.div_(std * target)))
one("sample_deviation", lsuv(std_of=lambda o: float(o.double().std())))
one("root_mean_square", lsuv(std_of=lambda o: float(o.double().square().mean().sqrt())))
one("mean_of_features", lsuv(std_of=lambda o: float(o.double().std(dim=0, correction=0).mean())))
one("variance", lsuv(std_of=lambda o: float(o.double().var(correction=0))))
one("linear_only", lsuv(kinds=(nn.Linear,)))
one("in_training_mode", lsuv(evaluate=False))
one("stops_far_away", lsuv(near=lambda std, target, tol: abs(std / target - 1) <= 0.5))
one("one_sided", lsuv(near=lambda std, target, tol: std <= target * (1 + tol)))


def never_stops(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
    return lsuv_init_(model, x, target_std=target_std, tol=tol, max_iter=10_000)


def one_round(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
    return lsuv_init_(model, x, target_std=target_std, tol=tol, max_iter=1)


def first_measurement(model, x, **how):
    before = measure(model, x)
    lsuv_init_(model, x, **how)
    return before


def only_scaled(model, x, **how):
    result = lsuv_init_(model, x, **how)
    return {name: how.get("target_std", 1.0) for name in result}


def tensors(model, x, **how):
    return {name: torch.tensor(std) for name, std in lsuv_init_(model, x, **how).items()}


def no_result(model, x, **how):
    lsuv_init_(model, x, **how)


def the_model(model, x, **how):
    lsuv_init_(model, x, **how)
    return model


def modules_as_keys(model, x, **how):
    return {model.get_submodule(name): std for name, std in lsuv_init_(model, x, **how).items()}


def all_layers(model, x, **how):
    for layer in layers_of(model).values():
        orthogonal_(layer.weight)
    result = lsuv_init_(model, x, **how)
    return result | {name: 0.0 for name in layers_of(model) if name not in result}


def all_to_training(model, x, **how):
    result = lsuv_init_(model, x, **how)
    model.train()
    return result


def freezes(model, x, **how):
    result = lsuv_init_(model, x, **how)
    for p in model.parameters():
        p.requires_grad_(False)
    return result


def leaves_hooks(model, x, **how):
    for layer in layers_of(model).values():
        layer.register_forward_hook(lambda m, i, o: None)
    return lsuv_init_(model, x, **how)


def backward_too(model, x, **how):
    result = lsuv_init_(model, x, **how)
    model(x).sum().backward()
    return result


def standardizes_x(model, x, **how):
    x.sub_(x.mean()).div_(x.std() + 1e-8)
    return lsuv_init_(model, x, **how)


def replaces_weights(model, x, **how):
    result = lsuv_init_(model, x, **how)
    for layer in layers_of(model).values():
        layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    return result


def backwards_through_the_layers(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
    layers = layers_of(model)
    order = list(measure(model, x))
    for name in order:
        orthogonal_(layers[name].weight)
    for name in reversed(order):
        for _ in range(max_iter):
            std = measure(model, x)[name]
            if std == 0 or abs(std / target_std - 1) <= tol:
                break
            with torch.no_grad():
                layers[name].weight.mul_(target_std / std)
    return measure(model, x)


for function in (never_stops, one_round, first_measurement, only_scaled, tensors, no_result, the_model):
    one(function.__name__, function)
for function in (modules_as_keys, all_layers, all_to_training, freezes, leaves_hooks, backward_too):
    one(function.__name__, function)
for function in (standardizes_x, replaces_weights, backwards_through_the_layers):
    one(function.__name__, function)
