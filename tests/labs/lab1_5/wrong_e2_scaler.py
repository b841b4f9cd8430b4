"""Wrong scalers for E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from phase1_foundations.lab5_gpu_mixed_precision.misconceptions_by_exercise.e2_scaling import all_parameters
from phase1_foundations.lab5_gpu_mixed_precision.solution import DynamicLossScaler
from tests.labs.answers import Answers

wrong = Answers()


scaler = wrong.stands_for("E2", "DynamicLossScaler")


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
        for p in all_parameters(optimizer):
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
        self._overflowed[id(optimizer)] = any(not p.grad.isfinite().all() for p in all_parameters(optimizer))
        for p in all_parameters(optimizer):
            p.grad.div_(self._scale)


@scaler
class OnlyInfinityCounts(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(
            bool(p.grad.isinf().any()) for p in all_parameters(optimizer) if p.grad is not None
        )


@scaler
class OnlyNaNCounts(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(
            bool(p.grad.isnan().any()) for p in all_parameters(optimizer) if p.grad is not None
        )


@scaler
class PlusInfinityOnly(DynamicLossScaler):
    def unscale_(self, optimizer):
        gradients = [p.grad.clone() for p in all_parameters(optimizer) if p.grad is not None]
        super().unscale_(optimizer)
        self._overflowed[id(optimizer)] = any(bool(((g == torch.inf) | g.isnan()).any()) for g in gradients)


@scaler
class LastParameterDecides(DynamicLossScaler):
    def unscale_(self, optimizer):
        super().unscale_(optimizer)
        for p in all_parameters(optimizer):
            if p.grad is not None:
                self._overflowed[id(optimizer)] = not bool(p.grad.isfinite().all())


@scaler
class NormIsFinite(DynamicLossScaler):
    def unscale_(self, optimizer):
        gradients = [p.grad.clone() for p in all_parameters(optimizer) if p.grad is not None]
        super().unscale_(optimizer)
        bad = any(not bool(g.norm().isfinite()) for g in gradients)
        self._overflowed[id(optimizer)] = bad


@scaler
class StepNeverUnscales(DynamicLossScaler):
    def step(self, optimizer):
        if any(not p.grad.isfinite().all() for p in all_parameters(optimizer) if p.grad is not None):
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
        before = [p.detach().clone() for p in all_parameters(optimizer)]
        self.inner.step(optimizer)
        return any(not torch.equal(b, p) for b, p in zip(before, all_parameters(optimizer), strict=True))

    def update(self):
        self.inner.update()

    def state_dict(self):
        return self.inner.state_dict()

    def load_state_dict(self, state):
        self.inner.load_state_dict(state)
