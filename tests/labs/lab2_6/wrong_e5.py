"""Wrong answers to E5."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch

from phase2_intermediate.lab6_model_export.solution import Predictor, build_artifact, fingerprint, latency
from tests.labs.answers import Answers

wrong = Answers()


def rewritten(change):
    """The sound folder, with another manifest."""

    def build(model, calib, out, **how):
        manifest = build_artifact(model, calib, out, **how)
        change(manifest, Path(out))
        (Path(out) / "manifest.json").write_text(json.dumps(manifest))
        return manifest

    return {"build_artifact": build}


@wrong("E5")
def size_instead_of_a_hash():
    return rewritten(lambda m, out: m["files"].update({n: str((out / n).stat().st_size) for n in m["files"]}))


@wrong("E5")
def labels_as_numbers():
    return rewritten(lambda m, out: m.update(labels=list(range(len(m["labels"])))))


@wrong("E5")
def metrics_in_percent():
    return rewritten(lambda m, out: m.update(metrics={k: 100 * v for k, v in m["metrics"].items()}))


@wrong("E5")
def parity_of_a_model_with_itself():
    def change(manifest, out):
        manifest["parity"]["int8"] = dict(manifest["parity"]["fp32"])

    return rewritten(change)


@wrong("E5")
def no_parity_for_int8():
    return rewritten(lambda m, out: m["parity"].pop("int8"))


@wrong("E5")
def float_images_expected():
    def change(manifest, out):
        manifest["input"] = {"shape": ["batch", 8, 8], "dtype": "float32", "min": 0, "max": 1}

    return rewritten(change)


@wrong("E5")
def manifest_only_returned():
    def build(model, calib, out, **how):
        manifest = build_artifact(model, calib, out, **how)
        (Path(out) / "manifest.json").unlink()
        return manifest

    return {"build_artifact": build}


@wrong("E5")
def int8_under_both_names():
    def change(manifest, out):
        (out / "fp32.pt2").write_bytes((out / "int8.pt2").read_bytes())
        manifest["files"]["fp32.pt2"] = fingerprint(out / "fp32.pt2")

    return rewritten(change)


@wrong("E5")
def overwrites_what_is_there():
    import shutil

    def build(model, calib, out, **how):
        shutil.rmtree(out, ignore_errors=True)
        return build_artifact(model, calib, out, **how)

    return {"build_artifact": build}


@wrong("E5")
def probabilities_in_the_program():
    from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e5_ship import builder
    from phase2_intermediate.lab6_model_export.solution import WithPreprocessing

    class Softmaxed(WithPreprocessing):
        def forward(self, images):
            return super().forward(images).softmax(dim=1)

    return builder(wrap=Softmaxed)


@wrong("E5")
def divides_by_255():
    from phase2_intermediate.lab6_model_export.misconceptions_by_exercise.e5_ship import Outside, builder

    class Bytes(Outside):
        def forward(self, images):
            return self.network(images.float().unsqueeze(1) / 255)

    return builder(wrap=Bytes)


def predicting(change):
    class Changed(Predictor):
        def predict(self, images):
            return change(self, images, *Predictor.predict(self, images))

    return {"Predictor": Changed}


@wrong("E5")
def class_numbers():
    return predicting(lambda self, images, names, probs: ([self.labels.index(n) for n in names], probs))


@wrong("E5")
def the_least_likely():
    return predicting(
        lambda self, images, names, probs: ([self.labels[i] for i in probs.argmin(axis=1)], probs)
    )


@wrong("E5")
def a_tensor_of_probabilities():
    return predicting(lambda self, images, names, probs: (names, torch.from_numpy(probs)))


@wrong("E5")
def probabilities_in_double():
    return predicting(lambda self, images, names, probs: (names, probs.astype(np.float64)))


@wrong("E5")
def softmax_over_the_batch():
    def change(self, images, names, probs):
        with torch.inference_mode():
            return names, self.run(torch.from_numpy(images.copy())).softmax(dim=0).numpy()

    return predicting(change)


@wrong("E5")
def only_its_own_file_is_verified():
    class Changed(Predictor):
        @classmethod
        def load(cls, path, variant="fp32"):
            manifest = json.loads((Path(path) / "manifest.json").read_text())
            name = f"{variant}.pt2"
            if name not in manifest["files"]:
                raise ValueError(f"no variant {variant}")
            if not (Path(path) / name).exists() or fingerprint(Path(path) / name) != manifest["files"][name]:
                raise ValueError(f"{name} is damaged")
            self = cls()
            self.labels, self.input = manifest["labels"], manifest["input"]
            self.run = torch.export.load(Path(path) / name).module()
            return self

    return {"Predictor": Changed}


@wrong("E5")
def always_fp32():
    class Changed(Predictor):
        @classmethod
        def load(cls, path, variant="fp32"):
            return super().load(path, "fp32")

    return {"Predictor": Changed}


@wrong("E5")
def floats_are_welcome():
    class Changed(Predictor):
        def predict(self, images):
            if isinstance(images, np.ndarray) and images.dtype.kind == "f" and np.isfinite(images).all():
                images = images.astype(np.uint8)
            return super().predict(images)

    return {"Predictor": Changed}


@wrong("E5")
def empty_batches_are_welcome():
    class Changed(Predictor):
        def predict(self, images):
            if isinstance(images, np.ndarray) and images.shape == (0, 8, 8):
                return [], np.zeros((0, len(self.labels)), dtype=np.float32)
            return super().predict(images)

    return {"Predictor": Changed}


@wrong("E5")
def one_predictor_for_all():
    class Changed(Predictor):
        kept: dict = {}  # noqa: RUF012 (the mistake)

        @classmethod
        def load(cls, path, variant="fp32"):
            checked = super().load(path, variant)
            return cls.kept.setdefault(variant, checked)

    return {"Predictor": Changed}


def timing(change):
    def timed(fn, batches, warmup=10, iters=100, clock=time.perf_counter):
        return change(fn, batches, warmup, iters, clock)

    return {"latency": timed}


@wrong("E5")
def seconds():
    return timing(
        lambda fn, b, w, i, c: {
            k: v / 1000 if k != "throughput" else v for k, v in latency(fn, b, w, i, c).items()
        }
    )


@wrong("E5")
def its_own_clock():
    return timing(lambda fn, b, w, i, c: latency(fn, b, w, i))


@wrong("E5")
def batches_a_second():
    return timing(lambda fn, b, w, i, c: latency(fn, [x[:1] for x in b], w, i, c))


@wrong("E5")
def the_first_batch_only():
    return timing(lambda fn, b, w, i, c: latency(fn, b[:1], w, i, c))


@wrong("E5")
def the_maximum_as_p99():
    def change(fn, batches, warmup, iters, clock):
        times: list[float] = []

        def noted(batch):
            start = clock()
            fn(batch)
            times.append(clock() - start)

        found = latency(noted, batches, warmup, iters, clock)
        return {**found, "p99": 1000 * max(times[warmup:])}

    return timing(change)
