"""The known mistakes of `memory_plan`: arithmetic, no ranks needed."""

from typing import Any

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import raise_if_stub

probe = Probes()
PLANS = ((7_000_000_000, 8), (10, 4), (7, 3), (1000, 1))
KEYS = ("params", "grads", "states", "total")


def right_plan(n: int, world: int, stage: int) -> dict[str, float]:
    share = [1 / world if stage >= needed else 1.0 for needed in (3, 2, 1)]
    bytes_ = [size * n * part for size, part in zip((2, 2, 12), share, strict=True)]
    return dict(zip(KEYS, [*bytes_, sum(bytes_)], strict=True))


def plan(a: Any, n: int, world: int, stage: int) -> dict[str, Any]:
    raise_if_stub(a.raw("memory_plan"))
    return dict(a.memory_plan(n, world, stage))


@probe("plan-has-other-keys")
def keys(a: Any, t: Trial) -> str | None:
    found = plan(a, 10, 4, 0)
    if set(found) != set(KEYS):
        return f"memory_plan returned the keys {sorted(found)}, expected {sorted(KEYS)}"
    for stage in (0, 1, 3):
        for name, value in plan(a, 10, 4, stage).items():
            if not isinstance(value, float):
                return f"memory_plan(10, 4, {stage})[{name!r}] is {value!r}: floats are asked for"
    return None


@probe("plan-accepts-any-stage")
def any_stage(a: Any, t: Trial) -> str | None:
    for stage in (4, -1):
        tried = t.tried(lambda stage=stage: plan(a, 10, 4, stage))
        if not tried.raised(ValueError):
            return f"memory_plan(10, 4, {stage}) is to be a ValueError: the stages are 0, 1, 2 and 3"
    return None


@probe("plan-rounds")
def rounds(a: Any, t: Trial) -> str | None:
    found, expected = plan(a, 7, 3, 3), right_plan(7, 3, 3)
    for name, size in (("params", 2), ("grads", 2), ("states", 12)):
        rounded = (size * (7 // 3), size * -(-7 // 3), size * 7 // 3, -(-size * 7 // 3))
        if not same(found[name], expected[name]) and any(same(found[name], float(x)) for x in rounded):
            return (
                f"memory_plan(7, 3, 3): {name} are {found[name]}, expected {expected[name]:.4f}: exact, "
                "without rounding"
            )
    return None


@probe("plan-with-other-bytes")
def other_bytes(a: Any, t: Trial) -> str | None:
    found, expected = plan(a, 10, 4, 0), right_plan(10, 4, 0)
    for name in KEYS[:3]:
        if not same(found[name], expected[name]):
            return (
                f"stage 0, 10 parameters: {name} take {found[name]:g} bytes, expected "
                f"{expected[name]:g}: 2 bytes a parameter "
                "for weights, 2 for gradients, 12 for states"
            )
    return None


@probe("plan-divides-something-else")
def divides(a: Any, t: Trial) -> str | None:
    for stage in (1, 2, 3):
        found, expected = plan(a, 240, 4, stage), right_plan(240, 4, stage)
        for name in KEYS[:3]:
            if not same(found[name], expected[name]):
                return (
                    f"memory_plan(240, 4, {stage}): {name} are {found[name]:g}, expected "
                    f"{expected[name]:g}: stage 1 divides "
                    "the states, stage 2 the gradients too, stage 3 also the weights"
                )
    return None


@probe("total-is-no-sum")
def total(a: Any, t: Trial) -> str | None:
    for stage in (0, 1, 2, 3):
        found = plan(a, 240, 4, stage)
        if not same(found["total"], sum(found[name] for name in KEYS[:3])):
            return (
                f"memory_plan(240, 4, {stage}): total is {found['total']:g}, expected the sum of "
                "the other three"
            )
    return None
