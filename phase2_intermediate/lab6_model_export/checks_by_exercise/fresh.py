"""A fresh process, in which nothing of this course can be imported, asked many things at once."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

SECONDS = 120
"""On the wall clock, for a busy machine: importing torch is most of it."""

DRIVER = '''
import logging, pickle, sys, warnings

class Wall:
    """Refuses whatever belongs to the course."""

    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root.startswith("phase") or root in {"shared", "courseware", "tests", "solution"}:
            raise ImportError(f"{root} is not here: the artefact must stand alone")

sys.meta_path.insert(0, Wall())
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import torch

torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    job = pickle.load(file)
answers = {}

def asked(name, call):
    try:
        answers[name] = ("ok", call())
    except Exception as error:
        answers[name] = (type(error).__mro__[-3 if len(type(error).__mro__) > 2 else 0].__name__,
                         f"{type(error).__name__}: {error}", isinstance(error, ValueError))

loaded = {}

def predictor(folder, variant):
    key = folder, variant
    if key not in loaded:
        loaded[key] = job["class"].load(folder, variant)
    return loaded[key]

try:
    job["class"] = pickle.loads(job["class"])
except Exception as error:
    answers["the class"] = ("error", f"{type(error).__name__}: {error}", False)
else:
    for name, folder, variant, images in job["tasks"]:
        asked(name, lambda: predictor(folder, variant).predict(images) if images is not None
              else type(predictor(folder, variant)).__name__)
with open(sys.argv[2], "wb") as file:
    pickle.dump(answers, file)
'''

Task = tuple[str, str, str, Any]  # its name, the folder, the variant, the images (None: only load)


class NoAnswer(Exception):
    """The process ended without an answer."""


def ask(predictor: type, tasks: list[Task]) -> dict[str, tuple[Any, ...]]:
    """What `predictor`, sent by value, does in a fresh process: name → ("ok", value) or (kind, words, is it a
    ValueError)."""
    with tempfile.TemporaryDirectory() as folder:
        job, found = Path(folder) / "job", Path(folder) / "found"
        with _by_value(predictor):
            job.write_bytes(pickle.dumps({"class": cloudpickle.dumps(predictor), "tasks": tasks}))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COURSE"))}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", DRIVER, job, found],
                cwd=folder,
                env={**environment, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(f"it was still running after {SECONDS} s") from error
        if not found.exists():
            raise NoAnswer((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
        answers: dict[str, tuple[Any, ...]] = pickle.loads(found.read_bytes())
        return answers


@contextmanager
def _by_value(predictor: type) -> Iterator[None]:
    """Classes and functions of learners travel as they are, not as names of modules."""
    own = {cls.__module__ for cls in predictor.__mro__}
    names = {name for name in sys.modules if name.startswith(("phase", "tests.")) or name in own}
    names -= {"builtins", "__main__"}
    modules = [sys.modules[name] for name in names if sys.modules.get(name) is not None]
    registered = []
    for module in modules:
        root = module.__name__.partition(".")[0]
        if root not in sys.stdlib_module_names and root not in {"torch", "numpy", "shared", "courseware"}:
            cloudpickle.register_pickle_by_value(module)
            registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
