"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import DynamicLossScaler, MasterWeights, to_format
from tests.labs.answers import Answers

wrong = Answers()


def scaler(cls):
    """Register the class below as a wrong scaler."""

    def build():
        return {"DynamicLossScaler": cls}

    build.__name__ = cls.__name__
    wrong("E2")(build)
    return cls


def step(function):
    def build():
        return {"amp_step": function}

    build.__name__ = function.__name__
    wrong("E2")(build)
    return function


def masters(cls):
    def build():
        return {"MasterWeights": cls}

    build.__name__ = cls.__name__
    wrong("E2")(build)
    return cls


def owned(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@scaler
class ScalesInPlace(DynamicLossScaler):
    def scale(self, loss):
        return loss.data.mul_(self._scale)


@scaler
class DividesTheLoss(DynamicLossScaler):
    def scale(self, loss):
        return loss / self._scale


@scaler
class ReturnsANumber(DynamicLossScaler):
    def scale(self, loss):
        return loss.item() * self._scale


@scaler
class MultipliesGradients(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        for p in owned(optimizer):
            if p.grad is not None:
                p.grad.mul_(self._scale**2)


@scaler
class FirstGroupOnly(DynamicLossScaler):
    def unscale_(self, optimizer):
        if id(optimizer) in self._overflowed:
            raise RuntimeError("twice")
        gradients = [p.grad for p in optimizer.param_groups[0]["params"] if p.grad is not None]
        self._overflowed[id(optimizer)] = not all(g.isfinite().all() for g in gradients)
        for g in gradients:
            g.div_(self._scale)


@scaler
class NoneCrashes(DynamicLossScaler):
    def unscale_(self, optimizer):
        if id(optimizer) in self._overflowed:
            raise RuntimeError("twice")
        self._overflowed[id(optimizer)] = any(not p.grad.isfinite().all() for p in owned(optimizer))
        for p in owned(optimizer):
            p.grad.div_(self._scale)


@scaler
class OnlyInfinityCounts(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(
            bool(p.grad.isinf().any()) for p in owned(optimizer) if p.grad is not None
        )


@scaler
class OnlyNaNCounts(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(
            bool(p.grad.isnan().any()) for p in owned(optimizer) if p.grad is not None
        )


@scaler
class PlusInfinityOnly(DynamicLossScaler):
    def unscale_(self, optimizer):
        gradients = [p.grad.clone() for p in owned(optimizer) if p.grad is not None]
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(bool(((g == torch.inf) | g.isnan()).any()) for g in gradients)


@scaler
class LastParameterDecides(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        for p in owned(optimizer):
            if p.grad is not None:
                self._overflowed[id(optimizer)] = not bool(p.grad.isfinite().all())


@scaler
class NormIsFinite(DynamicLossScaler):
    def unscale_(self, optimizer):
        gradients = [p.grad.clone() for p in owned(optimizer) if p.grad is not None]
        super().unscale_(optimizer)
        bad = any(not bool(g.norm().isfinite()) for g in gradients)
        self._overflowed[id(optimizer)] = bad


@scaler
class StepNeverUnscales(DynamicLossScaler):
    def step(self, optimizer):
        if any(not p.grad.isfinite().all() for p in owned(optimizer) if p.grad is not None):
            self._overflowed[id(optimizer)] = True
            return False
        optimizer.step()
        return True


@scaler
class IgnoresASecondUnscale(DynamicLossScaler):
    def unscale_(self, optimizer):
        if id(optimizer) not in self._overflowed:
            super().unscale_(optimizer)


@scaler
class RaisesValueError(DynamicLossScaler):
    def unscale_(self, optimizer):
        if id(optimizer) in self._overflowed:
            raise ValueError("twice")
        super().unscale_(optimizer)


@scaler
class NeverForgets(DynamicLossScaler):
    def update(self):
        notes = dict(self._overflowed)
        super().update()
        self._overflowed = notes


@scaler
class StepUpdates(DynamicLossScaler):
    def step(self, optimizer):
        stepped = super().step(optimizer)
        super().update()
        return stepped

    def update(self):
        pass


@scaler
class StepReturnsNothing(DynamicLossScaler):
    def step(self, optimizer):
        super().step(optimizer)


@scaler
class StepReturnsSkipped(DynamicLossScaler):
    def step(self, optimizer):
        return not super().step(optimizer)


@scaler
class NeverBacksOff(DynamicLossScaler):
    def update(self):
        if any(self._overflowed.values()):
            self._good_steps = 0
            self._overflowed.clear()
        else:
            super().update()


@scaler
class BacksOffToTheStart(DynamicLossScaler):
    def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=2000):
        super().__init__(init, growth, backoff, interval)
        self._first = float(init)

    def update(self):
        bad = any(self._overflowed.values())
        super().update()
        if bad:
            self._scale = self._first * self._backoff


@scaler
class OneStepLate(DynamicLossScaler):
    def update(self):
        if any(self._overflowed.values()):
            self._scale, self._good_steps = self._scale * self._backoff, 0
        else:
            self._good_steps += 1
            if self._good_steps > self._interval:
                self._scale, self._good_steps = self._scale * self._growth, 0
        self._overflowed.clear()


@scaler
class GrowsForEverAfter(DynamicLossScaler):
    def update(self):
        if any(self._overflowed.values()):
            self._scale, self._good_steps = self._scale * self._backoff, 0
        else:
            self._good_steps += 1
            if self._good_steps >= self._interval:
                self._scale *= self._growth
        self._overflowed.clear()


@scaler
class CountsAllSteps(DynamicLossScaler):
    def update(self):
        bad = any(self._overflowed.values())
        self._good_steps += 1
        if bad:
            self._scale *= self._backoff
        elif self._good_steps % self._interval == 0:
            self._scale *= self._growth
        self._overflowed.clear()


@scaler
class CapAtSixteen(DynamicLossScaler):
    def update(self):
        super().update()
        self._scale = min(self._scale, 2.0**16)


@scaler
class FixedFactors(DynamicLossScaler):
    def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=2000):
        super().__init__(init, 2.0, 0.5, interval)


@scaler
class OneFlagForAll(DynamicLossScaler):
    def unscale_(self, optimizer):
        if self._overflowed:
            raise RuntimeError("twice")
        super().unscale_(optimizer)


@scaler
class AnyOverflowStopsAll(DynamicLossScaler):
    def step(self, optimizer):
        if id(optimizer) not in self._overflowed:
            self.unscale_(optimizer)
        if any(self._overflowed.values()):
            return False
        optimizer.step()
        return True


@scaler
class BacksOffTwice(DynamicLossScaler):
    def update(self):
        for bad in self._overflowed.values():
            if bad:
                self._scale *= self._backoff
                self._good_steps = 0
        if not any(self._overflowed.values()):
            super().update()
        self._overflowed.clear()


@scaler
class LiveState(DynamicLossScaler):
    def state_dict(self):
        return self.__dict__

    def load_state_dict(self, state):
        self.__dict__.update(state)


@scaler
class ScaleAlone(DynamicLossScaler):
    def state_dict(self):
        return {"scale": self._scale}

    def load_state_dict(self, state):
        self._scale = state["scale"]


@scaler
class StateWithoutSettings(DynamicLossScaler):
    def state_dict(self):
        return {"scale": self._scale, "good": self._good_steps}

    def load_state_dict(self, state):
        self._scale, self._good_steps = state["scale"], state["good"]


@scaler
class LoadsNothing(DynamicLossScaler):
    def load_state_dict(self, state):
        return state


@scaler
class TensorState(DynamicLossScaler):
    def state_dict(self):
        return {key: torch.tensor(value) for key, value in super().state_dict().items()}


@scaler
class IsTorchs:
    def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=2000):
        self.inner = torch.amp.GradScaler("cpu", init, growth, backoff, interval)

    def get_scale(self):
        return self.inner.get_scale()

    def scale(self, loss):
        return self.inner.scale(loss)

    def unscale_(self, optimizer):
        self.inner.unscale_(optimizer)

    def step(self, optimizer):
        before = [p.detach().clone() for p in owned(optimizer)]
        self.inner.step(optimizer)
        return any(not torch.equal(b, p) for b, p in zip(before, owned(optimizer), strict=True))

    def update(self):
        self.inner.update()

    def state_dict(self):
        return self.inner.state_dict()

    def load_state_dict(self, state):
        self.inner.load_state_dict(state)


@step
def without_scaling(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def steps_itself(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    optimizer.step()
    scaler.update()
    return True


@step
def never_clears(loss, optimizer, scaler, max_norm):
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clears_between(loss, optimizer, scaler, max_norm):
    scaler.scale(loss).backward()
    optimizer.zero_grad()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clips_values(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_value_(owned(optimizer), max_norm)
    stepped = scaler.step(optimizer)
    scaler.update()
    return stepped


@step
def clips_after_the_step(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    stepped = scaler.step(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    scaler.update()
    return stepped


@step
def updates_only_when_stepped(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
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
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale()


@step
def always_true(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(owned(optimizer), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return True


@step
def normalises(loss, optimizer, scaler, max_norm):
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    total = torch.stack([p.grad.norm() for p in owned(optimizer)]).norm()
    for p in owned(optimizer):
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
        for master, p in zip(self.masters, self._parameters, strict=True):
            p = to_format(master, self._fmt)


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
