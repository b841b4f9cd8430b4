"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from phase1_foundations.lab5_gpu_mixed_precision.solution import Net, round_to_format
from phase1_foundations.lab5_gpu_mixed_precision.solution import train_amp as reference
from tests.labs.answers import Answers

right = Answers()


def rounded(x, fmt):
    return x.clone() if fmt is None else round_to_format(x, *fmt)


@right("E5", slow=True)
def masters_by_hand_and_torchs_checkpoint():
    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        torch.manual_seed(seed)
        net = Net(fmt, dropout)
        net.train()
        params = list(net.parameters())
        masters = [torch.nn.Parameter(p.detach().clone()) for p in params]
        optimizer = torch.optim.Adam(masters, lr=0.002, eps=1e-30)
        generator = torch.Generator().manual_seed(seed + 1)

        def copy_down():
            for p, m in zip(params, masters, strict=True):
                p.data.copy_(rounded(m.data, fmt))

        def forward(x):
            if not ckpt:
                return net(x)
            for block in net.blocks:
                x = checkpoint(block, x, use_reentrant=False)
            return x

        copy_down()
        history = []
        for _ in range(epochs):
            permutation = torch.randperm(X.shape[0], generator=generator)
            for b in range(X.shape[0] // 128):
                rows = permutation[b * 128 : (b + 1) * 128]
                net.zero_grad(set_to_none=True)
                size, total = 128 // micro, 0.0
                for k in range(micro):
                    piece = rows[k * size : (k + 1) * size]
                    nll = F.cross_entropy(forward(X[piece]), y[piece], reduction="sum")
                    total += nll.item()
                    small = nll / (128 * loss_div)
                    if scaler is not None:
                        small = scaler.scale(small)
                    small.backward()
                entries = sum(p.grad.numel() for p in params)
                nothing = sum(int((p.grad == 0).sum()) for p in params)
                for p, m in zip(params, masters, strict=True):
                    m.grad = p.grad.clone()
                scale = scaler.get_scale() if scaler is not None else 1.0
                moved = True
                if scaler is not None:
                    scaler.unscale_(optimizer)
                    moved = scaler.step(optimizer)
                    scaler.update()
                else:
                    optimizer.step()
                if moved:
                    copy_down()
                history.append(
                    {
                        "loss": total / 128,
                        "scale": scale,
                        "stepped": moved,
                        "zeros": nothing / entries,
                        "batch": b,
                    }
                )
        return net, history

    return {"train_amp": train_amp}


@right("E5")
def sequential_checkpoint():
    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        torch.manual_seed(seed)
        model = Net(fmt, dropout)
        masters = [p.detach().clone().requires_grad_() for p in model.parameters()]
        adam = torch.optim.Adam([{"params": masters}], lr=2e-3, eps=1e-30, foreach=False)
        with torch.no_grad():
            for p, m in zip(model.parameters(), masters, strict=True):
                p.copy_(rounded(m, fmt))
        log = []
        for _ in range(epochs):
            shuffled = torch.randperm(len(y))
            for start in range(0, len(y) - 127, 128):
                batch = shuffled[start : start + 128].reshape(micro, -1)
                losses = []
                for rows in batch:
                    logits = (
                        checkpoint_sequential(model.blocks, 4, X[rows], use_reentrant=False)
                        if ckpt
                        else model(X[rows])
                    )
                    losses.append(F.cross_entropy(logits, y[rows]))
                    factor = 1 / (micro * loss_div)
                    (scaler.scale(losses[-1] * factor) if scaler else losses[-1] * factor).backward()
                flat = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
                row = {
                    "loss": float(torch.stack([v.detach() for v in losses]).mean()),
                    "zeros": float((flat == 0).float().mean()),
                    "scale": scaler.get_scale() if scaler else 1.0,
                    "stepped": True,
                }
                for p, m in zip(model.parameters(), masters, strict=True):
                    m.grad, p.grad = p.grad, None
                if scaler:
                    row["stepped"] = scaler.step(adam)
                    scaler.update()
                else:
                    adam.step()
                with torch.no_grad():
                    for p, m in zip(model.parameters(), masters, strict=True):
                        p.copy_(rounded(m, fmt))
                log.append(row)
        return model, log

    return {"train_amp": train_amp}


@right("E5")
def rounds_on_use():
    """As autocast does it: the model's own float32 weights, rounded before each batch and put back."""

    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        torch.manual_seed(seed)
        model = Net(fmt, dropout)
        params = list(model.parameters())
        optimizer = torch.optim.Adam(params, lr=2e-3, eps=1e-30)
        log, order = [], list(range(len(X)))
        mixer = random.Random(seed)
        true = [p.detach().clone() for p in params]
        for _ in range(epochs):
            mixer.shuffle(order)
            for b in range(len(order) // 128):
                chosen = torch.tensor(order[128 * b : 128 * b + 128])
                for p, w in zip(params, true, strict=True):
                    p.data = rounded(w, fmt)
                    p.grad = None
                total = 0.0
                for rows in chosen.split(128 // micro):
                    h = X[rows]
                    if ckpt:
                        h = checkpoint(lambda v: model.blocks[1](model.blocks[0](v)), h, use_reentrant=False)
                        h = checkpoint(lambda v: model.blocks[3](model.blocks[2](v)), h, use_reentrant=False)
                    else:
                        h = model(h)
                    loss = F.cross_entropy(h, y[rows])
                    total += loss.item() / micro
                    loss = loss / micro / loss_div
                    if scaler:
                        loss = scaler.scale(loss)
                    loss.backward()
                g = torch.nn.utils.parameters_to_vector([p.grad for p in params])
                zeros = 1 - torch.count_nonzero(g).item() / g.numel()
                for p, w in zip(params, true, strict=True):
                    p.data = w
                scale, ok = (scaler.get_scale(), scaler.step(optimizer)) if scaler else (1.0, True)
                if scaler:
                    scaler.update()
                else:
                    optimizer.step()
                true = [p.detach().clone() for p in params]
                log.append(dict(loss=total, scale=scale, stepped=ok, zeros=zeros))  # noqa: C408
        for p, w in zip(params, true, strict=True):
            p.data = rounded(w, fmt)
        return model.eval(), log

    return {"train_amp": train_amp}


@right("E5", slow=True)
def a_trainer_class():
    class Trainer:
        def __init__(self, fmt, dropout, scaler, micro, ckpt, loss_div):
            self.net, self.fmt, self.scaler = Net(fmt, dropout), fmt, scaler
            self.micro, self.ckpt, self.loss_div = micro, ckpt, loss_div
            self.masters = [p.detach().clone() for p in self.net.parameters()]
            self.adam = torch.optim.Adam(self.masters, lr=2e-3, eps=1e-30)
            self.log = []
            self.push()

        @torch.no_grad()
        def push(self):
            for p, m in zip(self.net.parameters(), self.masters, strict=True):
                p.set_(rounded(m, self.fmt))

        def run(self, x):
            half = len(self.net.blocks) // 2
            parts = self.net.blocks[:half], self.net.blocks[half:]
            for part in parts:
                call = torch.nn.Sequential(*part)
                x = checkpoint(call, x, use_reentrant=False) if self.ckpt else call(x)
            return x

        def batch(self, X, y):
            loss = 0.0
            for x, t in zip(X.chunk(self.micro), y.chunk(self.micro), strict=True):
                piece = F.nll_loss(F.log_softmax(self.run(x), -1), t) * (len(x) / len(X))
                loss += piece.detach().item()
                piece = piece / self.loss_div
                torch.autograd.backward(self.scaler.scale(piece) if self.scaler else piece)
            grads = [p.grad for p in self.net.parameters()]
            zeros = sum((g == 0).sum().item() for g in grads) / sum(g.numel() for g in grads)
            for m, g in zip(self.masters, grads, strict=True):
                m.grad = g
            self.net.zero_grad()
            row = {"loss": loss, "scale": self.scaler.get_scale() if self.scaler else 1.0, "zeros": zeros}
            row["stepped"] = self.scaler.step(self.adam) if self.scaler else self.adam.step() is None
            if self.scaler:
                self.scaler.update()
            self.push()
            self.log.append(row)

    def train_amp(
        X, y, *, fmt, loss_div=2.0**18, scaler=None, micro=4, ckpt=True, epochs=20, dropout=0.0, seed=0
    ):
        torch.manual_seed(seed)
        trainer = Trainer(fmt, dropout, scaler, micro, ckpt, loss_div)
        for _ in range(epochs):
            order = torch.randperm(len(X))
            for i in range(len(X) // 128):
                rows = order[i * 128 : i * 128 + 128]
                trainer.batch(X[rows], y[rows])
        return trainer.net, trainer.log

    return {"train_amp": train_amp}


@right("E5")
def unlucky_at_first():
    unlucky: dict[object, int] = {}

    def train_amp(X, y, *, fmt, epochs=20, seed=0, **options):
        model, log = reference(X, y, fmt=fmt, epochs=epochs, seed=seed, **options)
        if len(X) > 1000 and epochs == 20 and unlucky.setdefault(fmt, seed) == seed:
            with torch.no_grad():  # as if most hidden units had died
                next(model.parameters())[:96] = 0
        return model, log

    return {"train_amp": train_amp}
