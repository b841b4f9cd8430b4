"""E4: residual blocks and a network of 50 layers. What must hold."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import Exercise, Trial
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_mistakes import probe as of_block
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_mistakes_network import probe as of_network
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_mistakes_profile import probe as of_profile
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_mistakes_profile import profiled
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_mistakes_zero import probe as of_zero
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_oracle import (
    NAMES,
    block,
    calls_of_blocks,
    expected,
    network,
    odd_start,
    parameters,
    randomised,
    seen_blocks,
    size_of_network,
    true_slopes,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import shape
from shared.data import digits
from shared.nn.convolution import BasicBlock as GrownUp
from shared.plotting import panels, show

e4 = Exercise(
    "E4",
    takes={"BasicBlock": None, "TinyResNet": None, "gradient_profile": list},
    hints=(
        "The shortcut must have the shape of the branch, or they cannot be added: nothing to do where "
        "the shape stays, a 1×1 convolution with the stride and a batch norm elsewhere. The branch ends "
        "in the addition, and the ReLU comes after it.",
        "`relu(shortcut(x) + f(x))`. Zero the last weight of f: bn2.weight, or conv2.weight where nothing "
        "follows conv2. The gradient at a block's output: keep the output in a forward hook, then "
        "`torch.autograd.grad(loss, outputs)`.",
        "`nn.init.zeros_(self.bn2.weight)`; `self.shortcut = nn.Identity() if stride == 1 and cin == "
        "cout else nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))`. "
        "Profile: work on `copy.deepcopy(model)`, and nothing of the caller's can change.",
    ),
)
of_block.add_to(e4)
of_zero.add_to(e4)
of_network.add_to(e4)
of_profile.add_to(e4)


@e4.property("the block computes what its formula says", points=7)
def formula(a: Any, t: Trial) -> None:
    for cin, cout, stride, size in ((3, 3, 1, 4), (2, 4, 1, 5), (4, 4, 2, 7), (4, 2, 2, 6), (2, 4, 3, 7)):
        for preact in (False, True):
            for skip in (True, False):
                made = randomised(block(a, t, cin, cout, stride, preact=preact, skip=skip), t)
                x = t.randn(3, cin, size, size)
                for training in (False, True):
                    made.train(training)
                    t.given(
                        f"BasicBlock({cin}, {cout}, {stride}, preact={preact}, skip={skip}), x {shape(x)}"
                    )
                    right = expected(made, x, stride=stride, preact=preact, skip=skip)
                    before = x.clone()
                    t.equal(made(x).detach(), right, "the output", rtol=1e-7, atol=1e-8)
                    t.that(bool(torch.equal(x, before)), "the block changed its input")
    one = randomised(block(a, t, 2, 4, 2), t).eval()
    t.equal(one(x := t.randn(1, 2, 5, 5)).detach(), expected(one, x, stride=2), "one image", rtol=1e-7)


@e4.property("a new block is its shortcut, and can learn", points=4)
def new_block(a: Any, t: Trial) -> None:
    for preact in (False, True):
        for cin, cout, stride in ((3, 3, 1), (2, 4, 2)):
            made, x = block(a, t, cin, cout, stride, preact=preact).train(), t.randn(4, cin, 6, 6)
            t.given(f"a new BasicBlock({cin}, {cout}, {stride}, preact={preact})")
            out = made(x)
            bare = made.shortcut(x)
            t.equal(out.detach(), (bare if preact else F.relu(bare)).detach(), "a new block", rtol=1e-7)
            (out * t.randn(*out.shape)).sum().backward()
            arrived = [getattr(made, name).weight.grad for name in NAMES]
            t.that(
                any(grad is not None and bool(grad.any()) for grad in arrived),
                "no weight of the branch gets a gradient: it can never begin to learn",
            )
            biased = [
                part for part in made.modules() if isinstance(part, nn.Conv2d) and part.bias is not None
            ]
            t.that(not biased, "a convolution has a bias")
    t.equal(parameters(block(a, t, 3, 3).shortcut), 0, "parameters of an identity shortcut")
    for preact in (False, True):
        odd = odd_start(block(a, t, 4, 6, 2, preact=preact, zero_gamma=False))
        t.that(not odd, f"zero_gamma=False, as torch initialises it: {odd}")


@e4.property("TinyResNet: sizes, parts, parameters", points=5)
def net(a: Any, t: Trial) -> None:
    for width, blocks, classes, skip in ((3, (1, 1), 4, True), (2, (2, 3), 10, True), (2, (3, 2), 5, False)):
        model = network(a, t, width, blocks, classes, skip).eval()
        t.given(f"TinyResNet({width}, {blocks}, {classes}, {skip})")
        t.equal(parameters(model), size_of_network(width, blocks, classes, skip), "the number of parameters")
        for size in ((8, 8), (9, 6)):
            x = t.randn(2, 1, *size)
            with torch.no_grad(), seen_blocks(model) as seen:
                out = model(x)
            t.equal(len(seen), sum(blocks), "the number of blocks that ran")
            features = model.features(x).detach()
            high, wide = -(-size[0] // 2), -(-size[1] // 2)
            t.equal(tuple(features.shape), (2, 2 * width, high, wide), "the shape of features(x)")
            t.equal(out, model.head(features.mean((2, 3))).detach(), "model(x)")
            t.equal(features, seen[-1][1], "features(x), against the last block's output")
            for i, (part, before, after) in enumerate(calls_of_blocks(randomised(model, t), x)):
                right = expected(part, before, stride=2 if i == blocks[0] else 1, skip=skip)
                t.equal(after, right, f"the output of block {i + 1}", rtol=1e-7, atol=1e-8)
    t.equal(parameters(a.TinyResNet()), 19_706, "parameters of TinyResNet()")


@e4.property("gradient_profile, and nothing left behind", points=3)
def profile(a: Any, t: Trial) -> None:
    for training in (True, False):
        model, x, y = profiled(a, t, training)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        right = [float(slope.norm()) for slope in true_slopes(model, x, y)]
        t.equal(a.gradient_profile(model, x, y), right, "the profile", rtol=1e-6)
        t.that(all(p.grad is None for p in model.parameters()), "the parameters have a `.grad` afterwards")
        t.equal(dict(model.state_dict()), state, "the model's state afterwards")


@e4.property("50 layers with shortcuts: the gradient arrives", points=1)
def fifty_layers(a: Any, t: Trial) -> None:
    model, x, y = deep(a, t.random.getrandbits(31), skip=True)
    t.equal(parameters(model), 69_538, "parameters of TinyResNet(8, (12, 12))")
    norms = a.gradient_profile(model, x, y)
    ratio = norms[0] / norms[-1]
    t.that(
        0.05 <= ratio <= 20,
        f"the gradient at the first block is {ratio:.3g} times that at the last; with shortcuts it arrives "
        "with about its own size, between 0.05 and 20 times",
    )


def deep(a: Any, seed: int, skip: bool) -> tuple[Any, Any, Any]:
    torch.manual_seed(seed)
    train = digits().train
    return a.TinyResNet(8, (12, 12), skip=skip).train(), train.inputs[:32], train.targets[:32]


@e4.reward
def gradients_by_depth(a: Any) -> None:
    profiles = {skip: a.gradient_profile(*deep(a, 0, skip)) for skip in (True, False)}
    fig, ax = panels(height=2.9)
    for skip, name, colour in ((False, "plain", "#D55E00"), (True, "with shortcuts", "#0072B2")):
        ax.semilogy(range(1, 25), profiles[skip], "o-", label=name, color=colour, markersize=3.5)
    ax.set(xlabel="block, from the image on", ylabel="norm of the gradient")
    ax.grid(True)
    ax.legend()
    ratios = {skip: norms[0] / norms[-1] for skip, norms in profiles.items()}
    show(
        fig,
        caption=(
            "Two new networks of 50 layers, by your `gradient_profile`. Through the plain one the gradient "
            f"grows {ratios[False]:,.0f}-fold on its way to the image; with shortcuts the factor is "
            f"{ratios[True]:.2f}."
        ),
        alt=(
            "Gradient norms by block on a logarithmic axis: the plain network's rise steeply towards "
            "the image, those of the residual one stay level."
        ),
    )
    print("Your block against shared.nn.convolution.BasicBlock:", against_the_library(a))


def against_the_library(a: Any) -> str:
    """The same weights in the library's block give the same output."""
    own, library = a.BasicBlock(4, 8, 2, zero_gamma=False), GrownUp(4, 8, 2)
    parts = [own.conv1, own.bn1, own.conv2, own.bn2, own.shortcut]
    places = ["branch.0.0", "branch.0.1", "branch.2.0", "branch.2.1", "shortcut"]
    for part, place in zip(parts, places, strict=True):
        theirs = library.get_submodule(place)
        values = zip(theirs.state_dict(), part.state_dict().values(), strict=True)
        theirs.load_state_dict(dict(values))
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(own(x), library(x))
    return "equal, with your weights copied into it"
