"""Wrong answers to E2."""

import torch
from torch import nn

from courseware.check import misconception
from phase1_foundations.lab5_gpu_mixed_precision.solution import DynamicLossScaler, MasterWeights, to_format


def all_parameters(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@misconception("E2", diagnosis="clips-before-unscaling")
def clips_scaled_gradients():
    def amp_step(loss, optimizer, scaler, max_norm):
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        nn.utils.clip_grad_norm_(all_parameters(optimizer), max_norm)
        stepped = scaler.step(optimizer)
        scaler.update()
        return stepped

    return {"amp_step": amp_step}


@misconception("E2", diagnosis="steps-on-infinity")
def always_steps():
    class Scaler(DynamicLossScaler):
        def step(self, optimizer):
            if id(optimizer) not in self._overflowed:
                self.unscale_(optimizer)
            optimizer.step()
            return not self._overflowed[id(optimizer)]

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="count-not-reset-after-overflow")
def keeps_counting():
    class Scaler(DynamicLossScaler):
        def update(self):
            count = self._good_steps
            overflow = any(self._overflowed.values())
            super().update()
            if overflow:
                self._good_steps = count

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="divided-twice")
def step_always_unscales():
    class Scaler(DynamicLossScaler):
        def step(self, optimizer):
            self._overflowed.pop(id(optimizer), None)
            self.unscale_(optimizer)
            if self._overflowed[id(optimizer)]:
                return False
            optimizer.step()
            return True

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="second-unscale-allowed")
def unscales_as_often_as_asked():
    class Scaler(DynamicLossScaler):
        def unscale_(self, optimizer):
            self._overflowed.pop(id(optimizer), None)
            super().unscale_(optimizer)

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="grows-every-step")
def doubles_after_each_step():
    class Scaler(DynamicLossScaler):
        def update(self):
            self._scale *= self._backoff if any(self._overflowed.values()) else self._growth
            self._overflowed.clear()

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="finite-taken-for-infinite")
def tests_the_sum():
    class Scaler(DynamicLossScaler):
        def unscale_(self, optimizer):
            total = sum(p.grad.sum() for p in all_parameters(optimizer) if p.grad is not None)
            super().unscale_(optimizer)
            self._overflowed[id(optimizer)] = not bool(torch.isfinite(torch.as_tensor(total)))

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="limits-that-nobody-asked-for")
def never_below_one():
    class Scaler(DynamicLossScaler):
        def update(self):
            super().update()
            self._scale = max(self._scale, 1.0)

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="one-note-for-all-optimizers")
def one_flag():
    class Scaler(DynamicLossScaler):
        def step(self, optimizer):
            if id(optimizer) not in self._overflowed:
                self.unscale_(optimizer)
            self._overflowed = {id(optimizer): self._overflowed[id(optimizer)]}
            if self._overflowed[id(optimizer)]:
                return False
            optimizer.step()
            return True

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="state-forgets-the-count")
def saves_the_scale_alone():
    class Scaler(DynamicLossScaler):
        def state_dict(self):
            return {key: value for key, value in super().state_dict().items() if key != "good_steps"}

        def load_state_dict(self, state):
            super().load_state_dict({**state, "good_steps": 0})

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="all-gradients-none")
def nothing_to_look_at():
    class Scaler(DynamicLossScaler):
        def step(self, optimizer):
            if all(p.grad is None for p in all_parameters(optimizer)):
                raise AssertionError("no gradients")
            return super().step(optimizer)

    return {"DynamicLossScaler": Scaler}


@misconception("E2", diagnosis="masters-share-memory")
def masters_are_views():
    class Masters(MasterWeights):
        def __init__(self, model, optimizer_factory, fmt=(5, 10)):
            self._parameters, self._fmt = list(model.parameters()), fmt
            self.masters = [p.detach() for p in self._parameters]
            self.optimizer = optimizer_factory(self.masters)
            self.publish()

    return {"MasterWeights": Masters}


@misconception("E2", diagnosis="masters-are-rounded")
def rounds_the_masters_too():
    class Masters(MasterWeights):
        def publish(self):
            with torch.no_grad():
                for master, p in zip(self.masters, self._parameters, strict=True):
                    master.copy_(to_format(master, self._fmt))
                    p.copy_(master)

    return {"MasterWeights": Masters}


@misconception("E2", diagnosis="gradients-pile-up")
def leaves_the_old_gradient():
    class Masters(MasterWeights):
        def collect_grads(self):
            for master, p in zip(self.masters, self._parameters, strict=True):
                master.grad = p.grad

    return {"MasterWeights": Masters}
