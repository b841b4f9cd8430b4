"""Wrong answers to E4: one stream in parts, with one mistake at a time."""

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from courseware.check import misconception


class Sound(IterableDataset):
    """A right stream in parts, for wrong ones to change. Where it stands is in `cursor`."""

    def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
        self.shards, self.rank, self.world = list(shards), rank, world
        self.size, self.seed, self.epoch = max(1, shuffle_buffer), seed, 0
        self.cursor, self.loaded = self.start(), False

    def start(self):
        return {"shard": 0, "row": 0, "buffer": [], "rng": None}

    def set_epoch(self, e):
        self.epoch, self.cursor, self.loaded = e, self.start(), False

    def place(self):
        info = get_worker_info()
        workers, number = (info.num_workers, info.id) if info else (1, 0)
        return self.rank * workers + number, self.world * workers

    def share(self, number, consumers):
        """(my shards, where in each I begin, in which steps)."""
        if len(self.shards) >= consumers:
            return self.shards[number::consumers], lambda s: 0, 1
        return self.shards, lambda s: (number - s) % consumers, consumers

    def generator(self, number):
        return np.random.default_rng((self.seed, self.epoch, number))

    def copy(self, row):
        return torch.tensor(row)

    def load(self, path):
        return np.load(path)

    def __iter__(self):
        if not self.loaded:
            self.cursor = self.start()
        self.loaded = False
        return self.run(self.cursor)

    def run(self, cursor):
        number, consumers = self.place()
        mine, first, step = self.share(number, consumers)
        rng = self.generator(number)
        if cursor["rng"] is not None:
            rng.bit_generator.state = cursor["rng"]
        cursor["rng"], buffer = rng, cursor["buffer"]
        while cursor["shard"] < len(mine):
            rows = self.load(mine[cursor["shard"]])[first(cursor["shard"]) :: step]
            while cursor["row"] < len(rows):
                buffer.append(self.copy(rows[cursor["row"]]))
                cursor["row"] += 1
                if len(buffer) >= self.size:
                    yield buffer.pop(int(rng.integers(len(buffer))))
            cursor["shard"] += 1
            cursor["row"] = 0
            del rows
        yield from self.rest(buffer, rng)

    def rest(self, buffer, rng):
        while buffer:
            yield buffer.pop(int(rng.integers(len(buffer))))

    def state_dict(self):
        rng = self.cursor["rng"]
        state = {**self.cursor, "buffer": list(self.cursor["buffer"]), "epoch": self.epoch}
        state["rng"] = rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng
        return state

    def load_state_dict(self, sd):
        self.set_epoch(sd["epoch"])
        self.cursor = {**self.start(), **{key: sd[key] for key in ("shard", "row", "rng")}}
        self.cursor["buffer"], self.loaded = list(sd["buffer"]), True


def stream(**methods):
    return {"ShardedStream": type("ShardedStream", (Sound,), methods)}


@misconception("E4", diagnosis="workers-ignored")
def asks_no_worker():
    return stream(place=lambda self: (self.rank, self.world))


@misconception("E4", diagnosis="ranks-ignored")
def asks_workers_only():
    def place(self):
        info = get_worker_info()
        return (info.id, info.num_workers) if info else (0, 1)

    return stream(place=place)


@misconception("E4", diagnosis="numbers-collide")
def adds_rank_and_worker():
    def place(self):
        info = get_worker_info()
        workers, number = (info.num_workers, info.id) if info else (1, 0)
        return self.rank + number, self.world * workers

    return stream(place=place)


@misconception("E4", diagnosis="remainder-lost")
def equal_blocks():
    def share(self, number, consumers):
        block = len(self.shards) // consumers
        if block == 0:
            return Sound.share(self, number, consumers)
        return self.shards[number * block : (number + 1) * block], lambda s: 0, 1

    return stream(share=share)


@misconception("E4", diagnosis="idle-consumers")
def shards_only():
    return stream(share=lambda self, number, consumers: (self.shards[number::consumers], lambda s: 0, 1))


@misconception("E4", diagnosis="rows-dealt-out-too-early")
def always_rows():
    def share(self, number, consumers):
        return self.shards, lambda s: (number - s) % consumers, consumers

    return stream(share=share)


@misconception("E4", diagnosis="reads-in-init")
def loads_everything_first():
    class ShardedStream(Sound):
        def __init__(self, shards, **how):
            super().__init__(shards, **how)
            self.data = {path: np.load(path) for path in shards}

        def load(self, path):
            return self.data[path]

    return {"ShardedStream": ShardedStream}


@misconception("E4", diagnosis="rows-keep-their-shards")
def views_wait():
    return stream(copy=lambda self, row: torch.from_numpy(row))


@misconception("E4", diagnosis="waiting-rows-lost")
def forgets_the_rest():
    return stream(rest=lambda self, buffer, rng: iter(()))


@misconception("E4", diagnosis="consumers-draw-alike")
def generator_of_the_seed_alone():
    return stream(generator=lambda self, number: np.random.default_rng((self.seed, self.epoch)))


@misconception("E4", diagnosis="second-pass-differs")
def generator_stored_on_the_stream():
    class ShardedStream(Sound):
        def __init__(self, shards, **how):
            super().__init__(shards, **how)
            self.kept = {}

        def generator(self, number):
            return self.kept.setdefault((self.epoch, number), super().generator(number))

    return {"ShardedStream": ShardedStream}


@misconception("E4", diagnosis="epoch-or-seed-ignored")
def same_shuffle_every_epoch():
    return stream(generator=lambda self, number: np.random.default_rng((self.seed, number)))


@misconception("E4", diagnosis="shuffle-starts-again")
def resume_restarts_the_shuffle():
    def state_dict(self):
        return {**Sound.state_dict(self), "rng": None}

    return stream(state_dict=state_dict)


@misconception("E4", diagnosis="waiting-rows-not-in-the-state")
def buffer_not_saved():
    def state_dict(self):
        return {**Sound.state_dict(self), "buffer": []}

    return stream(state_dict=state_dict)


@misconception("E4", diagnosis="state-moves-on")
def state_is_the_living_buffer():
    def state_dict(self):
        return {**Sound.state_dict(self), "buffer": self.cursor["buffer"]}

    return stream(state_dict=state_dict)


@misconception("E4", diagnosis="last-row-again")
def counts_after_the_yield():
    def run(self, cursor):
        number, consumers = self.place()
        mine, first, step = self.share(number, consumers)
        rng = self.generator(number)
        if cursor["rng"] is not None:
            rng.bit_generator.state = cursor["rng"]
        cursor["rng"], buffer = rng, cursor["buffer"]
        while cursor["shard"] < len(mine):
            rows = self.load(mine[cursor["shard"]])[first(cursor["shard"]) :: step]
            while cursor["row"] < len(rows):
                buffer.append(self.copy(rows[cursor["row"]]))
                if len(buffer) >= self.size:
                    yield buffer.pop(int(rng.integers(len(buffer))))
                cursor["row"] += 1
            cursor["shard"] += 1
            cursor["row"] = 0
            del rows
        yield from self.rest(buffer, rng)

    return stream(run=run)


@misconception("E4", diagnosis="epoch-not-in-the-state")
def forgets_the_epoch():
    def load_state_dict(self, sd):
        Sound.load_state_dict(self, {**sd, "epoch": self.epoch})

    return stream(load_state_dict=load_state_dict)


@misconception("E4", diagnosis="goes-on-for-ever-from-there")
def continues_every_time():
    class ShardedStream(Sound):
        saved = None

        def load_state_dict(self, sd):
            super().load_state_dict(sd)
            self.saved = sd

        def set_epoch(self, e):
            super().set_epoch(e)
            self.saved = None

        def __iter__(self):
            if self.saved:
                self.load_state_dict(self.saved)
            return super().__iter__()

    return {"ShardedStream": ShardedStream}


@misconception("E4", diagnosis="finished-epoch-starts-over")
def end_becomes_the_start():
    def state_dict(self):
        state = Sound.state_dict(self)
        if state["shard"] and not state["buffer"] and state["shard"] >= len(self.shards):
            return {**self.start(), "epoch": self.epoch}
        return state

    return stream(state_dict=state_dict)
