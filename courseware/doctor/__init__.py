"""What a learner's machine is like, and what is wrong with it in words."""

from courseware.doctor.examination import examine
from courseware.doctor.finding import Finding, report

__all__ = ["Finding", "examine", "report"]
