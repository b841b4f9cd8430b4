"""Wrong answers to E5, as strangers might write them."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.misconceptions_by_exercise.e5_digits import (
    cam,
    last_maps,
    quietly,
    reporter,
    trainer,
)
from phase1_foundations.lab6_cnn_classifier.solution import TinyResNet
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E5")
def returns_the_model_and_the_losses():
    inner = trainer()["train_resnet"]
    return {"train_resnet": lambda X, y, **how: (inner(X, y, **how), [])}


@wrong("E5")
def softmax_in_the_model():
    class Soft(TinyResNet):
        def forward(self, x):
            return super().forward(x).softmax(1)

    return trainer(make=Soft)


@wrong("E5")
def raw_scores_into_nll():
    return trainer(loss=F.nll_loss)


@wrong("E5", slow=True)
def goes_uphill():
    return trainer(loss=lambda z, y: -F.cross_entropy(z, y))


@wrong("E5")
def seeds_after_the_model_is_made():
    def train_resnet(X, y, *, epochs=12, seed=0):
        model = TinyResNet()
        torch.manual_seed(seed)
        return trainer(make=lambda: model)["train_resnet"](X, y, epochs=epochs, seed=seed)

    return {"train_resnet": train_resnet}


@wrong("E5")
def the_same_seed_always():
    return trainer(seeded=lambda seed: torch.manual_seed(42))


@wrong("E5")
def one_epoch_whatever_was_asked():
    inner = trainer()["train_resnet"]
    return {"train_resnet": lambda X, y, *, epochs=12, seed=0: inner(X, y, epochs=1, seed=seed)}


@wrong("E5")
def drops_the_last_batch():
    def data(X, y):
        whole = len(X) // 64 * 64
        return X[:whole], y[:whole]

    return trainer(data=data)


@wrong("E5")
def a_linear_model():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(1, 4, 1)
            self.head = nn.Linear(256, 10)

        def forward(self, x):
            return self.head(self.features(x).flatten(1))

    return trainer(make=Linear, rate=3e-4)


@wrong("E5")
def far_too_large():
    return trainer(make=lambda: TinyResNet(48, (1, 1)))


@wrong("E5")
def optimises_another_model():
    def train_resnet(X, y, *, epochs=12, seed=0):
        torch.manual_seed(seed)
        model, other = TinyResNet(), TinyResNet()
        optimizer = torch.optim.AdamW(other.parameters(), lr=1e-2)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(64):
                optimizer.zero_grad()
                F.cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()
        return model.eval()

    return {"train_resnet": train_resnet}


@wrong("E5")
def batch_statistics_for_ever():
    class Restless(TinyResNet):
        def eval(self):
            for part in self.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.track_running_stats, part.running_mean, part.running_var = False, None, None
            return super().eval()

    return trainer(make=Restless)


@wrong("E5")
def absolute_evidence():
    return cam(positive=torch.abs)


@wrong("E5")
def scaled_to_one():
    def grad_cam(model, x, cls):
        found = cam()["grad_cam"](model, x, cls)
        return found / found.max()

    return {"grad_cam": grad_cam}


@wrong("E5")
def of_the_probability():
    return cam(score=lambda z, cls: z.softmax(0)[cls])


@wrong("E5")
def of_the_likeliest_class():
    return cam(score=lambda z, cls: z.max())


@wrong("E5")
def summed_slopes():
    return cam(weigh=lambda slopes: slopes.sum((2, 3), keepdim=True))


@wrong("E5")
def guided():
    return cam(weigh=lambda slopes: slopes.relu().mean((2, 3), keepdim=True))


@wrong("E5")
def relu_after_enlarging():
    def grad_cam(model, x, cls):
        return cam(positive=lambda found: found)["grad_cam"](model, x, cls).relu()

    return {"grad_cam": grad_cam}


@wrong("E5")
def enlarged_by_repetition():
    def grad_cam(model, x, cls):
        small = cam(large=False)["grad_cam"](model, x, cls)
        return F.interpolate(small[None, None], x.shape[1:], mode="nearest")[0, 0]

    return {"grad_cam": grad_cam}


@wrong("E5")
def with_a_batch_axis():
    inner = cam()["grad_cam"]
    return {"grad_cam": lambda model, x, cls: inner(model, x, cls)[None]}


@wrong("E5")
def leaves_its_hook():
    def grad_cam(model, x, cls):
        model.features.register_forward_hook(lambda *_all: None)
        return cam()["grad_cam"](model, x, cls)

    return {"grad_cam": grad_cam}


@wrong("E5")
def in_whatever_mode():
    def grad_cam(model, x, cls):
        twin, kept = copy.deepcopy(model), []
        twin.features.register_forward_hook(lambda _p, _i, o: kept.append(o))
        (slopes,) = torch.autograd.grad(twin(x[None])[0, cls], kept)
        found = (slopes.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu()
        return F.interpolate(found, x.shape[1:], mode="bilinear")[0, 0].detach()

    return {"grad_cam": grad_cam}


@wrong("E5")
def saliency_of_the_pixels():
    def grad_cam(model, x, cls):
        x = x.detach().requires_grad_()
        training = model.training
        (slopes,) = torch.autograd.grad(model.eval()(x[None])[0, cls], x)
        model.train(training)
        return slopes.abs().amax(0)

    return {"grad_cam": grad_cam}


@wrong("E5")
def needs_a_head():
    def grad_cam(model, x, cls):
        _, maps = last_maps(model, x)
        return F.interpolate(
            (model.head.weight[cls][:, None, None] * maps[0]).sum(0)[None, None].relu(), x.shape[1:]
        )[0, 0].detach()

    return {"grad_cam": grad_cam}


@wrong("E5")
def other_names():
    inner = reporter()["report"]

    def report(model, X, y):
        found = inner(model, X, y)
        return {"accuracy": found["acc"], "ece": found["ece"], "confusion": found["confusion"]}

    return {"report": report}


@wrong("E5")
def accuracy_in_per_cent():
    return reporter(accuracy=lambda right: 100 * right.mean().item())


@wrong("E5")
def accuracy_as_a_tensor():
    return reporter(accuracy=lambda right: right.mean())


@wrong("E5")
def table_in_shares():
    return reporter(table=lambda t: t / t.sum(1, keepdim=True).clamp(min=1))


@wrong("E5")
def squared_gaps():
    return reporter(gap=torch.square)


@wrong("E5")
def fifteen_bins():
    inner = reporter()["report"]

    def report(model, X, y):
        found, p = inner(model, X, y), quietly(model, X).double()
        top, right = p.amax(1), (p.argmax(1) == y).double()
        place = (top * 15).ceil()
        gaps = [(right - top)[place == b].sum().abs() for b in range(1, 16)]
        return {**found, "ece": float(sum(gaps) / len(y))}

    return {"report": report}


@wrong("E5")
def unweighted_bins():
    inner = reporter()["report"]

    def report(model, X, y):
        found, p = inner(model, X, y), quietly(model, X).double()
        top, right = p.amax(1), (p.argmax(1) == y).double()
        place = (top * 10).ceil()
        gaps = [(right - top)[place == b].mean().abs() for b in place.unique()]
        return {**found, "ece": float(torch.stack(gaps).mean())}

    return {"report": report}


@wrong("E5")
def easiest_first():
    return reporter(order=lambda truth, top: truth.argsort(descending=True)[:12])


@wrong("E5")
def ten_hardest():
    return reporter(order=lambda truth, top: truth.argsort()[:10])


@wrong("E5")
def hardest_as_a_list():
    return reporter(order=lambda truth, top: truth.argsort()[:12].tolist())


@wrong("E5")
def twelve_or_nothing():
    return reporter(order=lambda truth, top: truth.topk(12, largest=False).indices)


@wrong("E5")
def logits_taken_for_probabilities():
    def probabilities(model, X):
        training = model.training
        with torch.no_grad():
            z = model.eval()(X)
        model.train(training)
        return z

    return reporter(probabilities=probabilities)


@wrong("E5")
def one_epoch_too_few():
    inner = trainer()["train_resnet"]

    def train_resnet(X, y, *, epochs=12, seed=0):
        return inner(X, y, epochs=epochs - 1, seed=seed) if epochs > 1 else TinyResNet().eval()

    return {"train_resnet": train_resnet}


@wrong("E5")
def slopes_averaged_over_channels():
    return cam(weigh=lambda slopes: slopes.mean(1, keepdim=True))


@wrong("E5")
def share_of_mistakes():
    return reporter(accuracy=lambda right: 1 - right.mean().item())


@wrong("E5")
def bins_that_begin_with_their_bound():
    return reporter(place=lambda top: (top * 10).floor() + 1)


@wrong("E5")
def accuracy_and_calibration_exchanged():
    def report(model, X, y):
        found = reporter()["report"](model, X, y)
        return found | {"acc": found["ece"], "ece": found["acc"]}

    return {"report": report}
