"""The known mistakes of E5's pipeline, each by its signature in an epoch or two of signs."""

import itertools
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.hashing import STRING_HASHES, hashes_strings
from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_world import (
    SIGN,
    different,
    directions,
    epoch,
    seen_as,
    shades,
    signs,
)

probe = Probes()
COUNT = 130


def pipeline(a: Any, seed: int = 3, count: int = COUNT) -> Any:
    return a.build_pipeline(*signs(count), seed=seed)


@probe("not-a-data-loader")
def no_loader(a: Any, t: Trial) -> str | None:
    loader = pipeline(a)
    if not isinstance(loader, DataLoader):
        return f"build_pipeline returns a {type(loader).__name__}, asked for is a torch DataLoader"
    return None


@probe("workers-in-the-pipeline")
def workers(a: Any, t: Trial) -> str | None:
    count = pipeline(a).num_workers
    if count:
        return (
            f"your loader has num_workers={count}: for images in memory workers only cost, and each gets a "
            "copy of your generator and draws the same numbers in every epoch. Keep it at 0"
        )
    return None


@probe("batches-of-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    batch = next(iter(pipeline(a)))
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        return "a batch of your loader is no pair: asked for is (x, y)"
    x, y = batch
    if not isinstance(x, Tensor) or x.shape[1:] != (1, 8, 8):
        return f"x of a batch has shape {tuple(getattr(x, 'shape', ()))}, asked for is [B, 1, 8, 8]"
    if x.dtype != torch.float32 or y.dtype != torch.int64 or y.shape != (len(x),):
        return (
            f"a batch holds {x.dtype} images and {y.dtype} labels of shape {tuple(y.shape)}; asked for are "
            "float32 [B, 1, 8, 8] and int64 [B]"
        )
    return None


@probe("examples-missing-or-twice")
def missing(a: Any, t: Trial) -> str | None:
    _, y = epoch(pipeline(a))
    counts = y.bincount(minlength=10).tolist()
    if len(y) != COUNT:
        return (
            f"one pass over the loader brings {len(y)} of {COUNT} images: an epoch is every image once. "
            "(drop_last? a sampler with another length?)"
        )
    if counts != [13] * 10:
        return (
            f"of 13 images of each class an epoch brings {counts}: every image once, so draw *without* "
            "replacement"
        )
    return None


@probe("other-data-than-given")
def other_data(a: Any, t: Trial) -> str | None:
    x, _ = epoch(a.build_pipeline(torch.zeros(60, 1, 8, 8), torch.arange(60) % 10, seed=1))
    if float(x.mean()) > 0.15:
        return (
            f"the pipeline was given black images, and its batches have a mean of {float(x.mean()):.2f}: it "
            "loads other data, or the notebook's variables. Use the arguments"
        )
    return None


@probe("normalised-per-batch")
def normalised(a: Any, t: Trial) -> str | None:
    x, _ = next(iter(pipeline(a)))
    if abs(float(x.mean())) < 0.05 and abs(float(x.std()) - 1) < 0.1:
        return (
            "the images of a batch have mean 0 and deviation 1: normalised by the statistics of the batch, "
            "an image looks different in other company, and test images on 0 … 1 look like nothing that "
            "was learned. Keep the scale"
        )
    return None


@probe("on-another-scale")
def another_scale(a: Any, t: Trial) -> str | None:
    x, _ = epoch(pipeline(a))
    if float(x.amax()) > 1.7 or float(x.amin()) < -0.7 or float(x.amax()) < 0.3:
        return (
            f"images with values 0 … 0.8 came out with {float(x.amin()):.2g} … {float(x.amax()):.2g}: the "
            "scale stays 0 … 1, since the test images have it. A network that likes another may convert "
            "inside"
        )
    return None


@probe("changes-the-data")
def changes_data(a: Any, t: Trial) -> str | None:
    x, y = signs(COUNT)
    before_x, before_y = x.clone(), y.clone()
    loader = a.build_pipeline(x, y, seed=1)
    epoch(loader), epoch(loader)
    if not same(x, before_x) or not same(y, before_y):
        return (
            "after two epochs the images in X200 are not what they were: distortions pile up on the data "
            "themselves. Make new tensors"
        )
    return None


@probe("not-distorted")
def not_distorted(a: Any, t: Trial) -> str | None:
    x, _ = epoch(pipeline(a))
    if same(x, SIGN.expand_as(x), atol=1e-5):
        return "the images come out exactly as they went in: nothing is distorted"
    unchanged = float(((x - SIGN).abs().flatten(1).amax(1) < 1e-4).double().mean())
    if unchanged > 0.4:
        return (
            f"{unchanged:.0%} of the images come out unchanged: each is to be newly distorted in each epoch"
        )
    return None


@probe("every-epoch-the-same")
def every_epoch(a: Any, t: Trial) -> str | None:
    loader = pipeline(a)
    (x, y), (other_x, other_y) = epoch(loader), epoch(loader)
    if same(x, other_x) and same(y, other_y):
        return (
            "the second pass over the loader is the first one again: a generator is seeded anew in each "
            "epoch. Make it once, in build_pipeline, and let it go on"
        )
    return None


@probe("drawn-again-in-every-batch")
def every_batch(a: Any, t: Trial) -> str | None:
    loader = pipeline(a)
    first, second = (x for x, _ in itertools.islice(loader, 2))
    found = different(first)
    if found > 1 and len(first) == len(second) and different(torch.cat([first, second])) <= found:
        return (
            "all batches are distorted alike: the first image of each batch by the same amounts, and so "
            "on. A generator is seeded anew for each batch; make it once"
        )
    return None


@probe("one-distortion-for-the-batch")
def one_for_all(a: Any, t: Trial) -> str | None:
    for x, _ in pipeline(a):
        if len(x) > 4 and different(x) == 1:
            return (
                "all images of a batch are distorted by the same amounts: draw an angle, a scale and a "
                "shift for each"
            )
    return None


@probe("distorted-once-for-all")
def once_for_all(a: Any, t: Trial) -> str | None:
    x, y = signs(COUNT)
    loader = a.build_pipeline(x * shades(COUNT), y, seed=3)
    images = torch.cat([epoch(loader)[0] for _ in range(4)])
    found = different(images)
    if found <= 2.2 * COUNT:
        return (
            f"only {found} distinct images were seen in 4 epochs of {COUNT}: they were distorted once, up "
            "front. Distort where batches are made (collate or __getitem__), anew in each epoch"
        )
    return None


@probe("never-shuffled")
def never_shuffled(a: Any, t: Trial) -> str | None:
    loader = pipeline(a)
    first, second = epoch(loader)[1], epoch(loader)[1]
    if same(first, second):
        return "the labels come in the same order in both epochs: shuffle, with a generator made of the seed"
    return None


@probe("labels-do-not-follow")
def labels_parted(a: Any, t: Trial) -> str | None:
    y = torch.arange(COUNT) % 10
    x = (torch.zeros(COUNT, 1, 8, 8) + 1) * (0.1 + 0.08 * y.view(-1, 1, 1, 1))
    new_x, new_y = epoch(a.build_pipeline(x, y, seed=2))
    brightness = new_x.flatten(1).sort(dim=1).values[:, -12:].mean(1)
    if float(torch.corrcoef(torch.stack([brightness, new_y.float()]))[0, 1]) < 0.4:
        return (
            "images and labels no longer belong together: brighter images were given higher labels, and "
            "after the pipeline that is gone. Take both by the same index"
        )
    return None


@probe("shifted-out-of-the-frame")
def out_of_frame(a: Any, t: Trial) -> str | None:
    x, _ = epoch(pipeline(a))
    lost = float((x.sum((1, 2, 3)) < 0.3 * SIGN.sum()).double().mean())
    if lost > 0.1:
        return (
            f"{lost:.0%} of the images come out almost empty: what they show was moved out of the frame, or "
            "scaled away. The frame goes from −1 to 1, so a pixel of 8 is 0.25 wide, and the scanner moves "
            "by one at most"
        )
    return None


@probe("mirrored")
def mirrored(a: Any, t: Trial) -> str | None:
    share = seen_as(epoch(pipeline(a))[0])["mirrored"]
    if share > 0.12:
        return (
            f"{share:.0%} of the images are mirrored: a horizontal flip turns a 2 into a non-digit, and a "
            "vertical one a 6 into nothing. Flips are right for cats, not for signs"
        )
    return None


@probe("turned-too-far")
def turned(a: Any, t: Trial) -> str | None:
    share = seen_as(epoch(pipeline(a))[0])["turned"]
    if share > 0.12:
        return (
            f"{share:.0%} of the images are turned by far more than 45 degrees: a 6 becomes a 9 there, with "
            "the label 6. (Radians or degrees?)"
        )
    return None


@probe("distortions-go-one-way")
def one_way(a: Any, t: Trial) -> str | None:
    for name, shares in directions(epoch(pipeline(a))[0]).items():
        most, least = max(shares), min(shares)
        if most > 0.55 and least < 0.03:
            return (
                f"{most:.0%} of the images are {name} to one side, {least:.0%} to the other: random numbers "
                "of 0 … 1 have one sign. The scanner errs both ways: `2 * torch.rand(…) - 1`"
            )
    return None


@probe("another-pipeline-in-another-process")
def hashed_strings(a: Any, t: Trial) -> str | None:
    return STRING_HASHES if hashes_strings(lambda: epoch(pipeline(a, seed=5))) else None


@probe("not-reproducible")
def not_reproducible(a: Any, t: Trial) -> str | None:
    found = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        random.seed(global_seed)
        loader = pipeline(a, seed=5)
        first = epoch(loader)
        torch.rand(7), np.random.rand(7), random.random()
        found.append((*first, *epoch(loader)))
    if not all(same(one, other) for one, other in zip(*found, strict=True)):
        orders_agree = all(same(found[0][i], found[1][i]) for i in (1, 3))
        what = "the distortions come" if orders_agree else "the order of the examples comes"
        return (
            f"two pipelines with seed=5 give different epochs: {what} from a global random state, not "
            "from a generator made of the seed"
        )
    return None


@probe("pipelines-disturb-each-other")
def disturb(a: Any, t: Trial) -> str | None:
    alone = epoch(pipeline(a, seed=5))
    left, right = pipeline(a, seed=5), pipeline(a, seed=6)
    together = []
    for one, _ in zip(left, right, strict=False):
        together.append(one)
    x, y = (torch.cat(part) for part in zip(*together, strict=True))
    if not same(x, alone[0]) or not same(y, alone[1]):
        return "two pipelines used at the same time change each other: each needs a generator of its own"
    return None


@probe("pipeline-ignores-the-seed")
def seed_ignored(a: Any, t: Trial) -> str | None:
    (x, y), (other_x, other_y) = (epoch(pipeline(a, seed=seed)) for seed in (5, 6))
    if same(x, other_x):
        return "seeds 5 and 6 give the same epoch: make the generator from `seed`"
    if same(y, other_y):
        return (
            "seeds 5 and 6 give the same order of the examples: the shuffling must come from `seed` as well"
        )
    return None
