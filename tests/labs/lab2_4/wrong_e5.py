"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e5_benchmark import Row, train, variant
from tests.labs.answers import Answers

wrong = Answers()


def drawn(rows, count, seed):
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:count]]


def tails(make):
    """`make(n, c, classes, ratio)` is how many rows of a class are kept."""

    def build():
        def long_tail(y, ratio=50, seed=0):
            k = int(y.max()) + 1
            groups = [(y == c).nonzero()[:, 0] for c in range(k)]
            return torch.cat(
                [drawn(rows, make(len(rows), c, k, ratio), seed) for c, rows in enumerate(groups)]
            )

        return {"long_tail": long_tail}

    wrong.add("E5", make.__name__, build)
    return make


@tails
def exponent_over_k(n, c, k, ratio):
    return max(1, int(n * ratio ** (-c / k)))


@tails
def rounded_up(n, c, k, ratio):
    return max(1, math.ceil(n * ratio ** (-c / (k - 1))))


@tails
def rounded_to_the_nearest(n, c, k, ratio):
    return max(1, round(n * ratio ** (-c / (k - 1))))


@tails
def may_be_empty(n, c, k, ratio):
    return int(n * ratio ** (-c / (k - 1)))


@tails
def ratio_of_fifty(n, c, k, ratio):
    return max(1, int(n * 50 ** (-c / (k - 1))))


@tails
def along_a_line(n, c, k, ratio):
    return max(1, int(n * (1 - (1 - 1 / ratio) * c / (k - 1))))


@wrong("E5")
def always_the_first_rows():
    def long_tail(y, ratio=50, seed=0):
        k = int(y.max()) + 1
        groups = [(y == c).nonzero()[:, 0] for c in range(k)]
        return torch.cat([g[: max(1, int(len(g) * ratio ** (-c / (k - 1))))] for c, g in enumerate(groups)])

    return {"long_tail": long_tail}


@wrong("E5")
def with_repetition():
    def long_tail(y, ratio=50, seed=0):
        g, k, kept = torch.Generator().manual_seed(seed), int(y.max()) + 1, []
        for c in range(k):
            rows = (y == c).nonzero()[:, 0]
            count = max(1, int(len(rows) * ratio ** (-c / (k - 1))))
            kept.append(rows[torch.randint(len(rows), (count,), generator=g)])
        return torch.cat(kept)

    return {"long_tail": long_tail}


@wrong("E5")
def a_mask():
    def long_tail(y, ratio=50, seed=0):
        mask, k = torch.zeros(len(y), dtype=torch.bool), int(y.max()) + 1
        for c in range(k):
            rows = (y == c).nonzero()[:, 0]
            mask[drawn(rows, max(1, int(len(rows) * ratio ** (-c / (k - 1)))), seed)] = True
        return mask

    return {"long_tail": long_tail}


@wrong("E5")
def global_generator():
    def long_tail(y, ratio=50, seed=0):
        k = int(y.max()) + 1
        groups = [(y == c).nonzero()[:, 0] for c in range(k)]
        counts = [max(1, int(len(g) * ratio ** (-c / (k - 1)))) for c, g in enumerate(groups)]
        return torch.cat([g[torch.randperm(len(g))[:n]] for g, n in zip(groups, counts, strict=True)])

    return {"long_tail": long_tail}


def split(make):
    """`make(rows, y, share, seed)` gives (fit, held)."""

    def build():
        def hold_out(rows, y, share=0.2, seed=0):
            return make(rows, y, share, seed)

        return {"hold_out": hold_out}

    wrong.add("E5", make.__name__, build)
    return make


def by_class(rows, y, share, seed, least=1, alone=False):
    distinct, held = rows.unique(), []
    for c in y[distinct].unique():
        own = distinct[y[distinct] == c]
        count = max(least, int(share * len(own))) if len(own) > 1 or alone else 0
        held.append(drawn(own, count, seed))
    held = torch.cat(held)
    return rows[~torch.isin(rows, held)], held


@split
def whole_set_at_once(rows, y, share, seed):
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    count = int(share * len(rows))
    return rows[order[count:]], rows[order[:count]]


@split
def distinct_but_not_by_class(rows, y, share, seed):
    distinct = rows.unique()
    held = drawn(distinct, int(share * len(distinct)), seed)
    return rows[~torch.isin(rows, held)], held


@split
def fit_without_copies(rows, y, share, seed):
    fit, held = by_class(rows, y, share, seed)
    return fit.unique(), held


@split
def held_with_copies(rows, y, share, seed):
    _, held = by_class(rows, y, share, seed)
    inside = torch.isin(rows, held)
    return rows[~inside], rows[inside]


@split
def none_of_the_small(rows, y, share, seed):
    return by_class(rows, y, share, seed, least=0)


@split
def takes_the_only_one(rows, y, share, seed):
    return by_class(rows, y, share, seed, alone=True)


@split
def parts_exchanged(rows, y, share, seed):
    fit, held = by_class(rows, y, share, seed)
    return held, fit


@split
def no_randomness(rows, y, share, seed):
    return by_class(rows, y, share, 0)


@wrong("E5")
def one_network_for_all():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        rows = []
        for seed in seeds:
            X, y, X_test, y_test = data(seed)
            k = int(y.max()) + 1
            torch.manual_seed(seed)
            net = torch.nn.Sequential(
                torch.nn.Linear(X.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, k)
            )
            opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
            for name, loss in losses.items():
                g = torch.Generator().manual_seed(seed)
                for _ in range(epochs):
                    for b in torch.randperm(len(X), generator=g).split(64):
                        opt.zero_grad()
                        loss(net(X[b]), y[b]).backward()
                        opt.step()
                guess = net(X_test).argmax(1)
                recall = torch.stack([(guess[y_test == c] == c).float().mean() for c in range(k)])
                rows.append(Row(name, seed, recall, recall.mean().item()))
        return rows

    return {"benchmark": benchmark}


@wrong("E5")
def no_seed_at_all():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        rows = []
        for seed in seeds:
            X, y, X_test, y_test = data(seed)
            k = int(y.max()) + 1
            for name, loss in losses.items():
                net = torch.nn.Sequential(
                    torch.nn.Linear(X.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, k)
                )
                opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
                for _ in range(epochs):
                    for b in torch.randperm(len(X)).split(64):
                        opt.zero_grad()
                        loss(net(X[b]), y[b]).backward()
                        opt.step()
                guess = net(X_test).argmax(1)
                recall = torch.stack([(guess[y_test == c] == c).float().mean() for c in range(k)])
                rows.append(Row(name, seed, recall, recall.mean().item()))
        return rows

    return {"benchmark": benchmark}


@wrong("E5")
def one_seed_for_all():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        rows = train(losses, data, [0], epochs)
        return [Row(row.loss, seed, row.recall, row.balanced) for seed in seeds for row in rows]

    return {"benchmark": benchmark}


@wrong("E5")
def means_over_the_seeds():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        rows = train(losses, data, seeds, epochs)
        out = []
        for name in losses:
            own = [row for row in rows if row.loss == name]
            recall = torch.stack([row.recall for row in own]).mean(0)
            out.append(Row(name, seeds[0], recall, recall.mean().item()))
        return out

    return {"benchmark": benchmark}


@wrong("E5")
def tests_on_the_training_rows():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        return train(losses, lambda seed: (*data(seed)[:2], *data(seed)[:2]), seeds, epochs)

    return {"benchmark": benchmark}


@wrong("E5")
def trains_on_the_test_rows_too():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        def both(seed):
            X, y, X_test, y_test = data(seed)
            return torch.cat([X, X_test]), torch.cat([y, y_test]), X_test, y_test

        return train(losses, both, seeds, epochs)

    return {"benchmark": benchmark}


@wrong("E5")
def plain_gradient_descent():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        adamw = torch.optim.AdamW
        torch.optim.AdamW = torch.optim.SGD
        try:
            return train(losses, data, seeds, epochs)
        finally:
            torch.optim.AdamW = adamw

    return {"benchmark": benchmark}


@wrong("E5")
def epochs_fixed():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        return train(losses, data, seeds, 3)

    return {"benchmark": benchmark}


@wrong("E5")
def balanced_as_a_tensor():
    return variant(score=lambda recall, net, X, y: recall.mean())


@wrong("E5")
def plain_cross_entropy():
    return {"best_recipe": lambda counts: F.cross_entropy}


@wrong("E5")
def smoothing():
    return {"best_recipe": lambda counts: lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1)}


@wrong("E5")
def weights_for_the_frequent():
    return {"best_recipe": lambda counts: lambda z, y: F.cross_entropy(z, y, weight=counts / counts.sum())}


@wrong("E5")
def returns_a_number():
    return {"best_recipe": lambda counts: (1 / counts).sum()}


@wrong("E5")
def too_little_adjustment():
    return {"best_recipe": lambda counts: lambda z, y: F.cross_entropy(z + 0.02 * counts.log(), y)}


@wrong("E5")
def one_loss_for_each_row():
    return {"best_recipe": lambda counts: lambda z, y: F.cross_entropy(z + counts.log(), y, reduction="none")}
