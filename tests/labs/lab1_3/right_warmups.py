"""Right answers to W1 to W4, written otherwise than the reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def through_data():
    def descend_(param, lr):
        if param.grad is None:
            return
        param.data = param.data - lr * param.grad

    return {"descend_": descend_}


@right("W1")
def add_with_alpha():
    @torch.no_grad()
    def descend_(param, lr):
        return param if param.grad is None else param.add_(param.grad, alpha=-lr)

    return {"descend_": descend_}


@right("W1")
def copies_a_new_value():
    def descend_(param, lr):
        if param.grad is not None:
            param.detach().copy_(param.detach() - param.grad * lr)

    return {"descend_": descend_}


@right("W1")
def writes_by_index():
    def descend_(param, lr):
        g = param.grad
        with torch.inference_mode(False), torch.no_grad():
            if g is not None:
                param[...] = param - lr * g

    return {"descend_": descend_}


@right("W1")
def grad_mode_by_hand():
    def descend_(param, lr):
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        try:
            if param.grad is not None:
                param.sub_(param.grad * lr)
        finally:
            torch.set_grad_enabled(before)

    return {"descend_": descend_}


@right("W2")
def weighted_sums():
    def running_averages(values, beta):
        found = []
        for n in range(1, len(values) + 1):
            weights = [beta ** (n - 1 - i) for i in range(n)]
            found.append(sum(w * x for w, x in zip(weights, values, strict=False)) / sum(weights))
        return found

    return {"running_averages": running_averages}


@right("W2")
def with_numpy():
    def running_averages(values, beta):
        m, out = np.float64(0), []
        for t in range(len(values)):
            m += (1 - beta) * (values[t] - m)
            out.append(float(m / (1 - beta ** (t + 1))))
        return out

    return {"running_averages": running_averages}


@right("W2")
def with_accumulate():
    def running_averages(values, beta):
        steps = itertools.accumulate(values, lambda m, x: beta * m + (1 - beta) * x, initial=0.0)
        return [m / (1 - math.pow(beta, t)) for t, m in enumerate(steps) if t > 0]

    return {"running_averages": running_averages}


@right("W2")
def power_kept_alongside():
    def running_averages(values, beta):
        total = weight = 0.0
        result = []
        for x in values:
            total, weight = beta * total + x, beta * weight + 1
            result.append(total / weight)
        return result

    return {"running_averages": running_averages}


@right("W3")
def with_fsum():
    def overall_mean(means, counts):
        n = sum(counts)
        if n == 0:
            return 0.0
        return math.fsum(m * c for m, c in zip(means, counts, strict=True) if c) / n

    return {"overall_mean": overall_mean}


@right("W3")
def updates_a_mean():
    def overall_mean(means, counts):
        mean, seen = 0.0, 0
        for m, c in zip(means, counts, strict=True):
            if c == 0:
                continue
            seen += c
            mean += (m - mean) * c / seen
        return mean

    return {"overall_mean": overall_mean}


@right("W3")
def with_tensors():
    def overall_mean(means, counts):
        m, c = torch.tensor(means, dtype=torch.float64), torch.tensor(counts, dtype=torch.float64)
        total = (m.nan_to_num(0.0) * c).sum()
        return (total / c.sum().clamp(min=1)).item()

    return {"overall_mean": overall_mean}


@right("W3")
def with_numpy_average():
    def overall_mean(means, counts):
        pairs = [(m, c) for m, c in zip(means, counts, strict=True) if c]
        if not pairs:
            return 0
        values, weights = zip(*pairs, strict=True)
        return float(np.average(values, weights=weights))

    return {"overall_mean": overall_mean}


@right("W4")
def a_twin():
    def peek(generator, count):
        twin = torch.Generator()
        twin.set_state(generator.get_state())
        return torch.rand(count, generator=twin)

    return {"peek": peek}


@right("W4")
def cloned():
    def peek(generator, count):
        return torch.rand((count,), generator=generator.clone_state())

    return {"peek": peek}


@right("W4")
def with_finally():
    def peek(generator, count):
        kept = generator.get_state().clone()
        try:
            return torch.empty(count).uniform_(generator=generator)
        finally:
            generator.set_state(kept)

    return {"peek": peek}


@right("W4")
def through_the_global_generator():
    def peek(generator, count):
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            return torch.rand(count)

    return {"peek": peek}
