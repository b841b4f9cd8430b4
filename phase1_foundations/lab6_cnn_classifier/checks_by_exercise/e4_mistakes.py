"""The known mistakes of BasicBlock, each by its signature on a tiny input."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_oracle import (
    NAMES,
    Parts,
    block,
    expected,
    parameters,
    randomised,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import error_text

probe = Probes()


@probe("parts-missing")
def parts_missing(a: Any, t: Trial) -> str | None:
    for how in ({}, {"preact": True}):
        attempt = t.tried(lambda how=how: block(a, t, **how))
        if attempt.error is not None:
            if "before Module.__init__()" in str(attempt.error):
                return "call `super().__init__()` before you assign parts: nn.Module must be set up first"
            return f"BasicBlock(3, 3{', preact=True' if how else ''}) ends in {error_text(attempt.error)}"
        for name in NAMES:
            if not hasattr(attempt.value, name):
                return f"the block has no part `{name}`; asked for are conv1, bn1, conv2, bn2 and shortcut"
            kind = nn.Conv2d if name.startswith("conv") else nn.BatchNorm2d
            if not isinstance(getattr(attempt.value, name), kind):
                return (
                    f"`{name}` is a {type(getattr(attempt.value, name)).__name__}, expected "
                    f"nn.{kind.__name__}"
                )
        if not hasattr(attempt.value, "shortcut"):
            return "the block has no part `shortcut`: nn.Identity() where the shape stays, else a projection"
    return None


@probe("idle-bias")
def idle_bias(a: Any, t: Trial) -> str | None:
    made = block(a, t, 2, 4, 2)
    for name, part in made.named_modules():
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            return (
                f"`{name}` has a bias, and a batch norm follows, which subtracts the mean and the bias "
                f"with it: {part.bias.numel()} parameters that can never matter. Use bias=False"
            )
    return None


@probe("projection-everywhere")
def projection_everywhere(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = block(a, t, preact=preact)
        extra = parameters(made.shortcut)
        if extra:
            return (
                f"the identity shortcut has {extra} parameters: with stride 1 and cin = cout the shape "
                "stays, and x passes untouched through nn.Identity()"
            )
    return None


@probe("shortcut-without-weights")
def without_weights(a: Any, t: Trial) -> str | None:
    for cin, cout, stride in ((2, 4, 1), (4, 4, 2), (4, 2, 1)):
        made = block(a, t, cin, cout, stride)
        if parameters(made.shortcut) == 0:
            attempt = t.tried(lambda made=made, cin=cin: made(t.randn(2, cin, 4, 4)))
            ended = (
                f"and the addition ends in {error_text(attempt.error)}"
                if attempt.error is not None
                else "and pixels or channels are dropped, or zeros added, silently"
            )
            return (
                f"BasicBlock({cin}, {cout}, stride={stride}) changes the shape, but its shortcut has no "
                f"parameters, {ended}. Asked for is a projection: a 1×1 convolution and a batch norm"
            )
    return None


@probe("projection-is-another")
def projection_is_another(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = block(a, t, 2, 4, 2, preact=preact)
        parts = list(made.shortcut.children())
        kinds = [type(part).__name__ for part in parts]
        if len(parts) != 2 or not isinstance(parts[0], nn.Conv2d) or not isinstance(parts[1], nn.BatchNorm2d):
            return (
                f"the projection is made of {kinds or type(made.shortcut).__name__}; asked for is "
                "nn.Sequential of a 1×1 convolution and a batch norm"
            )
        if parts[0].kernel_size != (1, 1) or parts[0].stride != (2, 2):
            return (
                f"the convolution of the projection has kernel {parts[0].kernel_size} and stride "
                f"{parts[0].stride}; asked for is 1×1 with the stride of the block, 2"
            )
    return None


@probe("stride-in-the-wrong-place")
def stride_place(a: Any, t: Trial) -> str | None:
    made = block(a, t, 2, 4, 2)
    first, second = made.conv1.stride, made.conv2.stride
    if (first, second) != ((2, 2), (1, 1)):
        return f"with stride=2 conv1 has stride {first} and conv2 {second}; only conv1 takes the stride"
    if made.conv1.kernel_size != (3, 3) or made.conv2.kernel_size != (3, 3):
        return f"the kernels are {made.conv1.kernel_size} and {made.conv2.kernel_size}; both are 3×3"
    return None


@probe("batch-norm-of-another-size")
def norm_size(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = block(a, t, 2, 4, preact=preact)
        sizes = (made.bn1.num_features, made.bn2.num_features)
        wanted = (2, 4) if preact else (4, 4)
        if sizes != wanted:
            return (
                f"BasicBlock(2, 4, preact={preact}): bn1 and bn2 have {sizes} channels, expected {wanted}"
                + (": bn1 normalises the input" if preact else "")
            )
    return None


@probe("batch-norm-with-other-settings")
def norm_settings(a: Any, t: Trial) -> str | None:
    usual = nn.BatchNorm2d(1)
    for preact in (False, True):
        for name, part in block(a, t, 2, 4, 2, preact=preact).named_modules():
            for setting in ("eps", "momentum", "affine", "track_running_stats"):
                if isinstance(part, nn.BatchNorm2d) and getattr(part, setting) != getattr(usual, setting):
                    return (
                        f"`{name}` has {setting}={getattr(part, setting)}, the default is "
                        f"{getattr(usual, setting)}: batch norms with their defaults are asked for"
                    )
    return None


@probe("block-is-random")
def random_block(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made, x = randomised(block(a, t, preact=preact), t).train(), t.randn(3, 3, 4, 4)
        if not same(made(x.clone()), made(x.clone())):
            return "in training mode the same x gives two different outputs: is there a dropout in the block?"
    return None


@probe("gradient-is-cut")
def gradient_is_cut(a: Any, t: Trial) -> str | None:
    for preact in (False, True):
        made = randomised(block(a, t, preact=preact), t).eval()
        x = t.randn(3, 3, 4, 4)
        if not same(made(x.clone()), expected(made, x, preact=preact)):
            continue
        own, right = x.clone().requires_grad_(), x.clone().requires_grad_()
        made(own).square().sum().backward()
        Parts(made).whole(right, preact=preact).square().sum().backward()
        if own.grad is None or not same(own.grad, right.grad):
            return (
                f"preact={preact}: the output is right, the gradient reaching x is not: a part of the block "
                "is detached, and the layers before it would learn nothing through that part"
            )
        if made.conv1.weight.grad is None:
            return f"preact={preact}: no gradient reaches conv1.weight: the branch is detached"
    return None


@probe("input-changed")
def input_changed(a: Any, t: Trial) -> str | None:
    for how in ({}, {"preact": True}, {"zero_gamma": False}, {"skip": False}):
        made, x = block(a, t, **how), t.randn(2, 3, 4, 4)
        before = x.clone()
        made(x)
        if not torch.equal(x, before):
            return (
                "the input was changed by an in-place operation (`relu_`, inplace=True, `+=` on x): the "
                "caller's x is not yours, and the shortcut reads it after you wrote into it"
            )
    return None


def hypotheses(made: nn.Module, x: Any, stride: int) -> list[tuple[Any, str]]:
    """Other wirings of the same parts, in words. Post-activation."""
    p = Parts(made)
    s, f = p.shortcut(x, stride), p.branch(x, stride, False)
    h1 = p.first(x, stride, False)
    h = F.relu(p.norm("bn1", h1))
    found = [
        (s + F.relu(f), "you apply the ReLU before the addition: the block can only add non-negative values"),
        (F.relu(s) + F.relu(f), "you apply the ReLU to both sides before the addition: once, to the sum"),
        (s + f, "there is no ReLU after the addition"),
        (F.relu(f), "the shortcut is not added: this is a plain block"),
        (f, "neither the shortcut is added nor a ReLU applied at the end"),
        (F.relu(s - f), "you subtract the branch"),
        (F.relu(s * f), "you multiply shortcut and branch"),
        (
            F.relu(s + p.norm("bn2", p.conv("conv2", p.norm("bn1", h1)))),
            "there is no ReLU between the two convolutions: together they are then one linear map",
        ),
        (F.relu(s + p.conv("conv2", h)), "the second batch norm is missing"),
        (F.relu(s + p.norm("bn2", p.conv("conv2", F.relu(h1)))), "the first batch norm is missing"),
        (
            F.relu(s + p.norm("bn2", p.conv("conv2", p.norm("bn1", F.relu(h1))))),
            "in the branch the ReLU comes before bn1: convolution, batch norm, ReLU is the order",
        ),
        (
            F.relu(p.norm("bn2", s + p.conv("conv2", h))),
            "bn2 comes after the addition, and normalises the shortcut too",
        ),
    ]
    if f.shape == h.shape:
        found += [
            (
                F.relu(h + f),
                "the shortcut begins after the first convolution: it must read x, the block's input",
            ),
            (F.relu(h1 + f), "the shortcut begins after conv1: it must read x, the block's input"),
        ]
    if not p.projects:
        found.append(
            (F.relu(F.relu(x) + f), "the shortcut carries relu(x): an in-place ReLU, or one too many")
        )
    return found


@probe("wired-another-way")
def wired_another_way(a: Any, t: Trial) -> str | None:
    for cin, cout, stride in ((3, 3, 1), (2, 4, 2)):
        for mode in (False, True):
            made = randomised(block(a, t, cin, cout, stride), t).train(mode)
            x = t.randn(3, cin, 5, 5)
            with torch.no_grad():
                known = hypotheses(made, x, stride)
                out = made(x.clone())
            if not same(out, expected(made, x, stride=stride)):
                for wrong, words in known:
                    if same(out, wrong):
                        return f"BasicBlock({cin}, {cout}, stride={stride}): {words}"
    return None


@probe("preact-wired-another-way")
def preact_wired(a: Any, t: Trial) -> str | None:
    made, x = randomised(block(a, t, preact=True), t).eval(), t.randn(3, 3, 5, 5)
    with torch.no_grad():
        p, out = Parts(made), made(x.clone())
        f = p.branch(x, 1, True)
        post = p.branch(x, 1, False)
        known = [
            (F.relu(x + f), "there is a ReLU after the addition: with pre-activation nothing comes after it"),
            (F.relu(x + post), "preact changes nothing: batch norm and ReLU come *before* each convolution"),
            (
                x + post,
                "the branch is the ordinary one, without the last ReLU: batch norm, ReLU, convolution, twice",
            ),
            (f, "the shortcut is not added"),
            (
                x + p.conv("conv2", F.relu(p.norm("bn2", p.conv("conv1", p.norm("bn1", x))))),
                "the ReLU after bn1 is missing",
            ),
            (
                x + p.conv("conv2", p.norm("bn2", p.conv("conv1", F.relu(p.norm("bn1", x))))),
                "the ReLU after bn2 is missing: the two convolutions are then one linear map",
            ),
            (
                x + p.norm("bn2", p.conv("conv2", F.relu(p.conv("conv1", F.relu(p.norm("bn1", x)))))),
                "bn2 comes after conv2; it comes before it, and nothing after conv2",
            ),
            (
                x + p.conv("conv2", p.norm("bn2", F.relu(p.conv("conv1", p.norm("bn1", F.relu(x)))))),
                "each ReLU comes before its batch norm: batch norm, ReLU, convolution is the order",
            ),
            (F.relu(p.norm("bn1", x)) + f, "the shortcut carries relu(bn1(x)): it must carry x itself"),
            (
                x + F.relu(p.norm("bn2", p.conv("conv2", F.relu(p.norm("bn1", p.conv("conv1", x)))))),
                "the branch has its ReLUs after the convolutions",
            ),
        ]
    for wrong, words in known:
        if same(out, wrong) and not same(out, expected(made, x, preact=True)):
            return f"preact=True: {words}"
    made = randomised(block(a, t, 2, 4, 2, preact=True), t).eval()
    x = t.randn(3, 2, 5, 5)
    with torch.no_grad():
        p, out = Parts(made), made(x)
        early = F.relu(p.norm("bn1", x))
        if same(out, p.shortcut(early, 2) + p.branch(x, 2, True)):
            return "preact=True: the projection reads relu(bn1(x)); asked for is x itself, in both forms"
    return None
