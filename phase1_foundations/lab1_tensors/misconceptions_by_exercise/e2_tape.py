"""Wrong answers to E2: one tape in the style of a first attempt, with one mistake at a time."""

import torch
from torch import Tensor

from courseware.check import misconception
from phase1_foundations.lab1_tensors.solution import unbroadcast


def first_tape():
    """A sound tape in which every node keeps its own gradient and a closure that pushes it to the parents."""

    class Var:
        def __init__(self, data, parents=(), vjp=None):
            self.data = data if isinstance(data, Tensor) else torch.tensor(data)
            self.grad = None
            self.parents, self.push = parents, vjp or (lambda g: None)

        def receive(self, g):
            g = unbroadcast(g, self.data.shape)
            self.grad = g if self.grad is None else self.grad + g

        def result(self, data, parents, push):
            return Var(data, parents, push)

        def wrap(self, other):
            return other if isinstance(other, Var) else Var(torch.tensor(other, dtype=self.data.dtype))

        def __add__(self, other):
            other = self.wrap(other)

            def push(g):
                self.receive(g)
                other.receive(g)

            return Var(self.data + other.data, (self, other), push)

        def __mul__(self, other):
            other = self.wrap(other)

            def push(g):
                self.receive(g * other.data)
                other.receive(g * self.data)

            return Var(self.data * other.data, (self, other), push)

        def __pow__(self, n):
            return Var(self.data**n, (self,), lambda g: self.receive(g * n * self.data ** (n - 1)))

        def __matmul__(self, other):
            def push(g):
                self.receive(g @ other.data.T)
                other.receive(self.data.T @ g)

            return Var(self.data @ other.data, (self, other), push)

        def sum(self, dim=None, keepdim=False):
            def push(g):
                if dim is not None and not keepdim:
                    g = g.unsqueeze(dim)
                self.receive(g * torch.ones_like(self.data))

            return Var(self.data.sum() if dim is None else self.data.sum(dim, keepdim), (self,), push)

        def exp(self):
            y = self.data.exp()
            return Var(y, (self,), lambda g: self.receive(g * y))

        def log(self):
            return Var(self.data.log(), (self,), lambda g: self.receive(g / self.data))

        def relu(self):
            return Var(self.data.clamp(min=0), (self,), lambda g: self.receive(g * (self.data > 0)))

        def tanh(self):
            y = self.data.tanh()
            return Var(y, (self,), lambda g: self.receive(g * (1 - y * y)))

        def reshape(self, *shape):
            return Var(self.data.reshape(*shape), (self,), lambda g: self.receive(g.reshape(self.data.shape)))

        @property
        def T(self):
            return Var(self.data.T, (self,), lambda g: self.receive(g.T))

        def nodes(self):
            """Parents before children."""
            order, seen, stack = [], set(), [(self, False)]
            while stack:
                node, done = stack.pop()
                if done:
                    order.append(node)
                elif node not in seen:
                    seen.add(node)
                    stack.append((node, True))
                    stack.extend((parent, False) for parent in node.parents)
            return order

        def seed(self, seed):
            if seed is None and self.data.numel() != 1:
                raise ValueError("this result needs a seed")
            return torch.ones_like(self.data) if seed is None else seed

        def backward(self, seed=None):
            seed, order = self.seed(seed), self.nodes()
            for node in order:
                if node.parents:
                    node.grad = None
            self.receive(seed)
            for node in reversed(order):
                node.push(node.grad)

        __radd__ = __add__
        __rmul__ = __mul__

        def __neg__(self):
            return self * -1

        def __sub__(self, other):
            return self + -other

        def __rsub__(self, other):
            return -self + other

        def __truediv__(self, other):
            return self * other**-1

        def __rtruediv__(self, other):
            return self**-1 * other

    return Var


@misconception("E2", diagnosis="overwrites-gradients")
def assigns_the_gradient():
    Var = first_tape()

    def receive(self, g):
        self.grad = unbroadcast(g, self.data.shape)

    Var.receive = receive
    return {"Var": Var}


@misconception("E2", diagnosis="not-in-topological-order")
def depth_first():
    Var = first_tape()

    def backward(self, seed=None):
        order, seen, stack = [], set(), [self]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                order.append(node)
                stack.extend(node.parents)
        for node in order:
            if node.parents:
                node.grad = None
        self.receive(self.seed(seed))
        for node in order:
            node.push(node.grad)

    Var.backward = backward
    return {"Var": Var}


@misconception("E2", diagnosis="recursion")
def recursive_order():
    Var = first_tape()

    def nodes(self):
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
    return {"Var": Var}


@misconception("E2", diagnosis="gradient-not-summed-back")
def forgets_unbroadcast():
    Var = first_tape()

    def receive(self, g):
        self.grad = g if self.grad is None else self.grad + g

    Var.receive = receive
    return {"Var": Var}


@misconception("E2", diagnosis="matmul-not-transposed")
def multiplies_without_transposing():
    Var = first_tape()

    def __matmul__(self, other):
        def push(g):
            self.receive(g @ other.data)
            other.receive(self.data @ g)

        return self.result(self.data @ other.data, (self, other), push)

    Var.__matmul__ = __matmul__
    return {"Var": Var}


@misconception("E2", diagnosis="relu-masked-by-the-gradient")
def masks_by_the_gradient():
    Var = first_tape()

    def relu(self):
        return self.result(self.data.clamp(min=0), (self,), lambda g: self.receive(g * (g > 0)))

    Var.relu = relu
    return {"Var": Var}


@misconception("E2", diagnosis="gradients-share-memory")
def adds_in_place():
    Var = first_tape()

    def receive(self, g):
        g = unbroadcast(g, self.data.shape)
        if self.grad is None:
            self.grad = g
        else:
            self.grad += g

    Var.receive = receive
    return {"Var": Var}


@misconception("E2", diagnosis="old-gradients-travel-again")
def keeps_inner_gradients():
    Var = first_tape()

    def backward(self, seed=None):
        self.receive(self.seed(seed))
        for node in reversed(self.nodes()):
            node.push(node.grad)

    Var.backward = backward
    return {"Var": Var}


@misconception("E2", diagnosis="walks-every-path")
def pushes_along_every_path():
    Var = first_tape()

    def backward(self, seed=None):
        waiting = [(self, self.seed(seed))]
        while waiting:
            node, g = waiting.pop()
            if not node.parents:
                node.receive(g)
                continue
            kept = [parent.grad for parent in node.parents]
            for parent in node.parents:
                parent.grad = None
            node.push(g)
            shares = {id(parent): (parent, parent.grad) for parent in node.parents}
            for parent, grad in zip(node.parents, kept, strict=True):
                parent.grad = grad
            waiting.extend(shares.values())

    Var.backward = backward
    return {"Var": Var}


@misconception("E2", diagnosis="forgets-earlier-passes")
def clears_every_gradient_first():
    Var = first_tape()

    def backward(self, seed=None):
        order = self.nodes()
        for node in order:
            node.grad = None
        self.receive(self.seed(seed))
        for node in reversed(order):
            node.push(node.grad)

    Var.backward = backward
    return {"Var": Var}


@misconception("E2", diagnosis="gradient-starts-at-zero")
def starts_at_zero():
    Var = first_tape()
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, data, parents, vjp)
        self.grad = torch.zeros_like(self.data)

    Var.__init__ = __init__
    return {"Var": Var}


@misconception("E2", diagnosis="copies-its-data")
def copies_the_tensor():
    Var = first_tape()
    plain = Var.__init__

    def __init__(self, data, parents=(), vjp=None):
        plain(self, torch.tensor(data), parents, vjp)

    Var.__init__ = __init__
    return {"Var": Var}


@misconception("E2", diagnosis="sum-along-an-axis")
def spreads_the_sum_along_the_wrong_axis():
    Var = first_tape()

    def sum(self, dim=None, keepdim=False):
        data = self.data.sum() if dim is None else self.data.sum(dim, keepdim)
        return self.result(data, (self,), lambda g: self.receive(g * torch.ones_like(self.data)))

    Var.sum = sum
    return {"Var": Var}


@misconception("E2", diagnosis="relu-at-zero")
def relu_passes_zero():
    Var = first_tape()

    def relu(self):
        return self.result(self.data.clamp(min=0), (self,), lambda g: self.receive(g * (self.data >= 0)))

    Var.relu = relu
    return {"Var": Var}


@misconception("E2", diagnosis="no-seed-needed")
def always_starts_from_ones():
    Var = first_tape()
    Var.seed = lambda self, seed: torch.ones_like(self.data) if seed is None else seed
    return {"Var": Var}


@misconception("E2", diagnosis="forbidden")
def hides_torch():
    Var = first_tape()

    def backward(self, seed=None):
        with torch.enable_grad():
            leaves = [node for node in self.nodes() if not node.parents]
            inputs = [leaf.data.detach().requires_grad_() for leaf in leaves]
            torch.autograd.grad(sum(x.sum() for x in inputs), inputs)

    Var.backward = backward
    return {"Var": Var}


@misconception("E2", diagnosis="number-on-the-left")
def forgets_which_side():
    Var = first_tape()
    Var.__rsub__ = lambda self, other: self + -other
    return {"Var": Var}


@misconception("E2", diagnosis="T-is-a-method")
def t_without_property():
    Var = first_tape()
    Var.T = Var.T.fget
    return {"Var": Var}
