"""Wrong answers to the warm-ups beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("W1", "move")
def tensors_only(batch, device):
    return batch.to(device)


@wrong.stands_for("W1", "move")
def dicts_only(batch, device):
    if isinstance(batch, dict):
        return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
    return batch.to(device)


@wrong.stands_for("W1", "move")
def tuples_become_lists(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: tuples_become_lists(v, device) for k, v in batch.items()}
    if isinstance(batch, list | tuple):
        return [tuples_become_lists(v, device) for v in batch]
    return batch


@wrong.stands_for("W1", "move")
def forgets_the_rest(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: forgets_the_rest(v, device) for k, v in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(forgets_the_rest(v, device) for v in batch)


@wrong.stands_for("W1", "move")
def picks_its_own_device(batch, device):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: picks_its_own_device(v, device) for k, v in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(picks_its_own_device(v, device) for v in batch)
    return batch


@wrong.stands_for("W1", "move")
def always_meta(batch, device):
    if isinstance(batch, Tensor):
        return batch.to("meta")
    if isinstance(batch, dict):
        return {k: always_meta(v, device) for k, v in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(always_meta(v, device) for v in batch)
    return batch


@wrong.stands_for("W1", "move")
def drops_what_is_no_tensor(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {
            k: drops_what_is_no_tensor(v, device)
            for k, v in batch.items()
            if isinstance(v, Tensor | dict | list | tuple)
        }
    if isinstance(batch, list | tuple):
        return type(batch)(
            drops_what_is_no_tensor(v, device) for v in batch if isinstance(v, Tensor | dict | list | tuple)
        )
    return batch


@wrong.stands_for("W1", "move")
def no_tuples(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {k: no_tuples(v, device) for k, v in batch.items()}
    if isinstance(batch, list):
        return [no_tuples(v, device) for v in batch]
    return batch


@wrong.stands_for("W2", "flushed")
def below_half_the_smallest(x, dtype):
    alive = x[x != 0].abs()
    info = torch.finfo(dtype)
    return (alive < info.smallest_normal * info.eps).sum().item() / max(len(alive), 1)


@wrong.stands_for("W2", "flushed")
def counts_zeros_too(x, dtype):
    return (x.to(dtype) == 0).sum().item() / max((x != 0).sum().item(), 1)


@wrong.stands_for("W2", "flushed")
def share_of_all_that_is_zero(x, dtype):
    return (x.to(dtype) == 0).double().mean().nan_to_num().item()


@wrong.stands_for("W2", "flushed")
def the_survivors(x, dtype):
    alive = x[x != 0]
    return (alive.to(dtype) != 0).double().mean().nan_to_num().item()


@wrong.stands_for("W2", "flushed")
def only_positive(x, dtype):
    alive = x[x > 0]
    return (alive.to(dtype) == 0).sum().item() / max(len(alive), 1)


@wrong.stands_for("W2", "flushed")
def a_tensor(x, dtype):
    alive = x[x != 0]
    return (alive.to(dtype) == 0).double().mean()


@wrong.stands_for("W2", "flushed")
def always_float16(x, dtype):
    alive = x[x != 0]
    return (alive.half() == 0).sum().item() / max(len(alive), 1)


@wrong.stands_for("W2", "flushed")
def looks_before_the_cast(x, dtype):
    x.to(dtype)
    return ((x != 0) & (x == 0)).sum().item() / max((x != 0).sum().item(), 1)


@wrong.stands_for("W2", "flushed")
def in_percent(x, dtype):
    alive = x[x != 0]
    return 100.0 * (alive.to(dtype) == 0).sum().item() / max(len(alive), 1)


@wrong.stands_for("W2", "flushed")
def how_many(x, dtype):
    return float(((x != 0) & (x.to(dtype) == 0)).sum().item())


@wrong.stands_for("W3", "fields")
def sixteen_bit_masks(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, (bits >> 23) & 0xFF, bits & 0xFFFF


@wrong.stands_for("W3", "fields")
def half_precision_layout(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, (bits >> 26) & 0x1F, bits & 0x3FFFFFF


@wrong.stands_for("W3", "fields")
def from_the_value(x):
    mantissa, exponent = torch.frexp(x.abs())
    return (x < 0).int(), exponent - 1 + 127, ((mantissa * 2 - 1) * 2**23).int()


@wrong.stands_for("W3", "fields")
def by_frexp_alone(x):
    mantissa, exponent = torch.frexp(x)
    return torch.sign(x).int(), exponent, mantissa


@wrong.stands_for("W3", "fields")
def exponent_not_masked(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, bits >> 23, bits & 0x7FFFFF


@wrong.stands_for("W3", "fields")
def seven_bits(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, (bits >> 23) & 0x7F, bits & 0x7FFFFF


@wrong.stands_for("W3", "fields")
def with_the_leading_one(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, (bits >> 23) & 0xFF, (bits & 0x7FFFFF) | 0x800000


@wrong.stands_for("W3", "fields")
def fraction(x):
    bits = x.view(torch.int32)
    return (bits >> 31) & 1, (bits >> 23) & 0xFF, (bits & 0x7FFFFF) / 2**23


@wrong.stands_for("W3", "fields")
def from_right_to_left(x):
    bits = x.view(torch.int32)
    return bits & 0x7FFFFF, (bits >> 23) & 0xFF, (bits >> 31) & 1


@wrong.stands_for("W3", "fields")
def shifts_the_float(x):
    return (x >> 31) & 1, (x >> 23) & 0xFF, x & 0x7FFFFF


@wrong.stands_for("W3", "fields")
def plus_is_one(x):
    bits = x.view(torch.int32)
    return (x >= 0).int(), (bits >> 23) & 0xFF, bits & 0x7FFFFF


@wrong.stands_for("W4", "gap")
def eps_everywhere(x, man_bits):
    return torch.full_like(x, 2.0**-man_bits)


@wrong.stands_for("W4", "gap")
def float32_neighbours(x, man_bits):
    return (x.nextafter(torch.full_like(x, torch.inf)) - x).abs()


@wrong.stands_for("W4", "gap")
def no_absolute_value(x, man_bits):
    return torch.exp2(torch.log2(x).floor() - man_bits)


@wrong.stands_for("W4", "gap")
def rounds_the_logarithm(x, man_bits):
    return torch.exp2(torch.log2(x.abs()).round() - man_bits)


@wrong.stands_for("W4", "gap")
def upwards(x, man_bits):
    return torch.exp2(torch.log2(x.abs()).ceil() - 1 - man_bits)


@wrong.stands_for("W4", "gap")
def integer_logarithm(x, man_bits):
    return torch.exp2(torch.log2(x.abs()).int().float() - man_bits)


@wrong.stands_for("W4", "gap")
def adds_the_bits(x, man_bits):
    return torch.exp2(torch.frexp(x)[1].float() - 1 + man_bits)


@wrong.stands_for("W4", "gap")
def in_float64(x, man_bits):
    return torch.exp2((torch.frexp(x)[1] - 1 - man_bits).double())


@wrong.stands_for("W4", "gap")
def ten_bits(x, man_bits):
    return torch.exp2((torch.frexp(x)[1] - 1 - 10).float())


@wrong.stands_for("W4", "gap")
def one_bit_more(x, man_bits):
    return torch.exp2((torch.frexp(x)[1] - 2 - man_bits).float())


@wrong.stands_for("W4", "gap")
def natural_logarithm(x, man_bits):
    return torch.exp2(torch.log(x.abs()).floor() - man_bits)


@wrong.stands_for("W4", "gap")
def decimal_logarithm(x, man_bits):
    return 10 ** torch.log10(x.abs()).floor() * 2.0**-man_bits
