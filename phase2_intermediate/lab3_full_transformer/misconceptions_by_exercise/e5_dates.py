"""Wrong answers to E5."""

import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab3_full_transformer.solution import (
    KVCache,
    Seq2Seq,
    beam_search,
    decode_step,
    seq_loss,
    until_end,
)
from shared.data import Vocabulary, pad, pad_pairs, real_positions
from shared.data.vocabulary import END, START


def greedy_rows(model, texts, cached=True, masked=True, limit=12):
    src, lengths = pad(texts)
    real = real_positions(lengths, src.shape[1])
    given = real if masked else None
    memory, cache = model.encode(src, given), KVCache(len(model.layers), limit)
    written = torch.full((len(texts), 1), START)
    for _ in range(limit):
        if cached:
            logits = decode_step(model, written[:, -1:], cache, memory, given)
        else:
            logits = model.decode(memory, given, written)[:, -1]
        written = torch.cat((written, logits.argmax(-1, keepdim=True)), 1)
    return written[:, 1:]


def beam_row(model, text, cached, reorder=True):
    memory = model.encode(text[None], torch.ones(1, len(text), dtype=torch.bool))
    cache, state = KVCache(len(model.layers), 12), {}

    def step(prefixes):
        many = memory.expand(len(prefixes), -1, -1)
        if not cached:
            return model.decode(many, None, prefixes)[:, -1].log_softmax(-1)
        if "rows" in state:
            same = (prefixes[:, None, :-1] == state["rows"]).all(-1).long().argmax(1)
            cache.reorder(same if reorder else torch.arange(len(same)) % len(state["rows"]))
        state["rows"] = prefixes
        return decode_step(model, prefixes[:, -1:], cache, many, None).log_softmax(-1)

    return beam_search(step, START, END, max_len=12)[0][0]


def evaluation(
    *, write=greedy_rows, cut=lambda rows: until_end(rows, END), search=beam_row, report=None, mode=True
):
    """The right evaluation in pieces; each misconception replaces one of them."""

    def evaluate(model, pairs, decoder="greedy", cached=True):
        if decoder not in ("greedy", "beam"):
            raise ValueError(decoder)
        if mode:
            model.eval()
        texts = [model.source_vocabulary.encode(pair.text) for pair in pairs]
        with torch.no_grad():
            if decoder == "beam":
                rows = [search(model, text, cached) for text in texts]
            else:
                rows = cut(write(model, texts, cached)) if texts else []
        outputs = ["".join(model.target_vocabulary.decode([x]) for x in row if x != END) for row in rows]
        return (report or shares)(outputs, pairs)

    return {"evaluate": evaluate}


def shares(outputs, pairs):
    right = [out == pair.iso for out, pair in zip(outputs, pairs, strict=True)]

    def by(names):
        groups = {
            name: [ok for ok, own in zip(right, names, strict=True) if own == name] for name in set(names)
        }
        return {name: sum(group) / len(group) for name, group in groups.items()}

    return {
        "outputs": outputs,
        "exact": sum(right) / max(len(right), 1),
        "by_language": by([pair.language for pair in pairs]),
        "by_style": by([pair.style for pair in pairs]),
    }


def training(*, shift=True, end=True, source=lambda pairs: [p.text for p in pairs], seeded=True, ready=True):
    """The right training in pieces."""

    def train_seq2seq(pairs, *, steps=300, seed=0):
        texts, isos = Vocabulary.of(source(pairs)), Vocabulary.of(p.iso for p in pairs)
        examples = [(texts.encode(p.text), isos.encode(p.iso, ends=True)) for p in pairs]
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(enabled=seeded):
            if seeded:
                torch.manual_seed(seed)
            model = Seq2Seq(len(texts), len(isos), stem=True)
        model.source_vocabulary, model.target_vocabulary = texts, isos
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(examples), (64,), generator=generator).tolist()
            src, read, real, say = pad_pairs([examples[row] for row in rows])
            if not end:
                read, say = read[:, :-1], say[:, :-1]
            if not shift:
                read = say.clamp(min=0)
            total, count = seq_loss(model.decode(model.encode(src, real), real, read), say, pad=-100)
            optimizer.zero_grad()
            (total / count).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        return model.eval() if ready else model.train()

    return {"train_seq2seq": train_seq2seq}


@misconception("E5", diagnosis="teacher-forced")
def shown_the_answer():
    def evaluate(model, pairs, decoder="greedy", cached=True):
        if decoder not in ("greedy", "beam"):
            raise ValueError(decoder)
        model.eval()
        outputs = []
        with torch.no_grad():
            for pair in pairs:
                memory = model.encode(model.source_vocabulary.encode(pair.text)[None], None)
                read = model.target_vocabulary.encode(pair.iso, ends=True)[None, :-1]
                outputs.append(model.target_vocabulary.decode(model.decode(memory, None, read)[0].argmax(-1)))
        return shares(outputs, pairs)

    return {"evaluate": evaluate}


@misconception("E5", diagnosis="goes-on-after-the-end")
def only_filters_the_end():
    return evaluation(cut=lambda rows: rows.tolist())


@misconception("E5", diagnosis="padding-attended")
def no_mask_at_evaluation():
    def write(model, texts, cached):
        src, lengths = pad(texts)
        real = real_positions(lengths, src.shape[1])
        memory, cache = model.encode(src, real), KVCache(len(model.layers), 12)
        written = torch.full((len(texts), 1), START)
        for _ in range(12):
            if cached:
                logits = decode_step(model, written[:, -1:], cache, memory, None)
            else:
                logits = model.decode(memory, None, written)[:, -1]
            written = torch.cat((written, logits.argmax(-1, keepdim=True)), 1)
        return written[:, 1:]

    return evaluation(write=write)


@misconception("E5", diagnosis="dropout-at-evaluation")
def leaves_the_mode():
    return evaluation(mode=False)


@misconception("E5", diagnosis="limit-of-twelve")
def ten_characters_are_enough():
    return evaluation(write=lambda model, texts, cached: greedy_rows(model, texts, cached, limit=10))


@misconception("E5", diagnosis="cache-not-used")
def always_the_whole_prefix():
    return evaluation(
        write=lambda model, texts, cached: greedy_rows(model, texts, False),
        search=lambda model, text, cached: beam_row(model, text, False),
    )


@misconception("E5", diagnosis="beam-not-reordered")
def cache_stays_where_it_is():
    return evaluation(search=lambda model, text, cached: beam_row(model, text, cached, reorder=False))


@misconception("E5", diagnosis="beam-is-greedy")
def no_beam():
    return evaluation(
        search=lambda model, text, cached: until_end(greedy_rows(model, [text], cached), END)[0]
    )


@misconception("E5", diagnosis="exact-counts-characters")
def right_characters():
    def report(outputs, pairs):
        hits = sum(
            x == y for out, p in zip(outputs, pairs, strict=True) for x, y in zip(out, p.iso, strict=False)
        )
        return {**shares(outputs, pairs), "exact": hits / max(sum(len(p.iso) for p in pairs), 1)}

    return evaluation(report=report)


@misconception("E5", diagnosis="nothing-excluded")
def test_strings_in_training():
    return {"unseen_pairs": lambda pairs, training: list(pairs)}


@misconception("E5", diagnosis="compares-whole-pairs")
def same_text_in_another_language():
    def unseen_pairs(pairs, training):
        known = set(training)
        return [pair for pair in pairs if pair not in known]

    return {"unseen_pairs": unseen_pairs}


@misconception("E5", diagnosis="not-shifted")
def reads_what_it_has_to_say():
    return training(shift=False)


@misconception("E5", diagnosis="no-end-token")
def never_told_to_stop():
    return training(end=False)


@misconception("E5", diagnosis="vocabulary-of-something-else")
def alphabet_of_everything():
    return training(source=lambda pairs: [p.text + p.iso + "abcdefghijklmnopqrstuvwxyzéûç" for p in pairs])


@misconception("E5", diagnosis="seeds")
def whatever_was_drawn_before():
    return training(seeded=False)


@misconception("E5", diagnosis="training-mode")
def still_in_training_mode():
    return training(ready=False)
