"""Where the learner's work lies."""

import os
from pathlib import Path

from courseware.source import Course


def find_home(course: Course) -> Path:
    """COURSE_HOME, or `work` in the course's own folder."""
    return Path(os.environ.get("COURSE_HOME") or course.root / "work").expanduser().resolve()
