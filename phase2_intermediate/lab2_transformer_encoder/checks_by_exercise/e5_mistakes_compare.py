"""The known mistakes of E5's `compare`, found with models that watch how they are treated."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from courseware.check.naming import value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_models import probe
from shared.data.names import Name

PERCENT = "the accuracy is {:.1f}: a share from 0 to 1, not a percentage"
FIELDS = ("model", "parameters", "epochs", "seconds", "accuracy", "low", "high")
Seen = tuple[bool, bool, Tensor]  # training?, gradients?, tokens


class Spy(nn.Module):
    """Says that a name's language is its first token modulo twelve, and remembers every batch."""

    def __init__(self, vocabulary: int, wrong: bool = False, busy: float = 0.0) -> None:
        super().__init__()
        self.vocabulary, self.wrong, self.busy = vocabulary, wrong, busy
        self.offset = nn.Parameter(0.01 * torch.randn(12))
        self.frozen = nn.Parameter(torch.zeros(1000), requires_grad=False)
        self.start = self.offset.detach().clone()
        self.seen: list[Seen] = []

    def forward(self, tokens: Tensor) -> Tensor:
        self.seen.append((self.training, torch.is_grad_enabled(), tokens.clone()))
        end = time.process_time() + self.busy * self.training
        while time.process_time() < end:
            pass
        answer = (tokens[:, 0] + int(self.wrong)) % 12
        return 30.0 * nn.functional.one_hot(answer, 12) + self.offset


class Factory:
    """Builds spies and keeps them; `wrong` says which one errs, `busy` how long a batch takes."""

    def __init__(self, wrong: Callable[[int], bool] = lambda _: False, busy: float = 0.0) -> None:
        self.spies: list[Spy] = []
        self.wrong, self.busy = wrong, busy

    def __repr__(self) -> str:
        return "a model that watches"

    def __call__(self, vocabulary: int, *args: Any, **kwargs: Any) -> Spy:
        self.spies.append(Spy(vocabulary, self.wrong(len(self.spies)), self.busy))
        return self.spies[-1]


class Few(list[Name]):
    """Names that a report shows shortly."""

    def __repr__(self) -> str:
        return f"[{self[0].text!r}, … {len(self)} names]"


LETTERS = "abcdefghijklmnop"


def toys(t: Trial, count: int, extra: str = "") -> list[Name]:
    """Names that differ; six in ten have the label that a spy guesses."""
    found: dict[str, Name] = {}
    while len(found) < count:
        first = t.random.choice(LETTERS)
        text = first + "".join(t.random.choice(LETTERS + extra) for _ in range(t.random.randint(1, 6)))
        label = (LETTERS.index(first) + 2 + (t.random.random() > 0.6)) % 12
        found[text] = Name(text, label, f"toys.{len(found)}")
    return list(found.values())


def arranged(t: Trial, train: int = 90, test: int = 110) -> tuple[list[Name], list[Name]]:
    """The training names have all of `LETTERS`; the test names also two characters more."""
    known = [Name(letter, (LETTERS.index(letter) + 2) % 12, f"toys.{letter}") for letter in LETTERS]
    learned = known + [name for name in toys(t, train) if len(name.text) > 1]
    texts = {name.text for name in learned}
    return Few(learned), Few(name for name in toys(t, test, extra="ßž") if name.text not in texts)


def text_of(tokens: Tensor) -> str:
    return "".join(LETTERS[int(i) - 2] if 2 <= i < 2 + len(LETTERS) else "?" for i in tokens if i != 0)


def rows_of(
    t: Trial, a: Any, models: dict[str, Any], train: list[Name], test: list[Name], **how: Any
) -> list[Any]:
    shown = "".join(f", {key}={value}" for key, value in how.items())
    words = f"compare(models, {len(train)} names, {len(test)} names{shown})"
    t.given(words)
    before = list(train), list(test)
    rows = value_of(t, lambda: a.compare(models, train, test, **how), "compare-fails", words)
    t.that(
        (list(train), list(test)) == before,
        "compare put the caller's names in another order: `names.sort()` changes a list, `sorted` makes one",
        diagnosis="changes-its-input",
    )
    t.that(
        isinstance(rows, list | tuple) and all(hasattr(row, field) for row in rows for field in FIELDS),
        "compare returns a list of `Row`s",
        diagnosis="not-rows",
    )
    names = [row.model for row in rows]
    t.that(
        "n-grams" in names,
        f"the rows are {names}: the baseline, 'n-grams', is missing. What would one try first?",
        diagnosis="baseline-missing",
    )
    t.that(
        names == ["n-grams", *models],
        f"the rows are {names}, expected {['n-grams', *models]}: the baseline first, then one row a model",
        diagnosis="other-rows",
    )
    return list(rows)


def bayes(train: list[Name], test: list[Name]) -> float:
    """The given baseline once more, with dicts: its share of right answers."""
    counts: list[Counter[str]] = [Counter() for _ in range(12)]

    def grams(text: str) -> list[str]:
        return [f"^{text}$"[i : i + n] for n in range(1, 5) for i in range(len(text) + 3 - n)]

    for name in train:
        counts[name.label].update(grams(name.text))
    known = set().union(*counts)
    totals = [sum(c.values()) + 0.1 * len(known) for c in counts]
    labels = Counter(name.label for name in train)
    right = 0
    for name in test:
        scores = [
            (math.log(labels[k] / len(train)) if labels[k] else -math.inf)
            + sum(math.log((counts[k][g] + 0.1) / totals[k]) for g in grams(name.text) if g in known)
            for k in range(12)
        ]
        right += scores.index(max(scores)) == name.label
    return right / len(test)


@probe("the-comparison")
def comparison(a: Any, t: Trial) -> None:
    train, test = arranged(t)
    one, two = Factory(), Factory()
    rows = rows_of(t, a, {"one": one, "two": two}, train, test, epochs=3)
    t.that(rows[0].accuracy <= 1, PERCENT.format(rows[0].accuracy), diagnosis="accuracy-in-percent")
    t.that(
        abs(rows[0].accuracy - bayes(train, test)) < 0.015,
        f"the baseline's accuracy is {rows[0].accuracy:.3f}, expected {bayes(train, test):.3f}: the mean of "
        "what `ngram_baseline(train, test)` says",
        diagnosis="baseline-differs",
    )
    t.that(
        rows[0].epochs == 0,
        f"the baseline's epochs are {rows[0].epochs}, expected 0",
        diagnosis="epochs-in-the-row",
    )
    for name, factory in (("one", one), ("two", two)):
        t.that(
            len(factory.spies) == 1,
            f"model {name!r} was built {len(factory.spies)} times for one seed",
            diagnosis="built-more-than-once",
        )
    known, everything = len(LETTERS) + 2, len(LETTERS) + 4
    t.that(
        one.spies[0].vocabulary != everything,
        "the vocabulary knows characters that only test names have: build it from the *training* texts. In "
        "use there will "
        "be unknown characters, and a test must show what they do",
        diagnosis="vocabulary-from-the-test",
    )
    t.that(
        one.spies[0].vocabulary == known,
        f"the models were built for {one.spies[0].vocabulary} token ids, expected {known}: {len(LETTERS)} "
        "characters, padding and the unknown",
        diagnosis="size-of-the-vocabulary",
    )
    for name, spy in (("one", one.spies[0]), ("two", two.spies[0])):
        treatment(t, name, spy, train, test, epochs=3)
    correctness(t, rows[1], one.spies[0], test, epochs=3)


def treatment(t: Trial, name: str, spy: Spy, train: list[Name], test: list[Name], *, epochs: int) -> None:
    """What a model saw in training and in evaluation."""
    learned, held = {n.text for n in train}, {n.text for n in test}
    masked = {"".join(c if c in LETTERS else "?" for c in text): text for text in held}
    lessons = Counter(text_of(row) for training, grad, rows in spy.seen if training and grad for row in rows)
    asked = Counter(
        text_of(row) for training, grad, rows in spy.seen if not (training and grad) for row in rows
    )
    loud = [rows for training, grad, rows in spy.seen if training and not grad]
    leaked = [text for text in lessons if text in masked and text not in learned]
    t.that(
        not loud,
        f"model {name!r} was judged in training mode: call `model.eval()` before",
        diagnosis="judged-in-training-mode",
    )
    t.that(
        not leaked or not any(lessons[text] for text in learned),
        f"model {name!r} saw test names in training ({leaked[0] if leaked else ''}): it is trained on the "
        "training names alone, and judged in evaluation mode without gradients",
        diagnosis="test-names-in-training",
    )
    t.that(bool(lessons), f"model {name!r} was never trained", diagnosis="never-trained")
    counts = Counter(lessons[text] for text in learned)
    usual = counts.most_common(1)[0][0]
    t.that(
        set(counts) == {usual},
        f"in training some names were seen {min(counts)} times and others {max(counts)} times: every name "
        "once an epoch, those of a short last batch too",
        diagnosis="not-every-name-once-an-epoch",
    )
    t.that(
        usual == epochs,
        f"with epochs={epochs} model {name!r} saw every training name {usual} times: the same `epochs` for "
        "each, or the comparison is none",
        diagnosis="other-number-of-epochs",
    )
    missed = [text for text in masked if not asked[text]]
    t.that(
        not missed,
        f"model {name!r} was not asked about {len(missed)} of {len(held)} test names",
        diagnosis="not-all-test-names",
    )


def correctness(t: Trial, row: Any, spy: Spy, test: list[Name], *, epochs: int) -> None:
    """The numbers of a spy's row, against what they must be."""
    truth = [(LETTERS.index(n.text[0]) + 2) % 12 == n.label for n in test]
    p = sum(truth) / len(test)
    t.that(abs(row.accuracy - 100 * p) > 0.01, PERCENT.format(row.accuracy), diagnosis="accuracy-in-percent")
    t.that(
        abs(row.accuracy - p) < 1e-6,
        f"a model that gets {p:.4f} of the test names right has the accuracy {row.accuracy:.4f}: the share "
        "of the *test* names, each counting the same, also those of a short last batch",
        diagnosis="accuracy-differs",
    )
    half = 1.96 * math.sqrt(p * (1 - p) / len(test))
    t.that(
        row.low < row.accuracy < row.high,
        f"the interval is {row.low:.3f} to {row.high:.3f} around {row.accuracy:.3f}: `low` is below, `high` "
        "above",
        diagnosis="interval-differs",
    )
    width = (row.high - row.low) / 2
    t.that(
        0.75 < width / half < 1.3,
        f"the interval is ± {width:.4f}, expected about ± {half:.4f}: 1.96 · √(p (1 − p) / n), n the number "
        "of test names",
        diagnosis="interval-differs",
    )
    trained = spy.offset.numel()
    t.that(
        row.parameters == trained,
        f"`parameters` is {row.parameters}: the model has {trained} numbers that are trained, and "
        f"{spy.frozen.numel()} "
        "that are not",
        diagnosis="parameters-differ",
    )
    t.that(
        row.epochs == epochs, f"`epochs` is {row.epochs}, trained for {epochs}", diagnosis="epochs-in-the-row"
    )
    t.that(
        isinstance(row.seconds, int | float) and 0 <= row.seconds < 60,
        f"`seconds` is {row.seconds!r}: the CPU seconds of training, without which nobody can judge the "
        "accuracy (`time.process_time()` before and after)",
        diagnosis="time-not-reported",
    )


@probe("the-seeds")
def seeds(a: Any, t: Trial) -> None:
    train, test = arranged(t, train=40, test=60)
    spies = Factory(wrong=lambda number: number > 0)
    row = rows_of(t, a, {"spy": spies}, train, test, epochs=1, seeds=(5, 6, 7))[1]
    t.that(
        len(spies.spies) == 3,
        f"for three seeds the model was built {len(spies.spies)} times: anew for each seed",
        diagnosis="not-built-for-each-seed",
    )
    shares = [
        sum((LETTERS.index(n.text[0]) + 2 + shift) % 12 == n.label for n in test) / len(test)
        for shift in (0, 1, 1)
    ]
    mean = sum(shares) / 3
    for value, words in ((shares[0], "that of the first or best seed"), (shares[1], "that of the last seed")):
        t.that(
            abs(row.accuracy - value) > 1e-6 or abs(value - mean) < 1e-6,
            f"with three seeds the accuracy is {words}: it is the mean over all, or luck decides",
            diagnosis="not-the-mean-over-seeds",
        )
    t.that(
        abs(row.accuracy - mean) < 1e-6,
        f"with three seeds that give {', '.join(f'{s:.3f}' for s in shares)} the accuracy is "
        f"{row.accuracy:.3f}, expected "
        f"the mean {mean:.3f}",
        diagnosis="not-the-mean-over-seeds",
    )
    starts = [spy.start for spy in spies.spies]
    t.that(
        not torch.equal(starts[0], starts[1]),
        "seeds 5 and 6 gave the same initial weights: the seed must reach the model's constructor",
        diagnosis="seed-does-not-decide-the-weights",
    )
    torch.manual_seed(99)
    again = Factory()
    rows_of(t, a, {"spy": again}, train, test, epochs=1, seeds=(6,))
    t.that(
        torch.equal(again.spies[0].start, starts[1]),
        "seed 6 gave one model behind seed 5 and another one alone: draw the initial weights from the seed, "
        "`torch.manual_seed(seed)` right before each model is built",
        diagnosis="seed-does-not-decide-the-weights",
    )
    first, second = ([text_of(r) for tr, g, rows in spy.seen if tr and g for r in rows]
                     for spy in (spies.spies[1], again.spies[0]))  # fmt: skip
    t.that(
        first == second,
        "two calls with seed 6 gave the names in another order: the order of the batches comes from the "
        "seed too",
        diagnosis="seed-does-not-decide-the-order",
    )


@probe("default-epochs")
def defaults(a: Any, t: Trial) -> str | None:
    train, test = arranged(t, train=20, test=30)
    spies = Factory(busy=0.03)
    row = rows_of(t, a, {"spy": spies}, train, test)[1]
    lessons = Counter(text_of(r) for tr, g, rows in spies.spies[0].seen if tr and g for r in rows)
    if len(spies.spies) != 1:
        return f"without `seeds` the model was built {len(spies.spies)} times: the default is one seed, (0,)"
    if row.epochs != 4 or lessons[train[0].text] != 4:
        return f"without `epochs` every name was seen {lessons[train[0].text]} times: the default is 4"
    t.that(
        row.seconds > 0.04,
        f"`seconds` is {row.seconds:.3g} for a training that took 0.12 CPU seconds: without them nobody can "
        "judge the accuracy (`time.process_time()` before and after)",
        diagnosis="time-not-reported",
    )
    return None
