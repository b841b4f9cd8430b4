"""The known mistakes of `warp`: a learner's result that equals a mistaken oracle."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.exercise import Probe
from phase1_foundations.lab4_data_loading.checks_by_exercise.e2_oracle import (
    expected_matrices,
    expected_warp,
    mistaken_warps,
)

probe = Probes()

WARP_WORDS = {
    "pixel-corners": (
        "you use the geometry of align_corners=True, in which the outermost pixel *centres* lie at ±1. Here "
        "they are at (2j + 1)/W − 1: rotating an 8×8 image by 90° is still right, but a shift of 2/W is no "
        "longer one pixel"
    ),
    "half-a-pixel": (
        "your result is shifted by half a pixel or so: pixel j has its *centre* at (2j + 1)/W − 1, and the "
        "place u lies at pixel ((u + 1)·W − 1)/2. Both directions need the half"
    ),
    "x-and-y-exchanged": (
        "x and y are exchanged: θ takes and gives (x, y), x is the *column* and y is the row"
    ),
    "map-inverted": (
        "you go through the map backwards: θ leads from the output to the input, so it is applied to each "
        "output pixel as it is, without an inverse"
    ),
    "matrix-transposed-in-warp": "θ[:, :, :2] is applied transposed: new x = first *row* · (x, y)",
    "one-theta-for-all": "all images get the same θ, the first one: image b is looked up with theta[b]",
    "nearest-pixel": "you take a single pixel: bilinear is the weighted mean of the four around the place",
    "weights-mirrored": (
        "the bilinear weights are mirrored: a place at 0.2 between pixels 0 and 1 takes 0.8 of pixel 0 and "
        "0.2 of pixel 1"
    ),
    "wraps-around": "a pixel left the right edge and re-entered at the left: outside of the image is 0",
    "zeros-not-zero": (
        'with padding="zeros" the image is continued outside: neighbours that are not in the image count as 0'
    ),
    "edge-pixels-cut": (
        "at the rim you decide for the whole place: of its *four neighbours* those outside count as 0, so "
        "the rim fades to 0 over one pixel"
    ),
    "shift-in-pixels": (
        "the shift in θ is lost or taken as pixels: its unit is half an image, as that of all coordinates"
    ),
    "height-and-width-mixed-up": (
        "height and width are mixed up: columns are counted with the width W, rows with the height H"
    ),
    "aspect-corrected": (
        "you correct the rotation for H ≠ W: here θ acts on coordinates from −1 to 1 either way, as in torch"
    ),
    "first-channel-for-all": "all channels look like the first one: look each of them up",
}


def warp_case(t: Trial) -> tuple[Tensor, Tensor]:
    numbers = torch.cat(
        [t.rand(2, 1, low=0.2, high=0.6), t.rand(2, 1, low=0.8, high=1.1), t.rand(2, 3, low=0.1, high=0.4)],
        dim=1,
    )
    return t.rand(2, 2, 4, 5, low=0.5, high=2.0), expected_matrices(numbers)


@probe("warp-of-another-shape")
def warp_shape(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    attempt = t.attempt(lambda: a.warp(x, theta))
    if attempt.error is None and attempt.value.shape != x.shape:
        return (
            f"x is {tuple(x.shape)}, your result {tuple(attempt.value.shape)}: the shape stays, H and W too"
        )
    square = x[..., :4]
    if attempt.raised(RuntimeError, IndexError) and t.attempt(lambda: a.warp(square, theta)).error is None:
        return (
            f"a 4×4 image works and a 4×5 one raises {type(attempt.error).__name__}: somewhere height and "
            "width are mixed up"
        )
    return None


@probe("warp-of-another-dtype")
def warp_dtype(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    attempt = t.attempt(lambda: a.warp(x, theta))
    if attempt.raised(RuntimeError) and t.attempt(lambda: a.warp(x.float(), theta.float())).error is None:
        return (
            f"float32 works and float64 raises “{str(attempt.error)[:70]}”: make the pixel coordinates in "
            "the dtype of x"
        )
    found = attempt.value
    if found.dtype != torch.float64 or (
        same(found, expected_warp(t, x, theta), atol=1e-4) and not same(found, expected_warp(t, x, theta))
    ):
        return (
            "float64 images are computed in float32 on the way: make the pixel coordinates in the dtype of x"
        )
    return None


@probe("forward-mapping")
def forward_mapping(a: Any, t: Trial) -> str | None:
    x = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    for scale in (0.5, 2.0):
        theta = torch.tensor([[[scale, 0.0, 0.0], [0.0, scale, 0.0]]], dtype=torch.float64)
        found = a.warp(x, theta)[0, 0]
        outer = found[0].abs().sum() + found[:, 0].abs().sum()
        rows = (found.abs().sum(1) < 1e-9).sum()
        if outer > 1e-9 and rows >= 2:
            return (
                "holes in the output: you move every input pixel to its new place. Iterate over the *output* "
                "pixels and look up where each of them comes from"
            )
    return None


def warp_probe(diagnosis: str) -> Probe:
    def run(a: Any, t: Trial) -> str | None:
        x, theta = warp_case(t)
        found = a.warp(x, theta)
        if same(found, expected_warp(t, x, theta)):
            return None
        with t.oracle():
            wrong = mistaken_warps(x, theta)[diagnosis]
        return WARP_WORDS[diagnosis] if any(same(found, each, atol=1e-7) for each in wrong) else None

    return run


for _name in WARP_WORDS:
    probe(_name)(warp_probe(_name))


@probe("border-not-continued")
def border(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    found = a.warp(x, theta, padding="border")
    if same(found, expected_warp(t, x, theta, "border")):
        return None
    if same(found, expected_warp(t, x, theta)):
        return 'padding="border" gives the same as "zeros": outside, the nearest pixel of the image stands in'
    if same(found, expected_warp(t, x, theta, "reflection")):
        return 'padding="border" mirrors the image: outside, the *nearest* pixel of the image stands in'
    with t.oracle():
        around = mistaken_warps(x, theta)["wraps-around"][0]
    if same(found, around):
        return 'padding="border" wraps around: outside, the nearest pixel of the image stands in'
    return None


@probe("unknown-padding-accepted")
def unknown_padding(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    attempt = t.tried(lambda: a.warp(x, theta, padding="mirror"))
    if attempt.error is None:
        return (
            'an unknown padding, "mirror", was accepted: anything but "zeros" and "border" raises ValueError'
        )
    if not attempt.raised(ValueError):
        return f"an unknown padding raised {type(attempt.error).__name__}, asked for is a ValueError"
    return None


@probe("warp-breaks-at-an-edge")
def warp_edges(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    cases = {
        "a 1×1 image": (x[..., :1, :1], theta),
        "an empty batch": (x[:0], theta[:0]),
        "a non-contiguous image": (x.transpose(-1, -2), theta),
        "a place far outside": (x, theta + torch.tensor([0.0, 0.0, 1000.0], dtype=torch.float64)),
    }
    for what, (images, maps) in cases.items():
        attempt = t.tried(lambda images=images, maps=maps: a.warp(images, maps))
        if attempt.error is not None:
            return f"{what} raises {type(attempt.error).__name__}: {str(attempt.error)[:100]}"
        if attempt.error is None and attempt.value.shape != images.shape:
            return f"{what} of shape {tuple(images.shape)} came back with shape {tuple(attempt.value.shape)}"
        if attempt.error is None and not bool(torch.isfinite(attempt.value).all()):
            return f"{what} gives numbers that are not finite: is there a division by size − 1, or by 0?"
    return None


@probe("warp-without-gradient")
def warp_gradient(a: Any, t: Trial) -> str | None:
    x, theta = warp_case(t)
    for name, which in (("x", 0), ("theta", 1)):
        leaves = [x.clone(), theta.clone()]
        leaves[which].requires_grad_()
        found = a.warp(*leaves)
        if not same(found, expected_warp(t, x, theta)):
            return None
        if not found.requires_grad:
            return (
                f"no gradient reaches {name}: something was detached, or went through `.item()` or NumPy. "
                "Only the *indices* (floor) are whole numbers; the weights depend on θ"
            )
    return None


@probe("simple-maps-go-wrong")
def simple_maps(a: Any, t: Trial) -> str | None:
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], dtype=torch.float64)
    cases = {
        "the identity": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        "a look one pixel to the right": [[1.0, 0.0, 2 / 3], [0.0, 1.0, 0.0]],
        "a look one pixel down": [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]],
        "a look a quarter pixel to the right": [[1.0, 0.0, 1 / 6], [0.0, 1.0, 0.0]],
        "a look a quarter pixel up": [[1.0, 0.0, 0.0], [0.0, 1.0, -0.25]],
    }
    for what, rows in cases.items():
        theta = torch.tensor([rows], dtype=torch.float64)
        for padding in ("zeros", "border"):
            found, expected = a.warp(x, theta, padding=padding), expected_warp(t, x, theta, padding)
            if found.shape == expected.shape and not same(found, expected, atol=1e-6):
                before, after, right = (each[0, 0].tolist() for each in (x, found, expected))
                return f'{what}, padding="{padding}", makes {after} of {before}, expected {right}'
    return None
