"""Wrong answers to E5: one training loop, one Grad-CAM and one report, with one mistake at a time."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase1_foundations.lab6_cnn_classifier.solution import TinyResNet
from shared.data import digits


def trainer(
    loss=F.cross_entropy,
    clear=lambda optimizer: optimizer.zero_grad(),
    finish=lambda model: model.eval(),
    seeded=torch.manual_seed,
    batch=64,
    data=lambda X, y: (X, y),
    make=TinyResNet,
    rate=1e-2,
):
    """A sound `train_resnet` with parts to be exchanged."""

    def train_resnet(X, y, *, epochs=12, seed=0):
        X, y = data(X, y)
        seeded(seed)
        model = make()
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        steps = epochs * math.ceil(len(X) / batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(batch):
                value = loss(model(X[rows]), y[rows])
                clear(optimizer)
                value.backward()
                optimizer.step()
                schedule.step()
        return finish(model)

    return {"train_resnet": train_resnet}


@misconception("E5", diagnosis="softmax-before-the-loss")
def probabilities_into_cross_entropy():
    return trainer(loss=lambda z, y: F.cross_entropy(z.softmax(1), y))


@misconception("E5", diagnosis="returned-in-training-mode")
def forgets_eval():
    return trainer(finish=lambda model: model)


@misconception("E5", diagnosis="gradients-never-cleared")
def never_zeroes():
    return trainer(clear=lambda optimizer: None)


@misconception("E5", diagnosis="seed-does-not-fix-everything")
def ignores_the_seed():
    return trainer(seeded=lambda seed: None)


@misconception("E5", diagnosis="one-step-an-epoch")
def full_batches():
    return trainer(batch=100_000)


@misconception("E5", diagnosis="learns-nothing")
def crawls():
    return trainer(rate=1e-6)


@misconception("E5", diagnosis="true-labels-leak-in")
def trains_on_the_notebooks_variables():
    train = digits().train
    return trainer(data=lambda X, y: (train.inputs[: len(X)], train.targets[: len(X)]))


def last_maps(model, x):
    kept = []
    hook = model.features.register_forward_hook(lambda _p, _i, output: kept.append(output))
    training = model.training
    logits = model.eval()(x[None])[0]
    hook.remove()
    model.train(training)
    return logits, kept[0]


def cam(
    score=lambda z, cls: z[cls], positive=F.relu, weigh=lambda s: s.mean((2, 3), keepdim=True), large=True
):
    def grad_cam(model, x, cls):
        logits, maps = last_maps(model, x)
        (slopes,) = torch.autograd.grad(score(logits, cls), maps)
        found = positive((weigh(slopes) * maps).sum(1, keepdim=True))
        if large:
            found = F.interpolate(found, x.shape[1:], mode="bilinear", align_corners=False)
        return found[0, 0].detach()

    return {"grad_cam": grad_cam}


@misconception("E5", diagnosis="cam-without-relu")
def shows_what_speaks_against():
    return cam(positive=lambda found: found)


@misconception("E5", diagnosis="cam-of-another-score")
def all_classes_at_once():
    return cam(score=lambda z, cls: z.sum())


@misconception("E5", diagnosis="cam-weights-are-wrong")
def place_by_place():
    return cam(weigh=lambda slopes: slopes)


@misconception("E5", diagnosis="cam-has-another-shape")
def not_enlarged():
    return cam(large=False)


@misconception("E5", diagnosis="cam-leaves-traces")
def calls_backward():
    def grad_cam(model, x, cls):
        logits, maps = last_maps(model, x)
        maps.retain_grad()
        logits[cls].backward()
        found = F.relu((maps.grad.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True))
        return F.interpolate(found, x.shape[1:], mode="bilinear", align_corners=False)[0, 0].detach()

    return {"grad_cam": grad_cam}


def reporter(
    probabilities=lambda model, X: quietly(model, X),
    accuracy=lambda right: right.mean().item(),
    table=lambda t: t,
    gap=torch.abs,
    place=lambda top: (top * 10).ceil(),
    order=lambda truth, top: truth.argsort()[:12],
):
    def report(model, X, y):
        p = probabilities(model, X).double()
        top, guess = p.max(1)
        right = (guess == y).double()
        bins = place(top)
        gaps = [gap((right - top)[bins == b].sum()) for b in range(1, 11)]
        K = p.shape[1]
        return {
            "acc": accuracy(right),
            "ece": float(sum(gaps) / len(y)),
            "confusion": table(torch.bincount(y * K + guess, minlength=K * K).reshape(K, K)),
            "hardest": order(p.gather(1, y[:, None])[:, 0], top),
        }

    return {"report": report}


def quietly(model, X):
    training = model.training
    with torch.no_grad():
        p = model.eval()(X).softmax(1)
    model.train(training)
    return p


@misconception("E5", diagnosis="report-in-training-mode")
def as_it_comes():
    def probabilities(model, X):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        with torch.no_grad():
            p = model(X).softmax(1)
        model.load_state_dict(state)
        return p

    return reporter(probabilities=probabilities)


@misconception("E5", diagnosis="mean-of-batch-means")
def averages_unequal_batches():
    def accuracy(right):
        return torch.stack([part.mean() for part in right.split(64)]).mean().item()

    return reporter(accuracy=accuracy)


@misconception("E5", diagnosis="confusion-is-wrong")
def predictions_in_rows():
    return reporter(table=lambda t: t.T.contiguous())


@misconception("E5", diagnosis="ece-is-wrong")
def lets_gaps_cancel():
    return reporter(gap=lambda value: value)


@misconception("E5", diagnosis="hardest-is-wrong")
def most_undecided():
    return reporter(order=lambda truth, top: top.argsort()[:12])


@misconception("E5", diagnosis="report-leaves-traces")
def stays_in_evaluation_mode():
    def probabilities(model, X):
        with torch.no_grad():
            return model.eval()(X).softmax(1)

    return reporter(probabilities=probabilities)


@misconception("E5", diagnosis="model-of-another-form")
def without_features():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

        def forward(self, x):
            return self.body(x)

    return trainer(make=Flat)
