"""The learner's record keeps what was saved, whatever happens to the process or the file."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from courseware.progress import Progress, ProgressError
from courseware.progress import log as log_module

LAB = "phase1_foundations/lab1_tensors"

WRITER = """
import sys
from pathlib import Path
from courseware.progress import Progress
home, name = Path(sys.argv[1]), sys.argv[2]
progress = Progress(home)
for number in range(100_000):
    progress.record(lab="lab", exercise=f"{name}-{number}", event="attempt", status="passed", points=1)
    sys.stdout.write(f"{name}-{number}\\n")
    sys.stdout.flush()
"""


def _start_writer(home: Path, name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(home), name]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )


def _names(home: Path) -> list[str]:
    return [event.exercise for event in Progress(home).events()]


def test_every_acknowledged_record_survives_sigkill_at_a_random_moment(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[str] = []
    for attempt in range(6):
        writer = _start_writer(tmp_path, f"run{attempt}")
        assert writer.stdout is not None
        acknowledged.append(writer.stdout.readline().strip())  # it has begun to write
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()
        writer.wait()
    assert len(acknowledged) > 6
    assert set(acknowledged) <= set(_names(tmp_path))
    Progress(tmp_path).record(lab="lab", exercise="after", event="attempt")
    assert _names(tmp_path)[-1] == "after"


def test_two_kernels_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [_start_writer(tmp_path, name) for name in ("left", "right")]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    time.sleep(0.3)
    acknowledged: list[str] = ["left-0", "right-0"]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        assert writer.stdout is not None
        acknowledged += writer.stdout.read().split()
        writer.wait()
    names = _names(tmp_path)
    assert set(acknowledged) <= set(names)
    assert len(names) == len(set(names))


def test_a_file_cut_at_any_byte_keeps_every_whole_record_and_takes_the_next_one(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    for number in range(4):
        Progress(whole).record(
            lab=LAB, exercise=f"E{number}", event="attempt", status="passed", points=5 + number
        )
    content = Progress(whole).path.read_bytes()
    ends = [position + 1 for position in range(len(content)) if content[position : position + 1] == b"}"]
    assert len(ends) == 4
    for cut in range(len(content) + 1):
        home = tmp_path / f"cut{cut}"
        progress = Progress(home)
        progress.path.parent.mkdir(parents=True)
        progress.path.write_bytes(content[:cut])
        whole_records = [f"E{number}" for number, end in enumerate(ends) if end <= cut]
        assert _names(home) == whole_records
        progress.record(lab=LAB, exercise="next", event="attempt", status="passed", points=3)
        assert _names(home) == [*whole_records, "next"]


def test_lines_of_a_later_version_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.record(lab=LAB, exercise="E1", event="attempt", status="not quite", points=5)
    later = {"v": 9, "at": "2031-01-01T00:00:00Z", "lab": LAB, "exercise": "E1", "event": "attempt"}
    lines = [
        json.dumps({**later, "status": "passed", "points": 15, "mood": {"deep": [1]}}).encode(),
        json.dumps({**later, "event": "peer review"}).encode(),
        json.dumps({**later, "points": "many", "seconds": None, "at": 3}).encode(),
        b"[1, 2]",
        b"null",
        b"\x00\x00\x00",
        b"\xff\xfe{",
        b'{"lab": 3}',
        b"[" * 100_000,
        b'{"lab": "x", "exercise": "E1", "event": "attempt", "points": NaN}',
    ]
    with progress.path.open("ab") as file:
        file.write(b"\n".join(lines))
    progress.record(lab=LAB, exercise="E2", event="hint")
    standing = progress.standing(LAB)
    assert standing["E1"].passed
    assert standing["E1"].points == 15
    assert standing["E1"].attempts == 3
    assert standing["E2"].hints == 1
    assert progress.standing("x")["E1"].points == 0


def test_the_best_result_stays_and_a_pass_once_stays(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    for status, points in [("not quite", 4), ("passed", 15), ("raised", 0), ("not quite", 9)]:
        progress.record(lab=LAB, exercise="E1", event="attempt", status=status, points=points)
    progress.record(lab=LAB, exercise="E1", event="solution")
    standing = progress.standing(LAB)["E1"]
    assert (standing.passed, standing.points, standing.attempts, standing.solution_shown) == (
        True,
        15,
        4,
        True,
    )


def test_an_unanswered_stub_is_no_attempt(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.record(lab=LAB, exercise="E1", event="attempt", status="not attempted")
    assert progress.standing(LAB)["E1"].attempts == 0
    assert progress.standing("another/lab") == {}


def test_time_worked_counts_pauses_up_to_half_an_hour(tmp_path: Path) -> None:
    moments = iter([1000.0, 1060.0, 1060.0 + 3600, 1060.0 + 3600 + 90, 500.0, 510.0])
    progress = Progress(tmp_path, clock=lambda: next(moments))
    for exercise in ("E1", "E1", "E1", "E2", "E2", "E2"):
        progress.record(lab=LAB, exercise=exercise, event="attempt", status="raised", seconds=3)
    standing = progress.standing(LAB)
    assert standing["E1"].seconds == pytest.approx(60)  # the hour's pause was a break
    assert standing["E2"].seconds == pytest.approx(90 + 10)  # a clock set back takes nothing away


def test_a_full_disk_is_named_and_what_was_saved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(tmp_path)
    progress.record(lab=LAB, exercise="E1", event="attempt", status="passed", points=15)
    write = os.write
    monkeypatch.setattr(log_module.os, "write", lambda descriptor, data: write(descriptor, data[:20]))
    with pytest.raises(ProgressError, match="could not be saved"):
        progress.record(lab=LAB, exercise="E2", event="attempt", status="passed", points=20)
    monkeypatch.undo()
    progress.record(lab=LAB, exercise="E3", event="attempt", status="passed", points=20)
    assert _names(tmp_path) == ["E1", "E3"]


def test_a_home_that_is_a_file_gives_one_clear_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    assert Progress(home).standings() == {}
    with pytest.raises(ProgressError) as caught:
        Progress(home).record(lab=LAB, exercise="E1", event="hint")
    assert "\n" not in str(caught.value)
