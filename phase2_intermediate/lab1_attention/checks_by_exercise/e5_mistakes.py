"""The known mistakes of E5, each found on a few images and without training anything for long."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it, value_of

probe = Probes()


def right_patches(x: Tensor) -> Tensor:
    """Patch 4·r + c holds the pixels (2r, 2c), (2r, 2c + 1), (2r + 1, 2c), (2r + 1, 2c + 1)."""
    squares = [x[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].flatten(1) for r in range(4) for c in range(4)]
    return torch.stack(squares, dim=1)


def images_of(squares: Tensor) -> Tensor:
    """The way back: [B, 16, 4] → [B, 8, 8]."""
    return squares.reshape(-1, 4, 4, 2, 2).transpose(2, 3).reshape(-1, 8, 8)


def images(t: Trial, count: int) -> Tensor:
    return t.rand(count, 8, 8, dtype=torch.float32)


def shaken(a: Any, t: Trial, **options: Any) -> Any:
    """A model in evaluation mode in which positions count: its `position` is random, not near 0."""
    model = value_of(
        t, lambda: a.PatchAttention(**options), "model-cannot-be-built", f"PatchAttention({options})"
    )
    t.given(f"PatchAttention({', '.join(f'{k}={v}' for k, v in options.items())})")
    t.that(isinstance(model, nn.Module), "PatchAttention must be an nn.Module", diagnosis="not-a-module")
    model.eval()
    with torch.no_grad():
        position = getattr(model, "position", None)
        if isinstance(position, Tensor) and position.numel():
            position.copy_(t.randn(*position.shape, dtype=torch.float32))
    return model


def logits_of(t: Trial, model: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        out = value_of(
            t, lambda: model(x), "forward-fails", f"calling the model with {tuple(x.shape)} images"
        )
    t.that(
        isinstance(out, Tensor),
        f"the model returned a {type(out).__name__}, expected logits [B, 10]",
        diagnosis="not-logits",
    )
    return out


@probe("the-patches")
def cut(a: Any, t: Trial) -> None:
    x = torch.arange(128.0).reshape(2, 8, 8)
    found = value_of(t, lambda: a.patches(x), "patches-fail", "patches(x) with x [2, 8, 8]")
    right = right_patches(x)
    first = numbers(found[0, 0]) if found.dim() == 3 else ""
    name_it(
        t,
        found,
        right,
        [
            (
                "patches-are-rows",
                x.reshape(2, 16, 4),
                f"patch 0 of an image with the pixels 0 … 63 is {first}: four pixels of one row. It is the 2 "
                "× 2 square 0, 1, 8, 9",
            ),
            (
                "patches-column-by-column",
                right.reshape(2, 4, 4, 4).transpose(1, 2).reshape(2, 16, 4),
                "the patches come column by column: patch 1 is the one to the *right* of patch 0",
            ),
            (
                "pixels-column-by-column",
                right[..., [0, 2, 1, 3]],
                f"patch 0 is {first}: its pixels are read column by column. Row by row it is 0, 1, 8, 9",
            ),
            (
                "patches-column-by-column",
                right_patches(x.transpose(1, 2)),
                "rows and columns are exchanged: patch 0 is 0, 1, 8, 9, and patch 1 is 2, 3, 10, 11",
            ),
            (
                "patches-and-pixels-exchanged",
                right.transpose(1, 2),
                "the result is [B, 4, 16]: one patch a row, [B, 16, 4]",
            ),
            (
                "patches-and-pixels-exchanged",
                right.transpose(1, 2).reshape(2, 16, 4),
                f"patch 0 is {first}: that mixes patches. `unfold` gives [B, 4, 16]; transpose, do not "
                "reshape",
            ),
            (
                "patches-are-strided",
                x.reshape(2, 2, 4, 2, 4).permute(0, 2, 4, 1, 3).reshape(2, 16, 4),
                f"patch 0 is {first}: its pixels lie four apart. It is the 2 × 2 square 0, 1, 8, 9",
            ),
        ],
    )
    if found.shape != right.shape:
        t.fail(f"patches has shape {tuple(found.shape)}, expected (2, 16, 4)", diagnosis="shape-of-patches")
    if not same(found, right):
        t.fail(
            f"patch 0 of an image with the pixels 0 … 63 is {first}, patch 1 {numbers(found[0, 1])}; "
            "expected are (0, 1, 8, 9) and (2, 3, 10, 11)",
            diagnosis="patches-are-wrong",
        )


@probe("patches-of-other-images")
def other_images(a: Any, t: Trial) -> str | None:
    plain = images(t, 2)
    if not same(a.patches(plain), right_patches(plain)):
        return None
    for words, x in (("float64", plain.double()), ("not contiguous", plain.transpose(1, 2))):
        attempt = t.tried(lambda x=x: a.patches(x))
        if attempt.error is not None:
            ended = type(attempt.error).__name__
            return f"patches of images that are {words} ends in {ended}: `reshape` where `view` fails"
        if attempt.value.dtype != x.dtype:
            return f"images in {x.dtype} gave patches in {attempt.value.dtype}: keep the dtype"
    return None


@probe("the-rollout")
def rolled(a: Any, t: Trial) -> None:
    layers = [t.rand(2, 3, 3, low=0.1).softmax(-1) * 1 for _ in range(3)]
    layers = [(4 * t.randn(2, 3, 3)).softmax(-1) for _ in layers]
    eye = torch.eye(3, dtype=torch.float64)
    half = [0.5 * x + 0.5 * eye for x in layers]
    right = half[2] @ half[1] @ half[0]
    found = value_of(t, lambda: a.rollout(layers), "rollout-fails", "rollout of three layers [2, 3, 3]")
    sums = "the last layer stands on the left: A₃' A₂' A₁'"
    name_it(
        t,
        found,
        right,
        [
            (
                "rollout-in-the-wrong-order",
                half[0] @ half[1] @ half[2],
                f"the layers are multiplied in reverse: {sums}",
            ),
            (
                "rollout-without-residual",
                layers[2] @ layers[1] @ layers[0],
                "the residual path is missing: each layer counts as ½ A + ½ I",
            ),
            (
                "rollout-without-residual",
                layers[0] @ layers[1] @ layers[2],
                f"the residual path is missing (½ A + ½ I), and {sums}",
            ),
            (
                "rollout-does-not-sum-to-one",
                (layers[2] + eye) @ (layers[1] + eye) @ (layers[0] + eye),
                "the rows of A + I have the sum 2, and those of the product 8: each layer counts as ½ A + "
                "½ I",
            ),
            ("rollout-adds-the-layers", sum(half) / 3, "the layers are averaged: multiply them"),
            ("rollout-adds-the-layers", sum(layers) / 3, "the layers are averaged: multiply ½ A + ½ I"),
            ("rollout-of-one-layer", half[2], "that is the last layer alone: multiply all of them"),
            ("rollout-of-one-layer", half[0], "that is the first layer alone: multiply all of them"),
            ("rollout-forgets-the-first", half[2] @ half[1], "the first layer is missing"),
            ("rollout-forgets-the-first", half[1] @ half[0], "the last layer is missing"),
            ("rollout-multiplies-elementwise", half[0] * half[1] * half[2], "multiply as matrices, with @"),
            (
                "rollout-transposed",
                right.transpose(-1, -2),
                "the result is transposed: row i says where token i comes from",
            ),
        ],
    )
    if not same(found, right):
        t.fail(
            "rollout of three random layers is not A₃' A₂' A₁' with A' = ½ A + ½ I",
            diagnosis="rollout-is-wrong",
            observed=found[0] if isinstance(found, Tensor) and found.dim() == 3 else found,
            expected=right[0],
        )


@probe("not-logits")
def logits(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t), images(t, 5)
    out = logits_of(t, model, x)
    if tuple(out.shape) != (5, 10):
        return f"for 5 images the model returned {tuple(out.shape)}, expected (5, 10): one vector an "
        "image, then 10"
    if bool((out >= 0).all()) and same(out.sum(1), torch.ones(5), rtol=1e-3):
        return (
            "the rows are probabilities: cross-entropy takes *logits* and does the softmax itself. A softmax "
            "before it makes the gradients small"
        )
    if bool((out <= 0).all()) and same(out.exp().sum(1), torch.ones(5), rtol=1e-3):
        return "the rows are logarithms of probabilities: return the linear layer's logits"
    if bool((out >= 0).all()):
        many = logits_of(t, model, images(t, 200))
        if bool((many >= 0).all()):
            return "no logit is ever negative: nothing comes after the last linear layer"
    return None


@probe("one-image-loses-its-axis")
def one_image(a: Any, t: Trial) -> str | None:
    out = logits_of(t, shaken(a, t), images(t, 1))
    if tuple(out.shape) == (10,):
        return "one image [1, 8, 8] gave logits of shape (10,), expected (1, 10): a `squeeze` drops its axis"
    return None


@probe("images-influence-each-other")
def alone(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t), images(t, 6) * torch.linspace(0.3, 1, 6)[:, None, None]  # the first is dark
    together = logits_of(t, model, x)
    first = logits_of(t, model, x[:1])
    if first.shape != (1, 10) or not same(first, together[:1], rtol=1e-3, atol=1e-4):
        return (
            "the logits of an image depend on who else is in the batch: a mean, a norm or a softmax runs "
            "over axis 0, or batch and patches are exchanged"
        )
    return None


@probe("positions-are-parameters")
def position(a: Any, t: Trial) -> str | None:
    model = shaken(a, t, d=16, heads=2)
    found = getattr(model, "position", None)
    if not isinstance(found, nn.Parameter):
        what = "missing" if found is None else f"a {type(found).__name__}"
        return f"`model.position` is {what}: a learned vector for each patch, nn.Parameter of shape [16, d]"
    if tuple(found.shape) != (16, 16):
        return f"with d=16 `model.position` has shape {tuple(found.shape)}, expected (16, 16): 16 patches, "
        "d numbers"
    without = shaken(a, t, positions=False)
    if getattr(without, "position", "missing") is not None:
        return "with positions=False, `model.position` must be None"
    return None


@probe("positions-forgotten")
def bag(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t), images(t, 4)
    order = torch.randperm(16, generator=t.generator)
    moved = images_of(right_patches(x)[:, order])
    one, other = logits_of(t, model, x), logits_of(t, model, moved)
    if same(one, other, rtol=1e-3, atol=1e-4):
        return (
            "with its patches shuffled an image gives the same logits: `position` is not added, your model "
            "sees a bag of patches. Such a model ends at about 0.7 of the digits"
        )
    with torch.no_grad():
        model.position.copy_(model.position[order])
    t.that(
        same(one, logits_of(t, model, moved), rtol=1e-3, atol=1e-4),
        "patches and the rows of `position` shuffled alike give other logits: something besides `position` "
        "knows where a patch is. Row i is added to patch i, and the same layers treat all patches, pooling "
        "included",
        diagnosis="places-known-besides-position",
    )
    return None


@probe("places-known-without-positions")
def no_places(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t, positions=False), images(t, 4)
    moved = images_of(right_patches(x)[:, torch.randperm(16, generator=t.generator)])
    if not same(logits_of(t, model, x), logits_of(t, model, moved), rtol=1e-3, atol=1e-4):
        return (
            "with positions=False the logits still change when the patches are shuffled: something else "
            "knows their places (a flattened layer, a pooling with one weight a place, positions that are "
            "added all the same)"
        )
    return None
