"""Measuring: medians after a warm-up, operators by cost, counted bytes and floating-point operations.

compare({"loop": loop, "batched": batched}, rounds=20)      # side by side, interleaved, with ratios
flops(lambda: model(x))                                     # counted, not estimated
parameter_bytes(model), saved_bytes(lambda: loss(model(x)))
with ActivationProbe(model) as probe: ...                   # size, zeros, NaNs and gradients of each layer
"""

from shared.profiling.activations import ActivationProbe, LayerStats, activation_table
from shared.profiling.memory import allocated_bytes, parameter_bytes, saved_bytes
from shared.profiling.operators import OperatorCost, flops, operator_table, profile_operators
from shared.profiling.timing import Timing, compare, measure, timing_table

__all__ = [
    "ActivationProbe",
    "LayerStats",
    "OperatorCost",
    "Timing",
    "activation_table",
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
