"""Wrong answers to E2."""

import math

import torch
from torch import nn

from courseware.check import misconception
from phase1_foundations.lab2_nn_module.solution import fans, kaiming_std


@misconception("E2", diagnosis="forbidden")
def asks_torch():
    def orthogonal_(t, gain=1.0, generator=None):
        return nn.init.orthogonal_(t, gain, generator=generator)

    return {"orthogonal_": orthogonal_}


@misconception("E2", diagnosis="fans-exchanged")
def rows_are_inputs():
    def fans(t):
        if t.dim() < 2:
            raise ValueError("two axes needed")
        area = math.prod(t.shape[2:])
        return t.shape[0] * area, t.shape[1] * area

    return {"fans": fans}


@misconception("E2", diagnosis="kernel-area-forgotten")
def no_area():
    def fans(t):
        if t.dim() < 2:
            raise ValueError("two axes needed")
        return t.shape[1], t.shape[0]

    return {"fans": fans}


@misconception("E2", diagnosis="bound-is-the-deviation")
def uniform_up_to_std():
    def kaiming_uniform_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        std = kaiming_std(t, a, mode, nonlinearity)
        with torch.no_grad():
            return t.uniform_(-std, std, generator=generator)

    return {"kaiming_uniform_": kaiming_uniform_}


@misconception("E2", diagnosis="not-haar")
def q_as_it_comes():
    def orthogonal_(t, gain=1.0, generator=None):
        fans(t)
        if t.numel() == 0:
            return t
        rows, columns = t.shape[0], t.numel() // t.shape[0]
        tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=t.dtype)
        q, _ = torch.linalg.qr(tall)
        with torch.no_grad():
            return t.copy_(gain * (q if rows >= columns else q.T).reshape(t.shape))

    return {"orthogonal_": orthogonal_}


@misconception("E2", diagnosis="relu-gain-forgotten")
def gain_one_for_relu():
    def kaiming_normal_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        if nonlinearity in ("relu", "leaky_relu"):
            kaiming_std(t, a, mode, nonlinearity)
            nonlinearity = "linear"
        with torch.no_grad():
            return t.normal_(0, kaiming_std(t, a, mode, nonlinearity), generator=generator)

    return {"kaiming_normal_": kaiming_normal_}


@misconception("E2", diagnosis="zeros-by-chance")
def a_coin_for_each():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError("matrices only")
        with torch.no_grad():
            t.normal_(0, std, generator=generator)
            t[torch.rand(t.shape, generator=generator) < sparsity] = 0
        return t

    return {"sparse_": sparse_}


@misconception("E2", diagnosis="returns-a-new-tensor")
def rebinds():
    def xavier_normal_(t, gain=1.0, generator=None):
        std = gain * math.sqrt(2 / max(sum(fans(t)), 1))
        t = torch.randn(t.shape, generator=generator, dtype=t.dtype) * std
        return t

    return {"xavier_normal_": xavier_normal_}


@misconception("E2", diagnosis="parameter-refused")
def without_no_grad():
    def xavier_uniform_(t, gain=1.0, generator=None):
        bound = gain * math.sqrt(6 / max(sum(fans(t)), 1))
        return t.uniform_(-bound, bound, generator=generator)

    return {"xavier_uniform_": xavier_uniform_}


@misconception("E2", diagnosis="variance-is-taken-for-the-deviation")
def normal_with_the_variance():
    def kaiming_normal_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        std = kaiming_std(t, a, mode, nonlinearity)
        with torch.no_grad():
            return t.normal_(0, std**2, generator=generator)

    return {"kaiming_normal_": kaiming_normal_}


@misconception("E2", diagnosis="generator-ignored")
def zeros_from_elsewhere():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError("matrices only")
        zeros = math.ceil(sparsity * t.shape[0])
        with torch.no_grad():
            t.normal_(0, std, generator=generator)
            for column in range(t.shape[1]):
                t[torch.randperm(t.shape[0])[:zeros], column] = 0
        return t

    return {"sparse_": sparse_}


@misconception("E2", diagnosis="wide-matrices-fail")
def tall_only():
    def orthogonal_(t, gain=1.0, generator=None):
        fans(t)
        if t.numel() == 0:
            return t
        flat = torch.randn(t.shape[0], t.numel() // t.shape[0], generator=generator, dtype=t.dtype)
        q, r = torch.linalg.qr(flat)
        q = q * r.diagonal().sign()
        with torch.no_grad():
            return t.copy_(gain * q.reshape(t.shape))

    return {"orthogonal_": orthogonal_}


@misconception("E2", diagnosis="same-rows-in-every-column")
def one_permutation():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError("matrices only")
        with torch.no_grad():
            t.normal_(0, std, generator=generator)
            rows = torch.randperm(t.shape[0], generator=generator)[: math.ceil(sparsity * t.shape[0])]
            t[rows] = 0
        return t

    return {"sparse_": sparse_}
