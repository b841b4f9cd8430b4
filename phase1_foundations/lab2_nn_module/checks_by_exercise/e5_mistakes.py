"""The known mistakes of E5, first part: each by its signature in an untrained network."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e5_watch import (
    built,
    few_digits,
    gradient_norms,
    is_linear,
    passes,
    scores,
    silenced,
    small,
    stirred,
    trained,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

probe = Probes()


@probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    X, y = few_digits(t, 96)
    for how in ({}, {"zero_init": True}, {"depth": 1}):
        words = ", ".join(f"{key}={value}" for key, value in ({"depth": 6, "width": 16} | how).items())
        must_run(t, f"build_deep({words})", lambda how=how: small(a, t, **how))
        must_run(t, f"build_deep({words}) of 96 digits", lambda how=how: small(a, t, **how)(X))
    must_run(t, "train_deep for one epoch", lambda: trained(a, small(a, t), X, y, epochs=1))


@probe("blocks-in-a-python-list")
def python_list(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    blocks = getattr(model, "blocks", None)
    if isinstance(blocks, list | tuple):
        return (
            f"`model.blocks` is a plain {type(blocks).__name__}: 0 of {len(blocks)} blocks have "
            "parameters registered, none of them would be trained. Use nn.ModuleList or "
            "nn.Sequential"
        )
    if blocks is None:
        return (
            "the network has no attribute `blocks`: keep its blocks there, in an nn.ModuleList or "
            "nn.Sequential"
        )
    return None


@probe("one-block-for-all")
def one_block(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    different = len({id(block) for block in model.blocks})
    if different < len(model.blocks):
        return (
            f"the {len(model.blocks)} blocks are {different} object(s): `[block] * depth` repeats the "
            "same one. Make a new block for each"
        )
    owned = [p for block in model.blocks for p in block.parameters()]
    if len({id(p) for p in owned}) < len(owned):
        return "two blocks share a parameter: each needs its own"
    return None


@probe("depth-ignored")
def depth_ignored(a: Any, t: Trial) -> str | None:
    for depth in (6, 3):
        found = len(small(a, t, depth=depth).blocks)
        if found != depth:
            return f"build_deep(depth={depth}) has {found} blocks"
    return None


@probe("sizes-ignored")
def sizes_ignored(a: Any, t: Trial) -> str | None:
    model = small(a, t, depth=2, width=12, n_classes=4)
    X, _ = few_digits(t, 8)
    found = scores(model, X).shape
    if tuple(found) != (8, 4):
        return f"build_deep(n_classes=4) gives scores of shape {tuple(found)} for 8 digits, expected (8, 4)"
    widths = {tuple(y.shape) for _, _, y in passes(model, X)}
    if widths and widths != {(8, 12)}:
        return (
            f"build_deep(width=12): the blocks give the shapes {sorted(widths)} for 8 digits, expected "
            "(8, 12)"
        )
    return None


@probe("weights-from-elsewhere")
def elsewhere(a: Any, t: Trial) -> str | None:
    first, again = (small(a, t, depth=2).state_dict() for _ in range(2))
    if any(not torch.equal(first[name], again[name]) for name in first):
        return (
            "two networks that were built after the same `torch.manual_seed` have different "
            "weights: draw them from "
            "torch's global generator"
        )
    return None


@probe("blocks-are-not-used")
def not_used(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    X, _ = few_digits(t, 8)
    seen = [i for i, _, _ in passes(model, X)]
    if seen != list(range(6)):
        return (
            f"in a forward pass the blocks run as {seen}, expected each once: {list(range(6))}. Call the "
            "block itself, `block(x)`, not `block.forward(x)`"
        )
    return None


@probe("residual-on-some-layers-only")
def some_layers(a: Any, t: Trial) -> str | None:
    model = small(a, t, depth=12, width=16, zero_init=True)
    X, _ = few_digits(t, 16)
    lost = [i for i, x, y in passes(model, X) if x.shape != y.shape or (y - x).norm() > 1e-3 * x.norm()]
    if 2 <= len(lost) <= 10:
        return (
            f"with zero_init=True the blocks {', '.join(map(str, lost[:5]))} … change their input, "
            "the others pass it on: "
            "the residual path must run through *every* block, x + f(x)"
        )
    return None


@probe("branch-starts-dead")
def dead_branch(a: Any, t: Trial) -> str | None:
    model = small(a, t, zero_init=True)
    X, y = few_digits(t, 32)
    norms = gradient_norms(model, X, y)
    if min(norms) == 0.0:
        return (
            f"with zero_init=True no parameter of block {norms.index(0.0)} gets a gradient: two "
            "factors of its branch are zero, and the derivative by each is the other. Zero only "
            "the last one"
        )
    return None


@probe("zero-init-is-not-the-identity")
def not_identity(a: Any, t: Trial) -> str | None:
    model = small(a, t, zero_init=True)
    X, _ = few_digits(t, 8)
    for i, x, y in passes(model, X):
        if x.shape == y.shape and not torch.equal(x, y):
            if bool((y == x.clamp(min=0)).all()):
                return (
                    "with zero_init=True a block gives relu(x), not x: a nonlinearity after the "
                    "addition damages the path. Put it inside the branch: x + f(x)"
                )
            if not bool(y.any()):
                return (
                    "with zero_init=True a block gives 0, not x: there is no residual path, y = f(x) "
                    "instead of x + f(x)"
                )
            return (
                f"with zero_init=True block {i} is not exactly the identity: it changes x by up to "
                f"{float((y - x).abs().max()):.2g}. Zero the last weight *and* bias of its branch"
            )
    return None


@probe("blocks-too-small")
def too_small(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    for i, block in enumerate(model.blocks):
        count = sum(p.numel() for p in block.parameters())
        if count < 16 * 16:
            return (
                f"with width 16 block {i} has {count} parameters, asked for are at least 16 · 16 = 256 "
                "of its own"
            )
    return None


@probe("blocks-are-linear")
def linear(a: Any, t: Trial) -> str | None:
    model = small(a, t).eval()
    X, _ = few_digits(t, 16)
    with stirred(model, t):
        for i, x, _ in passes(model, X):
            if is_linear(model.blocks[i], x):
                return (
                    f"block {i} is linear, block((a + b) / 2) is the mean of block(a) and block(b): "
                    "thirty of them are "
                    "worth one. Put a relu (or the like) into the branch"
                )
    return None


@probe("blocks-count-for-nothing")
def count_for_nothing(a: Any, t: Trial) -> str | None:
    model = small(a, t).eval()
    X, _ = few_digits(t, 64)
    with_blocks = float(scores(model, X).std(dim=0).mean())
    with silenced(model):
        without = float(scores(model, X).std(dim=0).mean())
    if without > 0.95 * with_blocks:
        return (
            "when the last block gives zeros, the scores still differ from digit to digit as "
            "before: another way leads "
            "around all blocks, and does the work"
        )
    return None


@probe("size-grows-with-depth")
def grows(a: Any, t: Trial) -> str | None:
    model = built(a, t.seed % 1000)
    X, _ = few_digits(t, 64)
    seen = passes(model, X)
    first, last = float(seen[0][1].std()), float(seen[-1][2].std())
    if not last <= 100 * first:
        ten = (last / first) ** (10 / len(seen))
        return (
            f"at the start the std of the activations grows from {first:.2g} to {last:.2g}, "
            f"{ten:.2g}× in ten blocks: x + f(x) with f as large as x doubles the variance each "
            "time. "
            "Scale the branch by 1/√depth, or normalise its input"
        )
    if not last >= 0.01 * first:
        return (
            f"the std of the activations falls from {first:.2g} to {last:.2g} on the way: each block "
            "shrinks its input. The identity path must not be scaled down"
        )
    return None


@probe("gradient-does-not-arrive")
def not_arriving(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 128)
    norms = gradient_norms(built(a, t.seed % 1000), X, y)
    ratio = norms[0] / norms[-1] if norms[-1] else float("inf")
    if not 0.1 <= ratio <= 10:
        return (
            f"at the start the gradient of the first block is {ratio:.2g} times that of the last, "
            "allowed is 0.1 to 10: on its way through the blocks it is multiplied again and "
            "again. Let x pass unchanged, x + f(x), with f normalised"
        )
    return None
