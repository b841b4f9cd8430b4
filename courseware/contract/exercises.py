"""Rules on the exercises: which there are, what follows each, their hints, checks and misconceptions."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from courseware.check.exercise import SECONDS, SECONDS_END_TO_END
from courseware.contract.bench import Bench
from courseware.contract.rules import rule
from courseware.source import POINTS, LabFolder

FEWEST_WARM_UPS = 4
FEWEST_MISCONCEPTIONS = 4
FEWEST_MISCONCEPTIONS_WARM_UP = 2
HINTS = 3


@rule("exercises", "at least four warm-ups W1, W2, … and then the exercises E1 to E5, in this order")
def exercises(lab: LabFolder) -> Iterator[str]:
    keys = [exercise.key for exercise in lab.solution().exercises]
    warm_ups = [key for key in keys if key.startswith("W")]
    expected = [*(f"W{number}" for number in range(1, len(warm_ups) + 1)), *POINTS]
    if len(warm_ups) < FEWEST_WARM_UPS:
        yield f"{len(warm_ups)} warm-ups, at least {FEWEST_WARM_UPS} are needed"
    if keys != expected:
        yield f"the exercises are {' '.join(keys) or 'missing'}, expected {' '.join(expected)}"


@rule("after each exercise", "each exercise has a reward that uses the learner's code, and a discussion")
def after_each_exercise(lab: LabFolder) -> Iterator[str]:
    source = lab.solution()
    roles = {(cell.exercise, cell.role) for cell in source.cells}
    for exercise in source.exercises:
        if (exercise.key, "reward") not in roles:
            yield f"{exercise.key} has no reward cell: draw or measure something with the learner's code"
        if (exercise.key, "discussion") not in roles:
            yield f"{exercise.key} has no discussion: say why the answer is right and what it costs"


@rule("checks", "each exercise has one check: its points add up, it keeps its budget, its objects exist")
def checks(lab: LabFolder) -> Iterator[str]:
    bench = Bench.of(lab)
    for key in bench.unchecked():
        yield f"checks.py has no Exercise({key!r}, …)"
    for key in bench.unknown_checks():
        yield f"checks.py checks {key}, which solution.py does not have"
    for key, exercise in bench.exercises.items():
        yield from (problem for problem in exercise.problems() if "hints" not in problem)
        limit = SECONDS_END_TO_END if key == "E5" else SECONDS
        if exercise.seconds > limit:
            yield f"{key} may take {exercise.seconds:g} CPU seconds, a learner waits for {limit:g} at most"
        for name in exercise.takes:
            if not hasattr(bench.solution, name):
                yield f"{key} takes {name}, which solution.py does not define"


@rule("hints", "three hints each: the idea, the formula, nearly the code")
def hints(lab: LabFolder) -> Iterator[str]:
    for key, exercise in Bench.of(lab).exercises.items():
        given = [hint.strip() for hint in exercise.hints]
        if len(given) != HINTS:
            yield f"{key} has {len(given)} hints, expected {HINTS}"
        if "" in given or len(set(given)) < len(given):
            yield f"{key} has an empty or repeated hint"


@rule("misconceptions", "at least four wrong answers an exercise and two a warm-up; no two share a diagnosis")
def misconceptions(lab: LabFolder) -> Iterator[str]:
    bench = Bench.of(lab)
    for key in bench.exercises:
        own = bench.misconceptions(key)
        least = FEWEST_MISCONCEPTIONS_WARM_UP if key.startswith("W") else FEWEST_MISCONCEPTIONS
        if len(own) < least:
            yield f"{key} has {len(own)} misconceptions, at least {least} are needed"
        shared = [name for name, times in Counter(wrong.diagnosis for wrong in own).items() if times > 1]
        for diagnosis in shared:
            names = ", ".join(wrong.name for wrong in own if wrong.diagnosis == diagnosis)
            yield f"{key}: {names} share the diagnosis {diagnosis!r}"
    for wrong in bench.all_misconceptions:
        if wrong.exercise not in bench.exercises:
            yield f"misconception {wrong.name} belongs to {wrong.exercise}, which this lab does not have"


@rule("independent oracle", "checks.py never imports the solution, nor reads a learner's globals")
def independent_oracle(lab: LabFolder) -> Iterator[str]:
    for path in _check_modules(lab):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(lab.path)}:{getattr(node, 'lineno', 0)}"
            for module in _imported(node):
                if {"solution", "misconceptions"} & set(module.split(".")):
                    yield f"{where} imports {module}: the oracle must not be the answer"
            if isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                if name in {"__main__", "user_ns", "get_ipython", "_getframe"}:
                    yield f"{where} reaches for {name}: the learner's objects come as arguments"


def _check_modules(lab: LabFolder) -> list[Path]:
    """checks.py and every other module of the lab that it may be spread over."""
    others = ("solution.py", "misconceptions", "src")
    modules = [
        path for path in lab.path.rglob("*.py") if not path.relative_to(lab.path).parts[0].startswith(others)
    ]
    return sorted({*modules, lab.path / "checks.py"})


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "load_module")):
        return [str(getattr(argument, "value", "")) for argument in node.args]
    return []
