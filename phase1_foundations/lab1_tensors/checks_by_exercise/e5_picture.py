"""The reward of E5: what the network learned."""

from typing import Any

import torch
from torch import Tensor

from phase1_foundations.lab1_tensors.checks_by_exercise.e5_watch import accuracy, digits, scores_of
from shared.plotting import COLOURS, DIVERGING, panels, show


def first_layer(var: type, predict: Any, X: Tensor) -> Tensor | None:
    """The matrix [64, hidden] by which predict multiplies a digit, if it uses the learner's `@`."""
    found: list[Tensor] = []
    original = var.__matmul__

    def noted(self: Any, other: Any) -> Any:
        found.append(getattr(other, "data", other))
        return original(self, other)

    var.__matmul__ = noted
    try:
        predict(X)
    finally:
        var.__matmul__ = original
    return found[0] if found and tuple(found[0].shape[:1]) == (64,) else None


def what_was_learned(a: Any) -> None:
    X, y, X_test, y_test = digits()
    predict, losses = a.train_digits(X, y)
    right = accuracy(predict, X_test, y_test)
    print(f"test digits right: yours {right:.3f}; logistic regression 0.969; support vector machine 0.983")
    draw_losses(losses)
    weights = first_layer(a.Var, predict, X_test[:1])
    if weights is not None and weights.shape[1] >= 16:
        draw_filters(weights)
    scores = scores_of(predict, X_test)
    if scores.dim() == 2:
        draw_hardest(scores, X_test, y_test)


def draw_losses(losses: list[float]) -> None:
    fig, ax = panels(height=2.4)
    ax.plot(range(1, len(losses) + 1), losses, color=COLOURS["blue"])
    ax.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    ax.grid(True)
    show(
        fig,
        caption=(
            f"Thirty epochs with your own derivatives: the mean loss falls from {losses[0]:.2f} to "
            f"{losses[-1]:.3f}."
        ),
        alt="The training loss falls steeply in the first epochs and then slowly.",
    )


def draw_filters(weights: Tensor) -> None:
    strongest = weights.norm(dim=0).argsort(descending=True)[:16]
    fig, axes = panels(2, 8, height=2.0)
    for ax, unit in zip(axes.flat, strongest, strict=True):
        pattern = weights[:, unit].reshape(8, 8)
        limit = float(pattern.abs().max())
        ax.imshow(pattern, cmap=DIVERGING, vmin=-limit, vmax=limit)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "What sixteen hidden units look for: ink on red pixels raises them, ink on blue ones lowers them."
        ),
        alt="Sixteen 8 by 8 patterns of red and blue pixels, each with its own strokes and gaps.",
    )


def draw_hardest(scores: Tensor, X: Tensor, y: Tensor) -> None:
    certainty = scores.float().log_softmax(dim=1)[torch.arange(len(y)), y]
    fig, axes = panels(2, 6, height=3.0)
    for ax, i in zip(axes.flat, certainty.argsort()[:12], strict=True):
        ax.imshow(X[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        guess = int(scores[i].argmax())
        ax.set_title(f"{int(y[i])}, read as {guess}" if guess != y[i] else f"{int(y[i])}, just", fontsize=8)
        ax.set_axis_off()
    show(
        fig,
        caption="The twelve test digits that your network finds hardest. Would you have read them?",
        alt="Twelve badly written digits, each with its true class and the class that the network read.",
    )
