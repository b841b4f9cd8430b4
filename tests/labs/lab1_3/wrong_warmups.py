"""Wrong answers to W1 to W4 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

wrong = Answers()


def descending(move):
    def descend_(param, lr):
        if param.grad is not None:
            with torch.no_grad():
                move(param, lr)

    return {"descend_": descend_}


@wrong("W1")
def forgets_lr():
    return descending(lambda p, lr: p.sub_(p.grad))


@wrong("W1")
def divides_by_lr():
    return descending(lambda p, lr: p.sub_(p.grad / lr))


@wrong("W1")
def only_the_sign():
    return descending(lambda p, lr: p.sub_(lr * p.grad.sign()))


@wrong("W1")
def normalised():
    return descending(lambda p, lr: p.sub_(lr * p.grad / p.grad.norm()))


@wrong("W1")
def shrinks_too():
    return descending(lambda p, lr: p.mul_(1 - lr).sub_(lr * p.grad))


@wrong("W1")
def moves_only_positive():
    return descending(lambda p, lr: p.sub_(lr * p.grad.clamp(min=0)))


@wrong("W1")
def drops_the_gradient():
    def move(p, lr):
        p -= lr * p.grad
        p.grad = None

    return descending(move)


@wrong("W1")
def scales_the_gradient_in_place():
    return descending(lambda p, lr: p.sub_(p.grad.mul_(lr)))


@wrong("W1")
def switches_requires_grad_off():
    def descend_(param, lr):
        if param.grad is not None:
            param.requires_grad_(False)
            param -= lr * param.grad

    return {"descend_": descend_}


@wrong("W1")
def returns_a_new_tensor():
    def descend_(param, lr):
        return param if param.grad is None else param - lr * param.grad

    return {"descend_": descend_}


@wrong("W1")
def works_on_a_clone():
    def descend_(param, lr):
        if param.grad is not None:
            copy = param.detach().clone()
            copy -= lr * param.grad

    return {"descend_": descend_}


@wrong("W1")
def makes_a_zero_gradient():
    def descend_(param, lr):
        if param.grad is None:
            param.grad = torch.zeros_like(param)
        with torch.no_grad():
            param -= lr * param.grad

    return {"descend_": descend_}


def averaging(function):
    function.__name__ = "running_averages"
    return {"running_averages": function}


@wrong("W2")
def plain_means():
    return averaging(lambda values, beta: [sum(values[: i + 1]) / (i + 1) for i in range(len(values))])


@wrong("W2")
def last_value_only():
    def running(values, beta):
        m = 0.0
        for x in values:
            m = beta * m + (1 - beta) * x
        return [m / (1 - beta ** len(values))]

    return averaging(running)


@wrong("W2")
def starts_at_the_first_value():
    def running(values, beta):
        found = []
        for x in values:
            found.append(x if not found else beta * found[-1] + (1 - beta) * x)
        return found

    return averaging(running)


@wrong("W2")
def divides_by_one_minus_beta():
    def running(values, beta):
        m, found = 0.0, []
        for x in values:
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - beta))
        return found

    return averaging(running)


@wrong("W2")
def multiplies_by_the_correction():
    def running(values, beta):
        m, found = 0.0, []
        for t, x in enumerate(values, 1):
            m = beta * m + (1 - beta) * x
            found.append(m * (1 - beta**t))
        return found

    return averaging(running)


@wrong("W2")
def corrects_by_the_last_power():
    def running(values, beta):
        m, found = 0.0, []
        for x in values:
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - beta ** len(values)))
        return found

    return averaging(running)


@wrong("W2")
def tensors_inside():
    def running(values, beta):
        m, found = torch.tensor(0.0), []
        for t, x in enumerate(values, 1):
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - beta**t))
        return found

    return averaging(running)


@wrong("W2")
def keeps_the_zero():
    def running(values, beta):
        m, found = 0.0, [0.0]
        for t, x in enumerate(values, 1):
            m = beta * m + (1 - beta) * x
            found.append(m / (1 - beta**t))
        return found

    return averaging(running)


@wrong("W2")
def a_tensor_back():
    return averaging(lambda values, beta: torch.tensor(values))


@wrong("W2")
def rounds():
    def running(values, beta):
        m, found = 0.0, []
        for t, x in enumerate(values, 1):
            m = beta * m + (1 - beta) * x
            found.append(round(m / (1 - beta**t), 2))
        return found

    return averaging(running)


def meaning(function):
    return {"overall_mean": function}


@wrong("W3")
def weights_by_share_of_batches():
    return meaning(lambda means, counts: sum(m * c for m, c in zip(means, counts, strict=True)) / len(means))


@wrong("W3")
def median_of_means():
    return meaning(lambda means, counts: sorted(means)[len(means) // 2])


@wrong("W3")
def whole_division():
    return meaning(
        lambda means, counts: (
            sum(m * c for m, c in zip(means, counts, strict=True) if c) // max(sum(counts), 1)
        )
    )


@wrong("W3")
def nan_without_examples():
    return meaning(
        lambda means, counts: (
            sum(m * c for m, c in zip(means, counts, strict=True) if c) / sum(counts)
            if sum(counts)
            else math.nan
        )
    )


@wrong("W3")
def none_without_examples():
    return meaning(
        lambda means, counts: (
            sum(m * c for m, c in zip(means, counts, strict=True) if c) / sum(counts) if sum(counts) else None
        )
    )


@wrong("W3")
def skips_means_of_zero():
    return meaning(
        lambda means, counts: (
            sum(m * c for m, c in zip(means, counts, strict=True) if c > 1) / max(sum(counts), 1)
        )
    )


@wrong("W3")
def counts_empty_batches():
    return meaning(
        lambda means, counts: (
            sum(m * c for m, c in zip(means, counts, strict=True) if c)
            / max(sum(max(c, 1) for c in counts), 1)
        )
    )


@wrong("W3")
def returns_a_tensor():
    return meaning(lambda means, counts: torch.tensor(0.0))


@wrong("W3")
def last_mean():
    return meaning(lambda means, counts: means[-1] if means else 0.0)


def peeking(function):
    return {"peek": function}


@wrong("W4")
def draws_one_by_one():
    def peek(generator, count):
        state = generator.get_state()
        found = torch.stack([torch.rand((), generator=generator) for _ in range(count + 1)])[1:]
        generator.set_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def normal_numbers():
    def peek(generator, count):
        state = generator.get_state()
        found = torch.randn(count, generator=generator)
        generator.set_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def a_list():
    def peek(generator, count):
        state = generator.get_state()
        found = torch.rand(count, generator=generator).tolist()
        generator.set_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def saves_too_late():
    def peek(generator, count):
        found = torch.rand(count, generator=generator)
        generator.set_state(generator.get_state())
        return found

    return peeking(peek)


@wrong("W4")
def restores_the_global_one():
    def peek(generator, count):
        state = torch.get_rng_state()
        found = torch.rand(count, generator=generator)
        torch.set_rng_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def seeds_by_the_initial_seed():
    def peek(generator, count):
        found = torch.rand(count, generator=generator)
        generator.manual_seed(generator.initial_seed())
        return found

    return peeking(peek)


@wrong("W4")
def moves_the_global_generator():
    def peek(generator, count):
        torch.set_rng_state(generator.get_state())
        return torch.rand(count)

    return peeking(peek)


@wrong("W4")
def column():
    def peek(generator, count):
        state = generator.get_state()
        found = torch.rand(count, 1, generator=generator)
        generator.set_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def double_precision():
    def peek(generator, count):
        state = generator.get_state()
        found = torch.rand(count, generator=generator).double()
        generator.set_state(state)
        return found

    return peeking(peek)


@wrong("W4")
def nothing_back():
    def peek(generator, count):
        state = generator.get_state()
        torch.rand(count, generator=generator)
        generator.set_state(state)

    return peeking(peek)
