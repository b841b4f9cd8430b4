"""Five places where a run calls back: enough to track it, to average its weights, and to look on."""

from shared.train.history import Record
from shared.train.state import TrainState


class Hook:
    """Override what you need. What has a state of its own goes to the trainer's ``also`` besides."""

    def started(self, state: TrainState) -> None:
        """The run is about to make its first step; after a resume, its next."""

    def stepped(self, state: TrainState) -> None:
        """The optimizer has stepped. Called often: read no tensor's value here."""

    def logged(self, state: TrainState, record: Record) -> None:
        """A record of the last ``log_every`` steps was added to the history."""

    def evaluated(self, state: TrainState, record: Record) -> None:
        """The validation data were evaluated; the epoch's checkpoint comes after this."""

    def finished(self, state: TrainState) -> None:
        """The run is over, and the model has the weights that ``fit`` leaves it with."""
