"""100 runs of this lab's checks, right and wrong answers mixed: no process and no listening port is left.

By hand: `python -m tests.labs.lab2_5.leaves_nothing [RUNS]`. The tests make a short run of it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from courseware.contract import Bench
from courseware.source import Course
from shared.distributed import ready_ranks
from tests.labs.answers import bank

LAB = "phase2_intermediate/lab5_distributed_training"
ON_RANKS = ("W3", "E1", "E2", "E3", "E4", "E5")


def processes() -> set[int]:
    """Ours and everybody's below us, also what another parent has adopted: all that has our mark."""
    mark = f"LEAVES_NOTHING={os.getpid()}".encode()
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
            except OSError:  # gone meanwhile
                continue
    return found


def ports_of(pids: set[int]) -> set[str]:
    """Inodes of listening TCP sockets that these processes hold."""
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(fields[9])
    held = set()
    for pid in pids:
        try:
            names = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115
        except OSError:
            continue
        held |= {name[8:-1] for name in names if name.startswith("socket:[")}
    return held & listening


def run(count: int, seed: int = 0) -> list[str]:
    """Make the runs; what was left between them or at the end, in words."""
    os.environ["LEAVES_NOTHING"] = str(os.getpid())
    bench = Bench.of(Course.find(Path(__file__)).lab(LAB))
    draw = random.Random(seed)
    answers: list[tuple[str, str, Any]] = []
    for kind in ("right", "wrong"):
        answers += [(a.exercise, f"{kind} {a.name}", a.build) for a in bank(bench.folder, kind)]
    answers = [answer for answer in answers if answer[0] in ON_RANKS]
    problems, before = [], ports_of({os.getpid()})
    for number in range(count):
        key, name, build = draw.choice(answers)
        report = bench.diagnose(key, {**bench.answers(key), **build()}, 200 + number)
        left = processes()
        print(f"{number + 1:3} {key} {name}: {report.status!s}; {len(left)} process", flush=True)
        if len(left) > 1:  # the helper alone may wait for the next job
            problems.append(f"after {key}, {name}: processes {sorted(left)}")
        if ports := ports_of(left | {os.getpid()}) - before:
            problems.append(f"after {key}, {name}: {len(ports)} listening ports")
    ready_ranks().close()
    deadline = time.monotonic() + 10
    while processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    if left := processes():
        problems.append(f"at the end: processes {sorted(left)}")
    return problems


if __name__ == "__main__":
    found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print("\n".join(found) or "nothing is left")
    sys.exit(bool(found))
