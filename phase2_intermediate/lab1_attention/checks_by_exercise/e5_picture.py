"""What a learner sees after E5: rollouts over ten digits, and what each head is worth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from shared.data import digits
from shared.plotting import bars, panels, show


def what_it_looks_at(a: Any) -> None:
    split = digits()
    X, y = split.train.inputs.squeeze(1), split.train.targets
    X_test, y_test = split.test.inputs.squeeze(1), split.test.targets
    model = a.train_attention(X, y)
    right = correct(model, X_test, y_test)
    rolled_out(a, model, X_test, y_test, right)
    heads_off(model, X_test, y_test, right)


@torch.no_grad()
def correct(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(dim=1) == y).double().mean())


@torch.no_grad()
def rolled_out(a: Any, model: Any, x: Tensor, y: Tensor, right: float) -> None:
    chosen = torch.tensor([int((y == digit).nonzero()[0]) for digit in range(10)])
    guesses = model(x[chosen]).argmax(dim=1)
    received = a.rollout(list(model.last_weights)).mean(
        dim=1
    )  # [10, 16]: how much all patches take from each
    fig, axes = panels(2, 10, height=2.2)
    for column, (image, share, guess) in enumerate(zip(x[chosen], received, guesses, strict=True)):
        axes[0, column].imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes[0, column].set_title(f"→ {guess}", fontsize=9)
        axes[1, column].imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes[1, column].imshow(
            share.reshape(4, 4),
            cmap="inferno",
            alpha=0.65,
            extent=(-0.5, 7.5, 7.5, -0.5),
            interpolation="nearest",
        )
        for ax in axes[:, column]:
            ax.set_axis_off()
    show(
        fig,
        caption=f"Ten test digits with your model's answers ({right:.3f} of all 360 are right), and below "
        "how much the "
        "other patches take from each, by your rollout. Bright: much. It says where information may flow, "
        "not why the "
        "model decides.",
        alt="Two rows of the digits 0 to 9: the images with the model's answers, and the same under a four "
        "by four grid "
        "of colours that is brighter at some strokes.",
    )


@torch.no_grad()
def heads_off(model: Any, x: Tensor, y: Tensor, right: float) -> None:
    """Accuracy with one head's columns of `out` set to zero, if the layer is built like E2's."""
    layers = [
        m for m in model.modules() if isinstance(getattr(m, "out", None), nn.Linear) and hasattr(m, "query")
    ]
    count = next((getattr(m, "n_heads", 4) for m in layers), 0)
    if not layers or not count:
        return
    found = {"all heads": right}
    for layer_number, layer in enumerate(layers):
        kept = layer.out.weight.clone()
        width = kept.shape[1] // count
        for head in range(count):
            layer.out.weight[:, head * width : (head + 1) * width] = 0
            name = f"without head {head}" + (f" of layer {layer_number}" if len(layers) > 1 else "")
            found[name] = correct(model, x, y)
            layer.out.weight.copy_(kept)
        layer.out.weight.zero_()
        found["without any head"] = correct(model, x, y)
        layer.out.weight.copy_(kept)
    fig, ax = panels(height=2.4)
    bars(
        ax,
        found,
        fmt=lambda share: f"{share:.3f}",
        highlight=["all heads"],
        xlabel="share of test digits right",
    )
    show(
        fig,
        caption="An experiment instead of a map: the same model with one head switched off. How much falls "
        "tells what "
        "the rest cannot replace.",
        alt="Bars: " + ", ".join(f"{name} {share:.3f}" for name, share in found.items()) + ".",
    )
