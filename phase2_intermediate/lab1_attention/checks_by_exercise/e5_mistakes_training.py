"""The known mistakes of E5 in what the model keeps, and in its training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.naming import value_of
from phase2_intermediate.lab1_attention.checks_by_exercise.e5_mistakes import (
    images,
    images_of,
    logits_of,
    probe,
    shaken,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.tools import READY_MADE


@probe("the-last-weights")
def last_weights(a: Any, t: Trial) -> None:
    for layers in (1, 3):
        model = shaken(a, t, layers=layers)
        x = images(t, 5)
        logits_of(t, model, images(t, 3))
        logits_of(t, model, x)
        found = getattr(model, "last_weights", None)
        t.that(
            isinstance(found, list | tuple) and len(found) == layers,
            f"after a call of a model with {layers} layer(s), `last_weights` is "
            f"{f'a list of {len(found)}' if isinstance(found, list | tuple) else type(found).__name__}, "
            "expected a list with one tensor a layer. It starts anew at each call",
            diagnosis="last-weights-count",
        )
        for weights in found:
            t.that(
                isinstance(weights, Tensor) and tuple(weights.shape) == (5, 16, 16),
                f"for 5 images the weights of a layer have the shape {tuple(getattr(weights, 'shape', ()))}, "
                "expected (5, 16, 16): averaged over the heads",
                diagnosis="last-weights-shape",
            )
            t.that(
                same(weights.sum(-1), torch.ones(5, 16), rtol=1e-3, atol=1e-4) and bool((weights >= 0).all()),
                "the rows of `last_weights` do not add up to 1: these are not attention weights",
                diagnosis="last-weights-are-no-weights",
            )
            t.that(
                not same(weights[0], weights[1], rtol=1e-6, atol=1e-8),
                "`last_weights` are the same for two different images: they are not the weights of this call",
                diagnosis="last-weights-are-no-weights",
            )
        model.train()(x)
        t.that(
            len(model.last_weights) == layers and len(model.last_weights[0]) == 5,
            "a call in training mode leaves no `last_weights` of its own: they are kept after *each* call",
            diagnosis="last-weights-in-evaluation-only",
        )
        t.that(
            not any(weights.requires_grad for weights in model.last_weights),
            "`last_weights` still hangs on the graph and keeps it in memory: detach it",
            diagnosis="last-weights-not-detached",
        )


@probe("options-ignored")
def options(a: Any, t: Trial) -> str | None:
    def count(**how: Any) -> int:
        return sum(p.numel() for p in shaken(a, t, **how).parameters())

    base = count()
    for how, words, guess in (
        ({"d": 16}, "d=16", "the argument has no effect"),
        ({"layers": 2}, "layers=2", "each layer has parameters of its own"),
        ({"positions": False}, "positions=False", "the argument has no effect"),
    ):
        if count(**how) == base:
            return f"PatchAttention({words}) has as many parameters as PatchAttention(): {guess}"
    four, one = shaken(a, t), shaken(a, t, heads=1)
    if {k: p.shape for k, p in four.state_dict().items()} == {
        k: p.shape for k, p in one.state_dict().items()
    }:
        one.load_state_dict(four.state_dict())
        x = images(t, 4)
        if torch.equal(logits_of(t, four, x), logits_of(t, one, x)):
            return (
                "with the same parameters PatchAttention(heads=1) and PatchAttention(heads=4) give the same "
                "logits: `heads` has no effect"
            )
    return None


@probe("last-weights-reversed")
def reversed_layers(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t, layers=2), images(t, 3)

    def weights() -> list[Tensor]:
        logits_of(t, model, x)
        return [w.clone() for w in model.last_weights]

    before, reached = weights(), [0, 0]
    for parameter in model.parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter += 0.5 * t.randn(*parameter.shape, dtype=torch.float32)
            changed = [not torch.equal(old, new) for old, new in zip(before, weights(), strict=True)]
            parameter.copy_(kept)
        reached = [n + c for n, c in zip(reached, changed, strict=True)]
    if reached[0] > reached[1]:
        return (
            f"with two layers, {reached[0]} of the parameters reach `last_weights[0]` and {reached[1]} reach "
            "`last_weights[1]`: the last layer stands first. The list begins with the first layer"
        )
    return None


@probe("normalises-over-the-batch")
def over_the_batch(a: Any, t: Trial) -> str | None:
    norms = nn.modules.batchnorm._BatchNorm
    if any(isinstance(module, norms) for module in shaken(a, t).modules()):
        return (
            "your model contains a batch norm: in training an image is then computed with the others of its "
            "batch. Who else is in the batch must not matter: nn.LayerNorm looks at one token alone"
        )
    return None


@probe("positions-multiplied")
def multiplied(a: Any, t: Trial) -> str | None:
    model, x = shaken(a, t), images(t, 4)
    with torch.no_grad():
        model.position.zero_()
    logits = logits_of(t, model, x)
    if same(logits, logits[:1].expand_as(logits)):
        return (
            "with `position` all zeros every image gets the same logits: the positions are multiplied. A "
            "vector is *added* to each token"
        )
    return None


@probe("forbidden")
def ready_made(a: Any, t: Trial) -> str | None:
    model = a.PatchAttention()
    with READY_MADE.hold():
        model(images(t, 2))
        model.eval()(images(t, 2))
    return None


@probe("no-gradient")
def every_parameter_learns(a: Any, t: Trial) -> str | None:
    model = shaken(a, t, layers=2).train()
    nn.functional.cross_entropy(model(images(t, 8)), t.randint(0, 10, 8)).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    if still:
        return f"no gradient arrives at {', '.join(still[:4])}: it takes no part in the logits, or was "
        "detached"
    return None


@probe("what-training-returns")
def returned(a: Any, t: Trial) -> None:
    x, y = images(t, 70), t.randint(0, 10, 70)
    kept = x.clone(), y.clone()
    torch.manual_seed(11)
    model = value_of(
        t,
        lambda: a.train_attention(x, y, epochs=1, seed=3),
        "training-fails",
        "train_attention with 70 images",
    )
    t.given("train_attention(X, y, epochs=1, seed=3) with 70 images")
    t.that(
        isinstance(model, a.PatchAttention),
        f"train_attention returned {'None' if model is None else f'a {type(model).__name__}'}, expected the "
        "trained PatchAttention",
        diagnosis="returns-something-else",
    )
    t.that(
        isinstance(getattr(model, "position", None), nn.Parameter),
        "train_attention trains a model without positions, although `positions` is True by default",
        diagnosis="training-ignores-its-arguments",
    )
    t.that(
        not model.training,
        "the model comes back in training mode: call `.eval()`",
        diagnosis="not-in-eval-mode",
    )
    t.that(same((x, y), kept), "train_attention changed X or y", diagnosis="changes-its-input")
    torch.manual_seed(12)
    again, other = (a.train_attention(x, y, epochs=1, seed=seed) for seed in (3, 4))
    one, two, three = (logits_of(t, m.eval(), x) for m in (model, again, other))
    t.that(
        len(model.last_weights) == 1,
        f"without `layers` train_attention trains a model of {len(model.last_weights)} layers, the default "
        "is one",
        diagnosis="training-ignores-its-arguments",
    )
    t.that(
        bool(torch.equal(one, two)),
        "two calls with the same seed gave two models: initial weights and the order of the batches must "
        "come from it",
        diagnosis="seed-does-not-decide",
    )
    t.that(
        not bool(torch.equal(one, three)),
        "seeds 3 and 4 gave the same model",
        diagnosis="seed-does-not-decide",
    )
    for how, test in (
        ({"positions": False}, lambda m: getattr(m, "position", "") is None),
        ({"layers": 2}, lambda m: len(m.last_weights) == 2),
    ):
        built = value_of(
            t,
            lambda how=how: a.train_attention(x, y, epochs=1, **how),
            "training-fails",
            f"train_attention({how})",
        )
        logits_of(t, built, x[:2])
        t.that(test(built), f"train_attention ignores {how}", diagnosis="training-ignores-its-arguments")


@probe("does-not-learn")
def learns(a: Any, t: Trial) -> str | None:
    """Eight textures, each with a patch of its own all over the picture: learned in a few steps."""
    y = torch.arange(64) % 8
    texture = torch.stack([y % 2, y // 2 % 2, y // 4, torch.zeros_like(y)], dim=1)
    squares = 0.9 * texture[:, None].expand(64, 16, 4).float()
    x = images_of(squares) + 0.02 * images(t, 64)
    model = a.train_attention(x, y, epochs=60)
    right = float((logits_of(t, model, x).argmax(1) == y).float().mean())
    if right < 0.8:
        return (
            f"of 64 pictures of eight textures it was trained on for 60 epochs, {right:.2f} are right. Is "
            "the loss the cross-entropy of the logits, are gradients cleared, does the optimizer step, does "
            "epochs count?"
        )
    early = float((logits_of(t, a.train_attention(x, y, epochs=1), x).argmax(1) == y).float().mean())
    if early > 0.9:
        return f"after one epoch, a single batch, {early:.2f} are right already: `epochs` has no effect"
    return None
