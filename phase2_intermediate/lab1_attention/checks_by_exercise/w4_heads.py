"""W4: cut into heads, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.edges import layouts
from courseware.check.naming import family, name_it
from phase2_intermediate.lab1_attention.checks_by_exercise import pictures_warmups as pictures

w4 = Exercise(
    "W4",
    takes={"split_heads": Tensor, "merge_heads": Tensor},
    forbids=forbid("rearrange", why="do it with `reshape` and `transpose` once, to know what it does"),
    hints=(
        "Only the last axis is cut. Cut it first, where its pieces lie side by side, and move the new axis "
        "afterwards.",
        "[B, T, D] → [B, T, H, D_h] by `reshape`, → [B, H, T, D_h] by a transposition. Merging is the "
        "reverse.",
        "`x.reshape(B, T, n_heads, D // n_heads).transpose(1, 2)`, and back: "
        "`x.transpose(1, 2).reshape(B, T, H * D_h)`",
    ),
)


def split(x: Tensor, n_heads: int) -> Tensor:
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


@w4.probe("the-cuts")
def wrong_cuts(a: Any, t: Trial) -> str | None:
    x = torch.arange(24.0).reshape(1, 4, 6)
    name_it(
        t,
        a.split_heads(x, 2),
        split(x, 2),
        [
            (
                "cuts-the-time",
                x.reshape(1, 2, 4, 3),
                "your heads mix time and channels: head 0 got position 0 whole, then position 1. Reshape to "
                "[B, T, H, D_h] first, then transpose(1, 2)",
            ),
            (
                "not-transposed",
                x.reshape(1, 4, 2, 3),
                "the result is [B, T, H, D_h]; the heads come before the positions: transpose(1, 2)",
            ),
            (
                "head-has-every-second-number",
                x.reshape(1, 4, 3, 2).permute(0, 3, 1, 2),
                "head 0 got the numbers 0, 2, 4 of a position; it gets neighbours: 0, 1, 2",
            ),
            (
                "axes-exchanged",
                x.reshape(1, 4, 2, 3).permute(2, 0, 1, 3),
                "the result is [H, B, T, D_h]: the batch comes first, [B, H, T, D_h]",
            ),
            (
                "axes-exchanged",
                x.reshape(1, 4, 2, 3).permute(0, 2, 3, 1),
                "the result is [B, H, D_h, T]; [B, H, T, D_h] is asked for",
            ),
            (
                "sizes-exchanged",
                x.reshape(1, 4, 3, 2).transpose(1, 2),
                "the result has D_h heads of width H: the sizes are exchanged",
            ),
        ],
    )
    return None


@w4.probe("the-way-back")
def wrong_way_back(a: Any, t: Trial) -> str | None:
    heads = torch.arange(24.0).reshape(1, 2, 4, 3)
    name_it(
        t,
        a.merge_heads(heads),
        torch.cat(heads.unbind(1), dim=-1),
        [
            (
                "merges-without-transposing",
                heads.reshape(1, 4, 6),
                "merge_heads reshapes without a transposition first: neighbours in time land in one position",
            ),
            (
                "merges-interleaved",
                heads.permute(0, 2, 3, 1).reshape(1, 4, 6),
                "the numbers of the heads are interleaved; those of head 0 come first, then those of head 1",
            ),
            ("averages-the-heads", heads.mean(1), "the heads are put side by side, not averaged"),
        ],
    )
    return None


@w4.property("cut and put together")
def cut_and_together(a: Any, t: Trial) -> None:
    for b, time, heads, width in (
        (1, 1, 1, 1),
        (1, 3, 2, 2),
        (2, 4, 2, 3),
        (3, 2, 3, 2),
        (2, 3, 1, 4),
        (0, 3, 2, 2),
    ):
        for layout, x in layouts(t, b, time, heads * width):
            with family("split-in-every-layout", f"x {layout}, shape {tuple(x.shape)}, {heads} heads"):
                t.equal(a.split_heads(x, heads), split(x, heads))
        for layout, y in layouts(t, b, heads, time, width):
            with family("merge-in-every-layout", f"heads {layout}, shape {tuple(y.shape)}"):
                t.equal(a.merge_heads(y), torch.cat(y.unbind(1), dim=-1))
    with family("merge-in-every-layout", "merge_heads(split_heads(x))"):
        x = t.randn(2, 5, 6, dtype=torch.float32)
        t.equal(a.merge_heads(a.split_heads(x, 3)), x)


w4.reward(pictures.heads_as_colours)
