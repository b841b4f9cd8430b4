"""E5: a training program that survives. What must hold; the known mistakes stand in `e5_mistakes`."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import (
    e5_cases,
    e5_mistakes,
    e5_report,
    e5_trained,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_cases import (
    EPOCHS_BEFORE_DEATH,
    killed_and_resumed,
    short_run,
    short_runs,
    uneven_run,
    whole_run,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_mistakes import CLOSE
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_oracle import (
    Training,
    accuracy,
    apart,
    train,
)
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_picture import curves
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import need

ACCURACY = 0.94
CHANCE = 0.30  # of the untrained network: it guesses

e5 = Exercise(
    "E5",
    takes={"main": nn.Module, "scaling_report": dict},
    hints=(
        "Write it for one process first: the same code with world = 1. Then let each rank "
        "take its rows of every "
        "batch, and make the gradients right. Then the checkpoint.",
        "rows = batch[rank::world]; loss with reduction='sum'; gradients summed over ranks, "
        "divided by the rows of all; "
        "the same step everywhere. Checkpoint = model + optimizer + losses, by rank 0, after every epoch.",
        "`with process_group():`; load `checkpoint.pt` if it is there; `dist.barrier()`; for "
        "each epoch and each batch of "
        "`randperm(…).split(batch)`: zero_grad, `cross_entropy(…, reduction='sum').backward()`, "
        "`weighted_grad_mean(model, len(rows))`, step; then rank 0: `torch.save(state, "
        "part); part.replace(path)`.",
    ),
)
e5_report.probe.add_to(e5)
e5_mistakes.probe.add_to(e5)
e5_trained.probe.add_to(e5)


def held(t: Trial, facts: list[Any], run: Training, words: str) -> None:
    expected, losses = train(run)
    for rank, fact in enumerate(facts):
        found = fact["weights"]
        t.that(isinstance(found, Tensor), f"{words}: main returned a {found} on rank {rank}")
        t.that(torch.equal(found, facts[0]["weights"]), f"{words}: ranks 0 and {rank} hold different weights")
        t.that(
            apart(found, expected) <= CLOSE,
            f"{words}: rank {rank} is {apart(found, expected):.2g} away from one process",
        )
        metrics = fact["metrics"]
        t.that(isinstance(metrics, dict), f"{words}: metrics.json: {metrics}")
        t.equal([float(x) for x in metrics["losses"]], list(losses), f"{words}: losses", rtol=1e-3, atol=1e-4)
        t.equal(float(metrics["accuracy"]), accuracy(found), f"{words}: accuracy", atol=1e-6)
        t.equal(float(metrics["drift"]), 0.0, f"{words}: drift")
        t.that(metrics["world"] == len(facts), f"{words}: world is {metrics['world']}, expected {len(facts)}")


@e5.property("two ranks end where one process ends", points=7)
def one_process(a: Any, t: Trial) -> None:
    two, one = short_runs(a, t)
    held(t, need(t, two, e5_cases.short), short_run(t.seed), "two epochs in batches of 501")
    held(t, need(t, two, e5_cases.uneven), uneven_run(t.seed), "a last batch with one row")
    held(t, need(t, two, e5_cases.resumes), short_run(t.seed), "one epoch, then one more")
    if one is not None:
        longer = Training(**{**vars(short_run(t.seed)), "epochs": 3})
        held(t, need(t, one, e5_cases.alone_after_two), longer, "two epochs on two ranks, one more on one")


@e5.property("a rank is killed in the middle; the second run goes on and learns the digits", points=9)
def survives(a: Any, t: Trial) -> None:
    first, second = killed_and_resumed(a, t)
    died = first.stopped
    t.that(
        died is not None and "SIGKILL" in died.words, f"the first run was to be killed: {died and died.words}"
    )
    facts = need(t, second, e5_cases.second_life)
    held(t, facts, whole_run(t.seed), "killed and started again")
    metrics = facts[0]["metrics"]
    t.that(
        EPOCHS_BEFORE_DEATH <= metrics["resumed_from"] <= 10,
        f"rank 1 was killed after checkpoint {EPOCHS_BEFORE_DEATH}, and the second run went "
        f"on from {metrics['resumed_from']}",
    )
    written = facts[0]["renamed"].count("checkpoint.pt")
    t.that(
        written >= 10 - metrics["resumed_from"],
        f"{10 - metrics['resumed_from']} epochs were trained, and checkpoint.pt was written {written} times",
    )
    t.reaches(
        accuracy(facts[0]["weights"]), ACCURACY, "of the test digits are right, two ranks, after a death"
    )


@e5.property("an untrained network guesses", points=2)
def untrained(a: Any, t: Trial) -> None:
    facts = need(t, short_runs(a, t)[0], e5_cases.untrained)
    held(t, facts, Training(epochs=0), "--epochs 0")
    right = float(facts[0]["metrics"]["accuracy"])
    t.reaches(right, CHANCE, "of the test digits are right without training", at_most=True)


@e5.property("files and metrics", points=3)
def files(a: Any, t: Trial) -> None:
    two, _ = short_runs(a, t)
    for case, resumed in ((e5_cases.short, 0), (e5_cases.resumes, 1), (e5_cases.again, 2)):
        for rank, fact in enumerate(need(t, two, case)):
            t.that({"checkpoint.pt", "metrics.json"} <= set(fact["files"]), f"--out holds {fact['files']}")
            t.that(rank == 0 or not fact["opened"], f"rank {rank} has written {fact['opened']}")
            t.that(fact["metrics"]["epochs"] == 2, f"epochs is {fact['metrics']['epochs']}, expected 2")
            found = fact["metrics"]["resumed_from"]
            t.that(found == resumed, f"resumed_from is {found}, expected {resumed}")
    for first, other in zip(*need(t, two, e5_cases.disturbed), strict=True):
        if isinstance(first, dict) and isinstance(other, dict):
            most = (other["weights"] - first["weights"]).abs().max().item()
            t.equal(float(first["metrics"]["drift"]), most, "drift of a disturbed run", rtol=1e-3)


@e5.property("the report is honest", points=4)
def report(a: Any, t: Trial) -> None:
    e5_report.holds(a, t)


e5.reward(curves)
