"""Reads a lab folder: `solution.py` in percent format, `theory.md` as a Markdown notebook. No torch here."""

from courseware.source.course import Course, LabFolder, UnknownLab
from courseware.source.markdown import read_theory
from courseware.source.model import POINTS, Cell, ExerciseInfo, LabSource, SourceError, points_of
from courseware.source.percent import read_solution

__all__ = [
    "POINTS",
    "Cell",
    "Course",
    "ExerciseInfo",
    "LabFolder",
    "LabSource",
    "SourceError",
    "UnknownLab",
    "points_of",
    "read_solution",
    "read_theory",
]
