"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from phase1_foundations.lab2_nn_module.solution import ActivationProbe as Reference
from tests.labs.answers import Answers

right = Answers()


def flatten(output):
    if isinstance(output, Tensor):
        return [output] if output.dtype.is_floating_point else []
    if isinstance(output, list | tuple):
        return [tensor for part in output for tensor in flatten(part)]
    return []


class Welford:
    """Everything in powers of x around a first value, so that an offset does no harm."""

    def __init__(self):
        self.n = self.count = self.zero = 0
        self.shift = None
        self.first = self.second = self.square = 0.0

    def take(self, tensor):
        values = tensor.detach().to(torch.float64).reshape(-1)
        self.n += values.numel()
        self.zero += int(torch.count_nonzero(values == 0))
        values = values[torch.isfinite(values)]
        if len(values) == 0:
            return
        if self.shift is None:
            self.shift = values[0].item()
        values = values - self.shift
        self.count += len(values)
        self.first += values.sum().item()
        self.second += (values * values).sum().item()

    @property
    def mean(self):
        return self.shift + self.first / self.count if self.count else float("nan")

    @property
    def std(self):
        if not self.count:
            return float("nan")
        return math.sqrt(max(self.second / self.count - (self.first / self.count) ** 2, 0.0))

    @property
    def frac_zero(self):
        return self.zero / self.n

    @property
    def frac_nonfinite(self):
        return 1 - self.count / self.n

    @property
    def grad_norm(self):
        return self.square**0.5


@right("E4")
def shifted_sums():
    class ActivationProbe:
        def __init__(self, model, types=(nn.Linear, nn.Conv2d)):
            self.model, self.types, self.stats = model, tuple(types), {}

        def __enter__(self):
            self.stack = contextlib.ExitStack()
            self.alive = [True]
            for name, module in self.model.named_modules():
                if isinstance(module, self.types):
                    handle = module.register_forward_hook(partial(self.look, name, self.alive))
                    self.stack.callback(handle.remove)
            return self

        def __exit__(self, *exception):
            self.alive[0] = False
            self.stack.close()
            return False

        def look(self, name, alive, module, inputs, output):
            stats = self.stats.setdefault(name, Welford())
            for tensor in flatten(output):
                stats.take(tensor)
                if tensor.requires_grad:

                    def back(g, stats=stats):
                        if alive[0]:
                            stats.square += float((g.double() ** 2).sum())

                    tensor.register_hook(back)

    return {"ActivationProbe": ActivationProbe}


@right("E4")
def numpy_inside():
    """NumPy for the numbers, SimpleNamespace for the results, renewed after every call."""

    class ActivationProbe(Reference):
        def __enter__(self):
            self.raw = defaultdict(lambda: [0, 0, 0, 0.0, 0.0, 0.0])  # n, finite, zeros, mean, m2, grad²
            return super().__enter__()

        def publish(self, name):
            n, finite, zeros, mean, m2, square = self.raw[name]
            self.stats[name] = SimpleNamespace(
                n=n,
                mean=mean if finite else math.nan,
                std=math.sqrt(m2 / finite) if finite else math.nan,
                frac_zero=zeros / n if n else 0.0,
                frac_nonfinite=(n - finite) / n if n else 0.0,
                grad_norm=math.sqrt(square),
            )

        def _watch(self, name):
            def gradient(g):
                if self._open:
                    self.raw[name][5] += float(np.sum(g.detach().double().numpy() ** 2))
                    self.publish(name)

            def hook(module, inputs, output):
                raw = self.raw[name]
                for tensor in flatten(output):
                    values = tensor.detach().double().numpy().ravel()
                    raw[0] += values.size
                    raw[2] += int((values == 0).sum())
                    values = values[np.isfinite(values)]
                    if values.size:
                        total = raw[1] + values.size
                        delta = float(values.mean()) - raw[3]
                        raw[4] += float(values.var() * values.size) + delta**2 * raw[1] * values.size / total
                        raw[3] += delta * values.size / total
                        raw[1] = total
                    if tensor.requires_grad:
                        tensor.register_hook(gradient)
                self.publish(name)

            return hook

    return {"ActivationProbe": ActivationProbe}


@right("E4")
def removes_its_tensor_hooks_too():
    class ActivationProbe(Reference):
        def __enter__(self):
            self.tensor_handles = []
            return super().__enter__()

        def __exit__(self, *exception):
            for handle in self.tensor_handles:
                handle.remove()
            super().__exit__(*exception)

    return {"ActivationProbe": ActivationProbe}


@right("E4")
def one_element_at_a_time():
    class OneByOne(Welford):
        def __init__(self):
            super().__init__()
            self._mean, self._m2 = 0.0, 0.0

        def take(self, tensor):
            for value in tensor.detach().double().flatten().tolist():
                self.n += 1
                self.zero += value == 0
                if math.isfinite(value):
                    self.count += 1
                    delta = value - self._mean
                    self._mean += delta / self.count
                    self._m2 += delta * (value - self._mean)

        @property
        def mean(self):
            return self._mean if self.count else math.nan

        @property
        def std(self):
            return math.sqrt(self._m2 / self.count) if self.count else math.nan

    class Quick(Welford):
        """Large tensors go the quick way."""

    class ActivationProbe:
        def __init__(self, model, types=(nn.Linear, nn.Conv2d)):
            self.model, self.types = model, types
            self.stats = {}

        def __enter__(self):
            self.handles, self.closed = [], False

            def hook(module, inputs, output, *, name):
                tensors = flatten(output)
                kind = OneByOne if sum(t.numel() for t in tensors) < 500 else Quick
                stats = self.stats.get(name)
                if stats is None:
                    stats = self.stats[name] = kind()
                for tensor in tensors:
                    stats.take(tensor)
                    if tensor.requires_grad:
                        tensor.register_hook(lambda g: self.add(stats, g))

            for name, module in self.model.named_modules():
                if isinstance(module, self.types):
                    self.handles.append(module.register_forward_hook(partial(hook, name=name)))
            return self

        def add(self, stats, g):
            if not self.closed:
                stats.square += g.detach().double().norm().item() ** 2

        def __exit__(self, *exception):
            self.closed = True
            while self.handles:
                self.handles.pop().remove()

    return {"ActivationProbe": ActivationProbe}


@right("E4")
def made_by_contextlib():
    @contextlib.contextmanager
    def ActivationProbe(model, types=(nn.Linear, nn.Conv2d)):
        probe = Reference(model, types)
        with probe:
            yield probe

    return {"ActivationProbe": ActivationProbe}
