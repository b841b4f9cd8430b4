"""Wrong answers to E5 beyond the lab's own misconceptions."""

from __future__ import annotations

import itertools
import random

import torch
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution as s
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e5_names import (
    Comparison,
    comparing,
)
from tests.labs.answers import Answers

wrong = Answers()


def case(name, **objects):
    def build():
        return objects

    build.__name__ = name
    wrong("E5")(build)


# ---- split, vocabulary, tokens
case(
    "exchanged_parts",
    split_by_concept=lambda names, share=0.2, seed=0: s.split_by_concept(names, share, seed)[::-1],
)
case("share_ignored", split_by_concept=lambda names, share=0.2, seed=0: s.split_by_concept(names, seed=seed))
case("seed_ignored", split_by_concept=lambda names, share=0.2, seed=0: s.split_by_concept(names, share))
case(
    "seed_from_elsewhere",
    split_by_concept=lambda names, share=0.2, seed=0: s.split_by_concept(
        names, share, random.randrange(10**6)
    ),
)
case(
    "first_concepts",
    split_by_concept=lambda names, share=0.2, seed=0: (
        lambda held: ([n for n in names if n.concept not in held], [n for n in names if n.concept in held])
    )(set(sorted({n.concept for n in names})[: round(share * len({n.concept for n in names}))])),
)
case(
    "by_hash",
    split_by_concept=lambda names, share=0.2, seed=0: (
        [n for n in names if hash((n.concept, seed)) % 5],
        [n for n in names if not hash((n.concept, seed)) % 5],
    ),
)
case(
    "texts_instead_of_names",
    split_by_concept=lambda names, share=0.2, seed=0: tuple(
        [n.text for n in part] for part in s.split_by_concept(names, share, seed)
    ),
)
case(
    "test_names_stay_in_train",
    split_by_concept=lambda names, share=0.2, seed=0: (
        list(names),
        s.split_by_concept(names, share, seed)[1],
    ),
)
case(
    "one_language_a_concept",
    split_by_concept=lambda names, share=0.2, seed=0: tuple(
        list({n.concept: n for n in part}.values()) for part in s.split_by_concept(names, share, seed)
    ),
)
case(
    "shuffles_in_place",
    split_by_concept=lambda names, share=0.2, seed=0: (
        random.Random(seed).shuffle(names),
        s.split_by_concept(names, share, seed),
    )[1],
)
case(
    "by_language",
    split_by_concept=lambda names, share=0.2, seed=0: (
        [n for n in names if n.label != seed % 4],
        [n for n in names if n.label == seed % 4],
    ),
)
case(
    "vocabulary_from_zero",
    build_vocabulary=lambda texts: {c: n for n, c in enumerate(sorted(set("".join(texts))))},
)
case(
    "vocabulary_with_pad",
    build_vocabulary=lambda texts: {"<pad>": 0, "<unk>": 1, **s.build_vocabulary(texts)},
)
case(
    "vocabulary_as_they_come",
    build_vocabulary=lambda texts: {c: n for n, c in enumerate(dict.fromkeys("".join(texts)), 2)},
)
case(
    "vocabulary_in_lower_case", build_vocabulary=lambda texts: s.build_vocabulary(t.strip("ž") for t in texts)
)
case(
    "vocabulary_of_words", build_vocabulary=lambda texts: {w: n for n, w in enumerate(sorted(set(texts)), 2)}
)
case(
    "vocabulary_without_spaces",
    build_vocabulary=lambda texts: s.build_vocabulary(t.replace(" ", "") for t in texts),
)
case("vocabulary_as_a_list", build_vocabulary=lambda texts: sorted(set("".join(texts))))
case(
    "by_frequency",
    build_vocabulary=lambda texts: (
        lambda all_: {c: n for n, c in enumerate(sorted(set(all_), key=lambda c: (-all_.count(c), c)), 2)}
    )("".join(texts)),
)
case("encode_time_first", encode=lambda texts, vocabulary: s.encode(texts, vocabulary).T)
case("encode_int32", encode=lambda texts, vocabulary: s.encode(texts, vocabulary).int())
case(
    "encode_key_error",
    encode=lambda texts, vocabulary: s.encode(
        ["".join(c for c in t if vocabulary[c]) for t in texts], vocabulary
    ),
)
case(
    "encode_drops_unknown",
    encode=lambda texts, vocabulary: s.encode(
        ["".join(c for c in t if c in vocabulary) for t in texts], vocabulary
    ),
)
case(
    "encode_twenty_wide", encode=lambda texts, vocabulary: F.pad(s.encode(texts, vocabulary), (0, 20))[:, :20]
)
case("encode_backwards", encode=lambda texts, vocabulary: s.encode([t[::-1] for t in texts], vocabulary))
case(
    "encode_on_the_left",
    encode=lambda texts, vocabulary: torch.stack(
        [row.roll(int((row == 0).sum())) for row in s.encode(texts, vocabulary)]
    ),
)
case("encode_pads_with_one", encode=lambda texts, vocabulary: s.encode(texts, vocabulary).clamp(min=1))


# ---- the comparison
def comparison(name, **methods):
    def build():
        return comparing(**methods)

    build.__name__ = name
    wrong("E5")(build)


def row_with(**change):
    def row(self, name, size, epochs, seconds, p, n):
        made = Comparison.row(self, name, size, epochs, seconds, p, n)
        return made._replace(**{key: f(made) for key, f in change.items()})

    return row


def judged_on_training(self, model, held, truth):
    return 1.0


def judged_by_loss(self, model, held, truth):
    model.eval()
    with torch.no_grad():
        return F.cross_entropy(model(held), truth).item()


def judged_on_full_batches(self, model, held, truth):
    model.eval()
    count = len(held) // 64 * 64
    with torch.no_grad():
        return (model(held[:count]).argmax(1) == truth[:count]).double().mean().item()


def mean_of_batches(self, model, held, truth):
    model.eval()
    with torch.no_grad():
        parts = zip(held.split(64), truth.split(64), strict=True)
        return float(torch.stack([(model(x).argmax(1) == y).double().mean() for x, y in parts]).mean())


comparison(
    "in_percent",
    row=row_with(accuracy=lambda r: 100 * r.accuracy, low=lambda r: 100 * r.low, high=lambda r: 100 * r.high),
)
comparison(
    "one_standard_error",
    row=row_with(
        low=lambda r: r.accuracy - (r.accuracy - r.low) / 1.96,
        high=lambda r: r.accuracy + (r.high - r.accuracy) / 1.96,
    ),
)
comparison("low_and_high_exchanged", row=row_with(low=lambda r: r.high, high=lambda r: r.low))
comparison("no_interval", row=row_with(low=lambda r: r.accuracy, high=lambda r: r.accuracy))
comparison("frozen_parameters_too", size=lambda self, model: sum(p.numel() for p in model.parameters()))
comparison("number_of_tensors", size=lambda self, model: len(list(model.parameters())))
comparison("epochs_of_the_default", row=row_with(epochs=lambda r: 4))
comparison("always_four_epochs", epochs=lambda self, name, epochs: 4)
comparison("one_epoch_less", epochs=lambda self, name, epochs: max(1, epochs - 1))
comparison("perfect", judge=judged_on_training)
comparison("loss_for_accuracy", judge=judged_by_loss)
comparison("short_batch_left_out", judge=judged_on_full_batches)
comparison("mean_of_batch_means", judge=mean_of_batches)
comparison("first_seed_only", pooled=lambda self, shares: shares[0])
comparison("last_seed_only", pooled=lambda self, shares: shares[-1])
comparison("test_texts_alone", texts=lambda self, train, test: [name.text for name in test])
comparison(
    "baseline_last",
    __call__=lambda self, *args, **how: (lambda rows: [*rows[1:], rows[0]])(
        Comparison.__call__(self, *args, **how)
    ),
)
comparison(
    "sorted_by_accuracy",
    __call__=lambda self, *args, **how: sorted(
        Comparison.__call__(self, *args, **how), key=lambda r: (r.model != "n-grams", r.model), reverse=True
    ),
)
comparison(
    "baseline_by_heart", baseline=lambda self, train, test: [self.row("n-grams", 1, 0, 0.0, 0.799, len(test))]
)
comparison(
    "baseline_on_training_names", baseline=lambda self, train, test: Comparison.baseline(self, train, train)
)
comparison(
    "trains_on_everything",
    __call__=lambda self, models, train, test, **how: Comparison.__call__(
        self, models, [*train, *test], test, **how
    ),
)
comparison(
    "a_size_too_many", begin=lambda self, build, size, seed: (torch.manual_seed(seed), build(size + 1))[1]
)
comparison("one_seed_for_all", begin=lambda self, build, size, seed: (torch.manual_seed(0), build(size))[1])
comparison(
    "dicts",
    __call__=lambda self, *args, **how: [r._asdict() for r in Comparison.__call__(self, *args, **how)],
)
comparison(
    "a_table",
    __call__=lambda self, *args, **how: {r.model: r for r in Comparison.__call__(self, *args, **how)},
)


@wrong("E5")
def one_model_for_all_seeds():
    kept = {}

    def begin(self, build, size, seed):
        if build not in kept:
            torch.manual_seed(seed)
            kept[build] = build(size)
        return kept[build]

    return comparing(begin=begin)


@wrong("E5")
def three_seeds_by_default():
    run = Comparison()

    def compare(models, train, test, *, epochs=4, seeds=(0, 1, 2)):
        return run(models, train, test, epochs=epochs, seeds=seeds)

    return {"compare": compare}


@wrong("E5")
def never_trains():
    run = type("Changed", (Comparison,), {})()

    def compare(models, train, test, *, epochs=4, seeds=(0,)):
        rows = run(models, train, test, epochs=1, seeds=seeds)
        return [row._replace(epochs=epochs) if row.epochs else row for row in rows]

    return {"compare": compare}


def side_by_side(names, share=0.2, seed=0):
    concepts = sorted({name.concept for name in names})
    turned = concepts[seed % len(concepts) :] + concepts[: seed % len(concepts)]
    held = set(turned[: round(share * len(concepts))])
    return [n for n in names if n.concept not in held], [n for n in names if n.concept in held]


def rounded_down(names, share=0.2, seed=0):
    count = len({name.concept for name in names})
    return s.split_by_concept(names, int(share * count) / count, seed)


def by_the_training_names(run):
    def compare(models, train, test, *, epochs=4, seeds=(0,)):
        rows = run(models, train, test, epochs=epochs, seeds=seeds)
        half = [1.96 * (row.accuracy * (1 - row.accuracy) / len(train)) ** 0.5 for row in rows]
        return [r._replace(low=r.accuracy - h, high=r.accuracy + h) for r, h in zip(rows, half, strict=True)]

    return compare


def summed(models, train, test, *, epochs=4, seeds=(0,)):
    rows = s.compare(models, train, test, epochs=epochs, seeds=seeds)
    return [row._replace(seconds=row.seconds * len(seeds)) for row in rows]


case("a_block_of_concepts", split_by_concept=side_by_side)
case("share_rounded_down", split_by_concept=rounded_down)
case("small_letters", build_vocabulary=lambda texts: s.build_vocabulary(text.lower() for text in texts))
case("interval_by_the_training_names", compare=by_the_training_names(s.compare))
case("seconds_summed", compare=summed)


def seeded_by_the_first(models, train, test, *, epochs=4, seeds=(0,)):
    def chained(build):
        draws = itertools.count(1000 * seeds[0])

        def build_next(size):
            torch.manual_seed(next(draws))
            return build(size)

        return build_next

    chains = {name: chained(build) for name, build in models.items()}
    return s.compare(chains, train, test, epochs=epochs, seeds=seeds)


def narrower_with_seeds(models, train, test, *, epochs=4, seeds=(0,)):
    rows = s.compare(models, train, test, epochs=epochs, seeds=seeds)
    halves = [(row.high - row.accuracy) / len(seeds) ** 0.5 for row in rows]
    return [r._replace(low=r.accuracy - h, high=r.accuracy + h) for r, h in zip(rows, halves, strict=True)]


case("seeded_by_the_first", compare=seeded_by_the_first)
case("narrower_with_seeds", compare=narrower_with_seeds)
