"""The known mistakes of E5 that need another artefact to be built."""

from __future__ import annotations

import json
from typing import Any

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
    out = workshop.workplace(a) / "empty"
    out.mkdir(exist_ok=True)
    attempt = t.tried(lambda: workshop.build(a, workshop.small_net(), out))
    if not isinstance(attempt.error, FileExistsError) or list(out.iterdir()):
        how = f"raised {type(attempt.error).__name__}" if attempt.error else "was built all the same"
        return f"`out` was there already, an empty folder; it {how}. FileExistsError, whatever is in it"
    out = workshop.workplace(a) / "there"
    out.mkdir(exist_ok=True)
    (out / "precious.txt").write_text("keep me")
    attempt = t.tried(lambda: workshop.build(a, workshop.small_net(), out))
    if not isinstance(attempt.error, FileExistsError) or [p.name for p in out.iterdir()] != ["precious.txt"]:
        how = f"raised {type(attempt.error).__name__}" if attempt.error else "was built all the same"
        return f"`out` was there already, with a file in it; it {how}. FileExistsError, and nothing changes"
    return None


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


@probe("calibrated-on-the-validation-images")
def calibration(a: Any, t: Trial) -> str | None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval()
    out = workshop.fresh_folder(a, "dark")
    workshop.build(a, net, out, calib=workshop.scans(20, highest=4))
    run = workshop.program(out / "int8.pt2").module()
    bright, cut = (torch.full((1, 8, 8), level, dtype=torch.uint8) for level in (16, 4))
    if not same(run(bright), run(cut), atol=1e-3):
        return (
            "calibrated with images up to level 4, the int8 program still tells 16 from 4: the ranges come "
            "from somewhere "
            "else than `calib`. The validation images are there to judge, not to calibrate"
        )
    return None


@probe("metrics-of-another-program")
def metrics(a: Any, t: Trial) -> str | None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval()
    images = workshop.scans(200, seed=6)
    targets = logits(net, images).argmax(dim=1).numpy()  # the model is always right
    out = workshop.fresh_folder(a, "coarse")
    dark = workshop.scans(20, highest=1)
    said = workshop.build(a, net, out, calib=dark, valid=(images, targets))["metrics"]
    with quiet():
        run = workshop.program(out / "int8.pt2").module()
    right = float((run(torch.from_numpy(images)).argmax(dim=1).numpy() == targets).mean())
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
    torch.manual_seed(9)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)).eval()
    out = workshop.fresh_folder(a, "second")
    workshop.build(a, net, out, labels=["a", "b", "c", "d"])
    second = loaded(a, out).predict(found.images)
    if not set(second[0]) <= {"a", "b", "c", "d"}:
        return (
            "a predictor loaded from a second folder answers with the first one's names: read them from its "
            "manifest"
        )
    if not np.allclose(second[1], logits(net, found.images).softmax(dim=1).numpy(), atol=1e-4):
        return "a predictor loaded from a second folder gives the numbers of another model"
    if first.predict(found.images)[0] != before[0]:
        return (
            "loading a second folder changed the first predictor: state belongs to the instance, not to the "
            "class"
        )
    return None
