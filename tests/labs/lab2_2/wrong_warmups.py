"""Wrong answers to W1 to W4 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from phase2_intermediate.lab2_transformer_encoder import solution as s
from tests.labs.answers import Answers

wrong = Answers()


def case(key, name, **objects):
    def build():
        return objects

    build.__name__ = name
    wrong(key)(build)


def swapped(x, angle):
    c, n = angle.cos(), angle.sin()
    return torch.stack((x[..., 0] * n - x[..., 1] * c, x[..., 0] * c + x[..., 1] * n), -1)


case("W1", "sine_for_cosine", rotate=swapped)
case(
    "W1",
    "no_minus",
    rotate=lambda x, a: torch.stack(
        (x[..., 0] * a.cos() + x[..., 1] * a.sin(), x[..., 0] * a.sin() + x[..., 1] * a.cos()), -1
    ),
)
case("W1", "stacks_in_front", rotate=lambda x, a: s.rotate(x, a).movedim(-1, 0))
case("W1", "half_the_angle_twice_wrongly", rotate=lambda x, a: s.rotate(s.rotate(x, a), a))
case("W1", "detached", rotate=lambda x, a: s.rotate(x.detach(), a))
case("W1", "float64_out", rotate=lambda x, a: s.rotate(x.double(), a))
case("W1", "returns_a_pair", rotate=lambda x, a: tuple(s.rotate(x, a).unbind(-1)))
case("W1", "exchanges_the_two", rotate=lambda x, a: s.rotate(x, a).flip(-1))
case("W2", "half_of_d", angles=lambda p, d, base=10000.0: s.angles(p, d // 2, base).repeat_interleave(2, -1))
case(
    "W2",
    "ends_at_one_over_base",
    angles=lambda p, d, base=10000.0: (
        p[..., None] * base ** -torch.linspace(0, 1, d // 2, dtype=torch.float64)
    ),
)
case(
    "W2", "counts_itself", angles=lambda p, d, base=10000.0: s.angles(torch.arange(p.numel()).to(p), d, base)
)
case("W2", "hands_in_front", angles=lambda p, d, base=10000.0: s.angles(p, d, base).movedim(-1, 0))
case("W2", "positions_from_one", angles=lambda p, d, base=10000.0: s.angles(p + 1, d, base))
case(
    "W2", "in_the_dtype_of_the_positions", angles=lambda p, d, base=10000.0: s.angles(p, d, base).to(p.dtype)
)
case("W2", "full_turns", angles=lambda p, d, base=10000.0: 2 * math.pi * s.angles(p, d, base))
case("W2", "natural_base", angles=lambda p, d, base=10000.0: s.angles(p, d, math.e))
case(
    "W3",
    "along_the_first_axis",
    layer_norm=lambda x, eps=1e-5: s.layer_norm(x.movedim(0, -1), eps).movedim(-1, 0),
)
case("W3", "no_eps", rms_norm=lambda x, eps=1e-5: x / x.square().mean(-1, keepdim=True).sqrt())
case("W3", "sum_of_squares", rms_norm=lambda x, eps=1e-5: x / (x.square().sum(-1, keepdim=True) + eps).sqrt())
case("W3", "other_default", layer_norm=lambda x, eps=1e-6: s.layer_norm(x, eps))
case("W3", "rms_for_both", layer_norm=s.rms_norm)
case(
    "W3",
    "variance_not_deviation",
    layer_norm=lambda x, eps=1e-5: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + eps)
    ),
)
case(
    "W3",
    "torchs_own",
    layer_norm=lambda x, eps=1e-5: torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps),
)
case(
    "W3",
    "not_centred",
    layer_norm=lambda x, eps=1e-5: x / (x.var(-1, keepdim=True, correction=0) + eps).sqrt(),
)


def batch(change):
    return lambda sequences: change(*s.pad_batch(sequences))


case("W4", "filled_with_minus_one", pad_batch=batch(lambda x, m: (x.masked_fill(~m, -1), m)))
case("W4", "time_first", pad_batch=batch(lambda x, m: (x.T, m.T)))
case("W4", "mask_as_numbers", pad_batch=batch(lambda x, m: (x, m.long())))
case("W4", "lengths_for_the_mask", pad_batch=batch(lambda x, m: (x, m.sum(1))))
case("W4", "mask_first", pad_batch=batch(lambda x, m: (m, x)))
case("W4", "only_tokens", pad_batch=batch(lambda x, m: x))
case("W4", "as_floats", pad_batch=batch(lambda x, m: (x.float(), m)))
case(
    "W4",
    "one_place_more",
    pad_batch=batch(
        lambda x, m: (torch.cat((x, x.new_zeros(len(x), 1)), 1), torch.cat((m, m.new_zeros(len(m), 1)), 1))
    ),
)
case("W4", "skips_empty_texts", pad_batch=lambda seqs: s.pad_batch([q for q in seqs if len(q)] or seqs))


@wrong("W4")
def sorts_the_callers_list():
    def pad_batch(sequences):
        sequences.sort(key=len)
        return s.pad_batch(sequences)

    return {"pad_batch": pad_batch}


case("W1", "in_float32", rotate=lambda x, a: s.rotate(x.float(), a.float()).to(x.dtype))
case("W2", "positions_cut_to_whole", angles=lambda p, d, base=1e4: s.angles(p.trunc(), d, base))
case("W2", "in_degrees", angles=lambda p, d, base=1e4: s.angles(p, d, base).rad2deg())
case("W2", "cut_to_one_turn", angles=lambda p, d, base=1e4: s.angles(p, d, base) % (2 * math.pi))
case("W3", "length_plus_eps", rms_norm=lambda x, eps=1e-5: x / (x.norm(dim=-1, keepdim=True) + eps))
