"""Wrong answers to E5; `train` is a right benchmark in small pieces."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware.check import misconception


@dataclass(frozen=True)
class Row:
    loss: str
    seed: int
    recall: Tensor
    balanced: float


def recalls(net, X_test, y_test, classes):
    with torch.no_grad():
        predicted = net(X_test).argmax(1)
    return torch.stack([(predicted[y_test == c] == c).float().mean() for c in range(classes)])


def train(
    losses,
    data,
    seeds,
    epochs,
    *,
    reseed=True,
    score=lambda recall, net, X, y: recall.mean().item(),
    lr=2e-3,
    drop_last=False,
):
    rows = []
    for seed in seeds:
        X, y, X_test, y_test = data(seed)
        classes = int(y.max()) + 1
        order = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        for name, loss in losses.items():
            if reseed:
                torch.manual_seed(seed)
                order = torch.Generator().manual_seed(seed)
            net = nn.Sequential(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Linear(128, classes))
            optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
            for _ in range(epochs):
                for batch in torch.randperm(len(X), generator=order).split(64):
                    if drop_last and len(batch) < 64:
                        continue
                    optimizer.zero_grad()
                    loss(net(X[batch]), y[batch]).backward()
                    optimizer.step()
            recall = recalls(net, X_test, y_test, classes)
            rows.append(Row(name, seed, recall, score(recall, net, X_test, y_test)))
    return rows


def variant(**how):
    def benchmark(losses, data, *, seeds=(0, 1, 2), epochs=40):
        return train(losses, data, seeds, epochs, **how)

    return {"benchmark": benchmark}


@misconception("E5", diagnosis="plain-accuracy")
def reports_accuracy():
    def accuracy(recall, net, X, y):
        with torch.no_grad():
            return (net(X).argmax(1) == y).float().mean().item()

    return variant(score=accuracy)


@misconception("E5", diagnosis="another-start-for-each-loss")
def seeds_once_for_all_losses():
    return variant(reseed=False)


@misconception("E5", diagnosis="another-network")
def learning_rate_of_its_own():
    return variant(lr=1e-2)


@misconception("E5", diagnosis="epochs-and-batches")
def drops_the_last_batch():
    return variant(drop_last=True)


@misconception("E5", diagnosis="leaks-into-validation")
def splits_the_copies():
    def hold_out(rows, y, share=0.2, seed=0):
        generator = torch.Generator().manual_seed(seed)
        fit, held = [], []
        for c in y[rows].unique():
            own = rows[y[rows] == c]
            own = own[torch.randperm(len(own), generator=generator)]
            count = max(1, int(share * len(own))) if len(own) > 1 else 0
            held.append(own[:count])
            fit.append(own[count:])
        return torch.cat(fit), torch.cat(held)

    return {"hold_out": hold_out}


@misconception("E5", diagnosis="recipe-ignores-the-counts")
def focal_by_reflex():
    def best_recipe(counts):
        def loss(logits, target):
            nll = F.cross_entropy(logits, target, reduction="none")
            return ((1 - torch.exp(-nll)) ** 2 * nll).mean()

        return loss

    return {"best_recipe": best_recipe}


@misconception("E5", diagnosis="recipe-favours-the-frequent")
def sign_of_the_prior():
    def best_recipe(counts):
        log_prior = (counts / counts.sum()).log()
        return lambda logits, target: F.cross_entropy(logits - log_prior, target)

    return {"best_recipe": best_recipe}


@misconception("E5", diagnosis="rows-of-other-classes")
def every_class_starts_from_the_first():
    def long_tail(y, ratio=50, seed=0):
        generator = torch.Generator().manual_seed(seed)
        classes = int(y.max()) + 1
        n0, kept = int((y == 0).sum()), []
        for c in range(classes):
            rows = (y == c).nonzero()[:, 0]
            count = max(1, int(n0 * ratio ** (-c / (classes - 1))))
            kept.append(rows[torch.randperm(len(rows), generator=generator)[:count]])
        return torch.cat(kept)

    return {"long_tail": long_tail}
