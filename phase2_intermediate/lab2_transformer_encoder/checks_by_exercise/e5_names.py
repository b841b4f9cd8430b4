"""E5: which language is this name? What must hold; the known mistakes stand in the `e5_mistakes…` files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.naming import family
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes import parts_of, some_names
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_compare import (
    Factory,
    arranged,
    correctness,
    rows_of,
    treatment,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_fair import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_models import (
    CLOSE,
    MODELS,
    logits_of,
    made,
    words_of,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_picture import (
    against_their_price,
    compared,
)
from shared.data.names import names

ASKED = {"TextCNN": 0.62, "BiLSTM": 0.53, "CharTransformer": 0.47}
"""Of the test names, after 4 epochs on every third training name."""
CHANCE = 0.2  # the largest class has 0.11

e5 = Exercise(
    "E5",
    takes={
        "split_by_concept": tuple,
        "build_vocabulary": dict,
        "encode": Tensor,
        "TextCNN": None,
        "BiLSTM": None,
        "CharTransformer": None,
        "compare": list,
    },
    hints=(
        "Baseline first: what does `ngram_baseline` get? Then the smallest model that runs through "
        "`compare`, then the "
        "others. In every model ask: what does it do with a padded place?",
        "Split: shuffle the sorted concepts, names follow. TextCNN: convolution, ReLU, maximum over real "
        "places. BiLSTM: "
        "pack, read, maximum. Transformer: embedding + sinusoids, layers with the mask, norm, masked mean.",
        "`order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))`; `F.relu(conv(F.pad(x, "
        "(0, window - "
        "1))))`; `pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)`; "
        "`torch.manual_seed(seed); "
        "model = build(len(vocabulary) + 2); fit(model, tokens, labels, epochs=epochs, seed=seed); "
        "model.eval()`.",
    ),
)
probe.add_to(e5)


@e5.property("split, vocabulary and tokens", points=5)
def data(a: Any, t: Trial) -> None:
    for share, seed in ((0.2, 0), (0.1, 1), (0.5, 2)):
        found = some_names(t, concepts=40)
        train, test = parts_of(a, t, found, share=share, seed=seed)
        concepts = {name.concept for name in test}
        t.that(not concepts & {name.concept for name in train}, "a concept is on both sides")
        t.that(
            abs(len(concepts) - 40 * share) <= 1, f"share={share}: {len(concepts)} of 40 concepts in the test"
        )
        t.that(sorted([*train, *test]) == sorted(found), "names were lost or doubled")
    texts = [name.text for name in names().train[:300]]
    vocabulary = a.build_vocabulary(texts)
    expected = {c: n for n, c in enumerate(sorted({c for text in texts for c in text}), 2)}
    t.equal(vocabulary, expected, where="the vocabulary")
    tokens = a.encode(texts, vocabulary)
    longest = max(map(len, texts))
    rows = [[expected[c] for c in text] + [0] * (longest - len(text)) for text in texts]
    t.equal(tokens, torch.tensor(rows), where="the tokens")


@e5.property("letters alone decide, in all three models", points=5)
def models(a: Any, t: Trial) -> None:
    for name in MODELS:
        for lengths in ((1,), (3, 3), (9, 4, 1), (2, 12)):
            model, tokens = made(a, t, name), words_of(t, *lengths)
            with family("names-influence-each-other", f"{name}, names of the lengths {lengths}"):
                together = logits_of(t, model, tokens)
                for number, length in enumerate(lengths):
                    alone = logits_of(t, model, tokens[number : number + 1, :length])
                    t.equal(alone[0], together[number], "a name alone and in a padded batch", **CLOSE)


@e5.property("a fair comparison, with its baseline", points=5)
def fair(a: Any, t: Trial) -> None:
    train, test = arranged(t, train=70, test=90)
    spies = {"a": Factory(), "b": Factory()}
    rows = rows_of(t, a, spies, train, test, epochs=2, seeds=(3, 4))
    for row, (name, factory) in zip(rows[1:], spies.items(), strict=True):
        for spy in factory.spies:
            treatment(t, name, spy, train, test, epochs=2)
        t.equal(
            float(row.accuracy),
            sum(n.label == (ord(n.text[0]) - 95) % 12 for n in test) / len(test),
            "the accuracy",
            rtol=1e-5,
        )
        t.that(row.epochs == 2 and row.low < row.accuracy < row.high, f"the row of {name!r} is {row}")
    correctness(
        t, a.compare({"c": (own := Factory())}, train, test, epochs=1)[1], own.spies[0], test, epochs=1
    )


@e5.property("what the three reach on every third name", points=8)
def reaches_the_metric(a: Any, t: Trial) -> None:
    a.split_by_concept(some_names(t))  # what is not written yet shows here, before anything is trained
    a.encode(["a"], a.build_vocabulary(["a"]))
    for name in MODELS:
        getattr(a, name)(10)
    seed = t.seed % 1000
    t.given(f"compare(the three models, every third training name, all test names, seeds=({seed},))")
    by_name = {row.model: row for row in compared(a, seed).rows}
    baseline = f"the n-grams get {by_name['n-grams'].accuracy:.3f}"
    for name, asked in ASKED.items():
        with family("accuracy-too-low", f"{name}, trained for 4 epochs"):
            t.reaches(by_name[name].accuracy, asked, f"of the test names are right, {name}", more=baseline)


@e5.property("labels in random order teach nothing", points=2)
def permuted_labels(a: Any, t: Trial) -> None:
    found = names()
    some = found.train[::12]
    order = torch.randperm(len(some), generator=t.generator).tolist()
    shuffled = [name._replace(label=some[place].label) for name, place in zip(some, order, strict=True)]
    t.given("compare(TextCNN, 700 names with shuffled labels, 400 test names)")
    for row in a.compare({"TextCNN": a.TextCNN}, shuffled, found.test[::5], epochs=2):
        t.that(
            row.accuracy <= CHANCE,
            f"{row.model}: {row.accuracy:.2f} of the test names are right, far above chance: the true "
            "labels come by "
            "another way than `label`",
        )


e5.reward(against_their_price)
