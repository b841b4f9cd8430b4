"""The known mistakes of E5 in the predictor and in measuring latency."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from courseware.check import Probes, Trial
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise import e5_workshop as workshop
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_build import logits
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet

probe = Probes()
BAD_INPUTS = {
    "a list of numbers": [[[0] * 8] * 8],
    "a tensor": torch.zeros(1, 8, 8, dtype=torch.uint8),
    "float64": np.zeros((1, 8, 8)),
    "float32": np.zeros((1, 8, 8), dtype=np.float32),
    "NaN": np.full((1, 8, 8), np.nan),
    "int64": np.zeros((1, 8, 8), dtype=np.int64),
    "int8": np.zeros((1, 8, 8), dtype=np.int8),
    "a single image of shape (8, 8)": np.zeros((8, 8), dtype=np.uint8),
    "shape (1, 1, 8, 8)": np.zeros((1, 1, 8, 8), dtype=np.uint8),
    "shape (2, 9, 8)": np.zeros((2, 9, 8), dtype=np.uint8),
    "shape (2, 64)": np.zeros((2, 64), dtype=np.uint8),
    "an empty batch": np.zeros((0, 8, 8), dtype=np.uint8),
    "a grey level of 17": np.full((1, 8, 8), 17, dtype=np.uint8),
    "one grey level of 255 in the last image": np.concatenate(
        [np.zeros((2, 8, 8), dtype=np.uint8), np.eye(8, dtype=np.uint8)[None] * 255]
    ),
}


def loaded(a: Any, folder: Path | str, variant: str = "fp32") -> Any:
    with quiet():
        return a.Predictor.load(folder, variant)


@probe("cannot-predict")
def works(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    with family("cannot-predict", "Predictor.load and predict with good images"):
        for variant in ("fp32", "int8"):
            names, probs = loaded(a, found.folder, variant).predict(found.images)
            t.that(
                isinstance(names, list) and len(names) == 40,
                f"40 images gave {type(names).__name__}, not 40 names",
            )
            t.that(
                all(isinstance(name, str) for name in names),
                f"the first answer is {names[0]!r}, not a class name",
            )
            t.that(
                isinstance(probs, np.ndarray),
                f"the probabilities are a {type(probs).__name__}, expected an array",
            )
            t.that(probs.shape == (40, 4), f"the probabilities have shape {probs.shape}, expected (40, 4)")
            t.that(probs.dtype == np.float32, f"the probabilities are {probs.dtype}, expected float32")
        loaded(a, str(found.folder))
    return None


@probe("no-probabilities")
def probabilities(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    _, probs = loaded(a, found.folder).predict(found.images)
    right = logits(found.model, found.images)
    if np.allclose(probs, right.numpy(), atol=1e-4):
        return "those are the logits; probabilities are their softmax"
    if not np.allclose(probs.sum(axis=1), 1, atol=1e-4):
        over = "column" if np.allclose(probs.sum(axis=0), 1, atol=1e-4) else None
        return f"each image's probabilities add up to 1; yours to {probs.sum(axis=1)[:3]}" + (
            ", but each column does: softmax over the classes" if over else ""
        )
    if not np.allclose(probs, right.softmax(dim=1).numpy(), atol=1e-4):
        return (
            "the probabilities are not those of the model: is the preprocessing done once, not twice or "
            "never?"
        )
    return None


@probe("names-of-other-classes")
def names(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    said, _ = loaded(a, found.folder).predict(found.images)
    right = [workshop.LABELS[i] for i in logits(found.model, found.images).argmax(dim=1).tolist()]
    if said == right:
        return None
    if said == [str(workshop.LABELS.index(name)) for name in right]:
        return (
            f"the answers are numbers as text ({said[:3]}); the manifest's names are asked for ({right[:3]})"
        )
    if said == [sorted(workshop.LABELS)[workshop.LABELS.index(name)] for name in right]:
        return "the names are sorted; class i is the i-th name *in the manifest's order*"
    return f"the first answers are {said[:3]}, expected {right[:3]}: the name of the largest probability"


@probe("variant-ignored")
def variants(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    probs = [loaded(a, found.folder, variant).predict(found.images)[1] for variant in ("fp32", "int8")]
    if np.array_equal(*probs):
        return '`variant` changes nothing: "int8" gives exactly the numbers of "fp32"'
    with quiet():
        by_default = a.Predictor.load(found.folder)
    if np.array_equal(by_default.predict(found.images)[1], probs[1]):
        return '`Predictor.load(folder)` gives the numbers of "int8": without a word, the variant is "fp32"'
    for variant in ("onnx", "float16", ""):
        attempt = t.tried(lambda variant=variant: loaded(a, found.folder, variant))
        if not isinstance(attempt.error, ValueError):
            how = f"raised {type(attempt.error).__name__}" if attempt.error else "was loaded"
            return f"variant {variant!r}, which this folder does not have, {how}; a ValueError is asked for"
    return None


@probe("damage-goes-unnoticed")
def damage(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    broken = workshop.workplace(a) / "damaged"
    for name in ("fp32.pt2", "int8.pt2"):
        for words in ("one byte of it is flipped", "it is missing"):
            for variant in ("fp32", "int8"):
                shutil.rmtree(broken, ignore_errors=True)
                shutil.copytree(found.folder, broken)
                if words == "it is missing":
                    (broken / name).unlink()
                else:
                    data = bytearray((broken / name).read_bytes())
                    data[len(data) // 2] ^= 1
                    (broken / name).write_bytes(data)
                attempt = t.tried(lambda variant=variant: loaded(a, broken, variant))
                if not isinstance(attempt.error, ValueError):
                    how = (
                        f"raised {type(attempt.error).__name__}"
                        if attempt.error
                        else "is loaded without a word"
                    )
                    more = (
                        "" if name.startswith(variant) else " Every file that the manifest names is verified."
                    )
                    return f"{name}: {words}, and variant {variant!r} {how}. A ValueError is asked for.{more}"
    return None


@probe("accepts-bad-input")
def bad_input(a: Any, t: Trial) -> str | None:
    predictor = loaded(a, workshop.small(a).folder)
    for words, images in BAD_INPUTS.items():
        attempt = t.tried(lambda images=images: predictor.predict(images))
        if not isinstance(attempt.error, ValueError):
            how = f"raised {type(attempt.error).__name__}" if attempt.error else "was answered"
            return f"{words} {how}; a clear ValueError is asked for (uint8 [B, 8, 8], B ≥ 1, levels 0 … 16)"
        if len(str(attempt.error)) < 8:
            return f"{words} is refused with the words {str(attempt.error)!r}: say what is wrong"
    return None


@probe("refuses-good-input")
def good_input(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    predictor = loaded(a, found.folder)
    cases = {
        "one image": found.images[:1],
        "every second image (not contiguous)": found.images[::2],
        "images turned upside down (a view with negative strides)": found.images[:, ::-1],
        "all black": np.zeros((2, 8, 8), dtype=np.uint8),
        "all 16": np.full((2, 8, 8), 16, dtype=np.uint8),
    }
    for words, images in cases.items():
        before = images.copy()
        with family("refuses-good-input", words):
            _, probs = predictor.predict(images)
            right = logits(found.model, before).softmax(dim=1).numpy()
            t.that(np.allclose(probs, right, atol=1e-4), "other probabilities than the model's")
            t.that(np.array_equal(images, before), "the images were changed in place")
    return None


@probe("depends-on-the-batch")
def invariance(a: Any, t: Trial) -> str | None:
    found = workshop.small(a)
    for variant in ("fp32", "int8"):
        predictor = loaded(a, found.folder, variant)
        together = predictor.predict(found.images)[1]
        alone = np.concatenate([predictor.predict(found.images[i : i + 1])[1] for i in range(6)])
        if not np.allclose(together[:6], alone, atol=1e-5):
            return f"{variant}: an image's answer depends on the other images of its batch"
    return None


@probe("keeps-for-backward")
def graph(a: Any, t: Trial) -> str | None:
    predictor = loaded(a, workshop.small(a).folder)
    kept: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        predictor.predict(workshop.scans(4))
    if kept:
        return (
            f"predict keeps {len(kept)} tensors for a backward pass that never comes: `with "
            f"torch.inference_mode():`"
        )
    return None
