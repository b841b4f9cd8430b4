"""A run leaves a report that is true, and from which it can be made again to the bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss
from torch import nn

from shared.data import Examples
from shared.experiment import (
    ExperimentConfig,
    ExperimentError,
    Report,
    load_model,
    read_report,
    repeat,
    run,
    weights_digest,
)
from shared.experiment.sets import open_data
from shared.optim import OptimizerConfig, ScheduleConfig
from shared.tracking import read_metrics
from shared.train import StoppingConfig

SMALL: dict[str, Any] = {
    "model": "residual_mlp_small",
    "data": "digits",
    "architecture": {"width": 16, "dropout": 0.1},
    "epochs": 3,
    "accumulate": 2,
    "log_every": 4,
    "optimizer": OptimizerConfig("adamw", lr=1e-2),
    "schedule": ScheduleConfig("one_cycle"),
}


def small(folder: Path, **changes: Any) -> ExperimentConfig:
    return ExperimentConfig(**{**SMALL, "out": folder, "progress": False, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "first"


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return run(small(folder))


def test_what_is_written_reads_back_equal(folder: Path, report: Report) -> None:
    assert read_report(folder / "report.json") == report


def test_the_numbers_are_those_that_scikit_learn_finds(folder: Path, report: Report) -> None:
    model = load_model(folder)
    for part, examples in open_data("digits", "residual_mlp_small").parts.items():
        assert isinstance(examples, Examples)
        y = examples.targets
        with torch.no_grad():
            probabilities = model(examples.inputs).double().softmax(1)
        found = {name: interval.value for name, interval in report.metrics[part].items()}
        assert found["loss"] == pytest.approx(log_loss(y, probabilities), rel=1e-5)
        assert found["accuracy"] == pytest.approx(accuracy_score(y, probabilities.argmax(1)))
        assert found["macro_f1"] == pytest.approx(f1_score(y, probabilities.argmax(1), average="macro"))
        assert all(i.low < i.value < i.high for i in report.metrics[part].values())
    assert report.metrics["valid"]["accuracy"].value > 0.6, "it has learned something"


def test_the_report_holds_what_decided_the_run(report: Report) -> None:
    assert report.config["architecture"] == {
        "inputs": 64, "classes": 10, "width": 16, "blocks": 2, "dropout": 0.1
    }  # fmt: skip
    assert report.config["seed"] == 0
    assert report.environment["torch"] == torch.__version__
    assert report.data["sizes"] == {"train": 1293, "valid": 144, "test": 360}
    assert report.parameters == 64 * 16 + 16 + 2 * (2 * (16 * 16 + 16) + 32) + 32 + 16 * 10 + 10
    assert report.steps == 3 * 11  # 21 batches, two a step
    assert not {"out", "resume", "progress", "tracker"} & report.config.keys()


def test_the_same_run_ends_in_the_same_bits(folder: Path, report: Report, tmp_path: Path) -> None:
    again = repeat(folder / "report.json", out=tmp_path / "again", progress=False)
    assert again.same
    assert again.second.metrics == report.metrics
    assert again.second.history == report.history
    assert weights_digest(load_model(tmp_path / "again").state_dict()) == report.weights


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"batch_size": 63}, {"optimizer": OptimizerConfig("adamw", lr=1.0001e-2)}]
)
def test_another_run_does_not(report: Report, tmp_path: Path, change: dict[str, Any]) -> None:
    assert run(small(tmp_path / "other", **change)).weights != report.weights


def test_a_repeated_run_that_ends_elsewhere_says_what_changed(folder: Path, tmp_path: Path) -> None:
    changed = json.loads((folder / "report.json").read_text())
    changed |= {"weights": "0" * 64, "environment": {**changed["environment"], "torch": "1.0"}}
    (tmp_path / "report.json").write_text(json.dumps(changed))
    again = repeat(tmp_path / "report.json", out=tmp_path / "again", progress=False)
    assert not again.same
    assert f"torch was 1.0 and is {torch.__version__}" in again.verdict()


def test_other_data_under_the_same_name_are_refused(folder: Path, tmp_path: Path) -> None:
    changed = json.loads((folder / "report.json").read_text())
    changed["data"]["fingerprint"] = "0" * 64
    (tmp_path / "report.json").write_text(json.dumps(changed))
    with pytest.raises(ExperimentError, match="digits is not what it was"):
        repeat(tmp_path / "report.json", out=tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_the_tracker_has_the_history(folder: Path, report: Report) -> None:
    rows = read_metrics(folder / "record")
    valid = [row["valid_accuracy"] for row in rows if "valid_accuracy" in row]
    assert valid == [record["accuracy"] for record in report.history["evaluations"]]
    train = [(row["step"], row["train_loss"]) for row in rows if "train_loss" in row]
    assert train == [(record["step"], record["loss"]) for record in report.history["steps"]]
    summary = json.loads((folder / "record" / "summary.json").read_text())
    assert summary["weights"] == report.weights


def test_the_page_shows_every_number_and_describes_its_picture(folder: Path, report: Report) -> None:
    page = (folder / "report.md").read_text()
    for found in report.metrics.values():
        assert all(str(interval) in page for interval in found.values())
    assert report.weights in page
    assert "| `architecture.width` | `16` |" in page
    assert "the validation accuracy from" in page.partition("![")[2].partition("](curves.png)")[0]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_weights_that_are_not_the_reports_are_refused(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    nn.utils.vector_to_parameters(
        torch.nextafter(nn.utils.parameters_to_vector(model.parameters()), torch.tensor(9.0)),
        model.parameters(),
    )
    (tmp_path / "report.json").write_text((folder / "report.json").read_text())
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ExperimentError, match=r"weights\.pt is not what report\.json describes"):
        load_model(tmp_path)


def test_early_stopping_leaves_the_best_weights_in_the_report(tmp_path: Path) -> None:
    patient = StoppingConfig(metric="accuracy", mode="max", patience=2)
    wild = OptimizerConfig("sgd", lr=0.5)
    found = run(small(tmp_path / "x", epochs=30, stopping=patient, optimizer=wild))
    evaluations = found.history["evaluations"]
    best = max(record["accuracy"] for record in evaluations)
    assert found.epochs < 30
    assert evaluations[-1]["accuracy"] < best
    assert found.metrics["valid"]["accuracy"].value == pytest.approx(best)


def test_a_plateau_hears_the_evaluations(tmp_path: Path) -> None:
    plateau = ScheduleConfig("plateau", mode="max", patience=0, factor=0.5)  # a loss that falls is no better
    found = run(small(tmp_path / "x", schedule=plateau, epochs=4, log_every=11))
    assert [record["lr"] for record in found.history["steps"]] == [1e-2, 1e-2, 5e-3, 2.5e-3]


def test_a_smoothed_run_is_measured_without_smoothing(tmp_path: Path) -> None:
    found = run(small(tmp_path / "x", smoothing=0.5))
    smoothed = torch.tensor([0.55] + [0.05] * 9)
    least = float(-(smoothed * smoothed.log()).sum())  # no smoothed loss is below the targets' entropy
    last = found.history["evaluations"][-1]["loss"]
    assert found.metrics["valid"]["loss"].value == pytest.approx(last, rel=1e-5)
    assert last < least < found.history["steps"][-1]["loss"]


def test_a_run_of_no_epoch_reports_the_fresh_model(tmp_path: Path) -> None:
    found = run(small(tmp_path / "x", epochs=0))
    assert (found.steps, found.best_step) == (0, None)
    assert 0.0 <= found.metrics["valid"]["accuracy"].value < 0.4


def test_torch_is_afterwards_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    run(small(tmp_path / "x", epochs=0, threads=before + 1, deterministic=True))
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_equal_weights_and_only_those_have_equal_digests() -> None:
    state = {"a": torch.tensor([1.0, 2.0]), "b": torch.zeros(0), "n": torch.tensor(3)}
    same = {"n": torch.tensor(3), "b": torch.zeros(0), "a": torch.tensor([[1.0], [2.0]]).view(2)}
    others = [
        {**state, "a": torch.tensor([1.0, 2.0000002])},
        {**state, "a": torch.tensor([1.0, 2.0]).double()},
        {**state, "a": torch.tensor([[1.0, 2.0]])},
        {**state, "b": torch.zeros(0, 1)},
        {"A": state["a"], "b": state["b"], "n": state["n"]},
    ]
    assert weights_digest(state) == weights_digest(same)
    assert len({weights_digest(each) for each in [state, *others]}) == len(others) + 1


def test_a_configuration_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = small(tmp_path / "x")
    with pytest.raises(ExperimentError, match="heads"):
        run(replace(config, model="cnn", architecture={"heads": 2}))
    assert not (tmp_path / "x").exists()
