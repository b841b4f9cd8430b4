"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import round_to_format
from tests.labs.answers import Answers

right = Answers()


def owned(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


@right("E2")
def multiplies_by_the_inverse():
    class DynamicLossScaler:
        def __init__(self, init=65536.0, growth=2.0, backoff=0.5, interval=2000):
            self.s, self.growth, self.backoff, self.interval = float(init), growth, backoff, interval
            self.streak = 0
            self.state = []  # (optimizer, bad)

        def get_scale(self):
            return self.s

        def scale(self, loss):
            return torch.mul(loss, torch.tensor(self.s, dtype=loss.dtype))

        def _bad(self, optimizer):
            for seen, bad in self.state:
                if seen is optimizer:
                    return bad
            return None

        @torch.no_grad()
        def unscale_(self, optimizer):
            if self._bad(optimizer) is not None:
                raise RuntimeError("already unscaled")
            bad = False
            for p in owned(optimizer):
                bad = bad or bool((p.grad.isinf() | p.grad.isnan()).any())
                p.grad.mul_(1.0 / self.s)
            self.state.append((optimizer, bad))

        def step(self, optimizer):
            if self._bad(optimizer) is None:
                self.unscale_(optimizer)
            ok = not self._bad(optimizer)
            if ok:
                optimizer.step()
            return ok

        def update(self):
            bad = any(b for _, b in self.state)
            self.state = []
            self.streak = 0 if bad else self.streak + 1
            if bad:
                self.s = self.s * self.backoff
            elif self.streak >= self.interval:
                self.s, self.streak = self.s * self.growth, 0

        def state_dict(self):
            keys = ("s", "growth", "backoff", "interval", "streak")
            return {key: getattr(self, key) for key in keys}

        def load_state_dict(self, state):
            for key, value in state.items():
                setattr(self, key, value)

    return {"DynamicLossScaler": DynamicLossScaler}


@right("E2")
def weak_notes_and_a_dataclass():
    import weakref

    @dataclass
    class Settings:
        scale: float
        growth: float
        backoff: float
        interval: int
        count: int = 0

    class DynamicLossScaler:
        def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=2000):
            self.now = Settings(float(init), growth, backoff, interval)
            self.unscaled = weakref.WeakKeyDictionary()

        def get_scale(self):
            return float(self.now.scale)

        def scale(self, loss):
            return self.now.scale * loss

        def unscale_(self, optimizer):
            if optimizer in self.unscaled:
                raise RuntimeError(
                    "unscale_() has already been called on this optimizer since the last update()."
                )
            finite = True
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    finite &= bool(torch.isfinite(p.grad).all())
                    p.grad /= self.now.scale
            self.unscaled[optimizer] = finite

        def step(self, optimizer):
            if optimizer not in self.unscaled:
                self.unscale_(optimizer)
            if not self.unscaled[optimizer]:
                return False
            optimizer.step()
            return True

        def update(self):
            now = self.now
            if not all(self.unscaled.values()):
                now.scale, now.count = now.scale * now.backoff, 0
            elif now.count + 1 == now.interval:
                now.scale, now.count = now.scale * now.growth, 0
            else:
                now.count += 1
            self.unscaled.clear()

        def state_dict(self):
            return asdict(self.now)

        def load_state_dict(self, state):
            self.now = Settings(**state)

    return {"DynamicLossScaler": DynamicLossScaler}


@right("E2")
def norms_one_by_one():
    """The largest absolute value says whether all are finite: inf and NaN survive a maximum."""

    class DynamicLossScaler:
        def __init__(self, init=2**16, growth=2, backoff=0.5, interval=2000):
            self.value, self.up, self.down, self.every, self.since = float(init), growth, backoff, interval, 0
            self.notes = {}

        def get_scale(self):
            return self.value

        def scale(self, loss):
            return loss.mul(self.value)

        def unscale_(self, optimizer):
            key = id(optimizer)
            if key in self.notes:
                raise RuntimeError("twice")
            largest = 0.0
            for p in owned(optimizer):
                m = p.grad.abs().max().item() if p.grad.numel() else 0.0
                largest = m if math.isnan(m) else largest if math.isnan(largest) else max(largest, m)
                p.grad = p.grad / self.value
            self.notes[key] = math.isfinite(largest)

        def step(self, optimizer):
            self.notes.get(id(optimizer)) is None and self.unscale_(optimizer)
            if self.notes[id(optimizer)]:
                optimizer.step()
            return self.notes[id(optimizer)]

        def update(self):
            good = all(self.notes.values())
            self.notes = {}
            if not good:
                self.value *= self.down
                self.since = 0
                return
            self.since += 1
            if self.since % self.every == 0:
                self.value *= self.up
                self.since = 0

        def state_dict(self):
            return dict(a=self.value, b=self.up, c=self.down, d=self.every, e=self.since)  # noqa: C408

        def load_state_dict(self, state):
            self.value, self.up, self.down, self.every, self.since = (state[k] for k in "abcde")

    return {"DynamicLossScaler": DynamicLossScaler}


@right("E2")
def clips_by_hand():
    def amp_step(loss, optimizer, scaler, max_norm):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = None
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        total = math.sqrt(sum(float(p.grad.double().pow(2).sum()) for p in owned(optimizer)))
        if total > max_norm:
            for p in owned(optimizer):
                p.grad.mul_(max_norm / total)
        moved = scaler.step(optimizer)
        scaler.update()
        return moved

    return {"amp_step": amp_step}


@right("E2")
def gradients_by_autograd_grad():
    def amp_step(loss, optimizer, scaler, max_norm):
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        for p, g in zip(
            parameters, torch.autograd.grad(scaler.scale(loss), parameters, allow_unused=True), strict=True
        ):
            p.grad = g
        scaler.unscale_(optimizer=optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, max_norm=max_norm)
        try:
            return scaler.step(optimizer)
        finally:
            scaler.update()

    return {"amp_step": amp_step}


@right("E2")
def masters_as_parameters():
    class MasterWeights:
        def __init__(self, model, optimizer_factory, fmt=(5, 10)):
            self.pairs = [(p, nn.Parameter(p.detach().clone().float())) for p in model.parameters()]
            self.masters = [m for _, m in self.pairs]
            self.optimizer = optimizer_factory(self.masters)
            self.fmt = fmt
            self.publish()

        @torch.no_grad()
        def publish(self):
            for p, m in self.pairs:
                p.data = m.data.clone() if self.fmt is None else round_to_format(m.data, *self.fmt)

        def collect_grads(self):
            for p, m in self.pairs:
                m.grad = None if p.grad is None else p.grad.detach().clone().float()
                p.grad = None

    return {"MasterWeights": MasterWeights}


@right("E2")
def masters_with_casts():
    class MasterWeights:
        CASTS = {(5, 10): "half", (8, 7): "bfloat16"}  # noqa: RUF012

        def __init__(self, model, optimizer_factory, fmt=(5, 10)):
            self.model, self.fmt = model, fmt
            with torch.no_grad():
                self.masters = [torch.empty_like(p).copy_(p) for p in model.parameters()]
            self.optimizer = optimizer_factory(self.masters)
            self.publish()

        def rounded(self, m):
            if self.fmt is None:
                return m.clone()
            if self.fmt in self.CASTS:
                return getattr(m, self.CASTS[self.fmt])().float()
            return m.to(torch.float8_e5m2).to(torch.float32)

        def publish(self):
            for p, m in zip(self.model.parameters(), self.masters, strict=True):
                p.data.copy_(self.rounded(m.detach()))

        def collect_grads(self):
            for p, m in zip(self.model.parameters(), self.masters, strict=True):
                m.grad = p.grad
            self.model.zero_grad(set_to_none=True)

    return {"MasterWeights": MasterWeights}


@right("E2")
def dataclass_scaler_with_properties():
    class DynamicLossScaler:
        def __init__(self, init=2.0**16, growth=2.0, backoff=0.5, interval=2000):
            self.load_state_dict(
                {"scale": init, "growth": growth, "backoff": backoff, "interval": interval, "left": interval}
            )

        def load_state_dict(self, state):
            self.numbers, self.done, self.failed = dict(state), set(), set()

        def state_dict(self):
            return dict(self.numbers)

        def get_scale(self):
            return float(self.numbers["scale"])

        def scale(self, loss):
            return loss * self.get_scale()

        def unscale_(self, optimizer):
            if optimizer in self.done:
                raise RuntimeError("unscaled already")
            self.done.add(optimizer)
            for p in owned(optimizer):
                if not torch.all(torch.isfinite(p.grad)):
                    self.failed.add(optimizer)
                p.grad.copy_(p.grad / self.get_scale())

        def step(self, optimizer):
            if optimizer not in self.done:
                self.unscale_(optimizer)
            if optimizer in self.failed:
                return False
            optimizer.step()
            return True

        def update(self):
            n = self.numbers
            if self.failed:
                n["scale"] *= n["backoff"]
                n["left"] = n["interval"]
            else:
                n["left"] -= 1
                if n["left"] == 0:
                    n["scale"] *= n["growth"]
                    n["left"] = n["interval"]
            self.done, self.failed = set(), set()

    return {"DynamicLossScaler": DynamicLossScaler}
