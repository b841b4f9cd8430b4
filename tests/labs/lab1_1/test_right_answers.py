"""Right answers in other styles pass: loops, other algorithms, other tapes, other orders of operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from courseware.check import run_exercise
from phase1_foundations.lab1_tensors import checks, solution
from tests.labs.lab1_1.answers import Build
from tests.labs.lab1_1.right_e1 import right as e1
from tests.labs.lab1_1.right_e2 import right as e2
from tests.labs.lab1_1.right_e3 import right as e3
from tests.labs.lab1_1.right_e4 import right as e4
from tests.labs.lab1_1.right_e5 import right as e5
from tests.labs.lab1_1.right_warmups import right as warmups

CHECK_FILE = str(Path(checks.__file__).with_suffix(""))
ANSWERS = [answer for group in (warmups, e1, e2, e3, e4, e5) for answer in group.all]
SEEDS = (1, 20260117)


@pytest.mark.parametrize(("key", "name", "build"), ANSWERS, ids=[f"{key}-{name}" for key, name, _ in ANSWERS])
def test_a_right_answer_passes_however_it_is_written(key: str, name: str, build: Build) -> None:
    exercise = getattr(checks, key.lower())
    own = build()
    objects: dict[str, Any] = {n: own[n] if n in own else getattr(solution, n) for n in exercise.takes}
    for seed in SEEDS[:1] if key == "E5" else SEEDS:
        report = run_exercise(exercise, objects, seed=seed, check_file=CHECK_FILE)
        assert report.passed, f"{name}, seed {seed}: {report.text()}"
