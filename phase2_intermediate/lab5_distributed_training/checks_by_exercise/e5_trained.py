"""The known mistakes of E5's program that show in what was trained, and in what it says about it."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e5_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_cases import (
    killed_and_resumed,
    short_run,
    short_runs,
    uneven_run,
    whole_run,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_mistakes import (
    CLOSE,
    SITUATIONS,
    facts,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_oracle import (
    Training,
    accuracy,
    apart,
    initial,
    train,
    wrong_trainings,
)

probe = Probes()


@probe("ranks-drift-apart")
def drift(a: Any, t: Trial) -> str | None:
    for case in (e5_cases.short, e5_cases.uneven, e5_cases.resumes):
        found = facts(a, t, case)
        if len(found) < 2 or torch.equal(found[0]["weights"], found[1]["weights"]):
            continue
        run = short_run(t.seed)
        for rank in (0, 1):
            own, _ = train(Training(**{**vars(run), "shard": (rank, 2)}))
            if case is e5_cases.short and apart(found[rank]["weights"], own) < CLOSE:
                return (
                    f"rank {rank} has trained on its own rows alone: the gradients were not "
                    "averaged over the ranks"
                )
        most = (found[0]["weights"] - found[1]["weights"]).abs().max().item()
        return (
            f"{SITUATIONS[case.__name__]}: the ranks end with weights that differ by up to "
            f"{most:.2g}. They need the same first "
            "weights, the same gradients and the same optimizer, also after going on"
        )
    return None


def short_weights(a: Any, t: Trial) -> Tensor | None:
    found = facts(a, t, e5_cases.short)
    return found[0]["weights"] if found else None


@probe("first-weights-are-others")
def first_weights(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.untrained)[:1]:
        found, expected = fact["weights"], train(Training(epochs=0))[0]
        if not isinstance(found, Tensor) or apart(found, expected) < CLOSE:
            return None
        for seed in (*range(1, 101), 123, 1234, 1337):
            if torch.equal(found, torch.cat([w.flatten() for w in initial(seed)])):
                return (
                    f"without --seed the untrained network is that of `torch.manual_seed({seed})`: "
                    "the default is 0"
                )
        return (
            "with --epochs 0 the network is not the one that `torch.manual_seed(seed)` and then "
            "`build_model()` give: the seed comes first, and nothing random in between"
        )
    return None


@probe("every-rank-takes-every-row")
def all_rows(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(facts(a, t, e5_cases.short)):
        epochs = short_run(t.seed).epochs
        if fact["rows"] >= epochs * 1437:
            return (
                f"in {epochs} epochs rank {rank} of 2 has put {fact['rows']:,} rows through the network: all "
                "of them. Of each batch it takes the rows at positions rank, rank + world, …, which "
                f"makes {epochs * 1437 // 2:,}; otherwise nothing is shared"
            )
    return None


def training_probe(diagnosis: str) -> None:
    @probe(diagnosis)
    def run(a: Any, t: Trial) -> str | None:
        asked, found = short_run(t.seed), short_weights(a, t)
        if found is None or apart(found, train(asked)[0]) < CLOSE:
            return None
        wrong, words = wrong_trainings(asked, 2)[diagnosis]
        if apart(found, train(wrong)[0]) < CLOSE:
            return f"with {SITUATIONS['short']} the weights are not those of one process, but {words}"
        return None


for _diagnosis in wrong_trainings(short_run(1), 2):
    training_probe(_diagnosis)


@probe("shards-weigh-the-same")
def equal_weights(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.uneven)[:1]:
        expected = train(uneven_run(t.seed))[0]
        short_right = apart(short_weights(a, t), train(short_run(t.seed))[0]) < 2e-3  # type: ignore[arg-type]
        if short_right and not apart(fact["weights"], expected) < CLOSE:
            what = "NaN" if bool(fact["weights"].isnan().any()) else "elsewhere"
            return (
                f"with {SITUATIONS['uneven']} the weights end {what}. Ranks with different "
                "numbers of rows must not weigh the "
                "same, and the mean of no rows is NaN: add up gradients of *sums*, divide by "
                "the rows of all ranks"
            )
    return None


@probe("other-training")
def other_training(a: Any, t: Trial) -> str | None:
    found = short_weights(a, t)
    if found is not None and not apart(found, train(short_run(t.seed))[0]) < CLOSE:
        distance = apart(found, train(short_run(t.seed))[0])
        return (
            f"with {SITUATIONS['short']} the weights are {distance:.2g} (relative) away from "
            "those of one process; 1e-4 is allowed. "
            "First weights, order of rows, batches, gradient, SGD with momentum: the statement fixes each"
        )
    return None


def from_nothing(fact: Any, run: Training) -> str:
    """What the second start did, which says that it found no finished epoch."""
    once_more = train(Training(**{**vars(run), "epochs": 3, "restart_order_at": 1}))[0]
    right = apart(fact["weights"], train(run)[0]) < CLOSE
    if apart(fact["weights"], once_more) < CLOSE:
        return (
            "the second start found a checkpoint of one epoch, has loaded its weights, and then trained "
            "epochs 0 and 1 once more: it counted 0 finished epochs. Save what belongs together at one "
            "moment, after the epoch"
        )
    if right and 0 < fact["rows"] < 1437:
        return (
            "the second start went on from a checkpoint of one epoch, and metrics.json says resumed_from = 0"
        )
    return (
        "the second start found a checkpoint of one epoch, and began with epoch 0: load it, "
        "and go on from there"
    )


@probe("does-not-go-on")
def no_resume(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.resumes)[:1]:
        run, found = short_run(t.seed), fact["weights"]
        if fact["metrics"]["resumed_from"] == 0:
            return from_nothing(fact, run)
        for how, words in (
            (
                {"forget_momentum_at": 1},
                "the optimizer's momentum was lost: save and load its state_dict too",
            ),
            ({"restart_order_at": 1}, "the order of rows began again with epoch 0's: count the epochs on"),
            ({"epochs": 3}, "`--epochs` more were trained: it is how many in all"),
            ({"epochs": 1}, "nothing more was trained"),
        ):
            if apart(found, train(Training(**{**vars(run), **how}))[0]) < CLOSE:
                return f"one epoch, then a second start up to two epochs: {words}"
        if not apart(found, train(run)[0]) < CLOSE:
            return (
                "one epoch, then a second start up to two epochs: the weights are not those of "
                "two epochs in one go"
            )
    for fact in facts(a, t, e5_cases.again)[:1]:
        if not apart(fact["weights"], train(short_run(t.seed))[0]) < CLOSE:
            return (
                "a run that is finished was started again, and has trained further: `--epochs` "
                "is how many in all"
            )
    return None


@probe("depends-on-the-number-of-ranks")
def other_world(a: Any, t: Trial) -> str | None:
    one = short_runs(a, t)[1]
    found = one.of(e5_cases.alone_after_two) if one else None
    longer = Training(**{**vars(short_run(t.seed)), "epochs": 3})
    if found and not apart(found[0]["weights"], train(longer)[0]) < CLOSE:
        return f"{SITUATIONS['alone_after_two']}, ends elsewhere than an uninterrupted run"
    return None


# ---- what is reported -----------------------------------------------------------------------------------


@probe("accuracy-of-one-shard")
def shard_accuracy(a: Any, t: Trial) -> str | None:
    for case in (e5_cases.short, e5_cases.untrained, e5_cases.uneven):
        for fact in facts(a, t, case)[:1]:
            found, expected = fact["metrics"]["accuracy"], accuracy(fact["weights"])
            if not isinstance(found, float | int):
                return f"accuracy in metrics.json is {found!r}: a number is asked for"
            if abs(found - expected) < 1e-6:
                continue
            for rows in (slice(0, None, 2), slice(1, None, 2), slice(0, 180), slice(180, 360)):
                if abs(found - accuracy(fact["weights"], rows)) < 1e-6:
                    return (
                        f"accuracy is {found:.4f}, that of 180 test digits; of all 360 it is {expected:.4f}"
                    )
            return (
                f"accuracy in metrics.json is {found:.4f}; the model gets {expected:.4f} of the "
                "360 test digits right"
            )
    return None


@probe("losses-are-others")
def losses(a: Any, t: Trial) -> str | None:
    for case, run in ((e5_cases.short, short_run(t.seed)), (e5_cases.uneven, uneven_run(t.seed))):
        for fact in facts(a, t, case)[:1]:
            found, expected = fact["metrics"]["losses"], train(run)[1]
            if not isinstance(found, list) or len(found) != run.epochs:
                return (
                    f"after {run.epochs} epochs metrics.json has losses {found!r}: one number for each epoch"
                )
            for x, y in zip(found, expected, strict=True):
                if not abs(x - y) < 1e-3 * y + 1e-4:
                    return (
                        f"losses in metrics.json are {[round(x, 4) for x in found]}, expected "
                        f"{[round(y, 4) for y in expected]}: "
                        "the mean over all 1,437 rows of an epoch, whichever rank had them, "
                        "however short the batch"
                    )
    for fact in facts(a, t, e5_cases.resumes)[:1]:
        found, expected = fact["metrics"]["losses"], train(short_run(t.seed))[1]
        if len(found) != 2 or any(
            not abs(x - y) < 1e-3 * y + 1e-4 for x, y in zip(found, expected, strict=True)
        ):
            return (
                f"after one epoch and a second start the losses are {found}, expected "
                f"{[round(y, 4) for y in expected]}: "
                "those of the epochs before the interruption belong into the checkpoint"
            )
    return None


@probe("metrics-are-wrong")
def metrics(a: Any, t: Trial) -> str | None:
    for case, resumed, epochs in (
        (e5_cases.untrained, 0, 0),
        (e5_cases.short, 0, 2),
        (e5_cases.resumes, 1, 2),
        (e5_cases.again, 2, 2),
    ):
        for fact in facts(a, t, case)[:1]:
            for key, expected in (("world", 2), ("epochs", epochs), ("resumed_from", resumed), ("drift", 0)):
                if fact["metrics"][key] != expected:
                    return (
                        f"with {SITUATIONS[case.__name__]}, metrics.json says {key} = "
                        f"{fact['metrics'][key]!r}, expected "
                        f"{expected}"
                    )
    return None


@probe("drift-is-not-measured")
def drift_told(a: Any, t: Trial) -> str | None:
    for first, other in zip(*facts(a, t, e5_cases.disturbed), strict=True):
        if not (isinstance(first, dict) and isinstance(other, dict)):
            continue
        found, apart_by = first["metrics"]["drift"], (other["weights"] - first["weights"]).abs().max().item()
        if abs(found - apart_by) > 1e-3 * apart_by:
            return (
                "the check has moved a weight of rank 1 after the last step, and the models that main "
                f"returned on the two ranks differ by up to {apart_by:.3g}; metrics.json says drift = "
                f"{found:.3g}. It is the largest difference in size, whatever its sign, of any rank, not "
                "only of the one that writes"
            )
    return None


# ---- the whole run ----------------------------------------------------------------------------------------


@probe("whole-run-fails")
def whole_run_fails(a: Any, t: Trial) -> str | None:
    first, second = killed_and_resumed(a, t)
    given = "with no flag but --out and --seed, on two ranks"
    if first.stopped and "SIGKILL" not in first.stopped.words:
        return f"{given}: {first.stopped.words}"
    if second.stopped:
        return f"{given}, started again after rank 1 was killed: {second.stopped.words}"
    return None


@probe("default-is-another")
def defaults(a: Any, t: Trial) -> str | None:
    run = whole_run(t.seed)
    for fact in (killed_and_resumed(a, t)[1].of(e5_cases.second_life) or [])[:1]:
        found, epochs = fact["weights"], fact["metrics"]["epochs"]
        if epochs != run.epochs:
            return f"without --epochs metrics.json says epochs = {epochs}: the default is {run.epochs}"
        if apart(found, train(run)[0]) < CLOSE:
            continue
        for flag, values in (("lr", (1.0, 0.5, 0.2, 0.05, 0.01, 1e-3)), ("batch", (16, 32, 100, 128, 256))):
            for value in values:
                if apart(found, train(Training(**{**vars(run), flag: value}))[0]) < CLOSE:
                    right = getattr(run, flag)
                    return f"without --{flag} the program trains as if it was {value}: the default is {right}"
    return None


@probe("checkpoint-not-every-epoch")
def seldom(a: Any, t: Trial) -> str | None:
    for fact in (killed_and_resumed(a, t)[1].of(e5_cases.second_life) or [])[:1]:
        trained = whole_run(t.seed).epochs - fact["metrics"]["resumed_from"]
        written = fact["renamed"].count("checkpoint.pt")
        if written < trained:
            return (
                f"after the death {trained} epochs were trained, and checkpoint.pt was written {written} "
                "times: once after *every* epoch"
            )
    return None
