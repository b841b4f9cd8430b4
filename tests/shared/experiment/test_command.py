"""`python -m shared.experiment`: what it prints, how it ends, and how an interrupted run goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from shared.config import save_yaml
from shared.experiment import ExperimentConfig, read_report
from shared.experiment.__main__ import main
from shared.tracking import JsonlTracker, read_metrics

QUICK = [
    *("--model", "residual_mlp_small", "--data", "digits", "--epochs", "3", "--log_every", "4"),
    *("--architecture.width", "16", "--architecture.dropout", "0.1", "--accumulate", "2", "--no-progress"),
    *("--save_every", "5", "--schedule.name", "one_cycle", "--stopping.patience", "3"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*QUICK, "--out", str(folder)]) == 0
    return folder


def test_in_a_fresh_interpreter_the_run_of_a_report_ends_in_the_same_weights(
    folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "shared.experiment", "--from", folder / "report.json"]
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [*command, "--out", tmp_path / "again", "--no-progress"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": root,
            "OMP_NUM_THREADS": "2",
        },  # the run has its own number of threads
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    weights = read_report(folder / "report.json").weights
    assert f"the same weights to the bit: SHA-256 {weights}" in done.stdout
    assert read_report(tmp_path / "again" / "report.json").weights == weights
    assert not done.stderr


@pytest.mark.parametrize("steps", [3, 17, 24])
def test_an_interrupted_run_goes_on_and_ends_where_the_whole_one_did(
    folder: Path,
    tmp_path: Path,
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the first checkpoint, within an epoch, and after one: with no more than the folder's name."""
    log, out = JsonlTracker.log, tmp_path / "torn"

    def interrupting(self: JsonlTracker, step: int, **values: float) -> None:
        log(self, step, **values)
        if step >= steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JsonlTracker, "log", interrupting)
        assert main([*QUICK, "--out", str(out)]) == 130
    assert "--resume" in capsys.readouterr().err
    assert not (out / "report.json").exists()
    assert main(["--resume", "--out", str(out)]) == 0
    torn, whole = read_report(out / "report.json"), read_report(folder / "report.json")
    assert torn.weights == whole.weights
    assert torn.history == whole.history
    assert read_metrics(out / "record") == read_metrics(folder / "record"), "no step is recorded twice"


def test_a_finished_run_that_is_resumed_stays_as_it_is(folder: Path) -> None:
    before = read_report(folder / "report.json")
    assert main(["--resume", "--out", str(folder), "--no-progress"]) == 0
    after = read_report(folder / "report.json")
    assert (after.weights, after.metrics, after.steps) == (before.weights, before.metrics, before.steps)


def test_a_run_does_not_go_on_with_other_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--resume", "--out", str(folder), "--optimizer.lr", "0.5"]) == 2
    assert "began with optimizer.lr 0.001 and cannot go on with 0.5" in capsys.readouterr().err


def test_a_file_says_what_the_command_line_says(folder: Path, tmp_path: Path) -> None:
    assert main(["--config", str(folder / "config.yaml"), "--out", str(tmp_path / "x"), "--no-progress"]) == 0
    assert read_report(tmp_path / "x" / "report.json").weights == read_report(folder / "report.json").weights


MISTAKES = {
    "--data digits --model residual_mlp_smal": 'did you mean "residual_mlp_small"?',
    "--data digit": 'no data set is called "digit": did you mean "digits"?',
    "--data digits --model text_cnn": "for tokens, which is not what digits asks: take one of residual_mlp",
    "--data digits --model transformer_decoder": "transformer_decoder",
    "--data digits --model cnn --epoch 3": 'there is no option "--epoch": did you mean "epochs"?',
    "--data digits --model cnn --epochs three": "epochs should be a whole number",
    "--data digits --model cnn --architecture.widht 3": 'there is no option "widht": did you mean "widths"?',
    "--data digits --model cnn --architecture.classes 3": "architecture.classes is 3, but digits needs 10",
    "--data digits --model cnn --optimizer.name adamm": "adamw",
    "--data digits --model cnn --optimizer.momentum 0.9": "adamw has no momentum",
    "--data digits --model cnn --schedule.name step": "needs every",
    "--data digits --model cnn --stopping.metric f1": "stopping.metric",
    "--data digits --model cnn --seed -1": "seed should be from 0",
    "--data digits --model cnn --batch_size 0": "batch_size should be at least 1",
    "--data digits --model cnn --device tpu": "a device should be named",
    "--data digits --model cnn --config missing.yaml": "missing.yaml",
    "--data digits --model cnn --out /proc/nowhere": "cannot write into /proc/nowhere",
    "--from missing.json": "cannot read missing.json",
    "--from": "--from needs",
    "--from missing.json --seed 1": "--from makes a run again as it was",
    "digits": 'expected an option such as "--model"',
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    arguments: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_run_is_not_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main([*QUICK, "--out", str(folder), "--seed", "5"]) == 2
    assert "--resume goes on with it, another --out starts a new one" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "metrics": {"a": 3}}'])
def test_what_is_no_report_is_named(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    assert main(["--from", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1


def test_a_run_that_diverges_ends_with_1_and_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ["--optimizer.name", "sgd", "--optimizer.lr", "1e30", "--clip_norm", "null"]
    assert main([*QUICK, "--out", str(tmp_path / "x"), *wild]) == 1
    error = capsys.readouterr().err
    assert "at step" in error
    assert error.count("\n") == 1


def test_repeating_ends_with_1_where_the_weights_differ(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = json.loads((folder / "report.json").read_text()) | {"weights": "0" * 64}
    (tmp_path / "report.json").write_text(json.dumps(changed))
    assert main(["--from", str(tmp_path / "report.json"), "--out", str(tmp_path / "x"), "--no-progress"]) == 1
    assert "other weights" in capsys.readouterr().out


def test_help_names_options_models_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("--optimizer.lr", "--resume", "--from", "text_cnn", "digits"))


def test_a_yaml_file_may_hold_a_whole_configuration(tmp_path: Path) -> None:
    config = ExperimentConfig(
        model="cnn", data="digits", architecture={"widths": (4, 4)}, epochs=1, out=tmp_path / "x"
    )
    save_yaml(config, tmp_path / "config.yaml")
    assert main(["--config", str(tmp_path / "config.yaml"), "--no-progress"]) == 0
    state = torch.load(tmp_path / "x" / "weights.pt", weights_only=True)
    assert state["leave.weight"].shape == (10, 4)
