"""The known mistakes of E5, each by its signature in a run of a few batches."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e5_watch import (
    BATCH,
    Noting,
    Run,
    compare_gradients,
    expected_gradient,
    few_digits,
    representable,
    train,
    weights_of,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()
ROWS = 2 * BATCH + 40  # two batches, and some rows that are left over
HALF = (5, 10)
FIELDS = ("loss", "scale", "stepped", "zeros")


def short(a: Any, t: Trial, *, rows: int = ROWS, scaler: Any = None, **how: Any) -> Run:
    X, y = few_digits(Trial(t.seed, "rows"), rows)
    return train(a, X, y, scaler=scaler, **{"fmt": HALF, "epochs": 1, **how})


@probe("training-fails")
def fails(a: Any, t: Trial) -> str | None:
    for words, how in {
        "fmt=None and no scaler": {"fmt": None},
        "half precision and a scaler of the check": {"scaler": Noting()},
        "bfloat16, ckpt=False, micro=1": {"fmt": (8, 7), "ckpt": False, "micro": 1},
        "micro=16": {"micro": 16},
    }.items():
        error = failure(t, lambda how=how: short(a, t, **how))
        if error:
            return f"train_amp with {words} ends in {error}"
    return None


@probe("results-in-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    X, y = few_digits(t, ROWS)
    result = a.train_amp(X, y, fmt=HALF, epochs=1)
    if len(result) != 2 or not isinstance(result[0], nn.Module) or not isinstance(result[1], list):
        kinds = ", ".join(type(part).__name__ for part in result)
        return f"train_amp returned ({kinds}), expected (model, log): an nn.Module and a list of dicts"
    log = result[1]
    if not log or not all(isinstance(row, dict) for row in log):
        return "the log is empty, or holds something else than dicts: one dict for each batch"
    missing = [name for name in FIELDS if name not in log[0]]
    if missing:
        return f"a row of the log has {list(log[0])}; missing: {', '.join(missing)}"
    return None


@probe("log-is-not-one-row-a-batch")
def rows_of_log(a: Any, t: Trial) -> str | None:
    found = len(short(a, t, epochs=3).log)
    words = f"{ROWS} rows, 3 epochs: the log has {found} rows, expected 6"
    if found == 9:
        return f"{words}: the {ROWS - 2 * BATCH} rows left over fill no batch, they are dropped"
    if found == 3:
        return f"{words}: one for each *batch*, not for each epoch"
    if found in (24, 28):
        return f"{words}: one for each batch of 128, not for each of its pieces"
    if found != 6:
        return f"{words}: two batches of 128 an epoch"
    return None


@probe("not-the-given-network")
def other_network(a: Any, t: Trial) -> str | None:
    model = short(a, t).model
    shapes = [tuple(p.shape) for p in model.parameters()]
    if len(shapes) != 8 or shapes[0] != (128, 64) or shapes[-1] != (10,):
        return (
            f"the model has parameters of the shapes {shapes}: it is to be `Net(fmt, dropout)` as it "
            "stands above"
        )
    X, _ = few_digits(t, 20)
    model.eval()
    with torch.no_grad():
        scores = model(X)
    if not representable([scores], HALF):
        return (
            "the model's scores are no half-precision numbers although fmt is (5, 10): build the network as "
            "`Net(fmt, dropout)`, it rounds by itself"
        )
    return None


# ---- batches and pieces ---------------------------------------------------------------------------------


@probe("pieces-of-another-size")
def pieces(a: Any, t: Trial) -> str | None:
    found = {micro: sorted({len(x) for x in short(a, t, micro=micro).pieces}) for micro in (4, 8)}
    if found == {4: [32], 8: [16]}:
        return None
    if found == {4: [4], 8: [8]}:
        return (
            "with micro=4 the pieces have 4 rows: `micro` is how *many* pieces a batch has, here 4 of 32 rows"
        )
    if found[4] == found[8]:
        return (
            f"with micro=4 and micro=8 the pieces have {found[4]} rows: `micro` is not used; 4 of 32, 8 of 16"
        )
    return f"with micro=4 the pieces have {found[4]} rows, expected 32; with micro=8 {found[8]}, expected 16"


@probe("order-never-changes")
def order(a: Any, t: Trial) -> str | None:
    X, y = few_digits(Trial(t.seed, "rows"), 2 * BATCH)
    run = train(a, X, y, fmt=None, epochs=2, ckpt=False)
    seen = [sorted(map(tuple, torch.cat(run.pieces[i : i + 4]).tolist())) for i in (0, 8)]
    if len(run.pieces) == 16 and seen[0] == seen[1]:
        return (
            "the first batches of two epochs hold the same rows: each epoch goes through all rows in a *new* "
            "random order (`torch.randperm`)"
        )
    return None


@probe("rows-repeated-or-left-out")
def all_rows(a: Any, t: Trial) -> str | None:
    X, y = few_digits(Trial(t.seed, "rows"), 2 * BATCH)
    run = train(a, X, y, fmt=None, epochs=1, ckpt=False)
    seen = sorted(map(tuple, torch.cat(run.pieces).tolist()))
    rows = sorted(map(tuple, X.tolist()))
    if seen != rows and not set(seen) & set(rows):
        return "what reaches the network are not rows of X: they are handed to it as they are"
    if seen != rows:
        return (
            "with 256 rows an epoch's two batches do not hold each row once: some are repeated, others left "
            "out (a permutation, not `randint`)"
        )
    return None


@probe("update-once-a-batch")
def updates(a: Any, t: Trial) -> str | None:
    scaler = Noting()
    short(a, t, scaler=scaler)
    if scaler.updates == 0:
        return "`scaler.update()` is never called: the scale could not move"
    if scaler.updates != 2:
        return (
            f"`scaler.update()` was called {scaler.updates} times in two batches: once for each batch, after "
            "the step; within a batch all pieces need the same scale"
        )
    skipping = Noting(overflow_at=(0,))
    short(a, t, scaler=skipping)
    if skipping.updates != 2:
        return "after a skipped step `scaler.update()` is not called: that is when the scale has to fall"
    return None


# ---- the gradient ---------------------------------------------------------------------------------------


@probe("no-optimizer-step")
def no_step(a: Any, t: Trial) -> str | None:
    plain, scaled = short(a, t), short(a, t, scaler=Noting())
    if scaled.steps and not scaled.scaler.steps:
        return (
            "the optimizer stepped, but not through `scaler.step(optimizer)`: it would step on infinity too"
        )
    for words, run in (("without a scaler", plain), ("with a scaler", scaled)):
        if run.steps == 8:
            return f"{words} the optimizer made 8 steps in two batches of 4 pieces: one step for each *batch*"
        if run.steps == 1 and len(run.log) == 2:
            return f"{words} the optimizer made 1 step in two batches: one for each batch"
        if run.steps == 0:
            return f"{words} no torch optimizer made a step: `torch.optim.Adam` moves the masters"
    return None


@probe("optimizer-made-anew")
def made_anew(a: Any, t: Trial) -> str | None:
    found = len(short(a, t, epochs=3).optimizers)
    if found > 1:
        return (
            f"in three epochs {found} different optimizers made steps: make it once, or Adam forgets its "
            "averages"
        )
    return None


@probe("another-optimizer")
def another_optimizer(a: Any, t: Trial) -> str | None:
    for optimizer in short(a, t).optimizers:
        settings = optimizer.param_groups[0]
        if not isinstance(optimizer, torch.optim.Adam) or settings["weight_decay"] != 0:
            name = type(optimizer).__name__
            return (
                f"the optimizer is {name} (weight decay {settings.get('weight_decay')}); asked for is Adam "
                "without"
            )
        if settings["eps"] > 1e-20:
            return (
                f"Adam's eps is {settings['eps']:g}: gradients divided by 2¹⁸ are smaller than that, and the "
                "steps shrink to nothing. Use eps=1e-30"
            )
        if settings["lr"] != 2e-3:
            return f"Adam's lr is {settings['lr']:g}, asked for is 2e-3"
    return None


def first_gradient(a: Any, t: Trial, **how: Any) -> tuple[Any, float, float] | None:
    """One batch of 128 rows in float32: the scaler, and length and direction of the gradient at its step."""
    X, y = few_digits(Trial(t.seed, "rows"), BATCH)
    scaler = Noting()
    train(a, X, y, scaler=scaler, **{"fmt": None, "epochs": 1, **how})
    if not scaler.parameters or len(scaler.parameters[0]) != 8:
        return None
    expected = expected_gradient(scaler.parameters[0], X, y, how.get("loss_div", 2.0**18))
    return scaler, *compare_gradients(scaler.gradients[0], expected)


@probe("gradient-of-another-size")
def gradient_size(a: Any, t: Trial) -> str | None:
    found = first_gradient(a, t)
    if found is None:
        return None
    scaler, ratio, cosine = found
    words = f"at the optimizer's step the gradient is {ratio:.4g} times that of the mean loss / loss_div"
    if not scaler.calls.count("scale"):
        words += " (`scaler.scale` was never called)"
    if cosine < 0.99 or abs(ratio - 1) < 0.02:
        return None
    reasons = {
        2.0
        ** -16: "it was divided by the scale without having been multiplied: `scaler.scale(loss).backward()`",
        2.0**16: "it is still scaled: `scaler.step` must see the masters' gradients",
        2.0**18: "loss_div was not divided by",
        0.25: "it is divided by the number of pieces twice (a mean over 128 rows, and again by micro)",
        4.0: "the pieces' means are added up; divide each by micro",
        1 / 128: "it is divided by the rows twice",
        32.0: "the rows' losses are added up within a piece: divide by 128",
        128.0: "the rows' losses are added up: divide by 128",
        2.0**-18: "loss_div was divided by twice",
        1 / 64: "micro enters three times",
        2.0: "is something added twice?",
    }
    for value, reason in reasons.items():
        if abs(ratio / value - 1) < 0.02:
            return f"{words}: {reason}"
    return f"{words}, expected once that"


@probe("pieces-do-not-add-up")
def do_not_add(a: Any, t: Trial) -> str | None:
    found, whole = first_gradient(a, t), first_gradient(a, t, micro=1)
    if found and whole and whole[2] > 0.99 and found[2] < 0.99:
        return (
            f"with micro=1 the gradient is right, with micro=4 it points elsewhere (cosine {found[2]:.2f}): "
            "the gradients of all four pieces have to add up before the step. Are they cleared between the "
            "pieces, or only the last one run backward?"
        )
    return None


@probe("loss-div-ignored")
def loss_div_ignored(a: Any, t: Trial) -> str | None:
    found = first_gradient(a, t, loss_div=4.0)
    if found and found[2] > 0.99 and abs(found[1] - 1) > 0.02:
        return f"with loss_div=4 the gradient is {found[1]:.4g} times what it should be: use the argument"
    return None


@probe("model-does-not-get-the-masters")
def not_published(a: Any, t: Trial) -> str | None:
    run = short(a, t, fmt=None, epochs=2)
    own = [p.detach() for o in run.optimizers for g in o.param_groups for p in g["params"]]
    found = weights_of(run.model)
    if len(own) == len(found) and not all(torch.equal(w, m) for w, m in zip(found, own, strict=True)):
        return (
            "after training the model's weights are not those that the optimizer moved: the masters have to "
            "be published after every step, the last one too"
        )
    return None


@probe("gradients-never-cleared")
def never_cleared(a: Any, t: Trial) -> str | None:
    X, y = few_digits(Trial(t.seed, "rows"), BATCH)
    for words, overflow in (("after a skipped step", (0,)), ("after a step", ())):
        scaler = Noting(overflow_at=overflow)
        train(a, X, y, fmt=None, scaler=scaler, epochs=2)
        if len(scaler.gradients) < 2 or len(scaler.parameters[1]) != 8:
            return None
        expected = expected_gradient(scaler.parameters[1], X, y, 2.0**18)
        ratio, cosine = compare_gradients(scaler.gradients[1], expected)
        if abs(ratio - 1) > 0.02 or cosine < 0.99:
            return (
                f"{words} the next batch's gradient is {ratio:.3g} times as long as it should be: the old "
                "one is still in it. Clear gradients for every batch, stepped or skipped"
            )
    return None
