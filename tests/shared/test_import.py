"""What importing the library loads, seen from a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

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


LIBRARY = Path(__file__).parents[2] / "shared"
ROOMS = sorted(
    path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
)
HEAVY = {
    *("beartype", "torch._dynamo", "torch._inductor"),  # for tests; for who compiles
    *(
        "matplotlib",
        "scipy",
        "sklearn",
        "pandas",
        "babel",
    ),  # when a figure, an interval or a data set is asked for
    *("tensorboard", "mlflow", "wandb", "IPython"),
}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "__init__"])
def test_a_room_loads_nothing_heavy_that_torch_does_not(room: str) -> None:
    loaded = modules_after(f"import shared.{room}")
    assert f"shared.{room}" in loaded
    assert not {heavy for heavy in HEAVY for name in loaded if f"{name}.".startswith(f"{heavy}.")}
