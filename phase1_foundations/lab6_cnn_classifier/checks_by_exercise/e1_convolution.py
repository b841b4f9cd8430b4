"""E1: conv2d from scratch. What must hold; the known mistakes stand in `e1_mistakes`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_mistakes import (
    DO_NOT_FIT,
    gradients,
    operators,
    other_layouts,
    probe,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_mistakes_more import probe as more
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e1_mistakes_result import probe as of_result
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.warmups_first import (
    CONVOLUTION_OPERATORS,
    CONVOLUTIONS,
)
from shared.data.sets import photographs
from shared.plotting import panels, show

e1 = Exercise(
    "E1",
    takes={"conv2d": Tensor},
    forbids=forbid(
        *CONVOLUTIONS,
        aten=CONVOLUTION_OPERATORS,
        why="it is the answer under another name. Cut the windows, then multiply and add",
    ),
    hints=(
        "Cut all windows at once, as a view with one axis for each letter of the formula: [N, C, Ho, Wo, kH, "
        "kW] (W3 with two more axes). The rest is one sum of products.",
        "Pad with `F.pad`. With the strides (sN, sC, sH, sW) of the padded x the view has the strides "
        "(sN, sC, sH·stride, sW·stride, sH·dilation, sW·dilation). Ho = (H + 2p − d·(k − 1) − 1) // s + "
        "1.",
        "`torch.einsum('ncijuv,ocuv->noij', x.as_strided(sizes, strides), w)`, and with groups: give both an "
        "axis of groups, `'ngcijuv,gocuv->ngoij'`, then reshape to [N, O, Ho, Wo] and add "
        "`b.reshape(O, 1, 1)`.",
    ),
)
probe.add_to(e1)
of_result.add_to(e1)
more.add_to(e1)


def expected(t: Trial, x: Tensor, w: Tensor, b: Tensor | None, how: dict[str, Any]) -> Tensor:
    with t.oracle():
        return F.conv2d(x, w, b, **how)


def compare(a: Any, t: Trial, x: Tensor, w: Tensor, b: Tensor | None = None, **how: Any) -> None:
    t.equal(a.conv2d(x, w, b, **how), expected(t, x, w, b, how), "y", reduction=w[0].numel())


def configurations(t: Trial, count: int, groups: tuple[int, ...] = (1,)) -> Iterator[tuple[Any, ...]]:
    """x, w, b and options, from small to larger; every one fits."""
    draw = t.random.randint
    for case in range(count):
        reach = 1 + case * 4 // count
        g = t.random.choice(groups)
        depth, outputs = draw(1, reach), draw(1, reach)
        k, s, p, d = ((draw(low, high), draw(low, high)) for low, high in ((1, 3), (1, 3), (0, 2), (1, 2)))
        least = [max(1, d[i] * (k[i] - 1) + 1 - 2 * p[i]) for i in range(2)]
        size = [draw(low, low + reach + 2) for low in least]
        x, w = t.randn(draw(1, 3), g * depth, *size), t.randn(g * outputs, depth, *k)
        b = t.randn(g * outputs) if case % 2 else None
        yield x, w, b, {"stride": s, "padding": p, "dilation": d, "groups": g}


@e1.property("one group without options", points=4)
def plain(a: Any, t: Trial) -> None:
    for x, w, b, _ in configurations(t, 30):
        if x.shape[2] >= w.shape[2] and x.shape[3] >= w.shape[3]:
            compare(a, t, x, w, b)
    x, w = t.randn(2, 3, 5, 4, dtype=torch.float32), t.randn(4, 3, 2, 2, dtype=torch.float32)
    compare(a, t, x, w, t.randn(4, dtype=torch.float32))


@e1.property("stride, padding and dilation, as numbers and as pairs", points=3)
def options(a: Any, t: Trial) -> None:
    for x, w, b, how in configurations(t, 40):
        compare(a, t, x, w, b, **how)
    x, w = t.randn(2, 2, 9, 8), t.randn(3, 2, 3, 2)
    for stride, padding, dilation in ((1, 1, 1), (2, 0, 1), (2, 1, 2), (4, 2, 1), (1, 0, 3)):
        compare(a, t, x, w, stride=stride, padding=padding, dilation=dilation)


@e1.property("groups", points=2)
def in_groups(a: Any, t: Trial) -> None:
    for x, w, b, how in configurations(t, 25, groups=(2, 3)):
        compare(a, t, x, w, b, **how)
    x = t.randn(2, 6, 5, 5)
    compare(a, t, x, t.randn(6, 1, 3, 3), groups=6, padding=1)
    compare(a, t, x, t.randn(12, 1, 3, 3), t.randn(12), groups=6)


@e1.property("edges and memory layouts", points=2)
def edges(a: Any, t: Trial) -> None:
    w = t.randn(3, 2, 2, 3)
    for images in (0, 1):
        compare(a, t, t.randn(images, 2, 4, 5), w, t.randn(3), padding=1)
    compare(a, t, t.randn(2, 2, 2, 3), w)  # the kernel is as large as the image
    compare(a, t, t.randn(2, 2, 1, 1), w, padding=(1, 1))
    compare(a, t, t.randn(2, 2, 5, 5), t.randn(3, 2, 1, 1), stride=3)
    for _, x in other_layouts(t):
        compare(a, t, x, w)
        compare(a, t, x, w, padding=(1, 0), stride=2)
    x, other = t.randn(1, 2, 4, 4), w.transpose(2, 3)
    compare(a, t, x, other)
    compare(a, t, x, w.expand(3, 2, 2, 3)[:1].expand(4, 2, 2, 3))


@e1.property("gradients of x, w and b", points=2)
def differentiable(a: Any, t: Trial) -> None:
    for x, w, b, how in configurations(t, 12, groups=(1, 2)):
        seed = torch.randn_like(expected(t, x, w, b, how))
        own = gradients(lambda x, w, b, how=how: a.conv2d(x, w, b, **how), x, w, b, seed)
        with t.oracle():
            right = gradients(lambda x, w, b, how=how: F.conv2d(x, w, b, **how), x, w, b, seed)
        for name, left, wanted in zip(("x", "w", "b"), own, right, strict=True):
            if wanted is not None:
                t.equal(left, wanted, f"the gradient of {name}")


@e1.property("what does not fit is refused with ValueError", points=1)
def refuses(a: Any, t: Trial) -> None:
    for _, image, kernel, how in DO_NOT_FIT:
        t.raises(
            ValueError,
            lambda image=image, kernel=kernel, how=how: a.conv2d(t.randn(*image), t.randn(*kernel), **how),
            f"x {image}, w {kernel}, {how or 'no options'}",
        )


@e1.property("no loop over images, rows or pixels", points=1)
def no_loops(a: Any, t: Trial) -> None:
    small, large = operators(a, t, 2, 5, 6), operators(a, t, 9, 13, 14)
    t.that(
        large <= small + 12,
        f"{small} torch operations for 2 images of 5×6, and {large} for 9 of 13×14: the number grows with "
        "the input",
    )


def gabor(angle: float, size: int = 11) -> Tensor:
    """A stripe pattern under a bell: answers to edges in one direction."""
    axis = torch.linspace(-2, 2, size)
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    direction = torch.tensor(angle)
    along = u * torch.cos(direction) + v * torch.sin(direction)
    kernel = torch.exp(-(u**2 + v**2)) * torch.sin(3 * along)
    return kernel / kernel.abs().sum()


@e1.reward
def filter_bank(a: Any) -> None:
    picture = photographs()["china"].mean(0)[::2, ::2]
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
    third = torch.pi / 3
    kernels = {
        "smoothed: 11×11 of 1/121": torch.full((11, 11), 1 / 121),
        "Sobel: left to right": sobel,
        "Sobel: top to bottom": sobel.T,
        "Gabor, 60°": gabor(third),
        "Gabor, 120°": gabor(2 * third),
    }
    fig, axes = panels(2, 3, height=3.9)
    axes[0, 0].imshow(picture, cmap="gray")
    axes[0, 0].set_title("the photograph", fontsize=9)
    for ax, (name, kernel) in zip(axes.flat[1:], kernels.items(), strict=True):
        answer = a.conv2d(picture[None, None], kernel[None, None], padding=kernel.shape[0] // 2)[0, 0]
        shown = answer if "smoothed" in name else answer.abs()
        ax.imshow(shown, cmap="gray", vmax=float(shown.quantile(0.99)))
        ax.set_title(name, fontsize=9)
    for ax in axes.flat:
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "One photograph, five kernels, all through your `conv2d`. Bright is where the pattern of the "
            "kernel was found. The dark frame is the padding: zeros that no camera saw."
        ),
        alt=(
            "Six pictures of a Chinese temple: the original, smoothed, with its vertical edges, its "
            "horizontal edges, and its edges in two slanted directions."
        ),
    )
