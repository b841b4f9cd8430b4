"""Wrong answers to E5 in how each network is trained, by a benchmark with one thing changed."""

from __future__ import annotations

import torch
from torch import nn

from phase2_intermediate.lab4_custom_losses import solution
from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e5_benchmark import Row
from tests.labs.answers import Answers

wrong = Answers()


def recalls(net, X, y, k):
    with torch.no_grad():
        guess = net(X).argmax(1)
    return torch.stack([(guess[y == c] == c).float().mean() for c in range(k)])


def benchmark_with(*, hidden=nn.ReLU, optimizer=torch.optim.AdamW, choose=lambda each: each[-1]):
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        rows = []
        for seed in seeds:
            X, y, X_test, y_test = data(seed)
            k = int(y.max()) + 1
            for name, loss in losses.items():
                torch.manual_seed(seed)
                net = nn.Sequential(nn.Linear(X.shape[1], 128), hidden(), nn.Linear(128, k))
                opt = optimizer(net.parameters(), lr=2e-3)
                each = []
                for _ in range(epochs):
                    for b in torch.randperm(len(X)).split(64):
                        opt.zero_grad()
                        loss(net(X[b]), y[b]).backward()
                        opt.step()
                    each.append(recalls(net, X_test, y_test, k))
                recall = choose(each)
                rows.append(Row(name, seed, recall, recall.mean().item()))
        return rows

    return {"benchmark": benchmark}


@wrong("E5")
def tanh():
    return benchmark_with(hidden=nn.Tanh)


@wrong("E5")
def sigmoid():
    return benchmark_with(hidden=nn.Sigmoid)


@wrong("E5")
def adam():
    return benchmark_with(optimizer=torch.optim.Adam)


@wrong("E5")
def best_epoch_on_the_test_set():
    return benchmark_with(choose=lambda each: max(each, key=lambda recall: recall.mean()))


@wrong("E5")
def mean_of_all_epochs():
    return benchmark_with(choose=lambda each: torch.stack(each).mean(0))


@wrong("E5")
def rows_beside_each_other():
    def long_tail(y, ratio=50, seed=0):
        k = int(y.max()) + 1
        kept = []
        for c in range(k):
            rows = (y == c).nonzero()[:, 0]
            kept.append(rows.roll(seed)[: max(1, int(len(rows) * ratio ** (-c / (k - 1))))])
        return torch.cat(kept)

    return {"long_tail": long_tail}


@wrong("E5")
def gradients_of_all_batches():
    class NeverCleared(torch.optim.AdamW):
        def zero_grad(self, set_to_none=True):
            pass

    return benchmark_with(optimizer=NeverCleared)


@wrong("E5")
def a_hundredth_by_default():
    def long_tail(y, ratio=100, seed=0):
        return solution.long_tail(y, ratio, seed)

    return {"long_tail": long_tail}
