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

from courseware.run import execute, execute_many
from courseware.run.processes import MARK

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
def has_mark(pid):
    try:
        return mark in open(f"/proc/{{pid}}/cmdline").read()
    except OSError:
        return False
while sum(has_mark(pid) for pid in os.listdir("/proc") if pid.isdigit()) < 3:
    time.sleep(0.05)
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
    # A busy machine needs a while to start a kernel and three processes; a fork is there at once.
    timeout = 60.0 if verdict != "timed out" else 25.0 if lane == "kernel" else 12.0
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


def test_a_kernel_that_kills_its_supervisor_is_found_by_its_mark(notebook, mark: str) -> None:
    kill = "import psutil\npsutil.Process().parent().parent().kill()\ntime.sleep(600)"
    result = execute(notebook(START_THREE.format(mark=mark), kill), timeout=60)
    assert (result.verdict, result.cell_index, result.error.name) == ("failed", 1, "KernelDied")
    # The one that lost its environment has no mark either: on this way out it is out of reach.
    unmarked = [process for process in living(mark) if MARK in process.environ()]
    for process in living(mark):
        process.kill()
    assert unmarked == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lane", LANES)
def test_an_error_among_many_ends_the_others_at_once(notebook, lane: str, mark: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    long = tmp_path / "long.ipynb"
    nbformat.write(
        notebook(START_THREE.format(mark=mark) + f"\nopen({str(started)!r}, 'w')\ntime.sleep(600)"), long
    )

    def gone(result: object) -> None:
        _wait(started.exists)
        raise RuntimeError("the caller's own error")

    short = tmp_path / "short.ipynb"
    nbformat.write(notebook("1"), short)
    with pytest.raises(RuntimeError, match="the caller's own error"):
        execute_many([short, long], lane, workers=2, done=gone)
    assert living(mark) == []


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
