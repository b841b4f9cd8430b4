"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab1_attention.solution import MultiHeadAttention
from tests.labs.answers import Answers

right = Answers()


def trainer(make, *, batch=64, lr=4e-3):
    def train_attention(X, y, *, epochs=25, seed=0, layers=1, positions=True):
        torch.manual_seed(seed)
        model = make(layers=layers, positions=positions)
        model.train()
        opt = torch.optim.AdamW(model.parameters(), lr=lr)
        steps = max(1, epochs * math.ceil(len(X) / batch))
        sched = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=steps)
        for _ in range(epochs):
            order = torch.randperm(len(X))
            for start in range(0, len(X), batch):
                i = order[start : start + batch]
                opt.zero_grad()
                F.cross_entropy(model(X[i]), y[i]).backward()
                opt.step()
                sched.step()
        model.eval()
        return model

    return train_attention


def by_unfold(x):
    return x.unfold(1, 2, 2).unfold(2, 2, 2).flatten(3).flatten(1, 2)


def by_nn_unfold(x):
    return F.unfold(x.unsqueeze(1), kernel_size=2, stride=2).transpose(1, 2)


def with_a_loop(x):
    found = [x[:, r : r + 2, c : c + 2].reshape(len(x), 4) for r in (0, 2, 4, 6) for c in (0, 2, 4, 6)]
    return torch.stack(found, 1)


@right("E5")
def mean_pooling_and_blocks():
    class Block(nn.Module):
        def __init__(self, d, heads):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.att = MultiHeadAttention(d, heads)
            self.ff = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Linear(4 * d, d))

        def forward(self, h):
            out, w = self.att(self.n1(h), need_weights=True)
            h = h + out
            return h + self.ff(self.n2(h)), w

    class PatchAttention(nn.Module):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__()
            self.tokens = nn.Linear(4, d)
            self.register_parameter("position", nn.Parameter(torch.randn(16, d) * 0.2) if positions else None)
            self.blocks = nn.ModuleList([Block(d, heads) for _ in range(layers)])
            self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 10))

        def forward(self, x):
            h = self.tokens(by_nn_unfold(x))
            h = h if self.position is None else h + self.position[None]
            self.last_weights = []
            for block in self.blocks:
                h, w = block(h)
                self.last_weights.append(w.detach())
            return self.head(h.mean(dim=1))

    def rollout(weights):
        total = None
        for w in weights:
            a = (w + torch.eye(w.size(-1)).to(w)) / 2
            total = a if total is None else torch.bmm(a, total)
        return total

    return {
        "patches": by_nn_unfold,
        "PatchAttention": PatchAttention,
        "rollout": rollout,
        "train_attention": trainer(PatchAttention),
    }


@right("E5")
def own_attention_and_a_learned_query():
    class PatchAttention(nn.Module):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__()
            self.heads, self.layers = heads, layers
            self.inp = nn.Linear(4, d)
            self.position = nn.Parameter(torch.zeros(16, d).normal_(std=0.1)) if positions else None
            self.qkv = nn.ModuleList([nn.Linear(d, 3 * d) for _ in range(layers)])
            self.proj = nn.ModuleList([nn.Linear(d, d) for _ in range(layers)])
            self.n1 = nn.ModuleList([nn.LayerNorm(d) for _ in range(layers)])
            self.n2 = nn.ModuleList([nn.LayerNorm(d) for _ in range(layers)])
            self.up = nn.ModuleList([nn.Linear(d, 2 * d) for _ in range(layers)])
            self.down = nn.ModuleList([nn.Linear(2 * d, d) for _ in range(layers)])
            self.final, self.question = nn.LayerNorm(d), nn.Parameter(torch.randn(d) / d**0.5)
            self.classes = nn.Linear(d, 10)
            self.last_weights = []

        def forward(self, x):
            h, kept = self.inp(by_unfold(x)), []
            if self.position is not None:
                h = h + self.position
            for n in range(self.layers):
                b, t, d = h.shape
                q, k, v = (
                    self.qkv[n](self.n1[n](h))
                    .view(b, t, 3, self.heads, d // self.heads)
                    .permute(2, 0, 3, 1, 4)
                )
                w = (q @ k.mT / (d // self.heads) ** 0.5).softmax(-1)
                kept.append(w.mean(1).detach().clone())
                h = h + self.proj[n]((w @ v).transpose(1, 2).reshape(b, t, d))
                h = h + self.down[n](F.gelu(self.up[n](self.n2[n](h))))
            self.last_weights = kept
            h = self.final(h)
            share = torch.softmax(h @ self.question, dim=1)
            return self.classes(torch.einsum("bt,btd->bd", share, h))

    def rollout(weights):
        eye = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
        product = eye.expand_as(weights[0])
        for w in reversed(weights):
            product = product @ (0.5 * w + 0.5 * eye)
        return product

    return {
        "patches": by_unfold,
        "PatchAttention": PatchAttention,
        "rollout": rollout,
        "train_attention": trainer(PatchAttention, batch=48),
    }


@right("E5")
def post_norm_and_a_list_of_weights_kept_by_hooks():
    class PatchAttention(nn.Module):
        def __init__(self, d=32, heads=4, layers=1, positions=True):
            super().__init__()
            self.embedding = nn.Linear(4, d)
            self.position = nn.Parameter(0.1 * torch.randn(16, d)) if positions else None
            self.attention = nn.ModuleList(MultiHeadAttention(d, heads) for _ in range(layers))
            self.norm = nn.ModuleList(nn.LayerNorm(d) for _ in range(layers))
            self.mlp = nn.ModuleList(
                nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.SiLU(), nn.Linear(3 * d, d))
                for _ in range(layers)
            )
            self.out = nn.Linear(2 * d, 10)

        def forward(self, images):
            h = self.embedding(with_a_loop(images))
            if self.position is not None:
                h = h + self.position.unsqueeze(0)
            self.last_weights = ()
            for attend, norm, mlp in zip(self.attention, self.norm, self.mlp, strict=True):
                new, w = attend(h, need_weights=True)
                h = norm(h + new)
                h = h + mlp(h)
                self.last_weights += (w.detach(),)
            self.last_weights = list(self.last_weights)
            return self.out(torch.cat([h.mean(1), h.amax(1)], dim=-1))

    return {
        "patches": with_a_loop,
        "PatchAttention": PatchAttention,
        "train_attention": trainer(PatchAttention, lr=3e-3),
    }


@right("E5")
def nothing_but_loops_around_the_reference():
    def patches(x):
        out = torch.zeros(x.shape[0], 16, 4, dtype=x.dtype)
        for n in range(16):
            for p in range(4):
                out[:, n, p] = x[:, 2 * (n // 4) + p // 2, 2 * (n % 4) + p % 2]
        return out

    def rollout(weights):
        result = []
        for b in range(len(weights[0])):
            total = torch.eye(weights[0].shape[1], dtype=weights[0].dtype)
            for w in weights:
                total = (w[b] @ total + total) / 2
            result.append(total)
        return torch.stack(result)

    return {"patches": patches, "rollout": rollout}
