"""The known mistakes of report, tried on logits that the check chose."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_oracle import true_report
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e5_watch import (
    Given,
    Moody,
    as_images,
    fingerprint,
    first_change,
    logits_of,
)
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.tools import (
    error_text,
    first_difference,
    shape,
)

probe = Probes()
KEYS = ("acc", "ece", "confusion", "hardest")


def answers(t: Trial, count: int = 60, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Logits, some of them far apart, and labels that agree with many of them."""
    logits = 2.0 * t.randn(count, classes)
    y = torch.where(t.rand(count) < 0.6, logits.argmax(1), t.randint(0, classes, count))
    return logits, y


def own_report(a: Any, t: Trial, **how: Any) -> tuple[dict[str, Any], dict[str, Any], Tensor, Tensor]:
    logits, y = answers(t, **how)
    return a.report(Given(), as_images(logits), y), true_report(logits, y), logits, y


@probe("report-does-not-run")
def does_not_run(a: Any, t: Trial) -> str | None:
    for count, classes in ((60, 4), (200, 10), (5, 3), (1, 10)):
        logits, y = answers(t, count, classes)
        attempt = t.tried(lambda logits=logits, y=y: a.report(Given(), as_images(logits), y))
        if attempt.error is not None:
            return f"report of {count} examples with {classes} classes ends in {error_text(attempt.error)}"
    return None


@probe("report-has-other-keys")
def other_keys(a: Any, t: Trial) -> str | None:
    own = own_report(a, t)[0]
    if set(own) != set(KEYS):
        return f"the report has the keys {sorted(map(str, own))}, expected acc, ece, confusion and hardest"
    for name in ("acc", "ece"):
        if not isinstance(own[name], float):
            return f"{name} is a {type(own[name]).__name__}, expected a Python float: `.item()`"
    for name in ("confusion", "hardest"):
        if not isinstance(own[name], Tensor):
            return f"{name} is a {type(own[name]).__name__}, expected a tensor"
        if own[name].dtype != torch.int64:
            return f"{name} is {own[name].dtype}, expected torch.int64: counts and indices are whole numbers"
    return None


@probe("mean-of-batch-means")
def batch_means(a: Any, t: Trial) -> str | None:
    logits = torch.zeros(307, 10, dtype=torch.float64)
    logits[:, 0] = 3.0
    y = torch.zeros(307, dtype=torch.int64)
    y[256:] = 1
    own = a.report(Given(), as_images(logits), y)["acc"]
    if abs(own - 256 / 307) > 1e-6:
        for size in (10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 256):
            parts = (y == 0).double().split(size)
            if abs(own - float(torch.stack([part.mean() for part in parts]).mean())) < 1e-6:
                return (
                    f"256 of 307 right is {256 / 307:.4f}, you say {own:.4f}: the mean of the means of "
                    f"batches of {size}, in which the last one, of {307 % size}, weighs as much as a "
                    "full one. Count right ones"
                )
            if abs(own - float((y == 0).double()[: 307 // size * size].mean())) < 1e-6:
                return f"the last, smaller batch is left out: {own:.4f} instead of {256 / 307:.4f}"
        if abs(own - 100 * 256 / 307) < 1e-4:
            return f"acc is {own:.2f}, a percentage; asked for is the share, {256 / 307:.4f}"
    return None


@probe("accuracy-of-something-else")
def other_accuracy(a: Any, t: Trial) -> str | None:
    own, right, logits, y = own_report(a, t)
    table = right["confusion"].double()
    top = (logits.topk(2, 1).indices == y[:, None]).any(1).double()
    if abs(own["acc"] - right["acc"]) < 1e-6:
        return None
    for other, words in (
        (1 - right["acc"], "the share of *wrong* predictions"),
        (float((table.diag() / table.sum(1).clamp(min=1)).mean()), "a mean over the classes"),
        (float(top.mean()), "the share of examples whose class is among the best two"),
        (right["acc"] * len(y), "the number of right predictions; their share is asked for"),
    ):
        if abs(own["acc"] - other) < 1e-6:
            return f"acc is {own['acc']:.4f}, expected {right['acc']:.4f}: yours is {words}"
    return None


@probe("report-in-training-mode")
def training_mode(a: Any, t: Trial) -> str | None:
    model, X, y = Moody(t), as_images(t.randn(40, 4)), t.randint(0, 3, 40)
    right = true_report(logits_of(model.eval(), X), y)
    calm = a.report(model, X, y)
    if not (same(calm["hardest"], right["hardest"]) and same(calm["ece"], right["ece"], rtol=1e-4)):
        return None
    own = a.report(model.train(), X, y)
    if not (same(own["hardest"], right["hardest"]) and same(own["ece"], right["ece"], rtol=1e-4)):
        return (
            "right for a model in evaluation mode, wrong for one that comes in training mode: its batch "
            f"norms then use this batch's statistics (acc {own['acc']:.3f} instead of "
            f"{right['acc']:.3f}). Switch to `eval()`"
        )
    return None


@probe("report-leaves-traces")
def traces(a: Any, t: Trial) -> str | None:
    model, X, y = Moody(t), as_images(t.randn(20, 4)), t.randint(0, 3, 20)
    for training in (False, True):
        for p in model.train(training).parameters():
            p.grad = torch.full_like(p, 2.0)
        before = fingerprint(model)
        a.report(model, X, y)
        if changed := first_change(before, fingerprint(model)):
            return f"after report {changed} changed: the model belongs to the caller and stays as it was"
    return None


@probe("confusion-is-wrong")
def confusion(a: Any, t: Trial) -> str | None:
    own, right, _, y = own_report(a, t)
    mine, table = own["confusion"], right["confusion"]
    if same(mine, table.T):
        return (
            "your confusion matrix is transposed: rows are true classes, columns predictions. An "
            "example of class 2 that is taken for a 0 stands at [2, 0]"
        )
    if mine.shape != table.shape:
        return f"for 4 classes the confusion matrix is 4×4, yours is {shape(mine)}: K is the number of logits"
    if int(mine.sum()) != len(y):
        return f"{len(y)} examples were given, your confusion matrix counts {int(mine.sum())}"
    rare = t.randn(6, 5)
    few = a.report(Given(), as_images(rare), torch.tensor([0, 1, 0, 1, 1, 0]))["confusion"]
    if few.shape != (5, 5):
        return (
            f"5 logits, of which only classes 0 and 1 occur: the matrix is still 5×5, yours is {shape(few)}"
        )
    if found := first_difference(mine, table, where="confusion"):
        return f"{found}. It counts how often true class i was predicted as class j"
    return None


@probe("hardest-is-wrong")
def hardest(a: Any, t: Trial) -> str | None:
    own, right, logits, y = own_report(a, t)
    mine, wanted = own["hardest"], right["hardest"]
    if same(mine, wanted):
        few_own, few_right, _, _ = own_report(a, t, count=5)
        if not same(few_own["hardest"], few_right["hardest"]):
            return (
                "with 5 examples all of them are listed, the hardest first; you give "
                f"{few_own['hardest'].tolist()}"
            )
        return None
    p = logits.softmax(1)
    truth, top = p.gather(1, y[:, None])[:, 0], p.amax(1)
    wrong = (p.argmax(1) != y).nonzero().flatten()
    order = wrong[top[wrong].argsort(descending=True)]
    for other, words in (
        (truth.argsort(descending=True), "the easiest examples"),
        (truth.argsort(), "all examples, or another number than 12"),
        (top.argsort(), "those with the smallest *highest* probability: the most undecided ones"),
        (order, "the wrong ones by their confidence; sort by the probability of the *true* class"),
        (wrong, "the wrong ones in their original order"),
        (
            logits.gather(1, y[:, None])[:, 0].argsort(),
            "those with the smallest true *logit*: take probabilities",
        ),
        (wanted.flip(0), "the right twelve with the hardest last"),
    ):
        if len(mine) <= len(other) and same(mine, other[: len(mine)]) and len(mine):
            return (
                f"`hardest` lists {words}. Asked for are 12 indices, smallest probability of the true "
                "class first"
            )
    return (
        f"`hardest` is {mine.tolist()}, expected {wanted.tolist()}: indices, smallest probability of the "
        "true class first"
    )


@probe("acc-and-ece-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    own, right, _, _ = own_report(a, t, count=120)
    if same(own["acc"], right["ece"], rtol=1e-4) and same(own["ece"], right["acc"], rtol=1e-4):
        return "`acc` holds the calibration error and `ece` the share of right predictions: exchange them"
    return None


def certain() -> tuple[Tensor, Tensor]:
    """Six predictions with confidence exactly 1, half of them right, and six with 0.95, all right."""
    logits = torch.zeros(12, 3, dtype=torch.float64)
    logits[:6, 0], logits[6:, 0] = 900.0, math.log(38)
    return logits, torch.tensor([0, 1, 0, 2, 0, 1, *[0] * 6])


@probe("certainty-has-no-bin")
def no_bin(a: Any, t: Trial) -> str | None:
    logits, y = certain()
    own, right = a.report(Given(), as_images(logits), y)["ece"], true_report(logits, y)["ece"]
    for other, words in ((0.025, "are lost"), (0.275, "have a bin of their own")):
        if abs(own - other) < 1e-6:
            return (
                f"predictions with confidence exactly 1 {words}: your ece is {own:.4f}, expected "
                f"{right:.4f}. They belong to the last bin, (0.9, 1]: each bin ends with its upper bound"
            )
    return None


@probe("ece-is-wrong")
def ece(a: Any, t: Trial) -> str | None:
    own, right, logits, y = own_report(a, t, count=120)
    mine = own["ece"]
    if abs(mine - right["ece"]) < 1e-5:
        return None
    p = logits.softmax(1)
    top, hit = p.amax(1), (p.argmax(1) == y).double()
    for other, words in candidates(p, top, hit, y):
        if abs(mine - other) < 1e-6:
            return f"your ece is {mine:.4f}, expected {right['ece']:.4f}: {words}"
    return (
        f"your ece is {mine:.4f}, expected {right['ece']:.4f}: Σ over ten bins of (share of the examples) · "
        "|mean confidence − share right|"
    )


def candidates(p: Tensor, top: Tensor, hit: Tensor, y: Tensor) -> list[tuple[float, str]]:
    """What other formulas give."""

    def gaps(confidence: Tensor, right: Tensor, bins: int) -> tuple[Tensor, Tensor]:
        place = (confidence * bins).ceil().clamp(1, bins)
        weights, found = [], []
        for b in range(1, bins + 1):
            inside = place == b
            if inside.any():
                weights.append(inside.double().mean())
                found.append((right[inside] - confidence[inside]).mean())
        return torch.stack(weights), torch.stack(found)

    weight, gap = gaps(top, hit, 10)
    truth = p.gather(1, y[:, None])[:, 0]
    twice = p.softmax(1).amax(1)
    found = [
        (float((weight * gap).sum().abs()), "gaps of different sign cancel; take |gap| in each bin"),
        (float((weight * gap).sum()), "gaps of different sign cancel; take |gap| in each bin"),
        (float((-weight * gap).sum()), "gaps of different sign cancel; take |gap| in each bin"),
        (float(gap.abs().mean()), "every bin weighs the same; a bin weighs by its share of the examples"),
        (
            float(gap.abs().sum()),
            "the gaps are added without weights; a bin weighs by its share of the examples",
        ),
        (
            float(gap.abs().sum() / 10),
            "every bin weighs 1/10, empty ones too; weigh by the share of the examples",
        ),
        (float(gap.abs().max()), "that is the largest gap; asked for is the weighted mean"),
        (float((weight * gap.square()).sum()), "the gaps are squared; take their absolute value"),
        (float((weight * gap.square()).sum().sqrt()), "the gaps are squared; take their absolute value"),
        (100 * float((weight * gap.abs()).sum()), "that is a percentage"),
        (
            float((hit - top).abs().mean()),
            "|right − confidence| example by example; first average within each bin",
        ),
    ]
    for bins in (5, 15, 20, 9, 11):
        w, g = gaps(top, hit, bins)
        found.append((float((w * g.abs()).sum()), f"you use {bins} bins, asked for are 10"))
    w, g = gaps(truth, hit, 10)
    found.append(
        (
            float((w * g.abs()).sum()),
            "the confidence is the probability of the *predicted* class, not the true one",
        )
    )
    w, g = gaps(twice, hit, 10)
    found.append((float((w * g.abs()).sum()), "the softmax is taken twice"))
    return found
