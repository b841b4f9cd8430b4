"""Wrong answers to E4, as a stranger would write them: one part of a right stream is another."""

import itertools
import random

import numpy as np
import torch
from torch.utils.data import get_worker_info

from tests.labs.answers import Answers
from tests.labs.lab1_4.streams import Replay, stream

wrong = Answers()


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
            self.asked = Replay.worker(self)

        def worker(self):
            return self.asked

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def world_without_workers_in_the_count():
    return stream(who=lambda self: (Replay.who(self)[0], self.world))


@wrong("E4")
def rank_times_world():
    def who(self):
        worker, workers = self.worker()
        return self.rank * self.world + worker, self.world * workers

    return stream(who=who)


@wrong("E4")
def rank_instead_of_worker():
    return stream(who=lambda self: self.worker() if get_worker_info() else (self.rank, self.world))


@wrong("E4")
def rounded_up_blocks():
    def part(self, s, number, consumers):
        if len(self.shards) < consumers:
            return self.dealt(s, number, consumers)
        block = -(-len(self.shards) // consumers)
        return slice(None) if s // block == number else None

    return stream(part=part)


@wrong("E4")
def first_consumer_reads_few_shards():
    return stream(dealt=lambda self, s, number, consumers: slice(None) if number == 0 else None)


@wrong("E4")
def everybody_reads_few_shards():
    return stream(dealt=lambda self, s, number, consumers: slice(None))


@wrong("E4")
def drops_incomplete_rounds():
    def part(self, s, number, consumers):
        kept = len(self.shards) // consumers * consumers
        return Replay.part(self, s, number, consumers) if kept == 0 or s < kept else None

    return stream(part=part)


@wrong("E4")
def last_row_of_each_shard_lost():
    def part(self, s, number, consumers):
        rows = Replay.part(self, s, number, consumers)
        return rows and slice(rows.start, -1, rows.step)

    return stream(part=part)


@wrong("E4")
def stops_at_an_empty_shard():
    def rows(self):
        for s, path in enumerate(self.shards):
            part = self.part(s, *self.who())
            if part is not None:
                shard = np.load(path)
                if len(shard) == 0:
                    return
                yield from map(self.copy, shard[part])
                del shard

    return stream(rows=rows)


@wrong("E4")
def all_shards_loaded_in_iter():
    def rows(self):
        for s, table in enumerate([np.load(path) for path in self.shards]):
            part = self.part(s, *self.who())
            if part is not None:
                yield from map(self.copy, table[part])

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
        rng = self.rng()
        for s, path in enumerate(self.shards):
            part = self.part(s, *self.who())
            if part is not None:
                shard = list(np.load(path)[part])
                if self.n > 1:
                    rng.shuffle(shard)
                yield from map(self.copy, shard)
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
    return stream(size=lambda self: max(self.n, 5))


@wrong("E4")
def one_row_more_waits():
    return stream(size=lambda self: self.n + 1 if self.n > 1 else 1)


@wrong("E4")
def never_the_newest():
    return stream(pick=lambda self, rng, hold: hold.pop(rng.randrange(max(1, len(hold) // 2))))


@wrong("E4")
def last_in_first_out():
    return stream(pick=lambda self, rng, hold: hold.pop(), rest=lambda self, rng, hold: hold[::-1])


@wrong("E4")
def incomplete_buffers_lost():
    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) == self.size():
                yield from self.rest(rng, hold)
                hold = []

    return stream(shuffled=shuffled)


@wrong("E4")
def rows_stay_in_the_buffer():
    def pick(self, rng, hold):
        row = rng.choice(hold)
        del hold[0]
        return row

    return stream(pick=pick, rest=lambda self, rng, hold: hold)


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
        for s, path in enumerate(self.shards):
            shard, part = np.load(path), self.part(s, *self.who())
            if part is not None:
                yield from map(self.copy, shard[part])
            del shard

    return stream(rows=rows)


@wrong("E4")
def buffer_for_each_shard():
    def rows(self):
        for s, path in enumerate(self.shards):
            part = self.part(s, *self.who())
            if part is not None:
                yield from Replay.shuffled(self, map(self.copy, np.load(path)[part]))

    return stream(rows=rows, shuffled=lambda self, rows: rows)


@wrong("E4")
def seed_from_the_hash_of_a_string():
    return stream(rng=lambda self: random.Random(hash(f"{self.seed} {self.epoch} {self.who()[0]}")))


@wrong("E4")
def one_tensor_for_all_rows():
    class ShardedStream(Replay):
        def copy(self, row):
            self.buffer = getattr(self, "buffer", torch.tensor(row))
            return self.buffer.copy_(torch.from_numpy(row))

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def rows_as_integers():
    return stream(copy=lambda self, row: torch.LongTensor(row.astype(np.int64)))


@wrong("E4")
def shuffles_the_shards_too():
    class ShardedStream(Replay):
        def rows(self):
            listed, shards = self.shards, list(self.shards)
            if self.n > 1:
                random.Random(1000 * self.seed + self.epoch).shuffle(shards)
            self.shards = shards
            yield from super().rows()
            self.shards = listed

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def one_epoch_for_all_streams():
    class ShardedStream(Replay):
        now = 0
        epoch = property(lambda self: ShardedStream.now, lambda self, e: setattr(ShardedStream, "now", e))

    return {"ShardedStream": ShardedStream}


@wrong("E4")
def a_shard_of_one_row_is_squeezed_away():
    def rows(self):
        for s, path in enumerate(self.shards):
            part = self.part(s, *self.who())
            if part is not None:
                shard = np.load(path).squeeze()
                if shard.ndim == 2:
                    yield from map(self.copy, shard[part])
                del shard

    return stream(rows=rows)


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
        self.done = jump = self.jumped()
        for row in self.order(jump):
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
    return stream(jumped=lambda self: self.jump)


@wrong("E4")
def set_epoch_keeps_the_jump():
    def set_epoch(self, e):
        self.epoch = e

    return stream(set_epoch=set_epoch)


@wrong("E4")
def done_starts_from_zero_after_resuming():
    def __iter__(self):
        jump, self.done = self.jumped(), 0
        for row in self.order(jump):
            self.done += 1
            yield row

    return stream(__iter__=__iter__)


@wrong("E4")
def skips_before_shuffling():
    def order(self, jump):
        return self.shuffled(itertools.islice(self.rows(), jump, None))

    return stream(order=order)


@wrong("E4")
def done_is_reset_at_the_end():
    def __iter__(self):
        yield from Replay.__iter__(self)
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
    return stream(rest=lambda self, rng, hold: hold)


@wrong("E4")
def counts_on_in_the_next_pass():
    def __iter__(self):
        for row in self.order(self.jumped()):
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
    def part(self, s, number, consumers):
        if len(self.shards) <= consumers:
            return self.dealt(s, number, consumers)
        return slice(None) if s % consumers == number else None

    return stream(part=part)


@wrong("E4")
def the_last_takes_the_rest():
    def rows(self):
        number, consumers = self.who()
        if len(self.shards) >= consumers:
            yield from Replay.rows(self)
            return
        for path in self.shards:
            shard = np.load(path)
            share = len(shard) // consumers
            end = None if number == consumers - 1 else share * (number + 1)
            yield from map(self.copy, shard[share * number : end])
            del shard

    return stream(rows=rows)
