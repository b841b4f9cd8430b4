"""Wrong answers to E5, as strangers would make them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab3_full_transformer.solution import (
    KVCache,
    Seq2Seq,
    beam_search,
    decode_step,
)
from phase2_intermediate.lab3_full_transformer.solution import evaluate as solved
from phase2_intermediate.lab3_full_transformer.solution import train_seq2seq as trained
from shared.data import Vocabulary
from shared.data.dates import date_pairs, unseen
from shared.data.vocabulary import END, START
from tests.labs.answers import Answers
from tests.labs.lab2_3.right_e5 import counted, epochs_of_adam

wrong = Answers()


def evaluating(change):
    def evaluate(model, pairs, decoder="greedy", cached=True):
        return change(solved(model, pairs, decoder, cached), model, pairs, decoder, cached)

    return {"evaluate": evaluate}


@wrong("E5")
def the_librarys_split():
    return {"unseen_pairs": unseen}


@wrong("E5")
def no_duplicates_removed():
    def unseen_pairs(pairs, training):
        known = {p.text for p in training}
        return [p for p in pairs if p.text not in known]

    return {"unseen_pairs": unseen_pairs}


@wrong("E5")
def compares_the_answers():
    def unseen_pairs(pairs, training):
        known, fresh = {p.iso for p in training}, {}
        for p in pairs:
            if p.iso not in known:
                fresh.setdefault(p.text, p)
        return list(fresh.values())

    return {"unseen_pairs": unseen_pairs}


@wrong("E5")
def a_set_of_pairs():
    def unseen_pairs(pairs, training):
        known = {p.text for p in training}
        return sorted({p.text: p for p in pairs if p.text not in known}.values())

    return {"unseen_pairs": unseen_pairs}


@wrong("E5")
def texts_only():
    def unseen_pairs(pairs, training):
        known = {p.text for p in training}
        return list(dict.fromkeys(p.text for p in pairs if p.text not in known))

    return {"unseen_pairs": unseen_pairs}


@wrong("E5")
def percent():
    return evaluating(lambda report, *rest: {**report, "exact": 100 * report["exact"]})


@wrong("E5")
def only_a_number():
    return evaluating(lambda report, *rest: report["exact"])


@wrong("E5")
def other_keys():
    return evaluating(
        lambda report, *rest: {("em" if key == "exact" else key): value for key, value in report.items()}
    )


@wrong("E5")
def slices_exchanged():
    return evaluating(
        lambda report, *rest: {**report, "by_style": report["by_language"], "by_language": report["by_style"]}
    )


@wrong("E5")
def slices_of_everything():
    def change(report, model, pairs, *rest):
        n = max(len(pairs), 1)
        by = {
            lang: sum(
                o == p.iso and p.language == lang for o, p in zip(report["outputs"], pairs, strict=True)
            )
            / n
            for lang in {p.language for p in pairs}
        }
        return {**report, "by_language": by}

    return evaluating(change)


@wrong("E5")
def always_exact():
    def change(report, model, pairs, *rest):
        return counted([p.iso for p in pairs], pairs)

    return evaluating(change)


@wrong("E5")
def crashes_on_nothing():
    def evaluate(model, pairs, decoder="greedy", cached=True):
        report = solved(model, pairs, decoder, cached)
        return {
            **report,
            "exact": sum(o == p.iso for o, p in zip(report["outputs"], pairs, strict=True)) / len(pairs),
        }

    return {"evaluate": evaluate}


@wrong("E5")
def any_decoder():
    def evaluate(model, pairs, decoder="greedy", cached=True):
        return solved(model, pairs, "beam" if decoder == "beam" else "greedy", cached)

    return {"evaluate": evaluate}


@wrong("E5")
def cached_means_nothing():
    return {
        "evaluate": lambda model, pairs, decoder="greedy", cached=True: solved(model, pairs, decoder, True)
    }


@wrong("E5")
def a_narrow_beam():
    @torch.no_grad()
    def evaluate(model, pairs, decoder="greedy", cached=True):
        if decoder != "beam":
            return solved(model, pairs, decoder, cached)
        model.eval()
        outputs = []
        for p in pairs:
            memory = model.encode(model.source_vocabulary.encode(p.text)[None], None)

            def step(prefixes, memory=memory):
                return model.decode(memory.repeat(len(prefixes), 1, 1), None, prefixes)[:, -1].log_softmax(-1)

            tokens = beam_search(step, START, END, beam=2, max_len=12)[0][0]
            outputs.append(model.target_vocabulary.decode(tokens))
        return counted(outputs, pairs)

    return {"evaluate": evaluate}


@wrong("E5")
def logits_instead_of_log_probabilities():
    @torch.no_grad()
    def evaluate(model, pairs, decoder="greedy", cached=True):
        if decoder != "beam":
            return solved(model, pairs, decoder, cached)
        model.eval()
        outputs = []
        for p in pairs:
            memory = model.encode(model.source_vocabulary.encode(p.text)[None], None)

            def step(prefixes, memory=memory):
                return model.decode(memory.repeat(len(prefixes), 1, 1), None, prefixes)[:, -1]

            outputs.append(model.target_vocabulary.decode(beam_search(step, START, END, max_len=12)[0][0]))
        return counted(outputs, pairs)

    return {"evaluate": evaluate}


@wrong("E5")
def cache_without_reordering():
    @torch.no_grad()
    def evaluate(model, pairs, decoder="greedy", cached=True):
        if decoder != "beam" or not cached:
            return solved(model, pairs, decoder, cached)
        model.eval()
        outputs = []
        for p in pairs:
            memory = model.encode(model.source_vocabulary.encode(p.text)[None], None)
            cache, before = KVCache(len(model.layers), 12), []

            def step(prefixes, memory=memory, cache=cache, before=before):
                if before:
                    cache.reorder(torch.arange(len(prefixes)).clamp(max=before[-1] - 1))
                before.append(len(prefixes))
                many = memory.repeat(len(prefixes), 1, 1)
                return decode_step(model, prefixes[:, -1:], cache, many, None).log_softmax(-1)

            outputs.append(model.target_vocabulary.decode(beam_search(step, START, END, max_len=12)[0][0]))
        return counted(outputs, pairs)

    return {"evaluate": evaluate}


@wrong("E5")
def ten_tokens():
    def change(report, model, pairs, decoder, cached):
        return counted([o[:10] for o in report["outputs"]], pairs)

    return evaluating(change)


@wrong("E5")
def returns_nothing():
    return {
        "train_seq2seq": lambda pairs, *, steps=300, seed=0: trained(pairs, steps=steps, seed=seed) and None
    }


@wrong("E5")
def always_the_same_seed():
    return {"train_seq2seq": lambda pairs, *, steps=300, seed=0: trained(pairs, steps=steps)}


@wrong("E5")
def always_the_same_steps():
    return {"train_seq2seq": lambda pairs, *, steps=300, seed=0: trained(pairs, steps=2, seed=seed)}


@wrong("E5")
def data_of_its_own():
    def train_seq2seq(pairs, *, steps=300, seed=0):
        return trained(date_pairs(300, seed=3), steps=steps, seed=seed)

    return {"train_seq2seq": train_seq2seq}


@wrong("E5")
def vocabularies_forgotten():
    def train_seq2seq(pairs, *, steps=300, seed=0):
        model = trained(pairs, steps=steps, seed=seed)
        del model.source_vocabulary, model.target_vocabulary
        return model

    return {"train_seq2seq": train_seq2seq}


@wrong("E5")
def never_learns():
    def train_seq2seq(pairs, *, steps=300, seed=0):
        model = epochs_of_adam(pairs, steps=1, seed=seed + 1000 * steps)
        return model

    return {"train_seq2seq": train_seq2seq}


@wrong("E5")
def begins_with_the_end():
    """START is forgotten: the decoder reads from the first character on."""

    def train_seq2seq(pairs, *, steps=300, seed=0):
        source, target = Vocabulary.of(p.text for p in pairs), Vocabulary.of(p.iso for p in pairs)
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Seq2Seq(len(source), len(target), stem=True)
        model.source_vocabulary, model.target_vocabulary = source, target
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(steps):
            rows = torch.randint(len(pairs), (64,), generator=generator).tolist()
            src = torch.nn.utils.rnn.pad_sequence(
                [source.encode(pairs[i].text) for i in rows], batch_first=True
            )
            full = torch.stack([target.encode(pairs[i].iso, ends=True) for i in rows])
            logits = model.decode(model.encode(src, src != 0), src != 0, full[:, 1:])
            loss = F.cross_entropy(logits.flatten(0, 1), full[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model.eval()

    return {"train_seq2seq": train_seq2seq}


@wrong("E5", slow=True)
def without_a_stem():
    class Plain(Seq2Seq):
        def __init__(self, *args, stem=False, **how):
            super().__init__(*args, stem=False, **how)

    return {
        "train_seq2seq": lambda pairs, *, steps=300, seed=0: epochs_of_adam(
            pairs, steps=steps, seed=seed, model_class=Plain
        )
    }


@wrong("E5")
def eight_characters_are_enough():
    def change(report, model, pairs, *rest):
        hits = [o[:8] == p.iso[:8] for o, p in zip(report["outputs"], pairs, strict=True)]
        return {**report, "exact": sum(hits) / max(len(hits), 1)}

    return evaluating(change)


@wrong("E5")
def another_order():
    def evaluate(model, pairs, decoder="greedy", cached=True):
        return solved(model, sorted(pairs, key=lambda p: len(p.text)), decoder, cached)

    return {"evaluate": evaluate}


@wrong("E5", slow=True)
def never_more_than_300_steps():
    return {
        "train_seq2seq": lambda pairs, *, steps=300, seed=0: trained(pairs, steps=min(steps, 300), seed=seed)
    }
