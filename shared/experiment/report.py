"""What is left of a run: enough to judge it, and enough to make it again to the bit."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.evaluation import Interval
from shared.experiment.errors import ExperimentError

FORMAT = 1

Metrics = dict[str, dict[str, Interval]]
"""By part of the data ("train", "valid") and by name."""


@dataclass(frozen=True)
class Report:
    """A finished run.

    Args:
        config: what decides the weights (``ExperimentConfig.of_the_run``), the model's own options complete.
        data: its name, the sizes of its parts, and its fingerprint.
        environment: versions and hardware.
        parameters: how many the model has.
        weights: SHA-256 of the weights that the run ended with.
        steps, epochs: how far it came. best_step: the best evaluation's.
        cpu_seconds: of training and its evaluations, all sittings of a resumed run together.
    """

    config: dict[str, Any]
    data: dict[str, Any]
    environment: dict[str, str]
    parameters: int
    weights: str
    steps: int
    epochs: int
    best_step: int | None
    cpu_seconds: float
    metrics: Metrics
    history: dict[str, list[dict[str, float]]]

    def to_json(self) -> str:
        """Plain JSON: numbers that it does not know (NaN, infinity) become words."""
        return json.dumps(_plain({"format": FORMAT, **asdict(self)}), indent=2, ensure_ascii=False) + "\n"


def read_report(path: Path) -> Report:
    """The inverse of writing ``to_json`` into a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values.pop("format")
        if found != FORMAT:
            raise ExperimentError(f"{path} has format {found}, this library reads {FORMAT}: run it anew")
        metrics = {
            part: {
                name: Interval(**{key: _number(each) for key, each in interval.items()})
                for name, interval in of_part.items()
            }
            for part, of_part in values.pop("metrics").items()
        }
        records = {
            kind: [{name: _number(value) for name, value in record.items()} for record in of_kind]
            for kind, of_kind in values.pop("history").items()
        }
        return Report(**values, metrics=metrics, history=records)
    except OSError as error:
        raise ExperimentError(
            f"cannot read {path}: {error.strerror}: give the report.json of a run"
        ) from None
    except ExperimentError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ExperimentError(f"{path} is no report of a run: give the report.json that one wrote") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
