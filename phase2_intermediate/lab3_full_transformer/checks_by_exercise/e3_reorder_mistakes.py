"""The known mistakes of the cache's `reorder` and `crop`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import Case, name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_mistakes import (
    Pair,
    appended,
    built,
    new,
)

probe = Probes()


def filled(a: Any, t: Trial, batch: int = 3, positions: int = 2) -> tuple[Any, list[Pair], list[Pair]]:
    cache, own, cross = built(a, t), [], []
    for layer in (0, 1):
        own.append(new(t, batch, positions))
        cross.append(new(t, batch, 5))
        appended(t, cache, layer, own[-1])
        cache.remember(layer, lambda layer=layer: tuple(x.clone() for x in cross[layer]))
    return cache, own, cross


@probe("reorder")
def reorder(a: Any, t: Trial) -> None:
    for rows in ([2, 0, 1], [2, 0, 0], [2, 0, 1, 1], [1]):
        reordered(a, t, torch.tensor(rows), f"reorder({rows}) of a batch of 3")


def reordered(a: Any, t: Trial, idx: Tensor, words: str) -> None:
    cache, own, cross = filled(a, t)
    size = len(idx)
    value_of(t, lambda: cache.reorder(idx), "reorder-raises", words)
    for layer in (0, 1):
        fresh = new(t, size)
        keys, values = value_of(
            t,
            lambda layer=layer, fresh=fresh: cache.append(layer, *fresh),
            "append-after-reorder",
            f"append after {words}",
        )
        for what, found, old in (("keys", keys, own[layer][0]), ("values", values, own[layer][1])):
            kept = found[:, :, :2]
            t.that(
                not same(kept, old),
                f"reorder leaves the {what} of layer {layer} as they were: a beam continues with another's "
                "history",
                diagnosis="reorder-ignored" if what == "keys" else "reorder-forgets-the-values",
            )
            t.that(
                idx.unique().numel() != 3 or size != 3 or not same(kept, old[idx.argsort()]),
                "row i was put in place idx[i]: row i *takes* the history of row idx[i]",
                diagnosis="reorder-backwards",
            )
            name_it(t, kept, old[idx], [*wrong_rows(old, idx, what)])
            t.that(
                same(kept, old[idx]),
                f"after {words}, row i of the {what} of layer {layer} is not the former row idx[i]",
                diagnosis="rows-of-others",
            )
        t.that(
            same(keys[:, :, 2:], fresh[0]) and same(values[:, :, 2:], fresh[1]),
            "after a reorder that repeats a row, appending to one copy changes the other: rows share memory",
            diagnosis="rows-share-memory",
        )
        memory = tuple(cache.remember(layer, lambda: (torch.zeros(0), torch.zeros(0))))
        t.that(
            not same(memory, cross[layer]),
            "reorder leaves the keys of the memory as they were: with different sources in the batch, row 0 "
            "would read another's",
            diagnosis="reorder-forgets-the-memory",
        )
        t.that(
            same(memory, (cross[layer][0][idx], cross[layer][1][idx])),
            f"after {words}, row i of what `remember` keeps is not the former row idx[i]",
            diagnosis="rows-of-others",
        )


def wrong_rows(old: Tensor, idx: Tensor, what: str) -> list[Case]:
    """What else becomes of rows."""
    cases: list[Case] = []
    if len(idx) == len(old):
        written = old.clone()
        for i, j in enumerate(idx.tolist()):
            written[i] = written[j]
        words = f"a row of the {what} was overwritten before another one took it: build a new tensor, x[idx]"
        cases.append(("rows-overwritten", written, words))
    if int(idx.max()) < old.shape[1]:
        words = f"the heads of the {what} changed places: rows of the batch stand on the first axis"
        cases.append(("reorder-of-the-heads", old[:, idx], words))
    return cases


@probe("reorder-of-nothing")
def reorder_empty(a: Any, t: Trial) -> str | None:
    cache = built(a, t)
    attempt = t.tried(lambda: cache.reorder(torch.tensor([0, 1])))
    if attempt.error is not None:
        return f"reorder of an empty cache raised {type(attempt.error).__name__}: there is nothing to do"
    return None


@probe("crop")
def crop(a: Any, t: Trial) -> None:
    cache, own, cross = filled(a, t, positions=4)
    value_of(t, lambda: cache.crop(2), "crop-raises", "crop(2) of 4 positions")
    t.that(cache.length != 4, "crop(2) of 4 positions leaves the length at 4", diagnosis="crop-ignored")
    t.that(cache.length == 2, f"after crop(2) the length is {cache.length}", diagnosis="crop-wrong")
    for layer in (0, 1):
        fresh = new(t, 3)
        found = appended(t, cache, layer, fresh)
        k, v = own[layer]
        right = torch.cat((k[:, :, :2], fresh[0]), 2), torch.cat((v[:, :, :2], fresh[1]), 2)
        name_it(
            t,
            found[0],
            right[0],
            [
                (
                    "crop-drops-the-first",
                    torch.cat((k[:, :, 2:], fresh[0]), 2),
                    "crop(2) keeps the *last* two: the first ones stay",
                ),
                (
                    "crop-of-one-layer" if layer else "crop-ignored",
                    torch.cat((k, fresh[0]), 2),
                    "crop(2) cropped layer 0 and not layer 1: all layers keep the same positions"
                    if layer
                    else "crop changed the length, but not the keys",
                ),
            ],
        )
        t.that(
            same(found, right),
            f"what follows crop(2) in layer {layer} is not appended at position 2",
            diagnosis="crop-wrong",
        )
        memory = t.tried(lambda layer=layer: cache.remember(layer, lambda: new(t, 3)))
        t.that(
            memory.error is None and same(tuple(memory.value), cross[layer]),
            "crop also forgot what `remember` keeps: the source stays",
            diagnosis="crop-forgets-the-memory",
        )
    for n in (-1, 4):
        attempt = t.tried(lambda n=n: cache.crop(n))
        t.that(
            isinstance(attempt.error, ValueError),
            f"crop({n}) of 3 positions raised "
            f"{'nothing' if attempt.error is None else type(attempt.error).__name__}: a ValueError is asked "
            "for",
            diagnosis="crop-outside",
        )
    cache, own, cross = filled(a, t, positions=4)
    sources = sum(x.nbytes for pair in cross for x in pair)
    used = cache.nbytes() - sources
    for n in (4, 1, 0):
        words = f"crop({n}) of 4 positions"
        value_of(t, lambda n=n: cache.crop(n), "crop-refuses-its-bounds", words)
        t.that(cache.length == n, f"after {words} the length is {cache.length}", diagnosis="crop-to-nothing")
        if n:
            t.that(
                cache.nbytes() - sources == used * n // 4,
                f"after {words} nbytes() is {cache.nbytes()}, expected {sources + used * n // 4}: what is "
                "cropped is not in use any more",
                diagnosis="nbytes-after-crop",
            )
    memory = t.tried(lambda: cache.remember(0, lambda: new(t, 3)))
    t.that(
        memory.error is None and same(tuple(memory.value), cross[0]),
        "crop(0) also forgot what `remember` keeps: the source stays",
        diagnosis="crop-forgets-the-memory",
    )
    fresh = new(t, 3)
    t.that(
        same(appended(t, cache, 0, fresh), fresh),
        "after crop(0) the cache is not empty",
        diagnosis="crop-to-nothing",
    )
