"""Wrong answers to E5 that need another artefact to be seen."""

from __future__ import annotations

import json
from pathlib import Path

from phase2_intermediate.lab6_model_export.solution import build_artifact
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
def one_measurement_for_both():
    def build(model, calib, out, **how):
        manifest = build_artifact(model, calib, out, **how)
        manifest["metrics"]["int8"] = manifest["metrics"]["fp32"]
        (Path(out) / "manifest.json").write_text(json.dumps(manifest))
        return manifest

    return {"build_artifact": build}
