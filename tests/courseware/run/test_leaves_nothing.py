"""Whatever a notebook starts, nothing of it lives on, and no file is left, however the run ended."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import nbformat
import psutil
import pytest

from courseware.run import execute

LANES = ["kernel", "warm"]

# A child, one in its own session, and one that has left parent, group and session and lost its environment.
# Each carries the mark as an argument.
START_THREE = """
import os, subprocess, sys, time
mark = {mark!r}
sleeper = [sys.executable, "-c", "import time; time.sleep(611)", mark]
subprocess.Popen(sleeper)
subprocess.Popen(sleeper, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, sleeper, {{}})
    os._exit(0)
while sum(mark in open(f"/proc/{{p}}/cmdline").read() for p in os.listdir("/proc") if p.isdigit()) < 3:
    time.sleep(0.01)
print("started three")
"""


def living(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline() and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the notebook looks into /proc")
@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        ("pass", "passed"),
        ("1 / 0", "failed"),
        ("os.kill(os.getpid(), 9)", "failed"),
        ("time.sleep(600)", "timed out"),
    ],
)
def test_no_process_outlives_the_run(notebook, lane: str, ending: str, verdict: str, mark: str) -> None:
    timeout = 12.0 if verdict == "timed out" else 60.0
    result = execute(notebook(START_THREE.format(mark=mark), ending), lane=lane, timeout=timeout)
    assert result.verdict == verdict, result
    assert "started three" in str(result.notebook.cells[0].outputs)
    assert living(mark) == []


@pytest.mark.parametrize("lane", LANES)
def test_nothing_outlives_a_caller_that_is_killed(notebook, lane: str, mark: str, tmp_path: Path) -> None:
    path = tmp_path / "long.ipynb"
    started = tmp_path / "started"
    nbformat.write(
        notebook(START_THREE.format(mark=mark) + f"\nopen({str(started)!r}, 'w')\ntime.sleep(600)"), path
    )
    program = f"from courseware.run import execute; execute({str(path)!r}, lane={lane!r})"
    caller = subprocess.Popen([sys.executable, "-c", program])
    _wait(lambda: started.exists())
    assert len(living(mark)) == 3
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    _wait(lambda: living(mark) == [])


@pytest.mark.parametrize("lane", LANES)
def test_an_interrupt_ends_the_run_and_tidies_up(notebook, lane: str, mark: str, tmp_path: Path) -> None:
    path = tmp_path / "long.ipynb"
    started = tmp_path / "started"
    text = (
        START_THREE.format(mark=mark)
        + f"\nopen({str(started)!r}, 'w').write(os.environ['TMPDIR'])\ntime.sleep(600)"
    )
    nbformat.write(notebook(text), path)
    program = f"from courseware.run import execute; execute({str(path)!r}, lane={lane!r})"
    caller = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    _wait(lambda: started.exists() and started.read_text() != "")
    caller.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in caller.communicate(timeout=60)[1]
    _wait(lambda: living(mark) == [])
    _wait(lambda: not Path(started.read_text()).parent.exists())


@pytest.mark.parametrize("lane", LANES)
def test_the_notebooks_folder_and_file_stay_as_they_were(notebook, lane: str, tmp_path: Path) -> None:
    path = tmp_path / "one.ipynb"
    nbformat.write(notebook("import tempfile\ntempfile.mkdtemp()", "1"), path)
    before = path.read_bytes()
    result = execute(path, lane=lane)
    assert result.passed
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    made = eval(result.notebook.cells[0].outputs[0].data["text/plain"])
    assert not Path(made).exists()


def _wait(condition, patience: float = 90.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
