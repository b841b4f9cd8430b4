"""Wrong answers to E4."""

import math

import torch

from courseware.check import misconception


class Pieces:
    """A right answer in small pieces; each misconception replaces one of them."""

    def scores(self, q, k, i, j, is_causal):
        s = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if is_causal:
            query, key = i + torch.arange(s.shape[-2])[:, None], j + torch.arange(s.shape[-1])
            s = torch.where(key <= query, s, -math.inf)
        return s

    def stop(self, i, block_q, keys, is_causal):
        return min(i + block_q, keys) if is_causal else keys

    def update(self, m, l, o, s, v):
        m_new = torch.maximum(m, s.amax(-1, keepdim=True))
        r, p = (m - m_new).exp(), (s - m_new).exp()
        return m_new, l * r + p.sum(-1, keepdim=True), o * r + p @ v

    def finish(self, m, l, o):
        safe = torch.where(l == 0, 1.0, l)
        return o / safe, torch.where(l == 0, -math.inf, m + safe.log())[..., 0]

    def forward(self, q, k, v, block_q, block_k, is_causal):
        dtype, wide = q.dtype, torch.promote_types(q.dtype, torch.float32)
        q, k, v = (x.to(wide) for x in (q, k, v))
        outs, sums = [q.new_zeros(*q.shape[:-2], 0, v.shape[-1])], [q.new_zeros(*q.shape[:-2], 0)]
        for i in range(0, q.shape[-2], block_q):
            q_i = q[..., i : i + block_q, :]
            m = q.new_full((*q_i.shape[:-1], 1), -math.inf)
            l, o = torch.zeros_like(m), q.new_zeros(*q_i.shape[:-1], v.shape[-1])
            for j in range(0, self.stop(i, block_q, k.shape[-2], is_causal), block_k):
                s = self.scores(q_i, k[..., j : j + block_k, :], i, j, is_causal)
                m, l, o = self.update(m, l, o, s, v[..., j : j + block_k, :])
            out, lse = self.finish(m, l, o)
            outs.append(out)
            sums.append(lse)
        return torch.cat(outs, dim=-2).to(dtype), torch.cat(sums, dim=-1)

    def ds(self, p, dp, delta):
        return p * (dp - delta)

    def keep(self, ctx, q, k, v, out, lse):
        ctx.save_for_backward(q, k, v, out, lse)

    def backward(self, ctx, grad):
        q, k, v, out, lse = ctx.saved_tensors[:5]
        dtypes, scale = [x.dtype for x in (q, k, v)], q.shape[-1] ** -0.5
        q, k, v, out, grad = (x.to(lse.dtype) for x in (q, k, v, out, grad))
        dq, dk, dv = (torch.zeros_like(x) for x in (q, k, v))
        block_q, block_k, is_causal = ctx.options
        delta = (grad * out).sum(-1, keepdim=True)
        for i in range(0, q.shape[-2], block_q):
            for j in range(0, self.stop(i, block_q, k.shape[-2], is_causal), block_k):
                a, b = slice(i, i + block_q), slice(j, j + block_k)
                s = self.scores(q[..., a, :], k[..., b, :], i, j, is_causal)
                p = (s - lse[..., a, None]).exp()
                ds = self.ds(p, grad[..., a, :] @ v[..., b, :].transpose(-1, -2), delta[..., a, :])
                dv[..., b, :] += p.transpose(-1, -2) @ grad[..., a, :]
                dq[..., a, :] += scale * ds @ k[..., b, :]
                dk[..., b, :] += scale * ds.transpose(-1, -2) @ q[..., a, :]
        return *(x.to(dtype) for x, dtype in zip((dq, dk, dv), dtypes, strict=True)), None, None, None


def answer(pieces):
    def blockwise_attention(q, k, v, *, block_q=64, block_k=64, is_causal=False):
        return pieces.forward(q, k, v, block_q, block_k, is_causal)

    class BlockwiseAttention(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v, block_q, block_k, is_causal):
            out, lse = pieces.forward(q, k, v, block_q, block_k, is_causal)
            pieces.keep(ctx, q, k, v, out, lse)
            ctx.options = block_q, block_k, is_causal
            return out

        @staticmethod
        def backward(ctx, grad):
            return pieces.backward(ctx, grad)

    return {"blockwise_attention": blockwise_attention, "BlockwiseAttention": BlockwiseAttention}


@misconception("E4", diagnosis="not-rescaled")
def old_sums_stay():
    class Wrong(Pieces):
        def update(self, m, l, o, s, v):
            m_new = torch.maximum(m, s.amax(-1, keepdim=True))
            p = (s - m_new).exp()
            return m_new, l + p.sum(-1, keepdim=True), o + p @ v

    return answer(Wrong())


@misconception("E4", diagnosis="only-l-rescaled")
def output_forgotten():
    class Wrong(Pieces):
        def update(self, m, l, o, s, v):
            m_new = torch.maximum(m, s.amax(-1, keepdim=True))
            r, p = (m - m_new).exp(), (s - m_new).exp()
            return m_new, l * r + p.sum(-1, keepdim=True), o + p @ v

    return answer(Wrong())


@misconception("E4", diagnosis="each-block-normalised-and-added")
def softmax_of_each_block():
    class Wrong(Pieces):
        def update(self, m, l, o, s, v):
            m_new, l, _ = super().update(m, l, o, s, v)
            return m_new, l, o + s.softmax(-1).nan_to_num() @ v

        def finish(self, m, l, o):
            return o, super().finish(m, l, o)[1]

    return answer(Wrong())


@misconception("E4", diagnosis="lse-without-m")
def logarithm_of_l():
    class Wrong(Pieces):
        def finish(self, m, l, o):
            return super().finish(m, l, o)[0], l.log()[..., 0]

    return answer(Wrong())


@misconception("E4", diagnosis="no-keys")
def zero_by_zero():
    class Wrong(Pieces):
        def finish(self, m, l, o):
            return o / l, (m + l.log())[..., 0]

    return answer(Wrong())


@misconception("E4", diagnosis="large-scores")
def exponentials_as_they_are():
    class Wrong(Pieces):
        def update(self, m, l, o, s, v):
            p = s.exp()
            return torch.zeros_like(m), l + p.sum(-1, keepdim=True), o + p @ v

    return answer(Wrong())


@misconception("E4", diagnosis="causal-inside-each-block")
def positions_inside_the_block():
    class Wrong(Pieces):
        def scores(self, q, k, i, j, is_causal):
            return super().scores(q, k, 0, 0, is_causal)

    return answer(Wrong())


@misconception("E4", diagnosis="future-blocks-not-skipped")
def computes_the_future():
    class Wrong(Pieces):
        def stop(self, i, block_q, keys, is_causal):
            return keys

    return answer(Wrong())


@misconception("E4", diagnosis="a-tensor-of-size-t-squared")
def one_block_for_all_keys():
    class Wrong(Pieces):
        def forward(self, q, k, v, block_q, block_k, is_causal):
            return super().forward(q, k, v, block_q, max(k.shape[-2], 1), is_causal)

    return answer(Wrong())


@misconception("E4", diagnosis="accumulates-in-half")
def sums_in_bfloat16():
    class Wrong(Pieces):
        def update(self, m, l, o, s, v):
            half = torch.bfloat16 if s.dtype == torch.float32 else s.dtype
            return (x.to(half).to(s.dtype) for x in super().update(m, l, o, s.to(half).to(s.dtype), v))

    return answer(Wrong())


@misconception("E4", diagnosis="saves-the-weights")
def keeps_the_weights():
    class Wrong(Pieces):
        def keep(self, ctx, q, k, v, out, lse):
            p = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 - lse[..., None]).exp()
            ctx.save_for_backward(q, k, v, out, lse, p)

    return answer(Wrong())


@misconception("E4", diagnosis="delta-forgotten")
def no_delta():
    class Wrong(Pieces):
        def ds(self, p, dp, delta):
            return p * dp

    return answer(Wrong())


@misconception("E4", diagnosis="softmax-derivative-elementwise")
def diagonal_of_the_jacobian():
    class Wrong(Pieces):
        def ds(self, p, dp, delta):
            return dp * p * (1 - p)

    return answer(Wrong())


@misconception("E4", diagnosis="causal-in-the-backward-pass")
def sees_the_future_on_the_way_back():
    class Wrong(Pieces):
        def backward(self, ctx, grad):
            ctx.options = (*ctx.options[:2], False)
            return super().backward(ctx, grad)

    return answer(Wrong())


@misconception("E4", diagnosis="forbidden")
def autograd_inside():
    class Wrong(Pieces):
        def backward(self, ctx, grad):
            with torch.enable_grad():
                q, k, v = (x.detach().requires_grad_() for x in ctx.saved_tensors[:3])
                out, _ = self.forward(q, k, v, *ctx.options)
            return *torch.autograd.grad(out, (q, k, v), grad), None, None, None

    return answer(Wrong())
