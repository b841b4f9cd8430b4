"""What a learner sees after a warm-up, drawn or printed with the function just written."""

from typing import Any

import torch

from shared.plotting import COLOURS, bars, panels, show


def moved(a: Any) -> None:
    """Where a nested batch goes on this machine."""
    batch = {"images": torch.zeros(32, 64), "rows": [torch.arange(32), None], "name": "digits"}
    best = "cuda" if torch.cuda.is_available() else "cpu"
    for device in (best, "meta"):
        there = a.move(batch, device)
        print(
            f"{device:5} images: {there['images'].device}, rows: {there['rows'][0].device}, {there['name']!r}"
        )
    print("The best device here is", best, "and your batches go there by changing one word.")


def flushed_by_format(a: Any) -> None:
    """Gradients of many sizes, and how many of them each format loses."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(20_000, generator=generator)
    shares = {}
    for scale in (1e-3, 1e-6, 1e-8):
        for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
            shares[f"{name}, gradients around {scale:g}"] = a.flushed(spread * scale, dtype)
    fig, ax = panels(height=2.6)
    bars(ax, shares, fmt=lambda s: f"{s:.1%}", highlight=[n for n in shares if n.startswith("float16")])
    ax.set(xlabel="share of the gradients that become 0", xlim=(0, 1.1))
    show(
        fig,
        caption="Normally distributed gradients of three sizes. float16 loses the small ones, bfloat16 none.",
        alt="Six bars: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()) + ".",
    )


def three_fields(a: Any) -> None:
    """The bits of some well-known numbers."""
    for value in (1.0, -2.0, 0.1, 65504.0, 1e-45, float("inf"), float("nan")):
        sign, exponent, mantissa = (int(field) for field in a.fields(torch.tensor(value)))
        print(f"{value:>12g}   {sign:01b} {exponent:08b} {mantissa:023b}")


def staircase(a: Any) -> None:
    """The gap as a function of x for three formats."""
    x = torch.logspace(-3, 5, 2000)
    fig, ax = panels(height=2.8)
    formats = (("float32", 23, "blue"), ("float16", 10, "red"), ("bfloat16", 7, "green"))
    for name, man_bits, colour in formats:
        ax.plot(x, a.gap(x, man_bits), color=COLOURS[colour], label=f"{name}: {man_bits} bits")
    ax.axhline(1, color=COLOURS["black"], linewidth=0.8, linestyle=":")
    ax.set(xscale="log", yscale="log", xlabel="x", ylabel="gap to the next number")
    ax.legend()
    show(
        fig,
        caption="Your gaps. Where a staircase crosses the dotted line, x + 2 begins to be the next number "
        "after x: "
        "from there on adding 1 is lost (2,048 in float16, 256 in bfloat16).",
        alt="Three rising staircases on logarithmic axes; bfloat16 is the highest, float32 the lowest.",
    )
