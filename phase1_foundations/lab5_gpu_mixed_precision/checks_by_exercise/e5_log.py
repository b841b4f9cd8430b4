"""The known mistakes of E5 in its log, its weights, its randomness and its memory."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e5_mistakes import HALF, short
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e5_watch import (
    BATCH,
    Noting,
    Run,
    few_digits,
    representable,
    train,
    weights_of,
)

probe = Probes()


@probe("skips-not-logged")
def skips(a: Any, t: Trial) -> str | None:
    scaler = Noting(overflow_at=(1,))
    log = short(a, t, scaler=scaler, epochs=2).log
    stepped, scales = [row["stepped"] for row in log], [row["scale"] for row in log]
    if stepped != [True, False, True, True]:
        return (
            f"the second of four steps was skipped for an overflow, your log says stepped = {stepped}: "
            "`scaler.step` "
            "returns whether the optimizer moved"
        )
    expected = [65536.0, 65536.0, 32768.0, 32768.0]
    if scales == [65536.0, 32768.0, 32768.0, 32768.0]:
        return (
            "the scale in the log is the one *after* the update; asked for is the one that the batch was "
            "run with (read "
            "`get_scale()` before `update()`)"
        )
    if scales != expected:
        return f"the log's scales are {scales}, expected {expected}: `scaler.get_scale()` before `update()`"
    plain = short(a, t).log[0]
    if plain["scale"] != 1.0 or plain["stepped"] is not True:
        return (
            f"without a scaler a row says scale {plain['scale']!r}, stepped {plain['stepped']!r}; expected "
            "1.0, True"
        )
    return None


@probe("logs-another-loss")
def another_loss(a: Any, t: Trial) -> str | None:
    for micro in (4, 1):
        run = short(a, t, fmt=None, scaler=Noting(2.0**10), micro=micro, rows=BATCH)
        found = run.log[0]["loss"]
        if not isinstance(found, float):
            return (
                f"the log's loss is a {type(found).__name__}, expected a Python float (a tensor keeps its "
                "graph)"
            )
        if 1.9 < found < 2.9:
            continue
        words = f"the first loss in the log is {found:.4g}; ten classes, not yet learned, cost ln 10 = 2.3"
        reasons = {
            2.3 * 2.0**10: "log the true loss, before `scaler.scale`",
            2.3 / 2.0**8: "log the true loss, before `scaler.scale` and before the division by loss_div",
            2.3 / 2.0**18: "log the true loss, before it is divided by loss_div",
            2.3 / 4: "log the mean over the whole batch: you log a quarter of it",
            2.3 * 4: "log the mean over the whole batch, not the sum of its pieces",
            2.3 / 2.0**20: "log the true loss, neither divided by loss_div nor by micro",
            2.3 / 2.0**10: "log the true loss, before `scaler.scale` and before the divisions",
            2.3 * 2.0**8: "log the true loss, before `scaler.scale` and before the division by micro",
            2.3 * 128: "log the mean over the rows, not their sum",
        }
        for value, reason in reasons.items():
            if 0.8 < found / value < 1.25:
                return f"{words}: {reason}"
        return f"{words}: log the batch's mean cross-entropy, neither scaled nor divided"
    return None


@probe("logs-the-loss-of-one-piece")
def loss_of_a_piece(a: Any, t: Trial) -> str | None:
    X, y = few_digits(Trial(t.seed, "rows"), BATCH)
    scaler = Noting()
    run = train(a, X, y, fmt=None, scaler=scaler, epochs=1)
    with torch.no_grad():
        h = X
        weights = scaler.parameters[0]
        for i in range(0, 8, 2):
            h = torch.nn.functional.linear(h, weights[i], weights[i + 1])
            h = h.relu() if i < 6 else h
        expected = float(torch.nn.functional.cross_entropy(h, y))
    found = run.log[0]["loss"]
    if abs(found - expected) > 1e-4:
        return (
            f"the log's first loss is {found:.5f}, the batch's mean is {expected:.5f}: take the mean over "
            "all pieces, "
            "not the last one's loss"
        )
    return None


@probe("share-of-zeros")
def zeros(a: Any, t: Trial) -> str | None:
    scaler = Noting()
    run = short(a, t, fmt=None, scaler=scaler, rows=BATCH)
    gradients = [g.flatten() for g in scaler.gradients[0] if g is not None]
    expected = float((torch.cat(gradients) == 0).double().mean())
    found = run.log[0]["zeros"]
    if not isinstance(found, float):
        return f"the log's zeros is a {type(found).__name__}, expected a Python float"
    if abs(found - expected) < 1e-5:  # one entry more or less is 2.4e-5
        return None
    if abs(found - (1 - expected)) < 1e-3:
        return (
            f"the log's zeros is {found:.3f}, the share of entries that are *not* 0; expected {expected:.3f}"
        )
    if abs(found / 100 - expected) < 1e-3:
        return f"the log's zeros is {found:.3f}, a percentage; expected a share from 0 to 1, {expected:.3f}"
    if found == 1.0:
        return (
            "the log says that all gradients are 0: they are counted when they have been cleared or handed "
            "over"
        )
    return (
        f"the log's zeros is {found:.3f}, expected {expected:.3f}: the entries that are exactly 0, of the "
        "gradients of "
        "all parameters together, after the batch's last backward pass"
    )


# ---- weights --------------------------------------------------------------------------------------------


@probe("masters-are-rounded")
def masters_rounded(a: Any, t: Trial) -> str | None:
    scaler = Noting()
    short(a, t, fmt=(8, 7), scaler=scaler, epochs=2)
    if len(scaler.parameters) > 2 and all(representable(p, (8, 7)) for p in scaler.parameters[1:]):
        return (
            "what the optimizer moves are bfloat16 numbers, at every step: its updates are rounded away, "
            "most of them "
            "to nothing. It must move float32 masters, and the model gets rounded copies"
        )
    return None


@probe("masters-start-rounded")
def start_rounded(a: Any, t: Trial) -> str | None:
    scaler = Noting()
    short(a, t, fmt=(8, 7), scaler=scaler)
    if scaler.parameters and representable(scaler.parameters[0], (8, 7)):
        return (
            "the masters start from weights that were rounded already: copy them first, and round the copies"
        )
    return None


@probe("returned-weights-not-rounded")
def not_rounded(a: Any, t: Trial) -> str | None:
    for fmt in (HALF, (8, 7)):
        if not representable(weights_of(short(a, t, fmt=fmt).model), fmt):
            return f"with fmt={fmt} the returned model has weights that are no numbers of that format"
    return None


# ---- randomness and memory ------------------------------------------------------------------------------


def same_weights(left: Run, right: Run) -> bool:
    return all(
        torch.equal(u, v) for u, v in zip(weights_of(left.model), weights_of(right.model), strict=True)
    )


@probe("seed")
def seed(a: Any, t: Trial) -> str | None:
    first, again, other = (short(a, t, fmt=None, dropout=0.3, seed=s) for s in (3, 3, 4))
    if not same_weights(first, again):
        return (
            "two calls with seed=3 gave two different models: weights, order and dropout all come from the "
            "seed"
        )
    if same_weights(first, other):
        return "seeds 3 and 4 gave the same model: `seed` is not used"
    return None


@probe("dropout-ignored")
def dropout_ignored(a: Any, t: Trial) -> str | None:
    if same_weights(short(a, t, fmt=None, dropout=0.5), short(a, t, fmt=None, dropout=0.0)):
        return (
            "with dropout=0.5 and 0.0 the same model comes out: hand `dropout` to Net, and leave the "
            "model in training "
            "mode while it learns"
        )
    return None


@probe("checkpoint-draws-other-numbers")
def other_numbers(a: Any, t: Trial) -> str | None:
    plain = [short(a, t, fmt=None, dropout=d, ckpt=False) for d in (0.0, 0.5)]
    with_ckpt = [short(a, t, fmt=None, dropout=d, ckpt=True) for d in (0.0, 0.5)]
    if not same_weights(plain[0], with_ckpt[0]):
        return "with ckpt=True another model comes out than with ckpt=False, even without dropout"
    if not same_weights(plain[1], with_ckpt[1]):
        return (
            "with dropout, ckpt=True gives another model than ckpt=False: the second run of a segment "
            "draws other "
            "dropout masks than the first (or leaves the generator elsewhere). Its state has to be restored"
        )
    return None


@probe("checkpointing-keeps-everything")
def keeps(a: Any, t: Trial) -> str | None:
    X, y = few_digits(Trial(t.seed, "rows"), BATCH)
    plain, saved = (
        max(train(a, X, y, fmt=HALF, epochs=1, ckpt=ckpt, measure=True).kept, default=0)
        for ckpt in (False, True)
    )
    if saved > 0.5 * plain and plain > 60_000:
        return (
            f"when a piece's backward pass begins, {saved:,} bytes are kept with ckpt=True and {plain:,} "
            "without: at "
            "most half is asked for. The blocks have to run under checkpoint"
        )
    if plain <= 60_000:
        return (
            f"with ckpt=False only {plain:,} bytes are kept for a backward pass: the blocks are to run "
            "plainly there"
        )
    return None
