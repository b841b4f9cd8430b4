"""Put a figure under a notebook cell, with its caption and its description in words."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 144  # drawn finer than it is displayed, so that it stays sharp on a dense screen
DISPLAYED_PER_INCH = 100
SHADES = 96  # colours kept in the file; a chart needs no more, and the notebook stays small


def show(fig: Figure, *, caption: str, alt: str) -> None:
    """Display `fig` as a picture with its caption right under it, then close it.

    caption: one or two sentences (Markdown) that say what to look for.
    alt: the figure in words, for a reader who cannot see it.
    Both are asked for: an empty one raises ValueError. Outside IPython the figure is only closed, so a
    lab can run as a plain program.
    """
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(
                f"show() expects a {name} of at least one word, got {text!r}: say what the figure shows"
            )
    try:
        if _inside_ipython():
            _display(fig, " ".join(caption.split()), " ".join(alt.split()))
    finally:
        _close(fig)


def png_bytes(fig: Figure) -> bytes:
    """The figure as a PNG file of few colours: about a third of the size that matplotlib writes."""
    from PIL import Image

    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=PIXELS_PER_INCH)
    picture = Image.open(raw).convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)
    small = io.BytesIO()
    picture.save(small, format="PNG", optimize=True)
    return small.getvalue()


def _inside_ipython() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def _display(fig: Figure, caption: str, alt: str) -> None:
    from IPython.display import display

    width = round(fig.get_figwidth() * DISPLAYED_PER_INCH)
    send: Callable[..., None] = display  # IPython's own signature is untyped
    send(
        {"image/png": base64.b64encode(png_bytes(fig)).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt, "width": width}},
        raw=True,
    )
    text = caption if "*" in caption else f"*{caption}*"
    send({"text/markdown": text, "text/plain": text}, raw=True)


def _close(fig: Figure) -> None:
    """Forget the figure, so that the notebook's own backend does not draw it a second time."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)
