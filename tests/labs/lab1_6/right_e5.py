"""Right answers to E5, written otherwise than the reference; each brings all three parts."""

import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from phase1_foundations.lab6_cnn_classifier.solution import TinyResNet
from tests.labs.answers import Answers

right = Answers()


@right("E5", slow=True)
def data_loader_sgd_and_retained_gradients():
    def train_resnet(X, y, *, epochs=12, seed=0):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(X, y), batch_size=64, shuffle=True, generator=generator
        )
        net = TinyResNet(12, (1, 1))
        criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
        opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * len(loader))
        for _ in range(epochs):
            net.train()
            for images, labels in loader:
                net.zero_grad(set_to_none=True)
                criterion(net(images), labels).backward()
                opt.step()
                cosine.step()
        net.eval()
        return net

    def grad_cam(model, x, cls):
        grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        training = [m.training for m in model.modules()]
        model.eval()
        box = {}

        def hook(_module, _inputs, output):
            output.retain_grad()
            box["maps"] = output

        handle = model.features.register_forward_hook(hook)
        logits = model(x.unsqueeze(0))
        logits[0, cls].backward()
        handle.remove()
        for p, g in zip(model.parameters(), grads, strict=True):
            p.grad = g
        for m, mode in zip(model.modules(), training, strict=True):
            m.training = mode
        maps = box["maps"]
        alpha = maps.grad.mean(dim=[2, 3])
        cam = torch.einsum("nk,nkhw->nhw", alpha, maps.detach()).clamp_min(0)
        return F.interpolate(cam[:, None], size=tuple(x.shape[-2:]), mode="bilinear")[0, 0]

    def report(model, X, y):
        mode = model.training
        model.train(False)
        logits = []
        with torch.inference_mode():
            for begin in range(0, len(X), 7):
                logits.append(model(X[begin : begin + 7]))
        model.train(mode)
        p = F.softmax(torch.cat(logits).clone(), dim=-1)
        guess, K = p.argmax(-1), p.shape[-1]
        table = torch.zeros(K, K, dtype=torch.long)
        for true, read in zip(y.tolist(), guess.tolist(), strict=True):
            table[true, read] += 1
        confidence, hit = p.max(-1).values, (guess == y).to(p.dtype)
        ece = 0.0
        for b in range(10):
            inside = (confidence > b / 10) & (confidence <= (b + 1) / 10)
            if inside.any():
                gap = abs(confidence[inside].mean().item() - hit[inside].mean().item())
                ece += inside.float().mean().item() * gap
        loss = F.nll_loss(p.log(), y, reduction="none")
        return {
            "acc": (guess == y).sum().item() / len(y),
            "ece": ece,
            "confusion": table,
            "hardest": loss.topk(min(12, len(y))).indices,
        }

    return {"train_resnet": train_resnet, "grad_cam": grad_cam, "report": report}


@right("E5")
def a_network_of_its_own_and_numpy():
    import numpy as np

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 24, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(24),
                nn.Conv2d(24, 32, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(32),
                nn.MaxPool2d(2),
                nn.Conv2d(32, 48, 3, padding=1),
                nn.ReLU(),
            )
            self.leave = nn.Linear(48 * 16, 10)

        def forward(self, x):
            return self.leave(self.features(x).flatten(1))

    def train_resnet(X, y, *, epochs=12, seed=0):
        random.seed(seed)
        torch.manual_seed(seed)
        model = Plain().train()
        adam = torch.optim.Adam(model.parameters(), lr=2e-3)
        order = list(range(len(X)))
        for _ in range(epochs):
            random.shuffle(order)
            for begin in range(0, len(order), 50):
                rows = order[begin : begin + 50]
                logp = model(X[rows]).log_softmax(1)
                loss = F.nll_loss(logp, y[rows])
                for p in model.parameters():
                    p.grad = None
                loss.backward()
                adam.step()
        return model.eval()

    def grad_cam(model, x, cls):
        was = model.training
        model.eval()
        try:
            seen = []
            handle = model.features.register_forward_hook(lambda m, i, o: seen.append(o))
            z = model(x[None, ...])
            handle.remove()
            slopes = torch.autograd.grad(z[:, cls].sum(), seen[-1])[0][0]
            maps = seen[-1][0].detach()
            total = torch.zeros(maps.shape[1:], dtype=maps.dtype)
            for channel in range(len(maps)):
                total += slopes[channel].mean() * maps[channel]
            positive = torch.maximum(total, torch.zeros_like(total))
            upsample = nn.Upsample(size=x.shape[1:], mode="bilinear", align_corners=False)
            return upsample(positive[None, None]).squeeze(0).squeeze(0)
        finally:
            model.train(was)

    def report(model, X, y):
        was = model.training
        model.eval()
        with torch.no_grad():
            logits = model(X).double().numpy()
        model.train(was)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        labels, guess, top = y.numpy(), p.argmax(1), p.max(1)
        place = np.digitize(top, np.linspace(0, 1, 11)[1:-1], right=True)
        ece = sum(
            (place == b).mean() * abs((guess == labels)[place == b].mean() - top[place == b].mean())
            for b in np.unique(place)
        )
        K = p.shape[1]
        table = np.zeros((K, K), dtype=np.int64)
        np.add.at(table, (labels, guess), 1)
        truth = p[np.arange(len(labels)), labels]
        return {
            "acc": float((guess == labels).mean()),
            "ece": float(ece),
            "confusion": torch.from_numpy(table),
            "hardest": torch.from_numpy(np.argsort(truth)[:12].copy()),
        }

    return {"train_resnet": train_resnet, "grad_cam": grad_cam, "report": report}


@right("E5")
def shifted_images_and_a_loss_by_hand():
    def train_resnet(X, y, *, epochs=12, seed=0):
        before = torch.get_rng_state()
        generator = torch.Generator().manual_seed(1000 + seed)
        torch.manual_seed(seed)
        model = TinyResNet(12, (1, 1))
        torch.set_rng_state(before)
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.05},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW(groups, lr=5e-3)
        steps = epochs * math.ceil(len(X) / 48)
        warm = torch.optim.lr_scheduler.LambdaLR(adam, lambda i: min(1, (i + 1) / 20) * (1 - i / (steps + 1)))
        onehot = F.one_hot(y, 10).float()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(X), generator=generator), 48):
                z = model(X[rows])
                loss = -(onehot[rows] * (z - z.logsumexp(1, keepdim=True))).sum(1).mean()
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                adam.step()
                warm.step()
        return model.requires_grad_(True).train(False)

    def grad_cam(model, x, cls):
        import copy

        twin = copy.deepcopy(model).eval()
        kept = {}
        twin.features.register_forward_hook(lambda m, i, o: kept.update(maps=o))
        twin.features.register_full_backward_hook(lambda m, gi, go: kept.update(slopes=go[0]))
        twin.zero_grad()
        twin(x[None])[0][cls].backward()
        weights = kept["slopes"].mean((-1, -2), True)
        cam = F.relu((weights * kept["maps"]).sum(1, keepdim=True))
        with torch.no_grad():
            return F.interpolate(cam, scale_factor=None, size=x.shape[1:], mode="bilinear").reshape(
                x.shape[1:]
            )

    def report(model, X, y):
        import copy

        with torch.no_grad():
            logits = copy.deepcopy(model).eval()(X)
        p = torch.softmax(logits.double(), 1)
        N, K = p.shape
        top, guess = torch.max(p, 1)
        hit = guess.eq(y).double()
        place = torch.bucketize(top, torch.linspace(0, 1, 11, dtype=top.dtype)) - 1
        gaps = torch.zeros(10, dtype=torch.float64).index_add_(0, place, hit - top)
        ones = torch.ones(N, dtype=torch.int64)
        return {
            "acc": float(hit.mean()),
            "ece": float(gaps.abs().sum() / N),
            "confusion": torch.sparse_coo_tensor(torch.stack([y, guess]), ones, (K, K)).to_dense(),
            "hardest": p[torch.arange(N), y].sort().indices[:12],
        }

    return {"train_resnet": train_resnet, "grad_cam": grad_cam, "report": report}


@right("E5", slow=True)
def the_courses_own_library():
    from shared.data import Examples, Loader
    from shared.evaluation import confusion_matrix, expected_calibration_error
    from shared.optim import OptimizerConfig, ScheduleConfig, make_optimizer, make_schedule
    from shared.train import TrainConfig, Trainer, classification

    def train_resnet(X, y, *, epochs=12, seed=0):
        torch.manual_seed(seed)
        model = TinyResNet()
        loader = Loader(Examples(X, y), 64, shuffle=True, seed=seed)
        optimizer = make_optimizer(model, OptimizerConfig("adamw", lr=1e-2))
        schedule = make_schedule(optimizer, ScheduleConfig("one_cycle"), total=epochs * len(loader))
        config = TrainConfig(epochs, seed=seed, device="cpu", progress=False)
        Trainer(model, optimizer, classification(), config, scheduler=schedule).fit(loader)
        return model.eval()

    def grad_cam(model, x, cls):
        training = model.training
        model.eval()
        maps = []
        with torch.enable_grad():
            handle = model.features.register_forward_hook(lambda *call: maps.append(call[2]))
            score = model(torch.stack([x]))[0].select(0, cls)
            handle.remove()
            (g,) = torch.autograd.grad([score], maps)
        model.train(training)
        small = torch.tensordot(g.mean((0, 2, 3)), maps[0][0].detach(), dims=1).relu()
        return F.interpolate(small[None, None], x.shape[-2:], mode="bilinear", align_corners=False)[0, 0]

    def report(model, X, y):
        training = model.training
        model.eval()
        with torch.no_grad():
            p = model(X).softmax(1)
        model.train(training)
        table = confusion_matrix(p.argmax(1), y, classes=p.shape[1])
        return {
            "acc": table.trace().item() / len(y),
            "ece": expected_calibration_error(p, y),
            "confusion": table,
            "hardest": torch.argsort(p.gather(1, y.unsqueeze(1)).squeeze(1))[:12],
        }

    return {"train_resnet": train_resnet, "grad_cam": grad_cam, "report": report}
