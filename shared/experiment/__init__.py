"""A research run from end to end: configuration, seed, training, tracking, report.

report = run(ExperimentConfig(model="text_cnn", data="names", epochs=4))
repeat(Path("runs/text_cnn-names-seed0/report.json")).same      # True, to the bit

From the command line: ``python -m shared.experiment --help``.
"""

from shared.experiment.config import ExperimentConfig
from shared.experiment.digest import weights_digest
from shared.experiment.errors import ExperimentError
from shared.experiment.folder import load_model
from shared.experiment.repeat import Repeated, repeat
from shared.experiment.report import Report, read_report
from shared.experiment.run import run

__all__ = [
    "ExperimentConfig",
    "ExperimentError",
    "Repeated",
    "Report",
    "load_model",
    "read_report",
    "repeat",
    "run",
    "weights_digest",
]
