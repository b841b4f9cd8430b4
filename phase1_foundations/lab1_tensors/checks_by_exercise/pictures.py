"""What a learner sees after a warm-up: drawn with the function just written."""

from typing import Any

import torch
from torch import Tensor

from shared.plotting import COLOURS, curve, heatmap, panels, show


def digits() -> tuple[Tensor, Tensor]:
    """1,797 handwritten digits: bytes [N, 64] as a file would hold them, and their classes [N]."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels * (255 / 16)).to(torch.uint8), torch.tensor(labels)


def number_line(a: Any) -> None:
    fig, ax = panels(height=2.4)
    for count, colour in ((9, "orange"), (65, "blue")):
        x = a.number_line(0.0, 6.283185, count)
        curve(ax, x, torch.sin(x), colour=colour, label=f"{count} marks", marker="o", markersize=4)
    ax.set(xlabel="x", ylabel="sin x")
    ax.legend()
    show(
        fig,
        caption=(
            "Your number line is the x axis of every curve: a curve is drawn at its marks, straight in "
            "between."
        ),
        alt=(
            "One period of a sine, drawn through 9 marks with visible corners and through 65 marks as a "
            "smooth curve."
        ),
    )


def digits_from_bytes(a: Any) -> None:
    raw, _ = digits()
    images = a.to_images(raw[:10], 8, 8)
    fig, axes = panels(1, 10, height=1.0)
    for ax, image in zip(axes, images, strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            f"Ten rows of 64 bytes, read by you as 8×8 images: shape {tuple(images.shape)}, {images.dtype}."
        ),
        alt="Ten small grey images of handwritten digits, 0 to 9 in order.",
    )


def cropped_photograph(a: Any) -> None:
    from sklearn.datasets import load_sample_image

    photograph = torch.tensor(load_sample_image("flower.jpg")).float().mean(2) / 255
    patch = a.crop(photograph, 60, 200, 260, 260)
    fig, axes = panels(1, 3, height=2.4)
    pictures = (photograph, patch, a.keep_bright(patch, 0.45))
    for ax, picture, title in zip(axes, pictures, ("image", "crop", "keep_bright"), strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"{title} {tuple(picture.shape)}")
        ax.set_axis_off()
    show(
        fig,
        caption="Your slice cuts the flower out, your mask clears its background.",
        alt=(
            "Three grey pictures: a photograph of a flower, the flower cut out of it, and the same patch "
            "on black."
        ),
    )


def shares(a: Any) -> None:
    raw, labels = digits()
    ink = torch.stack([raw[labels == digit].double().reshape(-1, 8, 8).mean((0, 2)) for digit in range(10)])
    fig, ax = panels(height=3.4)
    heatmap(ax, a.row_shares(ink + 1e-9), fmt=lambda share: f"{share:.0%}", fontsize=8)
    ax.set(xlabel="row of the image, from top to bottom", ylabel="digit", aspect="auto")
    show(
        fig,
        caption="Where digits have their ink: each row of your table adds up to 100 %. Compare 4, 7 and 9.",
        alt=(
            "A table of ten digits by eight image rows with the share of ink; a 7 is heavy in its upper rows."
        ),
    )


def stretching(a: Any) -> None:
    column, row = torch.tensor([[0.0], [10.0], [20.0]]), torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    shape = a.broadcast_shape((3, 1), (4,))
    total = torch.empty(shape).copy_(column) + row
    fig, axes = panels(1, 3, height=2.2)
    titles = ("(3, 1)", "+ (4,)", f"= {shape}")
    for ax, values, title in zip(axes, (column, row, total), titles, strict=True):
        heatmap(ax, values, title=title, limits=(0, 23))
        ax.set_axis_off()
    show(
        fig,
        caption=(
            f"You predicted {shape}: the column stretches to the right, the row stretches down, and "
            "neither is copied."
        ),
        alt=(
            "A column 0, 10, 20 plus a row 0, 1, 2, 3 gives a table of three rows and four columns of "
            "their sums."
        ),
    )


def digit_similarity(a: Any) -> None:
    raw, labels = digits()
    pixels = raw.double() / 255
    means = torch.stack([pixels[labels == digit].mean(0) for digit in range(10)])
    some = torch.stack([pixels[labels == digit][-1] for digit in range(10)])
    vectors = [x / x.norm(dim=1, keepdim=True) for x in (some, means)]
    fig, ax = panels(height=3.6, width=5.0)
    heatmap(ax, a.similarity(vectors[0][None], vectors[1][None])[0], fmt=lambda s: f"{s:.2f}", fontsize=7)
    ax.set(xlabel="mean image of all …", ylabel="one handwritten …")
    show(
        fig,
        caption=(
            "Your dot products compare ten digits with the mean images of all digits. In most rows the "
            "diagonal wins."
        ),
        alt="A ten by ten table of similarities; the largest value of most rows stands on the diagonal.",
    )


def table_of_views(a: Any) -> None:
    x = torch.arange(12.0).reshape(3, 4)
    results = {
        "x[1:]": x[1:],
        "x[:, ::2]": x[:, ::2],
        "x.T": x.T,
        "x.reshape(4, 3)": x.reshape(4, 3),
        "x.T.reshape(12)": x.T.reshape(12),
        "x.expand(5, 3, 4)": x.expand(5, 3, 4),
        "x.clone()": x.clone(),
        "x.float()": x.float(),
        "x.double()": x.double(),
        "x[x > 3]": x[x > 3],
        "x + 0": x + 0,
    }
    print(f"{'':19}shares the storage of x?   shape        stride")
    for name, result in results.items():
        answer = "yes, a view" if a.shares_storage(x, result) else "no, a copy"
        print(f"{name:19}{answer:27}{tuple(result.shape)!s:13}{result.stride()}")


def tangents(a: Any) -> None:
    def f(x: Tensor) -> Tensor:
        return torch.sin(2 * x) * torch.exp(-x / 4)

    x = torch.linspace(-1, 4, 200)
    fig, ax = panels(height=2.8)
    curve(ax, x, f(x), colour="blue", label="f")
    for point in (-0.6, 0.3, 1.2, 2.1, 3.2):
        near = torch.tensor([point - 0.4, point + 0.4])
        value = f(torch.tensor(point)).item()
        ax.plot(near, value + a.slope(f, point) * (near - point), color=COLOURS["red"])
        ax.plot(point, value, "o", color=COLOURS["red"])
    ax.legend()
    show(
        fig,
        caption=(
            "Five calls of your `slope`: each tangent touches the curve in its point, and none was "
            "computed by hand."
        ),
        alt="A wave that dies out, with five short straight lines that touch it.",
    )
