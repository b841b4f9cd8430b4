"""Wrong answers to E5."""

import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab6_model_export.solution import (
    Predictor,
    WithPreprocessing,
    accuracy,
    build_artifact,
    calibrate,
    export_dynamic,
    fingerprint,
    latency,
    parity,
    scaled,
    static_quant,
)


class Outside(nn.Module):
    """Takes the scanner's images and forgets to divide by 16."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.float().unsqueeze(1))


def builder(*, wrap=WithPreprocessing, digest=fingerprint, atomic=True, names=list, int8=True, judge=False):
    """A sound `build_artifact` with parts to be exchanged."""

    def build(model, calib, out, *, labels, valid, with_onnx=True):
        out = Path(out)
        if out.exists():
            raise FileExistsError(out)
        images, targets = torch.from_numpy(valid[0]), torch.from_numpy(valid[1])
        modes = {m: m.training for m in model.modules()}
        model.eval()
        place = tempfile.mkdtemp(dir=out.parent)
        folder = Path(place) if atomic else out
        folder.mkdir(exist_ok=True)
        manifest = {
            "labels": names(labels),
            "files": {},
            "torch": torch.__version__,
            "input": {"shape": ["batch", 8, 8], "dtype": "uint8", "min": 0, "max": 16},
            "parity": {},
            "metrics": {},
        }
        try:
            export_dynamic(wrap(model), images[:2], {0: "batch"})
            qparams = calibrate(model, [scaled(images if judge else torch.from_numpy(calib))])
            for variant, form in (("fp32", model), ("int8", static_quant(model, qparams) if int8 else model)):
                program = export_dynamic(wrap(form), images[:2], {0: "batch"})
                torch.export.save(program, folder / f"{variant}.pt2")
                run = program.module()
                manifest["parity"][variant] = asdict(parity(lambda x: model(scaled(x)), run, [images]))
                manifest["metrics"][variant] = accuracy(run, images, targets)
                manifest["files"][f"{variant}.pt2"] = digest(folder / f"{variant}.pt2")
            (folder / "manifest.json").write_text(json.dumps(manifest))
        except Exception:
            if atomic:
                shutil.rmtree(place)
            raise
        finally:
            for m, mode in modes.items():
                m.training = mode
        if atomic:
            folder.rename(out)
        else:
            shutil.rmtree(place)
        return manifest

    return {"build_artifact": build}


@misconception("E5", diagnosis="preprocessing-outside")
def the_division_stays_in_the_notebook():
    return builder(wrap=Outside)


@misconception("E5", diagnosis="not-a-program")
def pickles_the_module():
    def build(model, calib, out, **how):
        manifest = build_artifact(model, calib, out, **how)
        torch.save(model, Path(out) / "fp32.pt2")
        manifest["files"]["fp32.pt2"] = fingerprint(Path(out) / "fp32.pt2")
        (Path(out) / "manifest.json").write_text(json.dumps(manifest))
        return manifest

    return {"build_artifact": build}


@misconception("E5", diagnosis="hash-of-something-else")
def hashes_the_path():
    return builder(digest=lambda path: hashlib.sha256(str(path).encode()).hexdigest())


@misconception("E5", diagnosis="label-order-lost")
def sorts_the_labels():
    return builder(names=sorted)


@misconception("E5", diagnosis="int8-without-int8")
def one_program_twice():
    return builder(int8=False)


@misconception("E5", diagnosis="half-a-folder")
def writes_in_place():
    return builder(atomic=False)


@misconception("E5", diagnosis="calibrated-on-the-validation-images")
def looks_at_the_test():
    return builder(judge=True)


class Sound(Predictor):
    """To be changed in one place."""


@misconception("E5", diagnosis="damage-goes-unnoticed")
def trusts_the_files():
    class Changed(Sound):
        @classmethod
        def load(cls, path, variant="fp32"):
            self, folder = cls(), Path(path)
            manifest = json.loads((folder / "manifest.json").read_text())
            if f"{variant}.pt2" not in manifest["files"]:
                raise ValueError(f"no variant {variant}")
            self.labels, self.input = manifest["labels"], manifest["input"]
            program = torch.export.load(folder / f"{variant}.pt2").module()
            self.run = program
            return self

    return {"Predictor": Changed}


@misconception("E5", diagnosis="keeps-for-backward")
def predicts_with_gradients():
    class Changed(Sound):
        def predict(self, images):
            super().predict(images)
            probs = self.run(torch.from_numpy(images.copy())).softmax(dim=1).detach()
            return [self.labels[i] for i in probs.argmax(dim=1).tolist()], probs.numpy()

    return {"Predictor": Changed}


@misconception("E5", diagnosis="accepts-bad-input")
def takes_whatever_comes():
    class Changed(Sound):
        def predict(self, images):
            images = np.asarray(images).astype(np.uint8).reshape(-1, 8, 8)
            with torch.inference_mode():
                probs = self.run(torch.from_numpy(images.copy())).softmax(dim=1)
            return [self.labels[i] for i in probs.argmax(dim=1).tolist()], probs.numpy()

    return {"Predictor": Changed}


@misconception("E5", diagnosis="needs-the-notebook")
def uses_the_library_of_the_course():
    class Changed(Sound):
        def predict(self, images):
            from shared.data import digits  # as training code does

            assert digits
            return super().predict(images)

    return {"Predictor": Changed}


@misconception("E5", diagnosis="no-probabilities")
def gives_logits():
    class Changed(Sound):
        def predict(self, images):
            names, _ = super().predict(images)
            with torch.inference_mode():
                return names, self.run(torch.from_numpy(images.copy())).numpy()

    return {"Predictor": Changed}


@misconception("E5", diagnosis="warm-up-counted")
def measures_the_first_calls():
    def timed(fn, batches, warmup=10, iters=100, clock=time.perf_counter):
        return latency(fn, batches, 0, warmup + iters, clock)

    return {"latency": timed}


@misconception("E5", diagnosis="mean-instead-of-percentiles")
def reports_the_mean():
    def timed(fn, batches, warmup=10, iters=100, clock=time.perf_counter):
        found = latency(fn, batches, warmup, iters, clock)
        for _ in range(1):
            rows = sum(len(batches[i % len(batches)]) for i in range(warmup, warmup + iters))
            mean = rows / found["throughput"] / iters * 1000
        return {**found, "p50": mean, "p90": mean, "p99": mean}

    return {"latency": timed}
