"""The known mistakes of E1's model, each found on a few tokens and random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_layer_mistakes import formula
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import real, shake

probe = Probes()
SRC, TGT, D, HEADS = 11, 7, 8, 2


def built(a: Any, t: Trial, **how: Any) -> Any:
    """A model as it comes from the constructor, in float64 and evaluation mode."""
    text = "".join(f", {key}={value!r}" for key, value in how.items())
    words = f"Seq2Seq({SRC}, {TGT}, d={D}, heads={HEADS}{text})"
    t.given(words)
    model = value_of(t, lambda: a.Seq2Seq(SRC, TGT, d=D, heads=HEADS, **how), "model-cannot-be-built", words)
    t.that(isinstance(model, nn.Module), "Seq2Seq must be an nn.Module", diagnosis="not-a-module")
    missing = [name for name in ("encode", "decode", "embed", "head", "layers") if not hasattr(model, name)]
    t.that(
        not missing,
        f"the model has no {' and no '.join(f'`{name}`' for name in missing)}: E3 needs these parts",
        diagnosis="model-parts-missing",
    )
    held = {id(p) for p in model.parameters()}
    t.that(
        all(id(p) in held for layer in model.layers for p in layer.parameters()),
        "the weights of `layers` are not among model.parameters(), no optimizer will see them: put the "
        "layers into an nn.ModuleList, not a plain list",
        diagnosis="layers-not-registered",
    )
    return model.double().eval()


def sources(t: Trial, *shape: int) -> Tensor:
    return t.randint(1, SRC, *shape)


def targets(t: Trial, *shape: int) -> Tensor:
    return t.randint(1, TGT, *shape)


def memory_of(t: Trial, model: Any, src: Tensor, mask: Tensor | None = None) -> Tensor:
    words = f"encode with ids {tuple(src.shape)}{'' if mask is None else f' and a mask {tuple(mask.shape)}'}"
    given = src.clone(), None if mask is None else mask.clone()
    memory = value_of(t, lambda: model.encode(src, mask), "encode-raises", words)
    t.that(same((src, mask), given), f"{words} changed its input in place", diagnosis="changes-its-input")
    t.that(
        isinstance(memory, Tensor) and memory.shape == (*src.shape, D),
        f"{words} gave {tuple(memory.shape) if isinstance(memory, Tensor) else type(memory).__name__}, "
        f"expected a tensor {(*src.shape, D)}",
        diagnosis="shape-of-the-memory",
    )
    return memory.detach()


def logits_of(t: Trial, model: Any, memory: Tensor, mask: Tensor | None, tgt: Tensor) -> Tensor:
    words = f"decode with a memory {tuple(memory.shape)} and ids {tuple(tgt.shape)}"
    given = memory.clone(), None if mask is None else mask.clone(), tgt.clone()
    logits = value_of(t, lambda: model.decode(memory, mask, tgt), "decode-raises", words)
    t.that(same((memory, mask, tgt), given), f"{words} changed its input", diagnosis="changes-its-input")
    t.that(
        isinstance(logits, Tensor) and logits.shape == (*tgt.shape, TGT),
        f"{words} gave {tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__}, "
        f"expected logits {(*tgt.shape, TGT)}",
        diagnosis="shape-of-the-logits",
    )
    return logits.detach()


@probe("leak")
def leak(a: Any, t: Trial) -> str | None:
    model = shake(built(a, t, dec=2), t)
    memory, tgt = t.randn(1, 4, D), targets(t, 1, 6)
    before = logits_of(t, model, memory, None, tgt)
    changed = tgt.clone()
    changed[0, 5] = (tgt[0, 5] + 1) % TGT
    after = logits_of(t, model, memory, None, changed)
    moved = (after - before).abs().amax(dim=-1)[0]
    if bool((moved[:5] > 0).any()):
        t.fail(
            f"the logits at t = {int((moved > 0).nonzero()[0])} changed when token 5 changed: the decoder "
            "sees the future. Give the layers a causal self_mask",
            diagnosis="leak",
        )
    changed = tgt.clone()
    changed[0, 0] = (tgt[0, 0] + 1) % TGT
    past = (logits_of(t, model, memory, None, changed) - before).abs().amax(dim=-1)[0]
    if float(past[5]) == 0:
        return t.fail(
            "the logits at t = 5 do not depend on token 0: the causal mask lets a position see its past",
            diagnosis="past-not-seen",
        )
    stemmed = shake(built(a, t, stem=True), t)
    whole = logits_of(t, stemmed, memory, None, tgt)
    t.that(
        same(logits_of(t, stemmed, memory, None, tgt[:, :5]), whole[:, :5]),
        "with stem=True the logits at t = 4 change with token 5: the stem is the encoder's, the target has "
        "none",
        diagnosis="stem-in-the-decoder",
    )
    return None


@probe("source-ignored")
def source_ignored(a: Any, t: Trial) -> str | None:
    model, tgt = shake(built(a, t), t), targets(t, 1, 4)
    memory = t.randn(1, 4, D)
    before = logits_of(t, model, memory, None, tgt)
    other = memory.clone()
    other[0, 3] = t.randn(D)
    moved = (logits_of(t, model, other, None, tgt) - before).abs().amax(dim=-1)[0]
    if bool((moved == 0).all()):
        return "the logits do not change when the memory changes: cross-attention does not read it"
    if bool((moved == 0).any()):
        t.fail(
            f"the last source token has no effect on target position {int((moved == 0).nonzero()[0])}: "
            "cross-attention is not causal, the whole source is there",
            diagnosis="memory-seen-causally",
        )
    return None


@probe("decode-mask")
def decode_mask(a: Any, t: Trial) -> None:
    for dec in (1, 2):
        mask_of_the_memory(a, t, dec)


def mask_of_the_memory(a: Any, t: Trial, dec: int) -> None:
    model, memory, tgt = shake(built(a, t, dec=dec), t), t.randn(2, 4, D), targets(t, 2, 4)
    mask = real(t, 2, 3, size=4)
    found = logits_of(t, model, memory, mask, tgt)
    apart = [logits_of(t, model, memory[i : i + 1, :n], None, tgt[i : i + 1]) for i, n in enumerate((2, 3))]
    rest = [logits_of(t, model, memory[i : i + 1, n:], None, tgt[i : i + 1]) for i, n in enumerate((2, 3))]
    name_it(
        t,
        found,
        torch.cat(apart),
        [
            (
                "memory-mask-ignored",
                logits_of(t, model, memory, None, tgt),
                "`decode` ignores its mask: padding of the source gets attention",
            ),
            (
                "memory-mask-inverted",
                torch.cat(rest),
                "`decode` reads its mask the wrong way round: True is a real token",
            ),
        ],
    )
    t.that(
        same(found, torch.cat(apart)),
        f"with dec={dec} a padded memory with its mask gives other logits than the real part alone: every "
        "layer gets the mask",
        diagnosis="memory-mask-wrong",
    )


@probe("parts-of-decode")
def parts(a: Any, t: Trial) -> str | None:
    model, memory, tgt = shake(built(a, t, dec=2), t), t.randn(2, 4, D), targets(t, 2, 5)
    t.that(
        len(model.layers) == 2 and all(hasattr(layer, "cross") for layer in model.layers),
        f"with dec=2, `layers` holds {[type(layer).__name__ for layer in model.layers]}, expected two "
        "decoder layers",
        diagnosis="model-parts-missing",
    )
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    for layer in model.layers:
        if hasattr(layer, "norms") and hasattr(layer, "attention"):
            y = t.randn(1, 3, D)
            post = formula(layer, y, memory[:1], pre=False)
            t.that(
                not same(layer(y, memory[:1]).detach(), post),
                "the model's decoder layers are post-norm: the norms are pre",
                diagnosis="decoder-not-pre-norm",
            )
    words = "model.embed(tgt), the layers, model.head"
    x = value_of(t, lambda: model.embed(tgt), "embed-raises", "embed")
    for layer in model.layers:
        x = layer(x, memory, self_mask=past)
    chained = value_of(t, lambda: model.head(x), "head-raises", "head").detach()
    found = logits_of(t, model, memory, None, tgt)
    if not same(found, chained):
        return f"`decode` gives other logits than {words} one after another: E3 relies on these parts"
    return None


@probe("embed-start")
def embed(a: Any, t: Trial) -> None:
    model, tgt = built(a, t), targets(t, 1, 5)
    full = value_of(t, lambda: model.embed(tgt), "embed-raises", "embed(tokens)").detach()
    same_token = model.embed(torch.full((1, 3), 2)).detach()
    t.that(
        not same(same_token[0, 0], same_token[0, 2]),
        "`embed` gives the same vector at positions 0 and 2: positions are missing",
        diagnosis="positions-missing",
    )
    later = value_of(t, lambda: model.embed(tgt[:, 3:], 3), "embed-raises", "embed(tokens, 3)").detach()
    name_it(
        t,
        later,
        full[:, 3:],
        [
            (
                "start-ignored",
                model.embed(tgt[:, 3:]).detach(),
                "embed(tokens, 3) gives what embed(tokens) gives: `start` is the position of the first token",
            )
        ],
    )
    t.that(
        same(later, full[:, 3:]),
        "embed(tokens[:, 3:], 3) is not embed(tokens)[:, 3:]",
        diagnosis="start-wrong",
    )


@probe("encoder-without-last-norm")
def last_norms(a: Any, t: Trial) -> str | None:
    model = built(a, t, enc=2)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.dim() == 2):
            parameter.mul_(3.0)
    memory = memory_of(t, model, sources(t, 2, 5))
    mean, deviation = memory.mean(-1).abs().max(), memory.std(-1, unbiased=False)
    if float(mean) > 1e-3 or not same(deviation, torch.ones_like(deviation), atol=1e-2, rtol=1e-2):
        return (
            f"the vectors of the memory have deviations up to {float(deviation.max()):.2f}, expected 1: "
            "after the last pre-norm layer comes one more LayerNorm"
        )
    x = t.randn(1, 2, D)
    logits = value_of(t, lambda: model.head(x), "head-raises", "head(x)").detach()
    t.that(
        all(not same(p.sum(-1), torch.ones(1, 2)) for p in (logits.exp(), logits)),
        "`head` gives (log-)probabilities: logits are asked for",
        diagnosis="head-gives-log-probabilities",
    )
    head = value_of(t, lambda: model.head(x), "head-raises", "head(x)").detach()
    if not same(model.head(5 * x + 3).detach(), head, rtol=1e-3, atol=1e-4):
        t.fail(
            "head(5x + 3) is not head(x): a LayerNorm comes before the linear layer",
            diagnosis="decoder-without-last-norm",
        )
    if not same(model.head(torch.zeros(1, 1, D).double()).detach(), torch.zeros(1, 1, TGT)):
        t.fail("head(0) is not 0: the linear layer has no bias here", diagnosis="head-with-bias")
    return None


@probe("padding-of-the-source")
def padding(a: Any, t: Trial) -> None:
    for stem, enc in ((False, 1), (True, 1), (False, 2)):
        model, src = shake(built(a, t, stem=stem, enc=enc), t), sources(t, 2, 5)
        mask = real(t, 3, 4, size=5)
        memory = memory_of(t, model, src, mask)
        other = torch.where(mask, src, (src + 3) % SRC)
        inverted(t, model, src, mask)
        t.that(
            same(memory_of(t, model, other, mask)[mask], memory[mask]),
            f"with stem={stem}, enc={enc} the memory of real tokens changes with the ids in the padding"
            + (
                ": set padded positions to 0 before the convolution, and give the layers the mask"
                if stem
                else ": give every encoder layer the mask"
            ),
            diagnosis="stem-reads-padding" if stem else "encoder-sees-padding",
        )
        alone = [memory_of(t, model, src[i : i + 1, :n])[0] for i, n in enumerate((3, 4))]
        t.that(
            same(memory[mask], torch.cat(alone)),
            f"with stem={stem} a sequence has another memory alone than padded in a batch",
            diagnosis="stem-reads-padding" if stem else "encoder-mask-wrong",
        )


def inverted(t: Trial, model: Any, src: Tensor, mask: Tensor) -> None:
    """Is the padding seen, and what is real not?"""
    first, padded = src.clone(), src.clone()
    first[0, 2], padded[0, 4] = (src[0, 2] + 3) % SRC, (src[0, 4] + 3) % SRC  # 3 of 5 are real
    before = memory_of(t, model, src, mask)[0, 0]
    real_seen = not same(memory_of(t, model, first, mask)[0, 0], before)
    padding_seen = not same(memory_of(t, model, padded, mask)[0, 0], before)
    t.that(
        real_seen or not padding_seen,
        "a real token sees the padding and not the other real tokens: the encoder's mask is read the wrong "
        "way round, True is a real token",
        diagnosis="encoder-mask-inverted",
    )


@probe("mask-of-all-true")
def nothing_real(a: Any, t: Trial) -> str | None:
    model, src = shake(built(a, t), t), sources(t, 1, 3)
    everything = memory_of(t, model, src, torch.ones(1, 3, dtype=torch.bool))
    if not same(everything, memory_of(t, model, src)):
        return "a mask of all True gives another memory than None: True is a real token"
    return None
