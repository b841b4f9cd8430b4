"""Wrong answers to the warm-ups, as strangers make them."""

from __future__ import annotations

import torch
import torch.distributed as dist

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W1")
def lists_for_pairs():
    return {"parts": lambda length, n: [[i * length // n, (i + 1) * length // n] for i in range(n)]}


@wrong("W1")
def rounded_borders():
    return {"parts": lambda length, n: [(i * length // n, (i + 1) * length // n) for i in range(n)]}


@wrong("W1")
def start_and_length():
    def parts(length, n):
        size, more = divmod(length, n)
        return [(i * size + min(i, more), size + (i < more)) for i in range(n)]

    return {"parts": parts}


@wrong("W2")
def ring_in_one_phase():
    return {"traffic": lambda s, i, n: (2 * (n - 1) * s * i, 2 * (n - 1) * -(-s // n) * i)}


@wrong("W2")
def star_one_way():
    return {"traffic": lambda s, i, n: ((n - 1) * s * i, 4 * (n - 1) * -(-s // n) * i)}


@wrong("W2")
def fractions():
    return {"traffic": lambda s, i, n: (2 * (n - 1) * s * i, 4 * (n - 1) * s / n * i)}


@wrong("W3")
def receives_first():
    def pass_right(t):
        me, n = dist.get_rank(), dist.get_world_size()
        came = torch.empty_like(t)
        dist.recv(came, src=(me - 1) % n)
        dist.send(t, dst=(me + 1) % n)
        return came

    return {"pass_right": pass_right}


@wrong("W3")
def no_modulo():
    def pass_right(t):
        me = dist.get_rank()
        came = torch.empty_like(t)
        request = dist.isend(t, dst=me + 1)
        dist.recv(came, src=me - 1)
        request.wait()
        return came

    return {"pass_right": pass_right}


@wrong("W3")
def float_buffer():
    def pass_right(t):
        me, n = dist.get_rank(), dist.get_world_size()
        came = torch.empty(t.shape)
        request = dist.isend(t, dst=(me + 1) % n)
        dist.recv(came, src=(me - 1) % n)
        request.wait()
        return came

    return {"pass_right": pass_right}


@wrong("W3")
def alone_it_talks_to_itself():
    def pass_right(t):
        me, n = dist.get_rank(), dist.get_world_size()
        came = torch.empty_like(t)
        request = dist.isend(t, dst=(me + 1) % n)
        dist.recv(came, src=(me - 1) % n)
        request.wait()
        return t if n == 1 else came

    return {"pass_right": pass_right}


@wrong("W4")
def receives_from_the_right():
    def ring_plan(rank, n):
        first = [((rank - s) % n, (rank - s + 1) % n) for s in range(n - 1)]
        return first + [((rank + 1 - s) % n, (rank + 2 - s) % n) for s in range(n - 1)]

    return {"ring_plan": ring_plan}


@wrong("W4")
def only_phase_1():
    return {"ring_plan": lambda rank, n: [((rank - s) % n, (rank - s - 1) % n) for s in range(n - 1)]}


@wrong("W4")
def rank_0_for_all():
    def ring_plan(rank, n):
        return [((0 - s) % n, (-s - 1) % n) for s in range(2 * (n - 1))]

    return {"ring_plan": ring_plan}


@wrong("W3")
def gathered_from_all():
    def pass_right(t):
        everything = [torch.empty_like(t) for _ in range(dist.get_world_size())]
        dist.all_gather(everything, t)
        return everything[dist.get_rank() - 1]

    return {"pass_right": pass_right}


@wrong("W1")
def empty_parts_are_zero_to_zero():
    def parts(length, n):
        size, more = divmod(length, n)
        found = [(i * size + min(i, more), (i + 1) * size + min(i + 1, more)) for i in range(n)]
        return [pair if pair[0] < pair[1] else (0, 0) for pair in found]

    return {"parts": parts}


@wrong("W2")
def bytes_are_rounded_up():
    return {"traffic": lambda s, i, n: (2 * (n - 1) * s * i, 4 * (n - 1) * -(-s * i // n))}


@wrong("W3")
def a_functional_collective():
    def pass_right(t):
        import torch.distributed._functional_collectives as functional

        rows = functional.all_gather_tensor(t.reshape(1, -1), 0, dist.group.WORLD)
        return functional.wait_tensor(rows)[dist.get_rank() - 1].reshape(t.shape).clone()

    return {"pass_right": pass_right}


@wrong("W3")
def always_three():
    def pass_right(t):
        me = dist.get_rank()
        if dist.get_world_size() == 1:
            return t.clone()
        came = torch.empty_like(t)
        request = dist.isend(t, dst=(me + 1) % 3)
        dist.recv(came, src=(me - 1) % 3)
        request.wait()
        return came

    return {"pass_right": pass_right}
