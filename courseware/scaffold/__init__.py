"""Makes new labs."""

from courseware.scaffold.scaffold import ScaffoldError, new_lab

__all__ = ["ScaffoldError", "new_lab"]
