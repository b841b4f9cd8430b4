"""E2: the backward passes of convolution and max pooling. What must hold."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Exercise, Trial, forbid
from courseware.check.numeric import inner
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes import probe as of_convolution
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes_pool import probe as of_pooling
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes_result import probe as of_result
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_mistakes_weights import probe as of_weights
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_oracle import backward, pool_backward
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.warmups_first import (
    CONVOLUTION_OPERATORS,
    CONVOLUTIONS,
)
from shared.plotting import heatmap, panels, show

e2 = Exercise(
    "E2",
    takes={"conv2d_backward": tuple, "max_pool2d_backward": Tensor},
    forbids=forbid(
        *CONVOLUTIONS,
        aten=(*CONVOLUTION_OPERATORS, "max_pool2d_with_indices_backward", "max_pool2d_backward"),
        autograd=True,
        why=(
            "torch's autograd, convolutions and backwards stay out: they are the answer. `F.unfold` and "
            "`F.fold` are there for you, and your own conv2d"
        ),
    ),
    hints=(
        "The forward pass gathers: each place reads its window. The backward pass scatters: each place sends "
        "its share back to the pixels that it read, and what meets there is added. Scatter is the adjoint of "
        "gather.",
        "With P = unfold(x) the forward pass is Y = W P. So gW = g Pᵀ, gP = Wᵀ g, gx = fold(gP), and gb sums "
        "g over images and places. Pooling: unfold, find the first largest of each column, put g there and 0 "
        "elsewhere, fold.",
        "`P = F.unfold(x, (kh, kw), dilation=…, padding=…, stride=…)`; `gw = einsum('nol,npl->op', "
        "g.flatten(2), P).reshape(w.shape)`; `gx = F.fold(einsum('op,nol->npl', w.flatten(1), g.flatten(2)), "
        "(H, W), (kh, kw), …)`. Pool: `zeros_like(P).scatter(1, P.argmax(1, keepdim=True), g…)`, per "
        "channel.",
    ),
)
of_convolution.add_to(e2)
of_weights.add_to(e2)
of_result.add_to(e2)
of_pooling.add_to(e2)


def configurations(t: Trial, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor, dict[str, Any]]]:
    """g, x, w and options, from small to larger."""
    draw = t.random.randint
    for case in range(count):
        reach = 1 + case * 3 // count
        k, s, p, d = ((draw(low, high), draw(low, high)) for low, high in ((1, 3), (1, 3), (0, 2), (1, 2)))
        least = [max(1, d[i] * (k[i] - 1) + 1 - 2 * p[i]) for i in range(2)]
        x = t.randn(draw(1, reach), draw(1, reach), *(draw(low, low + reach + 2) for low in least))
        w = t.randn(draw(1, reach), x.shape[1], *k)
        how = {"stride": s, "padding": p, "dilation": d}
        with t.oracle():
            g = t.randn(*F.conv2d(x, w, **how).shape)
        yield g, x, w, how


def compare(a: Any, t: Trial, which: int, count: int = 40) -> None:
    name = ("gx", "gw", "gb")[which]
    for g, x, w, how in configurations(t, count):
        own = a.conv2d_backward(g, x, w, **how)
        t.that(len(own) == 3, f"{len(own)} results, expected (gx, gw, gb)")
        t.equal(own[which], backward(t, g, x, w, **how)[which], name, reduction=g.numel())


@e2.property("gx, the gradient of the images", points=6)
def images(a: Any, t: Trial) -> None:
    compare(a, t, 0)


@e2.property("gw and gb, the gradients of the parameters", points=5)
def parameters(a: Any, t: Trial) -> None:
    compare(a, t, 1)
    compare(a, t, 2, count=12)


@e2.property("the adjoint identity ⟨conv(x), g⟩ = ⟨x, gx⟩ = ⟨w, gw⟩", points=2)
def adjoint(a: Any, t: Trial) -> None:
    for g, x, w, how in configurations(t, 10):
        with t.oracle():
            forward = inner(F.conv2d(x, w, **how), g)
        gx, gw, _ = a.conv2d_backward(g, x, w, **how)
        t.equal(inner(x, gx), forward, "⟨x, gx⟩ against ⟨conv(x), g⟩", rtol=1e-8, atol=1e-9)
        t.equal(inner(w, gw), forward, "⟨w, gw⟩ against ⟨conv(x), g⟩", rtol=1e-8, atol=1e-9)


@e2.property("numbers or pairs, float32, memory layouts", points=2)
def forms(a: Any, t: Trial) -> None:
    for dtype in (torch.float64, torch.float32):
        x, w = t.randn(2, 2, 7, 6, dtype=dtype), t.randn(3, 2, 2, 3, dtype=dtype)
        for how in ({}, {"stride": 2}, {"padding": 1}, {"stride": 2, "padding": 1, "dilation": 2}):
            with t.oracle():
                g = t.randn(*F.conv2d(x, w, **how).shape, dtype=dtype)
            t.equal(a.conv2d_backward(g, x, w, **how), backward(t, g, x, w, **how), reduction=g.numel())
    x, w = t.randn(2, 5, 6, 2).permute(0, 3, 1, 2), t.randn(2, 3, 2, 2).transpose(0, 1)
    for g in (t.randn(1).expand(2, 3, 4, 5), t.randn(2, 3, 5, 4).transpose(2, 3)):
        t.equal(a.conv2d_backward(g, x, w), backward(t, g, x, w), reduction=g.numel())


@e2.property("max pooling", points=5)
def pooling(a: Any, t: Trial) -> None:
    for k in (1, 2, 3):
        for stride in (1, 2, 3, 4):
            for whole in (False, True):
                x = t.randn(2, 3, t.random.randint(k, 7), t.random.randint(k, 7))
                x = x.round() if whole else x  # ties
                with t.oracle():
                    g = t.randn(*F.max_pool2d(x, k, stride).shape)
                t.equal(
                    a.max_pool2d_backward(g, x, k, stride),
                    pool_backward(t, g, x, k, stride),
                    f"windows of {k}×{k}, stride {stride}",
                )
    x = t.randn(2, 2, 4, 4, dtype=torch.float32).transpose(2, 3)
    g = t.randn(1, dtype=torch.float32).expand(2, 2, 2, 2)
    t.equal(a.max_pool2d_backward(g, x, 2, 2), pool_backward(t, g, x, 2, 2), "a transposed float32 image")


@e2.reward
def checkerboard(a: Any) -> None:
    fig, axes = panels(1, 3, height=2.7)
    for ax, (k, stride) in zip(axes, ((3, 1), (3, 2), (4, 2)), strict=True):
        size = 4 * stride + k
        x, w = torch.zeros(1, 1, size, size), torch.ones(1, 1, k, k)
        places = (size - k) // stride + 1
        visits = a.conv2d_backward(torch.ones(1, 1, places, places), x, w, stride=stride)[0]
        heatmap(ax, visits[0, 0], title=f"{k}×{k}, stride {stride}", fontsize=6)
        ax.set(xticks=[], yticks=[])
    show(
        fig,
        caption=(
            "Your backward pass with all weights 1 counts how often each pixel is looked at. Away from the "
            "border a 3×3 kernel with stride 2 visits pixels 1, 2 or 4 times: the checkerboard that "
            "transposed convolutions paint. Where the stride divides the kernel (right) it is even."
        ),
        alt=(
            "Three tables of visit counts: even inside for stride 1, a checkerboard of 1, 2 and 4 for kernel "
            "3 with stride 2, even again for kernel 4 with stride 2."
        ),
    )
