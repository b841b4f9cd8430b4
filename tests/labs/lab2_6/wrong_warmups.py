"""Wrong answers to the warm-ups."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W1")
def a_mask():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        return [
            not torch.allclose(original(x), captured(x), rtol=0, atol=atol, equal_nan=True) for x in inputs
        ]

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def exact_equality():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        return [i for i, x in enumerate(inputs) if not torch.equal(original(x), captured(x))]

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def the_mean_difference():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x), captured(x)
            if a.shape != b.shape or abs((a - b).mean().item()) > atol:
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def nan_to_num():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x).nan_to_num(), captured(x).nan_to_num()
            if a.shape != b.shape or ((a - b).abs() > atol).any():
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def the_first_one_only():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        for i, x in enumerate(inputs):
            a, b = original(x), captured(x)
            if a.shape != b.shape or not torch.allclose(a, b, rtol=0, atol=atol, equal_nan=True):
                return [i]
        return []

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def all_elements_must_differ():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x), captured(x)
            if a.shape != b.shape or ((a - b).abs() > atol).all():
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@wrong("W2")
def item():
    def double_or_less(x):
        return 2 * x if x.sum().item() > 0 else x - 1

    return {"double_or_less": double_or_less}


@wrong("W2")
def at_least_zero():
    return {"double_or_less": lambda x: torch.where(x.sum() >= 0, 2 * x, x - 1)}


@wrong("W2")
def by_rows():
    return {"double_or_less": lambda x: torch.where(x.sum(-1, keepdim=True) > 0, 2 * x, x - 1)}


@wrong("W2")
def by_the_mean():
    def double_or_less(x):
        if x.numel() == 0:
            raise ValueError("nothing")
        return torch.where(x.mean() > 0, 2 * x, x - 1)

    return {"double_or_less": double_or_less}


@wrong("W2")
def by_the_first():
    return {"double_or_less": lambda x: torch.where(x.flatten()[:1].sum() > 0, 2 * x, x - 1)}


@wrong("W2")
def arithmetic():
    def double_or_less(x):
        m = (x.sum() > 0).to(x.dtype)
        return x * (1 + m) - (1 - m)

    def leaky(x):
        m = (x.sum() > 0).to(x.dtype)
        return 2 * x * m + (x - 1) * (1 - m)

    del double_or_less  # this one would be right
    return {"double_or_less": leaky}


@wrong("W3")
def floats():
    def levels(bits, signed=True):
        return (-(2**bits) / 2, 2**bits / 2 - 1) if signed else (0.0, 2.0**bits - 1)

    return {"levels": levels}


@wrong("W3")
def unsigned_only():
    return {"levels": lambda bits, signed=True: (0, 2**bits - 1)}


@wrong("W3")
def eight_bits():
    return {"levels": lambda bits, signed=True: (-128, 127) if signed else (0, 255)}


@wrong("W3")
def two_to_the_b():
    return {
        "levels": lambda bits, signed=True: (
            (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits)
        )
    }


@wrong("W3")
def brackets_forgotten():
    return {"levels": lambda bits, signed=True: (-(2**bits) - 1, 2**bits - 1) if signed else (0, 2**bits - 1)}


@wrong("W4")
def name_and_contents():
    def fingerprint(path):
        path = Path(path)
        return hashlib.sha256(path.name.encode() + path.read_bytes()).hexdigest()

    return {"fingerprint": fingerprint}


@wrong("W4")
def only_the_beginning():
    return {"fingerprint": lambda path: hashlib.sha256(Path(path).read_bytes()[:4096]).hexdigest()}


@wrong("W4")
def sha1():
    return {"fingerprint": lambda path: hashlib.sha1(Path(path).read_bytes()).hexdigest()}


@wrong("W4")
def short():
    return {"fingerprint": lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}


@wrong("W4")
def needs_a_path():
    return {"fingerprint": lambda path: hashlib.sha256(path.read_bytes()).hexdigest()}


@wrong("W4")
def size_and_time():
    def fingerprint(path):
        found = Path(path).stat()
        return hashlib.sha256(f"{found.st_size}".encode()).hexdigest()

    return {"fingerprint": fingerprint}
