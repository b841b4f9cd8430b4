"""Right answers to E4, written otherwise than the reference."""

import copy
import hashlib
import itertools
import random

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from tests.labs.answers import Answers

right = Answers()


def who(self):
    info = get_worker_info()
    workers = 1 if info is None else info.num_workers
    worker = 0 if info is None else info.id
    return self.rank * workers + worker, self.world * workers


@right("E4")
def counts_and_replays():
    class ShardedStream(IterableDataset):
        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world = shards, rank, world
            self.n, self.seed, self.epoch = shuffle_buffer, seed, 0
            self.done, self.skip = 0, 0

        def set_epoch(self, e):
            self.epoch, self.done, self.skip = e, 0, 0

        def rows(self):
            number, consumers = who(self)
            for s, path in enumerate(self.shards):
                if len(self.shards) >= consumers:
                    if s % consumers == number:
                        yield from (row.copy() for row in np.load(path))
                else:
                    for r, row in enumerate(np.load(path)):
                        if (r + s) % consumers == number:
                            yield row.copy()

        def order(self):
            number, _ = who(self)
            rng = random.Random(f"{self.seed}:{self.epoch}:{number}")
            waiting = []
            for row in self.rows():
                waiting.append(torch.from_numpy(row))
                if len(waiting) >= max(1, self.n):
                    yield waiting.pop(rng.randrange(len(waiting)))
            rng.shuffle(waiting)
            yield from waiting

        def __iter__(self):
            skip, self.skip = self.skip, 0
            self.done = skip
            for row in itertools.islice(self.order(), skip, None):
                self.done += 1
                yield row

        def state_dict(self):
            return {"epoch": self.epoch, "done": self.done}

        def load_state_dict(self, sd):
            self.epoch, self.done, self.skip = sd["epoch"], sd["done"], sd["done"]

    return {"ShardedStream": ShardedStream}


@right("E4")
def shuffled_blocks():
    class ShardedStream(IterableDataset):
        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            super().__init__()
            self.paths, self.rank, self.world = tuple(map(str, shards)), rank, world
            self.block, self.seed = max(shuffle_buffer, 1), seed
            self.epoch, self.given, self.resume_at = 0, 0, None

        def set_epoch(self, e):
            self.epoch, self.given, self.resume_at = e, 0, None

        def source(self):
            number, consumers = who(self)
            enough = len(self.paths) >= consumers
            for s, path in enumerate(self.paths):
                if enough and s % consumers != number:
                    continue
                shard = torch.from_numpy(np.load(path))
                picked = shard if enough else shard[(number + s) % consumers :: consumers]
                for row in picked:
                    yield row.clone()

        def everything(self):
            number, _ = who(self)
            key = hashlib.md5(f"{self.seed}-{self.epoch}-{number}".encode()).hexdigest()
            g = torch.Generator().manual_seed(int(key[:12], 16))
            rows = self.source()
            while block := list(itertools.islice(rows, self.block)):
                for i in torch.randperm(len(block), generator=g).tolist():
                    yield block[i]

        def __iter__(self):
            begin = self.resume_at or 0
            self.resume_at, self.given = None, begin
            return self.run(begin)

        def run(self, begin):
            for i, row in enumerate(self.everything()):
                if i >= begin:
                    self.given = i + 1
                    yield row

        def state_dict(self):
            return {"epoch": self.epoch, "given": self.given}

        def load_state_dict(self, sd):
            self.set_epoch(sd["epoch"])
            self.given = self.resume_at = sd["given"]

    return {"ShardedStream": ShardedStream}


@right("E4")
def an_iterator_class():
    class Rows:
        def __init__(self, stream, state):
            self.stream, (self.number, self.consumers) = stream, who(stream)
            self.whole = len(stream.shards) >= self.consumers
            self.mine = stream.shards[self.number :: self.consumers] if self.whole else stream.shards
            self.rng = np.random.RandomState([stream.seed, stream.epoch, self.number])
            self.shard, self.row, self.waiting, self.data = 0, 0, [], None
            if state:
                self.shard, self.row = state["shard"], state["row"]
                self.waiting = copy.deepcopy(state["waiting"])
                if state["rng"] is not None:
                    self.rng.set_state(state["rng"])

        def __iter__(self):
            return self

        def pull(self):
            while self.shard < len(self.mine):
                if self.data is None:
                    self.data = np.load(self.mine[self.shard])
                    if not self.whole:
                        self.data = self.data[(self.number - self.shard) % self.consumers :: self.consumers]
                if self.row < len(self.data):
                    self.row += 1
                    return torch.tensor(self.data[self.row - 1])
                self.data, self.row, self.shard = None, 0, self.shard + 1
            return None

        def __next__(self):
            while len(self.waiting) < max(1, self.stream.buffer):
                row = self.pull()
                if row is None:
                    break
                self.waiting.append(row)
            if not self.waiting:
                raise StopIteration
            i = self.rng.randint(len(self.waiting)) if self.stream.buffer > 1 else 0
            self.waiting[i], self.waiting[-1] = self.waiting[-1], self.waiting[i]
            return self.waiting.pop()

        def state(self):
            return {
                "shard": self.shard,
                "row": self.row,
                "waiting": list(self.waiting),
                "rng": self.rng.get_state(),
            }

    class ShardedStream(IterableDataset):
        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world, self.buffer = list(shards), rank, world, shuffle_buffer
            self.seed = seed
            self.set_epoch(0)

        def set_epoch(self, e):
            self.epoch, self.now, self.loaded = e, None, None

        def __iter__(self):
            self.now, self.loaded = Rows(self, self.loaded), None
            return self.now

        def state_dict(self):
            if self.loaded is not None:
                return copy.deepcopy(self.loaded)
            start = {"shard": 0, "row": 0, "waiting": [], "rng": None}
            return {**(self.now.state() if self.now else start), "epoch": self.epoch}

        def load_state_dict(self, sd):
            self.set_epoch(sd["epoch"])
            self.loaded = copy.deepcopy(sd)

    return {"ShardedStream": ShardedStream}


@right("E4")
def memory_mapped_with_a_plan():
    class ShardedStream(IterableDataset):
        """The order of (shard, row) is planned; rows are read through memory maps."""

        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world = shards, rank, world
            self.buffer, self.seed, self.epoch, self.position, self.start = shuffle_buffer, seed, 0, 0, 0

        def set_epoch(self, e):
            self.epoch, self.position, self.start = e, 0, 0

        def size(self, path):
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
                return read(file)[0][0]

        def plan(self):
            number, consumers = who(self)
            places = []
            for s, path in enumerate(self.shards):
                if len(self.shards) >= consumers:
                    places += [(s, r) for r in range(self.size(path))] if s % consumers == number else []
                else:
                    places += [(s, r) for r in range(self.size(path)) if (r - number) % consumers == 0]
            if self.buffer > 1:
                rng = np.random.default_rng([self.seed, self.epoch, number])
                out, waiting = [], []
                for place in places:
                    waiting.append(place)
                    if len(waiting) == self.buffer:
                        out.append(waiting.pop(int(rng.integers(self.buffer))))
                out += [waiting[i] for i in rng.permutation(len(waiting))]
                places = out
            return places

        def __iter__(self):
            places, self.position, self.start = self.plan(), self.start, 0
            while self.position < len(places):
                s, r = places[self.position]
                self.position += 1
                yield torch.from_numpy(np.array(np.load(self.shards[s], mmap_mode="r")[r]))

        def state_dict(self):
            return {"epoch": self.epoch, "position": max(self.position, self.start)}

        def load_state_dict(self, sd):
            self.epoch, self.start, self.position = sd["epoch"], sd["position"], sd["position"]

    return {"ShardedStream": ShardedStream}


@right("E4")
def torch_generator_and_global_rows():
    class ShardedStream(IterableDataset):
        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world = shards, rank, world
            self.shuffle_buffer, self.seed, self.epoch = shuffle_buffer, seed, 0
            self.state, self.pending = None, None

        def set_epoch(self, e):
            self.epoch, self.state, self.pending = e, None, None

        def fresh(self, number):
            g = torch.Generator().manual_seed(((self.seed * 100_003 + self.epoch) * 1009 + number) % 2**63)
            return {"s": 0, "r": 0, "pool": [], "g": g.get_state()}

        def __iter__(self):
            number, consumers = who(self)
            self.state = self.pending or self.fresh(number)
            self.pending = None
            if self.state["g"] is None:
                self.state = self.fresh(number)
            return self.walk(self.state, number, consumers)

        def draw(self, state):
            g = torch.Generator()
            g.set_state(state["g"])
            i = int(torch.randint(len(state["pool"]), (), generator=g))
            state["g"] = g.get_state()
            return state["pool"].pop(i)

        def walk(self, state, number, consumers):
            whole = len(self.shards) >= consumers
            while state["s"] < len(self.shards):
                s = state["s"]
                if whole and s % consumers != number:
                    state["s"] += 1
                    continue
                table = np.load(self.shards[s])
                while state["r"] < len(table):
                    r = state["r"]
                    state["r"] += 1
                    if not whole and r % consumers != (number + s) % consumers:
                        continue
                    state["pool"].append(torch.tensor(table[r]))
                    if len(state["pool"]) >= self.shuffle_buffer:
                        yield self.draw(state)
                state["s"], state["r"] = s + 1, 0
            while state["pool"]:
                yield self.draw(state)

        def state_dict(self):
            state = self.pending or self.state or {"s": 0, "r": 0, "pool": [], "g": None}
            return {"epoch": self.epoch, **state, "pool": list(state["pool"])}

        def load_state_dict(self, sd):
            self.set_epoch(sd["epoch"])
            self.pending = {"s": sd["s"], "r": sd["r"], "pool": list(sd["pool"]), "g": sd["g"]}

    return {"ShardedStream": ShardedStream}


@right("E4")
def contiguous_shares():
    class ShardedStream(IterableDataset):
        """Neighbouring shards go to one consumer; few shards are dealt out in contiguous pieces."""

        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world = list(shards), rank, world
            self.buffer, self.seed, self.epoch, self.count, self.offset = shuffle_buffer, seed, 0, 0, 0

        def set_epoch(self, e):
            self.epoch, self.count, self.offset = e, 0, 0

        def pieces(self):
            number, consumers = who(self)
            if len(self.shards) >= consumers:
                low = number * len(self.shards) // consumers
                high = (number + 1) * len(self.shards) // consumers
                for path in self.shards[low:high]:
                    yield np.load(path)
            else:
                for path in self.shards:
                    table = np.load(path)
                    yield table[number * len(table) // consumers : (number + 1) * len(table) // consumers]
                    del table

        def all_rows(self):
            number, _ = who(self)
            rng = np.random.default_rng([self.seed + 2**20, self.epoch, number])
            hold = []
            for piece in self.pieces():
                for row in piece:
                    fresh = torch.as_tensor(row).clone()
                    if self.buffer <= 1:
                        yield fresh
                        continue
                    if len(hold) < self.buffer - 1:
                        hold.append(fresh)
                        continue
                    hold.append(fresh)
                    k = rng.integers(len(hold))
                    hold[k], hold[-1] = hold[-1], hold[k]
                    yield hold.pop()
                del piece
            for k in rng.permutation(len(hold)):
                yield hold[k]

        def __iter__(self):
            start, self.offset = self.offset, 0
            self.count = start
            rows = self.all_rows()
            for _ in range(start):
                next(rows)
            for row in rows:
                self.count += 1
                yield row

        def state_dict(self):
            return {"epoch": self.epoch, "count": self.count}

        def load_state_dict(self, sd):
            self.epoch, self.count, self.offset = sd["epoch"], sd["count"], sd["count"]

    return {"ShardedStream": ShardedStream}


@right("E4")
def interleaved_ranks():
    class ShardedStream(IterableDataset):
        """Another numbering of the consumers: worker by worker over the machines."""

        def __init__(self, shards, *, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.shards, self.rank, self.world = shards, rank, world
            self.buffer, self.seed = shuffle_buffer, seed
            self.position = {"epoch": 0, "done": 0}
            self.fresh = True

        def set_epoch(self, e):
            self.position, self.fresh = {"epoch": e, "done": 0}, True

        def __iter__(self):
            info = get_worker_info()
            workers, worker = (info.num_workers, info.id) if info else (1, 0)
            number, consumers = worker * self.world + self.rank, self.world * workers
            if self.fresh:
                self.position = {**self.position, "done": 0}
            self.fresh = True
            position = self.position
            generator = self.rows(number, consumers, position["epoch"])
            for _ in range(position["done"]):
                next(generator, None)
            for row in generator:
                position["done"] += 1
                yield row

        def rows(self, number, consumers, epoch):
            rng = random.Random(repr((self.seed, epoch, number)))
            hold = []
            for s, path in enumerate(self.shards):
                if len(self.shards) >= consumers and s % consumers != number:
                    continue
                loaded = np.load(path)
                for r in range(loaded.shape[0]):
                    if len(self.shards) >= consumers or r % consumers == number:
                        hold.append(torch.tensor(loaded[r].tolist(), dtype=torch.from_numpy(loaded).dtype))
                        if len(hold) >= max(self.buffer, 1):
                            yield hold.pop(rng.randint(0, len(hold) - 1))
                del loaded
            while hold:
                yield hold.pop(rng.randint(0, len(hold) - 1))

        def state_dict(self):
            return dict(self.position)

        def load_state_dict(self, sd):
            self.position, self.fresh = dict(sd), False

    return {"ShardedStream": ShardedStream}


@right("E4")
def no_base_class():
    class ShardedStream:
        def __init__(self, shards, rank=0, world=1, shuffle_buffer=0, seed=0):
            self.__dict__.update(shards=shards, rank=rank, world=world, buffer=shuffle_buffer, seed=seed)
            self.set_epoch(0)

        def set_epoch(self, e):
            self.epoch = e
            self.consumed = 0
            self.jump = 0

        def shuffled(self, rows, number):
            rng = np.random.Generator(
                np.random.Philox(np.random.SeedSequence([self.seed, self.epoch, number]))
            )
            rows = iter(rows)
            hold = list(itertools.islice(rows, max(self.buffer, 1)))
            for row in rows:
                k = int(rng.integers(len(hold)))
                out, hold[k] = hold[k], row
                yield out
            for k in rng.permutation(len(hold)).tolist() if self.buffer > 1 else range(len(hold)):
                yield hold[k]

        def own_rows(self, number, consumers):
            if len(self.shards) >= consumers:
                for s in range(number, len(self.shards), consumers):
                    shard = np.load(self.shards[s])
                    for r in range(len(shard)):
                        yield torch.from_numpy(shard[r].copy())
                    del shard
            else:
                for path in self.shards:
                    shard = np.load(path)
                    for r in range(number, len(shard), consumers):
                        yield torch.from_numpy(shard[r].copy())
                    del shard

        def __iter__(self):
            number, consumers = who(self)
            jump, self.jump = self.jump, 0
            self.consumed = jump
            stream = self.shuffled(self.own_rows(number, consumers), number)
            for _ in range(jump):
                next(stream)
            for row in stream:
                self.consumed += 1
                yield row

        def state_dict(self):
            return {"epoch": self.epoch, "consumed": self.consumed}

        def load_state_dict(self, sd):
            self.epoch, self.consumed, self.jump = sd["epoch"], sd["consumed"], sd["consumed"]

    return {"ShardedStream": ShardedStream}
