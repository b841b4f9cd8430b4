"""Right answers to E3 in other styles."""

from __future__ import annotations

import itertools

import torch

from phase2_intermediate.lab2_transformer_encoder.solution import pack as right_pack
from tests.labs.answers import Answers

right = Answers()


@right("E3")
def with_where():
    def masked_mean(h, mask):
        wide = torch.float64 if h.dtype == torch.float64 else torch.float32
        kept = torch.where(mask.unsqueeze(-1), h, torch.zeros((), dtype=h.dtype)).to(wide)
        count = mask.sum(dim=1).clamp_min(1).unsqueeze(-1)
        return (kept.sum(dim=1) / count).to(h.dtype)

    def masked_max(h, mask):
        B, T, D = h.shape
        if T == 0:
            return torch.zeros(B, D, dtype=h.dtype)
        kept = torch.where(mask.unsqueeze(-1), h, torch.full_like(h, float("-inf")))
        best = kept.max(dim=1).values
        return torch.where(mask.any(dim=1).unsqueeze(-1), best, torch.zeros_like(best))

    return {"masked_mean": masked_mean, "masked_max": masked_max}


@right("E3")
def text_after_text():
    def pooled(h, mask, how):
        rows = [how(v[m]) if m.any() else v.new_zeros(v.shape[-1]) for v, m in zip(h, mask, strict=True)]
        return torch.stack(rows) if rows else h.new_zeros(0, h.shape[-1])

    def masked_mean(h, mask):
        wide = torch.promote_types(h.dtype, torch.float32)
        return pooled(h, mask, lambda v: v.to(wide).mean(0).to(h.dtype))

    def masked_max(h, mask):
        return pooled(h, mask, lambda v: v.max(0)[0])

    return {"masked_mean": masked_mean, "masked_max": masked_max}


@right("E3")
def as_a_product():
    def masked_mean(h, mask):
        wide = torch.promote_types(h.dtype, torch.float32)
        clean = h.masked_fill(~mask[..., None], 0).to(wide)
        weights = mask.to(wide) / mask.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("bt,btd->bd", weights, clean).to(h.dtype)

    return {"masked_mean": masked_mean}


@right("E3")
def keeps_an_extra_place_for_empty_texts():
    def masked_max(h, mask):
        low = h.masked_fill(~mask[:, :, None], float("-inf"))
        place = (
            torch.where(mask.any(1), float("-inf"), 0.0).to(h.dtype)[:, None, None].expand(-1, 1, h.shape[2])
        )
        return torch.cat((low, place), dim=1).amax(dim=1)

    return {"masked_max": masked_max}


@right("E3")
def pack_with_lists():
    def pack(seqs):
        if len(seqs) == 0:
            raise ValueError("nothing to pack")
        places, ids = [], []
        for number, seq in enumerate(seqs):
            places.extend(range(seq.shape[0]))
            ids.extend([number] * seq.shape[0])
        as_long = [torch.tensor(x, dtype=torch.long) for x in (places, ids)]
        return (torch.cat(seqs, dim=0), *as_long)

    return {"pack": pack}


@right("E3")
def pack_with_cumsum():
    def pack(seqs):
        if not seqs:
            raise ValueError("pack([]) has no shape")
        lengths = torch.tensor([len(s) for s in seqs])
        ids = torch.repeat_interleave(torch.arange(len(seqs)), lengths)
        starts = lengths.cumsum(0) - lengths
        return torch.cat(list(seqs)), torch.arange(int(lengths.sum())) - starts[ids], ids

    return {"pack": pack}


@right("E3")
def mask_by_hand():
    def encode_packed(model, seqs):
        flat, positions, ids = right_pack(seqs)
        own = ids[:, None].eq(ids[None, :])
        out = model(flat.unsqueeze(0), positions.unsqueeze(0), own)[0]
        ends = list(itertools.accumulate(len(s) for s in seqs))
        return [out[end - len(s) : end] for s, end in zip(seqs, ends, strict=True)]

    return {"encode_packed": encode_packed}


@right("E3")
def mask_as_blocks_and_keywords():
    def encode_packed(model, seqs):
        flat, positions, ids = right_pack(seqs)
        blocks = torch.block_diag(*[torch.ones(len(s), len(s)) for s in seqs if len(s)]).bool()
        out = model(x=flat[None], positions=positions[None], mask=blocks[None, None])
        return [out[0, ids == number] for number in range(len(seqs))]

    return {"encode_packed": encode_packed}


@right("E3")
def splits_by_tensor_split():
    def encode_packed(model, seqs):
        flat, positions, ids = right_pack(seqs)
        out = model(flat[None], positions[None], (ids[None, :, None] == ids[None, None, :])[:, None])
        cuts = torch.tensor([len(s) for s in seqs]).cumsum(0)[:-1].tolist()
        return list(torch.tensor_split(out.squeeze(0), cuts))

    return {"encode_packed": encode_packed}
