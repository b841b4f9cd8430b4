"""The known mistakes of `scaling_report`, and what it must hold: arithmetic, no ranks needed."""

from typing import Any

import numpy as np

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import raise_if_stub

probe = Probes()
KEYS = ("s", "o", "predicted", "speedup", "efficiency", "verdict")
RTOL, ATOL = 1e-4, 1e-6  # a fit in float32 is fine
EXACT = [{"world": n, "seconds": 8 / n + 2} for n in (1, 2, 4)]  # s = 8, o = 2
NOISY = [
    {"world": n, "seconds": s} for n, s in ((1, 10.0), (1, 12.0), (2, 8.0), (4, 4.5), (4, 5.0), (4, 6.0))
]
SLOWER = [{"world": 1, "seconds": 0.35}, {"world": 2, "seconds": 1.3}, {"world": 4, "seconds": 5.3}]
EVEN = [{"world": 2, "seconds": 1.0}, {"world": 1, "seconds": 1.05}]


def right_report(runs: list[dict[str, Any]]) -> dict[str, Any]:
    n = np.array([run["world"] for run in runs], dtype=float)
    seconds = np.array([run["seconds"] for run in runs])
    s, o = np.polyfit(1 / n, seconds, 1)
    mean = {int(k): float(seconds[n == k].mean()) for k in sorted(set(n))}
    speedup = {k: mean[1] / value for k, value in mean.items()}
    most = speedup[max(speedup)]
    return {
        "s": float(s),
        "o": float(o),
        "predicted": {k: float(s / k + o) for k in mean},
        "speedup": speedup,
        "efficiency": {k: value / k for k, value in speedup.items()},
        "verdict": "faster" if most > 1.1 else "slower" if most < 0.9 else "no difference",
    }


def report(a: Any, runs: list[dict[str, Any]]) -> dict[str, Any]:
    raise_if_stub(a.raw("scaling_report"))
    raise_if_stub(a.raw("main"))
    return dict(a.scaling_report([dict(run) for run in runs]))


def close(found: Any, expected: Any) -> bool:
    return same(found, expected, rtol=RTOL, atol=ATOL)


@probe("report-fails")
def fails(a: Any, t: Trial) -> str | None:
    for runs, words in (
        (EXACT, "one run each with 1, 2 and 4 ranks"),
        (NOISY, "several runs with one world"),
    ):
        tried = t.tried(lambda runs=runs: report(a, runs))
        if tried.error is not None:
            return f"scaling_report of {words} ends in {type(tried.error).__name__}: {tried.error}"
    return None


@probe("report-has-other-keys")
def keys(a: Any, t: Trial) -> str | None:
    found = report(a, EXACT)
    absent = [key for key in KEYS if key not in found]
    if absent:
        return f"scaling_report has the keys {sorted(map(str, found))}; missing: {', '.join(absent)}"
    for key in ("predicted", "speedup", "efficiency"):
        if not isinstance(found[key], dict) or set(found[key]) != {1, 2, 4}:
            return f"{key} is {found[key]!r}, expected a dict with one entry for each of 1, 2 and 4"
    for key in ("s", "o"):
        if not isinstance(found[key], float | int):
            return f"{key} is a {type(found[key]).__name__}, {found[key]!r}: a float is asked for"
    return None


@probe("report-accepts-too-little")
def too_little(a: Any, t: Trial) -> str | None:
    for runs, words in (
        (EXACT[1:], "no run with one rank"),
        (EXACT[:1] * 2, "nothing but runs with one rank"),
        ([], "no run at all"),
    ):
        tried = t.tried(lambda runs=runs: report(a, runs))
        if not tried.raised(ValueError):
            what = (
                "was accepted"
                if tried.error is None
                else f"ended in {type(tried.error).__name__}: {tried.error}"
            )
            return f"scaling_report with {words} {what}: a ValueError is asked for"
    return None


@probe("fit-is-another")
def fit(a: Any, t: Trial) -> str | None:
    found = report(a, EXACT)
    if close(found["s"], 2.0) and close(found["o"], 8.0):
        return "s and o are exchanged: T(n) = s/n + o"
    if not close(found["s"], 8.0) or not close(found["o"], 2.0):
        return (
            f"T(1), T(2), T(4) = 10, 6, 4 gave s = {found['s']}, o = {found['o']}; expected 8 and "
            "2, since T(n) = 8/n + 2"
        )
    noisy, expected = report(a, NOISY), right_report(NOISY)
    if not close(noisy["s"], expected["s"]):
        return (
            f"several runs with the same world: s = {noisy['s']:.4g}, expected "
            f"{expected['s']:.4g}: least squares over *all* runs, "
            "not over their means, nor through two of them"
        )
    return None


@probe("predicted-is-measured")
def predicted(a: Any, t: Trial) -> str | None:
    found, expected = report(a, NOISY), right_report(NOISY)
    if not close(found["predicted"], expected["predicted"]):
        return f"predicted is {found['predicted']}, expected s/n + o: {expected['predicted']}"
    return None


@probe("speedup-is-another")
def speedup(a: Any, t: Trial) -> str | None:
    found, expected = report(a, NOISY), right_report(NOISY)
    if close(found["speedup"], {k: 1 / v for k, v in expected["speedup"].items()}):
        return "speedup is upside down: T(1)/T(n), more than 1 if n ranks are faster"
    if not close(found["speedup"], expected["speedup"]):
        return (
            f"speedup is {found['speedup']}, expected {expected['speedup']}: T(1)/T(n) of the "
            "*measured* times, the mean if "
            "there are several"
        )
    if not close(found["efficiency"], expected["efficiency"]):
        return f"efficiency is {found['efficiency']}, expected {expected['efficiency']}: speedup divided by n"
    return None


@probe("verdict-is-not-honest")
def verdict(a: Any, t: Trial) -> str | None:
    for runs in (SLOWER, EXACT, EVEN, list(reversed(SLOWER))):
        found, expected = report(a, runs), right_report(runs)
        if found["verdict"] != expected["verdict"]:
            gain = expected["speedup"][max(expected["speedup"])]
            return (
                f"with a speedup of {gain:.2f} on the largest world the verdict is "
                f"{found['verdict']!r}, expected {expected['verdict']!r}"
            )
    return None


def holds(a: Any, t: Trial) -> None:
    """The property: every number of several reports."""
    drawn = [{"world": n, "seconds": float(t.rand(1, low=0.5, high=3.0))} for n in (1, 1, 2, 3, 8)]
    for runs in (EXACT, NOISY, SLOWER, EVEN, drawn):
        found, expected = report(a, runs), right_report(runs)
        for key in KEYS:
            t.equal(found.get(key), expected[key], key, rtol=RTOL, atol=ATOL)
        for key in ("s", "o"):
            t.that(
                isinstance(found[key], float | int),
                f"{key} is a {type(found[key]).__name__}, expected a float",
            )
    for runs in (EXACT[1:], EXACT[:1] * 2, []):
        t.raises(ValueError, lambda runs=runs: report(a, runs), "too few runs")
