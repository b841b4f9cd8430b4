"""The known mistakes of E5 that need another artefact to be built."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab6_model_export.checks_by_exercise import e5_workshop as workshop
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_build import logits
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_predictor import loaded
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet

probe = Probes()


@probe("overwrites")
def existing(a: Any, t: Trial) -> str | None:
    empty, there, file = (workshop.workplace(a) / name for name in ("empty", "there", "file"))
    for folder in (empty, there):
        folder.mkdir(exist_ok=True)
    (there / "precious.txt").write_text("keep me")
    cases = {"an empty folder": empty, "a folder with a file in it": there, "a file": file}
    for words, out in cases.items():
        if out == file:
            file.write_text("keep me, too")
        attempt = t.tried(lambda out=out: workshop.build(a, workshop.small_net(), out))
        left = "file" if out.is_file() else sorted(path.name for path in out.iterdir())
        if not isinstance(attempt.error, FileExistsError) or left != LEFT[words]:
            how = f"raised {type(attempt.error).__name__}" if attempt.error else "was built all the same"
            return f"`out` was there already, {words}; it {how}. FileExistsError, and nothing changes"
    return None


LEFT = {"an empty folder": [], "a folder with a file in it": ["precious.txt"], "a file": "file"}


class Undecided(nn.Module):
    """Cannot be exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :4] * (2 if x.sum() > 0 else 1)


@probe("half-a-folder")
def atomic(a: Any, t: Trial) -> str | None:
    place = workshop.workplace(a) / "alone"
    place.mkdir(exist_ok=True)
    attempt = t.tried(lambda: workshop.build(a, Undecided().eval(), place / "broken"))
    if attempt.error is None:
        return None
    left = sorted(path.name for path in place.iterdir())
    if left:
        return (
            f"building failed (this model cannot be exported), and {left} was left behind: build in a "
            f"temporary folder "
            "beside `out`, rename it at the end, and take it away if something fails"
        )
    return None


@probe("model-changed")
def model(a: Any, t: Trial) -> str | None:
    net = workshop.small_net().train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    out = workshop.fresh_folder(a, "training")
    workshop.build(a, net, out)
    if any(not torch.equal(value, state[name]) for name, value in net.state_dict().items()):
        return "the model's weights have changed"
    if [type(m) for m in net] != [type(m) for m in workshop.small_net()]:
        return "the model's layers were replaced: quantise a copy"
    if [m.training for m in net.modules()] != modes:
        return "the model was in training mode before and is not any more"
    with quiet():
        images = torch.from_numpy(workshop.scans(8))
        run = workshop.program(out / "fp32.pt2").module()
        if not same(run(images).detach(), logits(net.eval(), workshop.scans(8)), rtol=1e-4, atol=1e-4):
            return "a model in training mode was exported with its dropout active: evaluation mode first"
        said = json.loads((out / "manifest.json").read_text())["parity"]["fp32"]["max_abs"]
    if said > 1e-3:
        return "the parity report compares with a model in training mode: dropout makes both differ"
    return None


class Watching(nn.Module):
    """Notes whether a folder is there while the model is used."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.seen: list[bool] = []
        seen = self.seen  # a copy of the model writes into the same list
        self.look = lambda: seen.append(out.exists())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.compiler.is_dynamo_compiling():
            self.look()
        return x


@dataclass
class Dark:
    """An artefact calibrated with nearly black images, and what happened while it was built."""

    folder: Path
    net: nn.Module
    images: np.ndarray
    right: np.ndarray
    attempt: Any
    seen: list[bool]


NAMES = ["a", "b", "c", "d"]
_dark: WeakKeyDictionary[Any, Dark] = WeakKeyDictionary()


def dark(a: Any, t: Trial) -> Dark:
    """Built once: `out` is a str, and the system's temporary folder is on another file system, if there is
    one."""
    key = workshop.remembered(a, "build_artifact")
    if key not in _dark:
        out = workshop.fresh_folder(a, "dark")
        torch.manual_seed(1)
        watching = Watching(out)
        net = nn.Sequential(watching, nn.Flatten(), nn.Linear(64, 4)).eval()
        images = workshop.scans(200, seed=6)
        targets = logits(net, images).argmax(dim=1).numpy()  # the model is always right
        how = {"calib": workshop.scans(20, highest=1), "valid": (images, targets), "labels": list(NAMES)}
        with elsewhere():
            attempt = t.tried(lambda: workshop.build(a, net, str(out), **how))
        _dark[key] = Dark(out, net, images, targets, attempt, list(watching.seen))
    return _dark[key]


def built(a: Any, t: Trial) -> Dark:
    found = dark(a, t)
    if found.attempt.error is not None:
        raise found.attempt.error
    return found


@contextmanager
def elsewhere() -> Iterator[None]:
    """`tempfile` means another file system than the workplace's, where the machine has one."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        yield
        return
    with tempfile.TemporaryDirectory(dir=memory) as place, mock.patch.object(tempfile, "tempdir", place):
        yield


@probe("temporary-folder-elsewhere")
def beside(a: Any, t: Trial) -> str | None:
    error = dark(a, t).attempt.error
    if isinstance(error, OSError) and error.errno == errno.EXDEV:
        return (
            "the temporary folder was on another file system than `out`, and the rename failed (OSError). "
            "Beside `out` is the one place where that cannot happen: `TemporaryDirectory(dir=out.parent)`"
        )
    return None


@probe("out-as-text")
def text(a: Any, t: Trial) -> str | None:
    error = dark(a, t).attempt.error
    if isinstance(error, AttributeError | TypeError):
        return f"`out` is a str here (a str or a Path, says the signature); your code raised {error!r}"
    return None


@probe("written-in-place")
def in_place(a: Any, t: Trial) -> str | None:
    if any(built(a, t).seen):
        return (
            "`out` was there while the model was still being used: whoever looks then, or after a crash, "
            "finds half a folder. Build in a temporary folder beside it and rename that when all is there"
        )
    return None


@probe("calibrated-on-the-validation-images")
def calibration(a: Any, t: Trial) -> str | None:
    run = workshop.program(built(a, t).folder / "int8.pt2").module()
    bright, cut = (torch.full((1, 8, 8), level, dtype=torch.uint8) for level in (16, 1))
    if not same(run(bright), run(cut), atol=1e-3):
        return (
            "calibrated with images up to level 1, the int8 program still tells 16 from 1: the ranges come "
            "from somewhere else than `calib`. The validation images are there to judge, not to calibrate"
        )
    return None


@probe("metrics-of-another-program")
def metrics(a: Any, t: Trial) -> str | None:
    found = built(a, t)
    with quiet():
        run = workshop.program(found.folder / "int8.pt2").module()
    right = float((run(torch.from_numpy(found.images)).argmax(dim=1).numpy() == found.right).mean())
    said = found.attempt.value["metrics"]
    if abs(said["int8"] - right) > 1e-6 and right < 1:
        return (
            f'calibrated with dark images, the int8 program has {right:.3f} of `valid` right, and "metrics" '
            f"says {said['int8']}: it is measured with the program itself, not with the model"
        )
    return None


@probe("predictors-share-state")
def two(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    first = loaded(a, found.folder)
    before = first.predict(found.images)
    other = built(a, t)
    second = loaded(a, other.folder).predict(found.images)
    if not set(second[0]) <= set(NAMES):
        return (
            "a predictor loaded from a second folder answers with the first one's names: read them from its "
            "manifest"
        )
    if not np.allclose(second[1], logits(other.net, found.images).softmax(dim=1).numpy(), atol=1e-4):
        return "a predictor loaded from a second folder gives the numbers of another model"
    if first.predict(found.images)[0] != before[0]:
        return (
            "loading a second folder changed the first predictor: state belongs to the instance, not to the "
            "class"
        )
    return None
