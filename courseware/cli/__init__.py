"""`course …`: one thin layer over the rooms of the course."""

from courseware.cli.program import main

__all__ = ["main"]
