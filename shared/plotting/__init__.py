"""Figures with one style: drawn small, explained in words, readable by everybody.

Matplotlib is imported when the first figure is made, so importing this package costs nothing.
"""

from shared.plotting.charts import bars, curve, heatmap
from shared.plotting.display import show
from shared.plotting.graph import Node, draw_graph
from shared.plotting.style import COLOURS, DIVERGING, SEQUENTIAL, panels, use_style

__all__ = [
    "COLOURS",
    "DIVERGING",
    "SEQUENTIAL",
    "Node",
    "bars",
    "curve",
    "draw_graph",
    "heatmap",
    "panels",
    "show",
    "use_style",
]
