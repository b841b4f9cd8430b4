"""Runs a learner's notebook in a kernel of its own and tells its reports as they come."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from courseware.cli.watched import REPORTS
from courseware.run import RunResult, execute
from courseware.workspace.answers import read_notebook
from courseware.workspace.notebook import Json, exercise_of, role_of, text_of

_FIRST_CELL = "from courseware.cli.watched import watch\nwatch()"


@dataclass(frozen=True)
class Told:
    """What one check said."""

    key: str
    status: str
    points: int
    max_points: int
    text: str


class Checking:
    """One run of a notebook: iterate over it for the reports; then `problems` says which cells failed."""

    def __init__(self, notebook: Path, key: str | None, *, home: Path, root: Path, timeout: float) -> None:
        self._path = notebook
        self._cells = [
            (number, cell)
            for number, cell in enumerate(read_notebook(notebook)["cells"], start=1)
            if cell["cell_type"] == "code" and _is_wanted(cell, key)
        ]
        self._key, self._timeout = key, timeout
        self._env = {"COURSEWARE_VALIDATE": None, "COURSE_HOME": str(home), "COURSE_ROOT": str(root)}
        self._outcome: RunResult | Exception | None = None

    def __iter__(self) -> Iterator[Told]:
        with TemporaryDirectory() as folder:
            reports = Path(folder) / "reports.jsonl"
            reports.touch()
            run = threading.Thread(target=self._run, args=(reports,), daemon=True)
            run.start()
            with reports.open(encoding="utf-8") as file:
                ended = False
                while not ended:
                    ended = not run.is_alive()  # asked first: what is read after it is all there is
                    yield from self._told(file.readlines())
                    run.join(0.1)
        if isinstance(self._outcome, Exception):
            raise self._outcome

    @property
    def problems(self) -> list[str]:
        """One line for each cell of the learner's that did not run through."""
        if not isinstance(self._outcome, RunResult):
            return []
        if self._outcome.verdict == "timed out":
            return [f"the notebook was stopped: it ran longer than {self._timeout:.0f} seconds (--timeout)"]
        failed = [(self._cell(error.cell_index), error) for error in self._outcome.errors]
        unanswered = {exercise_of(cell) for (_, cell), _ in failed if role_of(cell) == "answer"}
        # An answer that does not run takes its check with it; the learner needs to hear of the first only.
        return [
            f"cell {number}{_of(cell)}: {error}"
            for (number, cell), error in failed
            if role_of(cell) != "check" or exercise_of(cell) not in unanswered
        ]

    def _run(self, reports: Path) -> None:
        texts = [_FIRST_CELL, *(text_of(cell) for _, cell in self._cells)]
        cells = [nbformat.v4.new_code_cell(text) for text in texts]  # type: ignore[no-untyped-call]
        try:
            self._outcome = execute(
                nbformat.v4.new_notebook(cells=cells),  # type: ignore[no-untyped-call]
                timeout=self._timeout,
                allow_errors=True,
                cwd=self._path.parent,
                env={**self._env, REPORTS: str(reports)},
                network=True,
            )
        except Exception as error:  # told where the reports are told
            self._outcome = error

    def _told(self, lines: list[str]) -> Iterator[Told]:
        for line in lines:
            told = Told(**json.loads(line))
            if self._key in (None, told.key):
                yield told

    def _cell(self, index: int) -> tuple[int, Json]:
        """A cell of the run as the learner counts them; the one that we put before them is number 0."""
        return self._cells[index - 1] if index else (0, {})


def _of(cell: Json) -> str:
    exercise = exercise_of(cell)
    return f" ({exercise})" if exercise else ""


def _is_wanted(cell: Json, key: str | None) -> bool:
    """Rewards are for the notebook; of the checks only the one that was asked for."""
    if role_of(cell) == "reward":
        return False
    return key is None or role_of(cell) != "check" or exercise_of(cell) == key
