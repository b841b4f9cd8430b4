"""What a person meets when the set-up cannot go on."""


class SetupProblem(Exception):
    """One line: what was expected, what came, what to do. Shown without a traceback."""
