"""Measuring: medians after a warm-up, operators by cost, counted bytes and floating-point operations.

compare({"loop": loop, "batched": batched}, rounds=20)      # side by side, interleaved, with ratios
flops(lambda: model(x))                                     # counted, not estimated
parameter_bytes(model), saved_bytes(lambda: loss(model(x)))
"""

from shared.profiling.memory import allocated_bytes, parameter_bytes, saved_bytes
from shared.profiling.operators import OperatorCost, flops, operator_table, profile_operators
from shared.profiling.timing import Timing, compare, measure, timing_table

__all__ = [
    "OperatorCost",
    "Timing",
    "allocated_bytes",
    "compare",
    "flops",
    "measure",
    "operator_table",
    "parameter_bytes",
    "profile_operators",
    "saved_bytes",
    "timing_table",
]
