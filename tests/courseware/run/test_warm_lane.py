"""The warm lane forks safely, and one notebook cannot touch the next."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from courseware.run import RunnerError, execute, warm


def value(result, cell: int = -1):
    assert result.passed, result
    return eval(result.notebook.cells[cell].outputs[-1].data["text/plain"])


@pytest.fixture
def zygote(notebook) -> psutil.Process:
    execute(notebook("1"), lane="warm")
    return psutil.Process(warm._current._process.pid)


def test_the_zygote_has_one_thread_after_notebooks_that_had_many(notebook, zygote: psutil.Process) -> None:
    many = (
        "import torch\ntorch.set_num_threads(4)\n"
        "x = torch.randn(600, 600, requires_grad=True)\n(x @ x).sum().backward()"
    )
    assert value(execute(notebook(many, "import os\nlen(os.listdir('/proc/self/task'))"), lane="warm")) > 1
    assert zygote.num_threads() == 1
    deadline = time.monotonic() + 10
    while zygote.children(recursive=True):
        assert time.monotonic() < deadline, "it still has children"
        time.sleep(0.05)


def test_a_module_that_starts_a_thread_stops_the_lane_with_words(tmp_path: Path) -> None:
    hiding = tmp_path / "sklearn"  # a package on PYTHONPATH hides the installed one
    hiding.mkdir()
    (hiding / "__init__.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    )
    program = "from courseware.run.preload import preload; preload()"
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(
        "the warm lane has 2 threads after loading, and cannot fork safely"
    )


def test_a_notebook_leaves_no_trace_in_the_next(notebook, tmp_path: Path) -> None:
    rude = (
        "import os, sys, builtins, random, warnings, torch, numpy, matplotlib.pyplot as plt\n"
        "os.chdir('/'); os.environ['LEFT'] = '1'; sys.path.insert(0, '/left'); builtins.left = 1\n"
        "torch.set_default_dtype(torch.float64); torch.manual_seed(1); numpy.random.seed(1); torch.left = 1\n"
        "plt.rcParams['lines.linewidth'] = 99; sys.setrecursionlimit(99999); torch.set_grad_enabled(False)\n"
        "import tempfile; tempfile.tempdir; os.umask(0o777); sys.stdout = None"
    )
    look = (
        "import os, sys, builtins, torch, matplotlib.pyplot as plt\n"
        "(os.getcwd(), 'LEFT' in os.environ, '/left' in sys.path, hasattr(builtins, 'left'),"
        " str(torch.get_default_dtype()), hasattr(torch, 'left'), plt.rcParams['lines.linewidth'],"
        " sys.getrecursionlimit(), torch.is_grad_enabled(), torch.initial_seed(), os.umask(0o22))"
    )
    before = value(execute(notebook(look), lane="warm", cwd=tmp_path))
    assert execute(notebook(rude), lane="warm", cwd=tmp_path).passed
    assert value(execute(notebook(look), lane="warm", cwd=tmp_path)) == before
    assert before[:2] == (str(tmp_path), False)


def test_unseeded_notebooks_draw_different_numbers(notebook) -> None:
    draw = "import random, numpy\nrandom.random(), float(numpy.random.rand())"
    first, second = (value(execute(notebook(draw), lane="warm")) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_what_a_notebook_finds_in_python_is_what_a_kernel_shows_it(notebook) -> None:
    look = (
        "import sys, os, __main__\n"
        "launcher = {'JPY_PARENT_PID', 'JPY_SESSION_NAME', 'PYDEVD_USE_FRAME_EVAL'}\n"
        "[__name__, __main__.__dict__ is globals(), sys.path, os.getcwd(), sys.stdin.read(),"
        " sorted(set(os.environ) - launcher)]"
    )
    kernel, warm_ = (value(execute(notebook(look), lane=lane)) for lane in ("kernel", "warm"))
    assert warm_ == kernel


def test_text_of_c_code_and_of_children_is_captured_in_its_cell(notebook) -> None:
    result = execute(
        notebook(
            "import ctypes, os, subprocess, sys\nos.system('echo shell')",
            "ctypes.CDLL(None).puts(b'from C');",
            "subprocess.run([sys.executable, '-c', 'import sys; print(5); print(6, file=sys.stderr)']);",
            "pid = os.fork()\nif pid == 0:\n    print('forked')\n    os._exit(0)\nos.waitpid(pid, 0);",
        ),
        lane="warm",
    )
    shown = [
        {o.name: o.text for o in cell.outputs if o.output_type == "stream"} for cell in result.notebook.cells
    ]
    assert shown == [
        {"stdout": "shell\n"},
        {"stdout": "from C\n"},
        {"stdout": "5\n", "stderr": "6\n"},
        {"stdout": "forked\n"},
    ]


def test_a_file_that_takes_the_place_of_standard_output_stays_the_notebooks_own(
    notebook, tmp_path: Path
) -> None:
    result = execute(
        notebook(
            "import os\nos.close(1)\nfile = open('own', 'wb', buffering=0)\nfile.fileno()", "2", "print(3)"
        ),
        lane="warm",
        cwd=tmp_path,
    )
    assert value(result, 0) == 1
    assert result.notebook.cells[2].outputs[0].text == "3\n"
    assert (tmp_path / "own").read_bytes() == b""


def test_a_new_zygote_follows_one_that_died_or_grew_stale(
    notebook, zygote: psutil.Process, monkeypatch
) -> None:
    zygote.kill()
    zygote.wait()
    assert value(execute(notebook("6 * 7"), lane="warm")) == 42
    second = warm._current
    assert second._files, "it loaded files of the course"
    assert all("courseware" in name or "shared" in name for name in second._files)
    changed = next(iter(second._files))
    monkeypatch.setitem(second._files, changed, second._files[changed] - 1)
    assert value(execute(notebook("6 * 7"), lane="warm")) == 42
    assert warm._current is not second
    assert second._process.poll() is not None


def test_a_zygote_that_cannot_start_says_why(notebook, monkeypatch, tmp_path: Path) -> None:
    warm.close()
    (tmp_path / "psutil.py").write_text("raise ImportError('psutil is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RunnerError, match="the warm lane did not start: ImportError: psutil is broken"):
        execute(notebook("1"), lane="warm")
