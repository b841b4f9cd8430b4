"""Wrong answers to W1 to W4."""

import math

import torch

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder.solution import angles as right_angles
from phase2_intermediate.lab2_transformer_encoder.solution import pad_batch as right_batch
from phase2_intermediate.lab2_transformer_encoder.solution import rms_norm as right_rms
from phase2_intermediate.lab2_transformer_encoder.solution import rotate as right_rotate


@misconception("W1", diagnosis="clockwise")
def turns_clockwise():
    return {"rotate": lambda x, angle: right_rotate(x, -angle)}


@misconception("W1", diagnosis="uses-the-new-x")
def overwrites_the_first():
    def rotate(x, angle):
        first, second = x[..., 0], x[..., 1]
        first = first * angle.cos() - second * angle.sin()
        second = first * angle.sin() + second * angle.cos()
        return torch.stack((first, second), dim=-1)

    return {"rotate": rotate}


@misconception("W1", diagnosis="degrees")
def takes_degrees():
    return {"rotate": lambda x, angle: right_rotate(x, angle * math.pi / 180)}


@misconception("W1", diagnosis="changes-its-input")
def in_place():
    def rotate(x, angle):
        first = x[..., 0].clone()
        x[..., 0] = first * angle.cos() - x[..., 1] * angle.sin()
        x[..., 1] = first * angle.sin() + x[..., 1] * angle.cos()
        return x

    return {"rotate": rotate}


@misconception("W2", diagnosis="exponent-without-the-two")
def counts_by_one():
    def angles(positions, d, base=10000.0):
        dtype = torch.float64 if positions.dtype == torch.float64 else torch.float32
        return positions.to(dtype)[..., None] * base ** (-torch.arange(d // 2, dtype=dtype) / d)

    return {"angles": angles}


@misconception("W2", diagnosis="base-to-the-plus")
def faster_and_faster():
    def angles(positions, d, base=10000.0):
        dtype = torch.float64 if positions.dtype == torch.float64 else torch.float32
        return positions.to(dtype)[..., None] * base ** (torch.arange(0, d, 2, dtype=dtype) / d)

    return {"angles": angles}


@misconception("W2", diagnosis="base-ignored")
def always_ten_thousand():
    return {"angles": lambda positions, d, base=10000.0: right_angles(positions, d)}


@misconception("W3", diagnosis="divided-by-d-minus-one")
def sample_deviation():
    def layer_norm(x, eps=1e-5):
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt()

    return {"layer_norm": layer_norm}


@misconception("W3", diagnosis="eps-outside-the-root")
def adds_eps_to_the_deviation():
    def layer_norm(x, eps=1e-5):
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, correction=0) + eps)

    return {"layer_norm": layer_norm}


@misconception("W3", diagnosis="norms-exchanged")
def centres_in_both():
    return {"rms_norm": lambda x, eps=1e-5: right_rms(x - x.mean(-1, keepdim=True), eps)}


@misconception("W4", diagnosis="mask-from-the-tokens")
def zero_means_padding():
    def pad_batch(sequences):
        tokens, _ = right_batch(sequences)
        return tokens, tokens != 0

    return {"pad_batch": pad_batch}


@misconception("W4", diagnosis="mask-inverted")
def true_at_padding():
    def pad_batch(sequences):
        tokens, real = right_batch(sequences)
        return tokens, ~real

    return {"pad_batch": pad_batch}


@misconception("W4", diagnosis="padded-on-the-left")
def fills_up_in_front():
    def pad_batch(sequences):
        longest = max(map(len, sequences))
        rows = [torch.cat((s.new_zeros(longest - len(s)), s)) for s in sequences]
        real = [torch.arange(longest) >= longest - len(s) for s in sequences]
        return torch.stack(rows), torch.stack(real)

    return {"pad_batch": pad_batch}
