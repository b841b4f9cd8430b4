"""Wrong answers to E4, as a stranger would write them."""

import itertools
import random

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from tests.labs.answers import Answers

wrong = Answers()


class Replay(IterableDataset):
    """Right: a state is a count of rows, resuming plays the epoch again. To be changed in one place."""

    def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
        self.shards, self.rank, self.world = list(shards), rank, world
        self.n, self.seed, self.epoch, self.done, self.jump = shuffle_buffer, seed, 0, 0, 0
        self.begin()

    def begin(self):
        pass

    def set_epoch(self, e):
        self.epoch, self.done, self.jump = e, 0, 0

    def who(self):
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        return self.rank * workers + worker, self.world * workers

    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            for r in range(len(shard)):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    def copy(self, row):
        return torch.tensor(row)

    def rng(self):
        return random.Random(f"{self.seed} {self.epoch} {self.who()[0]}")

    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 1):
                yield hold.pop(rng.randrange(len(hold)))
        rng.shuffle(hold)
        yield from hold

    def __iter__(self):
        jump, self.jump = self.jump, 0
        self.done = jump
        for row in itertools.islice(self.shuffled(self.rows()), jump, None):
            self.done += 1
            yield row

    def state_dict(self):
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, sd):
        self.epoch, self.done, self.jump = sd["epoch"], sd["done"], sd["done"]


def stream(**methods):
    return {"ShardedStream": type("ShardedStream", (Replay,), methods)}


@wrong("E4")
def numpy_rows():
    return stream(copy=lambda self, row: row.copy())


@wrong("E4")
def float_rows():
    return stream(copy=lambda self, row: torch.Tensor(row))


@wrong("E4")
def tuples():
    return stream(copy=lambda self, row: tuple(row.tolist()))


@wrong("E4")
def whole_shards_as_items():
    def rows(self):
        number, consumers = self.who()
        for path in self.shards[number::consumers]:
            yield torch.from_numpy(np.load(path))

    return stream(rows=rows)


@wrong("E4")
def worker_asked_in_init():
    class ShardedStream(Replay):
        def begin(self):
            self.info = get_worker_info()

        def who(self):
            workers, worker = (self.info.num_workers, self.info.id) if self.info else (1, 0)
            return self.rank * workers + worker, self.world * workers

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def world_without_workers_in_the_count():
    def who(self):
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        return self.rank * workers + worker, self.world

    return stream(who=who)


@wrong("E4")
def rank_times_world():
    def who(self):
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        return self.rank * self.world + worker, self.world * workers

    return stream(who=who)


@wrong("E4")
def rank_instead_of_worker():
    def who(self):
        info = get_worker_info()
        return (self.rank, self.world) if info is None else (info.id, info.num_workers)

    return stream(who=who)


@wrong("E4")
def rounded_up_blocks():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        block = -(-len(self.shards) // consumers)
        for s, path in enumerate(self.shards):
            if whole and not number * block <= s < (number + 1) * block:
                continue
            shard = np.load(path)
            for r in range(len(shard)):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows)


@wrong("E4")
def first_consumer_reads_few_shards():
    def rows(self):
        number, consumers = self.who()
        few = len(self.shards) < consumers
        for s, path in enumerate(self.shards):
            if (few and number == 0) or (not few and s % consumers == number):
                for row in np.load(path):
                    yield self.copy(row)

    return stream(rows=rows)


@wrong("E4")
def everybody_reads_few_shards():
    def rows(self):
        number, consumers = self.who()
        few = len(self.shards) < consumers
        for s, path in enumerate(self.shards):
            if few or s % consumers == number:
                for row in np.load(path):
                    yield self.copy(row)

    return stream(rows=rows)


@wrong("E4")
def drops_incomplete_rounds():
    def rows(self):
        number, consumers = self.who()
        kept = len(self.shards) // consumers * consumers
        whole = kept > 0
        for s, path in enumerate(self.shards[:kept] if whole else self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            for r in range(len(shard)):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows)


@wrong("E4")
def last_row_of_each_shard_lost():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            for r in range(len(shard) - 1):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])

    return stream(rows=rows)


@wrong("E4")
def stops_at_an_empty_shard():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            if len(shard) == 0:
                return
            for r in range(len(shard)):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows)


@wrong("E4")
def all_shards_loaded_in_iter():
    def rows(self):
        number, consumers = self.who()
        tables = [np.load(path) for path in self.shards]
        whole = len(tables) >= consumers
        for s, table in enumerate(tables):
            for r in range(len(table)):
                if (s if whole else r + s) % consumers == number:
                    yield self.copy(table[r])

    return stream(rows=rows)


@wrong("E4")
def everything_as_one_tensor():
    class ShardedStream(Replay):
        def begin(self):
            self.tables = [torch.from_numpy(np.load(path)) for path in self.shards]

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def shuffles_each_shard():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        rng = self.rng()
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            order = list(range(len(shard)))
            if self.n > 1:
                rng.shuffle(order)
            for r in order:
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows, shuffled=lambda self, rows: rows)


@wrong("E4")
def shuffles_everything():
    def shuffled(self, rows):
        rows = list(rows)
        if self.n > 1:
            self.rng().shuffle(rows)
        return iter(rows)

    return stream(shuffled=shuffled)


@wrong("E4")
def no_shuffling():
    return stream(shuffled=lambda self, rows: rows)


@wrong("E4")
def always_shuffles():
    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 5):
                yield hold.pop(rng.randrange(len(hold)))
        rng.shuffle(hold)
        yield from hold

    return stream(shuffled=shuffled)


@wrong("E4")
def one_row_more_waits():
    def shuffled(self, rows):
        if self.n <= 1:
            yield from rows
            return
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) > self.n:
                yield hold.pop(rng.randrange(len(hold)))
        rng.shuffle(hold)
        yield from hold

    return stream(shuffled=shuffled)


@wrong("E4")
def never_the_newest():
    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 1):
                yield hold.pop(rng.randrange(max(1, len(hold) // 2)))
        rng.shuffle(hold)
        yield from hold

    return stream(shuffled=shuffled)


@wrong("E4")
def last_in_first_out():
    def shuffled(self, rows):
        hold = []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 1):
                yield hold.pop()
        yield from reversed(hold)

    return stream(shuffled=shuffled)


@wrong("E4")
def incomplete_buffers_lost():
    def shuffled(self, rows):
        rng, size = self.rng(), max(self.n, 1)
        hold = []
        for row in rows:
            hold.append(row)
            if len(hold) == size:
                rng.shuffle(hold)
                yield from hold
                hold = []

    return stream(shuffled=shuffled)


@wrong("E4")
def rows_stay_in_the_buffer():
    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 1):
                yield hold[rng.randrange(len(hold))]
                hold = hold[1:]
        yield from hold

    return stream(shuffled=shuffled)


@wrong("E4")
def global_random_numbers():
    return stream(rng=lambda self: random)


@wrong("E4")
def the_workers_own_seed():
    def rng(self):
        info = get_worker_info()
        return random.Random(f"{info.seed if info else self.seed} {self.epoch} {self.who()[0]}")

    return stream(rng=rng)


@wrong("E4")
def seed_without_epoch():
    return stream(rng=lambda self: random.Random(f"{self.seed} {self.who()[0]}"))


@wrong("E4")
def epoch_without_seed():
    return stream(rng=lambda self: random.Random(f"{self.epoch} {self.who()[0]}"))


@wrong("E4")
def rank_without_worker_in_the_seed():
    return stream(rng=lambda self: random.Random(f"{self.seed} {self.epoch} {self.rank}"))


@wrong("E4")
def generator_stored_on_the_dataset():
    class ShardedStream(Replay):
        def begin(self):
            self.kept = random.Random(self.seed)

        def rng(self):
            return self.kept

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def reads_everything_hands_out_its_share():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) >= consumers
        for s, path in enumerate(self.shards):
            shard = np.load(path)
            for r in range(len(shard)):
                if (s if whole else r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows)


@wrong("E4")
def buffer_for_each_shard():
    def rows(self):
        number, consumers = self.who()
        whole, rng = len(self.shards) >= consumers, self.rng()
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            hold = []
            for r, row in enumerate(np.load(path)):
                if whole or (r + s) % consumers == number:
                    hold.append(self.copy(row))
                    if len(hold) >= max(self.n, 1):
                        yield hold.pop(rng.randrange(len(hold)))
            rng.shuffle(hold)
            yield from hold

    return stream(rows=rows, shuffled=lambda self, rows: rows)


# ---- resuming -------------------------------------------------------------------------------------------


@wrong("E4")
def empty_state():
    return stream(state_dict=lambda self: {}, load_state_dict=lambda self, sd: None)


@wrong("E4")
def state_is_a_tuple():
    def load_state_dict(self, sd):
        self.epoch, self.done = sd
        self.jump = self.done

    return stream(state_dict=lambda self: (self.epoch, self.done), load_state_dict=load_state_dict)


@wrong("E4")
def state_forgets_the_epoch():
    def load_state_dict(self, sd):
        self.done, self.jump = sd["done"], sd["done"]

    return stream(state_dict=lambda self: {"done": self.done}, load_state_dict=load_state_dict)


@wrong("E4")
def state_is_the_iterator():
    class ShardedStream(Replay):
        def __iter__(self):
            self.running = super().__iter__()
            return self.running

        def state_dict(self):
            return {"epoch": self.epoch, "iterator": getattr(self, "running", None)}

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def counts_after_yielding():
    def __iter__(self):
        jump, self.jump = self.jump, 0
        self.done = jump
        for row in itertools.islice(self.shuffled(self.rows()), jump, None):
            yield row
            self.done += 1

    return stream(__iter__=__iter__)


@wrong("E4")
def skips_one_more():
    def load_state_dict(self, sd):
        self.epoch, self.done, self.jump = sd["epoch"], sd["done"], sd["done"] + 1

    return stream(load_state_dict=load_state_dict)


@wrong("E4")
def jump_is_never_cleared():
    def __iter__(self):
        self.done = self.jump
        for row in itertools.islice(self.shuffled(self.rows()), self.jump, None):
            self.done += 1
            yield row

    return stream(__iter__=__iter__)


@wrong("E4")
def set_epoch_keeps_the_jump():
    def set_epoch(self, e):
        self.epoch = e

    return stream(set_epoch=set_epoch)


@wrong("E4")
def done_starts_from_zero_after_resuming():
    def __iter__(self):
        jump, self.jump = self.jump, 0
        self.done = 0
        for row in itertools.islice(self.shuffled(self.rows()), jump, None):
            self.done += 1
            yield row

    return stream(__iter__=__iter__)


@wrong("E4")
def skips_before_shuffling():
    def __iter__(self):
        jump, self.jump = self.jump, 0
        self.done = jump
        for row in self.shuffled(itertools.islice(self.rows(), jump, None)):
            self.done += 1
            yield row

    return stream(__iter__=__iter__)


@wrong("E4")
def done_is_reset_at_the_end():
    def __iter__(self):
        jump, self.jump = self.jump, 0
        self.done = jump
        for row in itertools.islice(self.shuffled(self.rows()), jump, None):
            self.done += 1
            yield row
        self.done = 0

    return stream(__iter__=__iter__)


@wrong("E4")
def load_forgets_until_iter():
    class ShardedStream(Replay):
        def load_state_dict(self, sd):
            self.epoch, self.jump, self.done = sd["epoch"], sd["done"], 0

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def stream_is_its_own_iterator():
    class ShardedStream(Replay):
        def begin(self):
            self.running = None

        def set_epoch(self, e):
            super().set_epoch(e)
            self.running = None

        def __iter__(self):
            if self.running is None:
                self.running = Replay.__iter__(self)
            return self.running

        def load_state_dict(self, sd):
            super().load_state_dict(sd)
            self.running = None

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def one_dict_for_all_states():
    def state_dict(self):
        self.place = getattr(self, "place", {})
        self.place.update(epoch=self.epoch, done=self.done)
        return self.place

    return stream(state_dict=state_dict)


@wrong("E4")
def the_rest_in_order():
    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= max(self.n, 1):
                yield hold.pop(rng.randrange(len(hold)))
        yield from hold

    return stream(shuffled=shuffled)


@wrong("E4")
def counts_on_in_the_next_pass():
    def __iter__(self):
        jump, self.jump = self.jump, 0
        for row in itertools.islice(self.shuffled(self.rows()), jump, None):
            self.done += 1
            yield row

    return stream(__iter__=__iter__)


@wrong("E4")
def sorts_the_shards():
    class ShardedStream(Replay):
        def begin(self):
            self.shards = sorted(self.shards)

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def as_many_shards_as_consumers():
    def rows(self):
        number, consumers = self.who()
        whole = len(self.shards) > consumers
        for s, path in enumerate(self.shards):
            if whole and s % consumers != number:
                continue
            shard = np.load(path)
            for r in range(len(shard)):
                if whole or (r + s) % consumers == number:
                    yield self.copy(shard[r])
            del shard

    return stream(rows=rows)


@wrong("E4")
def the_last_takes_the_rest():
    def rows(self):
        number, consumers = self.who()
        for s, path in enumerate(self.shards):
            if len(self.shards) >= consumers and s % consumers != number:
                continue
            shard = np.load(path)
            if len(self.shards) < consumers:
                share = len(shard) // consumers
                shard = shard[share * number : share * (number + 1) if number < consumers - 1 else None]
            for row in shard:
                yield self.copy(row)
            del shard

    return stream(rows=rows)
