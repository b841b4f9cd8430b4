"""Right answers to E5, written otherwise than the reference; some bring a tape of their own."""

from __future__ import annotations

import itertools
import math

import torch

from tests.labs.answers import Answers
from tests.labs.lab1_1.right_e2 import closures_in_slots, consumers_are_counted, ordered_by_birth

right = Answers()


@right("E5")
def tanh_and_xavier():
    from phase1_foundations.lab1_tensors.solution import Var

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        torch.manual_seed(seed)
        d = X.shape[1]
        limit = [math.sqrt(6 / (d + hidden)), math.sqrt(6 / (hidden + 10))]
        params = {
            "w1": Var((torch.rand(d, hidden) * 2 - 1) * limit[0]),
            "b1": Var(torch.zeros(1, hidden)),
            "w2": Var((torch.rand(hidden, 10) * 2 - 1) * limit[1]),
            "b2": Var(torch.zeros(1, 10)),
        }

        def forward(x):
            return ((Var(x) @ params["w1"]) + params["b1"]).tanh() @ params["w2"] + params["b2"]

        history = []
        for _ in range(epochs):
            order = torch.randperm(len(X)).tolist()
            sums = 0.0
            for begin in range(0, len(order), batch_size):
                rows = order[begin : begin + batch_size]
                z = forward(X[rows])
                shift = z.data.max(1, keepdim=True).values
                p = (z - Var(shift)).exp()
                picked = torch.zeros(len(rows), 10)
                picked[torch.arange(len(rows)), y[rows]] = 1.0
                nll = (p.sum(dim=1).log() - ((z - Var(shift)) * Var(picked)).sum(dim=1)).sum() * (
                    1 / len(rows)
                )
                nll.backward()
                for name, p_ in params.items():
                    params[name] = Var(p_.data - lr * p_.grad)
                sums += float(nll.data) * len(rows)
            history.append(sums / len(X))
        return (lambda x: forward(x).data), history

    return {"train_digits": train_digits}


@right("E5")
def logits_seeded_by_hand():
    """Only the network runs on the tape; the derivative of the loss is the seed."""
    from phase1_foundations.lab1_tensors.solution import Var

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        g = torch.Generator().manual_seed(seed)
        W1 = Var(torch.randn(hidden, X.shape[1], generator=g) / X.shape[1] ** 0.5)
        W2 = Var(torch.randn(10, hidden, generator=g) / hidden**0.5)
        b1, b2 = Var(torch.zeros(hidden)), Var(torch.zeros(10))

        def network(x):
            return (Var(x) @ W1.T + b1).relu() @ W2.T + b2

        losses = []
        for _ in range(epochs):
            total = 0
            for rows in torch.randperm(X.shape[0], generator=g).split(batch_size):
                z = network(X[rows])
                log_p = z.data.log_softmax(1)
                total -= log_p[range(len(rows)), y[rows]].sum().item()
                delta = log_p.exp()
                delta[range(len(rows)), y[rows]] -= 1
                z.backward(delta / len(rows))
                for p in (W1, b1, W2, b2):
                    p.data, p.grad = p.data - lr * p.grad, None
            losses.append(total / X.shape[0])

        def predict(x):
            return network(x).data.argmax(1)

        return predict, losses

    return {"train_digits": train_digits}


@right("E5")
def a_class_with_its_own_tape():
    Var = closures_in_slots()["Var"]

    class Layer:
        def __init__(self, inputs, outputs, g):
            self.W = Var(torch.randn(inputs, outputs, generator=g) * math.sqrt(2 / inputs))
            self.b = Var(torch.zeros(outputs))

        def __call__(self, x):
            return x @ self.W + self.b

        @property
        def parameters(self):
            return [self.W, self.b]

    class Network:
        def __init__(self, sizes, g):
            self.layers = [Layer(m, n, g) for m, n in itertools.pairwise(sizes)]

        def __call__(self, x):
            x = Var(x)
            for layer in self.layers[:-1]:
                x = layer(x).relu()
            return self.layers[-1](x)

        def step(self, lr):
            for layer in self.layers:
                for p in layer.parameters:
                    p.data -= lr * p.grad
                    p.grad.zero_()

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        g = torch.Generator().manual_seed(seed)
        net = Network([X.shape[1], hidden, 10], g)
        losses = []
        for _ in range(epochs):
            total = 0.0
            permutation = torch.randperm(len(X), generator=g)
            for i in range(math.ceil(len(X) / batch_size)):
                rows = permutation[i * batch_size : (i + 1) * batch_size]
                z = net(X[rows])
                z = z - Var(z.data.amax(1, keepdim=True))
                log_p = z - z.exp().sum(1, keepdim=True).log()
                loss = (log_p * Var(torch.nn.functional.one_hot(y[rows], 10) * (-1.0 / len(rows)))).sum()
                loss.backward()
                net.step(lr)
                total += loss.data.item() * len(rows)
            losses.append(total / len(X))
        return (lambda x: net(x).data), losses

    return {"train_digits": train_digits, "Var": Var}


@right("E5")
def standardised_with_training_statistics():
    Var = ordered_by_birth()["Var"]

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        mean, std = X.mean(0), X.std(0) + 0.1
        g = torch.Generator().manual_seed(seed + 17)
        params = [
            Var(torch.randn(X.shape[1], hidden, generator=g) * 0.1),
            Var(torch.zeros(hidden)),
            Var(torch.randn(hidden, 10, generator=g) * 0.1),
            Var(torch.zeros(10)),
        ]

        def forward(x):
            a, b, c, d = params
            return (Var((x - mean) / std) @ a + b).relu() @ c + d

        losses = []
        for _ in range(epochs):
            seen, total = 0, 0.0
            for rows in torch.split(torch.randperm(len(X), generator=g), batch_size):
                scores = forward(X[rows])
                exps = (scores - scores.data.max().item()).exp()
                p_target = (exps * Var(torch.eye(10)[y[rows]])).sum(dim=1) / exps.sum(dim=1)
                loss = (p_target + 1e-12).log().sum() / -len(rows)
                loss.backward()
                for p in params:
                    p.data = p.data - p.grad * lr
                    p.grad = None
                total, seen = total + loss.data.item() * len(rows), seen + len(rows)
            losses.append(total / seen)
        return (lambda x: forward(x).data), losses

    return {"train_digits": train_digits, "Var": Var}


@right("E5")
def gradients_gathered_over_single_rows():
    """Half a batch at a time; gradients add up before each step."""
    Var = consumers_are_counted()["Var"]

    def train_digits(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
        g = torch.Generator().manual_seed(seed)
        shapes = ((X.shape[1], hidden), (1, hidden), (hidden, 10), (1, 10))
        params = [Var(torch.randn(s, generator=g) * (2 / s[0]) ** 0.5 * (s[0] > 1)) for s in shapes]

        def net(x):
            W1, b1, W2, b2 = params
            return (Var(x) @ W1 + b1).relu() @ W2 + b2

        losses = []
        for _ in range(epochs):
            total = 0.0
            for batch in torch.randperm(len(X), generator=g).split(batch_size):
                for rows in batch.tensor_split(2):
                    if not len(rows):
                        continue
                    z = net(X[rows])
                    z = z - Var(z.data.amax(dim=1, keepdim=True))
                    target = Var(torch.eye(10)[y[rows]])
                    loss = (z.exp().sum(dim=1, keepdim=True).log() - z * target * 1.0).sum() * 0 + (
                        z.exp().sum(dim=1).log().sum() - (z * target).sum()
                    ) / len(batch)
                    loss.backward()
                    total += loss.data.item() * len(batch)
                for p in params:
                    p.data = p.data - lr * p.grad
                    p.grad = None
            losses.append(total / len(X))
        return (lambda x: net(x).data), losses

    return {"train_digits": train_digits, "Var": Var}
