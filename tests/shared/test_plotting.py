"""One style of figures: described in words, small, readable by everybody."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

import shared.plotting as plotting
from shared.plotting import COLOURS, Node, bars, curve, draw_graph, heatmap, panels, show
from shared.plotting.charts import _readable_on
from shared.plotting.display import png_bytes
from shared.plotting.graph import layered


def a_busy_figure() -> Any:
    figure, axes = panels(1, 2)
    rng = np.random.default_rng(0)
    heatmap(axes[0], rng.normal(size=(12, 12)), fmt=lambda v: f"{v:.1f}")
    for name in COLOURS:
        curve(axes[1], range(200), rng.normal(size=200).cumsum(), label=name, colour=name)
    axes[1].legend()
    return figure


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What `show` sends to the notebook, with IPython taken to be present."""
    import IPython.display

    sent: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(plotting.display, "_inside_ipython", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda *args, **kwargs: sent.append((args[0], kwargs)))
    return sent


def test_importing_the_package_loads_neither_torch_nor_matplotlib() -> None:
    heavy = ("torch", "matplotlib", "IPython")
    program = f"import sys, shared.plotting; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_figure_is_shown_with_its_description_and_its_caption_under_it(
    shown: list[tuple[Any, dict[str, Any]]],
) -> None:
    show(a_busy_figure(), caption="Look at the\n  left half.", alt="a heat-map beside eight curves")
    (picture, how), (caption, _) = shown
    assert how["metadata"]["image/png"]["alt"] == "a heat-map beside eight curves"
    assert picture["text/plain"] == "a heat-map beside eight curves"
    assert Image.open(io.BytesIO(base64.b64decode(picture["image/png"]))).format == "PNG"
    assert caption["text/markdown"] == "*Look at the left half.*"


def test_a_caption_with_markup_of_its_own_is_left_as_it_is(shown: list[tuple[Any, dict[str, Any]]]) -> None:
    show(panels()[0], caption="Read the **red** line.", alt="two lines")
    assert shown[1][0]["text/markdown"] == "Read the **red** line."


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_a_figure_without_words_is_refused(missing: str) -> None:
    words = {"caption": "look here", "alt": "a line"} | {missing: "  "}
    with pytest.raises(ValueError, match=f"expects a {missing}"):
        show(panels()[0], **words)


def test_outside_a_notebook_a_figure_is_only_closed(capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots()
    show(figure, caption="nothing to see", alt="empty axes")
    assert not plt.fignum_exists(figure.number)
    assert capsys.readouterr() == ("", "")


def test_a_busy_figure_stays_under_sixty_kilobytes_and_on_an_opaque_light_card() -> None:
    data = png_bytes(a_busy_figure())
    assert len(data) < 60_000
    corner = Image.open(io.BytesIO(data)).convert("RGBA").getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert min(corner[:3]) > 240
    assert corner[3] == 255


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert png_bytes(a_busy_figure()) == png_bytes(a_busy_figure())


def test_a_heatmap_writes_each_value_in_its_cell_and_leaves_nan_blank() -> None:
    _, ax = panels()
    heatmap(ax, [[1.0, 2.5], [float("nan"), -3.0]])
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {
        ((0, 0), "1"),
        ((1, 0), "2.5"),
        ((1, 1), "-3"),
    }


def test_a_heatmap_can_say_something_else_than_its_colour() -> None:
    _, ax = panels()
    heatmap(ax, [[0, 1]], text=[["a", "b"]], rows=["r"], cols=["x", "y"])
    assert [t.get_text() for t in ax.texts] == ["a", "b"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y"]


def test_a_heatmap_of_a_cube_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="expects a matrix, got 3 axes"):
        heatmap(panels()[1], np.zeros((2, 2, 2)))


def test_faded_cells_are_paler_than_the_others() -> None:
    _, ax = panels()
    image = heatmap(ax, [[1.0, 2.0]], faded=[[False, True]])
    assert image.get_alpha().tolist() == [[1.0, 0.3]]


def test_columns_can_share_the_width_unequally() -> None:
    fig, (wide, narrow) = panels(1, 2, widths=[3, 1])
    fig.draw_without_rendering()
    assert wide.get_position().width > 2 * narrow.get_position().width


def test_text_on_dark_cells_is_white_and_on_light_cells_dark() -> None:
    assert _readable_on((0.0, 0.0, 0.2, 1.0)) == "#FFFFFF"
    assert _readable_on((1.0, 0.9, 0.3, 1.0)) != "#FFFFFF"


def test_a_band_spans_from_its_low_to_its_high_side() -> None:
    _, ax = panels()
    used = curve(ax, [0, 1, 2], [1, 2, 3], band=([0, 1, 2], [2, 3, 5]), colour="green")
    corners = ax.collections[0].get_paths()[0].vertices
    assert used == COLOURS["green"]
    assert (corners[:, 1].min(), corners[:, 1].max()) == (0, 5)


def test_bars_keep_the_order_given_and_carry_their_values() -> None:
    _, ax = panels()
    bars(ax, {"naive": 8.0, "fused": 1.0}, fmt=lambda v: f"{v:.0f} MB", highlight=["fused"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["naive", "fused"]
    assert [t.get_text() for t in ax.texts] == ["8 MB", "1 MB"]
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()


def test_highlighting_a_bar_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'fsed', which is not among"):
        bars(panels()[1], {"fused": 1.0}, highlight=["fsed"])


def test_a_graph_is_laid_out_left_to_right_along_every_edge() -> None:
    edges = [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("a", "d")]
    where = layered(["d", "c", "b", "a"], edges)
    assert all(where[source][0] < where[target][0] for source, target in edges)
    assert len(set(where.values())) == 4


def test_a_graph_shows_labels_values_and_gradients() -> None:
    _, ax = panels()
    draw_graph(
        ax, {"x": Node("x", "3", "6", "input"), "y": Node("x²", "9", "1", "output")}, [("x", "y", "2x")]
    )
    assert {"x", "x²", "3", "9", "6", "1", "2x"} <= {t.get_text() for t in ax.texts}


def test_only_an_arrow_over_a_column_bends() -> None:
    _, ax = panels()
    nodes = {name: Node(name) for name in "abc"}
    draw_graph(ax, nodes, [("a", "b"), ("b", "c"), ("a", "c")])
    bends = [t.arrow_patch.get_connectionstyle().rad for t in ax.texts if getattr(t, "arrow_patch", None)]
    assert bends[:2] == [0.0, 0.0]
    assert bends[2] != 0.0


@pytest.mark.parametrize(
    ("edges", "message"),
    [([("x", "z")], "'z', which is not among"), ([("x", "y"), ("y", "x")], "without cycles")],
)
def test_a_graph_with_an_unknown_end_or_a_cycle_is_refused(
    edges: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw_graph(panels()[1], {"x": Node("x"), "y": Node("y")}, edges)


def test_everything_named_is_there() -> None:
    assert all(hasattr(plotting, name) for name in plotting.__all__)
