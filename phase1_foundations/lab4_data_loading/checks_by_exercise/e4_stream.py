"""E4: rows of shards, exactly once, shuffled and resumable. The mistakes stand in `e4_*_mistakes`."""

import itertools
import pickle
from typing import Any

from courseware.check import Exercise, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise import (
    e4_order_mistakes,
    e4_resume_mistakes,
    e4_sharing_mistakes,
)
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_picture import swim_lanes
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import (
    as_worker,
    consume,
    every_row,
    make,
    shards,
    take,
    watched_loading,
)

e4 = Exercise(
    "E4",
    takes=("ShardedStream",),
    hints=(
        "Each consumer has a number of its own, over all machines and workers, and it is known only when the "
        "iteration begins. For resuming: what must a stranger know to hand out the very next row?",
        "number = rank · workers + id, C = world · workers; `shards[number::C]`, and with fewer shards "
        "than C the rows `[(number − s) % C :: C]` of shard s. State = epoch, shard, row, the rows that "
        "wait, the state of the generator, which is made of (seed, epoch, number).",
        "`rng = np.random.default_rng((seed, epoch, number))`, its state is `rng.bit_generator.state`. For "
        "each row: append a *copy* to the buffer, count it, and `if len(buffer) == max(shuffle_buffer, 1): "
        "yield buffer.pop(int(rng.integers(len(buffer))))`; at the end the same while the buffer is not "
        "empty. Keep shard, row, buffer and rng in a dict on `self`; `state_dict` copies it, `__iter__` "
        "starts from a loaded one.",
    ),
)
e4_sharing_mistakes.probe.add_to(e4)
e4_order_mistakes.probe.add_to(e4)
e4_resume_mistakes.probe.add_to(e4)


def random_sizes(t: Trial, count: int) -> tuple[int, ...]:
    return tuple(t.random.choice([0, 1, 2, 3, 5, 8]) for _ in range(count))


@e4.property("every row exactly once over all machines and workers", points=6)
def exactly_once(a: Any, t: Trial) -> None:
    for count in (1, 2, 5, 7):
        sizes = random_sizes(t, count)
        for world in (1, 2, 3):
            for workers in (0, 2):
                buffer = t.random.choice([0, 3, 50])
                t.given(
                    f"shards of {sizes} rows, world={world}, num_workers={workers}, shuffle_buffer={buffer}"
                )
                found = consume(
                    a, sizes, world, workers, t.random.randint(0, 3), shuffle_buffer=buffer, seed=t.seed % 99
                )
                rows = found.rows
                t.that(len(set(rows)) == len(rows), f"{len(rows) - len(set(rows))} rows came more than once")
                t.that(
                    sorted(rows) == every_row(sizes),
                    f"{sum(sizes) - len(rows)} of {sum(sizes)} rows never came",
                )
    for dtype in ("float32", "int16"):
        stream = a.ShardedStream(list(shards((3, 2), 2, dtype)), shuffle_buffer=2)
        t.given(f"shards of {dtype}")
        t.equal({str(row.dtype) for row in stream}, {f"torch.{dtype}"}, "the dtypes of the rows")


@e4.property("fair shares: whole shards, or dealt-out rows", points=4)
def fair(a: Any, t: Trial) -> None:
    sizes = tuple(t.random.randint(3, 9) for _ in range(8))
    for count in (1, 2, 3, 6, 8):
        for world, workers in ((1, 0), (2, 0), (1, 3), (2, 2), (4, 0)):
            consumers = world * max(workers, 1)
            t.given(f"{count} shards of {sizes[:count]} rows, world={world}, num_workers={workers}")
            found = consume(a, sizes[:count], world, workers).by_consumer
            per_shard = [[sum(row[0] == s for row in each) for each in found] for s in range(count)]
            if count >= consumers:
                whole = all(sum(n > 0 for n in each) == 1 for each in per_shard)
                t.that(
                    whole,
                    "a shard was read by two consumers although there are enough shards for all",
                    diagnosis="enough-shards-for-all",
                )
                held = [len({row[0] for row in each}) for each in found]
                t.that(max(held) - min(held) <= 1, f"the consumers read {held} shards")
            else:
                for each in per_shard:
                    t.that(
                        max(each) - min(each) <= 1,
                        f"a shard's rows are dealt out as {each}: one row more or less, no more",
                        diagnosis="rows-dealt-out-unequally",
                    )


@e4.property("resumes at the very next row", points=5)
def resumes(a: Any, t: Trial) -> None:
    for count, world in ((4, 1), (4, 2), (1, 2), (0, 1)):
        sizes = random_sizes(t, count)
        for buffer in (0, 4, 60):
            how = {"rank": world - 1, "world": world, "shuffle_buffer": buffer, "seed": t.seed % 77}
            epoch = t.random.randint(0, 2)
            whole = make(a, sizes, **how)
            whole.set_epoch(epoch)
            expected = take(whole, 1000)
            for k in sorted({0, 1, len(expected) // 2, len(expected) - 1, len(expected)} & set(range(1000))):
                t.given(
                    f"shards of {sizes} rows, shuffle_buffer={buffer}, world={world}, epoch {epoch}, "
                    f"after {k} rows"
                )
                stream = make(a, sizes, **how)
                stream.set_epoch(epoch)
                list(itertools.islice(iter(stream), k + (k == len(expected))))
                state = pickle.loads(pickle.dumps(stream.state_dict()))
                resumed = make(a, sizes, **how)
                resumed.load_state_dict(state)
                t.equal(take(resumed, 1000), expected[k:], "the rows still to come")
                t.equal(take(resumed, 1000), expected, "the iteration after that")


@e4.property("shuffled within the buffer, by seed, epoch and consumer", points=3)
def shuffled(a: Any, t: Trial) -> None:
    stream = make(a, (24,), shuffle_buffer=6, seed=t.seed % 1000)
    counts = [0] * 24
    for epoch in range(300):
        stream.set_epoch(epoch)
        counts[int(next(iter(stream))[1])] += 1
    t.that(sum(counts[6:]) == 0, "the first row handed out was not among the first six")
    chi_square = sum((n - 50) ** 2 / 50 for n in counts[:6])
    t.that(
        chi_square < 50,  # by chance once in a hundred million
        f"with shuffle_buffer=6, over 300 epochs, rows 0 to 5 came first {counts[:6]} times; each should "
        "about 50 times: every row that waits is handed out with the same chance",
        diagnosis="choice-not-uniform",
    )
    for epoch in (0, 1, 2):
        stream = make(a, (30, 30), shuffle_buffer=10, seed=t.seed % 1000)
        stream.set_epoch(epoch)
        places = [30 * shard + row for shard, row in take(stream, 100)]
        ahead = max(row - place for place, row in enumerate(places))
        t.that(ahead < 10, f"a row came {ahead} places early with shuffle_buffer=10")
        for part in (places[:20], places[20:40], places[40:]):
            t.that(part != sorted(part), "a third of the epoch came in its old order")
        again = make(a, (30, 30), shuffle_buffer=10, seed=t.seed % 1000)
        again.set_epoch(epoch)
        t.equal([30 * s + r for s, r in take(again, 100)], places, "the same stream made again")


@e4.property("one shard at a time", points=2)
def one_at_a_time(a: Any, t: Trial) -> None:
    paths = list(shards((3,) * 9))
    for buffer in (0, 8):
        with watched_loading() as held:
            stream = a.ShardedStream(paths, shuffle_buffer=buffer)
            t.that(held.loads == 0, "a shard was read before the iteration began")
            most = max(held.arrays for _ in stream)
        t.that(most <= 2, f"{most} shards were in memory at the same time (shuffle_buffer={buffer})")
    stream = a.ShardedStream(paths, rank=0, world=1)
    with as_worker(0, 3, stream), watched_loading() as held:
        most = max(held.arrays for _ in stream)
    t.that(most <= 2, f"{most} shards were in memory at the same time, in a worker")


e4.reward(swim_lanes)
