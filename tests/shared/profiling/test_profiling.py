"""Counts against closed forms; timings only for what must hold on any machine."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import nn

from shared.profiling import (
    Timing,
    allocated_bytes,
    compare,
    flops,
    measure,
    operator_table,
    parameter_bytes,
    profile_operators,
    saved_bytes,
    timing_table,
)


def test_flops_of_a_product_are_two_m_n_k():
    a, b = torch.randn(3, 5), torch.randn(5, 7)
    assert flops(lambda: a @ b) == 2 * 3 * 5 * 7


def test_flops_of_a_linear_layer_forward_and_backward():
    layer, x = nn.Linear(8, 4, bias=False), torch.randn(2, 8, requires_grad=True)
    assert flops(lambda: layer(x).sum().backward()) == 3 * 2 * 2 * 8 * 4


def test_fused_attention_is_not_counted_as_nothing():
    q = torch.randn(1, 2, 16, 8)
    expected = 2 * (2 * 2 * 16 * 16 * 8)  # scores and weighted values, two heads
    assert flops(lambda: F.scaled_dot_product_attention(q, q, q)) == expected


def test_parameter_bytes_count_a_tied_weight_once():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    assert parameter_bytes(model) == 2 * 64
    model[1].weight = model[0].weight
    assert parameter_bytes(model) == 64
    assert parameter_bytes(nn.BatchNorm1d(4), buffers=False) == 2 * 16


def test_saved_bytes_of_a_relu_are_its_output():
    x = torch.randn(100, requires_grad=True)
    assert saved_bytes(lambda: x.relu()) == 400
    assert saved_bytes(lambda: x + 1) == 0


def test_saved_bytes_leave_a_models_parameters_out_on_request():
    layer, x = nn.Linear(10, 10, bias=False), torch.randn(5, 10, requires_grad=True)
    assert saved_bytes(lambda: layer(x)) == 200 + 400
    assert saved_bytes(lambda: layer(x), exclude=layer) == 200


def test_a_view_allocates_nothing():
    x = torch.randn(10, 10)
    assert allocated_bytes(lambda: x.t()[1:]) == 0
    assert allocated_bytes(lambda: x + 1) == 400


def test_competitors_take_turns_after_a_warm_up():
    order = []
    timings = compare({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3, warmup=1)
    assert order == ["a", "b", "a", "b", "a", "b", "a", "b"]
    assert {len(t.seconds) for t in timings.values()} == {3}


def test_the_median_ignores_one_slow_call():
    timing = Timing("x", (1.0, 1.0, 100.0))
    assert timing.median == 1.0
    assert Timing("y", (2.0,)).ratio_to(timing) == 2.0
    assert Timing("y", (2.0,)).quartiles == (2.0, 2.0)


def test_tables_name_every_competitor_and_the_ratio():
    table = timing_table({"fast": Timing("fast", (0.001,)), "slow": Timing("slow", (0.003,))})
    assert "| slow | 3 ms |" in table
    assert "3.00 |" in table


def test_a_profile_names_the_matrix_product_and_its_calls():
    a = torch.randn(64, 64)
    costs = profile_operators(lambda: (a @ a) @ a)
    product = next(c for c in costs if c.name == "mm")
    assert product.calls == 2
    assert abs(sum(c.share for c in costs) - 1) < 1e-6
    assert "| mm | 2 |" in operator_table(costs, most=len(costs))
    assert f"{len(costs) - 1} more" in operator_table(costs, most=1)


def test_a_profile_is_silent_and_lets_the_call_speak(capfd):
    profile_operators(lambda: os.write(2, b"the call's own words"), warmup=0)
    assert capfd.readouterr().err == "the call's own words"


def test_measure_calls_as_often_as_it_says():
    calls = []
    timing = measure(lambda: calls.append(1), rounds=5, warmup=2)
    assert (len(calls), len(timing.seconds)) == (7, 5)
