"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import random
from collections import defaultdict

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from phase2_intermediate.lab3_full_transformer.solution import (
    KVCache,
    Seq2Seq,
    beam_search,
    decode_step,
    greedy,
)
from shared.data import Vocabulary
from shared.data.vocabulary import END, START
from tests.labs.answers import Answers
from tests.labs.lab2_3.right_e1 import Buffered

right = Answers()


class CachedStep:
    """A step function for one source, which reorders its cache by looking prefixes up in a dict."""

    def __init__(self, model, memory):
        self.model, self.memory = model, memory
        self.cache, self.rows = KVCache(len(model.layers), 16), None

    def __call__(self, prefixes):
        keys = [tuple(row) for row in prefixes.tolist()]
        if self.rows is not None:
            self.cache.reorder(torch.tensor([self.rows[key[:-1]] for key in keys]))
        self.rows = {key: i for i, key in enumerate(keys)}
        memory = self.memory.repeat(len(keys), 1, 1)
        logits = decode_step(self.model, prefixes[:, -1:], self.cache, memory, None)
        return torch.log_softmax(logits, -1)


class PlainStep:
    def __init__(self, model, memory):
        self.model, self.memory = model, memory

    def __call__(self, prefixes):
        memory = self.memory.repeat(len(prefixes), 1, 1)
        return torch.log_softmax(self.model.decode(memory, None, prefixes)[:, -1], -1)


@torch.no_grad()
def evaluate_one_by_one(model, pairs, decoder="greedy", cached=True):
    if decoder not in {"greedy", "beam"}:
        raise ValueError(f"unknown decoder {decoder}")
    model.eval()
    outputs = []
    for pair in pairs:
        memory = model.encode(model.source_vocabulary.encode(pair.text)[None], None)
        step = CachedStep(model, memory) if cached else PlainStep(model, memory)
        if decoder == "greedy":
            tokens, _ = greedy(step, START, END, 12)
        else:
            tokens = beam_search(step, START, END, max_len=12)[0][0]
        outputs.append(model.target_vocabulary.decode(torch.tensor(tokens)))
    return counted(outputs, pairs)


def counted(outputs, pairs):
    tables = {"language": defaultdict(list), "style": defaultdict(list)}
    hits = []
    for output, pair in zip(outputs, pairs, strict=True):
        hits.append(float(output == pair.iso))
        for name, table in tables.items():
            table[getattr(pair, name)].append(hits[-1])
    by = {f"by_{n}": {key: sum(v) / len(v) for key, v in table.items()} for n, table in tables.items()}
    return {"outputs": outputs, "exact": sum(hits) / len(hits) if hits else 0.0, **by}


@right("E5", slow=True)
def one_text_after_another():
    return {"evaluate": evaluate_one_by_one}


def epochs_of_adam(pairs, *, steps=300, seed=0, model_class=Seq2Seq, peak=4e-3):
    rng = random.Random(seed)
    source, target = Vocabulary.of([p.text for p in pairs]), Vocabulary.of([p.iso for p in pairs])
    state = torch.get_rng_state()
    torch.manual_seed(seed + 17)
    model = model_class(len(source), len(target), d=64, heads=4, stem=True)
    torch.set_rng_state(state)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps + 1)
    order, model_ = [], model.train()
    for _ in range(steps):
        if len(order) < 64:
            order = list(range(len(pairs)))
            rng.shuffle(order)
        batch = [pairs[order.pop()] for _ in range(min(64, len(order)))]
        src = pad_sequence([source.encode(p.text) for p in batch], batch_first=True)
        full = torch.stack([target.encode(p.iso, ends=True) for p in batch])
        mask = src.ne(0)
        logits = model_.decode(model_.encode(src, mask), mask, full[:, :-1])
        loss = F.cross_entropy(logits.transpose(1, 2), full[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1)
        optimizer.step()
        schedule.step()
    model.source_vocabulary, model.target_vocabulary = source, target
    model.eval()
    return model


@right("E5", slow=True)
def epochs_and_cross_entropy():
    return {"train_seq2seq": epochs_of_adam}


@right("E5")
def another_model():
    def train_seq2seq(pairs, *, steps=300, seed=0):
        return epochs_of_adam(pairs, steps=steps, seed=seed, model_class=Buffered)

    def unseen_pairs(pairs, training):
        texts, kept = set(), []
        trained = frozenset(pair.text for pair in training)
        for pair in filter(lambda p: p.text not in trained, pairs):
            if pair.text not in texts:
                texts.add(pair.text)
                kept.append(pair)
        return kept

    return {"train_seq2seq": train_seq2seq, "unseen_pairs": unseen_pairs, "evaluate": evaluate_in_pieces}


@torch.no_grad()
def evaluate_in_pieces(model, pairs, decoder="greedy", cached=True):
    """Batches of texts of equal length: nothing to pad."""
    if decoder == "beam":
        return evaluate_one_by_one(model, pairs, decoder, cached)
    if decoder != "greedy":
        raise ValueError(decoder)
    model.eval()
    groups, outputs = defaultdict(list), [""] * len(pairs)
    for i, pair in enumerate(pairs):
        groups[len(pair.text)].append(i)
    for rows in groups.values():
        src = torch.stack([model.source_vocabulary.encode(pairs[i].text) for i in rows])
        memory = model.encode(src, torch.ones_like(src, dtype=torch.bool))
        cache, token = KVCache(len(model.layers), 12), torch.full((len(rows), 1), START)
        prefix = token
        while prefix.shape[1] <= 12:
            if cached:
                logits = decode_step(model, token, cache, memory, None)
            else:
                logits = model.decode(memory, None, prefix)[:, -1]
            token = logits.argmax(-1)[:, None]
            prefix = torch.cat([prefix, token], 1)
            if (prefix == END).any(1).all():
                break
        for i, row in zip(rows, prefix[:, 1:], strict=True):
            outputs[i] = model.target_vocabulary.decode(row)
    return counted(outputs, pairs)


@right("E5", slow=True)
def a_dict_of_texts():
    def unseen_pairs(pairs, training):
        first = {}
        for pair in pairs:
            first.setdefault(pair.text, pair)
        for pair in training:
            first.pop(pair.text, None)
        return list(first.values())

    return {"unseen_pairs": unseen_pairs, "evaluate": evaluate_in_pieces}
