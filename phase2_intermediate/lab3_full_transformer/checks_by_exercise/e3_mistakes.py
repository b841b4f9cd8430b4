"""The known mistakes of E3's cache, each found on a few small keys and values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from courseware.check.observe import allocated_bytes
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import F64

probe = Probes()
Pair = tuple[Tensor, Tensor]


def built(a: Any, t: Trial, layers: int = 2, max_length: int = 8) -> Any:
    words = f"KVCache({layers}, {max_length})"
    t.given(words)
    cache = value_of(t, lambda: a.KVCache(layers, max_length), "cache-cannot-be-built", words)
    missing = [
        n for n in ("append", "remember", "reorder", "crop", "length", "nbytes") if not hasattr(cache, n)
    ]
    t.that(
        not missing,
        f"the cache has no {' and no '.join(f'`{name}`' for name in missing)}",
        diagnosis="cache-parts-missing",
    )
    return cache


def new(t: Trial, batch: int = 2, positions: int = 1, dtype: torch.dtype = F64) -> Pair:
    return t.randn(batch, 3, positions, 4, dtype=dtype), t.randn(batch, 3, positions, 4, dtype=dtype)


def appended(t: Trial, cache: Any, layer: int, pair: Pair) -> Pair:
    back = value_of(t, lambda: cache.append(layer, *pair), "append-raises", f"append({layer}, k, v)")
    t.that(
        isinstance(back, tuple | list) and len(back) == 2 and all(isinstance(x, Tensor) for x in back),
        f"append returned {'None' if back is None else f'a {type(back).__name__}'}, expected the pair "
        "(keys, values) of all positions",
        diagnosis="append-returns-nothing",
    )
    return back[0].clone(), back[1].clone()


def joined(pairs: list[Pair]) -> Pair:
    return torch.cat([k for k, _ in pairs], 2), torch.cat([v for _, v in pairs], 2)


@probe("append")
def append(a: Any, t: Trial) -> None:
    cache, pairs = built(a, t), [new(t), new(t, positions=2), new(t)]
    other = [new(t), new(t, positions=2), new(t)]
    for i, (pair, theirs) in enumerate(zip(pairs, other, strict=True)):
        found = appended(t, cache, 0, pair)
        keys, values = joined(pairs[: i + 1])
        appended(t, cache, 1, theirs)
        if i == 0:
            t.that(
                not (same(found[0], values) and same(found[1], keys)),
                "append returns (values, keys): keys come first",
                diagnosis="keys-and-values-exchanged",
            )
        name_it(
            t,
            found[0],
            keys,
            [
                (
                    "append-returns-the-new-ones",
                    pair[0],
                    "append returns the new keys only: all so far are asked for",
                ),
                (
                    "append-without-the-new-ones",
                    joined(pairs[:i])[0] if i else None,
                    "append returns what was there before: the new positions are missing",
                ),
                (
                    "newest-first",
                    torch.cat([k for k, _ in reversed(pairs[: i + 1])], 2),
                    "the newest keys come first: positions are in the order in which they came",
                ),
                (
                    "layers-mixed",
                    torch.cat(
                        [x[0] for both in zip(pairs[:i], other[:i], strict=True) for x in both] + [pair[0]], 2
                    ),
                    "layer 0 got the keys of layer 1 too: each layer has its own",
                ),
                ("keys-and-values-exchanged", values, "the keys are the values"),
                ("values-for-both", values, "both results are the values"),
            ],
        )
        if found[0].dim() == 4 and found[0].shape[2] > keys.shape[2]:
            t.fail(
                f"append returned {found[0].shape[2]} positions after {keys.shape[2]} were given: either "
                "the unused part of a buffer, or another layer's",
                diagnosis="returns-the-whole-buffer" if found[0].shape[2] == 8 else "layers-mixed",
            )
        if not same(found, (keys, values)):
            return  # no mistake with a name: the property says what differs
        t.that(
            found[0].dtype == F64,
            f"float64 keys came back as {found[0].dtype}: buffers have the dtype of what is appended",
            diagnosis="append-changes-the-dtype",
        )


@probe("caches-share-state")
def two_caches(a: Any, t: Trial) -> str | None:
    one = built(a, t, 1)
    t.that(
        one.length == 0,
        f"the length of a new cache is {one.length!r}, expected 0",
        diagnosis="length-of-a-new-cache",
    )
    alone = new(t)
    right_alone = same(appended(t, one, 0, alone), alone)
    other = built(a, t, 1)
    if other.length != 0:
        return "a new cache begins with what another one holds: state belongs in __init__, not in the class"
    fresh = new(t)
    if right_alone and not same(appended(t, other, 0, fresh), fresh):
        t.fail("two caches share their buffers", diagnosis="caches-share-state")
    one, other, pairs = built(a, t, 1), built(a, t, 1), [new(t) for _ in range(3)]
    for cache, pair in ((one, pairs[0]), (other, pairs[1])):
        appended(t, cache, 0, pair)
    if same(appended(t, one, 0, pairs[2])[0], joined([pairs[1], pairs[2]])[0]):
        t.fail(
            "what one cache keeps changed when another one was filled: state belongs in __init__, not in the "
            "class",
            diagnosis="caches-share-state",
        )
    kept, other = built(a, t, 1), new(t)
    kept.remember(0, lambda: fresh)
    if not same(tuple(built(a, t, 1).remember(0, lambda: other)), other):
        t.fail("a new cache remembers the source of another one", diagnosis="caches-share-state")
    return None


@probe("length")
def length(a: Any, t: Trial) -> None:
    cache = built(a, t)
    found = cache.length
    t.that(
        not callable(found),
        "`length` is a method: make it a property, `@property` above it",
        diagnosis="length-is-a-method",
    )
    t.that(found == 0, f"the length of an empty cache is {found}, expected 0", diagnosis="length-of-nothing")
    for positions, right in ((2, 2), (1, 3)):
        for layer in (0, 1):
            appended(t, cache, layer, new(t, positions=positions))
        found = cache.length
        name_it(
            t,
            found,
            right,
            [
                (
                    "length-counts-layers",
                    2 * right,
                    f"the length is {2 * right} after {right} positions in each of 2 layers: it counts "
                    "every append",
                ),
                ("length-counts-calls", right - 1, "the length counts calls of append, not positions"),
                ("length-counts-the-batch", 6, "the length counts rows and positions"),
            ],
        )
        t.that(found == right, f"the length is {found} after {right} positions", diagnosis="length-wrong")


@probe("overfull")
def overfull(a: Any, t: Trial) -> str | None:
    cache = built(a, t, 1, 3)
    appended(t, cache, 0, new(t, positions=3))
    attempt = t.tried(lambda: cache.append(0, *new(t)))
    if not isinstance(attempt.error, ValueError):
        what = "nothing" if attempt.error is None else f"{type(attempt.error).__name__}"
        return f"position 4 in a cache for 3 raised {what}: a ValueError is asked for"
    if cache.length != 3:
        t.fail("after a refused append the length has changed", diagnosis="overfull")
    cache, pairs = built(a, t, 1, 3), [new(t, positions=2), new(t)]
    appended(t, cache, 0, pairs[0])
    t.tried(lambda: cache.append(0, *new(t, positions=2)))
    after = t.tried(lambda: tuple(cache.append(0, *pairs[1])))
    if after.error is not None or not same(after.value, joined(pairs)):
        t.fail(
            "2 positions were refused by a cache with room for 1, and then the 1 that fits is not kept: "
            "refuse before anything is written",
            diagnosis="overfull-half-written",
        )
    return None


@probe("keeps-a-reference")
def reference(a: Any, t: Trial) -> str | None:
    cache, first = built(a, t, 1), new(t)
    kept = first[0].clone()
    appended(t, cache, 0, first)
    first[0].fill_(7.0)
    first[1].fill_(7.0)
    if not same(appended(t, cache, 0, new(t))[0][:, :, :1], kept):
        return (
            "the caller changed k after append, and the cache changed with it: copy, do not keep the tensor"
        )
    return None


@probe("remember")
def remember(a: Any, t: Trial) -> None:
    cache, pairs, calls = built(a, t), [new(t, positions=3), new(t, positions=3)], [0, 0]

    def project(layer: int) -> Pair:
        calls[layer] += 1
        return pairs[layer]

    for _ in range(3):
        for layer in (0, 1):
            back = value_of(
                t,
                lambda layer=layer: cache.remember(layer, lambda: project(layer)),
                "remember-raises",
                "remember",
            )
            t.that(back is not None, "remember returned None", diagnosis="remember-returns-nothing")
            t.that(
                layer == 0 or not same(tuple(back), pairs[0]),
                "layer 1 got what layer 0 remembers: each layer has its own",
                diagnosis="remembers-one-for-all",
            )
            t.that(
                same(tuple(back), pairs[layer]),
                "remember does not return what project() gave",
                diagnosis="remember-wrong",
            )
    t.that(
        calls == [1, 1],
        f"project was called {calls} times for the two layers, expected once each: keep what it gave",
        diagnosis="projects-again",
    )
    t.that(cache.length == 0, "remember changed the length", diagnosis="length-counts-the-memory")


@probe("nbytes")
def nbytes(a: Any, t: Trial) -> None:
    found, own, cross = (
        [],
        2 * 2 * (2 * 3 * 3 * 4),
        2 * (2 * 3 * 5 * 4),
    )  # keys and values, two layers, [2, 3, 3, 4]
    for dtype in (F64, torch.float16):
        cache = built(a, t)
        t.that(
            value_of(t, cache.nbytes, "nbytes-of-nothing", "nbytes() of an empty cache") == 0,
            "nbytes() of an empty cache is not 0",
            diagnosis="nbytes-of-nothing",
        )
        for layer in (0, 1):
            appended(t, cache, layer, new(t, 2, 3, dtype))
        found.append(cache.nbytes())
        pair = new(t, 2, 5, dtype)
        cache.remember(0, lambda pair=pair: pair)
        found.append(cache.nbytes() - found[-1])
    right = [own * 8, cross * 8, own * 2, cross * 2]
    name_it(
        t,
        found[::2],
        right[::2],
        [
            (
                "nbytes-of-the-capacity",
                [own // 3 * 8 * size for size in (8, 2)],
                "nbytes() counts the whole buffer: 3 of 8 positions are in use",
            ),
            (
                "nbytes-keys-only",
                [own * 4, own],
                "nbytes() counts half: keys *and* values, of every layer",
            ),
            ("nbytes-counts-numbers", [own, own], "nbytes() counts numbers: multiply by the element size"),
            *(
                (
                    "nbytes-element-size-fixed",
                    [own * size] * 2,
                    f"nbytes() takes {size} bytes a number in float64 and in float16: ask `element_size()`",
                )
                for size in (2, 4, 8)
            ),
        ],
    )
    t.that(
        found[::2] == right[::2],
        f"nbytes() is {found[::2]} in float64 and float16, expected {right[::2]}",
        diagnosis="nbytes-wrong",
    )
    t.that(
        found[1] != 0, "nbytes() does not count what `remember` keeps", diagnosis="nbytes-without-the-memory"
    )
    t.that(
        found == right,
        f"with what `remember` keeps, nbytes() grows by {found[1::2]}, expected {right[1::2]}",
        diagnosis="nbytes-wrong",
    )


@probe("copies-everything-each-time")
def quadratic(a: Any, t: Trial) -> str | None:
    cache, pairs = built(a, t, 1, 128), [new(t, 1) for _ in range(128)]

    def fill() -> None:
        for pair in pairs:
            cache.append(0, *pair)

    final = 2 * 128 * 3 * 4 * 8
    spent = allocated_bytes(fill)
    if spent > 6 * final:
        return (
            f"128 appends allocated {spent:,} bytes for a cache of {final:,}: every step copies all that "
            "came before, O(n²). Allocate once and fill, or double"
        )
    return None
