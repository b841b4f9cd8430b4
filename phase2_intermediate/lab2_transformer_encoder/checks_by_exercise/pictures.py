"""What a learner sees after E1 to E4: drawn and counted with the learner's own code."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.ticker import LogLocator, NullLocator

from shared.data.names import names
from shared.nn import Rotary, SinusoidalPositions, TransformerLayer
from shared.plotting import bars, curve, panels, show


def waves_and_scores(a: Any) -> None:
    table = a.sinusoidal(60, 32)
    assert torch.allclose(table, SinusoidalPositions(32)(torch.zeros(1, 60, 32))[0], atol=1e-4)
    x = torch.randn(3, 60, 32)
    assert torch.allclose(a.rope(x, torch.arange(60)), Rotary(32)(x), atol=1e-4)
    fig, axes = panels(1, 2, height=2.8)
    axes[0].imshow(table, cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axes[0].set(title="your sinusoids", xlabel="number", ylabel="position")
    distance = torch.arange(0, 101)
    for width, colour in ((16, "blue"), (64, "orange")):
        q = torch.ones(1, width)
        turned = a.rope(q.expand(101, width), distance)
        curve(
            axes[1], distance.tolist(), (turned @ q[0] / width).tolist(), label=f"d = {width}", colour=colour
        )
    axes[1].set(title="your rope", xlabel="distance m − n", ylabel="⟨q, k⟩ / d")
    axes[1].legend()
    show(
        fig,
        caption="Left: every row is a position, fast waves on the left, slow ones on the right. Right: the "
        "score of two "
        "equal vectors falls with their distance, wherever they stand. The library's versions give the same "
        "numbers.",
        alt="A heat map of waves that become slower from left to right, and two curves that fall from 1 "
        "with the distance "
        "and then ripple around lower values.",
    )


def stream_by_layer(a: Any) -> None:
    torch.manual_seed(0)
    layer = a.EncoderLayer(32, 4, 64).eval()
    library = TransformerLayer(32, 4, 64).eval()
    names_of = {"attention": "attention", "norm1": "attention_branch.norm", "norm2":
     "feedforward_branch.norm",
                "up": "feedforward.up", "down": "feedforward.down"}  # fmt: skip
    for mine, theirs in names_of.items():
        library.get_submodule(theirs).load_state_dict(layer.get_submodule(mine).state_dict())
    x = torch.randn(8, 12, 32)
    assert torch.allclose(library(x), layer(x), atol=1e-5)
    fig, ax = panels(height=2.6)
    for norm, colour in (("pre", "blue"), ("post", "orange")):
        h, sizes = x, [1.0]
        with torch.no_grad():
            for _ in range(24):
                h = a.EncoderLayer(32, 4, 128, norm=norm).eval()(h)
                sizes.append(float(h.norm() / x.norm()))
        curve(ax, range(25), sizes, label=f"{norm}-norm", colour=colour, marker=".")
    ax.set(xlabel="layer", ylabel="size of the stream", ylim=(0, None))
    ax.legend()
    show(
        fig,
        caption="24 of your layers, fresh from the constructor. The pre-norm stream only ever gets "
        "something added; "
        "post-norm brings it back to one size in each layer. With equal weights the library's layer gives "
        "the same.",
        alt="Two lines over 24 layers: pre-norm rises slowly, post-norm is flat at 1.",
    )


def padded_and_packed(a: Any) -> None:
    found = names().test[:512]
    texts = [torch.tensor([ord(c) for c in name.text]) for name in found]
    flat, _, ids = a.pack(texts)
    lengths = torch.tensor([len(text) for text in texts])
    by_length = lengths.sort().values
    shuffled = sum(64 * int(part.max()) for part in lengths.split(64))
    bucketed = sum(64 * int(part.max()) for part in by_length.split(64))
    places = {"padded, as they come": shuffled, "padded, sorted by length": bucketed, "packed": len(flat)}
    assert int(ids[-1]) == 511
    saved = 1 - len(flat) / shuffled
    fig, ax = panels(height=1.9)
    bars(
        ax,
        places,
        fmt=lambda n: f"{n:,.0f}",
        highlight=["packed"],
        xlabel="positions that the network computes",
    )
    show(
        fig,
        caption=f"512 names in batches of 64. Packed by your function they need {saved:.0%} fewer positions "
        "than padded "
        "as they come.",
        alt="Three bars: " + ", ".join(f"{name} {count:,}" for name, count in places.items()) + ".",
    )


def gradients_by_layer(a: Any) -> None:
    depth, x = 24, torch.randn(4, 16, 32, generator=torch.Generator().manual_seed(1))
    fig, axes = panels(1, 2, height=2.8)
    kinds = {"pre": ("pre", False, "orange"), "pre, scaled": ("pre", True, "blue"), "post": ("post", False,
     "red"),
             "deepnorm, scaled": ("deepnorm", True, "green")}  # fmt: skip
    for name, (scheme, is_scaled, colour) in kinds.items():
        torch.manual_seed(0)
        stack = a.make_stack(depth, scheme=scheme)
        if is_scaled:
            a.init_scaled_(stack, depth)
        report = a.depth_report(stack, x)
        for ax, key in zip(axes, ("activation_std", "gradient_norm"), strict=True):
            style = "--" if scheme == "deepnorm" else "-"  # on the left it lies on the curve of post
            curve(ax, range(1, depth + 1), report[key], label=name, colour=colour, linestyle=style)
    for ax, title in zip(axes, ("spread of the output", "norm of the gradient"), strict=True):
        ax.set(xlabel="layer", title=title, yscale="log")
        ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 4)), major_formatter="{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    axes[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    show(
        fig,
        caption="Your report on fresh stacks of 24 layers. As they are, pre-norm streams grow and the late "
        "layers learn "
        "little; scaled, every layer gets about the same gradient. Post-norm's last layers get several "
        "times the gradient "
        "of pre-norm's.",
        alt="Two panels over 24 layers. Left, the unscaled pre-norm stream grows, the others stay near 1. "
        "Right, the gradient of unscaled pre-norm falls with the layer, those of the scaled stacks are flat, "
        "and that of post-norm is the largest at the end.",
    )
