"""The known mistakes of E5 that hide in a sound-looking answer: rounding, blocks, one order, wall time."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor, nn

from courseware.check import Trial
from courseware.check.compare import same
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes import parts_of, some_names
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_compare import (
    Factory,
    Spy,
    arranged,
    probe,
    rows_of,
    text_of,
)
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_models import (
    logits_of,
    made,
    words_of,
)


@probe("share-not-rounded")
def rounded(a: Any, t: Trial) -> str | None:
    names = some_names(t)
    for share, expected in ((0.29, 9), (0.24, 7)):
        _, test = parts_of(a, t, names, share=share)
        drawn = len({name.concept for name in test})
        if drawn != expected:
            return (
                f"with share={share}, {drawn} of 30 concepts are in the test, expected "
                f"round({share} · 30) = {expected}"
            )
    return None


@probe("concepts-not-drawn")
def drawn_at_random(a: Any, t: Trial) -> str | None:
    names = some_names(t)
    order = sorted({str(name.concept) for name in names})
    for seed in range(3):
        places = {order.index(str(n.concept)) for n in parts_of(a, t, names, seed=seed)[1]}
        starts = [place for place in places if (place - 1) % len(order) not in places]
        if len(starts) > 1:
            return None
    return (
        "the concepts of the test stand side by side in the alphabet, for every seed: draw them at random, "
        "or the test has kinds of names that the training lacks"
    )


@probe("letters-changed")
def letters(a: Any, t: Trial) -> str | None:
    found = set(a.build_vocabulary(["Aa", "Ž ", "É", "e"]))
    if found != set("AaŽ Ée"):
        return (
            f"the characters of 'Aa', 'Ž ', 'É' and 'e' gave {''.join(sorted(map(str, found)))!r}: each is "
            "taken as it stands, capitals, accents and spaces too"
        )
    found = a.encode(["AÉ", "ae"], {"A": 2, "a": 3, "e": 4, "É": 5}).tolist()
    if found != [[2, 5], [3, 4]]:
        return f"encode of 'AÉ' and 'ae', which are 2, 5 and 3, 4, gave {found}: each character as it stands"
    return None


@probe("relu-missing")
def rectified(a: Any, t: Trial) -> str | None:
    model, tokens = made(a, t, "TextCNN"), words_of(t, 6, 6, 6)
    detectors = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda _, __, out: -out.abs() - 0.1) for m in detectors]
    silent = logits_of(t, model, tokens)
    for hook in hooks:
        hook.remove()
    if hooks and not same(silent[0], silent[1], rtol=1e-5, atol=1e-6):
        return (
            "where every detector answers with a negative number, TextCNN still tells names apart: there is "
            "no ReLU between the convolutions and the last layer"
        )
    return None


@probe("one-order-for-all-seeds")
def orders(a: Any, t: Trial) -> str | None:
    train, test = arranged(t, train=300, test=30)
    spies = Factory()
    rows_of(t, a, {"spy": spies}, train, test, epochs=1, seeds=(5, 6, 7))
    seen = {tuple(text_of(r) for tr, g, rows in spy.seen if tr and g for r in rows) for spy in spies.spies}
    if len(seen) == 1:
        return (
            "the seeds 5, 6 and 7 gave the names in one order: the seed decides the order of the batches too"
        )
    return None


class Idle(Spy):
    """A spy that waits in training without computing."""

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training:
            time.sleep(0.3)
        return super().forward(tokens)


class Judged(Spy):
    """A spy whose first batch in evaluation takes long."""

    def forward(self, tokens: Tensor) -> Tensor:
        end = time.process_time() + (0.0 if self.training else 0.3)
        while time.process_time() < end and all(training for training, *_ in self.seen):
            pass
        return super().forward(tokens)


@probe("seconds-of-training")
def seconds(a: Any, t: Trial) -> str | None:
    train, test = arranged(t, train=20, test=30)
    before = time.process_time()
    row = rows_of(t, a, {"spy": Factory(busy=0.04)}, train, test, epochs=1, seeds=(1, 2, 3, 4))[1]
    if row.seconds > 0.5 * (time.process_time() - before):  # the mean of four is at most a quarter
        return "with four seeds `seconds` is the sum of their times: it is the mean, the time of one training"
    row = rows_of(t, a, {"spy": Idle}, train, test, epochs=1)[1]
    if row.seconds > 0.25:
        return (
            f"`seconds` is {row.seconds:.2f} for a model that mostly sleeps: that is the time on the wall. "
            "CPU time is asked for, `time.process_time()`"
        )
    row = rows_of(t, a, {"spy": Judged}, train, test, epochs=1)[1]
    if row.seconds > 0.2:
        return (
            f"`seconds` is {row.seconds:.2f} for a model that takes its time only in evaluation: stop the "
            "clock after the training"
        )
    return None


@probe("interval-by-the-training-names")
def width(a: Any, t: Trial) -> str | None:
    train, test = arranged(t, train=20, test=300)
    row = rows_of(t, a, {"spy": Factory()}, train, test, epochs=1)[1]
    half = 1.96 * (row.accuracy * (1 - row.accuracy)) ** 0.5
    found = (row.high - row.low) / 2
    if abs(found / half * len(train) ** 0.5 - 1) < 0.05:
        return f"the interval is ± {found:.3f}: n is the number of *test* names, not of training names"
    return None


@probe("interval-narrower-with-seeds")
def width_of_many(a: Any, t: Trial) -> str | None:
    train, test = arranged(t, train=20, test=300)
    one, four = (
        rows_of(t, a, {"spy": Factory()}, train, test, epochs=1, seeds=s)[1] for s in ((1,), (1, 2, 3, 4))
    )
    if four.high - four.low < 0.7 * (one.high - one.low):
        return (
            "four seeds that are right about the same names gave a narrower interval than one: each seed is "
            "asked about the same test names, so n stays their number"
        )
    return None
