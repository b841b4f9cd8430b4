"""Right answers to E5 in other styles. What trains for seconds waits for the long run, but for one."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e5_names import Comparison
from shared.evaluation import bootstrap
from shared.nn import Recurrent
from tests.labs.answers import Answers

right = Answers()


def split_by_concept(names, share=0.2, seed=0):
    groups = {}
    for name in names:
        groups.setdefault(str(name.concept), []).append(name)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    cut = round(len(keys) * share)
    return [n for k in keys[cut:] for n in groups[k]], [n for k in keys[:cut] for n in groups[k]]


def build_vocabulary(texts):
    characters = set()
    for text in texts:
        characters.update(text)
    return dict(zip(sorted(characters), range(2, 2 + len(characters)), strict=True))


def encode(texts, vocabulary):
    rows = [[vocabulary.get(c, 1) for c in text] for text in texts]
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            tokens[i, j] = number
    return tokens


class TextCNN(nn.Module):
    """Windows cut by `unfold`-like indexing, a maximum by −∞."""

    def __init__(self, vocabulary, classes=12):
        super().__init__()
        self.emb = nn.Embedding(vocabulary, 64)
        self.linears = nn.ModuleList(nn.Linear(64 * n, 100) for n in (2, 3, 4))
        self.out = nn.Linear(300, classes)

    def forward(self, tokens):
        real = tokens.ne(0)
        x = self.emb(tokens) * real.unsqueeze(-1)
        pooled = []
        for n, linear in zip((2, 3, 4), self.linears, strict=True):
            wide = F.pad(x, (0, 0, 0, n - 1))
            windows = torch.cat([wide[:, k : k + x.shape[1]] for k in range(n)], dim=-1)
            pooled.append(linear(windows).relu().masked_fill(~real.unsqueeze(-1), -1.0).amax(1))
        return self.out(torch.cat(pooled, -1))


class BiLSTM(nn.Module):
    """The last state of both directions, by the library's `Recurrent`."""

    def __init__(self, vocabulary, classes=12):
        super().__init__()
        self.emb = nn.Embedding(vocabulary, 64, padding_idx=0)
        self.reader = Recurrent("lstm", 64, 64, bidirectional=True)
        self.head = nn.Linear(self.reader.outputs, classes)

    def forward(self, tokens):
        _, last = self.reader(self.emb(tokens), (tokens != 0).sum(1))
        return self.head(last)


class CharTransformer(nn.Module):
    """Post-norm layers, learned positions, the first-and-mean of the outputs."""

    def __init__(self, vocabulary, classes=12):
        super().__init__()
        self.emb = nn.Embedding(vocabulary, 64)
        self.pos = solution.LearnedPositions(200, 64)
        self.layers = nn.ModuleList(solution.EncoderLayer(64, 4, 128, norm="post") for _ in range(2))
        self.head = nn.Linear(64, classes)

    def forward(self, tokens):
        real = tokens != 0
        x = self.pos(self.emb(tokens))
        for layer in self.layers:
            x = layer(x, key_padding_mask=real)
        return self.head(solution.masked_max(x, real))


class Bootstrapped(Comparison):
    """Intervals by a bootstrap, evaluation in small batches."""

    def judge(self, model, held, truth):
        model.eval()
        guesses = []
        with torch.inference_mode():
            for part in held.split(17):
                guesses.append(model(part).argmax(-1))
        return (torch.cat(guesses) == truth).float().mean().item()

    def row(self, name, size, epochs, seconds, p, n):
        hits = (torch.arange(n) < round(p * n)).double()
        found = bootstrap(lambda i: hits[i].mean(), n=n)
        return solution.Row(name, size, epochs, seconds, p, found.low, found.high)


@right("E5")
def everything_otherwise():
    run = Bootstrapped()

    def compare(models, train, test, *, epochs=4, seeds=(0,)):
        return run(models, train, test, epochs=epochs, seeds=seeds)

    return {
        "split_by_concept": split_by_concept,
        "build_vocabulary": build_vocabulary,
        "encode": encode,
        "TextCNN": TextCNN,
        "BiLSTM": BiLSTM,
        "CharTransformer": CharTransformer,
        "compare": compare,
    }


@right("E5", slow=True)
def a_training_loop_of_its_own():
    def compare(models, train, test, *, epochs=4, seeds=(0,)):
        import time

        vocabulary = solution.build_vocabulary(name.text for name in train)
        x, y = solution.encode([n.text for n in train], vocabulary), torch.tensor([n.label for n in train])
        x_test = solution.encode([n.text for n in test], vocabulary)
        y_test = torch.tensor([n.label for n in test])
        hits, count = solution.ngram_baseline(train, test)
        p = hits.double().mean().item()
        half = 1.96 * (p * (1 - p) / len(test)) ** 0.5
        rows = [solution.Row("n-grams", count, 0, 0.0, p, p - half, p + half)]
        for name, build in models.items():
            total, spent = 0.0, 0.0
            for seed in seeds:
                torch.manual_seed(seed)
                model = build(len(vocabulary) + 2)
                optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
                began = time.process_time()
                model.train()
                for _ in range(epochs):
                    for rows_ in torch.randperm(len(x)).split(32):
                        optimizer.zero_grad()
                        F.cross_entropy(
                            model(x[rows_, : int((x[rows_] != 0).sum(1).max())]), y[rows_]
                        ).backward()
                        optimizer.step()
                spent += time.process_time() - began
                model.eval()
                with torch.no_grad():
                    total += (model(x_test).argmax(1) == y_test).double().mean().item()
            p = total / len(seeds)
            half = 1.96 * (p * (1 - p) / len(test)) ** 0.5
            size = sum(q.numel() for q in model.parameters() if q.requires_grad)
            rows.append(solution.Row(name, size, epochs, spent / len(seeds), p, p - half, p + half))
        return rows

    return {"compare": compare}


@right("E5", slow=True)
def two_lstms():
    class BiLSTM(nn.Module):
        def __init__(self, vocabulary, classes=12):
            super().__init__()
            self.emb = nn.Embedding(vocabulary, 64)
            self.there, self.back = (nn.LSTM(64, 64, batch_first=True) for _ in range(2))
            self.out = nn.Linear(128, classes)

        def forward(self, tokens):
            real = tokens != 0
            lengths = real.sum(1)
            place = (lengths[:, None] - 1 - torch.arange(tokens.shape[1])).clamp(min=0)
            x = self.emb(tokens)
            y = self.emb(tokens.gather(1, place))
            states = torch.cat((self.there(x)[0], self.back(y)[0]), -1)
            return self.out(solution.masked_mean(states, real))

    return {"BiLSTM": BiLSTM}


@right("E5", slow=True)
def rotary_attention():
    class CharTransformer(nn.Module):
        def __init__(self, vocabulary, classes=12):
            super().__init__()
            self.emb = nn.Embedding(vocabulary, 64)
            self.layers = nn.ModuleList(
                solution.EncoderLayer(64, 4, 100, act="swiglu", norm_type="rms") for _ in "ab"
            )
            self.norm, self.out = nn.RMSNorm(64), nn.Linear(64, classes)

        def forward(self, tokens):
            real = tokens != 0
            x = solution.rope(self.emb(tokens), torch.arange(tokens.shape[1]))
            for layer in self.layers:
                x = layer(x, real)
            return self.out(solution.masked_mean(self.norm(x), real))

    return {"CharTransformer": CharTransformer}
