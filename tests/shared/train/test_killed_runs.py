"""The proof that training survives ``kill -9``: see ``killed_runs.py`` for what is in the runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_runs.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
def test_runs_killed_at_random_moments_end_as_if_nothing_had_happened(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    count = 50 if pytestconfig.getoption("--long") else 5
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, str(count)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    unharmed, *runs = map(json.loads, done.stdout.splitlines())
    assert 3 < unharmed["epoch"] < 40, "early stopping is part of the runs"
    assert 2**16 < unharmed["scale"] < 2 ** (16 + unharmed["step"] // 3), (
        "the scale grew, and fell after overflows"
    )
    assert [run["equal"] for run in runs] == [True] * count
    kills = [kill for run in runs for kill in run["kills"]]
    assert len(kills) >= count / 2, "most kills should find their run alive"
    assert any(kills), "and some should find a checkpoint to resume from"
