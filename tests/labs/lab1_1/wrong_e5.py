"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e5_digits import (
    cross_entropy,
    descend,
    trainer,
)
from phase1_foundations.lab1_tensors.solution import Var, load_digits
from tests.labs.answers import Answers

wrong = Answers()


answer = wrong.stands_for("E5", "train_digits")


def changed(name, **parts):
    wrong.add("E5", name, lambda: {"train_digits": trainer(**parts)})


def halves(parameters, lr):
    for p in parameters:
        p.data = p.data - lr * p.grad
        p.grad = p.grad * 0.999


changed("huge_weights", weights=lambda m, n, g: torch.randn(m, n, generator=g) * 30)
changed("all_ones", weights=lambda m, n, g: torch.ones(m, n) * 0.1)
changed("unseeded_weights", weights=lambda m, n, g: torch.randn(m, n) * (2 / m) ** 0.5)
changed("tiny_steps", update=lambda parameters, lr: descend(parameters, lr / 1000))
changed("never_moves", update=lambda parameters, lr: descend(parameters, 0.0))
changed("divides_by_batch_maximum", prepare=lambda x, X: x - x.mean())
changed("loss_in_tensors", report=lambda total, rows: torch.tensor(total / rows))
changed("loss_over_batch_count", report=lambda total, rows: total / 45)


@answer
def fixed_network(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    return trainer()(X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=batch_size, seed=7)


@answer
def one_loss_a_step(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    predict, losses = trainer()(X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed)
    return predict, [loss for loss in losses for _ in range(-(-len(X) // batch_size))]


@answer
def whole_batch(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    return trainer()(X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=len(X), seed=seed)


@answer
def too_few_epochs(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    predict, losses = trainer()(X, y, hidden=hidden, lr=lr, epochs=1, batch_size=batch_size, seed=seed)
    return predict, losses * epochs


@answer
def predicts_with_a_var(X, y, **settings):
    predict, losses = trainer()(X, y, **settings)
    return lambda x: Var(predict(x)), losses


@answer
def predicts_probabilities_of_the_column(X, y, **settings):
    predict, losses = trainer()(X, y, **settings)
    return lambda x: predict(x).T, losses


@answer
def returns_losses_first(X, y, **settings):
    predict, losses = trainer()(X, y, **settings)
    return losses, predict


@answer
def returns_predict_alone(X, y, **settings):
    return trainer()(X, y, **settings)[0]


@answer
def nearest_neighbour_with_a_play(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    _, losses = trainer()(X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed)
    return lambda x: y[torch.cdist(x, X).argmin(1)], losses


@answer
def closed_form_regression(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    W = torch.linalg.lstsq(X, torch.eye(10)[y]).solution
    return lambda x: x @ W, [0.1] * epochs


@answer
def keeps_every_loss(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    shapes = ((X.shape[1], hidden), (1, hidden), (hidden, 10), (1, 10))
    params = [Var(torch.randn(s, generator=g) * 0.15) for s in shapes]
    kept, losses = [], []
    for _ in range(epochs):
        for rows in torch.randperm(len(X), generator=g).split(batch_size):
            W1, b1, W2, b2 = params
            loss = cross_entropy((Var(X[rows]) @ W1 + b1).relu() @ W2 + b2, torch.eye(10)[y[rows]])
            loss.backward()
            descend(params, lr)
            kept.append(loss)
        losses.append(sum(x.data.item() for x in kept[-5:]) / 5)
    return lambda x: ((Var(x) @ params[0] + params[1]).relu() @ params[2] + params[3]).data, losses


@answer
def naive_softmax(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    W1, W2 = (Var(torch.randn(s, generator=g) * 6) for s in ((X.shape[1], hidden), (hidden, 10)))
    losses = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=g).split(batch_size):
            e = ((Var(X[rows]) @ W1).relu() @ W2).exp()
            p = e / e.sum(dim=1, keepdim=True)
            loss = -(p.log() * Var(torch.eye(10)[y[rows]])).sum() / len(rows)
            loss.backward()
            descend((W1, W2), lr)
            total += loss.data.item() * len(rows)
        losses.append(total / len(X))
    return lambda x: ((Var(x) @ W1).relu() @ W2).data, losses


@answer
def test_set_in_the_training(X, y, **settings):
    A, a, B, b = load_digits()
    return trainer()(torch.cat([A, B]), torch.cat([a, b]), **settings)


@answer
def drops_the_last_batch(X, y, *, batch_size=32, **settings):
    whole = len(X) // batch_size * batch_size
    return trainer()(X[:whole], y[:whole], batch_size=batch_size, **settings)


@answer
def initial_network(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    _, losses = trainer()(X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed)
    early, _ = trainer()(X[:32], y[:32], hidden=hidden, lr=0.0, epochs=1, seed=seed)
    return early, losses


@answer
def numpy_on_its_own(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    W1, W2 = torch.randn(64, hidden, generator=g) * 0.17, torch.randn(hidden, 10, generator=g) * 0.17
    losses = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=g).split(batch_size):
            h = (X[rows] @ W1).relu()
            p = (h @ W2).softmax(1)
            total -= p[range(len(rows)), y[rows]].log().sum().item()
            d = (p - torch.eye(10)[y[rows]]) / len(rows)
            W1, W2 = W1 - lr * X[rows].T @ ((d @ W2.T) * (h > 0)), W2 - lr * h.T @ d
        losses.append(total / len(X))
    return lambda x: (x @ W1).relu() @ W2, losses
