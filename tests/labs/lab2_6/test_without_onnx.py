"""Where the ONNX packages are missing, E5 says so in a line, and the lab is complete without them."""

from __future__ import annotations

import importlib.util

from courseware.check import Status
from courseware.contract import Bench
from courseware.source import Course

ONNX = {"onnx", "onnxscript", "onnxruntime"}


def test_the_onnx_property_is_left_untried_and_never_counted_as_held(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in ONNX else find(name, *a)
    )
    bench = Bench.of(Course.find().lab("2.6"))
    monkeypatch.setattr(bench.exercises["E5"], "probes", [])  # no property depends on them
    report = bench.run("E5", bench.answers("E5"), seed=1)
    assert report.status is Status.PASSED, report.text()
    assert report.points == report.max_points
    untried = [p for p in report.properties if p.skipped]
    assert [p.held for p in untried] == [False]
    assert "pip install onnx onnxscript onnxruntime" in " ".join(report.text().split())
