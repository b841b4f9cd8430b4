"""The known mistakes of effective_rf."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape

probe = Probes()


def slopes_at_the_centre(model: nn.Module, x: Tensor, channels: int | None = None) -> Tensor:
    """∂ Σ model(x)[:, :, centre] / ∂x, like x; of the first `channels` outputs, or of all."""
    x = x.detach().clone().requires_grad_()
    y = model(x)[:, :channels]
    (slopes,) = torch.autograd.grad(y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)
    return slopes


def convolution(t: Trial, *how: Any, **more: Any) -> nn.Conv2d:
    layer = nn.Conv2d(*how, **more).double()
    for p in layer.parameters():
        p.data = t.randn(*p.shape)
    return layer


def small_models(t: Trial) -> list[tuple[str, nn.Module, Tensor]]:
    return [
        ("one convolution", convolution(t, 1, 1, 3, padding=1).eval(), t.randn(1, 1, 5, 5)),
        ("an even output map", convolution(t, 1, 1, 3, padding=1).eval(), t.randn(1, 1, 6, 4)),
        (
            "two channels, three outputs, a batch, a nonlinearity",
            nn.Sequential(convolution(t, 2, 4, 3, padding=1), nn.Tanh(), convolution(t, 4, 3, 3)).eval(),
            t.randn(3, 2, 7, 6),
        ),
        (
            "a stride, and batch norm in evaluation mode",
            nn.Sequential(convolution(t, 1, 2, 3, stride=2), nn.BatchNorm2d(2).double(), nn.Tanh()).eval(),
            t.randn(2, 1, 9, 9),
        ),
    ]


@contextmanager
def left_alone(t: Trial, model: nn.Module, x: Tensor) -> Iterator[None]:
    """Miss the property if gradients, flags or statistics are not as before."""
    for p in model.parameters():
        p.grad = torch.full_like(p, 3.0)
    buffers = [b.clone() for b in model.buffers()]
    yield
    t.that(
        all(p.grad is not None and bool((p.grad == 3).all()) and p.requires_grad for p in model.parameters()),
        "the parameters' `.grad` (or `requires_grad`) changed: ask `torch.autograd.grad` for the gradient "
        "of x alone",
        diagnosis="leaves-gradients-behind",
    )
    t.that(
        not x.requires_grad and x.grad is None,
        "the caller's x has `requires_grad` or a `.grad` afterwards: work on `x.detach().requires_grad_()`",
        diagnosis="leaves-gradients-behind",
    )
    t.that(
        all(bool((b == old).all()) for b, old in zip(model.buffers(), buffers, strict=True))
        and not model.training,
        "the model's statistics or its mode changed",
        diagnosis="changes-the-model",
    )


@probe("effective-shape")
def wrong_shape(a: Any, t: Trial) -> str | None:
    own = a.effective_rf(convolution(t, 2, 3, 3, padding=1).eval(), t.randn(4, 2, 5, 6))
    if own.shape != (5, 6):
        return (
            f"x is [4, 2, 5, 6] and your result has shape {shape(own)}, expected (5, 6): one number a "
            "pixel, the mean over images and channels"
        )
    return None


@probe("not-the-centre")
def not_the_centre(a: Any, t: Trial) -> str | None:
    model, x = convolution(t, 1, 1, 3, padding=1).eval(), t.randn(1, 1, 6, 6)
    own = a.effective_rf(model, x)
    x = x.clone().requires_grad_()
    y = model(x)
    for words, target in (
        ("the whole output", y.sum()),
        ("the mean of the output", y.mean()),
        ("the output [0, 0]", y[..., 0, 0].sum()),
        ("the output [2, 2]", y[..., 2, 2].sum()),
        ("the last output", y[..., -1, -1].sum()),
    ):
        (slopes,) = torch.autograd.grad(target, x, retain_graph=True)
        if same(own, slopes.abs()[0, 0]):
            return f"you differentiate {words}; asked for is the one in the middle, [h // 2, w // 2] = [3, 3]"
    return None


@probe("centre-of-the-input")
def centre_of_input(a: Any, t: Trial) -> str | None:
    model, x = convolution(t, 1, 1, 3).eval(), t.randn(1, 1, 7, 7)  # a map of 5×5
    own = a.effective_rf(model, x)
    x = x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(model(x)[..., 3, 3].sum(), x)
    if same(own, slopes.abs()[0, 0]):
        return (
            "x is 7×7, the map 5×5, and you differentiate its output [3, 3], the middle of *x*: h and w are "
            "the sizes of the map, so [2, 2]"
        )
    return None


@probe("signs-cancel")
def signs_cancel(a: Any, t: Trial) -> str | None:
    _, model, x = small_models(t)[2]
    own, slopes = a.effective_rf(model, x), slopes_at_the_centre(model, x)
    if same(own, slopes.mean((0, 1))):
        return "there are negative numbers in your answer: take the absolute value of the gradient"
    averaged = (slopes.mean((0, 1)).abs(), slopes.mean(0).abs().mean(0), slopes.mean(1).abs().mean(0))
    if any(same(own, wrong) for wrong in averaged):
        return (
            "you average first and take the absolute value then: positive and negative slopes cancel. "
            "First abs"
        )
    if same(own, slopes.square().mean((0, 1))):
        return "you square the slopes; asked for is their absolute value"
    return None


@probe("not-a-mean")
def not_a_mean(a: Any, t: Trial) -> str | None:
    model = small_models(t)[2][1]  # two channels, three outputs
    x = t.randn(5, 2, 7, 6)
    own, right = a.effective_rf(model, x), slopes_at_the_centre(model, x).abs()
    mean = right.mean((0, 1))
    if same(own, mean):
        return None
    for wrong, words in (
        (right.sum((0, 1)), "a sum over images and channels"),
        (right.mean(0).sum(0), "a sum over the channels"),
        (right.sum(0).mean(0), "a sum over the images"),
        (mean / mean.max(), "divided by its largest value"),
        (mean / mean.sum(), "divided by its sum"),
        (right.amax((0, 1)), "a maximum over images and channels"),
        (right.mean(0).amax(0), "a maximum over the channels"),
        (right.amax(0).mean(0), "a maximum over the images"),
        (right.mean(0)[0], "the first channel alone"),
        (right[0].mean(0), "the first image alone"),
        (right.square().mean((0, 1)).sqrt(), "a root mean square"),
        (right.norm(dim=1).mean(0), "a norm over the channels, averaged over the images"),
        (right.norm(dim=(0, 1)), "a norm over images and channels"),
        ((mean > 0).to(mean.dtype), "1 wherever a pixel matters at all"),
        ((slopes_at_the_centre(model, x) * x).abs().mean((0, 1)), "the slope times the pixel"),
    ):
        if same(own, wrong):
            return f"your answer is {words}; asked for is the mean of |slope| over images and channels of x"
    return None


@probe("another-target")
def another_target(a: Any, t: Trial) -> str | None:
    model, x = small_models(t)[2][1], t.randn(5, 2, 8, 6)
    own, right = a.effective_rf(model, x), slopes_at_the_centre(model, x).abs().mean((0, 1))
    if same(own, right):
        return None
    for count, words in (
        (3, "the mean over the 3 output channels"),
        (15, "the mean over images and channels"),
    ):
        if same(own, right / count):
            return f"you differentiate {words} at the central position; asked for is their *sum*"
    if same(own, right / 5):
        return "divided by the number of images twice: the target is a sum over the images, the result a mean"
    if same(own, slopes_at_the_centre(model, x, channels=1).abs().mean((0, 1))):
        return "you look at output channel 0 alone: add up all channels of the output"
    x = x.clone().requires_grad_()
    y = model(x)
    centre = y[:, :, y.shape[2] // 2, y.shape[3] // 2]
    for target, words in (
        (centre.abs().sum(), "the sum of *absolute* outputs: the sum itself is asked for"),
        (centre.square().sum(), "the sum of *squared* outputs: the sum itself is asked for"),
        (centre[0].sum(), "the output for image 0 alone: add up all images"),
        (y[:, :, y.shape[3] // 2, y.shape[2] // 2].sum(), "[w // 2, h // 2]: rows first, [h // 2, w // 2]"),
    ):
        (slopes,) = torch.autograd.grad(target, x, retain_graph=True)
        if same(own, slopes.abs().mean((0, 1))):
            return f"you differentiate {words}"
    return None


@probe("leaves-gradients-behind")
def gradients_behind(a: Any, t: Trial) -> str | None:
    for _, model, x in small_models(t):
        with left_alone(t, model, x):
            a.effective_rf(model, x)
    model, x = convolution(t, 1, 1, 3).eval(), t.randn(1, 1, 5, 5).requires_grad_()
    x.grad = torch.ones_like(x)
    a.effective_rf(model, x)
    if not x.requires_grad or x.grad is None or not bool((x.grad == 1).all()):
        return (
            "an x that required a gradient comes back changed: its `requires_grad` and `.grad` stay as "
            "they are"
        )
    return None
