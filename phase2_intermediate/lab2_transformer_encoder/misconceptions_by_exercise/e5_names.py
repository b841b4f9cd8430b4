"""Wrong answers to E5."""

import random

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder import solution
from phase2_intermediate.lab2_transformer_encoder.solution import (
    Row,
    build_vocabulary,
    encode,
    ngram_baseline,
)


@misconception("E5", diagnosis="concepts-on-both-sides")
def random_split():
    def split_by_concept(names, share=0.2, seed=0):
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
        count = round(share * len(names))
        return [names[i] for i in order[count:]], [names[i] for i in order[:count]]

    return {"split_by_concept": split_by_concept}


@misconception("E5", diagnosis="split-depends-on-the-hash-seed")
def shuffles_a_set():
    def split_by_concept(names, share=0.2, seed=0):
        concepts = sorted({hash(name.concept): name.concept for name in names}.items())
        random.Random(seed).shuffle(concepts)
        held = {concept for _, concept in concepts[: round(share * len(concepts))]}
        return [n for n in names if n.concept not in held], [n for n in names if n.concept in held]

    return {"split_by_concept": split_by_concept}


@misconception("E5", diagnosis="split-depends-on-the-order")
def concepts_as_they_come():
    def split_by_concept(names, share=0.2, seed=0):
        concepts = list(dict.fromkeys(name.concept for name in names))
        random.Random(seed).shuffle(concepts)
        held = set(concepts[: round(share * len(concepts))])
        return [n for n in names if n.concept not in held], [n for n in names if n.concept in held]

    return {"split_by_concept": split_by_concept}


@misconception("E5", diagnosis="numbers-not-from-two")
def unknown_has_no_number():
    def build_vocabulary(texts):
        return {c: n for n, c in enumerate(sorted(set("".join(texts))), start=1)}

    return {"build_vocabulary": build_vocabulary}


@misconception("E5", diagnosis="unknown-is-padding")
def unknown_becomes_padding():
    def encode(texts, vocabulary):
        rows = [torch.tensor([vocabulary.get(c, 0) for c in text], dtype=torch.long) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    return {"encode": encode}


@misconception("E5", diagnosis="lstm-padding-counts")
def last_padded_state():
    class BiLSTM(solution.BiLSTM):
        def forward(self, tokens):
            states, _ = self.reader(self.embedding(tokens))
            return self.leave(states[:, -1])

    return {"BiLSTM": BiLSTM}


@misconception("E5", diagnosis="cnn-padding-counts")
def maximum_over_padding():
    class TextCNN(solution.TextCNN):
        def forward(self, tokens):
            x = self.embedding(tokens).transpose(1, 2)
            hits = [F.relu(d(F.pad(x, (0, d.kernel_size[0] - 1)))).amax(2) for d in self.detectors]
            return self.leave(torch.cat(hits, 1))

    return {"TextCNN": TextCNN}


@misconception("E5", diagnosis="transformer-padding-counts")
def no_mask():
    class CharTransformer(solution.CharTransformer):
        def forward(self, tokens):
            h = self.embedding(tokens) + solution.sinusoidal(tokens.shape[1], 64)
            for layer in self.layers:
                h = layer(h)
            return self.leave(solution.masked_mean(self.norm(h), tokens != 0))

    return {"CharTransformer": CharTransformer}


@misconception("E5", diagnosis="positions-forgotten")
def a_bag_of_letters():
    class CharTransformer(solution.CharTransformer):
        def forward(self, tokens):
            h, real = self.embedding(tokens), tokens != 0
            for layer in self.layers:
                h = layer(h, real)
            return self.leave(solution.masked_mean(self.norm(h), real))

    return {"CharTransformer": CharTransformer}


@misconception("E5", diagnosis="forbidden")
def a_convolution_below():
    class CharTransformer(solution.CharTransformer):
        def __init__(self, vocabulary, classes=12):
            super().__init__(vocabulary, classes)
            self.stem = nn.Conv1d(64, 64, 3, padding=1)

        def forward(self, tokens):
            real = tokens != 0
            h = self.stem(self.embedding(tokens).transpose(1, 2)).transpose(1, 2)
            h = h + solution.sinusoidal(tokens.shape[1], 64)
            for layer in self.layers:
                h = layer(h, real)
            return self.leave(solution.masked_mean(self.norm(h), real))

    return {"CharTransformer": CharTransformer}


@misconception("E5", diagnosis="not-the-maximum")
def mean_of_the_hits():
    class TextCNN(solution.TextCNN):
        def forward(self, tokens):
            x = self.embedding(tokens).transpose(1, 2)
            hits = [F.relu(d(F.pad(x, (0, d.kernel_size[0] - 1)))).transpose(1, 2) for d in self.detectors]
            return self.leave(torch.cat([solution.masked_mean(h, tokens != 0) for h in hits], 1))

    return {"TextCNN": TextCNN}


@misconception("E5", diagnosis="unequal-sizes")
def a_larger_transformer():
    class CharTransformer(solution.CharTransformer):
        def __init__(self, vocabulary, classes=12):
            super().__init__(vocabulary, classes)
            self.layers = nn.ModuleList(solution.EncoderLayer(64, 4, 256) for _ in range(4))

    return {"CharTransformer": CharTransformer}


class Comparison:
    """`compare` in pieces; each misconception replaces one of them."""

    def texts(self, train, test):
        return [name.text for name in train]

    def baseline(self, train, test):
        right, size = ngram_baseline(train, test)
        return [self.row("n-grams", size, 0, 0.01, right.double().mean().item(), len(test))]

    def row(self, name, size, epochs, seconds, p, n):
        half = 1.96 * (p * (1 - p) / n) ** 0.5
        return Row(name, size, epochs, seconds, p, p - half, p + half)

    def epochs(self, name, epochs):
        return epochs

    def begin(self, build, size, seed):
        torch.manual_seed(seed)
        return build(size)

    def size(self, model):
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    def judge(self, model, held, truth):
        model.eval()
        with torch.no_grad():
            return (model(held).argmax(1) == truth).double().mean().item()

    def pooled(self, shares):
        return sum(shares) / len(shares)

    def __call__(self, models, train, test, *, epochs=4, seeds=(0,)):
        import time

        vocabulary = build_vocabulary(self.texts(train, test))
        tokens, held = (encode([name.text for name in part], vocabulary) for part in (train, test))
        labels, truth = (torch.tensor([name.label for name in part]) for part in (train, test))
        rows = self.baseline(train, test)
        for name, build in models.items():
            shares, seconds = [], 0.0
            for seed in seeds:
                model, started = self.begin(build, len(vocabulary) + 2, seed), time.process_time()
                solution.fit(model, tokens, labels, epochs=self.epochs(name, epochs), seed=seed)
                seconds += time.process_time() - started
                shares.append(self.judge(model, held, truth))
            count = self.epochs(name, epochs)
            taken, share = seconds / len(seeds), self.pooled(shares)
            rows.append(self.row(name, self.size(model), count, taken, share, len(test)))
        return rows


def comparing(**methods):
    compare = type("Changed", (Comparison,), methods)()

    def wrapped(models, train, test, *, epochs=4, seeds=(0,)):
        return compare(models, train, test, epochs=epochs, seeds=seeds)

    return {"compare": wrapped}


@misconception("E5", diagnosis="vocabulary-from-the-test")
def all_characters():
    return comparing(texts=lambda self, train, test: [name.text for name in (*train, *test)])


@misconception("E5", diagnosis="other-number-of-epochs")
def more_for_the_last_model():
    return comparing(epochs=lambda self, name, epochs: epochs + (name != "one"))


@misconception("E5", diagnosis="time-not-reported")
def no_seconds():
    def row(self, name, size, epochs, seconds, p, n):
        return Comparison.row(self, name, size, epochs, 0.0, p, n)

    return comparing(row=row)


@misconception("E5", diagnosis="baseline-missing")
def networks_alone():
    return comparing(baseline=lambda self, train, test: [])


@misconception("E5", diagnosis="judged-in-training-mode")
def never_calls_eval():
    def judge(self, model, held, truth):
        with torch.no_grad():
            return (model(held).argmax(1) == truth).double().mean().item()

    return comparing(judge=judge)


@misconception("E5", diagnosis="not-the-mean-over-seeds")
def the_luckiest_seed():
    return comparing(pooled=lambda self, shares: max(shares))


@misconception("E5", diagnosis="seed-does-not-decide-the-weights")
def weights_as_they_come():
    return comparing(begin=lambda self, build, size, seed: build(size))


@misconception("E5", diagnosis="interval-differs")
def deviation_instead_of_interval():
    def row(self, name, size, epochs, seconds, p, n):
        half = (p * (1 - p)) ** 0.5
        return Row(name, size, epochs, seconds, p, p - half, p + half)

    return comparing(row=row)
