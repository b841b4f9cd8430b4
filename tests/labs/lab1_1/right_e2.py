"""Right answers to E2: tapes of quite different designs."""

from __future__ import annotations

import heapq
import itertools
import operator
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tests.labs.answers import Answers

right = Answers()


def fit(g: Tensor, shape: Any) -> Tensor:
    """A sum back to `shape` that owes nothing to the lab's solution."""
    extra = g.dim() - len(shape)
    axes = [*range(extra), *(extra + i for i, n in enumerate(shape) if n == 1)]
    return (g.sum(axes) if axes else g).reshape(shape)


class Reflected:
    """Operators that follow from the others."""

    __slots__ = ()

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return (-self) + other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return self**-1 * other


@right("E2")
def closures_in_slots():
    """In the manner of micrograd: each result has a closure that adds to its inputs' grad."""

    class Var(Reflected):
        __slots__ = ("_parents", "_push", "data", "grad")

        def __init__(self, data, parents=(), vjp=None):
            self.data = data if isinstance(data, Tensor) else torch.tensor(float(data))
            self.grad = None
            self._parents, self._push = parents, vjp

        def _add(self, g):
            g = fit(g, self.data.shape)
            self.grad = g.clone() if self.grad is None else self.grad + g

        @staticmethod
        def _of(other, like):
            return other if isinstance(other, Var) else Var(torch.as_tensor(other, dtype=like.data.dtype))

        def __add__(self, other):
            other = Var._of(other, self)
            out = Var(self.data + other.data, (self, other))
            out._push = lambda: (self._add(out.grad), other._add(out.grad))
            return out

        def __mul__(self, other):
            other = Var._of(other, self)
            out = Var(self.data * other.data, (self, other))
            out._push = lambda: (self._add(out.grad * other.data), other._add(out.grad * self.data))
            return out

        def __pow__(self, n):
            out = Var(self.data**n, (self,))
            out._push = lambda: self._add(out.grad * n * self.data ** (n - 1))
            return out

        def __matmul__(self, other):
            out = Var(self.data @ other.data, (self, other))
            out._push = lambda: (self._add(out.grad @ other.data.T), other._add(self.data.T @ out.grad))
            return out

        def sum(self, dim=None, keepdim=False):
            out = Var(torch.sum(self.data) if dim is None else torch.sum(self.data, dim, keepdim), (self,))

            def push():
                g = out.grad if keepdim or dim is None else out.grad.unsqueeze(dim)
                self._add(torch.zeros_like(self.data) + g)

            out._push = push
            return out

        def exp(self):
            out = Var(self.data.exp(), (self,))
            out._push = lambda: self._add(out.grad * out.data)
            return out

        def log(self):
            out = Var(self.data.log(), (self,))
            out._push = lambda: self._add(out.grad / self.data)
            return out

        def relu(self):
            out = Var(self.data.relu(), (self,))
            out._push = lambda: self._add(torch.where(self.data > 0, out.grad, 0))
            return out

        def tanh(self):
            out = Var(self.data.tanh(), (self,))
            out._push = lambda: self._add(out.grad * (1 - out.data**2))
            return out

        def reshape(self, *shape):
            out = Var(self.data.reshape(*shape), (self,))
            out._push = lambda: self._add(out.grad.reshape(self.data.shape))
            return out

        @property
        def T(self):
            out = Var(self.data.t(), (self,))
            out._push = lambda: self._add(out.grad.t())
            return out

        def backward(self, seed=None):
            if seed is None:
                if self.data.numel() > 1:
                    raise RuntimeError("seed please")
                seed = torch.ones_like(self.data)
            order, state, stack = [], {}, [self]
            while stack:
                node = stack[-1]
                if state.get(node) is None:
                    state[node] = iter(node._parents)
                following = next((p for p in state[node] if p not in state), None)
                if following is None:
                    order.append(stack.pop())
                else:
                    stack.append(following)
            for node in order:
                if node._push:
                    node.grad = None
            self._add(seed)
            for node in reversed(order):
                if node._push:
                    node._push()

    return {"Var": Var}


@right("E2")
def ordered_by_birth():
    """Each node has a number; whoever was made later comes earlier on the way back."""
    counter = itertools.count()

    @dataclass(eq=False)
    class Var(Reflected):
        data: Any
        parents: tuple = ()
        vjp: Any = None
        grad: Any = None
        born: int = field(default_factory=lambda: next(counter))

        def __post_init__(self):
            if not isinstance(self.data, torch.Tensor):
                self.data = torch.tensor(float(self.data))

        def _new(self, data, *links):
            return Var(data, tuple(p for p, _ in links), tuple(f for _, f in links))

        def __add__(self, o):
            if not isinstance(o, Var):
                return self._new(self.data + o, (self, lambda g: g))
            return self._new(self.data + o.data, (self, lambda g: g), (o, lambda g: g))

        def __mul__(self, o):
            if not isinstance(o, Var):
                return self._new(self.data * o, (self, lambda g: g * o))
            return self._new(self.data * o.data, (self, lambda g: g * o.data), (o, lambda g: g * self.data))

        def __pow__(self, n):
            return self._new(self.data.pow(n), (self, lambda g: g * self.data.pow(n - 1) * n))

        def __matmul__(self, o):
            return self._new(
                self.data.matmul(o.data),
                (self, lambda g: torch.einsum("nm,km->nk", g, o.data)),
                (o, lambda g: torch.einsum("nk,nm->km", self.data, g)),
            )

        def sum(self, dim=None, keepdim=False):
            shape = self.data.shape
            if dim is None:
                return self._new(self.data.sum(), (self, lambda g: g.reshape([1] * len(shape)).expand(shape)))
            middle = [1 if i == dim % len(shape) else n for i, n in enumerate(shape)]
            return self._new(
                self.data.sum(dim, keepdim=keepdim), (self, lambda g: g.reshape(middle).expand(shape))
            )

        def exp(self):
            return self._new(self.data.exp(), (self, lambda g: g * self.data.exp()))

        def log(self):
            return self._new(self.data.log(), (self, lambda g: g * self.data.reciprocal()))

        def relu(self):
            mask = (self.data > 0).to(self.data.dtype)
            return self._new(self.data * mask, (self, lambda g: g * mask))

        def tanh(self):
            return self._new(self.data.tanh(), (self, lambda g: g / self.data.cosh() ** 2))

        def reshape(self, *shape):
            return self._new(self.data.reshape(*shape), (self, lambda g: g.reshape(self.data.shape)))

        @property
        def T(self):
            return self._new(self.data.T, (self, lambda g: g.T))

        def backward(self, seed=None):
            if seed is None and self.data.shape.numel() != 1:
                raise ValueError("not a single number")
            waiting = [(-self.born, self)]
            grads = {self: torch.ones_like(self.data) if seed is None else seed}
            while waiting:
                _, node = heapq.heappop(waiting)
                g = grads.pop(node)
                if not node.parents:
                    node.grad = g + (0 if node.grad is None else node.grad)
                for parent, share in zip(node.parents, node.vjp or (), strict=True):
                    if parent not in grads:
                        heapq.heappush(waiting, (-parent.born, parent))
                        grads[parent] = torch.zeros_like(parent.data)
                    grads[parent] = grads[parent] + fit(share(g), parent.data.shape)

    return {"Var": Var}


@right("E2")
def consumers_are_counted():
    """Kahn's algorithm: a node is ready when all its consumers have delivered."""
    ops: dict[str, Any] = {
        "add": (lambda a, b: a + b, lambda g, out, a, b: (g, g)),
        "mul": (lambda a, b: a * b, lambda g, out, a, b: (g * b, g * a)),
        "sub": (lambda a, b: a - b, lambda g, out, a, b: (g, -g)),
        "div": (lambda a, b: a / b, lambda g, out, a, b: (g / b, -g * out / b)),
        "matmul": (lambda a, b: a @ b, lambda g, out, a, b: (g @ b.T, (g.T @ a).T)),
        "exp": (torch.exp, lambda g, out, a: (g * out,)),
        "log": (torch.log, lambda g, out, a: (g / a,)),
        "relu": (lambda a: torch.maximum(a, torch.zeros_like(a)), lambda g, out, a: (g * torch.sign(out),)),
        "tanh": (torch.tanh, lambda g, out, a: (g - g * out * out,)),
        "T": (lambda a: a.T, lambda g, out, a: (g.T,)),
        "pow": (lambda a, n: a**n, lambda g, out, a, n: (g * n * a ** (n - 1),)),
        "reshape": (lambda a, *s: a.reshape(*s), lambda g, out, a, *s: (g.reshape_as(a),)),
        "sum": (
            lambda a, d, k: a.sum() if d is None else a.sum(d, keepdim=k),
            lambda g, out, a, d, k: ((g if d is None or k else g.unsqueeze(d)) * torch.ones_like(a),),
        ),
    }

    class Var:
        def __init__(self, data, parents=(), vjp=None):
            self.data = (
                data if isinstance(data, Tensor) else torch.tensor(data, dtype=torch.get_default_dtype())
            )
            self.grad, self.inputs, self.op, self.extra = None, list(parents), vjp, ()

        def backward(self, seed=None):
            if seed is None:
                if self.data.numel() != 1:
                    raise ValueError("a seed, please")
                seed = self.data.new_ones(self.data.shape)
            users, seen, todo = defaultdict(int), {self}, [self]
            while todo:
                for parent in todo.pop().inputs:
                    users[parent] += 1
                    if parent not in seen:
                        seen.add(parent)
                        todo.append(parent)
            arrived, ready = {self: [seed]}, deque([self])
            while ready:
                node = ready.popleft()
                g = torch.stack([x + torch.zeros_like(node.data) for x in arrived.pop(node)]).sum(0)
                if not node.inputs:
                    node.grad = g if node.grad is None else torch.add(node.grad, g)
                    continue
                values = [parent.data for parent in node.inputs]
                shares = ops[node.op][1](g, node.data, *values, *node.extra)
                for parent, share in zip(node.inputs, shares, strict=True):
                    arrived.setdefault(parent, []).append(fit(share, parent.data.shape))
                    users[parent] -= 1
                    if users[parent] == 0:
                        ready.append(parent)

    def apply(name, *operands, extra=()):
        like = next(o for o in operands if isinstance(o, Var)).data
        nodes = [o if isinstance(o, Var) else Var(torch.tensor(o, dtype=like.dtype)) for o in operands]
        out = Var(ops[name][0](*(n.data for n in nodes), *extra), nodes, name)
        out.extra = extra
        return out

    for method, name in {
        "add": "add",
        "mul": "mul",
        "sub": "sub",
        "truediv": "div",
        "matmul": "matmul",
    }.items():
        setattr(Var, f"__{method}__", lambda a, b, name=name: apply(name, a, b))
        setattr(Var, f"__r{method}__", lambda a, b, name=name: apply(name, b, a))
    for name in ("exp", "log", "relu", "tanh"):
        setattr(Var, name, lambda a, name=name: apply(name, a))
    Var.__neg__ = lambda a: apply("sub", 0.0, a)
    Var.__pow__ = lambda a, n: apply("pow", a, extra=(n,))
    Var.sum = lambda a, dim=None, keepdim=False: apply("sum", a, extra=(dim, keepdim))
    Var.reshape = lambda a, *shape: apply("reshape", a, extra=shape)
    Var.T = property(lambda a: apply("T", a))
    return {"Var": Var}


@right("E2")
def operations_are_objects():
    """Each operation is an object that remembers what its way back needs, as torch's Functions do."""

    class Op:
        def __init__(self, *inputs):
            self.inputs = inputs

    class Add(Op):
        def forward(self, x, y):
            return x + y

        def backward(self, g):
            return g, g

    class Mul(Op):
        def forward(self, x, y):
            self.x, self.y = x, y
            return torch.mul(x, y)

        def backward(self, g):
            return torch.mul(g, self.y), torch.mul(g, self.x)

    class MatMul(Mul):
        def forward(self, x, y):
            self.x, self.y = x, y
            return torch.mm(x, y)

        def backward(self, g):
            return torch.mm(g, self.y.t()), torch.mm(self.x.t(), g)

    class Elementwise(Op):
        def __init__(self, value, slope, x):
            super().__init__(x)
            self.value, self.slope = value, slope

        def forward(self, x):
            self.local = self.slope(x)
            return self.value(x)

        def backward(self, g):
            return (self.local * g,)

    class Rearrange(Elementwise):
        def forward(self, x):
            self.shape = x.shape
            return self.value(x)

        def backward(self, g):
            return (self.slope(g, self.shape),)

    class Var(Reflected):
        def __init__(self, data, parents=(), vjp=None):
            if not torch.is_tensor(data):
                data = torch.tensor(data, dtype=torch.float32)
            self._data, self._grad, self._op = data, None, vjp

        data = property(operator.attrgetter("_data"), lambda self, x: setattr(self, "_data", x))
        grad = property(operator.attrgetter("_grad"), lambda self, x: setattr(self, "_grad", x))

        @classmethod
        def run(cls, op):
            return cls(op.forward(*(v.data for v in op.inputs)), (), op)

        def _lift(self, other):
            return other if isinstance(other, Var) else Var(self.data.new_tensor(other))

        def __add__(self, other):
            return Var.run(Add(self, self._lift(other)))

        def __mul__(self, other):
            return Var.run(Mul(self, self._lift(other)))

        def __matmul__(self, other):
            return Var.run(MatMul(self, other))

        def __pow__(self, n):
            return Var.run(Elementwise(lambda x: x**n, lambda x: n * x ** (n - 1), self))

        def exp(self):
            return Var.run(Elementwise(torch.exp, torch.exp, self))

        def log(self):
            return Var.run(Elementwise(torch.log, torch.reciprocal, self))

        def relu(self):
            return Var.run(
                Elementwise(lambda x: x.clamp_min(0), lambda x: torch.heaviside(x, x.new_zeros(())), self)
            )

        def tanh(self):
            return Var.run(Elementwise(torch.tanh, lambda x: 1 - torch.tanh(x).square(), self))

        def reshape(self, *shape):
            return Var.run(Rearrange(lambda x: x.reshape(*shape), lambda g, old: g.reshape(old), self))

        @property
        def T(self):
            return Var.run(Rearrange(lambda x: x.transpose(0, 1), lambda g, old: g.transpose(0, 1), self))

        def sum(self, dim=None, keepdim=False):
            def spread(g, old):
                if dim is not None and not keepdim:
                    g = torch.unsqueeze(g, dim)
                return torch.broadcast_to(g, old)

            def total(x):
                return x.sum() if dim is None else x.sum(dim, keepdim=keepdim)

            return Var.run(Rearrange(total, spread, self))

        def backward(self, seed=None):
            if seed is None:
                if self.data.numel() != 1:
                    raise RuntimeError("grad can be created only for results with one element")
                seed = torch.ones_like(self.data)
            depth = {}
            stack = [self]
            while stack:  # longest way from the leaves, without recursion
                node = stack[-1]
                inputs = node._op.inputs if node._op else ()
                unknown = [v for v in inputs if v not in depth]
                if unknown:
                    stack.extend(unknown)
                else:
                    depth[node] = 1 + max((depth[v] for v in inputs), default=0)
                    stack.pop()
            total = {self: seed}
            for node in sorted(depth, key=depth.get, reverse=True):
                g = total.pop(node)
                if node._op is None:
                    node._grad = g.clone() if node._grad is None else node._grad + g
                    continue
                for v, share in zip(node._op.inputs, node._op.backward(g), strict=True):
                    share = fit(share, v.data.shape)
                    total[v] = total[v] + share if v in total else share

    return {"Var": Var}


@right("E2")
def one_tape_for_each_result():
    """Every node carries the list of steps that made it: the union is sorted by number on the way back."""
    numbers = itertools.count()

    class Step:
        __slots__ = ("inputs", "number", "out", "pull")

        def __init__(self, out, inputs, pull):
            self.out, self.inputs, self.pull, self.number = out, inputs, pull, next(numbers)

    class Var(Reflected):
        def __init__(self, data, parents=(), vjp=None):
            self.data = data if isinstance(data, Tensor) else torch.tensor(data)
            self.grad = None
            self.step = None if not parents else Step(self, parents, vjp)

        @staticmethod
        def made(data, inputs, pull):
            return Var(data, inputs, pull)

        def both(self, other):
            return (
                (self, other)
                if isinstance(other, Var)
                else (self, Var(torch.tensor(other).to(self.data.dtype)))
            )

        def __add__(self, other):
            a, b = self.both(other)
            return Var.made(a.data + b.data, (a, b), lambda g: [g, g])

        def __mul__(self, other):
            a, b = self.both(other)
            return Var.made(a.data * b.data, (a, b), lambda g: [b.data * g, a.data * g])

        def __sub__(self, other):
            a, b = self.both(other)
            return Var.made(a.data - b.data, (a, b), lambda g: [g, g.neg()])

        def __truediv__(self, other):
            a, b = self.both(other)
            return Var.made(a.data / b.data, (a, b), lambda g: [g / b.data, -g * a.data / b.data.square()])

        def __rtruediv__(self, number):
            return Var.made(number / self.data, (self,), lambda g: [-number * g / self.data**2])

        def __matmul__(self, other):
            x, w = self.data, other.data
            return Var.made(x @ w, (self, other), lambda g: [g @ w.mT, x.mT @ g])

        def __pow__(self, n):
            x = self.data
            return Var.made(torch.pow(x, n), (self,), lambda g: [g * torch.pow(x, n - 1) * n])

        def sum(self, dim=None, keepdim=False):
            x = self.data
            dims = tuple(range(x.dim())) if dim is None else (dim % x.dim(),)
            kept = x.sum(dims, keepdim=True) if dims else x
            shape = kept.shape
            out = kept if keepdim else kept.reshape([n for i, n in enumerate(shape) if i not in dims])
            return Var.made(out, (self,), lambda g: [g.reshape(shape) + torch.zeros_like(x)])

        def exp(self):
            y = self.data.exp()
            return Var.made(y, (self,), lambda g: [y * g])

        def log(self):
            return Var.made(self.data.log(), (self,), lambda g: [g.div(self.data)])

        def relu(self):
            mask = self.data.gt(0)
            return Var.made(
                self.data.where(mask, torch.zeros_like(self.data)), (self,), lambda g: [g.where(mask, 0)]
            )

        def tanh(self):
            e = (2 * self.data).exp()
            y = (e - 1) / (e + 1)
            return Var.made(y, (self,), lambda g: [g * (1 - y**2)])

        def reshape(self, *shape):
            old = self.data.shape
            return Var.made(self.data.reshape(*shape), (self,), lambda g: [g.reshape(old)])

        @property
        def T(self):
            return Var.made(self.data.permute(1, 0), (self,), lambda g: [g.permute(1, 0)])

        def backward(self, seed=None):
            if seed is None:
                if self.data.numel() != 1:
                    raise ValueError(f"{self.data.numel()} numbers need a seed")
                seed = torch.ones(self.data.shape, dtype=self.data.dtype)
            steps, todo = {}, [self]
            while todo:
                step = todo.pop().step
                if step is not None and step.number not in steps:
                    steps[step.number] = step
                    todo.extend(step.inputs)
            slots = {id(self): seed}
            leaves = {}
            if self.step is None:
                leaves[id(self)] = self
            for number in sorted(steps, reverse=True):
                step = steps[number]
                g = slots.pop(id(step.out))
                for v, share in zip(step.inputs, step.pull(g), strict=True):
                    share = fit(share, v.data.shape)
                    slots[id(v)] = share if id(v) not in slots else slots[id(v)] + share
                    if v.step is None:
                        leaves[id(v)] = v
            for key, leaf in leaves.items():
                leaf.grad = slots[key].clone() if leaf.grad is None else leaf.grad + slots[key]

    return {"Var": Var}


@right("E2")
def in_place_but_on_buffers_of_its_own():
    """The lab's reference operations, with gradients added in place into buffers nobody else holds."""
    from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e2_tape import first_tape

    Var = first_tape()

    def receive(self, g):
        if self.grad is None:
            self.grad = torch.zeros_like(self.data)
        self.grad += fit(g, self.data.shape)

    Var.receive = receive
    return {"Var": Var}


@right("E2")
def a_tape_that_keeps_everything():
    """The common first design: inner nodes keep their grad, cleared at the beginning of each pass."""
    from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e2_tape import first_tape

    return {"Var": first_tape()}


@right("E2")
def a_subclass_with_a_metaclass():
    """The tape lives in a base class, Var only adds the arithmetic that follows from it."""
    from phase1_foundations.lab1_tensors.solution import Var as Sound

    class Base(Sound):
        pass

    def lifted(method):
        def call(self, *args, **kwargs):
            out = method(self, *args, **kwargs)
            return Var(out.data, out.parents, out.vjp)

        return call

    class Var(Base):
        def _operand(self, other):
            return other if isinstance(other, Sound) else Var(torch.tensor(other, dtype=self.data.dtype))

    for name in (
        "__add__",
        "__mul__",
        "__pow__",
        "__matmul__",
        "sum",
        "exp",
        "log",
        "relu",
        "tanh",
        "reshape",
    ):
        setattr(Var, name, lifted(getattr(Sound, name)))
    Var.T = property(lifted(Sound.T.fget))
    Var.__radd__, Var.__rmul__ = Var.__add__, Var.__mul__
    return {"Var": Var}
