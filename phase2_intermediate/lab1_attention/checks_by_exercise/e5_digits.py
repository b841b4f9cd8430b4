"""E5: digits as sixteen patches. What must hold; the known mistakes stand in `e5_mistakes`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial
from courseware.check.naming import family
from phase2_intermediate.lab1_attention.checks_by_exercise.e5_mistakes import (
    images,
    images_of,
    logits_of,
    right_patches,
    shaken,
)
from phase2_intermediate.lab1_attention.checks_by_exercise.e5_mistakes_training import probe
from phase2_intermediate.lab1_attention.checks_by_exercise.e5_picture import what_it_looks_at
from shared.data import digits

ACCURACY = 0.92  # the reference gets 0.944 to 0.978 over ten seeds
CHANCE = 0.3  # the reference gets 0.08 to 0.12

e5 = Exercise(
    "E5",
    takes={"patches": Tensor, "PatchAttention": None, "rollout": Tensor, "train_attention": None},
    hints=(
        "A patch is a square: split rows and columns each into (which patch, which pixel), then bring the "
        "two “which patch” axes together. After that it is a sequence of sixteen tokens, and your layer from "
        "E2 takes it.",
        "h = W · patches + position; h = h + attention(norm(h)); h = h + network(norm(h)); one vector by a "
        "mean weighted with softmax(w · h); logits by a linear layer. Rollout: R = I, then R = (½ A + ½ I) R "
        "for each layer.",
        "`x.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)`; `update, weights = "
        "self.attention(self.norm(h), need_weights=True)`; `share = self.pool(h).softmax(dim=1)`; `(share * "
        "h).sum(dim=1)`; AdamW and OneCycleLR with 4e-3, one `schedule.step()` a batch.",
    ),
)
probe.add_to(e5)


def accuracy(t: Trial, model: Any, x: Tensor, y: Tensor) -> float:
    return float((logits_of(t, model, x).argmax(dim=1) == y).double().mean())


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    split = digits()
    return (
        split.train.inputs.squeeze(1),
        split.train.targets,
        split.test.inputs.squeeze(1),
        split.test.targets,
    )


@e5.property("patches, tokens and places", points=6)
def tokens(a: Any, t: Trial) -> None:
    for count in (0, 1, 3):
        x = images(t, count)
        with family("patches-are-wrong", f"patches of {count} images"):
            for same_pixels in (x, x.double(), x.transpose(1, 2)):
                t.equal(a.patches(same_pixels), right_patches(same_pixels))
    for how in ({}, {"layers": 2}, {"d": 24, "heads": 3}, {"heads": 1}, {"positions": False, "layers": 2}):
        model, x = shaken(a, t, **how), images(t, 3)
        order = torch.randperm(16, generator=t.generator)
        with family("places", f"PatchAttention({how})"):
            before = logits_of(t, model, x)
            t.that(tuple(before.shape) == (3, 10), f"the logits have shape {tuple(before.shape)}")
            if model.position is not None:
                with torch.no_grad():
                    model.position.copy_(model.position[order])
            after = logits_of(t, model, images_of(right_patches(x)[:, order]))
            t.equal(after, before, "patches and positions permuted alike", rtol=1e-3, atol=1e-4)


@e5.property("rollout", points=3)
def rollouts(a: Any, t: Trial) -> None:
    for layers, batch, time in ((1, 1, 2), (2, 3, 4), (5, 2, 16)):
        for dtype in (torch.float64, torch.float32):
            weights = [t.randn(batch, time, time).softmax(-1).to(dtype) for _ in range(layers)]
            kept = [w.clone() for w in weights]
            right = torch.eye(time, dtype=torch.float64)
            for layer in weights:
                right = (layer.double() + torch.eye(time, dtype=torch.float64)) / 2 @ right
            with family("rollout-is-wrong", f"{layers} layers of {(batch, time, time)}"):
                found = a.rollout(weights)
                t.equal(found, right.to(dtype), rtol=1e-4 if dtype == torch.float32 else None)
                t.equal(
                    found.sum(-1), torch.ones(batch, time, dtype=dtype), "the rows of the product", rtol=1e-4
                )
                t.equal(weights, kept, "the weights after the call")


@e5.property("0.92 of the test digits right", points=12)
def reaches_the_metric(a: Any, t: Trial) -> None:
    a.rollout([torch.eye(2)[None]])  # what is not written yet shows here, before anything is trained
    a.patches(images(t, 1))
    assert a.PatchAttention() is not None
    X, y, X_test, y_test = data()
    t.given(f"train_attention(X, y, seed={t.seed % 1000}) with 1,437 digits, judged by 360 others")
    with family("accuracy-too-low", "trained with the default settings"):
        model = a.train_attention(X, y, seed=t.seed % 1000)
        t.that(isinstance(model, a.PatchAttention), f"it returned a {type(model).__name__}")
        t.reaches(
            accuracy(t, model, X_test, y_test),
            ACCURACY,
            "of the test digits are right",
            more=f"of the training digits {accuracy(t, model, X, y):.3f} are. About 0.7 on the test means "
            "that places "
            "are not used",
        )


@e5.property("labels in random order teach nothing", points=4)
def permuted_labels(a: Any, t: Trial) -> None:
    X, y, X_test, y_test = data()
    shuffled = y[torch.randperm(len(y), generator=t.generator)]
    t.given("train_attention(X, y in random order, epochs=4), judged by the test digits")
    with family("labels-leak", "trained on labels in random order"):
        right = accuracy(t, a.train_attention(X, shuffled, epochs=4), X_test, y_test)
        t.that(
            right <= CHANCE,
            f"{right:.2f} of the test digits are right, far above chance: the true labels come by another "
            "way than y",
        )


e5.reward(what_it_looks_at)
