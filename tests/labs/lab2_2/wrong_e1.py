"""Wrong answers to E1 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn

from phase2_intermediate.lab2_transformer_encoder import solution as s
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e1_positions import parts, turned
from phase2_intermediate.lab2_transformer_encoder.solution import LearnedPositions as Sound
from shared.nn import Rotary, SinusoidalPositions
from tests.labs.answers import Answers

wrong = Answers()


def case(name, **objects):
    def build():
        return objects

    build.__name__ = name
    wrong("E1")(build)


def waves(change):
    def sinusoidal(T, d, base=10000.0):
        return change(s.sinusoidal(T, d, base), T, d, base)

    return sinusoidal


case("sinusoids_from_position_one", sinusoidal=lambda T, d, base=10000.0: s.sinusoidal(T + 1, d, base)[1:])
case("sinusoids_in_float64", sinusoidal=waves(lambda w, *_: w.double()))
case("sinusoids_with_a_batch_axis", sinusoidal=waves(lambda w, *_: w[None]))
case("sinusoids_transposed", sinusoidal=waves(lambda w, *_: w.T))
case("sinusoids_base_ignored", sinusoidal=lambda T, d, base=10000.0: s.sinusoidal(T, d))
case(
    "one_speed_for_each_number",
    sinusoidal=lambda T, d, base=10000.0: (
        s.sinusoidal(T, d, base) * 0
        + torch.stack(
            [(torch.sin if k % 2 == 0 else torch.cos)(torch.arange(T) * base ** (-k / d)) for k in range(d)],
            1,
        )
    ),
)
case("two_i_twice", sinusoidal=lambda T, d, base=10000.0: s.sinusoidal(T, d, base**2))
case("sinusoids_all_sine", sinusoidal=waves(lambda w, *_: w[:, 0::2].repeat_interleave(2, 1)))
case("sinusoids_in_half", sinusoidal=waves(lambda w, *_: w.half().float()))
case("odd_width_is_fine", sinusoidal=lambda T, d, base=10000.0: s.sinusoidal(T, d + d % 2, base)[:, :d])
case(
    "odd_width_asserted",
    rope=lambda x, positions, base=10000.0: (
        s.rope(x, positions, base) if x.shape[-1] % 2 == 0 else (_ for _ in ()).throw(AssertionError("even"))
    ),
)


def turn(change):
    """rope by (first, second, angle) → the two new numbers of each pair."""

    def rope(x, positions, base=10000.0):
        wide, angle = parts(x, positions, base)
        return torch.stack(change(wide[..., 0::2], wide[..., 1::2], angle), -1).flatten(-2).to(x.dtype)

    return rope


case("clockwise", rope=turn(lambda u, v, a: turned(u, v, -a)))
case("swapped_functions", rope=turn(lambda u, v, a: (u * a.sin() - v * a.cos(), u * a.cos() + v * a.sin())))
case("no_minus", rope=turn(lambda u, v, a: (u * a.cos() + v * a.sin(), u * a.sin() + v * a.cos())))
case(
    "reuses_the_new_first",
    rope=turn(
        lambda u, v, a: (u * a.cos() - v * a.sin(), (u * a.cos() - v * a.sin()) * a.sin() + v * a.cos())
    ),
)
case("multiplied", rope=turn(lambda u, v, a: (u * a.sin(), v * a.cos())))
case("first_pair_only", rope=turn(lambda u, v, a: turned(u, v, a * (torch.arange(a.shape[-1]) == 0))))
case("all_pairs_alike", rope=turn(lambda u, v, a: turned(u, v, a[..., :1].expand_as(a))))
case("exponent_i_over_d", rope=lambda x, positions, base=10000.0: s.rope(x, positions, base**0.5))
case("base_ignored", rope=lambda x, positions, base=10000.0: s.rope(x, positions))
case("default_base_500", rope=lambda x, positions, base=500.0: s.rope(x, positions, base))
case("positions_from_one", rope=lambda x, positions, base=10000.0: s.rope(x, positions + 1, base))
case("positions_as_integers", rope=lambda x, positions, base=10000.0: s.rope(x, positions.long(), base))
case("positions_absolute", rope=lambda x, positions, base=10000.0: s.rope(x, positions.abs(), base))
case(
    "positions_clamped",
    rope=lambda x, positions, base=10000.0: s.rope(x, positions.clamp(min=0, max=2048), base),
)
case(
    "starts_at_the_first",
    rope=lambda x, positions, base=10000.0: s.rope(x, positions[..., :1] + torch.arange(x.shape[-2]), base),
)
case(
    "relative_to_the_first",
    rope=lambda x, positions, base=10000.0: s.rope(x, positions - positions[..., :1], base),
)
case("in_half", rope=lambda x, positions, base=10000.0: s.rope(x.bfloat16(), positions, base).to(x.dtype))
case("stays_in_float32", rope=lambda x, positions, base=10000.0: s.rope(x.float(), positions, base))
case("detached", rope=lambda x, positions, base=10000.0: s.rope(x.detach(), positions, base))
case("in_place", rope=lambda x, positions, base=10000.0: x.copy_(s.rope(x, positions, base)))
case(
    "one_row_of_positions",
    rope=lambda x, positions, base=10000.0: s.rope(x, positions.reshape(-1)[: x.shape[-2]], base),
)
case(
    "normed",
    rope=lambda x, positions, base=10000.0: nn.functional.normalize(s.rope(x, positions, base), dim=-1),
)
case("values_too", rope=lambda x, positions, base=10000.0: s.rope(x, 2 * positions, base))
case(
    "returns_the_angles_too", rope=lambda x, positions, base=10000.0: (s.rope(x, positions, base), positions)
)
case(
    "products_in_half",
    rope=lambda x, positions, base=10000.0: (
        s.rope(x, positions, base)
        if x.dtype.itemsize > 2
        else torch.stack(
            turned(x[..., 0::2], x[..., 1::2], parts(x, positions, base)[1].to(x.dtype)), -1
        ).flatten(-2)
    ),
)


@wrong("E1")
def the_librarys_sinusoids():
    return {"sinusoidal": lambda T, d, base=10000.0: SinusoidalPositions(d, base)(torch.zeros(1, T, d))[0]}


@wrong("E1")
def the_librarys_rotation():
    def rope(x, positions, base=10000.0):
        return Rotary(x.shape[-1], base)(x, int(positions[0]) if positions.numel() else 0)

    return {"rope": rope}


def table(name, **methods):
    def build():
        return {"LearnedPositions": type("LearnedPositions", (Sound,), methods)}

    build.__name__ = name
    wrong("E1")(build)


def start(change):
    def __init__(self, max_len, d):
        nn.Module.__init__(self)
        self.table = change(max_len, d)

    return __init__


table("table_of_zeros", __init__=start(lambda n, d: nn.Parameter(torch.zeros(n, d))))
table("table_with_deviation_one", __init__=start(lambda n, d: nn.Parameter(torch.randn(n, d))))
table(
    "table_transposed",
    __init__=start(lambda n, d: nn.Parameter(0.02 * torch.randn(d, n))),
    forward=lambda self, x, offset=0: x + self.table.T[offset : offset + x.shape[1]],
)
table(
    "table_frozen", __init__=start(lambda n, d: nn.Parameter(0.02 * torch.randn(n, d), requires_grad=False))
)
table("table_one_row_too_many", __init__=start(lambda n, d: nn.Parameter(0.02 * torch.randn(n + 1, d))))
table("uniform_table", __init__=start(lambda n, d: nn.Parameter(0.02 * torch.rand(n, d))))
table("returns_the_table_alone", forward=lambda self, x, offset=0: Sound.forward(self, x, offset) - x)
table(
    "offset_by_one",
    forward=lambda self, x, offset=0: (
        Sound.forward(self, x, offset + 1)
        if (offset + 1 + x.shape[1] <= len(self.table))
        else Sound.forward(self, x, offset)
    ),
)
table(
    "clips_silently",
    forward=lambda self, x, offset=0: (
        x + self.table[torch.arange(offset, offset + x.shape[1]).clamp(0, len(self.table) - 1)].to(x.dtype)
    ),
)
table(
    "negative_offsets_count_from_the_end",
    forward=lambda self, x, offset=0: Sound.forward(self, x, offset % len(self.table)),
)
table(
    "an_index_error",
    forward=lambda self, x, offset=0: (
        x + torch.stack([self.table[offset + i] for i in range(x.shape[1])]).to(x.dtype)
    ),
)
table(
    "limit_off_by_one",
    forward=lambda self, x, offset=0: (
        Sound.forward(self, x, offset)
        if (offset + x.shape[1] < len(self.table))
        else (_ for _ in ()).throw(ValueError("too long"))
    ),
)
table("float32_out", forward=lambda self, x, offset=0: Sound.forward(self, x, offset).float())
table(
    "table_detached",
    forward=lambda self, x, offset=0: Sound.forward(self, x, offset).detach() + (x - x.detach()),
)
table(
    "the_first_length_only",
    forward=lambda self, x, offset=0: (
        Sound.forward(self, x, offset) + 0 * x if (x.shape[1] > 1) else x + self.table[0].to(x.dtype)
    ),
)


def evenly_drawn(self, max_len, d):
    Sound.__init__(self, max_len, d)
    with torch.no_grad():
        self.table.uniform_(-0.02 * 3**0.5, 0.02 * 3**0.5)


def writes_into_x(self, x, offset=0):
    x += self.table[offset : offset + x.shape[1]].to(x.dtype)
    return x


table("a_uniform_table", __init__=evenly_drawn)
table("adds_in_place", forward=writes_into_x)


@wrong("E1")
def waves_kept_for_any_base():
    kept = {}

    def sinusoidal(T, d, base=10000.0):
        if d not in kept or len(kept[d]) < T:
            kept[d] = s.sinusoidal(T, d, base)
        return kept[d][:T]

    return {"sinusoidal": sinusoidal}


@wrong("E1")
def large_positions_in_half():
    def sinusoidal(T, d, base=10000.0):
        if d % 2:
            raise ValueError(d)
        angle = s.angles(torch.arange(T).half().float(), d, base)
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)

    return {"sinusoidal": sinusoidal}


@wrong("E1")
def one_axis_for_heads_always():
    def rope(x, positions, base=10000.0):
        return s.rope(x, positions[:, None] if positions.dim() == 2 else positions, base)

    return {"rope": rope}


@wrong("E1")
def offset_remembered():
    class LearnedPositions(Sound):
        last = 0

        def forward(self, x, offset=0):
            self.last = offset or self.last
            return super().forward(x, self.last)

    return {"LearnedPositions": LearnedPositions}


@wrong("E1")
def the_same_table_each_time():
    class LearnedPositions(Sound):
        def __init__(self, max_len, d):
            torch.manual_seed(0)
            super().__init__(max_len, d)

    return {"LearnedPositions": LearnedPositions}


@wrong("E1")
def norms_its_table():
    class LearnedPositions(Sound):
        def forward(self, x, offset=0):
            with torch.no_grad():
                self.table /= self.table.norm()
            return super().forward(x, offset)

    return {"LearnedPositions": LearnedPositions}
