"""Every tracker, read back through the tool that people would read it with."""

from __future__ import annotations

import builtins
import json
import math
from pathlib import Path

import pytest
import torch

from shared.tracking import TRACKERS, JsonlTracker, TrackingError, open_tracker, read_metrics

CONFIG = {"optimizer": {"name": "adamw", "lr": 1e-3}, "epochs": 2}


def run(name: str, folder: Path) -> None:
    with open_tracker(name, folder, CONFIG) as tracker:
        tracker.log(1, loss=0.5, accuracy=0.25)
        tracker.log(2, loss=torch.tensor(0.25))
        tracker.summary(best=0.25, note="done")


def test_jsonl_gives_back_what_was_logged(tmp_path):
    run("jsonl", tmp_path)
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 0.5, "accuracy": 0.25}, {"step": 2, "loss": 0.25}]
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG
    assert json.loads((tmp_path / "summary.json").read_text()) == {"best": 0.25, "note": "done"}


def test_jsonl_keeps_nan_and_infinity_readable_for_strict_parsers(tmp_path):
    with JsonlTracker(tmp_path) as tracker:
        tracker.log(1, loss=math.nan, norm=math.inf)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    row = read_metrics(tmp_path)[0]
    assert math.isnan(row["loss"])
    assert row["norm"] == math.inf


def test_jsonl_survives_a_torn_last_line_and_continues(tmp_path):
    run("jsonl", tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    with JsonlTracker(tmp_path, resume_at=3) as tracker:
        tracker.log(3, loss=0.1)
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2, 3]


def test_a_run_resumed_from_an_older_step_records_no_step_twice(tmp_path):
    run("jsonl", tmp_path)
    with JsonlTracker(tmp_path, resume_at=2) as tracker:
        tracker.log(2, loss=9.0)
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path)] == [(1, 0.5), (2, 9.0)]


def test_tensorboard_reads_the_scalars_back(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run("tensorboard", tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]


def test_mlflow_reads_the_run_back(tmp_path):
    tracking = pytest.importorskip("mlflow.tracking")
    run("mlflow", tmp_path)
    client = tracking.MlflowClient(tracking_uri=tmp_path.resolve().as_uri())
    experiment = client.get_experiment_by_name("course")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.params["optimizer.name"] == "adamw"
    assert [(m.step, m.value) for m in client.get_metric_history(found.info.run_id, "loss")] == [
        (1, 0.5),
        (2, 0.25),
    ]
    assert found.data.tags["summary.note"] == "done"
    assert found.info.status == "FINISHED"


def test_wandb_writes_an_offline_run_with_its_values(tmp_path):
    pytest.importorskip("wandb")
    run("wandb", tmp_path)
    (record,) = tmp_path.rglob("run-*.wandb")
    assert record.parent.name.startswith("offline-run")
    content = record.read_bytes()
    for word in (b"loss", b"accuracy", b"adamw", b"best"):
        assert word in content


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_named_with_its_extra(name, tmp_path, monkeypatch):
    blocked = {"tensorboard": "torch.utils.tensorboard", "mlflow": "mlflow.tracking", "wandb": "wandb"}[name]
    real_import = builtins.__import__

    def refuse(module, *args, **kwargs):
        if module == blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(TrackingError, match=r"pytorch-course\[tracking\]"):
        open_tracker(name, tmp_path)


def test_a_typo_is_answered_with_the_name_that_was_meant(tmp_path):
    with pytest.raises(TrackingError, match="did you mean 'tensorboard'"):
        open_tracker("tensorbord", tmp_path)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_metric_that_is_no_number_is_refused_by_name(name, tmp_path):
    with open_tracker(name, tmp_path) as tracker, pytest.raises(TrackingError, match="'loss'"):
        tracker.log(1, loss=torch.ones(2))


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot write the run's record"):
        JsonlTracker(tmp_path / "file" / "run")
