"""The known mistakes of E5's program, each by its signature in short runs on two ranks."""

from typing import Any

from torch import Tensor

from courseware.check import Probes, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import e5_cases
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_cases import short_runs

probe = Probes()
CLOSE = 1e-4
KEYS = ("world", "epochs", "resumed_from", "losses", "accuracy", "drift")

SITUATIONS = {
    "untrained": "--epochs 0 and no other flag but --out on two ranks",
    "short": "--epochs 2 --batch 501 on two ranks, with an --out that is not there yet",
    "uneven": "--batch 1436 on two ranks, so that the last batch has one row and rank 1 none",
    "resumes": "--epochs 1 on two ranks, then --epochs 2 into the same folder",
    "again": "a third start, of a run that is finished",
    "disturbed": "one step on two ranks, after which the check moves a weight of rank 1",
    "alone_after_two": "one process by itself, which goes on from what two ranks have left",
}


def facts(a: Any, t: Trial, case: Any) -> list[Any]:
    return short_runs(a, t)[0].of(case) or []


@probe("rank-0-alone-in-a-collective")
def hangs(a: Any, t: Trial) -> str | None:
    stopped = short_runs(a, t)[0].stopped
    if stopped and stopped.kind == "deadlock":
        going_on = (
            " All ranks have to go on from the same epoch: each loads the checkpoint, or rank 0 sends it."
            if stopped.case == "resumes"
            else ""
        )
        return (
            f"with {SITUATIONS[stopped.case]} the ranks wait for each other for ever. Every "
            "collective must be reached by all "
            "ranks equally often: none under `if rank == 0`, none that a rank without rows leaves out."
            f"{going_on}\n{stopped.words}"
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


@probe("no-group-when-alone")
def alone(a: Any, t: Trial) -> str | None:
    one = short_runs(a, t)[1]
    if one and one.stopped and "has not been initialized" in one.stopped.words:
        return (
            "started by itself, without torchrun, a process has no group yet: wrap the whole program in "
            f"`with process_group():` from shared.distributed\n{one.stopped.words}"
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
    for case in (e5_cases.short, e5_cases.untrained):
        wanted = ("checkpoint.pt", "metrics.json") if case is e5_cases.short else ("metrics.json",)
        for fact in facts(a, t, case)[:1]:
            for name in wanted:
                if name not in fact["files"]:
                    return (
                        f"after {SITUATIONS[case.__name__]}, --out holds "
                        f"{', '.join(fact['files']) or 'nothing'}: {name} is missing"
                    )
    for fact in facts(a, t, e5_cases.short)[:1]:
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
