"""Right answers to E4, second part: LSUV."""

from __future__ import annotations

import contextlib
from functools import partial

import torch
from torch import nn

from phase1_foundations.lab2_nn_module.solution import ActivationProbe as Reference
from phase1_foundations.lab2_nn_module.solution import orthogonal_
from tests.labs.answers import Answers

right = Answers()


# ---- LSUV -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def evaluating(model):
    flags = {name: module.training for name, module in model.named_modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for name, module in model.named_modules():
            module.training = flags[name]


@right("E4")
def lsuv_with_the_probe():
    def lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        def measured():
            with Reference(model) as probe:
                model(x)
            return {name: stats.std for name, stats in probe.stats.items()}

        with evaluating(model):
            order = list(measured())
            for name in order:
                orthogonal_(model.get_submodule(name).weight)
            for name in order:
                weight = model.get_submodule(name).weight
                rounds = 0
                while rounds < max_iter:
                    std = measured()[name]
                    if std == 0.0 or target_std * (1 - tol) <= std <= target_std * (1 + tol):
                        break
                    weight /= std / target_std
                    rounds += 1
            final = measured()
        return {name: final[name] for name in order}

    return {"lsuv_init_": lsuv_init_}


@right("E4")
def lsuv_scales_inside_the_hook():
    """One forward pass: each layer's hook scales its own weight before the next layer runs."""

    def lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        names = {m: n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
        found = {}

        def hook(module, inputs, output):
            orthogonal_(module.weight)
            plain = type(module).forward
            output = plain(module, *inputs)
            for _ in range(max_iter):
                std = float(output.double().std(correction=0))
                if std == 0 or abs(std - target_std) <= tol * target_std:
                    break
                module.weight.data.mul_(target_std / std)
                output = plain(module, *inputs)
            found[names[module]] = float(output.double().std(correction=0))
            return output

        handles = [module.register_forward_hook(hook) for module in names]
        try:
            with evaluating(model):
                model(x)
        finally:
            for handle in handles:
                handle.remove()
        return found

    return {"lsuv_init_": lsuv_init_}


@right("E4")
def lsuv_by_recorded_inputs():
    def lsuv_init_(model, x, *, target_std=1.0, tol=0.02, max_iter=10):
        layers = [(n, m) for n, m in model.named_modules() if type(m) in (nn.Linear, nn.Conv2d)]
        state = {}

        def run(note):
            handles = [m.register_forward_hook(partial(note, n)) for n, m in layers]
            model(x)
            for h in handles:
                h.remove()

        with evaluating(model):

            def enter(n, m, i, o):
                state[n] = (m, 0.0)

            run(enter)
            for module, _ in state.values():
                orthogonal_(module.weight)
            for wanted in list(state):
                for step in range(max_iter + 1):

                    def note(n, m, i, o, wanted=wanted):
                        if n == wanted:
                            values = o.double()
                            state[n] = (m, (values - values.mean()).square().mean().sqrt().item())

                    run(note)
                    module, std = state[wanted]
                    near = std == 0 or abs(std / target_std - 1) <= tol
                    if near or step == max_iter:
                        break
                    module.weight.copy_(module.weight * (target_std / std))
        return {n: std for n, (_, std) in state.items()}

    return {"lsuv_init_": lsuv_init_}
