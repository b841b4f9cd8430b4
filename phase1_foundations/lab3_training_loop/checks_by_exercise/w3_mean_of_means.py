"""W3: the mean of means."""

import math

from courseware.check import Exercise
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise import warmup_pictures as pictures
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

w3 = Exercise(
    "W3",
    takes={"overall_mean": (float, int)},
    hints=(
        "What would you need to know to compute the mean from scratch? Can you get it back from a mean and a "
        "count?",
        "Σ meanᵢ · countᵢ / Σ countᵢ, over the batches that have examples.",
        "`sum(m * n for m, n in zip(means, counts) if n > 0) / max(sum(counts), 1)`",
    ),
)
MEANS, COUNTS = [1.0, 5.0, 7.0], [3, 1, 2]  # the sum is 22, of 6


@w3.probe("lists-changed")
def lists_changed(a, t):
    means, counts = [*MEANS], [*COUNTS]
    t.attempt(lambda: a.overall_mean(means, counts))
    if (means, counts) != (MEANS, COUNTS):
        return "your function changed the caller's lists: only read them"


@w3.probe("mean-of-means")
def mean_of_means(a, t):
    if close(a.overall_mean([*MEANS], [*COUNTS]), 13 / 3):
        return (
            "for means 1, 5, 7 of 3, 1 and 2 examples you return 4.33, the mean of the means: the single "
            "example of the second batch counts as much as the three of the first. Weight by the counts"
        )


@w3.probe("sum-of-losses")
def sum_of_losses(a, t):
    if close(a.overall_mean([*MEANS], [*COUNTS]), 22.0):
        return "22 is the *sum* of all losses: divide it by the number of examples, 6"


@w3.probe("divided-by-the-batches")
def divided_by_batches(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if close(found, 22 / 3) or close(found, 13 / 6):
        return (
            f"you return {float(found):.3g}: above the line stand mean · count, below it the number of "
            "*examples*, 6"
        )


@w3.probe("weights-upside-down")
def upside_down(a, t):
    inverse = sum(m / n for m, n in zip(MEANS, COUNTS, strict=True))
    found = a.overall_mean([*MEANS], [*COUNTS])
    if any(close(found, inverse / d) for d in (1, 3, 6, sum(1 / n for n in COUNTS))):
        return "you divide each mean by its count: a large batch would count less. Multiply"


@w3.probe("nan-of-an-empty-batch")
def nan_spreads(a, t):
    attempt = t.tried(lambda: a.overall_mean([2.0, math.nan, 4.0], [1, 0, 1]))
    if attempt.raised(Exception) or (
        isinstance(attempt.value, float) and not close(attempt.value, 3.0) and close(nonempty(a), 22 / 6)
    ):
        said = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
        return (
            f"with means 2, nan, 4 of 1, 0 and 1 examples you get {said}, expected 3: 0 · nan is nan, so an "
            "empty batch must be left out (and it is not one of the examples)"
        )


def nonempty(a) -> float:
    return a.overall_mean([*MEANS], [*COUNTS])


@w3.probe("no-examples-at-all")
def no_examples(a, t):
    for means, counts in (([], []), ([math.nan], [0])):
        attempt = t.tried(lambda m=means, n=counts: a.overall_mean(m, n))
        if attempt.raised(Exception) or not close(attempt.value, 0.0):
            said = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
            return f"overall_mean({means}, {counts}) has no examples and should be 0.0; yours gives {said}"


@w3.probe("mean-of-zero-dropped")
def zero_dropped(a, t):
    if close(a.overall_mean([0.0, 4.0], [1, 1]), 4.0):
        return (
            "means 0 and 4 of one example each give 2, yours 4: you leave out the batch whose *mean* is 0. "
            "Its examples count; only a batch with a *count* of 0 is left out"
        )


@w3.probe("sign-of-a-mean")
def sign_of_a_mean(a, t):
    found = a.overall_mean([-2.0, 4.0], [3, 1])
    if not close(found, -0.5) and close(a.overall_mean([*MEANS], [*COUNTS]), 22 / 6):
        return (
            f"means −2 and 4 of 3 and 1 examples give −0.5, yours {numbers(found)}: a mean may be negative, "
            "and counts all the same"
        )


@w3.probe("rounded")
def rounded(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if found in (3, 4, 3.67, 3.7, 3.667):
        return f"22 / 6 is 3.6667, you return {found}: do not round, and divide by `/`, not `//`"


@w3.probe("other-mean")
def other_mean(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if not close(found, 22 / 6, 1e-5):
        return f"overall_mean({numbers(MEANS)}, {COUNTS}) should be 22/6 = 3.667, yours is {numbers(found)}"


@w3.property("every example counts the same")
def counts_the_same(a, t):
    for batches in (1, 2, 5, 20):
        counts = t.randint(0, 9, batches).tolist()
        losses = [t.randn(n).tolist() for n in counts]
        means = [math.fsum(batch) / len(batch) if batch else math.nan for batch in losses]
        every = [x for batch in losses for x in batch]
        expected = math.fsum(every) / len(every) if every else 0.0
        t.equal(a.overall_mean(means, counts), expected, f"{batches} batches", rtol=1e-5, atol=1e-6)
    t.equal(a.overall_mean([0.0, 4.0, 0.0], [1, 1, 2]), 1.0, "means of 0")


w3.reward(pictures.means_of_digits)
