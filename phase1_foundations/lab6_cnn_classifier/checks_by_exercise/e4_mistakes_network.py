"""The known mistakes of TinyResNet."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_oracle import (
    calls_of_blocks,
    expected,
    network,
    parameters,
    randomised,
    seen_blocks,
    size_of_network,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import (
    error_text,
    first_difference,
    shape,
)

probe = Probes()


@probe("network-parts-missing")
def parts_missing(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: network(a, t))
    if attempt.error is not None:
        return f"TinyResNet() ends in {error_text(attempt.error)}"
    for name in ("features", "head"):
        if not isinstance(getattr(attempt.value, name, None), nn.Module):
            return (
                f"TinyResNet has no part `{name}`: `features` makes the last feature map, `head` is the "
                "linear layer"
            )
    if not isinstance(attempt.value.head, nn.Linear):
        return (
            f"`head` is a {type(attempt.value.head).__name__}, expected nn.Linear (the mean is taken in "
            "`forward`)"
        )
    return None


@probe("softmax-at-the-end")
def softmax(a: Any, t: Trial) -> str | None:
    model = network(a, t, 4).eval()
    with torch.no_grad():
        out = model(t.randn(3, 1, 8, 8))
    if out.shape == (3, 10) and bool((out >= 0).all()) and same(out.sum(1), torch.ones(3)):
        return "your outputs are probabilities: no softmax in the model, cross-entropy wants logits"
    if out.shape == (3, 10) and same(out.exp().sum(1), torch.ones(3)):
        return (
            "your outputs are log-probabilities: no log_softmax in the model, cross-entropy takes it itself"
        )
    return None


@probe("block-counts")
def block_counts(a: Any, t: Trial) -> str | None:
    for blocks in ((1, 1), (3, 2), (2, 4)):
        model = network(a, t, 2, blocks)
        with seen_blocks(model) as seen, torch.no_grad():
            model.eval()(t.randn(1, 1, 8, 8))
        if not seen:
            return "no part of TinyResNet has conv1, bn1, conv2 and bn2: build it from your `BasicBlock`"
        if len(seen) != sum(blocks):
            return (
                f"blocks={blocks}: {len(seen)} blocks ran, expected {sum(blocks)}, {blocks[0]} and then "
                f"{blocks[1]}"
            )
        strides = [before.shape[2] // after.shape[2] for before, after in seen]
        channels = [after.shape[1] for _, after in seen]
        wanted = [1] * blocks[0] + [2] + [1] * (blocks[1] - 1)
        if strides != wanted:
            return f"blocks={blocks}: the blocks have strides {strides}, expected {wanted}"
        wide = [2] * blocks[0] + [4] * blocks[1]
        if channels != wide:
            return f"width=2, blocks={blocks}: the blocks give {channels} channels, expected {wide}"
        for i, ((_, before), (after, _)) in enumerate(pairwise(seen)):
            if not same(before, after):
                return f"block {i + 1} does not read what block {i} gives"
    return None


@probe("stem-is-another")
def stem(a: Any, t: Trial) -> str | None:
    model, x = network(a, t, 4).train(), t.randn(5, 1, 8, 8)
    first = next(part for part in model.modules() if isinstance(part, nn.Conv2d) and part.in_channels == 1)
    if first.kernel_size != (3, 3) or first.stride != (1, 1) or first.bias is not None:
        return f"the first convolution is {first}; asked for is 3×3 with padding 1, stride 1 and no bias"
    with seen_blocks(model) as seen, torch.no_grad():
        model(x)
        convolved = F.conv2d(x, first.weight, padding=1)
        normed = F.batch_norm(convolved, None, None, training=True)
    given = seen[0][0]
    for wrong, words in (
        (convolved, "the first block reads the convolution as it is: batch norm and ReLU are missing"),
        (normed, "the ReLU between the first batch norm and the first block is missing"),
        (F.relu(convolved), "the batch norm after the first convolution is missing"),
    ):
        if same(given, wrong, rtol=1e-5, atol=1e-6):
            return words
    if not same(given, F.relu(normed), rtol=1e-5, atol=1e-6):
        return (
            f"what the first block reads is not relu(bn(conv(x))): {first_difference(given, F.relu(normed))}"
        )
    return None


@probe("image-size-is-fixed")
def fixed_size(a: Any, t: Trial) -> str | None:
    model = network(a, t, 2).eval()
    eight = t.tried(lambda: model(t.randn(2, 1, 8, 8)))
    if eight.error is not None:
        return f"an image of 8×8 ends in {error_text(eight.error)}"
    for size in ((12, 12), (9, 7), (1, 1)):
        attempt = t.tried(lambda size=size: model(t.randn(2, 1, *size)))
        if attempt.error is not None:
            return (
                f"fine for 8×8, an image of {size[0]}×{size[1]} ends in {error_text(attempt.error)}: the "
                "size is hard-coded somewhere. The *mean* over height and width works for any"
            )
    return None


@probe("network-outputs")
def outputs(a: Any, t: Trial) -> str | None:
    for width, classes in ((2, 10), (3, 4)):
        model, x = network(a, t, width, num_classes=classes).eval(), t.randn(3, 1, 9, 7)
        with torch.no_grad():
            out, features = model(x), model.features(x)
        if not isinstance(out, Tensor):
            return f"model(x) is a {type(out).__name__}, asked for is one tensor, the logits"
        if features.shape != (3, 2 * width, 5, 4):
            return (
                f"width={width}: `features` of images of 9×7 has shape {shape(features)}, expected "
                f"{(3, 2 * width, 5, 4)}: [N, 2·width, ⌈H/2⌉, ⌈W/2⌉]"
            )
        if out.shape != (3, classes):
            return f"num_classes={classes}: the output has shape {shape(out)}, expected (3, {classes})"
        with torch.no_grad():
            alone = model(x[:1])
        if alone.shape != (1, classes):
            return (
                f"one image gives shape {shape(alone)}, expected (1, {classes}): a `squeeze` drops its axis"
            )
        with torch.no_grad():
            right, peak = model.head(features.mean((2, 3))), model.head(features.amax((2, 3)))
            total = model.head(features.sum((2, 3)))
        if same(out, peak) and not same(out, right):
            return "you take the maximum over height and width, asked for is the mean"
        if same(out, total) and not same(out, right):
            return "you take the sum over height and width, asked for is the mean"
        if found := first_difference(out, right):
            return f"model(x) is not head(features(x).mean((2, 3))): {found}"
    return None


@probe("network-of-other-blocks")
def other_blocks(a: Any, t: Trial) -> str | None:
    model = randomised(network(a, t, 2, (2, 2)), t).eval()
    for i, (part, before, after) in enumerate(calls_of_blocks(model, t.randn(2, 1, 6, 6)), 1):
        stride = 2 if i == 3 else 1
        if same(after, expected(part, before, stride=stride)):
            continue
        if same(after, expected(part, before, stride=stride, preact=True)):
            return (
                "the blocks in TinyResNet are pre-activation ones; asked for are BasicBlocks with the "
                "defaults"
            )
        return f"TinyResNet(): block {i} does not compute what a BasicBlock computes"
    return None


@probe("parameter-count")
def count(a: Any, t: Trial) -> str | None:
    cases: tuple[tuple[Any, ...], ...] = (
        (16, (1, 1), 10, True),
        (4, (1, 1), 3, True),
        (4, (2, 3), 10, True),
        (4, (2, 2), 10, False),
    )
    for width, blocks, classes, skip in cases:
        own = parameters(network(a, t, width, blocks, classes, skip))
        right = size_of_network(width, blocks, classes, skip)
        if own != right:
            with_skip = size_of_network(width, blocks, classes, True)
            also = " (that is the network with shortcuts: is `skip` handed on?)" if own == with_skip else ""
            return (
                f"TinyResNet({width}, {blocks}, {classes}, skip={skip}) has {own:,} parameters, expected "
                f"{right:,}{also}"
            )
    return None


@probe("network-default-differs")
def default_differs(a: Any, t: Trial) -> str | None:
    usual = {"width": 16, "blocks": (1, 1), "num_classes": 10, "skip": True}
    right = size_of_network(16, (1, 1), 10, True)
    if parameters(a.TinyResNet(**usual)) != right:
        return None
    for name, value in usual.items():
        own = parameters(a.TinyResNet(**{key: usual[key] for key in usual if key != name}))
        if own != right:
            return (
                f"TinyResNet() has {right:,} parameters; without the argument `{name}` yours has {own:,}: "
                f"its default is {value}"
            )
    return None


@probe("network-draws-at-random")
def draws(a: Any, t: Trial) -> str | None:
    model, x = network(a, t, 2).train(), t.randn(4, 1, 6, 6)
    with torch.no_grad():
        if not same(model(x), model(x)):
            return (
                "in training mode two calls with the same images give different logits: something random "
                "(a dropout?) stands in the network, and none is asked for"
            )
    return None


@probe("network-skip-ignored")
def skip_ignored(a: Any, t: Trial) -> str | None:
    for skip in (True, False):
        model = network(a, t, 2, (3, 1), skip=skip).train()
        with seen_blocks(model) as seen, torch.no_grad():
            model(t.randn(4, 1, 8, 8))
        kept = same(seen[1][1], seen[1][0], rtol=1e-5, atol=1e-6)
        if kept != skip:
            if kept:
                return (
                    "TinyResNet(skip=False): a new block gives back its input, so it has a shortcut; hand "
                    "`skip` on"
                )
            return (
                "TinyResNet(): a new block should give back its input, since zero γ is the default; yours "
                "does not"
            )
    return None
