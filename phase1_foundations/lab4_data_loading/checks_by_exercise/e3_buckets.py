"""E3: token-budget bucketing. What must hold; the known mistakes stand in `e3_*mistakes`."""

import random
from typing import Any

from courseware.check import Exercise, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise import e3_mistakes, e3_order_mistakes
from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_data import (
    BUDGET,
    cost,
    different_lengths,
    epoch,
    in_order,
    make,
    name_lengths,
    random_batches,
    some_lengths,
    take,
    waste,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.e3_picture import waste_histogram

e3 = Exercise(
    "E3",
    takes=("BucketBatchSampler",),
    hints=(
        "Padding is cheap among equals: sort. Randomness is lost by sorting: so shuffle before (who meets "
        "whom) and after (which batch comes when), and sort only within a bucket.",
        "In a sorted bucket the next item is the longest, so a batch of n with it costs (n + 1) · length. "
        "Begin a new batch when that exceeds max_tokens. Everything random comes from one generator, made "
        "anew from (seed, epoch) in each pass; `len` counts the same plan.",
        "`order = randperm(N)`; for each `bucket = sorted(order[s : s + bucket_size], key=lambda i: "
        "lengths[i])`: `cut = [[]]`; for i in bucket: `if cut[-1] and (len(cut[-1]) + 1) * lengths[i] > "
        "max_tokens: cut.append([])`; `cut[-1].append(i)`. Then `batches += cut[:-1] if drop_last else cut`; "
        "at the end shuffle `batches`.",
    ),
)
e3_mistakes.probe.add_to(e3)
e3_order_mistakes.probe.add_to(e3)


@e3.property("every index exactly once", points=5)
def exactly_once(a: Any, t: Trial) -> None:
    for count in (0, 1, 2, 5, 33, 200):
        for budget, bucket in ((5, 512), (40, 16), (100, 7), (1000, 512)):
            lengths = [n * t.random.choice([0, 1, 1, 1]) for n in some_lengths(t.random, count, longest=20)]
            for shuffle in (True, False):
                t.given(
                    f"{count} lengths up to 20, max_tokens={budget}, bucket_size={bucket}, shuffle={shuffle}"
                )
                batches = epoch(
                    a, lengths, budget, t.random.randint(0, 9), bucket_size=bucket, shuffle=shuffle
                )
                seen = sorted(i for batch in batches for i in batch)
                t.that(all(batches), "a batch is empty")
                t.that(seen == list(range(count)), f"the {count} indices came as {seen!r:.120}")


@e3.property("within the budget, and filled", points=4)
def budget_and_fill(a: Any, t: Trial) -> None:
    for longest, budget, bucket in ((20, 200, 64), (40, 1000, 512), (60, 50, 100), (9, 90, 20)):
        lengths = some_lengths(t.random, 600, longest=longest)
        t.given(f"600 lengths up to {longest}, max_tokens={budget}, bucket_size={bucket}")
        batches = epoch(a, lengths, budget, bucket_size=bucket)
        for batch in batches:
            t.that(
                len(batch) == 1 or cost(lengths, batch) <= budget,
                f"a batch costs {cost(lengths, batch)} tokens, the budget is {budget}",
            )
        most = 1.5 * sum(lengths) / budget + 2 * -(-600 // bucket)
        if 10 * longest <= budget:
            t.that(len(batches) <= most, f"{len(batches)} batches, expected at most {most:.0f}: fill them")


@e3.property("half the padding of random batches, and well mixed", points=5)
def little_waste(a: Any, t: Trial) -> None:
    lengths = name_lengths()
    baseline = waste(lengths, random_batches(lengths, BUDGET, random.Random(t.seed)))
    t.given(f"{len(lengths)} names, max_tokens={BUDGET}")
    correlation = 0.0
    for number in range(4):
        batches = epoch(a, lengths, BUDGET, number, seed=t.seed)
        share = waste(lengths, batches)
        t.that(
            share <= 0.5 * baseline,
            f"{share:.1%} of the tokens are padding, batches cut from a random order have {baseline:.1%}: at "
            "most half of that is asked for",
        )
        correlation += rank_correlation([sum(lengths[i] for i in b) / len(b) for b in batches]) / 4
    t.that(
        abs(correlation) < 0.3,
        f"length and place in the epoch correlate by {correlation:.2f}: short and long batches should be "
        "mixed",
    )


@e3.property("a function of seed and epoch; exact without shuffling", points=3)
def function_of_both(a: Any, t: Trial) -> None:
    lengths = some_lengths(t.random, 150)
    seen = {}
    for seed in (0, 1, 7):
        for number in (0, 1, 5):
            seen[seed, number] = epoch(a, lengths, 90, number, seed=seed, bucket_size=60)
            t.equal(
                epoch(a, lengths, 90, number, seed=seed, bucket_size=60), seen[seed, number], "made again"
            )
    t.given("one sampler that is iterated again and again")
    sampler = make(a, lengths, 90, seed=1, bucket_size=60).sampler
    for number in (0, 1, 1, 5, 0):
        sampler.set_epoch(number)
        t.equal(take(sampler, 150), seen[1, number], f"epoch {number} of a sampler that was used before")
    for (seed, number), batches in seen.items():
        for (other_seed, other), others in seen.items():
            if (seed == other_seed) != (number == other):
                t.that(
                    batches != others,
                    f"(seed, epoch) {(seed, number)} and {(other_seed, other)} are the same",
                )
    for count in (0, 1, 4, 50, 130):
        for make_lengths in (some_lengths, different_lengths):
            exact = make_lengths(t.random, count)
            found = epoch(a, exact, 150, shuffle=False, bucket_size=32)
            t.equal(found, in_order(exact, 150, 32), f"shuffle=False, lengths {exact!r:.80}")
    t.equal(epoch(a, [5, 1, 3, 3], 6, shuffle=False), [[1, 2], [3], [0]], "the example")
    t.equal(epoch(a, (5, 1, 3, 3), 6, shuffle=False), [[1, 2], [3], [0]], "the example as a tuple")


@e3.property("len, drop_last and the warning", points=3)
def counted(a: Any, t: Trial) -> None:
    lengths = some_lengths(t.random, 170)
    for drop in (False, True):
        for bucket in (40, 512):
            for number in range(3):
                sampler = make(a, lengths, 90, bucket_size=bucket, drop_last=drop).sampler
                sampler.set_epoch(number)
                said = len(sampler)
                batches = take(sampler, 170)
                t.that(said == len(batches), f"len is {said}, {len(batches)} batches came (drop_last={drop})")
                flat = [i for batch in batches for i in batch]
                t.that(len(set(flat)) == len(flat), "an index came twice")
                if drop:
                    whole = epoch(a, lengths, 90, number, bucket_size=bucket)
                    buckets = -(-170 // bucket)
                    t.that(
                        len(whole) - len(batches) == buckets,
                        f"drop_last leaves out {len(whole) - len(batches)} batches of {buckets} buckets",
                    )
    exact = some_lengths(t.random, 90)
    t.equal(
        epoch(a, exact, 70, shuffle=False, drop_last=True, bucket_size=25),
        in_order(exact, 70, 25, drop_last=True),
        "shuffle=False, drop_last=True",
    )
    t.that(
        make(a, [3, 9, 2], 6).warned == 1, "one UserWarning for an over-long item, when the sampler is made"
    )
    t.that(make(a, [3, 6, 2], 6).warned == 0, "a warning without an over-long item")


def rank_correlation(values: list[float]) -> float:
    """Spearman's, between the values and their places; ties in order of place."""
    n = len(values)
    ranks = {place: rank for rank, place in enumerate(sorted(range(n), key=lambda i: (values[i], -i)))}
    middle = (n - 1) / 2
    spread = sum((i - middle) ** 2 for i in range(n))
    return sum((i - middle) * (ranks[i] - middle) for i in range(n)) / spread if spread else 0.0


e3.reward(waste_histogram)
