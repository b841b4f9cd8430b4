"""A worker that dies costs the test it died in, and no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CASES = """
import os
import time
import pytest

if os.environ["PYTEST_XDIST_WORKER"] not in ("gw0", "gw1"):
    time.sleep({late})

@pytest.mark.parametrize("case", range({cases}))
def test_case(case):
    if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
        time.sleep({late} / 2)
    if case in {deadly}:
        os._exit(3)
"""
EVERY = list(range(12))


@pytest.mark.parametrize("folder", ["tests/labs", "tests/other"], ids=["case by case", "a file together"])
@pytest.mark.parametrize("deadly", [[4, 5], [11], EVERY], ids=["two", "last", "every"])
def test_what_a_crashed_worker_had_not_begun_runs_elsewhere(tmp_path: Path, folder: str, deadly: list[int]):
    run_with_crashes(tmp_path, folder, deadly)


@pytest.mark.parametrize("folder", ["tests/labs", "tests/other"], ids=["case by case", "a file together"])
@pytest.mark.parametrize("deadly", [[0, 1], [0, 1, 2, 3]], ids=["two", "four"])
def test_a_worker_may_die_before_the_last_one_is_replaced(tmp_path: Path, folder: str, deadly: list[int]):
    run_with_crashes(tmp_path, folder, deadly, late=0.4)


DIES_UNNOTICED = """
from xdist.workermanage import WorkerController

send, sent = WorkerController.send_runtest_some, []

def send_to_the_dead(node, indices):
    sent.append(node.gateway.id)
    if node.gateway.id == "gw1" and sent.count("gw1") == 3:
        process = node.gateway._io.popen
        process.kill()
        process.wait()
    send(node, indices)

WorkerController.send_runtest_some = send_to_the_dead
"""


def test_a_worker_may_be_dead_before_anybody_has_noticed(tmp_path: Path):
    place = tmp_path / "tests" / "labs"
    place.mkdir(parents=True)
    (place / "conftest.py").write_text(DIES_UNNOTICED)
    run_with_crashes(tmp_path, "tests/labs", [], late=0.4, failed=1)


def run_with_crashes(
    tmp_path: Path, folder: str, deadly: list[int], *, late: float = 0.0, failed: int | None = None
) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "test_cases.py").write_text(CASES.format(cases=12, deadly=deadly, late=late))
    options = [
        "-p",
        "xdist",
        "-n2",
        "-p",
        "tests.scheduling",
        "-p",
        "no:cacheprovider",
        "--max-worker-restart=20",
        "-q",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", folder],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    failed = len(deadly) if failed is None else failed
    summary = f"{failed} failed, {12 - failed} passed" if failed < 12 else "12 failed"
    assert summary in run.stdout, run.stdout + run.stderr
