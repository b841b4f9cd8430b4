"""``python -m shared.experiment --model text_cnn --data names --epochs 4 --architecture.filters 32``

``--from report.json`` makes the run of a report again, and compares the weights.
``--resume --out FOLDER`` goes on with an interrupted run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from shared.checkpoint import CheckpointError
from shared.command_line import from_command_line, usage
from shared.config import ConfigError, option, to_dict
from shared.experiment import ExperimentConfig, ExperimentError, Report, repeat, run
from shared.experiment.folder import CONFIG
from shared.experiment.sets import DATA
from shared.models import CATALOGUE
from shared.tracking import TrackingError
from shared.train import TrainingDiverged


@dataclass(frozen=True)
class Again:
    """What goes with ``--from``."""

    out: Path | None = option(None, "folder of the repeated run; null for the report's own with -again")
    resume: bool = option(False, "go on where it was interrupted")
    progress: bool = option(True, "show a bar on a terminal")


def main(arguments: Sequence[str]) -> int:
    """0 for a finished run, 1 if it did not end as it should, 2 if it could not begin."""
    if {"-h", "--help"} & set(arguments):
        print(_help(model=dict(pairwise(arguments)).get("--model")))
        return 0
    try:
        source, rest = _take_from(list(arguments))
        return _repeat(source, rest) if source else _run(_config(rest))
    except (ConfigError, ExperimentError, TrackingError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except TrainingDiverged as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command with --resume goes on", file=sys.stderr)
        return 130


def _run(config: ExperimentConfig) -> int:
    report = run(config)
    _show(report)
    print(f"report: {config.folder / 'report.md'}")
    return 0


def _repeat(source: Path, rest: list[str]) -> int:
    try:
        again = from_command_line(Again, rest)
    except ConfigError as error:
        raise ConfigError(f"--from makes a run again as it was: {error}") from None
    repeated = repeat(source, out=again.out, resume=again.resume, progress=again.progress)
    _show(repeated.second)
    print(repeated.verdict())
    return 0 if repeated.same else 1


def _config(arguments: list[str]) -> ExperimentConfig:
    """A run that goes on needs no option but its folder: all others stand there."""
    config = from_command_line(ExperimentConfig, arguments)
    stored = config.folder / CONFIG
    given = {word[2:].partition("=")[0].replace("-", "_") for word in arguments if word.startswith("--")}
    if config.resume and stored.exists() and given <= {"out", "resume", "progress", "no_progress", "tracker"}:
        return from_command_line(ExperimentConfig, ["--config", str(stored), *arguments])
    return config


def _take_from(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """``--from FILE`` and the other arguments."""
    for index, word in enumerate(arguments):
        if word.startswith("--from="):
            return Path(word.removeprefix("--from=")), arguments[:index] + arguments[index + 1 :]
        if word == "--from":
            if index + 1 == len(arguments):
                raise ConfigError("--from needs the report.json of a run")
            return Path(arguments[index + 1]), arguments[:index] + arguments[index + 2 :]
    return None, arguments


def _options(model: str | None) -> list[tuple[str, object]]:
    return list(to_dict(CATALOGUE[model].config).items()) if model in CATALOGUE else []


def _show(report: Report) -> None:
    for part, found in report.metrics.items():
        print(f"{part:6} " + "   ".join(f"{name} {interval}" for name, interval in found.items()))
    print(f"{report.parameters:,} parameters, {report.steps:,} steps, {report.cpu_seconds:.1f} CPU seconds")


def _help(model: str | None) -> str:
    own = [f"  --architecture.{name} {value}" for name, value in _options(model)]
    return "\n\n".join(
        [
            (__doc__ or "").strip(),
            usage(ExperimentConfig),
            "\n".join([f"options of {model}:", *own]) if own else "--model NAME --help lists its own options",
            "\n".join(["models:", *(f"  {name:22} {info.summary}" for name, info in CATALOGUE.items())]),
            "\n".join(["data:", *(f"  {name:22} {info.summary}" for name, info in DATA.items())]),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
