"""The one error that is a user's own to mend."""


class ExperimentError(ValueError):
    """A run cannot start, go on or be repeated; the message is one line that says what to do."""
