"""Wrong answers to the warm-ups."""

import hashlib
from pathlib import Path

import torch

from courseware.check import misconception


@misconception("W1", diagnosis="nan")
def plain_comparison_misses_nan():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x), captured(x)
            if a.shape != b.shape or ((a - b).abs() > atol).any():
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@misconception("W1", diagnosis="relative-tolerance")
def allclose_as_it_comes():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        pairs = [(original(x), captured(x)) for x in inputs]
        return [
            i
            for i, (a, b) in enumerate(pairs)
            if a.shape != b.shape or not torch.allclose(a, b, atol=atol, equal_nan=True)
        ]

    return {"where_they_differ": where_they_differ}


@misconception("W1", diagnosis="shapes-are-broadcast")
def broadcasts():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        pairs = [(original(x), captured(x)) for x in inputs]
        return [
            i for i, (a, b) in enumerate(pairs) if not torch.allclose(a, b, rtol=0, atol=atol, equal_nan=True)
        ]

    return {"where_they_differ": where_they_differ}


@misconception("W2", diagnosis="asks-for-a-value")
def a_python_branch():
    def double_or_less(x):
        if x.sum() > 0:
            return 2 * x
        return x - 1

    return {"double_or_less": double_or_less}


@misconception("W2", diagnosis="chooses-element-by-element")
def each_for_itself():
    return {"double_or_less": lambda x: torch.where(x > 0, 2 * x, x - 1)}


@misconception("W2", diagnosis="infinity-leaks")
def a_mask_times_a_value():
    def double_or_less(x):
        m = (x.sum() > 0).float()
        return m * 2 * x + (1 - m) * (x - 1)

    return {"double_or_less": double_or_less}


@misconception("W3", diagnosis="one-too-many")
def forgets_zero():
    def levels(bits, signed=True):
        return (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits - 1)

    return {"levels": levels}


@misconception("W3", diagnosis="symmetric-range")
def gives_one_away():
    def levels(bits, signed=True):
        top = 2 ** (bits - 1) - 1
        return (-top, top) if signed else (0, 2**bits - 1)

    return {"levels": levels}


@misconception("W3", diagnosis="always-signed")
def forgets_unsigned():
    return {"levels": lambda bits, signed=True: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)}


@misconception("W4", diagnosis="hash-of-the-path")
def hashes_the_path():
    return {"fingerprint": lambda path: hashlib.sha256(str(path).encode()).hexdigest()}


@misconception("W4", diagnosis="reads-text")
def reads_as_text():
    return {"fingerprint": lambda path: hashlib.sha256(Path(path).read_text().encode()).hexdigest()}


@misconception("W4", diagnosis="other-algorithm")
def md5():
    return {"fingerprint": lambda path: hashlib.md5(Path(path).read_bytes()).hexdigest()}
