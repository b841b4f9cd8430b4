"""The reward of E5: a model card from the learner's own artefact."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from phase2_intermediate.lab6_model_export.checks_by_exercise import e5_workshop as workshop
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import all_digits, trained
from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import quiet
from shared.plotting import COLOURS, panels, show


def model_card(a: Any) -> None:
    """Files, parity, accuracy and latency of the digit network's artefact."""
    X, _, X_test, y_test = all_digits()
    images = workshop.as_scanned(X_test)
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "digits"
        with quiet():
            manifest = a.build_artifact(
                trained(),
                workshop.as_scanned(X[:256]),
                out,
                labels=workshop.NAMES,
                valid=(images, y_test.numpy()),
            )
        print("MODEL CARD · digits, 8×8, ten classes")
        print(f"made with torch {manifest['torch'].partition('+')[0]}; takes {manifest['input']}")
        for name, digest in manifest["files"].items():
            print(f"  {name:12}{(out / name).stat().st_size / 1000:7.1f} kB   sha256 {digest[:16]}…")
        first, rows, variants = (
            None,
            {},
            ["fp32", "int8", *(["onnx"] if "model.onnx" in manifest["files"] else [])],
        )
        for variant in variants:
            with quiet():
                predictor = a.Predictor.load(out, variant)
            names, probs = predictor.predict(images)
            right = np.mean([workshop.NAMES.index(n) for n in names] == y_test.numpy())
            times = a.latency(predictor.predict, [images[:1]], iters=60)
            rows[variant] = times
            first = probs if first is None else first
            print(
                f"  {variant:6}{right:.3f} right   largest difference to fp32 "
                f"{np.abs(probs - first).max():.1e}   "
                f"p50 {times['p50']:.2f} ms   p99 {times['p99']:.2f} ms"
            )
        sizes = {v: sum(x.nbytes for x in workshop.stored(out / f"{v}.pt2")) / 1000 for v in ("fp32", "int8")}
    fig, (left, right_ax) = panels(1, 2, height=2.6)
    left.bar(list(sizes), list(sizes.values()), color=[COLOURS["sky"], COLOURS["blue"]])
    left.set(ylabel="kB of tensors")
    place_of = np.arange(len(rows))
    right_ax.bar(place_of - 0.2, [r["p50"] for r in rows.values()], 0.4, color=COLOURS["sky"], label="p50")
    right_ax.bar(place_of + 0.2, [r["p99"] for r in rows.values()], 0.4, color=COLOURS["red"], label="p99")
    right_ax.set_xticks(place_of, list(rows))
    right_ax.set(ylabel="ms for one image", yscale="log")
    right_ax.legend()
    show(
        fig,
        caption=f"Your artefact: int8 takes {sizes['int8'] / sizes['fp32']:.2f} of the bytes. It is not "
        f"faster here: its "
        "program computes with floats again. Latencies are those of this machine, now.",
        alt=f"Left: {sizes['fp32']:.1f} and {sizes['int8']:.1f} kB. Right: latencies of one image for each "
        f"variant, p50 "
        "and p99.",
    )
