"""More wrong answers to W2 and W3."""

from __future__ import annotations

import math

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W2")
def empties_the_callers_list():
    def running_averages(values, beta):
        m, found = 0.0, []
        while values:
            m = beta * m + (1 - beta) * values.pop(0)
            found.append(m / (1 - beta ** (len(found) + 1)))
        return found

    return {"running_averages": running_averages}


@wrong("W2")
def power_by_logarithm():
    def running_averages(values, beta):
        m, found = 0.0, []
        for t, x in enumerate(values, 1):
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - math.exp(t * math.log(beta))))
        return found

    return {"running_averages": running_averages}


@wrong("W3")
def skips_means_below_zero():
    def overall_mean(means, counts):
        kept = [(m, c) for m, c in zip(means, counts, strict=True) if m > 0]
        return sum(m * c for m, c in kept) / max(sum(c for _, c in kept), 1)

    return {"overall_mean": overall_mean}


@wrong("W3")
def drops_means_of_zero():
    def overall_mean(means, counts):
        kept = [(m, c) for m, c in zip(means, counts, strict=True) if m and c]
        return sum(m * c for m, c in kept) / max(sum(c for _, c in kept), 1)

    return {"overall_mean": overall_mean}


@wrong("W2")
def corrected_for_all_values():
    def running_averages(values, beta):
        m, found = 0.0, []
        for x in values:
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - beta ** len(values)))
        return found

    return {"running_averages": running_averages}


@wrong("W1")
def writes_into_a_copy():
    def descend_(param, lr):
        if param.grad is not None:
            flat = param.detach().reshape(-1)
            flat -= lr * param.grad.reshape(-1)

    return {"descend_": descend_}
