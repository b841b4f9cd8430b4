"""Training: a pure step, an explicit loop, and a state that can be continued to the bit."""

from shared.train.batches import Batches, Replayed, as_batches, to_device, windows
from shared.train.clip import clip_global_norm
from shared.train.config import CheckpointConfig, StoppingConfig, TrainConfig
from shared.train.evaluate import evaluate
from shared.train.history import History, Meter, Record, TrainingDiverged
from shared.train.hooks import Hook
from shared.train.precision import Precision
from shared.train.state import Scheduler, Stateful, TrainState
from shared.train.step import Ranks, StepResult, train_step
from shared.train.stopping import Stopping
from shared.train.task import Supervised, Task, classification, regression
from shared.train.trainer import Trainer

__all__ = [
    "Batches",
    "CheckpointConfig",
    "History",
    "Hook",
    "Meter",
    "Precision",
    "Ranks",
    "Record",
    "Replayed",
    "Scheduler",
    "Stateful",
    "StepResult",
    "Stopping",
    "StoppingConfig",
    "Supervised",
    "Task",
    "TrainConfig",
    "TrainState",
    "Trainer",
    "TrainingDiverged",
    "as_batches",
    "classification",
    "clip_global_norm",
    "evaluate",
    "regression",
    "to_device",
    "train_step",
    "windows",
]
