"""The one look of all figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Number = float | int  # spelled out, since a run-time type checker takes no int for a float

# Okabe and Ito's palette: eight colours that stay apart for every common form of colour blindness.
# https://jfly.uni-koeln.de/color/
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}
SEQUENTIAL = "viridis"  # small to large; even in lightness, so it survives a grey print
DIVERGING = "RdBu_r"  # around zero; its ends differ in hue for colour-blind readers too

CARD = "#FBFAF7"  # an opaque light card: the figure reads the same on a light and on a dark page
INK = "#23272E"
MUTED = "#6B7280"
WIDTH = 7.2  # inches; with the font sizes below it fills a notebook's text column


def use_style() -> None:
    """Give every figure made from now on the course's look.

    It takes hold when a figure is created: call it once, before the first one.
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.2),
            "figure.dpi": 100,
            "figure.facecolor": CARD,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.1,
            "figure.constrained_layout.h_pad": 0.08,
            "savefig.facecolor": CARD,
            "axes.facecolor": CARD,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=list(COLOURS.values())),
            "grid.color": "#DDDCD6",
            "grid.linewidth": 0.7,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 2.0,
            "lines.markersize": 5.0,
            "text.color": INK,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same figure on every machine
            "font.size": 10,
        }
    )


def panels(
    rows: int = 1,
    cols: int = 1,
    *,
    width: Number = WIDTH,
    height: Number = 3.2,
    widths: Sequence[Number] | None = None,
) -> tuple[Figure, Any]:
    """A styled figure with its axes, as `plt.subplots` returns them; sizes in inches.

    widths: the columns' shares of the width, equal by default. The figure is not registered with
    pyplot, so nothing draws it twice and nothing leaks.
    """
    use_style()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, cols, width_ratios=widths)
