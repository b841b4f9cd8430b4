"""Artefacts for the checks of E5: a small one for probes and a trained one, each built once a check."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import (
    all_digits,
    trained,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet

LABELS = ["seven", "two", "nine", "four"]
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ONNX = ("onnx", "onnxscript", "onnxruntime")


def onnx_missing() -> list[str]:
    return [name for name in ONNX if importlib.util.find_spec(name) is None]


def small_net() -> nn.Sequential:
    """A network of two layers for four classes, untrained."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(192, len(LABELS))
    )
    with torch.no_grad():
        net[4].weight.mul_(8)
    return net.eval()


def scans(count: int, *, highest: int = 16, seed: int = 0) -> np.ndarray:
    """Random uint8 images [count, 8, 8]."""
    return np.random.default_rng(seed).integers(0, highest + 1, (count, 8, 8), dtype=np.uint8)


def floats(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 16)[:, None]


def as_scanned(inputs: Tensor) -> np.ndarray:
    """shared.data's digits, 0 … 1, as the scanner gave them."""
    return (inputs[:, 0] * 16).round().to(torch.uint8).numpy()


@dataclass
class Artifact:
    """A built folder, with what it was built from."""

    folder: Path
    manifest: Any
    model: nn.Module
    images: np.ndarray
    targets: np.ndarray
    labels: list[str] = field(default_factory=lambda: list(LABELS))


def build(a: Any, model: nn.Module, out: Path | str, **how: Any) -> Any:
    """`build_artifact` with small defaults, without the exporters' noise."""
    settings: dict[str, Any] = {
        "labels": list(LABELS),
        "valid": (scans(40, seed=2), np.random.default_rng(4).integers(0, len(LABELS), 40)),
        "with_onnx": False,
    }
    settings.update(how)
    calib = settings.pop("calib", None)
    with quiet():
        return a.build_artifact(model, scans(32, seed=1) if calib is None else calib, out, **settings)


def remembered(a: Any, name: str) -> Any:
    """The key under which work done with this object of the answer may be used again.

    A module's functions stay what they are, and many answers share them. A notebook's function may call a
    helper that was changed a moment ago: its work is only good for this one check.
    """
    value = a.raw(name)
    return a if getattr(value, "__module__", "__main__") == "__main__" else value


def workplace(a: Any) -> Path:
    """A folder for what this `build_artifact` builds, removed at the end."""
    key = remembered(a, "build_artifact")
    if key not in _places:
        _places[key] = Path(tempfile.mkdtemp(prefix="course-artifact-"))
        atexit.register(shutil.rmtree, _places[key], True)
    return _places[key]


_places: WeakKeyDictionary[Any, Path] = WeakKeyDictionary()
_small: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def small(a: Any) -> Artifact:
    """The small artefact; if building it fails, it fails the same way each time."""
    key = remembered(a, "build_artifact")
    if key not in _small:
        valid = scans(40, seed=2), np.random.default_rng(4).integers(0, len(LABELS), 40)
        model = small_net()
        folder = fresh_folder(a, "small")
        try:
            manifest = build(a, model, folder, valid=valid)
            _small[key] = Artifact(folder, manifest, model, *valid)
        except Exception as error:
            _small[key] = error
    if isinstance(_small[key], Exception):
        raise _small[key]
    return _small[key]


def fresh_folder(a: Any, name: str) -> Path:
    """A path in the workplace at which nothing is."""
    folder = workplace(a) / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def whole(a: Any, t: Trial, name: str, *, with_onnx: bool, learned: bool = True) -> Artifact:
    """The artefact of the digit network, or of a small one that has learned nothing."""
    X, _, X_test, y_test = all_digits()
    if learned:
        model = trained(t.seed % 1000)
    else:
        torch.manual_seed(t.seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    valid = as_scanned(X_test), y_test.numpy()
    folder = fresh_folder(a, f"{name}-{t.seed}")
    with quiet():
        manifest = a.build_artifact(
            model, as_scanned(X[:256]), folder, labels=list(NAMES), valid=valid, with_onnx=with_onnx
        )
    return Artifact(folder, manifest, model, *valid, labels=list(NAMES))


def program(path: Path) -> Any:
    """The exported program in a file, read once for each state of the file."""
    return _read(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> Any:
    with quiet():
        return torch.export.load(path)


def stored(path: Path) -> list[Tensor]:
    """All tensors in an exported program."""
    found = program(path)
    return [*found.state_dict.values(), *(c for c in found.constants.values() if isinstance(c, Tensor))]
