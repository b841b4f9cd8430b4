"""The same notebook gets the same verdict, failing cell, error and outputs in both lanes."""

import re
from dataclasses import dataclass

import pytest

from courseware.run import RunResult, execute


@dataclass(frozen=True)
class Specimen:
    """A notebook and what must come of it: written down here, so that two wrong lanes cannot agree."""

    cells: tuple[str, ...]
    verdict: str = "passed"
    cell: int | None = None
    error: str | None = None
    timeout: float = 60.0


def passes(*cells: str) -> Specimen:
    return Specimen(cells)


def fails(cell: int, error: str, *cells: str) -> Specimen:
    return Specimen(cells, "failed", cell, error)


ZOO = {
    "what a cell may show": passes(
        "1 + 1",
        "print('out')\nimport sys\nprint('err', file=sys.stderr)\n'value'",
        "from IPython.display import HTML, display\ndisplay(HTML('<b>b</b>'))\nHTML('<i>i</i>')",
        "handle = display('old', display_id='d')",
        "handle.update('new')",
        "from IPython.display import clear_output\nprint('a')\nclear_output()\nprint('b')",
        "print('a')\nclear_output(wait=True)\nprint('b')",
        "from tqdm import tqdm\nfor _ in tqdm(range(3), bar_format='{n}'): pass",
        "import warnings\nwarnings.warn('careful')",
        r"print('\udc80 ☃ \x00')" + "\n'\\udc80'",
        "_, In[1], Out[1]",
    ),
    "figures": passes(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);",
        "fig, ax = plt.subplots()\nax.plot([1, 2])\nplt.show()\nprint('after')",
        "from matplotlib.figure import Figure\nFigure()",
        "plt.figure()",
        "%config InlineBackend.figure_formats = ['svg']\n"
        "plt.rcParams['svg.hashsalt'] = 'fixed'\nplt.plot([3, 1]);",
    ),
    "figures without the magic": passes(
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);\nplt.isinteractive()"
    ),
    "floods": passes(
        "print('x' * 5_000_000)\nprint('end')",
        "print('next')",
        "for i in range(200_000): print(i)",
        "for i in range(700): display(i)",
        "print('\\r'.join('/' * 500_000))",
        "print('next')",
    ),
    "magics": passes(
        "%%capture out\nprint('hidden')",
        "out.stdout",
        "%%bash\necho bash",
        "!echo shell",
        "%pwd",
        "%time 1",
        "%%time\n2",
    ),
    "await": passes(
        "import asyncio\nawait asyncio.sleep(0.01)\nprint('slept')\n7",
        "async def f(): return 3\ntask = asyncio.ensure_future(f())",
        "await task",
    ),
    "training": passes(
        "import torch\ntorch.manual_seed(0)\nm = torch.nn.Linear(2, 1)",
        "o = torch.optim.AdamW(m.parameters())",
        "l = m(torch.ones(3, 2)).square().mean()\nl.backward()\no.step()\nround(l.item(), 4)",
        "from torch.utils.data import DataLoader\n"
        "sum(float(b.sum()) for b in DataLoader(torch.arange(8.0), batch_size=2, num_workers=2))",
    ),
    "tags": passes(
        "#| raises-exception\n1 / 0",
        "print('goes on')",
        "#| raises-exception\nimport sys\nsys.exit(3)",
        "#| raises-exception\n'does not raise'",
        "#| skip-execution\n1 / 0",
        "2",
    ),
    # errors
    "error after Markdown and empty cells": fails(
        3, "ZeroDivisionError", "#| markdown\n# Title", "", "1", "1 / 0", "2"
    ),
    "assertion": fails(1, "AssertionError", "a = 1", "assert a == 2, 'a is not 2'", "print('never')"),
    # ways to leave
    "sys.exit": fails(0, "SystemExit", "import sys\nsys.exit()", "1"),
    "exit, then more": fails(1, "KernelDied", "exit()", "1"),
    "exit at the end": passes("1", "exit()"),
    "dies": fails(1, "KernelDied", "print('before')", "import os\nos._exit(0)", "1"),
    "dies in a cell that may raise": fails(
        0, "KernelDied", "#| raises-exception\nimport os\nos._exit(0)", "1"
    ),
    "kills its group": fails(0, "KernelDied", "import os, signal\nos.killpg(0, signal.SIGKILL)"),
    "kills its parent": fails(0, "KernelDied", "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(30)"),
    "crashes": fails(0, "KernelDied", "import ctypes\nctypes.string_at(0)"),
    "never ends": Specimen(
        ("import time\nwhile True: time.sleep(1)",), "timed out", 0, "TimeLimit", timeout=4
    ),
    "writes for ever": Specimen(("while True: print('again')",), "timed out", 0, "TimeLimit", timeout=4),
    # children, threads, manners
    "leaves a child and a thread": passes(
        "import subprocess, threading, time\np = subprocess.Popen(['sleep', '600'])",
        "threading.Thread(target=time.sleep, args=(600,)).start()",
        "p.poll() is None",
    ),
    "process pool": passes(
        "from multiprocessing import get_context\n"
        "with get_context('fork').Pool(2) as pool:\n    print(pool.map(abs, [-1, -2]))"
    ),
    "closes its output": passes("import os\nos.close(1)", "print('still')"),
    "replaces its output": passes("import io, sys\nsys.stdout = io.StringIO()\nprint('lost')", "2"),
}

# With a kernel's consent the rest runs on: each of these cells raises, in one notebook.
ERRORS = {
    "assert 1 == 2, 'not equal'": "AssertionError",
    "def (:": "SyntaxError",
    "if 1:\nprint()": "IndentationError",
    "class Oops(Exception): pass\nraise Oops": "Oops",
    "try:\n    1 / 0\nexcept Exception as e:\n    raise KeyError('k') from e": "KeyError",
    "import sys\nsys.setrecursionlimit(400)\ndef f(): return f()\nf()": "RecursionError",
    "class Mute:\n    def __repr__(self): return 1 / 0\nMute()": "NoneType",
    "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute": "ZeroDivisionError",
    "raise ExceptionGroup('several', [ValueError(1), KeyError(2)])": "ExceptionGroup",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise ValueError('long ' * 10_000)": "ValueError",
    "%no_such_magic": "UsageError",
    "%%time\n1 / 0": "ZeroDivisionError",
    "async def g(): raise ValueError('no')\nawait g()": "ValueError",
    "import asyncio\nc = asyncio.sleep(0)\ntry: asyncio.run(c)\nfinally: c.close()": "RuntimeError",
    "input('your name? ')": "StdinNotImplementedError",
    "import getpass\ngetpass.getpass()": "StdinNotImplementedError",
    "sys.exit()": "SystemExit",
    "import torch\ntorch.ones(2) + torch.ones(3)": "RuntimeError",
    "%matplotlib no_such_backend": "RuntimeError",
}


def test_every_kind_of_error_has_the_same_name_message_and_traceback(notebook) -> None:
    kernel, warm = (
        execute(notebook(*ERRORS), lane=lane, allow_errors=True, timeout=120) for lane in ("kernel", "warm")
    )
    expected = list(enumerate(ERRORS.values()))
    assert [(e.cell_index, e.name) for e in kernel.errors] == expected
    assert [(e.cell_index, e.name) for e in warm.errors] == expected
    assert [str(e) for e in warm.errors] == [str(e) for e in kernel.errors]
    assert _outputs(warm) == _outputs(kernel)
    assert kernel.verdict == warm.verdict == "failed"


@pytest.mark.parametrize("name", ZOO)
def test_both_lanes_find_what_is_written_here(name: str, notebook) -> None:
    specimen = ZOO[name]
    kernel, warm = (
        execute(notebook(*specimen.cells), lane=lane, timeout=specimen.timeout) for lane in ("kernel", "warm")
    )
    for result in (kernel, warm):
        found = (result.verdict, result.cell_index, result.error.name if result.error else None)
        assert found == (specimen.verdict, specimen.cell, specimen.error), result
    assert str(warm.error) == str(kernel.error)
    if name not in ("never ends", "writes for ever"):  # how far these come, the machine decides
        assert _outputs(warm) == _outputs(kernel)


def _outputs(result: RunResult) -> list[str]:
    """Counts and outputs without measured times, and without the last words of a process that died."""
    shown = []
    for index, cell in enumerate(result.notebook.cells):
        dying = result.error is not None and result.error.name == "KernelDied" and index == result.cell_index
        if cell.cell_type == "code" and not dying:
            for output in cell.outputs:  # these two show frames of the kernel itself, or count them
                if output.get("ename") in ("StdinNotImplementedError", "RecursionError"):
                    output["traceback"] = []
            text = str([cell.execution_count, *({**output} for output in cell.outputs)])
            text = re.sub(r"CPU times.*?Wall time: [^\\]*", "times", text)
            shown.append(re.sub(r"<dc:date>.*?</dc:date>", "", text))
    return shown
