"""Wrong answers to E1, as strangers make them."""

from __future__ import annotations

import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.solution import ring_all_reduce as reference
from tests.labs.answers import Answers
from tests.labs.lab2_5.right_e1 import combine, looked_at, members

wrong = Answers()


def around(change):
    """The reference, and something before or after it."""

    def ring_all_reduce(t, op="sum", group=None):
        return change(t, op, group)

    return {"ring_all_reduce": ring_all_reduce}


@wrong("E1")
def returns_nothing():
    def change(t, op, group):
        reference(t, op, group)

    return around(change)


@wrong("E1")
def everything_goes_round():
    def change(t, op, group):
        looked_at(t, op)
        ranks, me = members(group)
        n = len(ranks)
        total, passing = t.contiguous().clone(), t.contiguous().clone()
        for _ in range(n - 1):
            got = torch.empty_like(passing)
            request = dist.isend(passing, dst=ranks[(me + 1) % n], group=group)
            dist.recv(got, src=ranks[me - 1], group=group)
            request.wait()
            total, passing = combine(total, got, op), got
        return t.copy_(total / n if op == "mean" else total)

    return around(change)


@wrong("E1")
def through_float32():
    def change(t, op, group):
        looked_at(t, op)
        wide = t.float()
        reference(wide, op, group)
        return t.copy_(wide)

    return around(change)


@wrong("E1")
def the_mean_is_the_sum():
    return around(
        lambda t, op, group: reference(t, "sum" if op == "mean" and t.is_floating_point() else op, group)
    )


@wrong("E1")
def max_starts_at_zero():
    def change(t, op, group):
        reference(t, op, group)
        return t.clamp_(min=0) if op == "max" else t

    return around(change)


@wrong("E1")
def rest_stays_local():
    def change(t, op, group):
        looked_at(t, op)
        ranks, _ = members(group)
        n = len(ranks)
        flat = t.contiguous().view(-1)
        if flat.numel() // n:
            reference(flat[: flat.numel() // n * n], op, group)
        return t.copy_(flat.view(t.shape))

    return around(change)


@wrong("E1")
def zero_dimensions_fail():
    return around(lambda t, op, group: reference(t, op, group) if len(t.shape) and len(t) >= 0 else t[0])


@wrong("E1")
def unknown_op_is_a_sum():
    return around(lambda t, op, group: reference(t, op if op in ("mean", "max") else "sum", group))


@wrong("E1")
def integer_mean_after_sending():
    def change(t, op, group):
        if op == "mean" and not t.is_floating_point():
            reference(t.clone(), "sum", group)
            raise TypeError("integers")
        return reference(t, op, group)

    return around(change)


@wrong("E1")
def value_error_for_integers():
    def change(t, op, group):
        if op == "mean" and not t.is_floating_point():
            raise ValueError("integers")
        return reference(t, op, group)

    return around(change)


@wrong("E1")
def view_fails_on_a_transposed_matrix():
    def change(t, op, group):
        flat = t.view(-1)
        reference(flat, op, group)
        return t

    return around(change)


@wrong("E1")
def group_rank_as_global_rank():
    def change(t, op, group):
        looked_at(t, op)
        group = group or dist.group.WORLD
        me, n = dist.get_rank(group), dist.get_world_size(group)
        if n == 1:
            return t
        flat = t.reshape(-1).clone()
        pieces = flat.tensor_split(n)
        for s in range(2 * (n - 1)):
            out, into = pieces[(me - s) % n], pieces[(me - s - 1) % n]
            got = torch.empty_like(into)
            request = dist.isend(out, dst=(me + 1) % n, group=group)
            dist.recv(got, src=(me - 1) % n, group=group)
            request.wait()
            into.copy_(combine(into, got, op) if s < n - 1 else got)
        if op == "mean":
            flat /= n
        return t.copy_(flat.view(t.shape))

    return around(change)


@wrong("E1")
def two_messages_for_one():
    def change(t, op, group):
        looked_at(t, op)
        flat = t.contiguous().view(-1)
        half = flat.numel() // 2
        reference(flat[:half], op, group)
        reference(flat[half:], op, group)
        return t.copy_(flat.view(t.shape))

    return around(change)


@wrong("E1")
def broadcast_at_the_end():
    def change(t, op, group):
        reference(t, op, group)
        dist.broadcast(t.contiguous(), src=members(group)[0][0], group=group)
        return t

    return around(change)


@wrong("E1")
def swallows_the_refusal():
    def change(t, op, group):
        try:
            dist.all_reduce(t, group=group)
        except Exception:
            reference(t, op, group)
        return t

    return around(change)


@wrong("E1")
def one_rank_waits_for_ever():
    def change(t, op, group):
        reference(t, op, group)
        if dist.get_rank() == 0:
            dist.recv(torch.ones(1), src=1)
        return t

    return around(change)


@wrong("E1")
def rank_1_leaves():
    def change(t, op, group):
        import os

        if dist.get_rank() == 1:
            os._exit(0)
        return reference(t, op, group)

    return around(change)


@wrong("E1")
def mean_divided_before_adding():
    def change(t, op, group):
        looked_at(t, op)
        if op == "mean":
            t.div_(len(members(group)[0]))
        return reference(t, "sum" if op == "mean" else op, group)

    return around(change)


@wrong("E1")
def mean_divided_by_all_ranks():
    def change(t, op, group):
        looked_at(t, op)
        reference(t, "sum" if op == "mean" else op, group)
        return t.div_(dist.get_world_size()) if op == "mean" else t

    return around(change)


@wrong("E1")
def maximum_starts_from_zero():
    def change(t, op, group):
        return reference(t.clamp_(min=0) if op == "max" else t, op, group)

    return around(change)


@wrong("E1")
def a_functional_collective():
    def ring_all_reduce(t, op="sum", group=None):
        import torch.distributed._functional_collectives as functional

        if op not in ("sum", "mean", "max"):
            raise ValueError(op)
        if op == "mean" and not t.is_floating_point():
            raise TypeError(op)
        group = group or dist.group.WORLD
        kind = "max" if op == "max" else "sum"
        result = functional.wait_tensor(functional.all_reduce(t.contiguous(), kind, group))
        return t.copy_(result / dist.get_world_size(group) if op == "mean" else result)

    return {"ring_all_reduce": ring_all_reduce}
