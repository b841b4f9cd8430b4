"""The known mistakes of E4's `attainable`, `measure_machine` and `fusion_saving`."""

from typing import Any, NamedTuple

import torch

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e4_machine import (
    Machine,
    measured,
    measured_once,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


class Op(NamedTuple):
    """A PointwiseOp of the check."""

    name: str
    extra: int = 0


# ---- attainable -----------------------------------------------------------------------------------------


@probe("division-by-zero-bytes")
def zero_bytes(a: Any, t: Trial) -> str | None:
    error = failure(t, lambda: a.attainable(100.0, 0.0, 2e9, 1e9))
    if error:
        return f"attainable with 0 bytes ends in {error}; nothing has to be moved: (peak, 'compute')"
    for flops in (100.0, 1e-3):
        found = a.attainable(flops, 0.0, 2e9, 1e9)
        if tuple(found) != (2e9, "compute"):
            return (
                f"attainable with 0 bytes gives {found}; nothing has to be moved, so it is (peak, 'compute')"
            )
    return None


@probe("other-labels")
def other_labels(a: Any, t: Trial) -> str | None:
    found = {a.attainable(10.0, 100.0, 1e9, 1e9)[1], a.attainable(1e4, 100.0, 1e9, 1e9)[1]}
    if not found <= {"memory", "compute"}:
        return (
            f"attainable returned the words {sorted(map(str, found))}; asked for are 'memory' and 'compute'"
        )
    return None


@probe("roofline-value")
def roofline_value(a: Any, t: Trial) -> str | None:
    found, _ = a.attainable(10.0, 100.0, 1e9, 2e9)
    if same(float(found), 2e8):
        return None
    words = (
        f"10 FLOPs, 100 bytes, peak 10⁹, bandwidth 2·10⁹: you say {float(found):.4g}, expected 2·10⁸ FLOP/s"
    )
    if same(float(found), 1e9):
        return (
            f"{words}. Is the intensity upside down, or the larger of the two limits taken? It is FLOPs per "
            "byte, 0.1 here, and the *smaller* limit rules"
        )
    if float(found) < 1:
        return f"{words}. Asked for is a speed, not a time"
    return f"{words}: min(peak, bw · flops / bytes)"


@probe("labels-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    low, high = a.attainable(10.0, 100.0, 1e9, 1e9)[1], a.attainable(1e4, 100.0, 1e9, 1e9)[1]
    if (low, high) == ("compute", "memory"):
        return (
            "an operation with 0.1 FLOPs a byte waits for memory, one with 100 for arithmetic: yours are "
            "exchanged"
        )
    if low == high == "compute":
        return (
            "a matrix-vector product does about half an operation for each byte: it waits for memory, you "
            "say 'compute'. Compare flops / bytes_ with the ridge, peak / bw"
        )
    if low == high == "memory":
        return (
            "an operation with 100 FLOPs a byte, on a machine with the ridge at 1, waits for arithmetic: "
            "'compute'"
        )
    return None


@probe("ridge-taken-for-one")
def ridge_is_one(a: Any, t: Trial) -> str | None:
    found = a.attainable(500.0, 100.0, 1e10, 1e9)[1], a.attainable(50.0, 100.0, 1e9, 1e10)[1]
    if found != ("memory", "compute"):
        return (
            f"5 FLOPs a byte with the ridge at 10, and 0.5 with the ridge at 0.1: you say {found}, expected "
            "memory and compute. The ridge is peak / bw of *this* machine"
        )
    return None


@probe("ridge-itself")
def ridge_itself(a: Any, t: Trial) -> str | None:
    found = a.attainable(200.0, 100.0, 2e9, 1e9)
    if found[1] != "compute":
        return "on the ridge itself, where both limits are equal, the word is 'compute'"
    return None


# ---- fusion_saving --------------------------------------------------------------------------------------


@probe("empty-chain")
def empty_chain(a: Any, t: Trial) -> str | None:
    error = failure(t, lambda: a.fusion_saving([], 1000, 4))
    if error or a.fusion_saving([], 1000, 4) != 0:
        found = error or f"{a.fusion_saving([], 1000, 4):g}"
        return f"an empty chain moves nothing and saves nothing: 0.0, yours gives {found}"
    return None


@probe("saving-of-a-chain")
def saving(a: Any, t: Trial) -> str | None:
    chain = [Op("mul"), Op("add", 1), Op("relu")]
    found = a.fusion_saving(chain, 1000, 4)
    if isinstance(found, int):
        return f"fusion_saving returned {found!r}, an int; asked for is a float"
    found = float(found)
    if found == 16000.0:
        return None
    reasons = {
        24000.0: "three operations have two results in between; the last one is written in any case",
        8000.0: "each result in between is written *and* read again",
        4000.0: "itemsize is the bytes of one element, and each result is written and read",
        4.0 * 1000 * 4: "",
        28000.0: "that is everything the single operations move; subtract what the fused kernel still moves",
        12000.0: "that is what the fused kernel still moves; asked for is what it saves",
        20000.0: "the extra tensor is read either way: it is not saved",
        16.0: "n elements travel, not one",
        32000.0: "that is twice too much",
    }
    if 0 < found < 10:
        return (
            f"for mul, add, relu on 1,000 float32 you say {found:g}; asked for are bytes, here 16,000, no "
            f"ratio"
        )
    return (
        f"for mul, add (one extra tensor), relu on 1,000 float32 you say {found:g} bytes, expected 16,000: "
        + reasons.get(found, "two results in between, each written once and read once")
    )


@probe("itemsize-ignored")
def itemsize_ignored(a: Any, t: Trial) -> str | None:
    chain = [Op("mul"), Op("relu")]
    if a.fusion_saving(chain, 1000, 2) == a.fusion_saving(chain, 1000, 4) == 8000.0:
        return "with 2 and with 4 bytes an element the same bytes are saved: use `itemsize`"
    return None


@probe("extras-make-a-difference")
def extras(a: Any, t: Trial) -> str | None:
    plain = float(a.fusion_saving([Op("a"), Op("b")], 10, 4))
    found = float(a.fusion_saving([Op("a", 2), Op("b", 3)], 10, 4))
    if plain != found:
        return (
            f"with extra tensors the same chain saves {found:g} bytes instead of {plain:g}: those are read "
            "from memory either way"
        )
    return None


# ---- measure_machine ------------------------------------------------------------------------------------


@probe("another-clock")
def another_clock(a: Any, t: Trial) -> str | None:
    machine = Machine.some(t)
    attempt = t.tried(lambda: measured(a, machine), seconds=2.5)
    if machine.readings < 4:
        return (
            f"`clock()` was read {machine.readings} times: time is read through the `clock` that is given, "
            "and nothing else"
        )
    if attempt.timed_out:
        return (
            "measure_machine(0.4) did not come to an end on the simulated machine, whose clock moves only "
            "when torch works: is there a loop that waits for another clock, or for work outside torch?"
        )
    if attempt.error is not None:
        error = f"{type(attempt.error).__name__}: {attempt.error}"
        return f"measure_machine(0.4, clock=…) on the check's simulated machine ends in {error}"
    return None


@probe("wrong-dtype")
def wrong_dtype(a: Any, t: Trial) -> str | None:
    machine, _, _ = measured_once(a, t)
    others = machine.dtypes - {torch.float32}
    if others and torch.float32 not in machine.dtypes:
        return f"you measured with {', '.join(map(str, others))}; asked for is float32"
    if machine.product_dtypes and torch.float32 not in machine.product_dtypes:
        return (
            f"your matrix product is in {', '.join(map(str, machine.product_dtypes))}; asked for is float32"
        )
    if not machine.calls:
        return "no torch operation ran: measure with torch's matrix product and copy"
    return None


@probe("results-exchanged")
def results_exchanged(a: Any, t: Trial) -> str | None:
    machine = Machine(5e9, 1e9)
    peak, bandwidth = measured(a, machine)
    if same(peak, 1e9, rtol=0.2) and same(bandwidth, 5e9, rtol=0.2):
        return "the results are exchanged: first FLOP/s, then bytes/s"
    return None


def off_by(found: float, truth: float, factor: float) -> bool:
    """Wrong by just this factor; a measurement that is disturbed hits it by chance alone."""
    return bool(abs(found / truth / factor - 1) < 0.03)


@probe("wrong-unit")
def wrong_unit(a: Any, t: Trial) -> str | None:
    machine, peak, bandwidth = measured_once(a, t)
    for name, found, truth, unit in (
        ("peak", peak, machine.peak, "FLOP/s"),
        ("bandwidth", bandwidth, machine.bandwidth, "bytes/s"),
    ):
        if found < truth * 1e-2:
            return (
                f"on a machine with a {name} of {truth:.3g} {unit} you measure {found:.3g}: asked for are "
                f"{unit}, not millions or billions of them (and not seconds)"
            )
    return None


@probe("peak-off-by-two")
def peak_off(a: Any, t: Trial) -> str | None:
    machine, peak, _ = measured_once(a, t)
    if off_by(peak, machine.peak, 0.5):
        return (
            f"on a machine with {machine.peak:.3g} FLOP/s you measure {peak:.3g}, half of it: a product of "
            "n×n has 2·n³ operations, a multiplication and an addition each"
        )
    return None


@probe("bandwidth-one-way")
def one_way(a: Any, t: Trial) -> str | None:
    machine, peak, bandwidth = measured_once(a, t)
    if not off_by(peak, machine.peak, 1.0):
        return None  # not a question of counting
    for factor, words in ((0.5, "half"), (1 / 3, "a third"), (2 / 3, "two thirds"), (0.25, "a quarter")):
        if off_by(bandwidth, machine.bandwidth, factor):
            return (
                f"on a machine with {machine.bandwidth:.3g} bytes/s you measure {bandwidth:.3g}, {words} of "
                "it: count the bytes that are read *and* those that are written, four for each float32. (A "
                "copy moves each element twice, a + b three times.)"
            )
    return None


@probe("measured-the-cache")
def the_cache(a: Any, t: Trial) -> str | None:
    machine, _, bandwidth = measured_once(a, t)
    if bandwidth > 2.5 * machine.bandwidth:
        return (
            f"on a machine with {machine.bandwidth:.3g} bytes/s from memory you measure {bandwidth:.3g}: the "
            f"largest operation moved {machine.largest_moved / 2**20:.1f} MiB, which stays in the cache. "
            "Take tensors of 16 to 64 MiB"
        )
    return None


@probe("products-too-small")
def too_small(a: Any, t: Trial) -> str | None:
    machine, peak, _ = measured_once(a, t)
    if peak < 0.9 * machine.peak and machine.smallest_product < 200:
        return (
            f"on a machine with {machine.peak:.3g} FLOP/s you measure {peak:.3g} with matrices of "
            f"{machine.smallest_product:g}: so small ones do not reach the peak; take 256 to 1024"
        )
    return None


@probe("not-the-fastest-call")
def not_fastest(a: Any, t: Trial) -> str | None:
    machine, peak, bandwidth = measured_once(a, t)
    for name, found, truth in (("peak", peak, machine.peak), ("bandwidth", bandwidth, machine.bandwidth)):
        if found < 0.85 * truth:
            return (
                f"on a machine with a {name} of {truth:.3g} you measure {found:.3g}: some calls there are "
                "cold or disturbed. Call once without timing, time at least three *single* calls, and take "
                "the fastest; a mean or one call alone measures the disturbance too"
            )
        if found > 1.15 * truth:
            return (
                f"on a machine with a {name} of {truth:.3g} you measure {found:.3g}: more than it can do. Is "
                "work counted that was not done, or a part of the time left out?"
            )
    return None


@probe("fewer-than-three-timed-calls")
def fewer_than_three(a: Any, t: Trial) -> str | None:
    slow = Machine(3e8, 4e8)
    measured(a, slow, 0.01)
    for words, products in (("matrix product", True), ("copy", False)):
        counts = [n for kind, n in slow.calls.items() if (kind in slow.products) == products]
        if counts and max(counts) < 4:
            return (
                f"with budget_s = 0.01 your code made {max(counts)} calls of the {words}: one without timing "
                "and then at least three timed ones are asked for, however small the budget is"
            )
    return None


@probe("budget-ignored")
def budget_ignored(a: Any, t: Trial) -> str | None:
    few, many = Machine(3e8, 4e8), Machine(3e8, 4e8)
    measured(a, few, 0.01)
    measured(a, many, 15.0)
    if few.calls.total() >= many.calls.total():
        return (
            f"with budget_s = 0.01 and with 15 your code made {few.calls.total()} and {many.calls.total()} "
            "calls: go on until about `budget_s` seconds are spent"
        )
    ran = many.now - 1234.5
    if ran > 1.2 * 15.0 + many.least:
        return (
            f"with budget_s = 15 your code ran for {ran:.0f} seconds of the simulated clock: it is for both "
            "measurements together, half of it for each"
        )
    return None
