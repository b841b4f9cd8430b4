"""Wrong answers to the warm-ups."""

import torch
from torch import Tensor

from courseware.check import misconception


@misconception("W1", diagnosis="to-without-assignment")
def calls_to_and_returns_the_old_one():
    def move(batch, device):
        if isinstance(batch, Tensor):
            batch.to(device)
            return batch
        if isinstance(batch, dict):
            return {key: move(value, device) for key, value in batch.items()}
        if isinstance(batch, list | tuple):
            return type(batch)(move(value, device) for value in batch)
        return batch

    return {"move": move}


@misconception("W1", diagnosis="tensors-left-behind")
def one_level_only():
    def move(batch, device):
        def put(value):
            return value.to(device) if isinstance(value, Tensor) else value

        if isinstance(batch, dict):
            return {key: put(value) for key, value in batch.items()}
        if isinstance(batch, list | tuple):
            return type(batch)(put(value) for value in batch)
        return put(batch)

    return {"move": move}


@misconception("W1", diagnosis="changes-the-callers-batch")
def writes_into_the_batch():
    def move(batch, device):
        if isinstance(batch, Tensor):
            return batch.to(device)
        if isinstance(batch, dict):
            for key in batch:
                batch[key] = move(batch[key], device)
        if isinstance(batch, list):
            batch[:] = [move(value, device) for value in batch]
        if isinstance(batch, tuple):
            return tuple(move(value, device) for value in batch)
        return batch

    return {"move": move}


@misconception("W1", diagnosis="fails-on-other-things")
def everything_is_a_tensor():
    def move(batch, device):
        if isinstance(batch, dict):
            return {key: move(value, device) for key, value in batch.items()}
        if isinstance(batch, list | tuple):
            return type(batch)(move(value, device) for value in batch)
        return batch.to(device)

    return {"move": move}


@misconception("W2", diagnosis="divides-by-all")
def mean_of_the_mask():
    def flushed(x, dtype):
        return ((x != 0) & (x.to(dtype) == 0)).double().mean().item() if x.numel() else 0.0

    return {"flushed": flushed}


@misconception("W2", diagnosis="no-nonzero-element")
def divides_by_nothing():
    def flushed(x, dtype):
        alive = x != 0
        return (alive & (x.to(dtype) == 0)).sum().item() / alive.sum().item()

    return {"flushed": flushed}


@misconception("W2", diagnosis="subnormals-forgotten")
def smallest_normal_number():
    def flushed(x, dtype):
        alive = x[x != 0].abs()
        return (alive < torch.finfo(dtype).tiny).sum().item() / max(len(alive), 1)

    return {"flushed": flushed}


@misconception("W3", diagnosis="sign-is-minus-one")
def arithmetic_shift():
    def fields(x):
        bits = x.view(torch.int32)
        return bits >> 31, (bits >> 23) & 0xFF, bits & 0x7FFFFF

    return {"fields": fields}


@misconception("W3", diagnosis="converted-instead-of-reinterpreted")
def converts():
    def fields(x):
        bits = x.to(torch.int32)
        return (bits >> 31) & 1, (bits >> 23) & 0xFF, bits & 0x7FFFFF

    return {"fields": fields}


@misconception("W3", diagnosis="exponent-without-bias")
def true_exponent():
    def fields(x):
        bits = x.view(torch.int32)
        return (bits >> 31) & 1, ((bits >> 23) & 0xFF) - 127, bits & 0x7FFFFF

    return {"fields": fields}


@misconception("W4", diagnosis="twice-the-gap")
def exponent_of_frexp():
    def gap(x, man_bits):
        return torch.exp2((torch.frexp(x)[1] - man_bits).float())

    return {"gap": gap}


@misconception("W4", diagnosis="logarithm-rounds")
def floor_of_log2():
    def gap(x, man_bits):
        return 2.0 ** (torch.log2(x.abs()).floor() - man_bits)

    return {"gap": gap}


@misconception("W4", diagnosis="grows-with-x")
def relative_precision():
    def gap(x, man_bits):
        return x.abs() * 2.0**-man_bits

    return {"gap": gap}
