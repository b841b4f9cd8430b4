"""Wrong answers to E4, gradient_profile."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.solution import BasicBlock
from tests.labs.answers import Answers

wrong = Answers()


def profile(of, prepare=copy.deepcopy, loss=F.cross_entropy, kind=BasicBlock):
    def gradient_profile(model, x, y):
        model = prepare(model)
        outputs, handles = [], []
        for part in model.modules():
            if isinstance(part, kind):
                handles.append(part.register_forward_hook(lambda _p, i, o: outputs.append((i[0], o))))
        value = loss(model(x), y)
        for handle in handles:
            handle.remove()
        return of(value, outputs)

    return {"gradient_profile": gradient_profile}


def norms(value, outputs):
    return [s.norm().item() for s in torch.autograd.grad(value, [o for _, o in outputs])]


@wrong("E4")
def profile_backwards():
    return profile(lambda value, outputs: norms(value, outputs)[::-1])


@wrong("E4")
def profile_of_the_inputs():
    return profile(
        lambda value, outputs: [s.norm().item() for s in torch.autograd.grad(value, [i for i, _ in outputs])]
    )


@wrong("E4")
def profile_squared():
    return profile(lambda value, outputs: [v**2 for v in norms(value, outputs)])


@wrong("E4")
def profile_of_the_sum():
    return profile(norms, loss=lambda z, y: F.cross_entropy(z, y, reduction="sum"))


@wrong("E4")
def profile_on_the_callers_model():
    return profile(norms, prepare=lambda model: model)


@wrong("E4")
def profile_in_evaluation_mode():
    return profile(norms, prepare=lambda model: copy.deepcopy(model).eval())


@wrong("E4")
def profile_in_training_mode():
    return profile(norms, prepare=lambda model: copy.deepcopy(model).train())


@wrong("E4")
def profile_of_every_convolution():
    return profile(norms, kind=nn.Conv2d)


@wrong("E4")
def profile_as_tensors():
    return profile(lambda value, outputs: [torch.tensor(v) for v in norms(value, outputs)])


@wrong("E4")
def profile_as_one_tensor():
    return profile(lambda value, outputs: torch.tensor(norms(value, outputs)))


@wrong("E4")
def profile_switches_the_mode():
    def gradient_profile(model, x, y):
        found = profile(norms)["gradient_profile"](model, x, y)
        model.train()
        return found

    return {"gradient_profile": gradient_profile}


@wrong("E4")
def profile_leaves_hooks():
    def gradient_profile(model, x, y):
        for part in model.modules():
            if isinstance(part, BasicBlock):
                part.register_forward_hook(lambda *_all: None)
        return profile(norms)["gradient_profile"](model, x, y)

    return {"gradient_profile": gradient_profile}
