"""Python runs this at start-up where a run put this folder on PYTHONPATH: in kernels and what they start."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _load(name: str, path: Path) -> object:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run_the_one_this_file_hides() -> None:
    """A system may have its own sitecustomize; being first on the path must not switch it off."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]
    mine = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError:
        if mine is not None:
            sys.modules["sitecustomize"] = mine


if os.environ.get("COURSEWARE_NETWORK") == "refused":
    _load("courseware_network_guard", _HERE.parent / "guard.py").install()  # type: ignore[attr-defined]
_run_the_one_this_file_hides()
