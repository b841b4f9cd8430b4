"""Wrong answers to E3."""

import torch

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder.solution import masked_max as right_max
from phase2_intermediate.lab2_transformer_encoder.solution import masked_mean as right_mean
from phase2_intermediate.lab2_transformer_encoder.solution import pack as right_pack
from shared.nn import document_mask


@misconception("E3", diagnosis="mean-over-padding")
def plain_mean():
    return {"masked_mean": lambda h, mask: h.mean(1)}


@misconception("E3", diagnosis="divided-by-t")
def divides_by_the_length_of_the_batch():
    return {"masked_mean": lambda h, mask: h.masked_fill(~mask[:, :, None], 0.0).mean(1)}


@misconception("E3", diagnosis="padding-leaks")
def multiplies_by_the_mask():
    def masked_mean(h, mask):
        return (h * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)

    return {"masked_mean": masked_mean}


@misconception("E3", diagnosis="max-filled-with-zero")
def fills_with_zero():
    return {"masked_max": lambda h, mask: h.masked_fill(~mask[:, :, None], 0.0).amax(1)}


@misconception("E3", diagnosis="empty-texts")
def divides_by_zero():
    return {
        "masked_mean": lambda h, mask: (
            h.masked_fill(~mask[:, :, None], 0.0).sum(1) / mask.sum(1, keepdim=True)
        )
    }


@misconception("E3", diagnosis="no-places-at-all")
def maximum_of_nothing():
    def masked_max(h, mask):
        largest = h.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
        return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)

    return {"masked_max": masked_max}


@misconception("E3", diagnosis="finite-fill")
def a_large_negative_number():
    def masked_max(h, mask):
        if not h.shape[1]:
            return right_max(h, mask)
        largest = h.masked_fill(~mask[:, :, None], -1e4).amax(1)
        return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)

    return {"masked_max": masked_max}


@misconception("E3", diagnosis="mask-with-holes")
def trusts_the_lengths():
    def masked_mean(h, mask):
        left = torch.arange(h.shape[1]) < mask.sum(1, keepdim=True)
        return right_mean(h, left)

    return {"masked_mean": masked_mean}


@misconception("E3", diagnosis="sum-overflows-in-half")
def sums_in_half():
    def masked_mean(h, mask):
        total = h.masked_fill(~mask[:, :, None], 0.0).sum(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1).to(h.dtype)

    return {"masked_mean": masked_mean}


@misconception("E3", diagnosis="positions-not-restarted")
def one_count_for_all():
    def pack(seqs):
        flat, _, ids = right_pack(seqs)
        return flat, torch.arange(len(flat)), ids

    return {"pack": pack}


@misconception("E3", diagnosis="empty-texts-lose-their-number")
def forgets_empty_texts():
    return {"pack": lambda seqs: right_pack([s for s in seqs if len(s)] or seqs)}


def encoder(mask, positions=lambda positions: positions):
    def encode_packed(model, seqs):
        flat, places, ids = right_pack(seqs)
        out = model(flat[None], positions(places)[None], mask(ids))
        return list(out[0].split([len(s) for s in seqs]))

    return {"encode_packed": encode_packed}


@misconception("E3", diagnosis="attention-crosses-texts")
def everybody_sees_everybody():
    return encoder(lambda ids: torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool))


@misconception("E3", diagnosis="mask-inverted")
def true_forbids():
    return encoder(lambda ids: ~document_mask(ids[None]))


@misconception("E3", diagnosis="a-causal-mask")
def only_backwards():
    return encoder(lambda ids: document_mask(ids[None]).tril())


@misconception("E3", diagnosis="not-one-pass")
def one_text_at_a_time():
    def encode_packed(model, seqs):
        return [
            model(s[None], torch.arange(len(s))[None], torch.ones(1, 1, len(s), len(s), dtype=torch.bool))[0]
            for s in seqs
        ]

    return {"encode_packed": encode_packed}
