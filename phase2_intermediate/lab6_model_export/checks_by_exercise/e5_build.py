"""The known mistakes of E5 in building the artefact."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
import torch
from torch import nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise import e5_workshop as workshop

probe = Probes()
FILES = {"fp32.pt2", "int8.pt2", "manifest.json"}
REPORT = {
    "passed",
    "max_abs",
    "max_rel",
    "cosine",
    "argmax_agreement",
    "worst_input_index",
    "nonfinite_mismatch",
}


def logits(model: nn.Module, images: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model(workshop.floats(images))


@probe("missing-files")
def files(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    if not found.folder.is_dir():
        return "after build_artifact there is no folder at `out`"
    names = {path.name for path in found.folder.iterdir()}
    if names == FILES | {"model.onnx"}:
        return "with with_onnx=False there is a model.onnx all the same"
    if names != FILES:
        return f"without ONNX the folder holds {sorted(FILES)}; yours holds {sorted(names)}"
    return None


@probe("not-a-program")
def programs(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    for name in ("fp32.pt2", "int8.pt2"):
        attempt = t.tried(lambda name=name: workshop.program(found.folder / name))
        if attempt.error is not None:
            return (
                f"`torch.export.load` cannot read {name}: a pickled module needs your class when it is "
                f"loaded. "
                "`export_dynamic`, then `torch.export.save`"
            )
    return None


@probe("fp32-changed")
def fp32(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    stored = workshop.stored(found.folder / "fp32.pt2")
    if any(x.dtype == torch.int8 for x in stored):
        return (
            "fp32.pt2 holds int8 weights: the model was replaced by the quantised one before it was exported"
        )
    return None


def accepts(run: Any, images: torch.Tensor, t: Trial) -> bool:
    return t.tried(lambda: run(images)).error is None


@probe("preprocessing-outside")
def preprocessing(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    images = found.images[:5]
    right = logits(found.model, images)
    run = workshop.program(found.folder / "fp32.pt2").module()
    attempt = t.tried(lambda: run(torch.from_numpy(images)).detach())
    sizes = (1, 2, 32, len(found.images))
    if attempt.error is not None and any(accepts(run, torch.from_numpy(found.images[:n]), t) for n in sizes):
        return None  # the next probe says that the size of the batch is fixed
    if attempt.error is not None:
        return (
            "fp32.pt2 does not take uint8 images [5, 8, 8]: the preprocessing (÷ 16, the channel axis) "
            "belongs into the "
            "program, or everybody who uses it must remember it"
        )
    if same(attempt.value, right, rtol=1e-4, atol=1e-5):
        return None
    raw = found.model(torch.from_numpy(images).float()[:, None]).detach()
    if same(attempt.value, raw, rtol=1e-4, atol=1e-4):
        return (
            "pixels from 0 to 16 reach the network as they are, and it learned from 0 to 1: divide by 16 "
            "inside"
        )
    if same(attempt.value, right.softmax(dim=1), rtol=1e-3, atol=1e-4):
        return (
            "the program gives probabilities; logits are asked for (the predictor makes probabilities of "
            "them)"
        )
    if same(attempt.value, found.model(torch.from_numpy(images).float()[:, None] / 255).detach(), atol=1e-4):
        return "these images end at 16, not at 255: divide by 16"
    if not torch.equal(run(torch.from_numpy(images)), run(torch.from_numpy(images))):
        return "two runs of the program differ: it was exported in training mode"
    return "the fp32 program gives other numbers than the model"


@probe("batch-baked-in")
def batch(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    for name in ("fp32.pt2", "int8.pt2"):
        run = workshop.program(found.folder / name).module()
        for rows in (1, 7, 300):
            images = torch.from_numpy(workshop.scans(rows))
            if not accepts(run, images, t):
                return f"{name} refuses a batch of {rows}: any size from 1 to 4096 is asked for"
    return None


@probe("int8-without-int8")
def int8(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    stored = workshop.stored(found.folder / "int8.pt2")
    whole = sum(x.numel() for x in stored if x.dtype == torch.int8)
    weights = 27 + 768
    if whole < weights:
        return (
            f"int8.pt2 holds {whole} int8 numbers, and the two layers have {weights} weights: all weights of "
            "convolutions and linear layers are stored as int8 there"
        )
    floats = sum(x.numel() for x in stored if x.dtype.is_floating_point)
    if floats >= weights:
        return "int8.pt2 holds the float weights as well: only the int8 ones and their scales belong into it"
    images = torch.from_numpy(found.images)
    ours = workshop.program(found.folder / "int8.pt2").module()(images).detach()
    right = logits(found.model, found.images)
    if not same(ours, right, atol=0.05 * float(right.abs().max()), rtol=0.05):
        return (
            f"the int8 program is off by up to {(ours - right).abs().max():.3g}; logits are up to "
            f"{right.abs().max():.3g}. Its ranges come from all of `calib`, scaled as the network gets it"
        )
    return None


@probe("another-manifest")
def manifest(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    with family("another-manifest", "manifest.json"):
        written = json.loads((found.folder / "manifest.json").read_text(encoding="utf-8"))
        keys = {"labels", "files", "torch", "input", "parity", "metrics"}
        t.that(keys <= set(written), f"misses {sorted(keys - set(written))}")
        t.that(written == json.loads(json.dumps(found.manifest)), "is not what build_artifact returned")
        t.that(written["torch"] == torch.__version__, f'"torch" is {written["torch"]!r}')
        wanted = {"shape": ["batch", 8, 8], "dtype": "uint8", "min": 0, "max": 16}
        t.that(written["input"] == wanted, f'"input" is {written["input"]}, expected {wanted}')
        t.that(set(written["parity"]) == {"fp32", "int8"}, f'"parity" has {sorted(written["parity"])}')
        for variant in ("fp32", "int8"):
            missing = REPORT - set(written["parity"][variant])
            t.that(not missing, f"the parity report of {variant} misses {sorted(missing)}")
    return None


@probe("label-order-lost")
def labels(a: Any, t: Trial) -> str | None:
    found = workshop.small(a).manifest["labels"]
    if found != workshop.LABELS:
        more = " Sorting them exchanges the classes." if sorted(found) == sorted(workshop.LABELS) else ""
        return (
            f"the labels are {workshop.LABELS}, in the order of the classes; the manifest has {found}.{more}"
        )
    return None


@probe("hash-of-something-else")
def hashes(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    for name in ("fp32.pt2", "int8.pt2"):
        right = hashlib.sha256((found.folder / name).read_bytes()).hexdigest()
        said = found.manifest["files"].get(name)
        if said != right:
            return (
                f'manifest["files"]["{name}"] is {str(said)[:16]}…, and the SHA-256 of the contents is '
                f"{right[:16]}…: hash the bytes, after the file is complete, not its path"
            )
    extra = set(found.manifest["files"]) - {"fp32.pt2", "int8.pt2"}
    if extra:
        return f'"files" names {sorted(extra)} too; without ONNX there are two other files than the manifest'
    return None


@probe("wrong-metrics")
def metrics(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    for variant in ("fp32", "int8"):
        run = workshop.program(found.folder / f"{variant}.pt2").module()
        right = float((run(torch.from_numpy(found.images)).argmax(dim=1).numpy() == found.targets).mean())
        said = found.manifest["metrics"].get(variant)
        if not isinstance(said, float) or not math.isclose(said, right, abs_tol=1e-6):
            return f'"metrics" says {said!r} for "{variant}"; {right:.4f} of the images in `valid` are right'
    return None


@probe("wrong-parity")
def parities(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    right = logits(found.model, found.images)
    for variant in ("fp32", "int8"):
        run = workshop.program(found.folder / f"{variant}.pt2").module()
        given = run(torch.from_numpy(found.images)).detach()
        report = found.manifest["parity"][variant]
        off = float((given - right).abs().max())
        if not math.isclose(report["max_abs"], off, rel_tol=1e-3, abs_tol=1e-6):
            return (
                f'"max_abs" in the parity of "{variant}" is {report["max_abs"]:.4g}; on the images of '
                f"`valid` the program is {off:.4g} away from the model"
            )
        forth, back = (relative(x, y) for x, y in ((right, given), (given, right)))
        if variant == "int8" and not math.isclose(report["max_rel"], forth, rel_tol=0.02):
            swapped = math.isclose(report["max_rel"], back, rel_tol=0.02)
            return f'"max_rel" in the parity of "int8" is {report["max_rel"]:.4g}, expected {forth:.4g}' + (
                ": the model is the reference, the program the candidate" if swapped else ""
            )
    return None


def relative(ref: torch.Tensor, cand: torch.Tensor) -> float:
    """`max_rel` of E1, with its default atol."""
    ref, cand = ref.double(), cand.double()
    return float(((ref - cand).abs() / ref.abs().clamp(min=1e-5)).max())
