"""Builds the three notebooks of a lab from its sources, byte for byte the same everywhere."""

from courseware.build.build import BuildSummary, Built, build_course, build_lab, check_lab
from courseware.build.execute import ExecutionFailed
from courseware.build.outputs import OutputError

__all__ = [
    "BuildSummary",
    "Built",
    "ExecutionFailed",
    "OutputError",
    "build_course",
    "build_lab",
    "check_lab",
]
