"""Loads once what most notebooks import, so that a fork has it already."""

import contextlib
import importlib
import pkgutil
import sys
import threading
import tomllib
from pathlib import Path

from courseware.run.environment import COURSE_ROOT

THIRD_PARTY = (
    "numpy",
    "torch",
    "torch.nn.functional",
    "torch.utils.data",
    "torch.func",
    "torch.optim",
    "torch._dynamo",  # making an optimizer imports it: almost two seconds
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "sklearn.datasets",
    "IPython",
    "ipykernel.zmqshell",
    "nbformat",
    "papermill.parameterize",
)
MACHINE = ("courseware.check", "courseware.lab")


class NotForkable(Exception):
    """A module that was loaded started a thread; a fork would copy its locks but not the thread."""


def preload() -> list[Path]:
    """Import everything; returns the files of the course that are now loaded, to notice their changes."""
    for name in THIRD_PARTY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    course = (*MACHINE, *_libraries())
    for name in course:
        _import_all(name)
    if (threads := thread_count()) != 1:
        raise NotForkable(f"the warm lane has {threads} threads after loading, and cannot fork safely")
    tops = {name.partition(".")[0] for name in course}
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in tops]
    return sorted({Path(file) for module in modules if (file := getattr(module, "__file__", None))})


def _libraries() -> list[str]:
    """The course's own packages that its labs import, as its pyproject.toml names them."""
    with contextlib.suppress(OSError, KeyError, tomllib.TOMLDecodeError):
        project = tomllib.loads((COURSE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return list(project["tool"]["courseware"]["preload"])
    return []


def _import_all(name: str) -> None:
    """Import a package and its modules. One that is broken just now is the notebook's to complain about."""
    with contextlib.suppress(Exception):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)


def thread_count() -> int:
    """Threads of this process: the system's count where it is told, else Python's."""
    with contextlib.suppress(OSError):
        return len(list(Path("/proc/self/task").iterdir()))
    return threading.active_count()
