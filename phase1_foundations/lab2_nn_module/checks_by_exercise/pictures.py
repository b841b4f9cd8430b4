"""What a learner sees after W1 to E3: drawn or printed with the code just written."""

from typing import Any

import torch
from torch import Tensor, nn

from shared.plotting import COLOURS, bars, curve, panels, show


def digit_pixels() -> Tensor:
    """1,797 handwritten digits [N, 64], pixels 0 … 1."""
    from sklearn.datasets import load_digits

    return torch.tensor(load_digits(return_X_y=True)[0] / 16, dtype=torch.float32)


def standardized_digits(a: Any) -> None:
    X = digit_pixels()
    mean, std = X.mean(0), X.std(0) + 0.05
    module = a.Standardize(mean, std)
    with torch.no_grad():
        after, everything = module(X[[3, 7]]), module(X)
    images = {
        "buffer mean": mean,
        "buffer std": std,
        "a digit": X[3],
        "standardized": after[0],
        "another": X[7],
        "standardized ": after[1],
    }
    fig, axes = panels(1, 6, height=1.6)
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.set_title(title, fontsize=8)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "What your module carries along, and what it does: pixels that are dark in every digit lose "
            "their weight, the unusual strokes stand out. After it, the pixels of all digits have a mean of "
            f"{float(everything.mean()):.3f}."
        ),
        alt="Six small images: the mean digit, the deviation of each pixel, and two digits before and "
        "after standardizing.",
    )


def parameters_by_depth(a: Any) -> None:
    counts = {
        f"Stack(16, {depth})": sum(p.numel() for p in a.Stack(16, depth).parameters())
        for depth in (0, 1, 2, 4, 8)
    }
    fig, ax = panels(height=2.2)
    bars(ax, counts, fmt=lambda x: f"{x:,.0f}", xlabel="parameters that an optimizer would find")
    show(
        fig,
        caption="Each layer brings 16·16 weights and 16 biases, 272 parameters, and your Stack shows all of "
        "them. A plain list would show 0.",
        alt="Five bars that grow with depth: "
        + ", ".join(f"{name} {count}" for name, count in counts.items())
        + ".",
    )


def names_of_a_network(a: Any) -> None:
    network = nn.Sequential(
        nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), nn.Linear(3, 1)
    )

    def tree(module: nn.Module) -> dict[str, Any]:
        own = {name: tuple(p.shape) for name, p in module.named_parameters(recurse=False)}
        own |= {name: tuple(b.shape) for name, b in module.named_buffers(recurse=False)}
        return own | {name: tree(child) for name, child in module.named_children()}

    yours = a.dotted(tree(network))
    for name, shape in yours.items():
        print(f"{name:26} {shape}")
    print(
        "the names in torch's own state_dict:",
        "the same" if list(yours) == list(network.state_dict()) else "others",
    )


def what_torch_hears(a: Any) -> None:
    diary = a.Diary()
    for line, name, value in (
        ("self.in_features = 64", "in_features", 64),
        ("self.weight = nn.Parameter(…)", "weight", nn.Parameter(torch.zeros(3, 64))),
        ("self.bias = nn.Parameter(…)", "bias", nn.Parameter(torch.zeros(3))),
        ("self.weight = nn.Parameter(…)", "weight", nn.Parameter(torch.ones(3, 64))),
    ):
        setattr(diary, name, value)
        print(f"{line:32} your diary: {diary.names}")
    print("\nnn.Module does the same, and files each value by its type. That is E1.")


def tree_beside_torch(a: Any) -> None:
    def net(base: Any) -> Any:
        top, encoder, decoder = base(), base(), base()
        encoder.weight = nn.Parameter(torch.zeros(4, 3))
        encoder.register_buffer("mean", torch.zeros(3))
        encoder.register_buffer("cache", torch.zeros(3), persistent=False)
        decoder.bias = nn.Parameter(torch.zeros(3))
        decoder.weight = encoder.weight
        top.scale = nn.Parameter(torch.ones(1))
        top.encoder, top.decoder = encoder, decoder
        return top

    yours, torchs = net(a.MiniModule), net(nn.Module)
    for what, method in (
        ("parameters", "named_parameters"),
        ("buffers", "named_buffers"),
        ("modules", "named_modules"),
        ("state_dict", "state_dict"),
    ):
        names = [list(dict(getattr(m, method)())) for m in (yours, torchs)]
        print(f"{what:11} {'  '.join(name or '(itself)' for name in names[0])}")
        print(f"{'':11} {'identical in nn.Module' if names[0] == names[1] else f'nn.Module: {names[1]}'}")
    print("\ndecoder.weight is tied to encoder.weight: saved twice, listed (and trained) once.")


def six_curves(a: Any) -> None:
    """The deviation of the activations through thirty relu layers."""
    X, depth, width = digit_pixels()[:256], 30, 64
    fillers: dict[str, Any] = {
        "xavier_uniform_": a.xavier_uniform_,
        "xavier_normal_": a.xavier_normal_,
        "kaiming_uniform_": a.kaiming_uniform_,
        "kaiming_normal_": a.kaiming_normal_,
        "orthogonal_": a.orthogonal_,
        "sparse_, half zeros, std 0.25": lambda w, generator: a.sparse_(
            w, 0.5, std=0.25, generator=generator
        ),
    }
    styles = ("--", "-", "--", "-", "-", "-")
    colours = ("sky", "blue", "orange", "red", "green", "purple")
    fig, ax = panels(height=3.4)
    ends = {}
    for (name, filler), colour, style in zip(fillers.items(), colours, styles, strict=True):
        generator, x, stds = torch.Generator().manual_seed(0), X, []
        for _ in range(depth):
            x = torch.relu(x @ filler(torch.empty(width, width), generator=generator).T)
            stds.append(float(x.std()))
        curve(ax, range(1, depth + 1), stds, colour=colour, label=name, linestyle=style)
        ends[name] = stds[-1]
    ax.set(yscale="log", xlabel="layer", ylabel="deviation of the activations")
    ax.legend(fontsize=8, ncols=2)
    show(
        fig,
        caption=(
            "Thirty layers with relu, their weights drawn by you. **Look at the slope**: Kaiming's "
            "factor 2 makes good for what relu throws away, and the curve stays level; "
            "without it each layer loses a factor √2, orthogonal or not."
        ),
        alt="Deviation against depth on a logarithmic axis. After thirty layers: "
        + ", ".join(f"{name} {value:.1e}" for name, value in ends.items())
        + ".",
    )


def cubes(a: Any) -> None:
    """Which elements share one element's mean? Found by asking the learner's norm for a gradient."""
    n, c, pixels = 3, 4, 5
    norms = {
        "BatchNorm": a.BatchNorm(c),
        "LayerNorm": a.LayerNorm((c, pixels)),
        "InstanceNorm": a.InstanceNorm(c),
        "GroupNorm, 2 groups": a.GroupNorm(2, c),
    }
    from matplotlib import pyplot

    fig = pyplot.figure(figsize=(7.2, 2.5))
    counts = {}
    for i, (title, norm) in enumerate(norms.items()):
        x = torch.randn(n, c, pixels, generator=torch.Generator().manual_seed(0)).requires_grad_()
        (gradient,) = torch.autograd.grad(norm(x)[0, 0, 0], x)
        shared = gradient.abs() > 1e-8
        counts[title] = int(shared.sum())
        ax = fig.add_subplot(1, 4, i + 1, projection="3d")
        cube = shared.permute(1, 0, 2).flip(2)  # channels to the right, examples to the back, pixels upwards
        faces = [
            [[COLOURS["orange"] if v else "#E8E6E0" for v in row] for row in plane] for plane in cube.tolist()
        ]
        import numpy as np

        ax.voxels(
            np.ones(cube.shape, dtype=bool), facecolors=np.array(faces), edgecolor="#6B7280", linewidth=0.4
        )
        ax.set(xlabel="C", ylabel="N", xticks=[], yticks=[], zticks=[])
        ax.set_zlabel("pixels", labelpad=-14)
        ax.xaxis.labelpad = ax.yaxis.labelpad = -14
        ax.set_title(title, fontsize=9)
        ax.set_box_aspect((c, n, pixels))
        ax.view_init(elev=22, azim=-60)
    show(
        fig,
        caption=(
            "Orange: the elements on which the first output depends, as the **gradient of your own norms** "
            "tells. One mean, one variance for all of them; only the set differs."
        ),
        alt="Four cubes of 3 examples, 4 channels and 5 pixels. "
        + "; ".join(f"{name}: {count} elements share their mean" for name, count in counts.items())
        + ".",
    )
