"""E5: digits at 98 %. What must hold; the known mistakes stand beside it."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_mistakes import probe as of_training
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_mistakes_cam import probe as of_cam
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_mistakes_cam import right_cam
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_mistakes_report import answers, certain
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_mistakes_report import probe as of_report
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_oracle import true_report
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_picture import what_it_sees
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_watch import (
    ACCURACY,
    Given,
    Moody,
    Seer,
    accuracy,
    as_images,
    digits,
    fingerprint,
    first_change,
    fully_trained,
    logits_of,
)

CHANCE = 0.25

e5 = Exercise(
    "E5",
    takes={"train_resnet": nn.Module, "grad_cam": Tensor, "report": dict},
    hints=(
        "Start from TinyResNet() with its defaults. Batches of 64, AdamW, and a one-cycle schedule that "
        "steps with every batch. For Grad-CAM a forward hook on `model.features` catches the map on its "
        "way.",
        "One-cycle: `OneCycleLR(optimizer, max_lr=1e-2, total_steps=epochs · ⌈N / 64⌉)`. α_k: the mean of "
        "∂logit/∂A_k over the places. ECE: Σ_b |Σ_{i in b} (right_i − confidence_i)| / N.",
        "`torch.manual_seed(seed)` before the model is made, `return model.eval()`. Grad-CAM: "
        "`(s,) = torch.autograd.grad(model(x[None])[0, cls], A)`; `(s.mean((2, 3), keepdim=True) * A).sum(1, "
        "keepdim=True).relu()`. Confusion: `torch.bincount(y * K + predicted, minlength=K * K).reshape(K, "
        "K)`.",
    ),
)
of_cam.add_to(e5)  # these train nothing, so they come first
of_report.add_to(e5)
of_training.add_to(e5)


@e5.property("0.97 of the test digits right", points=10)
def reaches_the_metric(a: Any, t: Trial) -> None:
    _, _, X_test, y_test = digits()
    t.given(f"train_resnet(X, y, seed={t.seed % 1000}) with 1,437 digits, tested on 360 others")
    model = fully_trained(a, t)
    out = logits_of(model, X_test)
    t.that(
        tuple(out.shape) == (360, 10),
        f"the model gives {tuple(out.shape)} for 360 digits, expected logits (360, 10)",
        diagnosis="model-of-another-form",
    )
    t.reaches(
        accuracy(model, X_test, y_test),
        ACCURACY,
        "of the test digits are right",
        more="it learns, but too little: try AdamW with a one-cycle schedule up to 1e-2, batches of 64, and "
        "all of the epochs",
        diagnosis="accuracy-too-low",
    )


@e5.property("labels in random order teach nothing", points=3)
def permuted_labels(a: Any, t: Trial) -> None:
    X, y, X_test, y_test = digits()
    shuffled = y[torch.randperm(len(y), generator=t.generator)]
    t.given("train_resnet(X, y in random order, epochs=3), tested with true labels")
    right = accuracy(a.train_resnet(X, shuffled, epochs=3, seed=t.seed % 1000), X_test, y_test)
    t.that(
        right <= CHANCE,
        f"trained on labels in random order, the network still gets {right:.2f} of the test digits "
        "right, far above chance: the true labels reach it by another way than its argument y",
        diagnosis="true-labels-leak-in",
    )


@e5.property("grad_cam: the formula, on models of the check", points=6)
def cams(a: Any, t: Trial) -> None:
    for channels, classes, size in ((1, 3, (4, 4)), (2, 4, (6, 9)), (3, 5, (7, 5))):
        model, x = Seer(t, channels, classes), t.randn(channels, *size)
        for cls in range(classes):
            right = right_cam(model, x, cls)
            model.train(cls % 2 == 0)
            before = fingerprint(model)
            t.equal(a.grad_cam(model, x, cls).detach(), right, f"class {cls}", dtype=False)
            changed = first_change(before, fingerprint(model))
            t.that(not changed, f"after grad_cam {changed} changed")
            model.eval()


@e5.property("report: accuracy, calibration, confusion, hardest", points=6)
def reports(a: Any, t: Trial) -> None:
    for count, classes in ((1, 2), (5, 3), (40, 4), (333, 10)):
        logits, y = answers(t, count, classes)
        own = a.report(Given(), as_images(logits), y)
        t.equal(own, true_report(logits, y), f"{count} examples of {classes} classes", rtol=1e-4, atol=1e-6)
    logits, y = certain()
    own = a.report(Given(), as_images(logits), y)["ece"]
    t.equal(own, true_report(logits, y)["ece"], "ece, with confidences of exactly 1", rtol=1e-4)
    model, X, y = Moody(t), as_images(t.randn(70, 4)), t.randint(0, 3, 70)
    right = true_report(logits_of(model.eval(), X), y)
    before = fingerprint(model.train())
    t.equal(a.report(model, X, y), right, "a model in training mode", rtol=1e-4, atol=1e-6)
    changed = first_change(before, fingerprint(model))
    t.that(not changed, f"after report {changed} changed")


e5.reward(what_it_sees)
