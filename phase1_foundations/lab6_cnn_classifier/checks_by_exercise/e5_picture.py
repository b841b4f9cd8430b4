"""The reward of E5: the hardest digits, where the network looked, and what it confuses."""

from typing import Any

import torch
from torch import Tensor

from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_watch import digits, logits_of
from shared.evaluation import accuracy, confusion_matrix, expected_calibration_error
from shared.plotting import heatmap, panels, show


def what_it_sees(a: Any) -> None:
    X, y, X_test, y_test = digits()
    model = a.train_resnet(X, y)
    found = a.report(model, X_test, y_test)
    print(f"test digits right: yours {found['acc']:.3f}; " + baselines(X, y, X_test, y_test))
    against_the_library(found, logits_of(model, X_test), y_test)
    draw_hardest(a, model, found["hardest"], X_test, y_test)
    draw_confusion(found["confusion"])
    print(masking(a, model, X_test, y_test))


def baselines(X: Tensor, y: Tensor, X_test: Tensor, y_test: Tensor) -> str:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    flat, flat_test = X.flatten(1).numpy(), X_test.flatten(1).numpy()
    scores = {
        name: machine.fit(flat, y.numpy()).score(flat_test, y_test.numpy())
        for name, machine in (
            ("logistic regression", LogisticRegression(max_iter=2000)),
            ("support vector machine (C = 10)", SVC(C=10)),
        )
    }
    return "; ".join(f"{name} {score:.3f}" for name, score in scores.items())


def against_the_library(found: dict[str, Any], logits: Tensor, y: Tensor) -> None:
    """shared.evaluation, the grown-up version, says the same."""
    table = confusion_matrix(logits.argmax(1), y, classes=10)
    assert torch.equal(table, found["confusion"])
    assert abs(accuracy(table) - found["acc"]) < 1e-6
    error = expected_calibration_error(logits.softmax(1), y)
    assert abs(error - found["ece"]) < 1e-5
    print(f"calibration error {error:.3f}. shared.evaluation finds the same numbers as your report")


def draw_hardest(a: Any, model: Any, hardest: Tensor, X: Tensor, y: Tensor) -> None:
    fig, axes = panels(2, 6, height=3.1)
    for ax, i in zip(axes.flat, hardest.tolist(), strict=True):
        guess = int(logits_of(model, X[i : i + 1]).argmax())
        ax.imshow(X[i, 0], cmap="gray_r", vmin=0, vmax=1)
        seen = a.grad_cam(model, X[i], guess)
        strength = (seen / seen.max().clamp(min=1e-9)).numpy()
        ax.imshow(strength, cmap="autumn_r", vmin=0, vmax=1, alpha=0.65 * strength)
        ax.set_title(f"{int(y[i])}, read as {guess}" if guess != y[i] else f"{int(y[i])}, just", fontsize=8)
        ax.set_axis_off()
    show(
        fig,
        caption=(
            "The twelve test digits that your network finds hardest. Bright, by your `grad_cam`: where "
            "it found evidence for what it read. The map has only 4×4 places; the smoothness is "
            "interpolation."
        ),
        alt=(
            "Twelve badly written digits under coloured heat-maps, each with its true class and the "
            "class that the network read."
        ),
    )


def draw_confusion(table: Tensor) -> None:
    fig, ax = panels(height=3.5, width=4.6)
    heatmap(ax, torch.where(table == 0, torch.nan, table.double()), fontsize=8)
    ax.set(xlabel="read as", ylabel="true digit")
    wrong = int(table.sum() - table.diagonal().sum())
    show(
        fig,
        caption=f"All 360 test digits by what they are and what they were read as: {wrong} off the diagonal.",
        alt="A ten by ten table of counts; nearly all stand on the diagonal.",
    )


def masking(a: Any, model: Any, X: Tensor, y: Tensor, count: int = 100) -> str:
    """Is the evidence where the map says? Blank a fifth of the pixels, by the map or at random."""
    generator, drops = torch.Generator().manual_seed(0), {"map": 0.0, "random": 0.0}
    for i in range(count):
        cls = int(y[i])
        before = logits_of(model, X[i : i + 1])[0, cls]
        places = {
            "map": a.grad_cam(model, X[i], cls).flatten().argsort(descending=True)[:13],
            "random": torch.randperm(64, generator=generator)[:13],
        }
        for name, where in places.items():
            blanked = X[i : i + 1].clone()
            blanked.view(-1)[where] = 0
            drops[name] += float(before - logits_of(model, blanked)[0, cls]) / count
    return (
        "Blanking the 13 pixels with the highest values lowers the logit of the true class by "
        f"{drops['map']:.1f} on average, 13 random pixels by {drops['random']:.1f} ({count} digits)"
    )
