"""Counted bytes against numbers that follow from shapes alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from courseware.check.numeric import inner, numeric_gradient
from courseware.check.observe import (
    allocated_bytes,
    graph_nodes,
    largest_tensor,
    observe,
    same_storage,
    saved_bytes,
)


def test_a_view_allocates_nothing_and_a_copy_its_size():
    x = torch.randn(10, 10)
    assert allocated_bytes(lambda: x.t()[2:].unsqueeze(0)) == 0
    assert allocated_bytes(lambda: x.clone()) == 400
    assert allocated_bytes(lambda: x.mul_(2)) == 0


def test_the_largest_tensor_is_that_of_an_intermediate():
    x = torch.randn(30)
    assert largest_tensor(lambda: (x[:, None] * x[None, :]).sum()) == 900


def test_operators_are_counted_by_name_forward_and_backward():
    w = torch.randn(3, 3, requires_grad=True)
    with observe() as seen:
        (w @ w).sum().backward()
    assert seen.calls["mm"] == 3


def test_saved_bytes_count_a_shared_storage_once():
    logits = torch.randn(64, 1000, requires_grad=True)
    target = torch.randint(0, 1000, (64,))
    saved = saved_bytes(lambda: F.cross_entropy(logits, target))
    assert 1.0 <= saved / (64 * 1000 * 4) < 1.05


def test_tensors_stashed_on_ctx_count_too():
    class Stash(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.hidden = torch.ones(100)
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return g * ctx.hidden

    x = torch.randn(100, requires_grad=True)
    assert saved_bytes(lambda: Stash.apply(x)) == 400


def test_same_storage_sees_views_and_not_copies():
    x = torch.zeros(4)
    assert same_storage(x.expand(3, 4), x)
    assert not same_storage(x.repeat(3, 1), x)
    assert same_storage(x[2:], x)


def test_graph_nodes_are_found_through_a_long_chain():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y + 1
    assert len(graph_nodes(y)) == 3001


def test_numeric_gradient_agrees_with_a_closed_form():
    x = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(numeric_gradient(lambda v: v.exp().sum(), x), x.exp(), rtol=1e-7, atol=1e-8)


def test_inner_is_a_sum_of_products_in_double_precision():
    assert inner(torch.tensor([1, 2]), torch.tensor([3.0, 4.0])) == 11.0
