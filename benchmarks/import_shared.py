"""What `import shared` costs someone who imports torch anyway.

    python -m benchmarks.import_shared

Fresh interpreters, the variants in turn, so that a noisy moment of the machine hits all of them; medians of
CPU seconds. The claim is about `import shared`. What the rooms cost when they are used is shown beside it.
"""

import resource
import statistics
import subprocess
import sys

ROUNDS = 15
TARGET = 1.05

VARIANTS = {
    "import torch": "import torch",
    "import torch, shared": "import torch, shared",
    "… and shared.nn": "import torch, shared.nn",
    "… losses, models, optim": "import torch, shared.nn, shared.losses, shared.models, shared.optim",
}


def cpu_seconds(statement: str) -> float:
    """CPU seconds of an interpreter that executes the statement and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure, print, and say whether the claim holds."""
    for statement in VARIANTS.values():
        cpu_seconds(statement)  # files into the page cache, sources into byte code
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, statement in VARIANTS.items():
            times[name].append(cpu_seconds(statement))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians["import torch"]
    print(f"{'':26} {'CPU s':>6} {'ratio':>6}")
    for name, value in medians.items():
        print(f"{name:26} {value:6.2f} {value / base:6.3f}")
    ratio = medians["import torch, shared"] / base
    holds = ratio <= TARGET
    print(f"CLAIM import_shared ratio={ratio:.3f} target={TARGET} {'holds' if holds else 'falls short'}")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
