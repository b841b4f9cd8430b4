"""What depends on the hash of a string is found in one process, and nothing else is taken for it."""

from __future__ import annotations

import builtins
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from courseware.check.hashing import hashes_strings, other_process

DRAWS: dict[str, Callable[[], Any]] = {
    "hash('epoch 3')": lambda: hash("epoch 3"),
    "hash(('epoch', 3))": lambda: hash(("epoch", 3)),
    "hash((3, (4, 5.5)))": lambda: hash((3, (4, 5.5))),
    "hash(1_000_003 * 7 + 3)": lambda: hash(1_000_003 * 7 + 3),
    "random.Random('seed 3').random()": lambda: random.Random("seed 3").random(),
}


@pytest.mark.parametrize("expression", DRAWS)
def test_the_answer_is_that_of_two_processes(expression: str) -> None:
    def in_a_process(seed: int) -> str:
        run = subprocess.run(
            [sys.executable, "-c", f"import random; print({expression})"],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    assert hashes_strings(DRAWS[expression]) == (in_a_process(1) != in_a_process(2))


def test_what_differs_from_call_to_call_has_another_reason() -> None:
    assert not hashes_strings(random.random)


def test_hash_is_put_back_whatever_happens() -> None:
    before = builtins.hash
    with pytest.raises(KeyError), other_process():
        raise KeyError("a")
    assert builtins.hash is before
