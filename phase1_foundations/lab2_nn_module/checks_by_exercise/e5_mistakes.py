"""The known mistakes of E5, each by its signature on an untrained network or in a very short run."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e5_watch import (
    accuracy,
    built,
    digits,
    few_digits,
    gradient_norms,
    passes,
    scores,
    trained,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes

probe = Probes()


def small(a: Any, t: Trial, **how: Any) -> nn.Module:
    return built(a, t.seed % 1000, **{"depth": 6, "width": 16, **how})


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


@probe("residual-on-some-layers-only")
def some_layers(a: Any, t: Trial) -> str | None:
    model = built(a, t.seed % 1000, depth=12, width=32)
    X, _ = few_digits(t, 64)
    kept = [
        float(torch.nn.functional.cosine_similarity(x.flatten(), y.flatten(), dim=0))
        for _, x, y in passes(model, X)
    ]
    plain = [i for i, value in enumerate(kept) if value < 0.35]
    residual = [i for i, value in enumerate(kept) if value > 0.5]
    if plain and residual and len(plain) >= 3:
        return (
            f"blocks {', '.join(map(str, plain[:5]))} … forget their input (the others add to it): the "
            "residual path must run through *every* block, x + f(x)"
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


@probe("returns-another-model")
def another_model(a: Any, t: Trial) -> str | None:
    model = small(a, t)
    X, y = few_digits(t, 64)
    result = trained(a, model, X, y, epochs=1)
    if result is not model:
        return (
            "train_deep returned another model than the one that it was given: train that one, and return it"
        )
    return None


@probe("not-in-eval-mode")
def not_eval(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 96)
    model = trained(a, small(a, t), X, y, epochs=1)
    alone, together = scores(model, X[:2])[:1], scores(model, X)[:1]
    if any(module.training for module in model.modules()):
        depends = not torch.allclose(alone, together, rtol=1e-3, atol=1e-4)
        return "train_deep returns the model in training mode" + (
            ": its norms use the statistics of the test batch, so accuracy depends on the batch's "
            "composition. Call `model.eval()`"
            if depends
            else ": a dropout or batch norm in it would behave differently. Call `model.eval()`"
        )
    if not torch.allclose(alone, together, rtol=1e-3, atol=1e-4):
        return (
            "in evaluation mode a digit's scores depend on the other digits in the call: a norm runs "
            "over the batch. Use running statistics, or a norm of each example"
        )
    return None


@probe("learns-nothing")
def learns_nothing(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 256)
    model = small(a, t)
    before = [p.detach().clone() for p in model.parameters()]
    trained(a, model, X, y, epochs=1)
    if all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)):
        return (
            "after train_deep every parameter is as before: is `optimizer.step()` called, on the "
            "parameters of this model?"
        )
    still = [
        i for i, block in enumerate(model.blocks) if all(_equal(p, before, model) for p in block.parameters())
    ]
    if len(still) == len(model.blocks):
        return "training changed the head, but no block: are their parameters in the optimizer?"
    return None


def _equal(parameter: Tensor, before: list[Tensor], model: nn.Module) -> bool:
    index = next(i for i, p in enumerate(model.parameters()) if p is parameter)
    return torch.equal(parameter, before[index])


@probe("seed-ignored")
def seed_ignored(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 96)
    results = []
    for stir in (1, 2):
        model = small(a, t)
        torch.manual_seed(stir)
        results.append(scores(trained(a, model, X, y, epochs=2, seed=5), X))
    if not torch.equal(*results):
        return (
            "the same model and the same seed gave two different results: draw the order of the rows "
            "from a generator with that seed"
        )
    return None


@probe("gradients-pile-up")
def pile_up(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, 320)
    model = small(a, t)
    norms: list[float] = []
    first = next(model.parameters())
    handle = first.register_post_accumulate_grad_hook(lambda p: norms.append(float((p.grad).norm())))
    raw: list[float] = []
    other = first.register_hook(lambda g: raw.append(float(g.norm())))
    trained(a, model, X, y, epochs=1)
    handle.remove()
    other.remove()
    pairs = list(zip(norms, raw, strict=False))
    if len(pairs) >= 3 and all(abs(whole - new) > 1e-3 * new for whole, new in pairs[1:]):
        return (
            f"in the third step the batch's gradient has norm {pairs[2][1]:.3g}, but .grad holds "
            f"{pairs[2][0]:.3g}: the gradients of earlier batches are still in it. Call "
            "`optimizer.zero_grad()` in every step"
        )
    return None


@probe("labels-leak")
def leak(a: Any, t: Trial) -> str | None:
    X, y, X_test, y_test = digits()
    model = trained(a, small(a, t, depth=2), X[:400], (y[:400] + 1) % 10, epochs=8)
    right = accuracy(model, X_test, y_test)
    if right > 0.5:
        return (
            f"trained on labels that are all wrong (y + 1), the network gets {right:.2f} of the test "
            "digits right: it learns from other data than the X and y that it is given"
        )
    return None
