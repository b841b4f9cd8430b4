"""The learner's own copies of the notebooks: made once, updated without losing work, restored on request."""

from courseware.workspace.choose import known_exercise
from courseware.workspace.files import WorkspaceError
from courseware.workspace.home import find_home
from courseware.workspace.workspace import Change, Workspace

__all__ = ["Change", "Workspace", "WorkspaceError", "find_home", "known_exercise"]
