"""The same run once more, from its report, and whether it ended where the first one did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from shared.config import ConfigError, from_dict
from shared.experiment.config import ExperimentConfig
from shared.experiment.environment import differences
from shared.experiment.errors import ExperimentError
from shared.experiment.report import Report, read_report
from shared.experiment.run import prepare, train_and_report


@dataclass(frozen=True)
class Repeated:
    """Two reports of what should be one run."""

    first: Report
    second: Report

    @property
    def same(self) -> bool:
        """Whether they ended in the same weights, to the bit."""
        return self.first.weights == self.second.weights

    def verdict(self) -> str:
        """In a sentence; where the weights differ, with what else does."""
        if self.same:
            return f"the same weights to the bit: SHA-256 {self.second.weights}"
        changed = differences(self.first.environment, self.second.environment)
        return f"other weights: SHA-256 {self.second.weights} instead of {self.first.weights}; " + (
            "; ".join(changed) or "nothing else that a report records has changed"
        )


def repeat(report: Path, *, out: Path | None = None, resume: bool = False, progress: bool = True) -> Repeated:
    """Make the run of a ``report.json`` again, in ``out`` or beside it in a folder whose name ends in
    ``-again``.

    ExperimentError if the data are not those of the report: then there is nothing to repeat.
    """
    first = read_report(report)
    folder = report.resolve().parent
    try:
        config = from_dict(ExperimentConfig, first.config)
    except ConfigError as error:
        raise ExperimentError(f"{report} is of another version of this library: {error}") from error
    again = out or folder.with_name(f"{folder.name}-again")
    prepared = prepare(replace(config, out=again, resume=resume, progress=progress))
    if prepared.fingerprint != first.data["fingerprint"]:
        raise ExperimentError(
            f"{config.data} is not what it was: its SHA-256 is {prepared.fingerprint}, and the report says "
            f"{first.data['fingerprint']}: install the versions that the report names"
        )
    return Repeated(first, train_and_report(prepared))
