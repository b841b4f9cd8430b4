"""JupyterLab on a learner's workspace: its settings, its first layout, and the server that runs it."""

from courseware.jupyter.launch import open_course
from courseware.jupyter.server import LabProblem, LabServer

__all__ = ["LabProblem", "LabServer", "open_course"]
