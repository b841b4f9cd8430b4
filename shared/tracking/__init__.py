"""Experiment tracking behind one small protocol: JSON lines by default, three services as extras.

with open_tracker("jsonl", folder, config={"lr": 1e-3}) as tracker:
    tracker.log(step=1, loss=0.7, accuracy=0.5)
    tracker.summary(best_accuracy=0.9)
"""

from shared.tracking.jsonl import JsonlTracker, read_metrics
from shared.tracking.open import TRACKERS, open_tracker
from shared.tracking.protocol import Tracker, TrackingError

__all__ = ["TRACKERS", "JsonlTracker", "Tracker", "TrackingError", "open_tracker", "read_metrics"]
