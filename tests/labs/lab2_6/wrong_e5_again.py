"""Wrong answers to E5 that need another artefact to be seen."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from phase2_intermediate.lab6_model_export.solution import Predictor, build_artifact, parity, scaled
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E5")
def an_empty_folder_is_no_folder():
    def build(model, calib, out, **how):
        out = Path(out)
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        return build_artifact(model, calib, out, **how)

    return {"build_artifact": build}


@wrong("E5")
def the_folder_first_and_swept_away_if_something_fails():
    def build(model, calib, out, **how):
        out = Path(out)
        if out.exists():
            raise FileExistsError(out)
        out.mkdir()
        try:
            manifest = build_artifact(model, calib, out / "inside", **how)
            for file in (out / "inside").iterdir():
                file.rename(out / file.name)
            (out / "inside").rmdir()
        except Exception:
            shutil.rmtree(out)
            raise
        return manifest

    return {"build_artifact": build}


@wrong("E5")
def the_program_as_the_reference():
    def build(model, calib, out, *, valid, **how):
        manifest = build_artifact(model, calib, out, valid=valid, **how)
        images = torch.from_numpy(valid[0])
        run = torch.export.load(Path(out) / "int8.pt2").module()
        swapped = parity(run, lambda x: copy.deepcopy(model).eval()(scaled(x)), [images])
        manifest["parity"]["int8"] = asdict(swapped)
        (Path(out) / "manifest.json").write_text(json.dumps(manifest))
        return manifest

    return {"build_artifact": build}


@wrong("E5")
def small_by_default():
    class Changed(Predictor):
        @classmethod
        def load(cls, path, variant="int8"):
            return super().load(path, variant)

    return {"Predictor": Changed}


@wrong("E5")
def one_measurement_for_both():
    def build(model, calib, out, **how):
        manifest = build_artifact(model, calib, out, **how)
        manifest["metrics"]["int8"] = manifest["metrics"]["fp32"]
        (Path(out) / "manifest.json").write_text(json.dumps(manifest))
        return manifest

    return {"build_artifact": build}
