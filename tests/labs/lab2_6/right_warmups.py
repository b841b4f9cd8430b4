"""Right answers to the warm-ups, written otherwise than the reference."""

from __future__ import annotations

import hashlib
import math

import torch

from tests.labs.answers import Answers

right = Answers()


@right("W1")
def by_numpy():
    import numpy as np

    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x).numpy(), captured(x).numpy()
            if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=atol, equal_nan=True):
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@right("W1")
def element_by_element():
    def close(x, y, atol):
        if math.isnan(x) or math.isnan(y):
            return math.isnan(x) and math.isnan(y)
        return x == y or abs(x - y) <= atol

    def where_they_differ(original, captured, inputs, atol=1e-6):
        pairs = [(original(x), captured(x)) for x in inputs]
        return [
            i
            for i, (a, b) in enumerate(pairs)
            if a.shape != b.shape
            or not all(
                close(u, v, atol) for u, v in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
            )
        ]

    return {"where_they_differ": where_they_differ}


@right("W1")
def by_assert_close():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            try:
                torch.testing.assert_close(captured(x), original(x), rtol=0, atol=atol, equal_nan=True)
            except AssertionError:
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@right("W1")
def by_isclose_and_filter():
    def differ(pair, atol):
        a, b = pair
        return a.shape != b.shape or not bool(torch.isclose(a, b, rtol=0.0, atol=atol, equal_nan=True).all())

    def where_they_differ(original, captured, inputs, atol=1e-6):
        return [i for i, x in enumerate(inputs) if differ((original(x), captured(x)), atol)]

    return {"where_they_differ": where_they_differ}


@right("W2")
def selects_with_a_stack():
    def double_or_less(x):
        both = torch.stack([x - 1, 2 * x])
        return both[(x.sum() > 0).long()]

    return {"double_or_less": double_or_less}


@right("W2")
def index_select():
    def double_or_less(x):
        both = torch.stack([x - 1, x + x])
        return torch.index_select(both, 0, (x.sum() > 0).long().reshape(1)).squeeze(0)

    return {"double_or_less": double_or_less}


@right("W2")
def negated_condition():
    return {"double_or_less": lambda x: torch.where(x.sum() <= 0, x - 1, x * 2)}


@right("W2")
def method_where():
    def double_or_less(x):
        positive = torch.gt(torch.sum(x), 0).expand_as(x)
        return (2 * x).where(positive, x.sub(1))

    return {"double_or_less": double_or_less}


@right("W3")
def by_shifts():
    def levels(bits, signed=True):
        if signed:
            return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        return 0, (1 << bits) - 1

    return {"levels": levels}


@right("W3")
def a_range():
    def levels(bits, signed=True):
        start = -(2**bits // 2) if signed else 0
        numbers = range(start, start + 2**bits)
        return numbers[0], numbers[-1]

    return {"levels": levels}


@right("W3")
def by_iinfo_of_sixteen():
    def levels(bits, signed=True):
        info = torch.iinfo(torch.int16)
        if signed:
            return info.min >> (16 - bits), info.max >> (16 - bits)
        return 0, (info.max * 2 + 1) >> (16 - bits)

    return {"levels": levels}


@right("W3")
def an_offset():
    def levels(bits: int, signed: bool = True) -> tuple[int, int]:
        offset = signed * 2 ** (bits - 1)
        return 0 - offset, 2**bits - 1 - offset

    return {"levels": levels}


@right("W4")
def in_pieces():
    def fingerprint(path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:  # noqa: PTH123 (as many people write it)
            while piece := file.read(4096):
                digest.update(piece)
        return digest.hexdigest()

    return {"fingerprint": fingerprint}


@right("W4")
def file_digest():
    def fingerprint(path):
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, "sha256").hexdigest()

    return {"fingerprint": fingerprint}


@right("W4")
def new_and_hex():
    def fingerprint(path):
        with open(str(path), "rb") as file:  # noqa: PTH123
            return hashlib.new("sha256", file.read()).digest().hex()

    return {"fingerprint": fingerprint}


@right("W4")
def lines_of_bytes():
    def fingerprint(path):
        digest = hashlib.sha256(b"")
        with open(path, "rb") as file:  # noqa: PTH123
            for line in file:
                digest.update(line)
        return digest.hexdigest()

    return {"fingerprint": fingerprint}
