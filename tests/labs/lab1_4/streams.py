"""A right stream in parts: the wrong answers to E4 change one of them."""

import itertools
import random

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info


class Replay(IterableDataset):
    """A state is a count of rows; resuming plays the epoch again."""

    def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
        self.shards, self.rank, self.world = list(shards), rank, world
        self.n, self.seed, self.epoch, self.done, self.jump = shuffle_buffer, seed, 0, 0, 0
        self.begin()

    def begin(self):
        pass

    def set_epoch(self, e):
        self.epoch, self.done, self.jump = e, 0, 0

    # ---- who reads what ----

    def worker(self):
        """(id, number of workers)"""
        info = get_worker_info()
        return (info.id, info.num_workers) if info else (0, 1)

    def who(self):
        """(number of this consumer, number of consumers)"""
        worker, workers = self.worker()
        return self.rank * workers + worker, self.world * workers

    def part(self, s, number, consumers):
        """Which rows of shard s this consumer hands out: None is not to look at it."""
        if len(self.shards) < consumers:
            return self.dealt(s, number, consumers)
        return slice(None) if s % consumers == number else None

    def dealt(self, s, number, consumers):
        return slice((number - s) % consumers, None, consumers)

    def rows(self):
        for s, path in enumerate(self.shards):
            part = self.part(s, *self.who())
            if part is not None:
                shard = np.load(path)
                for r in range(len(shard))[part]:
                    yield self.copy(shard[r])
                del shard

    def copy(self, row):
        return torch.tensor(row)

    # ---- the buffer ----

    def rng(self):
        return random.Random(f"{self.seed} {self.epoch} {self.who()[0]}")

    def size(self):
        return max(self.n, 1)

    def pick(self, rng, hold):
        return hold.pop(rng.randrange(len(hold)))

    def rest(self, rng, hold):
        rng.shuffle(hold)
        return hold

    def shuffled(self, rows):
        rng, hold = self.rng(), []
        for row in rows:
            hold.append(row)
            if len(hold) >= self.size():
                yield self.pick(rng, hold)
        yield from self.rest(rng, hold)

    # ---- where it stands ----

    def jumped(self):
        jump, self.jump = self.jump, 0
        return jump

    def order(self, jump):
        return itertools.islice(self.shuffled(self.rows()), jump, None)

    def __iter__(self):
        self.done = jump = self.jumped()
        for row in self.order(jump):
            self.done += 1
            yield row

    def state_dict(self):
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, sd):
        self.epoch, self.done, self.jump = sd["epoch"], sd["done"], sd["done"]


def stream(**methods):
    return {"ShardedStream": type("ShardedStream", (Replay,), methods)}
