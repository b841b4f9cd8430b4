"""Wrong answers to E4: a sound answer that is spoilt at its ends, or by a second call."""

from __future__ import annotations

import torch

from phase2_intermediate.lab1_attention.solution import BlockwiseAttention as Sound
from phase2_intermediate.lab1_attention.solution import blockwise_attention as sound
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("E4", "blockwise_attention")
def lse_of_the_future_too(q, k, v, *, block_q=64, block_k=64, is_causal=False):
    out, _ = sound(q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal)
    return out, sound(q, k, v, block_q=block_q, block_k=block_k)[1]


def function(backward=Sound.backward, forward=Sound.forward):
    class BlockwiseAttention(torch.autograd.Function):
        pass

    BlockwiseAttention.forward = staticmethod(forward)
    BlockwiseAttention.backward = staticmethod(backward)
    return {"BlockwiseAttention": BlockwiseAttention}


@wrong("E4")
def query_and_key_gradients_exchanged():
    def backward(ctx, grad):
        dq, dk, dv, *rest = Sound.backward(ctx, grad)
        return dk, dq, dv, *rest

    return function(backward)


@wrong("E4")
def key_gradient_without_the_scale():
    def backward(ctx, grad):
        dq, dk, *rest = Sound.backward(ctx, grad)
        return dq, dk * ctx.saved_tensors[0].shape[-1] ** 0.5, *rest

    return function(backward)


@wrong("E4")
def clears_the_gradient_that_arrives():
    def backward(ctx, grad):
        found = Sound.backward(ctx, grad)
        grad.zero_()
        return found

    return function(backward)


@wrong("E4")
def blocks_of_64_on_the_way_back():
    def forward(ctx, *inputs):
        out = Sound.forward(ctx, *inputs)
        ctx.blocks = (64, 64)
        return out

    return function(forward=forward)


@wrong("E4")
def keeps_the_last_call_in_a_global():
    class Last:
        pass

    last = Last()

    def forward(ctx, q, k, v, block_q, block_k, is_causal):
        out, lse = sound(q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal)
        last.saved_tensors, last.blocks, last.is_causal = (q, k, v, out, lse), (block_q, block_k), is_causal
        return out

    return function(lambda ctx, grad: Sound.backward(last, grad), forward)
