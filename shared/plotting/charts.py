"""Drawing helpers that many labs want: each draws on axes that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.plotting.style import COLOURS, INK, MUTED, SEQUENTIAL, Number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


def heatmap(
    ax: Axes,
    values: ArrayLike,
    *,
    text: Sequence[Sequence[object]] | ArrayLike | None = None,
    fmt: Callable[[Any], str] = lambda value: f"{value:g}",
    cmap: str = SEQUENTIAL,
    limits: tuple[Number, Number] | None = None,
    faded: ArrayLike | None = None,
    rows: Sequence[object] | None = None,
    cols: Sequence[object] | None = None,
    title: str = "",
    fontsize: Number = 9,
) -> Any:
    """A matrix as coloured cells with what `text` says (by default the values) written in them.

    values: [rows, cols], finite or NaN (a NaN cell stays blank). limits fixes the ends of the colour scale,
    so that several heat-maps share one. faded: a mask, True where a cell is drawn pale. rows and cols label
    the axes; without them the indices stand there.
    Returns the image, for a colour bar.
    """
    grid = np.atleast_2d(np.asarray(values, dtype=float))
    if grid.ndim != 2:
        raise ValueError(f"heatmap() expects a matrix, got {grid.ndim} axes: pick two of them")
    low, high = limits if limits is not None else (np.nanmin(grid), np.nanmax(grid))
    image = ax.imshow(grid, cmap=cmap, vmin=low, vmax=high, aspect="equal", interpolation="nearest")
    ax.set_xticks(
        range(grid.shape[1]), [str(c) for c in (cols if cols is not None else range(grid.shape[1]))]
    )
    ax.set_yticks(
        range(grid.shape[0]), [str(r) for r in (rows if rows is not None else range(grid.shape[0]))]
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    pale = np.zeros(grid.shape, dtype=bool) if faded is None else np.asarray(faded, dtype=bool)
    image.set_alpha(np.where(pale, 0.3, 1.0))
    labels = grid if text is None else np.atleast_2d(np.asarray(text))
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            label = fmt(labels[i, j]) if text is None else str(labels[i, j])
            colour = MUTED if pale[i, j] else _readable_on(image.cmap(image.norm(value)))
            ax.text(j, i, label, ha="center", va="center", color=colour, fontsize=fontsize)
    return image


def curve(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    band: tuple[ArrayLike, ArrayLike] | None = None,
    label: str = "",
    colour: str | None = None,
    **line: Any,
) -> str:
    """A line, with a shaded band (low, high) around it where one is given; returns the colour used.

    `line` goes to matplotlib's `plot` (marker, linestyle, …). The grid is on: a curve is read by value.
    """
    (drawn,) = ax.plot(
        np.asarray(x), np.asarray(y), label=label or None, color=COLOURS.get(colour or "", colour), **line
    )
    used = str(drawn.get_color())
    if band is not None:
        low, high = (np.asarray(side) for side in band)
        ax.fill_between(np.asarray(x), low, high, color=used, alpha=0.18, linewidth=0)
    ax.grid(True)
    return used


def bars(
    ax: Axes,
    values: Mapping[str, Number],
    *,
    fmt: Callable[[float], str] = lambda value: f"{value:g}",
    highlight: Sequence[str] = (),
    title: str = "",
    xlabel: str = "",
) -> None:
    """Horizontal bars in the order given, first on top, each with its value written at its end.

    highlight names the bars that the text speaks of: they are drawn in the second colour.
    """
    unknown = [name for name in highlight if name not in values]
    if unknown:
        raise ValueError(f"bars() was asked to highlight {unknown[0]!r}, which is not among {list(values)}")
    colours = [COLOURS["red"] if name in highlight else COLOURS["blue"] for name in values]
    drawn = ax.barh(list(values), list(values.values()), color=colours, height=0.62)
    ax.bar_label(drawn, labels=[fmt(value) for value in values.values()], padding=4, fontsize=9, color=INK)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.tick_params(axis="y", length=0)
    ax.set_title(title)
    ax.set_xlabel(xlabel)


def _readable_on(rgba: Sequence[float] | NDArray[Any]) -> str:
    """Black or white, whichever stands out on the colour (WCAG relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#FFFFFF" if luminance < 0.18 else INK
