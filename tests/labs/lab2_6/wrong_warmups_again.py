"""Wrong answers to the warm-ups that come close."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W1")
def numbers_in_place_of_nan_and_infinity():
    def where_they_differ(original, captured, inputs, atol=1e-6):
        found = []
        for i, x in enumerate(inputs):
            a, b = original(x), captured(x)
            same = a.shape == b.shape and torch.equal(a.isnan(), b.isnan())
            if not same or ((a.nan_to_num() - b.nan_to_num()).abs() > atol).any():
                found.append(i)
        return found

    return {"where_they_differ": where_they_differ}


@wrong("W2")
def out_of_the_tensor_and_into_one():
    return {
        "double_or_less": lambda x: torch.where(torch.tensor(x.sum().item() > 0), 2 * x, x - 1),
    }


@wrong("W2", named=False)
def the_other_way_round():
    return {"double_or_less": lambda x: torch.where(x.sum() > 0, 2 * x, 1 - x)}


@wrong("W3")
def exclusive_or():
    def levels(bits, signed=True):
        return (-(2 ^ (bits - 1)), (2 ^ (bits - 1)) - 1) if signed else (0, (2 ^ bits) - 1)

    return {"levels": levels}


@wrong("W3")
def half_of_the_unsigned():
    def levels(bits, signed=True):
        top = 2 ** (bits - 1) - 1
        return (-top - 1, top) if signed else (0, top)

    return {"levels": levels}


def comparing(differ):
    def where_they_differ(original, captured, inputs, atol=1e-6):
        return [i for i, x in enumerate(inputs) if differ(original(x), captured(x), atol)]

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def exactly_atol_is_a_difference():
    return comparing(lambda a, b, atol: a.shape != b.shape or not ((a - b).abs() < atol).all())


@wrong("W1")
def ten_times_the_tolerance():
    from phase2_intermediate.lab6_model_export.solution import where_they_differ as sound

    def where_they_differ(original, captured, inputs, atol=1e-5):
        return sound(original, captured, inputs, atol)

    return {"where_they_differ": where_they_differ}


@wrong("W1")
def found_by_searching():
    from phase2_intermediate.lab6_model_export.solution import where_they_differ as sound

    def where_they_differ(original, captured, inputs, atol=1e-6):
        ids = [id(x) for x in inputs]
        return [ids.index(ids[i]) for i in sound(original, captured, inputs, atol)]

    return {"where_they_differ": where_they_differ}


@wrong("W2")
def summed_and_answered_in_double():
    return {"double_or_less": lambda x: torch.where(x.double().sum() > 0, 2 * x.double(), x.double() - 1)}


@wrong("W3")
def unsigned_by_default():
    def levels(bits, signed=False):
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    return {"levels": levels}


@wrong("W3")
def one_bit_is_two_numbers_too_many():
    def levels(bits, signed=True):
        return (-(2 ** (bits - 1)), max(1, 2 ** (bits - 1) - 1)) if signed else (0, 2**bits - 1)

    return {"levels": levels}


@wrong("W4")
def an_empty_file_is_an_error():
    def fingerprint(path):
        data = Path(path).read_bytes()
        if not data:
            raise ValueError("the file is empty")
        return hashlib.sha256(data).hexdigest()

    return {"fingerprint": fingerprint}


@wrong("W4")
def hash_of_the_hash():
    return {
        "fingerprint": lambda path: hashlib.sha256(
            hashlib.sha256(Path(path).read_bytes()).digest()
        ).hexdigest()
    }
