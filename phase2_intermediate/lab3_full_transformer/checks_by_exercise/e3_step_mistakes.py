"""The known mistakes of `decode_step`, each by the logits that it gives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import Case, name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e3_by_hand import (
    by_hand,
    everything,
    top_left,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import (
    Plain,
    real,
    shake,
)

probe = Probes()
SRC, TGT = 9, 6


def plain(t: Trial, **how: Any) -> Plain:
    return shake(Plain(SRC, TGT, **how), t, 0.6)


def step(
    a: Any, t: Trial, model: Plain, token: Tensor, cache: Any, memory: Tensor, mask: Any = None
) -> Tensor:
    words = f"decode_step with token {tuple(token.shape)} and a cache of {cache.length} positions"
    with torch.no_grad():
        out = value_of(t, lambda: a.decode_step(model, token, cache, memory, mask), "step-raises", words)
    t.that(
        isinstance(out, Tensor),
        f"{words} returned a {type(out).__name__}, expected logits [B, V]",
        diagnosis="no-logits",
    )
    return out


@probe("the-step")
def one_by_one(a: Any, t: Trial) -> None:
    for layers in (1, 2):
        model, tokens = plain(t, layers=layers), t.randint(0, TGT, 2, 4)
        memory = t.randn(2, 3, 16)
        mask = real(t, 3, 1, size=3)
        cache = a.KVCache(layers, 8)
        for now in range(1, 5):
            chunks = list(tokens[:, :now].split(1, dim=1))
            found = step(a, t, model, chunks[-1], cache, memory, mask)
            if now == 1:
                shapes(t, found)
                t.that(
                    not model.training,
                    "the model was in evaluation mode before the step and is in training mode after it: the "
                    "step leaves the mode as it is, or dropout acts while it writes",
                    diagnosis="switches-to-training",
                )
            with torch.no_grad():
                right = model.decode(memory, mask, tokens[:, :now])[:, -1]
            words = f"after {now} single steps the logits are those of"
            name_it(t, found, right, wrong_steps(model, chunks, memory, mask, words))


def shapes(t: Trial, found: Tensor) -> None:
    t.that(
        found.shape != (2, 1, TGT),
        f"the result is [B, 1, V] = {tuple(found.shape)}: drop the axis of positions, [B, V]",
        diagnosis="axis-of-positions-kept",
    )
    t.that(
        found.shape == (2, TGT),
        f"the result has shape {tuple(found.shape)}, expected [B, V] = (2, {TGT})",
        diagnosis="wrong-shape",
    )


def wrong_steps(model: Plain, chunks: list[Tensor], memory: Tensor, mask: Tensor, words: str) -> list[Case]:
    def f(**how: Any) -> Tensor:
        return by_hand(model, chunks, memory, how.pop("mask", mask), **how)

    now = len(chunks)
    return [
        (
            "positions-restart",
            f(start=lambda n: 0),
            f"token {now - 1} got position 0: the new token stands at `cache.length`, give it to `embed`",
        ),
        ("position-off-by-one", f(start=lambda n: n + 1), "the first token got position 1: it stands at 0"),
        (
            "position-off-by-one",
            f(start=lambda n: max(n - 1, 0)),
            f"token {now - 1} got position {now - 2}: the length was read at the wrong moment",
        ),
        (
            "sees-the-first-key-only",
            f(sees=top_left),
            "the causal mask is aligned at the first key, so that a single query sees only key 0: it is the "
            "last position, and sees all",
        ),
        (
            "history-ignored",
            f(keep=False),
            "each token attends only to itself: use the keys that append returns",
        ),
        (
            "own-key-missing",
            f(sees=lambda size, total: torch.arange(total) < max(total - 1, 1)),
            "a token does not see its own key: append first, then attend",
        ),
        ("memory-mask-ignored", f(mask=None), "`memory_mask` has no effect"),
        (
            "memory-mask-inverted",
            f(mask=~mask),
            "`memory_mask` is read the wrong way round: True is a real token",
        ),
        ("cross-missing", f(cross=False), "cross-attention is missing"),
        ("network-missing", f(network=False), "the feed-forward network is missing"),
        *(
            ("norms-missing", f(normed=normed), f"norms are missing: {words} a step with norms {normed}")
            for normed in product((True, False), repeat=3)
            if not all(normed)
        ),
        (
            "one-layer-only",
            f(depth=1),
            "only the first layer is computed: go through all of `model.layers`",
        ),
        (
            "layers-share-a-place",
            f(together=True),
            "all layers append to one place of the cache: give `append` the number of the layer",
        ),
        (
            "layers-share-a-place",
            f(together=True, one_memory=True),
            "all layers use one place of the cache: give `append` and `remember` the number of the layer",
        ),
        (
            "layers-share-a-place",
            f(one_memory=True),
            "all layers read the first one's keys of the memory: give `remember` the number of the layer",
        ),
        (
            "norms-exchanged",
            f(norms=(1, 0, 2)),
            "`norms` stand in the order of the branches: norms[0] is self-attention's, "
            "norms[1] is cross-attention's",
        ),
        *(
            (
                "residual-missing",
                f(added=added),
                f"{name} does not add to x but replaces it: x = x + what the branch gives",
            )
            for name, added in (
                ("self-attention", (False, True, True)),
                ("cross-attention", (True, False, True)),
                ("the network", (True, True, False)),
            )
        ),
        (
            "out-missing",
            f(out=(False, True)),
            "what self-attention saw is added without `layer.attention.out`",
        ),
        ("out-missing", f(out=(True, False)), "what cross-attention saw is added without `layer.cross.out`"),
        ("out-missing", f(out=(False, False)), "what was seen is added without the attention's `.out`"),
        ("memory-normed", f(memory_normed=True), "the memory was normed: `encode` has done that already"),
        ("scale-missing", f(scaled=(False, True)), "the scores of self-attention lack the factor 1/√D_h"),
        ("scale-missing", f(scaled=(False, False)), "the scores of the attentions lack the factor 1/√D_h"),
        ("head-missing", f() * 0, "the logits are all 0"),
        (
            "log-probabilities",
            f().log_softmax(-1),
            f"{words} log_softmax(model.decode(…)): return the logits",
        ),
        ("log-probabilities", f().softmax(-1), f"{words} softmax(model.decode(…)): return the logits"),
    ]


@probe("recomputes")
def recomputes(a: Any, t: Trial) -> str | None:
    model, cache = plain(t), a.KVCache(1, 8)
    for token in (1, 2, 3):
        step(a, t, model, torch.tensor([[token]]), cache, t.randn(1, 2, 16))
    if model.decoded:
        return "`decode_step` calls `model.decode`: write the step with the model's parts and the cache"
    if model.embedded != 3:
        t.fail(
            f"three steps embedded {model.embedded} tokens, expected 3: only the newest tokens are computed",
            diagnosis="recomputes",
        )
    if cache.length != 3:
        t.fail(
            f"after three steps the cache has length {cache.length}, expected 3: the step appends the new "
            "keys",
            diagnosis="step-does-not-append",
        )
    return None


@probe("prefill")
def prefill(a: Any, t: Trial) -> None:
    model, tokens, memory = plain(t, layers=2), t.randint(0, TGT, 2, 6), t.randn(2, 3, 16)
    for cuts in ((4,), (2, 3), (1, 5)):
        cache, chunks = a.KVCache(2, 8), list(tokens[:, : sum(cuts)].split(cuts, dim=1))
        for chunk in chunks:
            found = step(a, t, model, chunk, cache, memory)
        with torch.no_grad():
            full = model.decode(memory, None, tokens[:, : sum(cuts)])
        right = full[:, -1]
        name_it(
            t,
            found,
            right,
            [
                (
                    "prefill-not-causal",
                    by_hand(model, chunks, memory, None, sees=everything),
                    "several new tokens see each other's future: they need a causal mask among themselves",
                ),
                (
                    "positions-restart",
                    by_hand(model, chunks, memory, None, start=lambda n: 0),
                    f"{cuts[-1]} new tokens after {sum(cuts[:-1])} others got the positions from 0 on: they "
                    "follow the `cache.length` that are there",
                ),
                *(
                    (
                        "newest-token-only",
                        by_hand(model, [c[:, -1:] for c in chunks], memory, None, start=start),
                        "of several new tokens only the last was computed and kept: all of `token` is new",
                    )
                    for start in (lambda n: n, lambda n, cuts=cuts: sum(cuts[: n + 1]) - 1)
                ),
                (
                    "heads-merged",
                    by_hand(model, chunks, memory, None, merged=True),
                    "with several new tokens the heads are put together wrongly: transpose(1, 2) first, then "
                    "flatten(2)",
                ),
                (
                    "heads-mixed",
                    by_hand(model, chunks, memory, None, mixed=True, mixed_cross=True),
                    "with several new tokens the heads mix time and channels: reshape to [B, t, H, D_h], "
                    "then transpose(1, 2)",
                ),
                (
                    "heads-mixed",
                    by_hand(model, chunks, memory, None, mixed=True),
                    "with several new tokens the heads mix time and channels: reshape to [B, t, H, D_h], "
                    "then "
                    "transpose(1, 2)",
                ),
                (
                    "sees-the-first-key-only",
                    by_hand(model, chunks, memory, None, sees=top_left),
                    f"{cuts[-1]} new tokens after {sum(cuts[:-1])} others see the first keys only: the "
                    "queries are the *last* positions",
                ),
                (
                    "first-of-the-new",
                    full[:, sum(cuts[:-1])],
                    "the logits of the first new token came back: the last",
                ),
                (
                    "all-of-the-new",
                    full[:, sum(cuts[:-1]) :],
                    "logits of all new tokens came back: those of the last",
                ),
            ],
        )


@probe("beams")
def beams(a: Any, t: Trial) -> str | None:
    model, memory = plain(t), t.randn(2, 3, 16)
    cache, tokens = a.KVCache(1, 8), t.randint(0, TGT, 2, 3)
    mask = real(t, 3, 2, size=3)
    step(a, t, model, tokens, cache, memory, mask)
    idx, newest = torch.tensor([1, 0, 1]), torch.tensor([[1], [2], [3]])
    cache.reorder(idx)
    found = step(a, t, model, newest, cache, memory[idx], mask[idx])
    with torch.no_grad():
        right = model.decode(memory[idx], mask[idx], torch.cat((tokens[idx], newest), 1))[:, -1]
    if not same(found, right):
        return (
            "after cache.reorder([1, 0, 1]) a step gives other logits than model.decode on the reordered rows"
        )
    cache.crop(2)
    found = step(a, t, model, newest, cache, memory[idx], mask[idx])
    with torch.no_grad():
        right = model.decode(memory[idx], mask[idx], torch.cat((tokens[idx, :2], newest), 1))[:, -1]
    if not same(found, right):
        t.fail("after cache.crop(2) a step gives other logits than model.decode", diagnosis="step-after-crop")
    return None


def operations(call: Callable[[], Any]) -> int:
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # the fused kernel's operations are not counted
        call()
    return counter.get_total_flops()


@probe("work-grows")
def work(a: Any, t: Trial) -> str | None:
    model, memory = plain(t), t.randn(1, 50, 16)
    spent = {}
    for length in (8, 64):
        cache = a.KVCache(1, 64)
        if length > 2:
            step(a, t, model, t.randint(0, TGT, 1, length - 1), cache, memory)
        token = t.randint(0, TGT, 1, 1)
        spent[length] = operations(lambda token=token, cache=cache: step(a, t, model, token, cache, memory))
    attention = 4 * 16 * 56
    cross = 4 * 50 * 16 * 16
    rest = 2 * 16 * 16 * 6 + 2 * 2 * 16 * 32 + 2 * 16 * TGT + 4 * 16 * (50 + 8)
    if spent[8] > rest + cross // 2:
        t.fail(
            f"a step at length 8 takes {spent[8]:,} operations, expected {rest:,}: the memory's keys and "
            "values are projected again. Let `remember` keep them",
            diagnosis="memory-projected-again",
        )
    if spent[64] > spent[8] + 2 * attention:
        return (
            f"a step takes {spent[8]:,} operations at length 8 and {spent[64]:,} at 64; only attention to "
            f"56 more keys should be added, {attention:,}: something is computed again for all positions"
        )
    return None
