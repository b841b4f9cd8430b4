"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import sys

import torch

from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e2_tape import first_tape
from phase1_foundations.lab1_tensors.solution import unbroadcast
from tests.labs.answers import Answers

wrong = Answers()


def tape(change):
    def build():
        Var = first_tape()
        change(Var)
        return {"Var": Var}

    wrong.add("E2", change.__name__, build)
    return change


def unary(Var, name, value, share):
    def method(self):
        return self.result(value(self.data), (self,), lambda g: self.receive(share(g, self.data)))

    setattr(Var, name, method)


@tape
def tanh_slope_without_square(Var):
    unary(Var, "tanh", torch.tanh, lambda g, x: g * (1 - x.tanh()))


@tape
def log_slope_is_log(Var):
    unary(Var, "log", torch.log, lambda g, x: g * x.log())


@tape
def exp_slope_is_one(Var):
    unary(Var, "exp", torch.exp, lambda g, x: g)


@tape
def relu_everywhere(Var):
    unary(Var, "relu", lambda x: x.clamp(min=0), lambda g, x: g)


@tape
def relu_clamps_the_gradient(Var):
    unary(Var, "relu", lambda x: x.clamp(min=0), lambda g, x: g.clamp(min=0))


@tape
def relu_in_place(Var):
    def relu(self):
        mask = self.data > 0
        return self.result(self.data.relu_(), (self,), lambda g: self.receive(g * mask))

    Var.relu = relu


@tape
def power_rule_forgets_n(Var):
    def __pow__(self, n):
        return self.result(self.data**n, (self,), lambda g: self.receive(g * self.data ** (n - 1)))

    Var.__pow__ = __pow__


@tape
def product_gives_each_its_own(Var):
    def __mul__(self, other):
        other = self.wrap(other)

        def push(g):
            self.receive(g * self.data)
            other.receive(g * other.data)

        return self.result(self.data * other.data, (self, other), push)

    Var.__mul__ = Var.__rmul__ = __mul__


@tape
def difference_adds(Var):
    def __sub__(self, other):
        other = self.wrap(other)

        def push(g):
            self.receive(g)
            other.receive(g)

        return self.result(self.data - other.data, (self, other), push)

    Var.__sub__ = __sub__


@tape
def quotient_forgets_the_square(Var):
    def __truediv__(self, other):
        other = self.wrap(other)

        def push(g):
            self.receive(g / other.data)
            other.receive(-g * self.data / other.data)

        return self.result(self.data / other.data, (self, other), push)

    Var.__truediv__ = __truediv__


@tape
def matmul_factors_in_the_wrong_order(Var):
    def __matmul__(self, other):
        def push(g):
            self.receive(other.data.T @ g)
            other.receive(g @ self.data.T)

        return self.result(self.data @ other.data, (self, other), push)

    Var.__matmul__ = __matmul__


@tape
def matmul_elementwise(Var):
    def __matmul__(self, other):
        def push(g):
            self.receive(g * other.data)
            other.receive(g * self.data)

        return self.result(self.data * other.data, (self, other), push)

    Var.__matmul__ = __matmul__


@tape
def transpose_not_transposed_back(Var):
    Var.T = property(lambda self: self.result(self.data.T, (self,), self.receive))


@tape
def reshape_not_reshaped_back(Var):
    Var.reshape = lambda self, *shape: self.result(self.data.reshape(*shape), (self,), self.receive)


@tape
def reshape_by_view(Var):
    def reshape(self, *shape):
        return self.result(
            self.data.view(*shape), (self,), lambda g: self.receive(g.reshape(self.data.shape))
        )

    Var.reshape = reshape


@tape
def sum_divides_like_a_mean(Var):
    def sum(self, dim=None, keepdim=False):
        y = self.data.sum() if dim is None else self.data.sum(dim, keepdim)

        def push(g):
            g = g if dim is None or keepdim else g.unsqueeze(dim)
            self.receive(g * torch.ones_like(self.data) * y.numel() / self.data.numel())

        return self.result(y, (self,), push)

    Var.sum = sum


@tape
def sum_ignores_keepdim(Var):
    def sum(self, dim=None, keepdim=False):
        y = self.data.sum() if dim is None else self.data.sum(dim)

        def push(g):
            self.receive((g if dim is None else g.unsqueeze(dim)) * torch.ones_like(self.data))

        return self.result(y, (self,), push)

    Var.sum = sum


@tape
def sum_gradient_keeps_the_small_shape(Var):
    def sum(self, dim=None, keepdim=False):
        y = self.data.sum() if dim is None else self.data.sum(dim, keepdim)

        def push(g):
            self.grad = g if self.grad is None else self.grad + g

        return self.result(y, (self,), push)

    Var.sum = sum


@tape
def seed_is_ignored(Var):
    Var.seed = lambda self, seed: torch.ones_like(self.data)


@tape
def unseeded_sum(Var):
    Var.seed = lambda self, seed: torch.ones_like(self.data) if seed is None else seed


@tape
def asserts_the_seed(Var):
    def seed(self, seed):
        assert seed is not None or self.data.numel() == 1
        return torch.ones_like(self.data) if seed is None else seed

    Var.seed = seed


@tape
def raises_the_recursion_limit(Var):
    def nodes(self):
        sys.setrecursionlimit(100_000)
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        return order

    Var.nodes = nodes


@tape
def breadth_first(Var):
    def nodes(self):
        order, seen, queue = [], {self}, [self]
        while queue:
            node = queue.pop(0)
            order.append(node)
            for parent in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        return order[::-1]

    Var.nodes = nodes


@tape
def recursive_push(Var):
    def backward(self, seed=None):
        def go(node, g):
            if not node.parents:
                node.receive(g)
                return
            before = [p.grad for p in node.parents]
            for p in node.parents:
                p.grad = None
            node.push(g)
            shares = {id(p): (p, p.grad) for p in node.parents}
            for p, old in zip(node.parents, before, strict=True):
                p.grad = old
            for p, share in shares.values():
                go(p, share)

        go(self, self.seed(seed))

    Var.backward = backward


@tape
def leaf_gets_only_the_last_share(Var):
    plain = Var.receive

    def receive(self, g):
        if not self.parents:
            self.grad = None
        plain(self, g)

    Var.receive = receive


@tape
def zero_gradients_at_first(Var):
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, data, parents, vjp)
        self.grad = 0.0

    Var.__init__ = __init__


@tape
def detaches_by_copying(Var):
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, torch.as_tensor(data).clone(), parents, vjp)

    Var.__init__ = __init__


@tape
def numbers_become_float32_vectors(Var):
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, torch.tensor([data]) if isinstance(data, float | int) else data, parents, vjp)

    Var.__init__ = __init__


@tape
def tracks_with_torch(Var):
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, data, parents, vjp)
        if not parents and self.data.is_floating_point():
            self.data.requires_grad = True

    Var.__init__ = __init__


@tape
def uses_torchs_engine(Var):
    def backward(self, seed=None):
        leaves = [node for node in self.nodes() if not node.parents]
        for leaf in leaves:
            leaf.data.requires_grad = True
        self.data.backward(self.seed(seed))
        for leaf in leaves:
            leaf.grad = leaf.data.grad

    Var.backward = backward


@tape
def unbroadcast_of_leading_axes_only(Var):
    def receive(self, g):
        while g.dim() > self.data.dim():
            g = g.sum(0)
        self.grad = g if self.grad is None else self.grad + g

    Var.receive = receive


@tape
def unbroadcast_by_the_mean(Var):
    def receive(self, g):
        total = unbroadcast(g, self.data.shape)
        total = total * self.data.numel() / g.numel()
        self.grad = total if self.grad is None else self.grad + total

    Var.receive = receive


@tape
def no_reflected_operators(Var):
    del Var.__radd__, Var.__rmul__, Var.__rsub__, Var.__rtruediv__


@tape
def reflected_division_upside_down(Var):
    Var.__rtruediv__ = lambda self, other: self * other**-1


@tape
def gradient_of_everything_is_cleared(Var):
    plain = Var.backward

    def backward(self, seed=None):
        for node in self.nodes():
            node.grad = None
        plain(self, seed)

    Var.backward = backward


@tape
def addition_in_place(Var):
    def __add__(self, other):
        other = self.wrap(other)

        def push(g):
            self.receive(g)
            other.receive(g)

        if self.data.shape == torch.broadcast_shapes(self.data.shape, other.data.shape):
            self.data += other.data
            return self.result(self.data.clone(), (self, other), push)
        return self.result(self.data + other.data, (self, other), push)

    Var.__add__ = Var.__radd__ = __add__
