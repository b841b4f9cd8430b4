"""What a run gives back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

Lane = Literal["kernel", "warm"]
Verdict = Literal["passed", "failed", "timed out"]

KERNEL_DIED = "KernelDied"
TIME_LIMIT = "TimeLimit"


class RunnerError(Exception):
    """The run itself could not be done, whatever the notebook says. The message is one line for a person."""


@dataclass(frozen=True)
class CellError:
    """What stopped a cell."""

    cell_index: int
    name: str  # of the exception, or KernelDied or TimeLimit
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclass(frozen=True)
class RunResult:
    """The verdict on one notebook, what it cost, and the notebook with its outputs.

    `cell_index` counts all cells of `notebook`, parameters cell included. `errors` holds more than one entry
    only where a run was told to go on after errors.
    """

    path: Path | None
    verdict: Verdict
    cell_index: int | None
    error: CellError | None
    errors: tuple[CellError, ...]
    cpu_seconds: float  # of the kernel and everything it started
    peak_bytes: int  # the most memory that these held together; a warm fork starts with what was preloaded
    wall_seconds: float
    network: str  # how the outside network was refused
    notebook: NotebookNode

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"

    def __str__(self) -> str:
        where = "notebook" if self.path is None else str(self.path)
        if self.error is None:
            return f"{where}: passed in {self.wall_seconds:.1f} s"
        return f"{where}: {self.verdict} in cell {self.cell_index}: {self.error}"
