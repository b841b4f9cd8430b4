"""Wrong answers to the warm-ups."""

import torch
import torch.distributed as dist

from courseware.check import misconception


@misconception("W1", diagnosis="another-number-of-parts")
def chunks_as_torch_makes_them():
    def parts(length, n):
        size = max(-(-length // n), 1)
        return [(start, min(start + size, length)) for start in range(0, length, size)]

    return {"parts": parts}


@misconception("W1", diagnosis="sizes-differ-by-more-than-one")
def the_last_one_takes_the_rest():
    def parts(length, n):
        size = length // n
        return [(i * size, length if i == n - 1 else (i + 1) * size) for i in range(n)]

    return {"parts": parts}


@misconception("W1", diagnosis="rest-is-lost")
def equal_parts_only():
    def parts(length, n):
        size = length // n
        return [(i * size, (i + 1) * size) for i in range(n)]

    return {"parts": parts}


@misconception("W2", diagnosis="ring-sends-whole-tensors")
def whole_tensors_go_round():
    def traffic(numbers, itemsize, n):
        return 2 * (n - 1) * numbers * itemsize, 4 * (n - 1) * numbers * itemsize

    return {"traffic": traffic}


@misconception("W2", diagnosis="part-rounded-down")
def rounds_down():
    def traffic(numbers, itemsize, n):
        return 2 * (n - 1) * numbers * itemsize, 4 * (n - 1) * (numbers // n) * itemsize

    return {"traffic": traffic}


@misconception("W2", diagnosis="ring-counts-one-direction")
def counts_what_is_sent():
    def traffic(numbers, itemsize, n):
        return 2 * (n - 1) * numbers * itemsize, 2 * (n - 1) * -(-numbers // n) * itemsize

    return {"traffic": traffic}


@misconception("W3", diagnosis="everybody-sends-first")
def sends_then_receives():
    def pass_right(t):
        rank, world = dist.get_rank(), dist.get_world_size()
        received = torch.empty_like(t)
        dist.send(t, dst=(rank + 1) % world)
        dist.recv(received, src=(rank - 1) % world)
        return received

    return {"pass_right": pass_right}


@misconception("W3", diagnosis="overwrites-the-argument")
def receives_into_the_argument():
    def pass_right(t):
        rank, world = dist.get_rank(), dist.get_world_size()
        sending = dist.isend(t.clone(), dst=(rank + 1) % world)
        dist.recv(t, src=(rank - 1) % world)
        sending.wait()
        return t

    return {"pass_right": pass_right}


@misconception("W3", diagnosis="the-wrong-direction")
def passes_left():
    def pass_right(t):
        rank, world = dist.get_rank(), dist.get_world_size()
        received = torch.empty_like(t)
        sending = dist.isend(t, dst=(rank - 1) % world)
        dist.recv(received, src=(rank + 1) % world)
        sending.wait()
        return received

    return {"pass_right": pass_right}


@misconception("W4", diagnosis="phase-2-as-phase-1")
def the_same_twice():
    def ring_plan(rank, n):
        return [((rank - s) % n, (rank - s - 1) % n) for s in range(n - 1)] * 2

    return {"ring_plan": ring_plan}


@misconception("W4", diagnosis="no-modulo")
def negative_chunks():
    def ring_plan(rank, n):
        first = [(rank - s, rank - s - 1) for s in range(n - 1)]
        return first + [(rank + 1 - s, rank - s) for s in range(n - 1)]

    return {"ring_plan": ring_plan}


@misconception("W4", diagnosis="another-number-of-steps")
def one_step_too_many():
    def ring_plan(rank, n):
        first = [((rank - s) % n, (rank - s - 1) % n) for s in range(n)]
        return first + [((rank + 1 - s) % n, (rank - s) % n) for s in range(n)]

    return {"ring_plan": ring_plan}
