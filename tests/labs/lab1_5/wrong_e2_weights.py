"""Wrong steps and master weights for E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e2_scaling import all_parameters
from phase1_foundations.lab5_gpu_mixed_precision.solution import MasterWeights, to_format
from tests.labs.answers import Answers

wrong = Answers()


step = wrong.stands_for("E2", "amp_step")


masters = wrong.stands_for("E2", "MasterWeights")


@step
def without_scaling(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def steps_itself(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    optimizer.step()
    scaler.update()
    return True


@step
def never_clears(loss, optimizer, scaler, max_norm):
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clears_between(loss, optimizer, scaler, max_norm):
    scaler.scale(loss).backward()
    optimizer.zero_grad()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clips_values(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_value_(all_parameters(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clips_after_the_step(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    stepped = scaler.step(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    scaler.update()
    return stepped


@step
def updates_only_when_stepped(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    if stepped:
        scaler.update()
    return stepped


@step
def first_group_clipped(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    for group in optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def returns_the_scale(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale()


@step
def always_true(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return True


@step
def always_one(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(all_parameters(optimizer), 1.0)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def normalises(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    total = torch.stack([p.grad.norm() for p in all_parameters(optimizer)]).norm()
    for p in all_parameters(optimizer):
        p.grad.mul_(max_norm / total)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@masters
class OptimizesTheModel(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        super().__init__(model, lambda m: torch.optim.SGD(m, lr=1.0), fmt)
        self.optimizer = optimizer_factory(list(model.parameters()))


@masters
class PublishesNothing(MasterWeights):
    def publish(self):
        self.rounded = [to_format(master, self._fmt) for master in self.masters]


@masters
class NeverPublishesAtFirst(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        self._parameters, self._fmt = list(model.parameters()), fmt
        self.masters = [p.detach().clone() for p in self._parameters]
        self.optimizer = optimizer_factory(self.masters)


@masters
class AlwaysHalf(MasterWeights):
    def publish(self):
        with torch.no_grad():
            for master, p in zip(self.masters, self._parameters, strict=True):
                p.copy_(master.half().float())


@masters
class HalfPrecisionParameters(MasterWeights):
    def publish(self):
        for master, p in zip(self.masters, self._parameters, strict=True):
            p.data = master.detach().half()


@masters
class Unrounded(MasterWeights):
    def publish(self):
        with torch.no_grad():
            for master, p in zip(self.masters, self._parameters, strict=True):
                p.copy_(master)


@masters
class RoundedMasters(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        self._parameters, self._fmt = list(model.parameters()), fmt
        self.masters = [to_format(p.detach().clone(), fmt).clone() for p in self._parameters]
        self.optimizer = optimizer_factory(self.masters)
        self.publish()


@masters
class AddsGradients(MasterWeights):
    def collect_grads(self):
        for master, p in zip(self.masters, self._parameters, strict=True):
            if p.grad is not None:
                master.grad = p.grad if master.grad is None else master.grad + p.grad
            p.grad = None


@masters
class ZerosForNone(MasterWeights):
    def collect_grads(self):
        for master, p in zip(self.masters, self._parameters, strict=True):
            master.grad = torch.zeros_like(p) if p.grad is None else p.grad
            p.grad = None


@masters
class NoneIsAnError(MasterWeights):
    def collect_grads(self):
        for master, p in zip(self.masters, self._parameters, strict=True):
            master.grad = p.grad.clone()
            p.grad = None


@masters
class WeightsAlone(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        self._parameters, self._fmt = [p for p in model.parameters() if p.dim() > 1], fmt
        self.masters = [p.detach().clone() for p in self._parameters]
        self.optimizer = optimizer_factory(self.masters)
        self.publish()


@masters
class NewParameters(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        self._model = model
        super().__init__(model, optimizer_factory, fmt)

    def publish(self):
        names = [name for name, _ in self._model.named_parameters()]
        for name, master in zip(names, self.masters, strict=True):
            holder, _, leaf = name.rpartition(".")
            setattr(
                self._model.get_submodule(holder), leaf, nn.Parameter(to_format(master, self._fmt).clone())
            )
        self._parameters = list(self._model.parameters())


@masters
class CopiesForTheOptimizer(MasterWeights):
    def __init__(self, model, optimizer_factory, fmt=(5, 10)):
        super().__init__(model, optimizer_factory, fmt)
        self.optimizer = optimizer_factory([m.clone() for m in self.masters])
