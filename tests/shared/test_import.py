"""What importing the library loads, seen from a fresh interpreter."""

import json
import subprocess
import sys

import pytest


def modules_after(statements: str) -> set[str]:
    """What ``statements`` add to the modules that ``import torch`` loads."""
    program = (
        "import sys, json, torch; before = set(sys.modules)\n"
        f"{statements}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def test_importing_the_library_loads_nothing_but_itself() -> None:
    assert modules_after("import shared") == {"shared"}


@pytest.mark.parametrize("room", ["shapes", "nn", "losses", "models", "optim"])
def test_a_room_does_not_load_the_compiler(room: str) -> None:
    loaded = modules_after(f"import shared.{room}")
    assert f"shared.{room}" in loaded
    assert not [name for name in loaded if name.startswith(("torch._dynamo", "torch._inductor", "beartype"))]
