"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e4_blockwise import Pieces, answer
from tests.labs.answers import Answers

wrong = Answers()
INF = float("inf")


def case(name, **methods):
    wrong.add("E4", name, lambda: answer(type("Wrong", (Pieces,), methods)()))


def update(function):
    """An update from (m, m_new, l, o, r, p, v) → (l, o)."""

    def method(self, m, l, o, s, v):
        m_new = torch.maximum(m, s.amax(-1, keepdim=True))
        r, p = (m - m_new).exp(), (s - m_new).exp()
        l, o = function(m, m_new, l, o, r, p, v)
        return m_new, l, o

    return method


case("only_o_rescaled", update=update(lambda m, n, l, o, r, p, v: (l + p.sum(-1, True), o * r + p @ v)))
case(
    "inverse_correction",
    update=update(
        lambda m, n, l, o, r, p, v: (
            torch.where(m == -INF, p.sum(-1, True), l * (n - m).exp() + p.sum(-1, True)),
            torch.where(m == -INF, p @ v, o * (n - m).exp() + p @ v),
        )
    ),
)
case(
    "new_block_rescaled_too",
    update=update(
        lambda m, n, l, o, r, p, v: (
            (l + p.sum(-1, True)) * torch.where(m == -INF, 1, r),
            (o + p @ v) * torch.where(m == -INF, 1, r),
        )
    ),
)
case(
    "difference_without_exp",
    update=update(
        lambda m, n, l, o, r, p, v: (
            l * torch.where(m == -INF, 1, m - n) + p.sum(-1, True),
            o * torch.where(m == -INF, 1, m - n) + p @ v,
        )
    ),
)
case("last_block_alone", update=update(lambda m, n, l, o, r, p, v: (p.sum(-1, True), p @ v)))
case("l_of_the_last_block", update=update(lambda m, n, l, o, r, p, v: (p.sum(-1, True), o * r + p @ v)))
case(
    "mean_instead_of_sum",
    update=update(lambda m, n, l, o, r, p, v: (l * r + p.mean(-1, True), o * r + p @ v)),
)
case(
    "maximum_instead_of_sum",
    update=update(lambda m, n, l, o, r, p, v: (l * r + p.amax(-1, True), o * r + p @ v)),
)
case(
    "values_of_the_first_block",
    update=update(
        lambda m, n, l, o, r, p, v: (l * r + p.sum(-1, True), o * r + p @ v[..., :1, :].expand_as(v))
    ),
)


def falling_maximum(self, m, l, o, s, v):
    m_new = s.amax(-1, keepdim=True)
    r, p = (m - m_new).exp(), (s - m_new).exp()
    return m_new, l * r + p.sum(-1, keepdim=True), o * r + p @ v


def maximum_from_zero(self, m, l, o, s, v):
    return Pieces.update(self, m.clamp(min=0), l, o, s, v)


def maximum_of_the_block(self, m, l, o, s, v):
    m_new = torch.maximum(m, s.max())
    r, p = (m - m_new).exp(), (s - m_new).exp()
    return m_new, l * r + p.sum(-1, keepdim=True), o * r + p @ v


def detached_maximum_of_the_batch(self, m, l, o, s, v):
    m_new = torch.maximum(m, s.amax((0, 1, 3), keepdim=True))
    r, p = (m - m_new).exp(), (s - m_new).exp()
    return m_new, l * r + p.sum(-1, keepdim=True), o * r + p @ v


case("falling_maximum", update=falling_maximum)
case("maximum_from_zero", update=maximum_from_zero)
case("maximum_of_the_whole_block", update=maximum_of_the_block)
case("maximum_over_the_heads", update=detached_maximum_of_the_batch)
case("never_divides", finish=lambda self, m, l, o: (o, Pieces.finish(self, m, l, o)[1]))
case("lse_is_m", finish=lambda self, m, l, o: (Pieces.finish(self, m, l, o)[0], m[..., 0]))
case("lse_is_l", finish=lambda self, m, l, o: (Pieces.finish(self, m, l, o)[0], l[..., 0]))
case("lse_plus_l", finish=lambda self, m, l, o: (Pieces.finish(self, m, l, o)[0], (m + l)[..., 0]))
case("lse_base_two", finish=lambda self, m, l, o: (Pieces.finish(self, m, l, o)[0], (m + l.log2())[..., 0]))
case(
    "lse_with_an_axis",
    finish=lambda self, m, l, o: (
        Pieces.finish(self, m, l, o)[0],
        Pieces.finish(self, m, l, o)[1][..., None],
    ),
)
case(
    "zero_for_no_keys",
    finish=lambda self, m, l, o: (
        Pieces.finish(self, m, l, o)[0],
        Pieces.finish(self, m, l, o)[1].nan_to_num(neginf=0.0),
    ),
)
case(
    "constant_in_the_denominator",
    finish=lambda self, m, l, o: (o / (l + 1e-6), Pieces.finish(self, m, l, o)[1]),
)


def scores(change):
    return lambda self, q, k, i, j, is_causal: change(self, q, k, i, j, is_causal)


case(
    "no_scale",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q * q.shape[-1] ** 0.5, k, i, j, c)),
)
case(
    "scale_by_d",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q * q.shape[-1] ** -0.5, k, i, j, c)),
)
case(
    "not_itself",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i - 1, j, c)),
    finish=lambda self, m, l, o: Pieces.finish(
        self, m.nan_to_num(neginf=-INF), l.nan_to_num(), o.nan_to_num()
    ),
)
case("one_key_ahead", scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i + 1, j, c)))
case(
    "never_causal",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i, j, False)),
    stop=lambda self, i, b, keys, c: keys,
)
case(
    "causal_in_whole_blocks",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i, j, False)),
)
case("skips_one_block_too_many", stop=lambda self, i, b, keys, c: min(max(i, 1), keys) if c else keys)
case(
    "minus_a_billion_for_the_future",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i, j, c).clamp(min=-100.0)),
)


def hidden_by(fill):
    def scores(self, q, k, i, j, is_causal):
        s = Pieces.scores(self, q, k, i, j, is_causal)
        return s.masked_fill(s == -INF, fill)

    return scores


case("minus_ten_thousand_for_the_future", scores=hidden_by(-1e4))
case("minus_a_thousand_million_for_the_future", scores=hidden_by(-1e9))
case(
    "half_scores",
    scores=scores(
        lambda self, q, k, i, j, c: (
            Pieces.scores(self, q, k, i, j, c)
            if q.dtype == torch.float64
            else Pieces.scores(self, q.bfloat16(), k.bfloat16(), i, j, c).float()
        )
    ),
)


def forward(change):
    return lambda self, q, k, v, block_q, block_k, is_causal: change(
        self, q, k, v, block_q, block_k, is_causal
    )


case(
    "one_block_of_queries",
    forward=forward(lambda self, q, k, v, m, n, c: Pieces.forward(self, q, k, v, max(q.shape[-2], 1), n, c)),
)
case(
    "whole_matrix",
    forward=forward(
        lambda self, q, k, v, m, n, c: Pieces.forward(
            self, q, k, v, max(q.shape[-2], 1), max(k.shape[-2], 1), c
        )
    ),
)
case(
    "whole_blocks_of_queries",
    forward=forward(
        lambda self, q, k, v, m, n, c: tuple(
            F.pad(x, (0, 0, 0, q.shape[-2] % m) if x.dim() == 4 else (0, q.shape[-2] % m))
            for x in Pieces.forward(self, q[..., : q.shape[-2] - q.shape[-2] % m, :], k, v, m, n, c)
        )
    ),
)
case(
    "whole_blocks_of_keys",
    forward=forward(
        lambda self, q, k, v, m, n, c: Pieces.forward(
            self,
            q,
            k[..., : k.shape[-2] - k.shape[-2] % n, :],
            v[..., : k.shape[-2] - k.shape[-2] % n, :],
            m,
            n,
            c,
        )
    ),
)
case(
    "refuses_ragged_lengths",
    forward=forward(
        lambda self, q, k, v, m, n, c: Pieces.forward(
            self,
            q.unflatten(-2, (-1, min(m, q.shape[-2]))).flatten(-3, -2) if q.shape[-2] else q,
            k,
            v,
            m,
            n,
            c,
        )
    ),
)
case(
    "blocks_of_64_always",
    forward=forward(lambda self, q, k, v, m, n, c: Pieces.forward(self, q, k, v, 64, 64, c)),
)
case(
    "output_in_single_precision",
    forward=forward(
        lambda self, q, k, v, m, n, c: (
            Pieces.forward(self, q, k, v, m, n, c)[0].float(),
            Pieces.forward(self, q, k, v, m, n, c)[1],
        )
    ),
)
case(
    "lse_in_the_input_s_dtype",
    forward=forward(
        lambda self, q, k, v, m, n, c: (
            Pieces.forward(self, q, k, v, m, n, c)[0],
            Pieces.forward(self, q, k, v, m, n, c)[1].to(q.dtype),
        )
    ),
)
case(
    "lse_in_single_precision",
    forward=forward(
        lambda self, q, k, v, m, n, c: (
            Pieces.forward(self, q, k, v, m, n, c)[0],
            Pieces.forward(self, q, k, v, m, n, c)[1].float(),
        )
    ),
)
case(
    "bottom_right",
    scores=scores(lambda self, q, k, i, j, c: Pieces.scores(self, q, k, i + self.shift, j, c)),
    forward=lambda self, q, k, v, m, n, c: (
        setattr(self, "shift", k.shape[-2] - q.shape[-2]),
        Pieces.forward(self, q, k, v, m, n, c),
    )[1],
    stop=lambda self, i, b, keys, c: max(min(i + b + self.shift, keys), 0) if c else keys,
)
case(
    "kernel",
    forward=forward(
        lambda self, q, k, v, m, n, c: (
            F.scaled_dot_product_attention(q, k, v, is_causal=c),
            Pieces.forward(self, q, k, v, m, n, c)[1],
        )
    ),
)
case(
    "mask_of_the_whole_length",
    scores=scores(
        lambda self, q, k, i, j, c: (
            Pieces.scores(self, q, k, i, j, False).masked_fill(
                ~torch.ones(512, 512, dtype=torch.bool).tril()[i : i + q.shape[-2], j : j + k.shape[-2]], -INF
            )
            if c
            else Pieces.scores(self, q, k, i, j, c)
        )
    ),
)


def backward(change):
    def method(self, ctx, grad):
        found = Pieces.backward(self, ctx, grad)
        return change(found, ctx, grad)

    return method


case("three_gradients", backward=backward(lambda g, ctx, grad: g[:3]))
case("no_gradient_of_v", backward=backward(lambda g, ctx, grad: (g[0], g[1], None, None, None, None)))
case("nothing_comes_back", backward=backward(lambda g, ctx, grad: (None,) * 6))
case("q_and_k_exchanged", backward=backward(lambda g, ctx, grad: (g[1], g[0], *g[2:])))
case(
    "scale_missing",
    backward=backward(
        lambda g, ctx, grad: (
            g[0] * ctx.saved_tensors[0].shape[-1] ** 0.5,
            g[1] * ctx.saved_tensors[0].shape[-1] ** 0.5,
            *g[2:],
        )
    ),
)
case(
    "scale_twice",
    backward=backward(
        lambda g, ctx, grad: (
            g[0] * ctx.saved_tensors[0].shape[-1] ** -0.5,
            g[1] * ctx.saved_tensors[0].shape[-1] ** -0.5,
            *g[2:],
        )
    ),
)
case("scale_in_dq_only", backward=backward(lambda g, ctx, grad: (g[0], g[1] * 2.0, *g[2:])))
case("sign_of_dk", backward=backward(lambda g, ctx, grad: (g[0], -g[1], *g[2:])))
case("dv_scaled", backward=backward(lambda g, ctx, grad: (g[0], g[1], g[2] * 0.5, *g[3:])))
case(
    "gradients_in_single",
    backward=backward(lambda g, ctx, grad: (*(x.float() for x in g[:3]), None, None, None)),
)
case("delta_added", ds=lambda self, p, dp, delta: p * (dp + delta))
case("delta_of_dp", ds=lambda self, p, dp, delta: p * (dp - dp.sum(-1, keepdim=True)))
case("delta_per_block", ds=lambda self, p, dp, delta: p * (dp - (p * dp).sum(-1, keepdim=True)))
case("weights_missing", ds=lambda self, p, dp, delta: dp - delta)
case("mean_of_dp", ds=lambda self, p, dp, delta: p * (dp - dp.mean(-1, keepdim=True)))
case(
    "ignores_the_incoming_gradient",
    backward=lambda self, ctx, grad: Pieces.backward(self, ctx, torch.ones_like(grad)),
)


def saves_blocks(self, ctx, q, k, v, out, lse):
    ctx.save_for_backward(q, k, v, out, lse)
    ctx.blocks = [
        (q[..., i : i + 64, :] @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 - lse[..., i : i + 64, None])
        .exp()[..., j : j + 64]
        .clone()
        for i in range(0, q.shape[-2], 64)
        for j in range(0, k.shape[-2], 64)
    ]


def overwrites(self, ctx, grad):
    q, k, v, out, lse = ctx.saved_tensors
    dq, dk, dv = (torch.zeros_like(x) for x in (q, k, v))
    delta, scale = (grad * out).sum(-1, keepdim=True), q.shape[-1] ** -0.5
    block_q, block_k, is_causal = ctx.options
    for i in range(0, q.shape[-2], block_q):
        for j in range(0, self.stop(i, block_q, k.shape[-2], is_causal), block_k):
            a, b = slice(i, i + block_q), slice(j, j + block_k)
            p = (self.scores(q[..., a, :], k[..., b, :], i, j, is_causal) - lse[..., a, None]).exp()
            ds = p * (grad[..., a, :] @ v[..., b, :].transpose(-1, -2) - delta[..., a, :])
            dv[..., b, :] = p.transpose(-1, -2) @ grad[..., a, :]
            dq[..., a, :] = scale * ds @ k[..., b, :]
            dk[..., b, :] = scale * ds.transpose(-1, -2) @ q[..., a, :]
    return dq, dk, dv, None, None, None


def whole_backward(self, ctx, grad):
    q, k, v, out, lse = ctx.saved_tensors
    scale, is_causal = q.shape[-1] ** -0.5, ctx.options[2]
    s = scale * q @ k.transpose(-1, -2)
    if is_causal:
        s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -INF)
    p = (s - lse[..., None]).exp()
    ds = p * (grad @ v.transpose(-1, -2) - (grad * out).sum(-1, keepdim=True))
    return scale * ds @ k, scale * ds.transpose(-1, -2) @ q, p.transpose(-1, -2) @ grad, None, None, None


case("saves_the_blocks", keep=saves_blocks)
case("overwrites_gradients", backward=overwrites)
case("backward_in_one_piece", backward=whole_backward)


@wrong("E4")
def apply_returns_the_pair():
    sound = answer(Pieces())

    class BlockwiseAttention(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v, block_q, block_k, is_causal):
            return sound["blockwise_attention"](
                q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal
            )

        @staticmethod
        def backward(ctx, g, _):
            return g, g, g, None, None, None

    return {**sound, "BlockwiseAttention": BlockwiseAttention}


@wrong("E4")
def a_module():
    sound = answer(Pieces())

    class BlockwiseAttention(torch.nn.Module):
        @staticmethod
        def apply(q, k, v, block_q, block_k, is_causal):
            return sound["blockwise_attention"](
                q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal
            )[0]

    return {**sound, "BlockwiseAttention": BlockwiseAttention}


@wrong("E4")
def function_ignores_is_causal():
    sound = answer(Pieces())

    class BlockwiseAttention(sound["BlockwiseAttention"]):
        @staticmethod
        def forward(ctx, q, k, v, block_q, block_k, is_causal):
            return sound["BlockwiseAttention"].forward(ctx, q, k, v, block_q, block_k, False)

    return {**sound, "BlockwiseAttention": BlockwiseAttention}


@wrong("E4")
def output_alone():
    sound = answer(Pieces())

    def blockwise_attention(q, k, v, **options):
        return sound["blockwise_attention"](q, k, v, **options)[0]

    return {**sound, "blockwise_attention": blockwise_attention}


@wrong("E4")
def scales_in_place():
    sound = answer(Pieces())

    def blockwise_attention(q, k, v, **options):
        q *= 1 / math.sqrt(q.shape[-1])
        return sound["blockwise_attention"](q * math.sqrt(q.shape[-1]), k, v, **options)

    return {**sound, "blockwise_attention": blockwise_attention}
