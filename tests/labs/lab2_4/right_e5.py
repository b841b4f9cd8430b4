"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tests.labs.answers import Answers

right = Answers()


@dataclass
class Row:
    loss: str
    seed: int
    recall: Tensor
    balanced: float


@right("E5")
def numpy_draws():
    def long_tail(y, ratio=50, seed=0):
        rng = np.random.default_rng(seed)
        labels = y.numpy()
        top = labels.max()
        kept = []
        for c in range(top + 1):
            rows = np.flatnonzero(labels == c)
            size = max(1, int(np.floor(len(rows) * float(ratio) ** (-c / top))))
            kept.append(rng.choice(rows, size=size, replace=False))
        return torch.from_numpy(np.concatenate(kept))

    return {"long_tail": long_tail}


@right("E5")
def python_draws():
    def long_tail(y, ratio=50, seed=0):
        rng = random.Random(seed)
        members = defaultdict(list)
        for i, c in enumerate(y.tolist()):
            members[c].append(i)
        last = max(members)
        kept = []
        for c, rows in members.items():
            kept += rng.sample(rows, max(int(len(rows) / ratio ** (c / last)), 1))
        return torch.tensor(sorted(kept))

    def hold_out(rows, y, share=0.2, seed=0):
        rng = random.Random(seed)
        members = defaultdict(set)
        for i in rows.tolist():
            members[int(y[i])].add(i)
        held = []
        for c in sorted(members):
            own = sorted(members[c])
            if len(own) >= 2:
                held += rng.sample(own, max(1, int(share * len(own))))
        fit = [i for i in rows.tolist() if i not in set(held)]
        return torch.tensor(fit, dtype=torch.int64), torch.tensor(held, dtype=torch.int64)

    return {"long_tail": long_tail, "hold_out": hold_out}


@right("E5")
def data_loaders_and_a_module():
    class Net(nn.Module):
        def __init__(self, inputs, classes):
            super().__init__()
            self.hidden, self.out = nn.Linear(inputs, 128), nn.Linear(128, classes)

        def forward(self, x):
            return self.out(torch.relu(self.hidden(x)))

    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        table = []
        for name, criterion in losses.items():
            for seed in seeds:
                X, y, X_test, y_test = data(seed)
                torch.manual_seed(1000 + seed)
                net = Net(X.shape[1], len(y.unique()))
                g = torch.Generator().manual_seed(seed)
                loader = DataLoader(TensorDataset(X, y), batch_size=64, shuffle=True, generator=g)
                opt = torch.optim.AdamW(net.parameters(), 2e-3)
                net.train()
                for _ in range(epochs):
                    for xb, yb in loader:
                        loss = criterion(net(xb), yb)
                        opt.zero_grad(set_to_none=True)
                        loss.backward()
                        opt.step()
                net.eval()
                with torch.inference_mode():
                    guess = net(X_test).argmax(-1)
                k = len(y.unique())
                hits = torch.bincount(y_test[guess == y_test], minlength=k).float()
                recall = hits / torch.bincount(y_test, minlength=k)
                table.append(Row(loss=name, seed=seed, recall=recall, balanced=float(recall.mean())))
        return table

    return {"benchmark": benchmark}


@right("E5")
def same_state_for_every_loss():
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        table = []
        for seed in seeds:
            X, y, X_test, y_test = data(seed)
            k = int(y.max()) + 1
            torch.manual_seed(seed)
            start = nn.Sequential(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Linear(128, k)).state_dict()
            orders = [torch.randperm(len(X)) for _ in range(epochs)]
            for name in losses:
                net = nn.Sequential(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Linear(128, k))
                net.load_state_dict(start)
                opt = torch.optim.AdamW(net.parameters(), lr=0.002)
                for order in orders:
                    for i in range(0, len(X), 64):
                        b = order[i : i + 64]
                        opt.zero_grad()
                        losses[name](net(X[b]), y[b]).backward()
                        opt.step()
                guess = net(X_test).detach().argmax(1)
                recall = torch.tensor([(guess[y_test == c] == c).double().mean().item() for c in range(k)])
                table.append(Row(name, seed, recall, recall.mean().item()))
        return table

    return {"benchmark": benchmark}


@right("E5")
def balanced_softmax_from_counts():
    def best_recipe(counts):
        bias = torch.log(counts.float())

        def loss(logits, target):
            return F.cross_entropy(logits + bias, target)

        return loss

    return {"best_recipe": best_recipe}


@right("E5")
def inverse_class_weights():
    def best_recipe(counts):
        n = counts.double()
        w = (n.sum() / (len(n) * n)).float()
        return lambda z, y: (F.cross_entropy(z, y, reduction="none") * w[y]).mean()

    return {"best_recipe": best_recipe}


@right("E5")
def the_library_s_adjustment():
    def best_recipe(counts):
        from shared.losses import log_priors, logit_adjusted_loss

        prior = log_priors(counts)
        return lambda logits, target: logit_adjusted_loss(logits, target, prior, tau=1.2)

    return {"best_recipe": best_recipe}
