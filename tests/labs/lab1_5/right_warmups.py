"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import math
import struct

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from tests.labs.answers import Answers

right = Answers()

# ---- W1 ----------------------------------------------------------------------------------------------


@right("W1")
def tree_map():
    def move(batch, device):
        return pytree.tree_map(lambda v: v.to(device) if isinstance(v, Tensor) else v, batch)

    return {"move": move}


@right("W1")
def match_statement():
    def move(batch, device):
        match batch:
            case Tensor():
                return batch.to(device=device)
            case dict():
                return dict(zip(batch.keys(), move(list(batch.values()), device), strict=True))
            case list():
                return [move(b, device) for b in batch]
            case tuple():
                return tuple(move(b, device) for b in batch)
        return batch

    return {"move": move}


@right("W1")
def torch_is_tensor_and_loops():
    def move(batch, device):
        if torch.is_tensor(batch):
            return batch.to(torch.device(device))
        if type(batch) is dict:
            new = {}
            for key in batch:
                new[key] = move(batch[key], device)
            return new
        if type(batch) in (list, tuple):
            new = []
            for item in batch:
                new.append(move(item, device))
            return new if type(batch) is list else tuple(new)
        return batch

    return {"move": move}


@right("W1")
def asks_for_the_method():
    def move(batch, device):
        if hasattr(batch, "to"):
            return batch.to(device)
        if hasattr(batch, "items"):
            return {k: move(v, device) for k, v in batch.items()}
        if isinstance(batch, (list, tuple)):
            return batch.__class__([move(v, device) for v in batch])
        return batch

    return {"move": move}


# ---- W2 ----------------------------------------------------------------------------------------------


@right("W2")
def loop_over_elements():
    def flushed(x, dtype):
        alive = lost = 0
        for value in x.flatten().tolist():
            if value != 0:
                alive += 1
                lost += torch.tensor(value, dtype=torch.float64).to(dtype).item() == 0
        return lost / alive if alive else 0.0

    return {"flushed": flushed}


@right("W2")
def selects_first():
    def flushed(x, dtype):
        nonzero = x[x != 0]
        if nonzero.numel() == 0:
            return 0.0
        return (nonzero.to(dtype) == 0).float().mean().item()

    return {"flushed": flushed}


@right("W2")
def counts_nonzero():
    def flushed(x, dtype):
        before = torch.count_nonzero(x).item()
        after = torch.count_nonzero(x.to(dtype).double()).item()
        return (before - after) / before if before else 0.0

    return {"flushed": flushed}


@right("W2")
def numpy_back():
    def flushed(x, dtype):
        a, b = x.double().numpy(), x.to(dtype).double().numpy()
        n = np.count_nonzero(a)
        return float(np.sum((a != 0) & (b == 0)) / n) if n else 0.0

    return {"flushed": flushed}


# ---- W3 ----------------------------------------------------------------------------------------------


@right("W3")
def numpy_bits():
    def fields(x):
        bits = x.contiguous().numpy().view(np.uint32).astype(np.int64).reshape(tuple(x.shape))
        return tuple(
            torch.from_numpy(np.asarray(part)) for part in (bits >> 31, bits >> 23 & 255, bits & 0x7FFFFF)
        )

    return {"fields": fields}


@right("W3")
def divides_and_takes_remainders():
    def fields(x):
        bits = x.view(torch.int32).to(torch.int64) % 2**32
        return bits // 2**31, bits // 2**23 % 256, bits % 2**23

    return {"fields": fields}


@right("W3")
def struct_by_struct():
    def fields(x):
        words = [struct.unpack("!I", struct.pack("!f", v))[0] for v in x.flatten().tolist()]
        shape = x.shape
        parts = [(w >> 31, (w >> 23) & 0xFF, w & 0x7FFFFF) for w in words]
        return tuple(torch.tensor([p[i] for p in parts], dtype=torch.int64).reshape(shape) for i in range(3))

    return {"fields": fields}


@right("W3")
def signbit_and_shifts():
    def fields(x):
        n = x.view(torch.int32)
        m = torch.bitwise_and(n, 2**23 - 1)
        e = torch.bitwise_and(torch.bitwise_right_shift(n, 23), 255)
        return torch.signbit(x).int(), e, m

    return {"fields": fields}


# ---- W4 ----------------------------------------------------------------------------------------------


@right("W4")
def from_the_bits():
    def gap(x, man_bits):
        k = ((x.view(torch.int32) >> 23) & 0xFF) - 127
        return torch.ldexp(torch.ones_like(x), k - man_bits)

    return {"gap": gap}


@right("W4")
def python_frexp():
    def gap(x, man_bits):
        return torch.tensor(
            [math.ldexp(1.0, math.frexp(v)[1] - 1 - man_bits) for v in x.flatten().tolist()]
        ).reshape(x.shape)

    return {"gap": gap}


@right("W4")
def logarithm_in_float64():
    def gap(x, man_bits):
        return (2.0 ** (torch.log2(x.double().abs()).floor() - man_bits)).float()

    return {"gap": gap}


@right("W4")
def clears_the_mantissa():
    def gap(x, man_bits):
        power = (x.abs().view(torch.int32) & 0x7F800000).view(torch.float32)
        return power * 2.0**-man_bits

    return {"gap": gap}
