"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e4_blockwise import Pieces, answer
from tests.labs.answers import Answers

right = Answers()
INF = float("inf")


@right("E4")
def the_pieces_themselves():
    return answer(Pieces())


@right("E4")
def sums_in_a_list_and_one_correction_at_the_end():
    class Other(Pieces):
        """Every block keeps its own maximum; the last step brings all of them to a common one."""

        def update(self, m, l, o, s, v):
            top = s.amax(-1, keepdim=True)
            p = (s - torch.where(top == -INF, 0.0, top)).exp()
            blocks = [*(m if isinstance(m, list) else []), (top, p.sum(-1, keepdim=True), p @ v)]
            return blocks, l, o

        def finish(self, m, l, o):
            if not isinstance(m, list):
                return o, torch.full_like(l, -INF)[..., 0]
            best = m[0][0]
            for top, _, _ in m[1:]:
                best = torch.maximum(best, top)
            total = sum((top - best).exp() * part for top, part, _ in m)
            out = sum((top - best).exp() * part for top, _, part in m)
            return out / total, (best + total.log())[..., 0]

    return answer(Other())


@right("E4")
def normalised_output_all_the_time():
    class Other(Pieces):
        """o is a mean at every moment, and only lse is kept beside it."""

        def update(self, m, l, o, s, v):
            block = s.logsumexp(-1, keepdim=True)
            new = torch.logaddexp(m, block)
            safe = torch.where(new == -INF, 0.0, new)
            o = o * (m - safe).exp() + (s - safe).exp() @ v
            return new, l, o

        def finish(self, m, l, o):
            return o, m[..., 0]

    return answer(Other())


@right("E4")
def keys_from_the_last_block_to_the_first():
    class Other(Pieces):
        def forward(self, q, k, v, block_q, block_k, is_causal):
            wide = torch.float64 if q.dtype == torch.float64 else torch.float32
            B, H, Tq, D = q.shape
            Tk, Dv = k.shape[2], v.shape[3]
            out = torch.zeros(B, H, Tq, Dv, dtype=wide)
            lse = torch.full((B, H, Tq), -INF, dtype=wide)
            for i in range(0, Tq, block_q):
                qi = q[:, :, i : i + block_q].to(wide) / math.sqrt(D)
                n = qi.shape[2]
                m = torch.full((B, H, n, 1), -INF, dtype=wide)
                l = torch.zeros(B, H, n, 1, dtype=wide)
                o = torch.zeros(B, H, n, Dv, dtype=wide)
                for j in reversed(range(0, Tk, block_k)):
                    if is_causal and j > i + n - 1:
                        continue
                    s = qi @ k[:, :, j : j + block_k].to(wide).transpose(2, 3)
                    if is_causal:
                        later = torch.arange(j, j + s.shape[3]) > torch.arange(i, i + n)[:, None]
                        s = s.masked_fill(later, -INF)
                    new = torch.maximum(m, s.max(dim=3, keepdim=True).values)
                    safe = new.masked_fill(new == -INF, 0)
                    r, p = torch.exp(m - safe), torch.exp(s - safe)
                    l, o, m = (
                        r * l + p.sum(3, keepdim=True),
                        r * o + p @ v[:, :, j : j + block_k].to(wide),
                        new,
                    )
                if Tk:
                    out[:, :, i : i + n] = o / l
                    lse[:, :, i : i + n] = (m + l.log()).squeeze(3)
            return out.to(q.dtype), lse

    return answer(Other())


@right("E4")
def one_head_after_another():
    class Other(Pieces):
        def forward(self, q, k, v, block_q, block_k, is_causal):
            wide = torch.promote_types(q.dtype, torch.float32)
            out = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=q.dtype)
            lse = torch.full(q.shape[:-1], -INF, dtype=wide)
            for b in range(q.shape[0]):
                for h in range(q.shape[1]):
                    o, s = super().forward(q[b, h], k[b, h], v[b, h], block_q, block_k, is_causal)
                    out[b, h], lse[b, h] = o, s
            return out, lse

    return answer(Other())


@right("E4")
def with_setup_context():
    def blockwise_attention(q, k, v, *, block_q=64, block_k=64, is_causal=False):
        return Pieces().forward(q, k, v, block_q, block_k, is_causal)

    class BlockwiseAttention(Function):
        @staticmethod
        def forward(q, k, v, block_q, block_k, is_causal):
            return blockwise_attention(q, k, v, block_q=block_q, block_k=block_k, is_causal=is_causal)[0]

        @staticmethod
        def setup_context(ctx, inputs, output):
            q, k, v, *options = inputs
            _, lse = blockwise_attention(
                q, k, v, block_q=options[0], block_k=options[1], is_causal=options[2]
            )
            ctx.save_for_backward(q, k, v, output, lse)
            ctx.options = tuple(options)

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return Pieces().backward(ctx, g)

    return {"blockwise_attention": blockwise_attention, "BlockwiseAttention": BlockwiseAttention}


@right("E4")
def backward_by_columns_of_keys():
    class Other(Pieces):
        def keep(self, ctx, q, k, v, out, lse):
            ctx.q, ctx.k, ctx.v, ctx.out, ctx.lse = q, k, v, out, lse

        def backward(self, ctx, grad):
            block_q, block_k, is_causal = ctx.options
            wide, s = ctx.lse.dtype, ctx.q.shape[-1] ** -0.5
            q, k, v, out, g = (x.to(wide) for x in (ctx.q, ctx.k, ctx.v, ctx.out, grad))
            delta = torch.einsum("bhid,bhid->bhi", g, out).unsqueeze(-1)
            dq, dks, dvs = torch.zeros_like(q), [], []
            for j in range(0, k.shape[2], block_k):
                kj, vj = k[:, :, j : j + block_k], v[:, :, j : j + block_k]
                dk, dv = torch.zeros_like(kj), torch.zeros_like(vj)
                for i in range(0, q.shape[2], block_q):
                    rows = slice(i, min(i + block_q, q.shape[2]))
                    if is_causal and j >= rows.stop:
                        continue
                    score = s * torch.einsum("bhid,bhjd->bhij", q[:, :, rows], kj)
                    p = (score - ctx.lse[:, :, rows, None]).exp()
                    if is_causal:
                        p = p * (torch.arange(j, j + kj.shape[2]) <= torch.arange(i, rows.stop)[:, None])
                    dv = dv + torch.einsum("bhij,bhid->bhjd", p, g[:, :, rows])
                    ds = p * (torch.einsum("bhid,bhjd->bhij", g[:, :, rows], vj) - delta[:, :, rows])
                    dq[:, :, rows] = dq[:, :, rows] + s * torch.einsum("bhij,bhjd->bhid", ds, kj)
                    dk = dk + s * torch.einsum("bhij,bhid->bhjd", ds, q[:, :, rows])
                dks.append(dk)
                dvs.append(dv)
            dk = torch.cat(dks, 2) if dks else torch.zeros_like(k)
            dv = torch.cat(dvs, 2) if dvs else torch.zeros_like(v)
            return dq.to(grad.dtype), dk.to(ctx.k.dtype), dv.to(ctx.v.dtype), None, None, None

    return answer(Other())


@right("E4")
def a_state_object():
    class Running:
        def __init__(self, rows, width):
            self.m, self.l, self.o = (
                rows.new_full(rows.shape[:-1], -INF),
                rows.new_zeros(rows.shape[:-1]),
                None,
            )
            self.width = width

        def add(self, s, v):
            top = torch.maximum(self.m, s.amax(-1))
            base = torch.nan_to_num(top, neginf=0.0)
            p, r = torch.exp(s - base[..., None]), torch.exp(self.m - base)
            self.l = self.l.mul(r).add(p.sum(-1))
            self.o = p @ v if self.o is None else self.o * r[..., None] + p @ v
            self.m = top

        def result(self, rows):
            if self.o is None:
                return rows.new_zeros(*rows.shape[:-1], self.width), self.m
            return self.o / self.l[..., None], self.m + torch.log(self.l)

    class Other(Pieces):
        def forward(self, q, k, v, block_q, block_k, is_causal):
            up = (lambda x: x.float()) if q.dtype.itemsize < 4 else (lambda x: x)
            found = []
            for n, rows in enumerate(up(q).split(block_q, dim=2)):
                state, first = Running(rows, v.shape[-1]), n * block_q
                for c, (keys, values) in enumerate(
                    zip(k.split(block_k, 2), v.split(block_k, 2), strict=True)
                ):
                    start = c * block_k
                    if keys.shape[2] == 0 or (is_causal and start > first + rows.shape[2] - 1):
                        break
                    s = rows @ up(keys).mT * q.shape[-1] ** -0.5
                    if is_causal and start + keys.shape[2] - 1 > first:
                        seen = torch.ones(rows.shape[2], keys.shape[2]).tril(first - start).bool()
                        s = torch.where(seen, s, -INF)
                    state.add(s, up(values))
                found.append(state.result(rows))
            return torch.cat([o for o, _ in found], 2).to(q.dtype), torch.cat([x for _, x in found], 2)

    return answer(Other())
