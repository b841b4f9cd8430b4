"""What a learner sees after a warm-up: drawn with the function just written."""

from typing import Any

import torch

from shared.data import digits
from shared.data.sets import photographs
from shared.plotting import DIVERGING, curve, heatmap, panels, show


def table_of_sizes(a: Any) -> None:
    kernels, strides = (1, 3, 5, 7, 9), (1, 2, 3, 4)
    fig, axes = panels(1, 2, height=2.6)
    for ax, padded in zip(axes, (False, True), strict=True):
        sizes = [
            [a.output_size(32, k, stride=s, padding=k // 2 if padded else 0) for k in kernels]
            for s in strides
        ]
        heatmap(
            ax,
            sizes,
            rows=strides,
            cols=kernels,
            limits=(6, 32),
            title="padding k // 2" if padded else "no padding",
        )
        ax.set(xlabel="kernel k", ylabel="stride")
    show(
        fig,
        caption=(
            "What is left of 32 pixels, by your count. With padding k // 2 the kernel does not matter any "
            "more: only the stride makes a map smaller."
        ),
        alt=(
            "Two tables of output sizes for kernels 1 to 9 and strides 1 to 4; in the right one, with "
            "padding, all columns are equal."
        ),
    )


def edges_in_a_row(a: Any) -> None:
    row = photographs()["china"].mean(0)[150]
    smooth = a.slide(row, torch.full((9,), 1 / 9))
    edges = a.slide(smooth, torch.tensor([-1.0, 0.0, 1.0]))
    fig, axes = panels(2, 1, height=3.6)
    curve(axes[0], range(len(row)), row, colour="sky", label="one row of a photograph", linewidth=1.0)
    curve(axes[0], range(4, 4 + len(smooth)), smooth, colour="blue", label="kernel of nine times 1/9")
    curve(axes[1], range(5, 5 + len(edges)), edges, colour="red", label="then [−1, 0, 1]", linewidth=1.2)
    for ax, height in zip(axes, (0.35, 0.8), strict=True):
        ax.legend(loc="center", bbox_to_anchor=(0.66, height))
    axes[1].set(xlabel="pixel")
    show(
        fig,
        caption=(
            "One function, two kernels: nine equal weights smooth the row, [−1, 0, 1] marks where it gets "
            "brighter (up) or darker (down)."
        ),
        alt=(
            "Above, the brightness along a row of a photograph, jagged and smoothed; below, its differences, "
            "with peaks where it jumps."
        ),
    )


def windows_of_a_digit(a: Any) -> None:
    image = digits().test.inputs[4, 0]
    cut = a.windows(image, 4, 2)
    fig, (left, right) = panels(1, 2, height=3.0)
    left.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    left.set_title("a digit, 8×8")
    mosaic = torch.full((cut.shape[0] * 5 - 1, cut.shape[1] * 5 - 1), torch.nan)
    for i in range(cut.shape[0]):
        for j in range(cut.shape[1]):
            mosaic[i * 5 : i * 5 + 4, j * 5 : j * 5 + 4] = cut[i, j]
    right.imshow(mosaic, cmap="gray_r", vmin=0, vmax=1)
    right.set_title(f"your windows, {tuple(cut.shape)}")
    for ax in (left, right):
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "Nine windows of 4×4 with stride 2. Neighbours overlap by half: 64 pixels are shown as "
            f"{cut.numel()}, and as a view they need no memory of their own."
        ),
        alt="A handwritten digit, and beside it the nine overlapping pieces that its windows cut out.",
    )


def forward_and_backward(a: Any) -> None:
    kernel = torch.tensor([1.0, 2.0, -3.0])
    matrix = a.conv_matrix(kernel, 9)
    fig, (left, right) = panels(1, 2, height=2.9)
    for ax, values, title in ((left, matrix, "M: forward"), (right, matrix.T, "Mᵀ: backward")):
        blank = torch.where(values == 0, torch.nan, values)
        heatmap(ax, blank, cmap=DIVERGING, limits=(-3, 3), title=title, fontsize=8)
        ax.set_facecolor("white")
        ax.set(xticks=[], yticks=[])
    left.set_ylabel("output")
    left.set_xlabel("signal")
    right.set_xlabel("gradient of the output")
    show(
        fig,
        caption=(
            "Left, your matrix: the kernel 1, 2, −3 in every row, moved on by one. Right, its "
            "transpose: read a row in the middle, and the kernel stands there reversed. That is the "
            "backward pass of E2."
        ),
        alt=(
            "A 7 by 9 matrix with the numbers 1, 2, minus 3 along its diagonal, and its transpose, "
            "whose rows hold minus 3, 2, 1."
        ),
    )
    values = (matrix != 0).float().mean().item()
    print(f"Of {matrix.numel()} entries {values:.0%} are not zero, and they are three different numbers.")
