"""The known mistakes of E1's encoder: what it sees, what its layers are, what it shares, and the stem."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_model_mistakes import (
    HEADS,
    SRC,
    TGT,
    D,
    built,
    logits_of,
    memory_of,
    sources,
    targets,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import real, shake

probe = Probes()


@probe("token-0-hidden")
def number_0(a: Any, t: Trial) -> str | None:
    """A number is padding only where the mask says so: what token 0 means must be felt by its neighbours."""
    model, ids = shake(built(a, t), t), torch.tensor([[3, 0, 2]])
    every = torch.ones(1, 3, dtype=torch.bool)
    memory = memory_of(t, model, ids, every)
    if not same(memory_of(t, model, ids), memory):
        return "without a mask `encode` takes token 0 for padding: None means that all tokens are real"
    logits = logits_of(t, model, memory, None, ids)
    with torch.no_grad():
        for table in (p for p in model.parameters() if p.shape in ((SRC, D), (TGT, D))):
            table[0] += t.randn(D)  # tied or not: of the logits, that of class 0 alone is left out below
    if same(memory_of(t, model, ids, every)[0, 2], memory[0, 2]):
        return "`encode` hides token 0 even where the mask is True: the mask alone says what is padding"
    if same(logits_of(t, model, memory, None, ids)[0, 2, 1:], logits[0, 2, 1:]):
        return "`decode` hides token 0 of the target: no padding of the target is known, all tokens count"
    return None


@probe("encoder-layers-wrong")
def encoder_layers(a: Any, t: Trial) -> None:
    model, src = shake(built(a, t), t), sources(t, 1, 4)
    other = src.clone()
    other[0, 3] = (src[0, 3] + 1) % SRC
    if same(memory_of(t, model, other)[0, 0], memory_of(t, model, src)[0, 0]):
        t.fail(
            "the first vector of the memory does not depend on the last source token: the encoder is not "
            "causal, every token sees the whole source",
            diagnosis="encoder-causal",
        )
    model = built(a, t, enc=1)
    table = next(p for p in model.parameters() if p.shape == (SRC, D))
    with torch.no_grad():
        table.mul_(1e5)
        stream = nn.functional.layer_norm(table[src], (D,))
    if not same(memory_of(t, model, src), stream, rtol=1e-2, atol=3e-2):
        t.fail(
            "with very large embeddings the memory is not LayerNorm(embedding): in a pre-norm layer a branch "
            "reads norm(h) and adds little to them; the encoder's layers are pre-norm",
            diagnosis="encoder-not-pre-norm",
        )


@probe("parts-shared")
def shared_parts(a: Any, t: Trial) -> str | None:
    model = a.Seq2Seq(TGT, TGT, d=D, heads=HEADS)  # equal vocabularies: a table could serve twice
    ids = targets(t, 1, 4)
    memory = model.encode(ids)
    memory.square().sum().backward()
    read = {name for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    model.decode(memory.detach(), None, ids).square().sum().backward()
    both = {name: p.shape for name, p in model.named_parameters() if p.grad is not None and name in read}
    for name, shape in both.items():
        if shape == (TGT, D):
            t.fail(
                f"`{name}` embeds the source and the target: the source has a vocabulary of its own, and its "
                "embedding stays apart",
                diagnosis="tied-to-the-source",
            )
        if shape == (D,):
            return f"`{name}` serves encoder and decoder: each has a last LayerNorm of its own"
    return None


@probe("encoder-without-positions")
def encoder_positions(a: Any, t: Trial) -> str | None:
    model, src = built(a, t), torch.tensor([[1, 2, 3, 4]])
    order = torch.tensor([2, 0, 3, 1])
    if same(memory_of(t, model, src[:, order]), memory_of(t, model, src)[:, order]):
        return "permuting the source only permutes the memory: the encoder does not know positions"
    return None


@probe("stem")
def stem(a: Any, t: Trial) -> str | None:
    model = built(a, t, enc=0, stem=True)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv1d)]
    if len(convolutions) != 1:
        return f"with stem=True the model has {len(convolutions)} nn.Conv1d, expected one"
    seen: list[Tensor] = []
    hook = convolutions[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    memory = memory_of(t, model, sources(t, 2, 6), real(t, 6, 4, size=6))
    hook.remove()
    if not seen:
        t.fail("`encode` does not call the convolution", diagnosis="stem-unused")
    h = seen[0]
    t.that(
        h.shape == (2, D, 6),
        f"the convolution reads {tuple(h.shape)}, expected [B, d, S] = (2, {D}, 6): it runs along the "
        "positions",
        diagnosis="stem-along-the-channels",
    )
    with torch.no_grad():
        conv, stream = convolutions[0](h), h
    cases = {
        "right": stream + conv.relu(),
        "stem-without-residual": conv.relu(),
        "stem-without-relu": stream + conv,
        "stem-relu-outside": (stream + conv).relu(),
        "stem-gelu": stream + nn.functional.gelu(conv),
        "stem-bare": conv,
    }
    normed = {name: nn.functional.layer_norm(value.transpose(1, 2), (D,))[0] for name, value in cases.items()}
    for name, value in normed.items():
        if name != "right" and same(memory[0], value, rtol=1e-4, atol=1e-5):
            t.fail(
                "the stem is not h + relu(conv(h)): the residual or the ReLU is missing or misplaced",
                diagnosis="stem-formula",
            )
    if not same(memory[0], normed["right"], rtol=1e-4, atol=1e-5):
        t.fail(
            "with enc=0 the memory is not LayerNorm(h + relu(conv(h))), h being what the convolution reads",
            diagnosis="stem-formula",
        )
    return None
