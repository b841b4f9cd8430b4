"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.distributed as dist

from tests.labs.answers import Answers

right = Answers()


def looked_at(t, op):
    if op not in {"sum", "mean", "max"}:
        raise ValueError(f"unknown op {op}")
    if op == "mean" and not t.dtype.is_floating_point:
        raise TypeError("mean needs floats")


def members(group):
    ranks = dist.get_process_group_ranks(group or dist.group.WORLD)
    return ranks, ranks.index(dist.get_rank())


def combine(x, y, op):
    return torch.max(x, y) if op == "max" else x + y


@right("E1")
def batched_messages_and_padding():
    def ring_all_reduce(t, op="sum", group=None):
        looked_at(t, op)
        ranks, me = members(group)
        n = len(ranks)
        if n == 1 or not t.numel():
            return t
        size = (t.numel() + n - 1) // n
        padded = torch.zeros(size * n, dtype=t.dtype)
        padded[: t.numel()] = t.reshape(-1)
        rows, got = padded.view(n, size), torch.empty(size, dtype=t.dtype)

        def exchange(k):
            ops = [
                dist.P2POp(dist.isend, rows[k % n], ranks[(me + 1) % n], group),
                dist.P2POp(dist.irecv, got, ranks[(me - 1) % n], group),
            ]
            for work in dist.batch_isend_irecv(ops):
                work.wait()

        for s in range(n - 1):
            exchange(me - s)
            k = (me - s - 1) % n
            rows[k] = combine(rows[k], got, op)
        for s in range(n - 1):
            exchange(me + 1 - s)
            rows[(me - s) % n] = got
        flat = padded[: t.numel()]
        t.copy_((flat / n if op == "mean" else flat).view_as(t))
        return t

    return {"ring_all_reduce": ring_all_reduce}


def in_place(adds_up):
    """The answer that looks first, lets `adds_up` work on a flat copy, and writes back."""

    def ring_all_reduce(t, op="sum", group=None):
        looked_at(t, op)
        ranks, me = members(group)
        flat = t.reshape(-1).clone()
        if len(ranks) > 1:
            flat = adds_up(flat, op, ranks, me, group)
        return t.copy_((flat / len(ranks) if op == "mean" else flat).view(t.shape))

    return {"ring_all_reduce": ring_all_reduce}


@right("E1")
def ring_to_the_left():
    def adds_up(flat, op, ranks, me, group):
        n, pieces = len(ranks), flat.tensor_split(len(ranks))

        def swap(out, into):
            got = torch.empty_like(pieces[into])
            request = dist.irecv(got, src=ranks[(me + 1) % n], group=group)
            dist.isend(pieces[out], dst=ranks[me - 1], group=group).wait()
            request.wait()
            return got

        for s in range(n - 1):
            out, into = (me + s) % n, (me + s + 1) % n
            pieces[into].copy_(combine(pieces[into], swap(out, into), op))
        for s in range(n - 1):
            out, into = (me - 1 + s) % n, (me + s) % n
            pieces[into].copy_(swap(out, into))
        return flat

    return in_place(adds_up)


@right("E1")
def blocking_calls_rank_0_breaks_the_symmetry():
    def adds_up(flat, op, ranks, me, group):
        n = len(ranks)
        borders = [flat.numel() * k // n for k in range(n + 1)]

        def piece(k):
            return flat[borders[k % n] : borders[k % n + 1]]

        def step(out, into):
            got = torch.empty_like(piece(into))
            if me == 0:
                dist.send(piece(out), ranks[1 % n], group=group)
                dist.recv(got, ranks[n - 1], group=group)
            else:
                dist.recv(got, ranks[me - 1], group=group)
                dist.send(piece(out), ranks[(me + 1) % n], group=group)
            return got

        for s in range(2 * (n - 1)):
            got = step(me - s, me - s - 1)
            target = piece(me - s - 1)
            target.copy_(combine(target, got, op) if s < n - 1 else got)
        return flat

    return in_place(adds_up)


@right("E1")
def everyone_to_everyone():
    """Each rank adds up one part that all send it directly, and sends the sum to all: the same bytes."""

    def adds_up(flat, op, ranks, me, group):
        pieces = flat.tensor_split(len(ranks))
        others = [k for k in range(len(ranks)) if k != me]

        def exchange(out, into):
            requests = []
            for k in others:
                requests.append(dist.isend(out(k), ranks[k], group=group))
                requests.append(dist.irecv(into(k), ranks[k], group=group))
            for request in requests:
                request.wait()

        got = {k: torch.empty_like(pieces[me]) for k in others}
        exchange(lambda k: pieces[k], lambda k: got[k])
        parts = [got.get(k, pieces[me]) for k in range(len(ranks))]
        total = parts[0].clone()
        for part in parts[1:]:
            total = combine(total, part, op)
        exchange(lambda k: total, lambda k: pieces[k])
        pieces[me].copy_(total)
        return flat

    return in_place(adds_up)


@right("E1")
def half_precision_adds_in_float32():
    """Rounded to the tensor's dtype before it is sent."""

    def adds_up(flat, op, ranks, me, group):
        n, pieces = len(ranks), list(flat.tensor_split(len(ranks)))
        wide = torch.float32 if flat.dtype in (torch.bfloat16, torch.float16) else flat.dtype
        for s in range(2 * (n - 1)):
            out, into = (me - s) % n, (me - s - 1) % n
            got = torch.empty_like(pieces[into])
            request = dist.isend(pieces[out], dst=ranks[(me + 1) % n], group=group)
            dist.recv(got, src=ranks[me - 1], group=group)
            request.wait()
            if s < n - 1:
                got = combine(pieces[into].to(wide), got.to(wide), op).to(flat.dtype)
            pieces[into] = got
        return torch.cat(pieces)

    return in_place(adds_up)


@right("E1")
def empty_chunks_are_left_out():
    def adds_up(flat, op, ranks, me, group):
        n, pieces = len(ranks), flat.tensor_split(len(ranks))
        for s in range(2 * (n - 1)):
            out, into = pieces[(me - s) % n], pieces[(me - s - 1) % n]
            request = dist.isend(out, dst=ranks[(me + 1) % n], group=group) if len(out) else None
            if len(into):
                got = torch.empty_like(into)
                dist.recv(got, src=ranks[me - 1], group=group)
                into.copy_(combine(into, got, op) if s < n - 1 else got)
            if request is not None:
                request.wait()
        return flat

    return in_place(adds_up)


@right("E1")
def returns_a_view_of_the_same_memory():
    def ring_all_reduce(t, op="sum", group=None):
        from phase2_intermediate.lab5_distributed_training.solution import ring_all_reduce as reference

        return (
            reference(t, op, group).view(t.shape) if t.is_contiguous() else reference(t, op=op, group=group)
        )

    return {"ring_all_reduce": ring_all_reduce}


@right("E1")
def a_class_does_the_work():
    class Ring:
        def __init__(self, group):
            self.group = group if group is not None else dist.group.WORLD
            self.me, self.n = dist.get_rank(self.group), dist.get_world_size(self.group)

        def neighbour(self, k):
            return dist.get_global_rank(self.group, (self.me + k) % self.n)

        def pass_on(self, out, size, like):
            got = like.new_empty(size)
            pending = [dist.isend(out.contiguous(), self.neighbour(1), group=self.group)]
            pending.append(dist.irecv(got, self.neighbour(-1), group=self.group))
            for work in pending:
                work.wait()
            return got

        def run(self, flat, op):
            pieces = [piece.clone() for piece in flat.tensor_split(self.n)]
            for s in range(self.n - 1):
                k = (self.me - s - 1) % self.n
                pieces[k] = combine(
                    pieces[k], self.pass_on(pieces[(k + 1) % self.n], len(pieces[k]), flat), op
                )
            for s in range(self.n - 1):
                k = (self.me - s) % self.n
                pieces[k] = self.pass_on(pieces[(k + 1) % self.n], len(pieces[k]), flat)
            return torch.cat(pieces)

    def ring_all_reduce(t, op="sum", group=None):
        looked_at(t, op)
        ring = Ring(group)
        if ring.n > 1:
            total = ring.run(t.reshape(-1), op)
            t.copy_(total.div(ring.n).view(t.shape) if op == "mean" else total.view(t.shape))
        return t

    return {"ring_all_reduce": ring_all_reduce}
