"""Every lab found in the course, its exercises and its seeds, as parameters of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from courseware.contract import Bench
from courseware.source import Course, LabFolder
from tests.labs.answers import Answer, bank

ROOT = Course.find(Path(__file__)).root  # COURSE_ROOT tests another course by the same contract
SEEDS, SEEDS_E5 = 3, 1
LONG_SEEDS, LONG_SEEDS_E5 = 20, 3
BANK_SEEDS, LONG_BANK_SEEDS = 1, 5
FIRST_SEED = 101  # not the one that notebooks use


def labs(config: pytest.Config) -> list[LabFolder]:
    wanted = config.getoption("lab")
    course = Course(ROOT)
    return [course.lab(wanted)] if wanted else course.labs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = labs(metafunc.config)
    if "exercise" in metafunc.fixturenames:
        pairs = [(lab, info.key) for lab in found for info in lab.exercises]
        metafunc.parametrize(("lab", "exercise"), pairs, ids=[f"{lab.key}-{key}" for lab, key in pairs])
    elif kind := {"right", "wrong"} & set(metafunc.fixturenames):
        _parametrize_answers(metafunc, *kind)
    elif "lab" in metafunc.fixturenames:
        metafunc.parametrize("lab", found, ids=[lab.key for lab in found])


@pytest.fixture
def bank_seeds(pytestconfig: pytest.Config) -> range:
    """The banks hold many answers, so each is tried with fewer seeds."""
    count = LONG_BANK_SEEDS if pytestconfig.getoption("long") else BANK_SEEDS
    return range(FIRST_SEED, FIRST_SEED + count)


def _parametrize_answers(metafunc: pytest.Metafunc, kind: str) -> None:
    slow_too = metafunc.config.getoption("long")
    answers = [
        pytest.param(lab, answer, id=f"{lab.key}-{answer.exercise}-{answer.name}")
        for lab in labs(metafunc.config)
        for answer in bank(lab, kind)
        if slow_too or not answer.slow
    ]
    metafunc.parametrize(("lab", kind), answers)


@pytest.fixture
def wrong_answers(lab: LabFolder) -> list[Answer]:
    return bank(lab, "wrong")


@pytest.fixture
def bench(lab: LabFolder) -> Bench:
    return Bench.of(lab)


@pytest.fixture
def seeds(exercise: str, pytestconfig: pytest.Config) -> range:
    """E5 trains something real, so it is tried with fewer seeds."""
    if pytestconfig.getoption("long"):
        count = LONG_SEEDS_E5 if exercise == "E5" else LONG_SEEDS
    else:
        count = SEEDS_E5 if exercise == "E5" else SEEDS
    return range(FIRST_SEED, FIRST_SEED + count)
