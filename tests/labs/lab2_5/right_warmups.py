"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def one_by_one():
    def parts(length, n):
        sizes = [0] * n
        for i in range(length):
            sizes[i % n] += 1
        found, at = [], 0
        for size in sizes:
            found.append((at, at + size))
            at += size
        return found

    return {"parts": parts}


@right("W1")
def tensor_split_knows():
    def parts(length, n):
        pieces = torch.arange(length).tensor_split(n)
        ends = torch.tensor([len(p) for p in pieces]).cumsum(0).tolist()
        return [(end - len(p), end) for p, end in zip(pieces, ends, strict=True)]

    return {"parts": parts}


@right("W2")
def step_by_step():
    def traffic(numbers, itemsize, n):
        star = ring = 0
        for _ in range(n - 1):
            star += numbers * itemsize * 2
            ring += 4 * math.ceil(numbers / n) * itemsize
        return star, ring

    return {"traffic": traffic}


@right("W3")
def even_ranks_send_first():
    def pass_right(t):
        me, n = dist.get_rank(), dist.get_world_size()
        if n == 1:
            return t.clone()
        came = torch.zeros_like(t)
        if me == 0:
            dist.send(t, dst=1)
            dist.recv(came, src=n - 1)
        else:
            dist.recv(came, src=me - 1)
            dist.send(t, dst=(me + 1) % n)
        return came

    return {"pass_right": pass_right}


@right("W3")
def batched():
    def pass_right(t):
        me, n = dist.get_rank(), dist.get_world_size()
        came = t.clone()
        if n > 1:
            calls = [dist.P2POp(dist.irecv, came, (me - 1) % n), dist.P2POp(dist.isend, t, (me + 1) % n)]
            for request in dist.batch_isend_irecv(calls):
                request.wait()
        return came

    return {"pass_right": pass_right}


@right("W4")
def following_what_came():
    def ring_plan(rank, n):
        plan, chunk = [], rank
        while len(plan) < 2 * n - 2:
            plan.append((chunk, (chunk + n - 1) % n))
            chunk = plan[-1][1]
        return plan

    return {"ring_plan": ring_plan}
