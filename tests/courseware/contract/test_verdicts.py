"""The rules on verdicts accept the checks of a good lab and reject, with words, checks that are broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from courseware.contract import (
    Bench,
    misconceptions_are_named,
    solution_passes,
    stub_is_not_attempted,
    verdict_follows_objects,
)
from courseware.scaffold import new_lab
from courseware.source import Course
from tests.courseware.contract.breaking import NUMBER, edit

SEEDS = (11, 12)
KEYS = ["W1", "W2", "W3", "W4", "E1", "E2", "E3", "E4", "E5"]
VERDICTS: dict[str, Callable[[Bench, str], list[str]]] = {
    "solution": lambda bench, key: list(solution_passes(bench, key, SEEDS)),
    "stub": lambda bench, key: list(stub_is_not_attempted(bench, key)),
    "misconceptions": lambda bench, key: list(misconceptions_are_named(bench, key, SEEDS)),
    "objects": lambda bench, key: list(verdict_follows_objects(bench, key)),
}


@pytest.fixture
def lab_path(tmp_path: Path) -> Path:
    return new_lab(Course(tmp_path), "phase1_foundations/lab9_demo").path


def bench(lab_path: Path) -> Bench:
    return Bench.of(Course(lab_path.parent.parent).lab(NUMBER))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(new_lab(Course(tmp_path_factory.mktemp("course")), "phase1_foundations/lab9_demo").path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", VERDICTS)
def test_new_lab_keeps_the_rules_on_verdicts(good: Bench, name: str, key: str) -> None:
    assert VERDICTS[name](good, key) == []


ANY_SHAPE = "t.equal(a.total(x), sum(x.flatten().tolist()), atol=1e-9)"

BROKEN = {
    "a wrong solution": (
        "solution",
        "W2",
        ("solution.py", "return x.mean(dim=0)\n", "return x.mean(dim=1)\n"),
        "the solution is refused",
    ),
    "a probe that stumbles": (
        "solution",
        "W1",
        ("checks.py", "if a.total(table(*TWO_BY_TWO)) == 3:", "if a.total(table(*TWO_BY_TWO)) == nonsense:"),
        "a probe fails on the solution",
    ),
    "a check that runs nothing": (
        "stub",
        "W1",
        ("checks.py", ANY_SHAPE, "t.that(True, '')"),
        "the stub is passed",
    ),
    "a stub that works": (
        "stub",
        "W2",
        (
            "solution.py",
            "    # BEGIN SOLUTION\n    return x.mean(dim=0)\n    # END SOLUTION",
            "    if not len(x):\n        # BEGIN SOLUTION\n        raise ValueError\n        # END SOLUTION\n"
            "    return x.mean(dim=0)",
        ),
        "the stub is passed",
    ),
    "a misconception that is right": (
        "misconceptions",
        "W2",
        ("misconceptions.py", "return x.mean(dim=1)\n", "return x.mean(dim=0)\n"),
        "the wrong answer means_of_rows passes",
    ),
    "a mistake that is taken for another": (
        "misconceptions",
        "E4",
        ("misconceptions.py", 'diagnosis="farthest"', 'diagnosis="too-far"'),
        "should be diagnosed as 'too-far', the check says 'farthest'",
    ),
    "a misconception that cannot be made": (
        "misconceptions",
        "E4",
        ("misconceptions.py", 'return {"nearest": nearest}', 'return {"nearest": nearby}'),
        "the wrong answer argmax cannot be loaded: NameError",
    ),
    "a mistake without words": (
        "misconceptions",
        "W2",
        ("checks.py", 'return "for [[1, 2], [3, 7]] you return [1.5, 5],', 'return " " or "'),
        "has no words",
    ),
    "a check that ignores the object": (
        "objects",
        "W1",
        ("checks.py", ANY_SHAPE, "t.equal(float(x.sum()), sum(x.flatten().tolist()), atol=1e-9)"),
        "total is only a stub: the check does not use it",
    ),
    "a check that remembers": (
        "solution",
        "W3",
        (
            "checks.py",
            "def columns_centred(a, t):",
            "def columns_centred(a, t, seen=[]):\n    w3.probes.clear()\n    seen.append(1)\n"
            "    if len(seen) > 2:\n        return",
        ),
        "the verdict is remembered",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_check_is_rejected_in_words(lab_path: Path, case: str) -> None:
    verdict, key, (name, old, new), words = BROKEN[case]
    edit(lab_path / name, old, new)
    problems = VERDICTS[verdict](bench(lab_path), key)
    assert any(words in problem for problem in problems), problems


def test_misconceptions_may_import_the_solution_and_meet_its_own_objects(lab_path: Path) -> None:
    edit(
        lab_path / "misconceptions.py",
        "import torch\n",
        "import torch\n\nfrom phase1_foundations.lab9_demo.solution import variance\n",
    )
    edit(
        lab_path / "misconceptions.py",
        'return {"variance": variance}',
        'return {"variance": globals()["variance"]}',
    )
    loaded = bench(lab_path)
    first = loaded.misconceptions("E1")[0]
    assert loaded.mistaken(first)["variance"] is loaded.solution.variance
