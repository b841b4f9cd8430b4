"""E5: an artefact that stands alone. What must hold; the known mistakes stand in two other files."""

from __future__ import annotations

import math
import shutil
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from courseware.check import Exercise, Trial
from phase2_intermediate.lab6_model_export.checks_by_exercise import (
    e5_again,
    e5_build,
    e5_latency,
    e5_predictor,
)
from phase2_intermediate.lab6_model_export.checks_by_exercise import e5_workshop as workshop
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_latency import measured
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_predictor import BAD_INPUTS
from phase2_intermediate.lab6_model_export.checks_by_exercise.e5_workshop import Artifact, whole
from phase2_intermediate.lab6_model_export.checks_by_exercise.fresh import NoAnswer, Task, ask
from phase2_intermediate.lab6_model_export.checks_by_exercise.pictures_card import model_card
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet

ACCURACY, INT8_LOSS, SIZE, CHANCE = 0.94, 0.01, 0.30, 0.35

e5 = Exercise(
    "E5",
    takes={"build_artifact": dict, "Predictor": None, "latency": dict},
    hints=(
        "What must be known to use the model that is not in its weights? All of that goes into the folder: "
        "the "
        "preprocessing into the program, the names of the classes and the hashes into the manifest.",
        "Export WithPreprocessing(model), and WithPreprocessing(static_quant(model, qparams)). Temporary "
        "folder beside "
        "`out`: write programs, hash them, write manifest.json, rename. The predictor: hashes, then load, "
        "then check the "
        "input, then run without gradients, then softmax.",
        "`with tempfile.TemporaryDirectory(dir=out.parent) as name: folder = Path(name) / 'artifact'; …; "
        "folder.rename(out)`; `run = torch.export.load(folder / 'fp32.pt2').module()`; `with "
        "torch.inference_mode(): "
        "probs = run(torch.from_numpy(images)).softmax(dim=1)`.",
    ),
)
for group in (e5_latency, e5_build, e5_predictor, e5_again):  # the cheap ones first
    group.probe.add_to(e5)

_built: WeakKeyDictionary[Any, dict[tuple[int, bool], Any]] = WeakKeyDictionary()


def artifacts(a: Any, t: Trial) -> tuple[Artifact, Artifact]:
    """The trained network's artefact and, as a control, that of an untrained one."""
    kept = _built.setdefault(workshop.remembered(a, "build_artifact"), {})
    with_onnx = not workshop.onnx_missing()
    key = t.seed, with_onnx
    if key not in kept:
        try:
            learned = whole(a, t, f"learned-{with_onnx}", with_onnx=with_onnx)
            kept[key] = learned, whole(a, t, "untrained", with_onnx=False, learned=False)
        except Exception as error:
            kept[key] = error
    if isinstance(kept[key], Exception):
        raise kept[key]
    return kept[key]


def right(names: list[str], artifact: Artifact) -> float:
    truth = [artifact.labels[i] for i in artifact.targets.tolist()]
    return float(np.mean([x == y for x, y in zip(names, truth, strict=True)]))


@e5.property("the folder: complete, small, and described by its manifest", points=7)
def folder(a: Any, t: Trial) -> None:
    learned, _ = artifacts(a, t)
    names = {path.name for path in learned.folder.iterdir()}
    expected = e5_build.FILES | (set() if workshop.onnx_missing() else {"model.onnx"})
    t.equal(sorted(names), sorted(expected), "the files")
    t.equal(sorted(learned.manifest["files"]), sorted(expected - {"manifest.json"}), "the manifest's files")
    sizes = {
        variant: sum(x.nbytes for x in workshop.stored(learned.folder / f"{variant}.pt2"))
        for variant in ("fp32", "int8")
    }
    share = sizes["int8"] / sizes["fp32"]
    t.that(
        share <= SIZE,
        f"the int8 program's tensors take {share:.3f} of the fp32 one's, expected at most {SIZE}",
    )
    fp32 = learned.manifest["parity"]["fp32"]
    t.that(fp32["passed"] and fp32["max_abs"] <= 1e-4, f"the parity report of fp32 says {fp32}")
    t.equal(
        learned.manifest["parity"]["int8"]["argmax_agreement"] >= 0.98,
        True,
        "int8 agrees with the model on 98 %",
    )


def questions(a: Any, t: Trial, learned: Artifact, untrained: Artifact) -> list[Task]:
    """Everything that the fresh process is asked."""
    path, images = str(learned.folder), learned.images
    damaged = workshop.workplace(a) / "flipped"
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(learned.folder, damaged)
    file = damaged / "int8.pt2"
    data = bytearray(file.read_bytes())
    data[t.random.randrange(100, len(data))] ^= 1 << t.random.randrange(8)
    file.write_bytes(data)
    tasks: list[Task] = [
        ("fp32", path, "fp32", images),
        ("int8", path, "int8", images),
        ("untrained", str(untrained.folder), "fp32", images),
        ("damaged", str(damaged), "int8", None),
        ("damaged elsewhere", str(damaged), "fp32", None),
        ("unknown", path, "float8", None),
    ]
    tasks += [(f"alone {i}", path, "int8", images[i : i + 1]) for i in range(4)]
    tasks += [(f"bad: {words}", path, "fp32", bad) for words, bad in BAD_INPUTS.items()]
    if not workshop.onnx_missing():
        tasks += [("onnx", path, "onnx", images), ("onnx alone", path, "onnx", images[:1])]
    return tasks


_answers: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def answers(a: Any, t: Trial) -> dict[str, tuple[Any, ...]]:
    """One fresh process for all questions of this check."""
    learned, untrained = artifacts(a, t)
    kept = _answers.setdefault(workshop.remembered(a, "Predictor"), {})
    key = str(learned.folder)
    if key not in kept:
        with quiet():  # what fails here need not fail in another process
            a.Predictor.load(workshop.small(a).folder)
        try:
            kept[key] = ask(a.raw("Predictor"), questions(a, t, learned, untrained))
        except NoAnswer as error:
            kept[key] = error
    if isinstance(kept[key], NoAnswer):
        t.fail(f"in a fresh process: {kept[key]}", diagnosis="needs-the-notebook")
    found: dict[str, tuple[Any, ...]] = kept[key]
    lost = next(
        (v[1] for v in found.values() if v[0] != "ok" and "the artefact must stand alone" in v[1]), None
    )
    if "the class" in found or lost:
        t.fail(
            f"in a fresh process without the lab: {lost or found['the class'][1]}. The predictor needs "
            f"something of the "
            "notebook or of the course; all it may use is the folder, torch, NumPy and the standard library",
            diagnosis="needs-the-notebook",
        )
    return found


def value(t: Trial, found: dict[str, tuple[Any, ...]], name: str) -> Any:
    kind, said = found[name][:2]
    t.that(kind == "ok", f"in a fresh process, {name}: {said}")
    return said


@e5.property("a fresh process loads it and gives the model's answers", points=8)
def stands_alone(a: Any, t: Trial) -> None:
    learned, _ = artifacts(a, t)
    found = answers(a, t)
    names, probs = value(t, found, "fp32")
    with torch.no_grad():
        eager = learned.model(workshop.floats(learned.images)).softmax(dim=1)
    t.that(
        np.allclose(probs, eager.numpy(), atol=1e-5),
        f"fp32 probabilities are up to {np.abs(probs - eager.numpy()).max():.2g} away from the eager model's",
    )
    t.equal(names, [learned.labels[i] for i in eager.argmax(dim=1).tolist()], "the names")
    fp32 = right(names, learned)
    t.reaches(fp32, ACCURACY, "of the test digits are right in a process of its own")
    whole_names, whole_probs = value(t, found, "int8")
    int8 = right(whole_names, learned)
    t.reaches(int8, round(fp32 - INT8_LOSS, 4), "of them with int8 weights")
    for i in range(4):
        t.that(
            np.allclose(value(t, found, f"alone {i}")[1][0], whole_probs[i], atol=1e-5),
            f"int8: image {i} alone and among 360 get different probabilities",
        )


@e5.property("it refuses what is damaged, unknown or no image", points=4)
def refuses(a: Any, t: Trial) -> None:
    found = answers(a, t)
    for name in ("damaged", "damaged elsewhere", "unknown", *(f"bad: {words}" for words in BAD_INPUTS)):
        kind, said, *is_value_error = found[name]
        t.that(kind != "ok", f"{name}: it was accepted, a ValueError is asked for")
        t.that(is_value_error == [True], f"{name}: {said}; a ValueError is asked for")


@e5.property("an untrained network's artefact knows nothing", points=2)
def control(a: Any, t: Trial) -> None:
    _, untrained = artifacts(a, t)
    share = right(value(t, answers(a, t), "untrained")[0], untrained)
    t.that(
        share <= CHANCE,
        f"{share:.2f} of the digits are right without training: where do the answers come from?",
    )


@e5.property("latency: percentiles of single calls, after the warm-up", points=4)
def latencies(a: Any, t: Trial) -> None:
    for _ in range(5):
        warmup, iters = t.random.randrange(0, 4), t.random.randrange(1, 30)
        seconds = [t.random.uniform(0.001, 0.1) for _ in range(warmup + iters)]
        batches = [[0] * t.random.randrange(1, 5) for _ in range(t.random.randrange(1, 4))]
        found, world = measured(a, seconds, batches, warmup, iters)
        times = np.array(seconds[warmup:]) * 1000
        rows = sum(len(batches[i % len(batches)]) for i in range(warmup, warmup + iters))
        t.that(
            len(world.calls) == warmup + iters, f"{len(world.calls)} calls for warmup={warmup}, iters={iters}"
        )
        for p in (50, 90, 99):
            t.equal(found[f"p{p}"], float(np.percentile(times, p)), f"p{p}", rtol=1e-6)
        t.equal(found["throughput"], rows / (times.sum() / 1000), "throughput", rtol=1e-6)
        t.that(
            all(isinstance(v, float) and math.isfinite(v) for v in found.values()),
            "not all values are floats",
        )


@e5.property("the ONNX file, run by onnxruntime", points=0)
def onnx(a: Any, t: Trial) -> None:
    missing = workshop.onnx_missing()
    if missing:
        t.skip(f"not installed: pip install {' '.join(missing)}")
    learned, _ = artifacts(a, t)
    _, probs = value(t, answers(a, t), "onnx")
    with torch.no_grad():
        eager = learned.model(workshop.floats(learned.images)).softmax(dim=1).numpy()
    off = float(np.abs(probs - eager).max())
    t.that(off <= 1e-4, f"onnxruntime's probabilities are up to {off:.2g} away from the eager model's")
    t.that(
        np.allclose(value(t, answers(a, t), "onnx alone")[1][0], eager[0], atol=1e-4),
        "a batch of one differs in ONNX",
    )


e5.reward(model_card)
