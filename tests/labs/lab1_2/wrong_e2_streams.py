"""Wrong answers to E2, third part: generators that stand still, memory exchanged, zeros in a run."""

from __future__ import annotations

import math

import torch

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

wrong = Answers()


def bound(t, gain):
    return math.sqrt(3) * gain * math.sqrt(2 / max(sum(solution.fans(t)), 1))


@wrong("E2")
def generator_stands_still():
    def xavier_uniform_(t, gain=1.0, generator=None):
        before = torch.get_rng_state()
        if generator is not None:
            torch.set_rng_state(generator.get_state())
        with torch.no_grad():
            t.uniform_(-bound(t, gain), bound(t, gain))
        if generator is not None:
            torch.set_rng_state(before)
        return t

    return {"xavier_uniform_": xavier_uniform_}


@wrong("E2")
def exchanges_the_memory():
    def xavier_uniform_(t, gain=1.0, generator=None):
        t.data = (2 * torch.rand(t.shape, generator=generator, dtype=t.dtype) - 1) * bound(t, gain)
        return t

    return {"xavier_uniform_": xavier_uniform_}


@wrong("E2")
def slope_of_another_default():
    def kaiming_normal_(t, a=0.01, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        return solution.kaiming_normal_(t, a, mode, nonlinearity, generator)

    return {"kaiming_normal_": kaiming_normal_}


@wrong("E2")
def turns_without_mirror_images():
    def orthogonal_(t, gain=1.0, generator=None):
        solution.orthogonal_(t, gain, generator)
        if t.dim() == 2 and t.shape[0] == t.shape[1] and torch.linalg.det(t.detach()) < 0:
            with torch.no_grad():
                t.neg_()
        return t

    return {"orthogonal_": orthogonal_}


@wrong("E2")
def zeros_in_a_run():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError(t.dim())
        rows, zeros = t.shape[0], math.ceil(sparsity * t.shape[0])
        with torch.no_grad():
            t.normal_(0, std, generator=generator)
            starts = torch.randint(max(rows, 1), (t.shape[1],), generator=generator)
            for column, start in enumerate(starts.tolist()):
                t[[(start + i) % rows for i in range(zeros)], column] = 0
        return t

    return {"sparse_": sparse_}


@wrong("E2")
def kernels_of_two_axes_only():
    def fans(t):
        if t.dim() not in (2, 4):
            raise ValueError(t.dim())
        return solution.fans(t)

    return {"fans": fans}
