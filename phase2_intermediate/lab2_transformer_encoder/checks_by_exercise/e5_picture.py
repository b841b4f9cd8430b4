"""What a learner sees after E5: accuracy against its price, and which languages are taken for which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes_models import MODELS
from shared.data.names import LANGUAGES, names
from shared.evaluation import confusion_matrix
from shared.plotting import heatmap, panels, show

EVERY = 3
"""Every third training name: enough to see the order, in some eight seconds."""
FAMILIES = ("en", "de", "nl", "sv", "fr", "it", "es", "pt", "cs", "pl", "fi", "hu")
"""Germanic, Romance, Slavic, Finno-Ugric."""


class Kept:
    """Builds a model and keeps it, so that it is there once it has been trained."""

    def __init__(self, build: Callable[[int], nn.Module]) -> None:
        self.build = build
        self.model: Any = None

    def __call__(self, vocabulary: int) -> nn.Module:
        self.model = self.build(vocabulary)
        return self.model  # type: ignore[no-any-return]


class Compared(NamedTuple):
    """What `compare` gave for the three models, the models themselves, and whose they are."""

    rows: list[Any]
    models: dict[str, Kept]
    made_by: tuple[Any, ...]


_latest: list[Compared] = []  # at most one: the check trains the models, and the picture shows them


def compared(a: Any, seed: int) -> Compared:
    """The three models on every third training name; remembered until the next comparison."""
    _latest.clear()
    found, kept = names(), {name: Kept(getattr(a, name)) for name in MODELS}
    rows = a.compare(kept, found.train[::EVERY], found.test, epochs=4, seeds=(seed,))
    _latest.append(Compared(rows, kept, _makers(a)))
    return _latest[0]


def _makers(a: Any) -> tuple[Any, ...]:
    return tuple(a.raw(name) for name in (*MODELS, "compare"))


def against_their_price(a: Any) -> None:
    """The comparison that the check has made, if it was made by these very objects; else a new one."""
    known = [latest for latest in _latest if latest.made_by == _makers(a)]
    rows, kept, _ = known[0] if known else compared(a, seed=0)
    train = names().train[::EVERY]
    fig, ax = panels(height=2.8)
    for row in rows:
        ax.errorbar(row.seconds, row.accuracy, yerr=row.high - row.accuracy, fmt="o", capsize=3)
        ax.annotate(row.model, (row.seconds, row.accuracy), (6, 4), textcoords="offset points", fontsize=8)
    ax.set(
        xlabel="CPU seconds of training",
        ylabel="share of test names right",
        xlim=(0, 1.25 * max(row.seconds for row in rows)),
    )
    shown = ", ".join(f"{row.model} {row.accuracy:.3f} in {row.seconds:.1f} s" for row in rows)
    show(
        fig,
        caption=f"Your comparison on {len(train):,} names, 4 epochs, with 95 % intervals over test names: "
        f"{shown}.",
        alt=f"Four points with error bars, accuracy over CPU seconds: {shown}.",
    )
    confusions(a, kept["TextCNN"].model, a.build_vocabulary(name.text for name in train), names().test)


@torch.no_grad()
def confusions(a: Any, model: Any, vocabulary: dict[str, int], test: Any) -> None:
    guesses = model(a.encode([name.text for name in test], vocabulary)).argmax(dim=1)
    table = confusion_matrix(guesses, torch.tensor([name.label for name in test]), classes=12)
    places = [LANGUAGES.index(language) for language in FAMILIES]
    share = table[places][:, places] / table[places].sum(dim=1, keepdim=True)
    fig, ax = panels(height=3.6)
    heatmap(
        ax,
        share,
        rows=FAMILIES,
        cols=FAMILIES,
        fmt=lambda x: f"{x:.2f}".removeprefix("0") if x >= 0.03 else "",
        fontsize=7,
        limits=(0, 1),
    )
    ax.set(xlabel="your TextCNN says", ylabel="language")
    family = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3])
    wrong = share * (1 - torch.eye(12))
    within = float(wrong[family[:, None] == family].sum() / wrong.sum())
    by_chance = (4 * 3 * 2 + 2 * 1 * 2) / (12 * 11)
    show(
        fig,
        caption="Rows are languages, in the order Germanic, Romance, Slavic, Finno-Ugric. "
        f"{within:.0%} of the confusions stay within a family; if errors fell at random, {by_chance:.0%} "
        "would.",
        alt="A table of twelve by twelve shares with a strong diagonal; the largest other entries are near "
        "it.",
    )
