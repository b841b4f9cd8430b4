"""The known mistakes of conv2d_backward, each by its signature on a tiny image."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e2_oracle import backward, forward, transposed
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text, shape

probe = Probes()
NAMES = ("gx", "gw", "gb")


def case(
    t: Trial, *, N: int = 1, C: int = 1, O: int = 1, H: int = 4, W: int = 4, k: Any = 2, **how: Any
) -> Any:
    """g, x, w of that size."""
    x, w = t.randn(N, C, H, W), t.randn(O, C, *((k, k) if isinstance(k, int) else k))
    return t.randn(*forward(t, x, w, **how).shape), x, w


def result(a: Any, t: Trial, which: int, **how: Any) -> tuple[Any, Tensor, Any]:
    """The learner's gx, gw or gb, the right one, and (g, x, w)."""
    options = {key: how[key] for key in ("stride", "padding", "dilation") if key in how}
    g, x, w = case(t, **how)
    return a.conv2d_backward(g, x, w, **options)[which], backward(t, g, x, w, **options)[which], (g, x, w)


@probe("not-three-gradients")
def not_three(a: Any, t: Trial) -> str | None:
    own = a.conv2d_backward(*case(t))
    if len(own) != 3 or not all(isinstance(part, Tensor) for part in own):
        kinds = ", ".join(type(part).__name__ for part in own)
        return f"you return {len(own)} things ({kinds}); asked for are three tensors, (gx, gw, gb)"
    return None


@probe("gradients-in-another-order")
def other_order(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, C=2, O=3)
    own, right = a.conv2d_backward(g, x, w), backward(t, g, x, w)
    for order in ((1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1)):
        if all(same(own[place], right[i]) for place, i in enumerate(order)):
            return f"the three are right, but you return ({', '.join(NAMES[i] for i in order)}): (gx, gw, gb)"
    return None


@probe("kernel-not-flipped")
def not_flipped(a: Any, t: Trial) -> str | None:
    gx, right, (g, _, w) = result(a, t, 0)
    if same(gx, transposed(t, g, w.flip(2, 3))):
        return (
            "gx slides the kernel over g as it is; the adjoint slides it turned by 180°. Pixel m receives "
            "Σ_u w[u]·g[m − u]: what w[0] read lies at the place itself, what w[u] read lies u further on. "
            f"gx[0, 0, 0, 0] should be w[0, 0]·g[0, 0] = {right[0, 0, 0, 0]:.4g}, yours is "
            f"{gx[0, 0, 0, 0]:.4g}"
        )
    return None


@probe("overlaps-overwritten")
def overwritten(a: Any, t: Trial) -> str | None:
    gx, right, (g, x, w) = result(a, t, 0)
    last, first = torch.zeros_like(x), torch.zeros_like(x)
    places = [(i, j) for i in range(g.shape[2]) for j in range(g.shape[3])]
    for i, j in places:
        last[0, 0, i : i + 2, j : j + 2] = g[0, 0, i, j] * w[0, 0]
    for i, j in reversed(places):
        first[0, 0, i : i + 2, j : j + 2] = g[0, 0, i, j] * w[0, 0]
    if same(gx, last) or same(gx, first):
        return (
            f"pixel [1, 1] was read from four places, so it receives four shares, {right[0, 0, 1, 1]:.4g} in "
            f"all; you keep one of them, {gx[0, 0, 1, 1]:.4g}: writing into overlapping windows overwrites. "
            "Add"
        )
    return None


@probe("crops-nothing-to-nothing")
def crops_to_nothing(a: Any, t: Trial) -> str | None:
    g, x, w = case(t)
    found = a.conv2d_backward(g, x, w)[0]
    if found.numel() == 0:
        return (
            f"without padding gx is empty, {shape(found)}: `[p:-p]` with p = 0 is `[0:0]`. Cut `[p : p + H]`"
        )
    return None


@probe("gx-channels-mixed-up")
def gx_channels(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, N=2, C=3, O=2)
    attempt = t.tried(lambda: a.conv2d_backward(g, x, w))
    single = t.tried(lambda: a.conv2d_backward(*case(t)))
    if single.error is not None:
        return None
    if attempt.error is not None:
        return (
            "fine with one channel; with 3 input and 2 output channels it ends in "
            f"{error_text(attempt.error)}. w is [O, C, kH, kW]: gx sums over O, gw has both"
        )
    if attempt.value[0].shape != x.shape:
        return (
            f"with 3 input and 2 output channels gx has shape {shape(attempt.value[0])}, like x: {shape(x)}"
        )
    if C_only(attempt.value[0], backward(t, g, x, w)[0]):
        return "all channels of gx are equal: channel c receives Σ over outputs o of w[o, c]·g[o]"
    return None


def C_only(own: Tensor, right: Tensor) -> bool:
    return not same(own, right) and all(same(own[:, c], own[:, 0]) for c in range(own.shape[1]))


# ---- options --------------------------------------------------------------------------------------------


@probe("last-rows-missing")
def last_rows(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, H=6, W=6, k=3, stride=2)  # the last row and column are never looked at
    attempt = t.tried(lambda: a.conv2d_backward(g, x, w, stride=2))
    divides = t.tried(lambda: a.conv2d_backward(*case(t, H=5, W=5, k=3, stride=2), stride=2))
    if divides.error is not None:
        return None
    if attempt.error is not None:
        return (
            f"6×6 pixels, k 3, stride 2: it ends in {error_text(attempt.error)}. The windows stop at "
            "pixel 4; the last row and column were not visited, and their gradient is 0"
        )
    if attempt.value[0].shape in ((1, 1, 5, 6), (1, 1, 6, 5)):
        return (
            f"gx is {attempt.value[0].shape[2]}×{attempt.value[0].shape[3]}, x is 6×6: along one axis what "
            "no window visited is missing. It belongs to gx all the same, with gradient 0"
        )
    if attempt.value[0].shape == (1, 1, 5, 5):
        return (
            "gx is 5×5, x is 6×6: with k 3 and stride 2 the last row and column are not visited. They belong "
            "to gx all the same, with gradient 0"
        )
    return None


@probe("stride-ignored")
def stride_ignored(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, H=5, W=5, k=3, stride=2)
    attempt = t.tried(lambda: a.conv2d_backward(g, x, w, stride=2))
    tight = transposed(t, g, w)  # [4, 4], as if the stride were 1
    if attempt.error is not None:
        plain = t.tried(lambda: a.conv2d_backward(*case(t)))
        if plain.error is None:
            return f"fine with stride 1, with stride=2 it ends in {error_text(attempt.error)}"
        return None
    gx, gw, _ = attempt.value
    if gx.shape == tight.shape or (gx.shape == x.shape and same(gx, F.pad(tight, (0, 1, 0, 1)))):
        return (
            "gx places the shares one pixel apart, but with stride=2 window i begins at pixel 2·i: put s − 1 "
            "zeros between the numbers of g (or let `F.fold` know the stride)"
        )
    with t.oracle():
        dense = F.conv2d(x.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1)
    if gw.shape == dense.shape or (gw.shape == w.shape and same(gw, dense[:, :, :3, :3])):
        return (
            "gx is right, but gw correlates x with g as if its numbers lay side by side: with stride=2 g[i] "
            "meets pixel 2·i + u, so g is *dilated* by the stride"
        )
    return None


@probe("padding-not-cropped")
def not_cropped(a: Any, t: Trial) -> str | None:
    gx, _, (g, _, w) = result(a, t, 0, padding=1)
    full = transposed(t, g, w)
    if gx.shape == full.shape:
        return (
            f"gx is {gx.shape[2]}×{gx.shape[3]}, x is 4×4: the gradient of the zeros that padding added must "
            "be cut off again, one row and column on each side"
        )
    if same(gx, full[:, :, :4, :4]) or same(gx, full[:, :, 2:, 2:]):
        return "you cut the padding off on one side only: with padding=1 one row and column on *each* side go"
    return None


@probe("padding-ignored")
def padding_ignored(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, padding=1)
    attempt = t.tried(lambda: a.conv2d_backward(g, x, w, padding=1))
    plain = t.tried(lambda: a.conv2d_backward(*case(t)))
    if attempt.error is not None and plain.error is None:
        return f"fine without padding, with padding=1 it ends in {error_text(attempt.error)}"
    if plain.error is not None or attempt.error is not None or plain.value[1].shape != w.shape:
        return None
    if attempt.value[1].shape != w.shape:
        return (
            f"with padding=1 gw has shape {shape(attempt.value[1])}, like w: {shape(w)}. The kernel also met "
            "the zeros around x, so pad x before you correlate it with g"
        )
    return None


@probe("dilation-ignored")
def dilation_ignored(a: Any, t: Trial) -> str | None:
    g, x, w = case(t, H=5, W=5, dilation=2)
    attempt = t.tried(lambda: a.conv2d_backward(g, x, w, dilation=2))
    plain = t.tried(lambda: a.conv2d_backward(*case(t)))
    if attempt.error is not None and plain.error is None:
        return f"fine without dilation, with dilation=2 it ends in {error_text(attempt.error)}"
    if attempt.error is None:
        tight = transposed(t, g, w)  # [4, 4]
        gx = attempt.value[0]
        if gx.shape == tight.shape or (gx.shape == x.shape and same(gx, F.pad(tight, (0, 1, 0, 1)))):
            return "gx ignores the dilation: with dilation=2 weight u read the pixel 2·u further on"
    return None


@probe("pairs-exchanged")
def pairs_exchanged(a: Any, t: Trial) -> str | None:
    for name, couple in (("stride", (1, 3)), ("padding", (2, 0)), ("dilation", (1, 2))):
        x, w = t.randn(1, 1, 7, 7), t.randn(1, 1, 3, 3)
        g = t.randn(*forward(t, x, w, **{name: couple}).shape)
        attempt = t.tried(
            lambda g=g, x=x, w=w, name=name, couple=couple: a.conv2d_backward(g, x, w, **{name: couple})
        )
        number = t.tried(
            lambda x=x, w=w, name=name: a.conv2d_backward(
                t.randn(*forward(t, x, w, **{name: 2}).shape), x, w, **{name: 2}
            ),
        )
        if number.error is None and attempt.error is not None:
            return (
                f"fine with {name}=2, with {name}={couple} it ends in {error_text(attempt.error)}. The "
                "pair is (height, width)"
            )
        turned = (
            backward(t, g.transpose(2, 3), x, w, **{name: couple[::-1]}) if attempt.error is None else None
        )
        if (
            turned
            and not same(attempt.value[0], backward(t, g, x, w, **{name: couple})[0])
            and same(attempt.value[0], turned[0])
        ):
            return f"{name}={couple} is (height, width); you exchanged the two"
    return None
