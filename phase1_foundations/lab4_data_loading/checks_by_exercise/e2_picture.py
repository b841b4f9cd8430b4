"""The reward of E2: a photograph under the learner's maps, and two digits blended."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from shared.data import digits
from shared.data.sets import photographs
from shared.plotting import panels, show

SIZE = (107, 160)


def theta(a: Any, angle: float = 0, scale: float = 1, right: float = 0, shear: float = 0) -> Tensor:
    return a.affine_matrix(
        torch.tensor([angle]), torch.tensor([scale]), torch.tensor([[right, 0.0]]), torch.tensor([shear])
    )


def warped_temple(a: Any) -> None:
    temple = F.interpolate(photographs()["china"][None], SIZE, mode="area")
    maps = {
        "as it is": theta(a),
        "angle 0.3": theta(a, angle=0.3),
        "scale 1.5: looks further out": theta(a, scale=1.5),
        "shift 0.5: looks right": theta(a, right=0.5),
        "shear 0.4": theta(a, shear=0.4),
        "all of it": theta(a, 0.3, 1.5, 0.5, 0.4),
    }
    fig, axes = panels(2, 3, height=4.0)
    for ax, (title, look) in zip(axes.flat, maps.items(), strict=True):
        ax.imshow(a.warp(temple, look)[0].permute(1, 2, 0).clamp(0, 1))
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "One photograph through six of your maps. Each says where to *look*: scale 1.5 looks further "
            "out, so the temple shrinks; a shift to the right moves it to the left."
        ),
        alt=(
            "A Chinese temple six times: unchanged, turned anticlockwise, smaller with a black border, "
            "moved to the left, slanted, and with all of these at once."
        ),
    )
    blends(a)


def blends(a: Any) -> None:
    train = digits().train
    x, y = train.inputs[:12], train.targets[:12]
    new_x, new_y = a.mixup(x, y, 10, 0.8, torch.Generator().manual_seed(2))
    fig, axes = panels(2, 6, height=3.2)
    for ax, image, label in zip(axes.flat, new_x, new_y, strict=True):
        ax.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        parts = [f"{share:.2f}·{digit}" for digit, share in enumerate(label.tolist()) if share > 0.005]
        ax.set_title(" + ".join(parts), fontsize=8)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "Twelve digits after your mixup with α = 0.8: the title is the soft label. Most blends are "
            "close to one of the two, as Beta(0.8, 0.8) prefers the ends."
        ),
        alt="Twelve small images, each of two handwritten digits on top of each other in various strengths.",
    )
