"""The known mistakes of E5's program, each by its signature in short runs on two ranks."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e5_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_cases import (
    short_run,
    short_runs,
    uneven_run,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_oracle import (
    Training,
    accuracy,
    apart,
    train,
    wrong_trainings,
)

probe = Probes()
CLOSE = 1e-4
KEYS = ("world", "epochs", "resumed_from", "losses", "accuracy", "drift")

SITUATIONS = {
    "untrained": "--epochs 0 on two ranks",
    "short": "--epochs 2 --batch 500 on two ranks, with an --out that is not there yet",
    "uneven": "--batch 1436 on two ranks, so that the last batch has one row and rank 1 none",
    "resumes": "--epochs 1 on two ranks, then --epochs 2 into the same folder",
    "again": "a third start, of a run that is finished",
    "alone_after_two": "one rank, which goes on from what two ranks have left",
}


def facts(a: Any, t: Trial, case: Any) -> list[Any]:
    return short_runs(a, t)[0].of(case) or []


@probe("rank-0-alone-in-a-collective")
def hangs(a: Any, t: Trial) -> str | None:
    stopped = short_runs(a, t)[0].stopped
    if stopped and stopped.kind == "deadlock":
        return (
            f"with {SITUATIONS[stopped.case]} the ranks wait for each other for ever. Every "
            "collective must be reached by all "
            "ranks equally often: none under `if rank == 0`, none that a rank without rows leaves out.\n"
            f"{stopped.words}"
        )
    return None


@probe("process-group-made-anew")
def group_twice(a: Any, t: Trial) -> str | None:
    stopped = short_runs(a, t)[0].stopped
    if stopped and (
        "initialize the default process group twice" in stopped.words
        or "has not been initialized" in stopped.words
    ):
        return (
            f"{stopped.words}\nThe group may be there already: `with process_group():` from "
            "shared.distributed joins it, and "
            "leaves it to whoever has made it"
        )
    return None


@probe("fails-with-a-rank-without-rows")
def uneven_fails(a: Any, t: Trial) -> str | None:
    stopped = short_runs(a, t)[0].stopped
    return f"with {SITUATIONS['uneven']}: {stopped.words}" if stopped and stopped.case == "uneven" else None


@probe("cannot-go-on")
def resume_fails(a: Any, t: Trial) -> str | None:
    two, one = short_runs(a, t)
    for outcome in (two, one):
        stopped = outcome.stopped if outcome else None
        if stopped and stopped.case in ("resumes", "again", "alone_after_two"):
            return f"with {SITUATIONS[stopped.case]}: {stopped.words}"
    return None


@probe("program-fails")
def fails(a: Any, t: Trial) -> str | None:
    stopped = short_runs(a, t)[0].stopped
    return f"with {SITUATIONS.get(stopped.case, 'two ranks')}: {stopped.words}" if stopped else None


@probe("no-model-returned")
def no_model(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(facts(a, t, e5_cases.short)):
        if not isinstance(fact["weights"], Tensor):
            return (
                f"on rank {rank} main returned a {fact['weights']}: it returns the trained model, "
                "on every rank"
            )
        if fact["weights"].numel() != 9610:
            return (
                f"the model that main returned has {fact['weights'].numel()} numbers, "
                "`build_model()` has 9610"
            )
    return None


@probe("every-rank-writes")
def every_rank(a: Any, t: Trial) -> str | None:
    for rank, fact in enumerate(facts(a, t, e5_cases.short)):
        if rank and (fact["opened"] or fact["renamed"]):
            written = sorted(set(fact["opened"] + fact["renamed"]))
            return (
                f"rank {rank} has written {', '.join(written)}: two ranks that write one file "
                "spoil it. Rank 0 alone writes"
            )
    return None


@probe("files-missing")
def missing(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.short)[:1]:
        for name in ("checkpoint.pt", "metrics.json"):
            if name not in fact["files"]:
                return f"after the run --out holds {fact['files'] or 'nothing'}: {name} is missing"
        if not isinstance(fact["metrics"], dict):
            return f"metrics.json holds no dict: {fact['metrics']}"
        absent = [key for key in KEYS if key not in fact["metrics"]]
        if absent:
            return f"metrics.json has the keys {sorted(fact['metrics'])}; missing: {', '.join(absent)}"
    return None


@probe("checkpoint-half-written")
def half_written(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.short)[:1]:
        if "checkpoint.pt" in fact["opened"]:
            return (
                "checkpoint.pt is written directly: whoever is killed while it is written "
                "leaves half a file. Save under another "
                "name in the same folder, then `Path.replace`"
            )
        if fact["renamed"].count("checkpoint.pt") == 1:
            return (
                "in two epochs checkpoint.pt was written once: after *every* epoch, or a death "
                "costs the whole run"
            )
    return None


# ---- what was trained -----------------------------------------------------------------------------------


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


@probe("does-not-go-on")
def no_resume(a: Any, t: Trial) -> str | None:
    for fact in facts(a, t, e5_cases.resumes)[:1]:
        run, found = short_run(t.seed), fact["weights"]
        if fact["metrics"]["resumed_from"] == 0:
            return (
                "the second start found a checkpoint of one epoch, and began with epoch 0: load "
                "it, and go on from there"
            )
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
