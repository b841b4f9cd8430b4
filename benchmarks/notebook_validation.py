"""What it costs to run a notebook as a test: our two lanes beside nbclient, nbmake and nbval.

    python -m benchmarks.notebook_validation

The same notebooks go through every tool, one after the other in one process a tool, the tools in turn, for
several rounds; medians over the rounds. Two times are shown: the wall time of a notebook once a tool is up,
which is what a loop over notebooks or a grader pays, and everything from the first line to the last, start
included. All tools must come to the same verdicts. The claim is about the first: a warm fork against nbmake.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from benchmarks._claim import verdict

if TYPE_CHECKING:
    from courseware.run import Lane

ROUNDS = 5
TARGET = 5.0

# Each imports torch, as every notebook of the course does, and then does a little of what labs do.
NOTEBOOKS = {
    "tensors": [
        "import torch",
        "x = torch.arange(12.0).reshape(3, 4)\nx",
        "assert (x.T @ x).shape == (4, 4)",
    ],
    "autograd": ["import torch", "w = torch.ones(3, requires_grad=True)\n(w**2).sum().backward()", "w.grad"],
    "training": [
        "import torch\ntorch.manual_seed(0)",
        "model = torch.nn.Linear(4, 1)\noptimizer = torch.optim.AdamW(model.parameters(), lr=0.1)\n"
        "x, y = torch.randn(64, 4), torch.randn(64, 1)",
        "for _ in range(50):\n    optimizer.zero_grad()\n    loss = (model(x) - y).square().mean()\n"
        "    loss.backward()\n    optimizer.step()\nprint(f'{loss.item():.3f}')",
    ],
    "convolution": [
        "import torch",
        "net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))",
        "assert net(torch.randn(2, 1, 28, 28)).shape == (2, 8, 1, 1)",
    ],
    "figure": [
        "import torch\nimport matplotlib.pyplot as plt",
        "plt.plot(torch.linspace(0, 1, 50) ** 2);",
        "1",
    ],
    "data": [
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset",
        "loader = DataLoader(TensorDataset(torch.arange(100)), batch_size=10)",
        "assert sum(len(batch) for (batch,) in loader) == 100",
    ],
    "failing": [
        "import torch",
        "assert torch.ones(2).sum() == 3, 'two is not three'",
        "print('not reached')",
    ],
}


@dataclass(frozen=True)
class Notebook:
    """What a tool said of one notebook, and the seconds that it took for it."""

    name: str
    passed: bool
    seconds: float


@dataclass(frozen=True)
class Round:
    """One tool over all notebooks."""

    notebooks: list[Notebook]
    wall: float  # seconds from start to end of the tool
    cpu: float  # of the tool and all that it started

    @property
    def each(self) -> float:
        return statistics.mean(notebook.seconds for notebook in self.notebooks)

    @property
    def verdicts(self) -> dict[str, bool]:
        return {notebook.name: notebook.passed for notebook in self.notebooks}


def write_notebooks(folder: Path) -> list[Path]:
    """The notebooks as files, without outputs."""
    for name, cells in NOTEBOOKS.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return sorted(folder.glob("*.ipynb"))


def timed(path: Path, passes: Callable[[Path], bool]) -> Notebook:
    began = time.perf_counter()
    passed = passes(path)
    return Notebook(path.stem, passed, time.perf_counter() - began)


def our_lane(lane: Lane, paths: list[Path]) -> list[Notebook]:
    from courseware.run import execute

    def passes(path: Path) -> bool:
        return execute(path, lane=lane).passed

    passes(paths[0])  # now the lane is up
    return [timed(path, passes) for path in paths]


def nbclient(paths: list[Path]) -> list[Notebook]:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    def passes(path: Path) -> bool:
        try:
            NotebookClient(nbformat.read(path, 4), resources={"metadata": {"path": path.parent}}).execute()
        except CellExecutionError:
            return False
        return True

    return [timed(path, passes) for path in paths]


def pytest_plugin(option: str, paths: list[Path]) -> list[Notebook]:
    """The times are pytest's own: set-up, call and tear-down of each notebook's items."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", option, "-q", "-p", "no:cacheprovider", "-c", os.devnull]
        subprocess.run([*command, f"--junitxml={report}", *map(str, paths)], capture_output=True, cwd=folder)
        return from_report(report.read_text(), [path.stem for path in paths])


def from_report(xml: str, names: list[str]) -> list[Notebook]:
    """A notebook has one test case in nbmake, and one for each of its cells in nbval."""
    found: dict[str, list[ET.Element]] = {name: [] for name in names}
    for case in ET.fromstring(xml).iter("testcase"):
        place = f"{case.get('classname')} {case.get('name')}"
        found[next(name for name in names if re.search(rf"\b{name}\b", place))].append(case)
    return [
        Notebook(
            name,
            passed=bool(cases)
            and not any(case.find(bad) is not None for case in cases for bad in ("failure", "error")),
            seconds=sum(float(case.get("time", 0)) for case in cases),
        )
        for name, cases in found.items()
    ]


TOOLS: dict[str, Callable[[list[Path]], list[Notebook]]] = {
    "warm lane": lambda paths: our_lane("warm", paths),
    "kernel lane": lambda paths: our_lane("kernel", paths),
    "nbclient": nbclient,
    "nbmake": lambda paths: pytest_plugin("--nbmake", paths),
    "nbval": lambda paths: pytest_plugin("--nbval-lax", paths),
}


def one_round(tool: str, folder: Path) -> Round:
    """A tool in a process of its own, so that its start and all of its CPU time are seen."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.notebook_validation",
        "--tool",
        tool,
        "--folder",
        str(folder),
    ]
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tool} could not be measured:\n{done.stderr}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Round([Notebook(**notebook) for notebook in json.loads(done.stdout)], wall, cpu)


def measure(rounds: int) -> dict[str, list[Round]]:
    """All tools in turn, in each round beginning with another one."""
    results: dict[str, list[Round]] = {tool: [] for tool in TOOLS}
    with tempfile.TemporaryDirectory() as name:
        write_notebooks(Path(name))
        for number in range(rounds):
            for tool in [*list(TOOLS)[number % len(TOOLS) :], *list(TOOLS)[: number % len(TOOLS)]]:
                results[tool].append(one_round(tool, Path(name)))
    return results


def table(results: dict[str, list[Round]]) -> str:
    """Seconds a notebook, and ratios to the warm lane."""
    count = len(NOTEBOOKS)
    each = {tool: statistics.median(r.each for r in rounds) for tool, rounds in results.items()}
    whole = {tool: statistics.median(r.wall for r in rounds) / count for tool, rounds in results.items()}
    cpu = {tool: statistics.median(r.cpu for r in rounds) / count for tool, rounds in results.items()}
    first = next(iter(results))
    lines = [f"{'seconds a notebook':18} {'tool is up':>18} {'start included':>18} {'CPU, all':>18}"]
    for tool in results:
        cells = (
            f"{column[tool]:8.2f} ({column[tool] / column[first]:5.1f}×)" for column in (each, whole, cpu)
        )
        lines.append(f"{tool:18} " + " ".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def disagreements(results: dict[str, list[Round]]) -> list[str]:
    """Every verdict that is not the one written in the notebooks' names."""
    expected = {name: name != "failing" for name in NOTEBOOKS}
    return [
        f"{tool} says of {name}: {'passed' if passed else 'failed'}"
        for tool, rounds in results.items()
        for one in rounds
        for name, passed in one.verdicts.items()
        if passed != expected[name]
    ]


def main() -> int:
    """Measure, print, and say whether the claim holds."""
    parser = argparse.ArgumentParser(description="Compare tools that run notebooks as tests.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        notebooks = TOOLS[options.tool](sorted(options.folder.glob("*.ipynb")))
        print(json.dumps([vars(notebook) for notebook in notebooks]))
        return 0
    results = measure(options.rounds)
    print(f"{len(NOTEBOOKS)} notebooks, {options.rounds} rounds, medians, ratios to the warm lane")
    print(table(results))
    if wrong := disagreements(results):
        print(*wrong, sep="\n")
        return 1
    print("All tools came to the same verdicts, among them one failure.")
    each = {tool: statistics.median(r.each for r in rounds) for tool, rounds in results.items()}
    return verdict("notebook_validation", each["nbmake"] / each["warm lane"], TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
