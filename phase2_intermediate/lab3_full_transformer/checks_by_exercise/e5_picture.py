"""What a learner sees after E5: where the trained model looks, one date in six languages."""

from __future__ import annotations

import datetime
from typing import Any

import torch
from babel.dates import format_date

from shared.data.dates import LANGUAGES, DatePair, date_pairs
from shared.data.vocabulary import START
from shared.plotting import heatmap, panels, show

DAY = datetime.date(2006, 4, 30)

of_the_check: list[tuple[list[DatePair], Any]] = []
"""The pairs and the model with which the check passed: training it once more would take ten seconds."""


def alignment(a: Any) -> None:
    training, model = of_the_check[-1]
    test = a.unseen_pairs(date_pairs(2_000, seed=1), training)
    report = a.evaluate(model, test[:400])
    best = a.evaluate(model, test[:40], "beam")["outputs"] == report["outputs"][:40]
    fig, axes = panels(3, 2, height=8.0)
    for ax, language in zip(axes.flat, LANGUAGES, strict=True):
        text = format_date(DAY, "long", locale=language)
        output, weights = where(model, text)
        heatmap(ax, weights, rows=output, cols=list(text), fmt=lambda _: "", limits=(0, 1))
        ax.set_title(f"{language}: {''.join(output)}")
        ax.tick_params(labelsize=7)
    shares = ", ".join(f"{name} {value:.2f}" for name, value in report["by_language"].items())
    show(
        fig,
        caption="Cross-attention of your model, the mean over its heads: each row is a character that it "
        "is about to "
        f"write, bright where it looks. Of 400 unseen dates {report['exact']:.3f} are exactly right "
        f"({shares}); beam "
        f"and greedy search {'agree' if best else 'differ'} on the first forty.",
        alt="Six heat maps, one a language. The rows of the year look at the four digits of the year, "
        "wherever they "
        "stand, those of the month at the month's name, those of the day at the day.",
    )


def where(model: Any, text: str) -> tuple[list[str], torch.Tensor]:
    """The characters that are written for a text, and for each the attention to the text's."""
    src = model.source_vocabulary.encode(text)[None]
    real = torch.ones_like(src, dtype=torch.bool)
    seen: list[torch.Tensor] = []
    layer = model.layers[-1]
    hook = layer.cross.query.register_forward_hook(lambda module, given, out: seen.append(out))
    tokens = torch.full((1, 1), START)
    with torch.no_grad():
        memory = model.encode(src, real)
        for _ in range(10):
            tokens = torch.cat(
                (tokens, model.decode(memory, real, tokens)[:, -1].argmax(-1, keepdim=True)), 1
            )
        keys, _ = layer.cross.project(memory)  # 1 H S D_h
        queries = seen[-1].unflatten(-1, (layer.cross.heads, -1)).transpose(1, 2)  # 1 H T D_h
    hook.remove()
    weights = (queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5).softmax(-1)
    return [model.target_vocabulary.decode([x]) for x in tokens[0, 1:].tolist()], weights[0].mean(0)
