"""What a learner sees after an exercise: drawn with the functions just written."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from courseware.check.observe import observe
from shared.plotting import COLOURS, curve, heatmap, panels, show

HUES = ("blue", "orange", "green", "red")


def softplus_curves(a: Any) -> None:
    x = torch.linspace(-6, 6, 121)
    fig, ax = panels(height=2.6)
    curve(ax, x, a.softplus(-x), colour="blue", label="the truth is yes: softplus(−x)")
    curve(ax, x, a.softplus(x), colour="orange", label="the truth is no: softplus(x)")
    ax.set(xlabel="logit x for yes", ylabel="loss")
    ax.legend()
    show(
        fig,
        caption="Your softplus is the loss of a yes/no question. Far on the wrong side it grows like a "
        "straight line, "
        "so its slope is never more than 1.",
        alt="Two smooth mirrored ramps that cross at x = 0, at the height 0.69.",
    )


def masked_means(a: Any) -> None:
    losses = torch.tensor([0.4, 0.9, 0.2, float("inf"), 0.5, float("nan")])
    keep = torch.tensor([True, True, True, False, True, False])
    print("losses     ", [round(loss, 1) for loss in losses.tolist()])
    print("kept       ", keep.tolist())
    print(
        f"your mean   {float(a.mean_kept(losses, keep)):.2f}   of four losses; multiplied by the mask it "
        f"would be {float((losses * keep).sum() / keep.sum())}"
    )
    print(
        f"of nothing  {float(a.mean_kept(losses, keep & False)):.2f}   torch's mean of nothing is "
        f"{float(losses[:0].mean())}"
    )


def digit_means() -> tuple[Tensor, Tensor]:
    from shared.data import digits

    found = digits(flat=True).train
    groups = [found.inputs[found.targets == c] for c in range(10)]
    return torch.stack([group.mean(0) for group in groups]), torch.stack([group[0] for group in groups])


def distance_table(a: Any) -> None:
    means, some = digit_means()
    fig, ax = panels(height=3.6, width=5.0)
    heatmap(ax, a.squared_distances(some, means), fmt=lambda d: f"{d:.0f}", fontsize=7)
    ax.set(xlabel="mean image of all …", ylabel="one handwritten …")
    show(
        fig,
        caption="Your squared distances between ten digits and the ten mean images: the smallest number "
        "of a row is the "
        "answer of the simplest classifier there is.",
        alt="A ten by ten table of squared distances; each row has one entry that is clearly smaller "
        "than the others.",
    )


def recall_bars(a: Any) -> None:
    target = torch.tensor([0] * 90 + [1] * 10)
    lazy, careful = torch.zeros(100, dtype=torch.int64), target.clone()
    careful[:14] = 1
    careful[97:] = 0
    for name, guess in (("always healthy", lazy), ("a test", careful)):
        recall = a.recall_per_class(guess, target, 2)
        right = float((guess == target).float().mean())
        print(
            f"{name:15} accuracy {right:.2f}   recall: healthy {recall[0]:.2f}, ill {recall[1]:.2f}   "
            f"balanced {recall.mean():.2f}"
        )


def gallery(a: Any) -> None:
    """Losses above, their slopes below."""
    z = torch.linspace(-5, 5, 201)
    one, zero = torch.ones_like(z), torch.zeros_like(z)

    def slope(f: Any) -> Tensor:
        x = z.clone().requires_grad_()
        (grad,) = torch.autograd.grad(f(x).sum(), x)
        return grad

    def smooth(x: Tensor, eps: float) -> Tensor:
        logits = torch.stack([x, torch.zeros_like(x)], 1)
        return torch.stack([a.smooth_ce(row[None], torch.tensor([0]), eps) for row in logits])

    groups = {
        "focal, target 1": {
            f"γ = {g:g}": lambda x, g=g: a.focal_loss(x, one, gamma=g, reduction="none") for g in (0, 0.5, 2)
        },
        "smoothing, class 0 of 2": {f"ε = {e:g}": lambda x, e=e: smooth(x, e) for e in (0.0, 0.1, 0.3)},
        "Huber": {f"δ = {d:g}": lambda x, d=d: a.huber(x, zero, d, "none") for d in (0.5, 1, 3)},
    }
    fig, axes = panels(2, 3, height=4.2)
    for column, (title, losses) in enumerate(groups.items()):
        for (name, f), hue in zip(losses.items(), HUES, strict=False):
            curve(axes[0][column], z, f(z).detach(), colour=hue, label=name)
            curve(axes[1][column], z, slope(f), colour=hue)
        axes[0][column].set(title=title, ylim=(-0.2, 5))
        axes[0][column].legend(fontsize=7)
        axes[1][column].set(xlabel="error" if title == "Huber" else "logit")
    axes[0][0].set(ylabel="loss")
    axes[1][0].set(ylabel="slope")
    show(
        fig,
        caption="Your losses and their slopes. Focal takes the slope away where the model is right "
        "already; smoothing "
        "turns it round where the model is too sure; Huber limits it at ±δ.",
        alt="Three columns. Focal curves flatten earlier for larger γ; smoothed losses rise again for "
        "large logits; "
        "Huber slopes are straight lines cut off at plus and minus δ.",
    )


def pulled_apart(a: Any) -> None:
    """Sixty points in the plane, moved by the triplet loss alone."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(3).repeat_interleave(20)
    z = torch.randn(60, 2, generator=generator).requires_grad_()
    shots, lines, every = [z.detach().clone()], [], (0, 4, 10, 60)
    for step in range(every[-1]):
        loss, stats = a.batch_hard_triplet(z, labels, 0.5)
        (grad,) = torch.autograd.grad(loss, z)
        with torch.no_grad():
            z -= 2.0 * grad
        lines.append((float(loss.detach()), stats["frac_active"]))
        if step + 1 in every:
            shots.append(z.detach().clone())
    fig, axes = panels(1, 4, height=2.0)
    for ax, shot, step in zip(axes, shots, every, strict=True):
        for c, hue in enumerate(HUES[:3]):
            ax.scatter(*shot[labels == c].T, s=9, color=COLOURS[hue], marker="os^"[c])
        ax.set(title=f"step {step}", xticks=[], yticks=[])
    show(
        fig,
        caption=f"Your batch-hard loss pulls three classes apart. The share of active anchors went from "
        f"{lines[0][1]:.2f} to {lines[-1][1]:.2f}, the loss from {lines[0][0]:.2f} to {lines[-1][0]:.2f}.",
        alt="Four scatter plots: three mixed clouds of points in different shapes separate step by step "
        "into groups.",
    )


def boundaries(a: Any) -> None:
    """Two Gaussians, 95 % and 5 %: where four recipes draw the line."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 2, generator=generator)
    y = (torch.arange(2000) >= 1900).long()
    x[y == 1] += torch.tensor([1.8, 0.9])
    counts, priors = y.bincount(), y.bincount() / 2000
    recipes: dict[str, Any] = {"cross-entropy": F.cross_entropy}
    for scheme in ("sqrt", "inverse"):
        w = a.class_weights(counts, scheme).float()
        recipes[f"weights, {scheme}"] = lambda z, t, w=w: (
            F.cross_entropy(z, t, reduction="none") * w[t]
        ).mean()
    recipes["logits adjusted"] = lambda z, t: a.logit_adjusted_ce(z, t, priors)
    fig, ax = panels(height=3.4, width=6.0)
    for c, hue, mark in ((0, "blue", "o"), (1, "red", "^")):
        ax.scatter(*x[y == c][:400].T, s=6, alpha=0.5, color=COLOURS[hue], marker=mark, label=f"class {c}")
    for (name, loss), style in zip(recipes.items(), (":", "-.", "--", "-"), strict=True):
        layer = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.LBFGS([layer], max_iter=40)

        def closure(layer: Tensor = layer, loss: Any = loss, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            s = x @ layer[:2] + layer[2]
            value: Tensor = loss(torch.stack([-s / 2, s / 2], 1), y)
            value.backward()
            return value

        optimizer.step(closure)
        w1, w2, b = layer.detach().tolist()
        across = torch.tensor([-2.5, 4.0])
        ax.plot(across, -(w1 * across + b) / w2, style, color="black", label=name)
    ax.set(ylim=(-3, 4), xlim=(-2.5, 4))
    ax.legend(fontsize=7, loc="upper left", handlelength=4)
    show(
        fig,
        caption="1,900 points against 100. Plain cross-entropy gives most of the overlap to the frequent "
        "class; your "
        "weights and your adjusted logits move the line to the middle.",
        alt="Two overlapping clouds and four parallel lines; that of cross-entropy lies deep in the rare "
        "class, those of "
        "inverse weights and logit adjustment between the clouds.",
    )


def memory_curve(a: Any) -> None:
    """Largest tensor of forward and backward, counted, with and without chunks."""
    sizes = (64, 128, 256, 512, 1024)
    largest: dict[str, list[int]] = {"whole matrix": [], "chunk = 32": []}
    for rows in sizes:
        z = [
            torch.randn(rows, 16, generator=torch.Generator().manual_seed(i)).requires_grad_() for i in (0, 1)
        ]
        for name, chunk in (("whole matrix", None), ("chunk = 32", 32)):
            with observe() as seen:
                a.info_nce(*z, 0.1, chunk=chunk).backward()
            largest[name].append(seen.largest_bytes // 1024)
    fig, ax = panels(height=2.8)
    for (name, kib), hue in zip(largest.items(), HUES, strict=False):
        curve(ax, sizes, kib, colour=hue, label=name, marker="o")
    ax.set(xscale="log", yscale="log", xlabel="batch B", ylabel="largest tensor, KiB")
    ax.legend()
    show(
        fig,
        caption=f"The largest tensor of your InfoNCE, counted. At B = 1,024: "
        f"{largest['whole matrix'][-1]:,} KiB for the "
        f"whole matrix, {largest['chunk = 32'][-1]:,} KiB in chunks.",
        alt="On logarithmic axes two straight lines; the whole matrix grows with the square of the "
        "batch, the chunked "
        "version in proportion to it.",
    )


def recalls(a: Any) -> None:
    """Recall of each class, from head to tail, for cross-entropy and the recipe; their paired difference."""
    from shared.data import digits
    from shared.evaluation.bootstrap import mean_over_seeds

    found = digits(flat=True)
    x, y = found.train.inputs, found.train.targets

    def data(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = a.long_tail(y, seed=seed)
        return x[rows], y[rows], found.test.inputs, found.test.targets

    counts = torch.bincount(y[a.long_tail(y)])
    seeds = (0, 1, 2, 3, 4)
    table = a.benchmark(
        {"cross-entropy": F.cross_entropy, "your recipe": a.best_recipe(counts)}, data, seeds=seeds
    )
    fig, ax = panels(height=2.8)
    for shift, (name, hue) in enumerate((("cross-entropy", "blue"), ("your recipe", "orange"))):
        mean = torch.stack([row.recall for row in table if row.loss == name]).mean(0)
        ax.bar(torch.arange(10) + 0.4 * shift - 0.2, mean, 0.38, color=COLOURS[hue], label=name)
    ax.set(xlabel="class, with its training rows", ylabel="recall", ylim=(0, 1.05))
    ax.set_xticks(range(10), [f"{c}\n{n}" for c, n in enumerate(counts.tolist())])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    by = {(row.loss, row.seed): row.balanced for row in table}
    gains = [by["your recipe", seed] - by["cross-entropy", seed] for seed in seeds]
    interval = mean_over_seeds(gains)
    show(
        fig,
        caption=f"Recall by class, mean of five seeds, head to tail. The paired gain in balanced "
        f"accuracy is {interval}.",
        alt="Pairs of bars for ten classes; in the rare classes on the right the bars of the recipe are "
        "much higher.",
    )
