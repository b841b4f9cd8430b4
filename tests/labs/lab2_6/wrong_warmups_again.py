"""Wrong answers to the warm-ups that come close."""

from __future__ import annotations

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
