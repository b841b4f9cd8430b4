"""Every model of the catalogue has data to run on, and what is reported of sequences is counted by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shared.data.names import names
from shared.experiment import ExperimentConfig, ExperimentError, Report, load_model, read_report
from shared.experiment.data import Example, ExperimentData, count_windows
from shared.experiment.run import Prepared, prepare, train_and_report
from shared.experiment.sets import DATA, fitting_model, name_parts, open_data
from shared.models import CATALOGUE
from shared.optim import OptimizerConfig, ScheduleConfig

FITTING = [
    (model, data) for data, asks in DATA.items() for model, info in CATALOGUE.items() if asks.fits(info)
]


def small_data(model: str, data: str, **options: Any) -> Prepared:
    """A run on the first 70 examples of each part, so that it takes a moment."""
    prepared = prepare(ExperimentConfig(model=model, data=data, progress=False, **options))
    first = {name: part[:70] for name, part in prepared.data.parts.items()}
    if not isinstance(first["train"], list):
        taken = torch.arange(70)
        first = {name: part.take(taken[: len(part)]) for name, part in prepared.data.parts.items()}  # type: ignore[union-attr]
    return replace(prepared, data=replace(prepared.data, parts=first))  # type: ignore[arg-type]


def test_every_model_has_data() -> None:
    assert {model for model, _ in FITTING} == set(CATALOGUE)


@pytest.mark.parametrize(("model", "data"), FITTING, ids=[f"{model}-{data}" for model, data in FITTING])
def test_every_model_runs_on_the_data_that_fit_it(model: str, data: str, tmp_path: Path) -> None:
    found = train_and_report(small_data(model, data, epochs=1, batch_size=16, out=tmp_path / "run"))
    assert found.parameters == sum(p.numel() for p in load_model(tmp_path / "run").parameters())
    assert all(math.isfinite(i.value) for part in found.metrics.values() for i in part.values())


@pytest.mark.parametrize("data", DATA)
def test_data_are_the_same_every_time(data: str) -> None:
    model = next(model for model, other in FITTING if other == data)
    assert open_data(data, model).fingerprint() == open_data(data, model).fingerprint()


def test_one_changed_token_changes_the_fingerprint() -> None:
    def tiny(token: int) -> ExperimentData:
        part: Sequence[Example] = [
            (torch.tensor([4, token]), torch.tensor(1)),
            (torch.tensor([7]), torch.tensor(0)),
        ]
        return ExperimentData("tiny", {"train": part}, {})

    assert tiny(5).fingerprint() == tiny(5).fingerprint() != tiny(6).fingerprint()


def test_no_concept_is_in_two_parts_of_the_names() -> None:
    parts = name_parts()
    concepts = {part: {name.concept for name in found} for part, found in parts.items()}
    assert not concepts["train"] & concepts["valid"]
    assert not (concepts["train"] | concepts["valid"]) & concepts["test"]
    assert parts["train"] != sorted(parts["valid"])
    assert len(parts["train"]) + len(parts["valid"]) == len(names().train)
    assert 0.05 < len(parts["valid"]) / len(names().train) < 0.15


def test_the_vocabulary_is_of_the_training_names_alone() -> None:
    data = open_data("names", "text_cnn")
    letters = {letter for name in name_parts()["train"] for letter in name.text}
    assert data.settings["vocabulary"] == len(letters) + 4
    assert any(1 in tokens for tokens, _ in data.parts["test"]), "an unknown letter remains unknown"


def test_texts_are_batched_by_similar_length_and_each_comes_once() -> None:
    data = open_data("names", "text_cnn")
    batches = list(data.training(64, seed=0).epoch(0))
    real = sum(int(real.sum()) for _, real, _ in batches)
    padded = sum(tokens.numel() for tokens, _, _ in batches)
    assert sum(len(labels) for *_, labels in batches) == data.sizes["train"]
    assert real / padded > 0.9
    assert 0.7 * 64 < data.sizes["train"] / len(batches) < 1.3 * 64


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_schedule_ends_with_the_last_step(accumulate: int, tmp_path: Path) -> None:
    prepared = small_data(
        "text_cnn", "names", epochs=3, batch_size=8, accumulate=accumulate, log_every=1,
        schedule=ScheduleConfig("warmup_stable_decay", share=1.0), out=tmp_path / "run",
    )  # fmt: skip
    found = train_and_report(prepared)
    steps = count_windows(prepared.data.training(8, 0), 3, accumulate)
    rates = [record["lr"] for record in found.history["steps"]]
    assert len(rates) == found.steps == steps
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)
    assert rates[-2] > 1e-5


def test_a_model_that_does_not_fit_is_told_which_do() -> None:
    with pytest.raises(ExperimentError, match=r"take one of text_cnn, bilstm, transformer_encoder$"):
        open_data("names", "transformer_decoder")


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, nn.Module, ExperimentData]:
    folder = tmp_path_factory.mktemp("dates") / "run"
    prepared = small_data(
        "transformer_seq2seq", "dates", epochs=20, batch_size=16, optimizer=OptimizerConfig(lr=1e-2),
        architecture={"layers": 1, "d_model": 16, "heads": 2}, out=folder,
    )  # fmt: skip
    train_and_report(prepared)
    return read_report(folder / "report.json"), load_model(folder), prepared.data


def test_what_is_reported_of_sequences_is_counted_one_by_one(
    dates: tuple[Report, nn.Module, ExperimentData],
) -> None:
    report, model, data = dates
    for part, examples in data.parts.items():
        losses, hits, exact = [], [], []
        for example in examples:
            source, target = example
            with torch.no_grad():
                chances: Tensor = model(source[None], target[None, :-1])[0].log_softmax(-1)
            losses += [-chances[place, token].item() for place, token in enumerate(target[1:])]
            right = [chances[place].argmax() == token for place, token in enumerate(target[1:])]
            hits += right
            exact.append(all(right))
        found = report.metrics[part]
        assert found["loss"].value == pytest.approx(sum(losses) / len(losses), rel=1e-4)
        assert found["accuracy"].value == pytest.approx(sum(map(int, hits)) / len(hits))
        assert found["exact_match"].value == pytest.approx(sum(exact) / len(exact))
    assert report.metrics["train"]["accuracy"].value > 0.5


@pytest.mark.parametrize(
    ("data", "model"),
    [("names", "transformer_encoder"), ("spelling", "transformer_decoder"), ("dates", "transformer_seq2seq")],
)
def test_transformer_is_the_one_that_fits_the_data(data: str, model: str) -> None:
    assert fitting_model("transformer", data) == model


def test_a_kind_with_several_members_is_not_guessed() -> None:
    assert fitting_model("residual_mlp", "digits") == "residual_mlp"
