"""Which language is this name? Four models on the same names, with the same recipe.

    python -m benchmarks.text_models

A Transformer, a bidirectional LSTM and a text CNN, of about equally many parameters, each trained three
times by one recipe that was fixed beforehand and tuned for none of them, and what one would try first:
letter n-grams with logistic regression. It claims nothing; it prints a table to learn from.
"""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from shared.evaluation import mean_over_seeds
from shared.experiment import ExperimentConfig
from shared.experiment.data import Part
from shared.experiment.run import prepare, train_and_report
from shared.experiment.sets import name_parts
from shared.optim import OptimizerConfig, ScheduleConfig

SEEDS = (0, 1, 2)
PARTS = ("train", "valid", "test")
MODELS: dict[str, dict[str, Any]] = {
    "text_cnn": {"filters": 112},
    "bilstm": {"hidden": 64},
    "transformer_encoder": {"layers": 2, "hidden": 128},
}
RECIPE = ExperimentConfig(
    data="names",
    epochs=8,
    batch_size=64,
    optimizer=OptimizerConfig("adamw", lr=3e-3),
    schedule=ScheduleConfig("one_cycle"),
    progress=False,
)


@dataclass(frozen=True)
class Row:
    """One model: a number for each seed."""

    model: str
    parameters: int
    cpu_seconds: list[float]
    accuracy: dict[str, list[float]]
    loss: dict[str, list[float]]


def neural(name: str, seeds: Sequence[int], *, epochs: int, every: int = 1) -> Row:
    """Train it once for each seed, on every so-manieth example."""
    reports = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            config = replace(
                RECIPE,
                model=name,
                architecture=MODELS[name],
                seed=seed,
                epochs=epochs,
                out=Path(folder),
            )
            run = prepare(config)
            thinned: dict[str, Part] = {
                part: [whole[index] for index in range(0, len(whole), every)]
                for part, whole in run.data.parts.items()
            }
            reports.append(train_and_report(replace(run, data=replace(run.data, parts=thinned))))

    def of(metric: str) -> dict[str, list[float]]:
        return {part: [report.metrics[part][metric].value for report in reports] for part in PARTS}

    seconds = [report.cpu_seconds for report in reports]
    return Row(name, reports[0].parameters, seconds, of("accuracy"), of("loss"))


def ngrams(*, every: int = 1) -> Row:
    """Tf-idf of one to four letters, and logistic regression: no seed in it."""
    parts = {part: found[::every] for part, found in name_parts().items()}
    text = {part: [name.text for name in found] for part, found in parts.items()}
    label = {part: [name.label for name in found] for part, found in parts.items()}
    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4)), LogisticRegression(max_iter=1000)
    )
    started = time.process_time()
    model.fit(text["train"], label["train"])
    seconds = time.process_time() - started
    classifier = model[-1]
    accuracy = {part: [float(model.score(text[part], label[part]))] for part in PARTS}
    loss = {
        part: [float(log_loss(label[part], model.predict_proba(text[part]), labels=classifier.classes_))]
        for part in PARTS
    }
    return Row("n-grams + logistic regression", classifier.coef_.size, [seconds], accuracy, loss)


def table(rows: Sequence[Row]) -> str:
    """Markdown: means over the seeds, with 95 % intervals by Student's t where there are several."""
    head = [
        "model",
        "parameters",
        "CPU s",
        *(f"{part} accuracy" for part in PARTS),
        *(f"{part} loss" for part in PARTS),
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        numbers = [row.cpu_seconds, *row.accuracy.values(), *row.loss.values()]
        cells = [_over_seeds(each, digits=1 if each is row.cpu_seconds else 3) for each in numbers]
        lines.append([row.model, f"{row.parameters:,}", *cells])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _over_seeds(values: Sequence[float], digits: int) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    interval = mean_over_seeds(values)
    return f"{interval.value:.{digits}f} ± {interval.high - interval.value:.{digits}f}"


def setting(sizes: Mapping[str, int]) -> str:
    """When, on what and how."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "scikit-learn", "babel"))
    counted = ", ".join(f"{count:,} {part}" for part, count in sizes.items())
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {packages}; one thread. Names: {counted}, no "
        f"concept in two parts. Recipe of the three networks: {RECIPE.epochs} epochs, batches of about "
        f"{RECIPE.batch_size} names of similar length, AdamW with {RECIPE.optimizer.lr:g} at the peak of one "
        f"cycle, clipped at {RECIPE.clip_norm:g}; {len(SEEDS)} seeds, mean ± half a 95 % interval by "
        "Student's t. The n-grams: one to four letters, scikit-learn's defaults."
    )


def main() -> int:
    """Train all, print the table."""
    rows = [ngrams(), *(neural(name, SEEDS, epochs=RECIPE.epochs) for name in MODELS)]
    print(setting({part: len(found) for part, found in name_parts().items()}), end="\n\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
