"""E5: 200 labels, a pipeline and a network. The known mistakes stand in `e5_*_mistakes`."""

from typing import Any

import torch
from torch import nn

from courseware.check import Exercise, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise import (
    e5_pipeline_mistakes,
    e5_train_mistakes,
    e5_workers_mistakes,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_picture import forty_digits
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    Counted,
    Waiting,
    accuracy,
    different,
    easy_task,
    epoch,
    few_digits,
    shades,
    signs,
    simulated_workers,
    test_digits,
)

CROOKED = 0.85
UPRIGHT = 0.90
CHANCE = 0.25

e5 = Exercise(
    "E5",
    takes={"build_pipeline": None, "choose_workers": tuple, "train": None},
    hints=(
        "Distort where the batch is made: then it happens anew in every epoch, and for a whole batch in one "
        "go. One generator, made once from the seed, serves shuffling and distorting. And what costs time is "
        "found with a clock.",
        "For each image: an angle of up to about 0.5, a scale of 1 ± 0.15, a shift of up to 0.3 either way "
        "(a pixel is 2/8). θ by `affine_matrix`, the batch by `warp`. An epoch's seconds = elapsed · "
        "batches in all / batches seen.",
        "`collate_fn` stacks the examples, draws `2 * torch.rand(5, B, generator=g) - 1`, and returns "
        "`warp(x, affine_matrix(...)), y`; `DataLoader(TensorDataset(X200, y200), batch_size=50, "
        "shuffle=True, generator=g, collate_fn=…)`. Train: `while done < steps: for x, y in loader: …; "
        "done += 1; if done == steps: break`. A small convolutional network with Adam and a falling "
        "learning rate is enough.",
    ),
)
e5_pipeline_mistakes.probe.add_to(e5)
e5_train_mistakes.probe.add_to(e5)
e5_workers_mistakes.probe.add_to(e5)  # last: they wait for the real clock


@e5.property("0.85 of the crooked and 0.90 of the upright test digits", points=10)
def reaches_the_metric(a: Any, t: Trial) -> None:
    x, y = few_digits(t.generator)
    t.given(f"train(build_pipeline(200 digits, seed={t.seed % 1000})) with the default settings")
    model = a.train(a.build_pipeline(x, y, seed=t.seed % 1000), seed=t.seed % 1000)
    crooked, upright, target = test_digits()
    crooked_right, upright_right = accuracy(model, crooked, target), accuracy(model, upright, target)
    unread = (
        "upright-digits-not-read",
        f"{upright_right:.3f} of the upright ones are right, asked for are {UPRIGHT}: the network fails on "
        "upright digits already. Its training is too short or too coarse, or the distortions are so strong "
        "that digits get lost",
    )
    too_weak = (
        "distortions-too-weak",
        f"{upright_right:.3f} of the upright ones are right: upright digits are read, crooked ones are not, "
        "so the distortions of training do not cover ±25 degrees, ±1 pixel and ±10 %",
    )
    diagnosis, words = unread if upright_right < UPRIGHT else too_weak
    crooked_digits, upright_digits = (
        f"of the {kind} test digits are right" for kind in ("crooked", "upright")
    )
    t.reaches(crooked_right, CROOKED, crooked_digits, more=words, diagnosis=diagnosis)
    t.reaches(upright_right, UPRIGHT, upright_digits, more=words, diagnosis=diagnosis)


@e5.property("every image once an epoch, always newly distorted", points=5)
def fresh_epochs(a: Any, t: Trial) -> None:
    for count in (1, 7, 200):
        x, y = few_digits(t.generator, count)
        kept = x.clone()
        t.given(f"two epochs of build_pipeline({count} digits)")
        loader = a.build_pipeline(x, y, seed=t.seed % 100)
        for _ in range(2):
            images, labels = epoch(loader)
            t.equal(labels.sort().values, y.sort().values, "the labels of an epoch, sorted")
            t.equal(tuple(images.shape), (count, 1, 8, 8), "the shape of all images of an epoch")
            t.that(bool(torch.isfinite(images).all()), "an image is not finite")
        t.equal(x, kept, "X200 after two epochs")
    x, y = signs(50)
    x = x * shades(50)
    loader, again = (a.build_pipeline(x, y, seed=t.seed % 100) for _ in range(2))
    images = []
    for _ in range(2):
        first, second = epoch(loader), epoch(again)
        t.equal(second, first, "the same pipeline made again")
        images.append(first[0])
    t.that(
        different(torch.cat(images)) > 90,
        "50 images in two epochs should come out in nearly 100 different ways",
    )


@e5.property("choose_workers measures and takes the fastest", points=5)
def measures(a: Any, t: Trial) -> None:
    for data, candidates, what in (
        (Waiting(96), (0, 1, 2), "data in memory"),
        (Waiting(96, 0.002), (0, 4), "data that wait 2 ms an example"),
        (Waiting(20, 0.003), (3, 1), "data that wait, without candidate 0"),
    ):
        with simulated_workers() as tried:
            t.given(f"choose_workers({what}, {candidates}, 3.0)")
            best, seconds = a.choose_workers(data, candidates, 3.0)
        t.that(
            set(tried.workers) == set(candidates),
            f"loaders were begun with {sorted(set(tried.workers))} workers",
        )
        t.that(set(seconds) == set(candidates), f"the dict has the keys {sorted(seconds)}")
        t.that(
            isinstance(best, int) and best == min(seconds, key=seconds.__getitem__),
            f"best is {best} of {seconds}",
        )
        if what == "data in memory":
            t.that(
                best == 0, f"for data in memory {best} workers were chosen: their start-up alone costs more"
            )
        if candidates == (0, 4):
            t.that(best == 4, f"for data that wait {best} workers were chosen: four wait side by side")


@e5.property("labels in random order teach nothing", points=3)
def permuted_labels(a: Any, t: Trial) -> None:
    x, y = few_digits(t.generator)
    shuffled = y[torch.randperm(len(y), generator=t.generator)]
    t.given("train(build_pipeline(200 digits, labels in random order), steps=200)")
    model = a.train(a.build_pipeline(x, shuffled, seed=1), steps=200, seed=1)
    right = accuracy(model, *test_digits()[1:])
    t.that(
        right <= CHANCE,
        f"trained on labels in random order, the network still reads {right:.2f} of the test digits: the "
        "true labels reach it by another way than the loader",
    )


@e5.property("train makes the steps that are asked for and returns a finished network", points=2)
def finished(a: Any, t: Trial) -> None:
    for steps in (3, 9):
        loader = Counted(*easy_task(), batch_size=16)
        t.given(f"train(loader of 4 batches, steps={steps})")
        model = a.train(loader, steps=steps, seed=t.seed % 50)
        t.that(isinstance(model, nn.Module), f"a {type(model).__name__} came back, expected an nn.Module")
        t.that(steps <= loader.batches <= steps + 1, f"{loader.batches} batches were taken for {steps} steps")
        t.that(not model.training, "the network is in training mode")
        with torch.no_grad():
            t.equal(tuple(model(torch.rand(5, 1, 8, 8)).shape), (5, 10), "the shape of the scores")


e5.reward(forty_digits)
