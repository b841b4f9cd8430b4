"""Wrong answers to E1: one ring, with one mistake at a time."""

import torch
import torch.distributed as dist

from courseware.check import misconception


def ring(
    *,
    exchange=None,
    second_offset=1,
    second_adds=False,
    divide="end",
    write_back=True,
    validate=True,
    grouped=True,
    cut=None,
    maximum=torch.maximum,
):
    """A sound ring with parts to be exchanged."""

    def sound_exchange(out, into, right, left, group):
        request = dist.isend(out, dst=right, group=group)
        dist.recv(into, src=left, group=group)
        request.wait()

    def sound_cut(flat, n):
        return list(flat.tensor_split(n))

    exchange, cut = exchange or sound_exchange, cut or sound_cut

    def ring_all_reduce(t, op="sum", group=None):
        if validate and op not in ("sum", "mean", "max"):
            raise ValueError(op)
        if validate and op == "mean" and not t.is_floating_point():
            raise TypeError("integers have no exact mean")
        group = (group or dist.group.WORLD) if grouped else dist.group.WORLD
        r, n = dist.get_rank(group), dist.get_world_size(group)
        if n == 1:
            return t
        right, left = (dist.get_global_rank(group, k % n) for k in (r + 1, r - 1))
        flat = t.contiguous().view(-1)
        chunks = cut(flat, n)
        for phase in (0, 1):
            for s in range(n - 1):
                start = r + (second_offset if phase else 0)
                out, into = chunks[(start - s) % n], chunks[(start - s - 1) % n]
                got = torch.empty_like(into)
                exchange(out, got, right, left, group)
                if phase and not second_adds:
                    into.copy_(got)
                elif op == "max":
                    into.copy_(maximum(into, got))
                else:
                    into.add_(got)
                    if op == "mean" and divide == "hop":
                        into.div_(2)
        if op == "mean" and divide == "end":
            flat.div_(n)
        return t.copy_(flat.view(t.shape)) if write_back else flat.view(t.shape)

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="everybody-sends-first")
def blocking_send():
    def exchange(out, into, right, left, group):
        dist.send(out, dst=right, group=group)
        dist.recv(into, src=left, group=group)

    return ring(exchange=exchange)


@misconception("E1", diagnosis="one-rank-carries-it-all")
def star_via_rank_0():
    def ring_all_reduce(t, op="sum", group=None):
        if op not in ("sum", "mean", "max"):
            raise ValueError(op)
        if op == "mean" and not t.is_floating_point():
            raise TypeError("integers have no exact mean")
        group = group or dist.group.WORLD
        r, n = dist.get_rank(group), dist.get_world_size(group)
        rank_of = [dist.get_global_rank(group, k) for k in range(n)]
        total = t.contiguous()
        if r == 0:
            for other in range(1, n):
                got = torch.empty_like(total)
                dist.recv(got, src=rank_of[other], group=group)
                total = torch.maximum(total, got) if op == "max" else total + got
            if op == "mean":
                total = total / n
            for other in range(1, n):
                dist.send(total, dst=rank_of[other], group=group)
        elif n > 1:
            dist.send(total, dst=rank_of[0], group=group)
            total = torch.empty_like(total)
            dist.recv(total, src=rank_of[0], group=group)
        return t.copy_(total)

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="partial-sums")
def phase_2_begins_with_the_own_chunk():
    return ring(second_offset=0)


@misconception("E1", diagnosis="added-more-than-once")
def phase_2_adds():
    return ring(second_adds=True)


@misconception("E1", diagnosis="not-in-place")
def result_in_a_copy():
    def ring_all_reduce(t, op="sum", group=None):
        return ring()["ring_all_reduce"](t.clone(), op, group)

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="lost-in-a-copy")
def view_lost():
    def ring_all_reduce(t, op="sum", group=None):
        flat = t.reshape(-1)  # a copy if t is not contiguous
        return ring()["ring_all_reduce"](flat, op, group).view(t.shape)

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="mean-divides-too-often")
def mean_at_every_hop():
    return ring(divide="hop")


@misconception("E1", diagnosis="ranks-differ-in-the-last-bit")
def mean_of_the_own_chunk_is_rounded_otherwise():
    """The owner of a chunk keeps its own, wider result; the others get what has been rounded for the wire."""

    def ring_all_reduce(t, op="sum", group=None):
        if t.dtype != torch.float32 or op not in ("sum", "mean"):
            return ring()["ring_all_reduce"](t, op, group)
        r, n = dist.get_rank(group), dist.get_world_size(group)
        ring()["ring_all_reduce"](t, "sum", group)
        own = t.view(-1).tensor_split(n)[(r + 1) % n]
        own.mul_(1 + 2.0**-23)
        return t.div_(n) if op == "mean" else t

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="integer-mean")
def integers_are_divided():
    def ring_all_reduce(t, op="sum", group=None):
        if op not in ("sum", "mean", "max"):
            raise ValueError(op)
        sound = ring()["ring_all_reduce"]
        if op == "mean" and not t.is_floating_point():
            return sound(t, "sum", group).floor_divide_(dist.get_world_size(group))
        return sound(t, op, group)

    return {"ring_all_reduce": ring_all_reduce}


@misconception("E1", diagnosis="group-ignored")
def always_the_whole_world():
    return ring(grouped=False)


@misconception("E1", diagnosis="waits-for-an-empty-chunk")
def fewer_chunks_than_ranks():
    def cut(flat, n):
        pieces = list(flat.chunk(n))
        return pieces + [flat[:0]] * (n - len(pieces))

    def exchange(out, into, right, left, group):
        request = dist.isend(out, dst=right, group=group) if out.numel() else None
        dist.recv(into, src=left, group=group)
        if request:
            request.wait()

    return ring(cut=cut, exchange=exchange)


@misconception("E1", diagnosis="forbidden")
def the_collective():
    def ring_all_reduce(t, op="sum", group=None):
        dist.all_reduce(t, op=getattr(dist.ReduceOp, "MAX" if op == "max" else "SUM"), group=group)
        return t.div_(dist.get_world_size(group)) if op == "mean" else t

    return {"ring_all_reduce": ring_all_reduce}
