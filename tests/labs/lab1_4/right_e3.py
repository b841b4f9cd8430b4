"""Right answers to E3, written otherwise than the reference."""

import itertools
import random
import warnings

import numpy as np
import torch
from torch.utils.data import Sampler

from tests.labs.answers import Answers

right = Answers()


@right("E3")
def planned_in_set_epoch():
    class BucketBatchSampler(Sampler):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            self.n, self.lengths = len(lengths), lengths
            self.args = max_tokens, bucket_size, shuffle, drop_last, seed
            if self.n and max(lengths) > max_tokens:
                warnings.warn("too long", UserWarning, stacklevel=1)
            self.set_epoch(0)

        def set_epoch(self, e):
            max_tokens, bucket_size, shuffle, drop_last, seed = self.args
            rng = np.random.default_rng([seed, e])
            order = rng.permutation(self.n) if shuffle else np.arange(self.n)
            self.batches = []
            for s in range(0, self.n, bucket_size):
                bucket = order[s : s + bucket_size]
                keys = np.array([self.lengths[i] for i in bucket])
                bucket = bucket[np.argsort(keys, kind="stable")].tolist()
                i = 0
                made = []
                while i < len(bucket):
                    j = i + 1
                    while j < len(bucket) and (j - i + 1) * self.lengths[bucket[j]] <= max_tokens:
                        j += 1
                    made.append(bucket[i:j])
                    i = j
                self.batches.extend(made[:-1] if drop_last else made)
            if shuffle:
                self.batches = [self.batches[k] for k in rng.permutation(len(self.batches))]

        def __iter__(self):
            yield from self.batches

        def __len__(self):
            return len(self.batches)

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def python_random_and_generators():
    class BucketBatchSampler:
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            self.lengths = tuple(lengths)
            self.budget, self.bucket_size = max_tokens, bucket_size
            self.shuffle, self.drop_last, self.seed, self.epoch = shuffle, drop_last, seed, 0
            if any(n > max_tokens for n in lengths):
                warnings.warn("over-long item", stacklevel=2)

        def set_epoch(self, e):
            self.epoch = e

        def _cut(self, bucket):
            batch = []
            for i in sorted(bucket, key=self.lengths.__getitem__):
                if batch and self.lengths[i] * (1 + len(batch)) > self.budget:
                    yield batch
                    batch = []
                batch.append(i)
            if not self.drop_last:
                yield batch

        def __iter__(self):
            rng = random.Random(f"{self.seed}-{self.epoch}")
            order = list(range(len(self.lengths)))
            if self.shuffle:
                rng.shuffle(order)
            buckets = [order[i : i + self.bucket_size] for i in range(0, len(order), self.bucket_size)]
            batches = list(itertools.chain.from_iterable(map(self._cut, buckets)))
            if self.shuffle:
                rng.shuffle(batches)
            return iter(batches)

        def __len__(self):
            return sum(1 for _ in self)

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def tracks_the_longest():
    class BucketBatchSampler(Sampler[list[int]]):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            super().__init__()
            self.lengths = torch.tensor(list(lengths), dtype=torch.int64)
            self.max_tokens, self.bucket_size, self.shuffle = max_tokens, bucket_size, shuffle
            self.drop_last, self.seed, self.e = drop_last, seed, 0
            if bool((self.lengths > max_tokens).any()):
                warnings.warn(f"longer than {max_tokens}", stacklevel=2)

        def set_epoch(self, e):
            self.e = int(e)

        def make(self):
            g = torch.Generator().manual_seed(self.seed + self.e)
            n = len(self.lengths)
            order = torch.randperm(n, generator=g) if self.shuffle else torch.arange(n)
            result = []
            for bucket in order.split(self.bucket_size) if n else []:
                _, place = torch.sort(self.lengths[bucket], stable=True)
                current, longest, made = [], 0, []
                for i in bucket[place].tolist():
                    candidate = max(longest, int(self.lengths[i]))
                    if current and candidate * (len(current) + 1) > self.max_tokens:
                        made.append(current)
                        current, candidate = [], int(self.lengths[i])
                    current.append(i)
                    longest = candidate
                if not self.drop_last:
                    made.append(current)
                result += made
            if self.shuffle:
                perm = torch.randperm(len(result), generator=g).tolist()
                result = [result[p] for p in perm]
            return result

        def __iter__(self):
            for batch in self.make():
                yield list(batch)

        def __len__(self):
            return len(self.make())

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def two_generators():
    class BucketBatchSampler(Sampler):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            self.lengths, self.max_tokens, self.bucket_size = lengths, max_tokens, bucket_size
            self.shuffle, self.drop_last, self.seed = shuffle, drop_last, seed
            self._epoch, self._cache = 0, {}
            if [n for n in lengths if n > max_tokens]:
                warnings.warn(UserWarning("an item is longer than the budget"), stacklevel=3)

        def set_epoch(self, e):
            self._epoch = e

        @property
        def plan(self):
            if self._epoch not in self._cache:
                self._cache = {self._epoch: self._make()}
            return self._cache[self._epoch]

        def _make(self):
            items = np.random.default_rng((self.seed, self._epoch, 1))
            groups = np.random.default_rng((self.seed, self._epoch, 2))
            order = list(range(len(self.lengths)))
            if self.shuffle:
                items.shuffle(order)
            everything = []
            while order:
                bucket, order = order[: self.bucket_size], order[self.bucket_size :]
                bucket.sort(key=lambda i: self.lengths[i])
                cuts = [0]
                for k, i in enumerate(bucket):
                    if k > cuts[-1] and (k - cuts[-1] + 1) * self.lengths[i] > self.max_tokens:
                        cuts.append(k)
                cuts.append(len(bucket))
                found = [bucket[a:b] for a, b in itertools.pairwise(cuts)]
                everything += found[: len(found) - self.drop_last]
            if self.shuffle:
                groups.shuffle(everything)
            return everything

        def __iter__(self):
            return iter([list(batch) for batch in self.plan])

        def __len__(self):
            return len(self.plan)

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def recursive_cut():
    class BucketBatchSampler:
        def __init__(self, lengths, max_tokens, **how):
            self.how = {"bucket_size": 512, "shuffle": True, "drop_last": False, "seed": 0} | how
            self.lengths, self.max_tokens, self.epoch = dict(enumerate(lengths)), max_tokens, 0
            if max(lengths, default=0) > max_tokens:
                warnings.warn("an item does not fit", stacklevel=2)

        def set_epoch(self, e):
            self.epoch = e

        def first_batch(self, bucket):
            size = 1
            while size < len(bucket) and (size + 1) * self.lengths[bucket[size]] <= self.max_tokens:
                size += 1
            return bucket[:size], bucket[size:]

        def batches(self):
            g = torch.Generator().manual_seed(abs(hash((self.how["seed"], self.epoch))))
            order = sorted(self.lengths)
            if self.how["shuffle"]:
                order = torch.randperm(len(order), generator=g).tolist()
            result = []
            for start in range(0, len(order), self.how["bucket_size"]):
                bucket = sorted(order[start:][: self.how["bucket_size"]], key=self.lengths.get)
                made = []
                while bucket:
                    batch, bucket = self.first_batch(bucket)
                    made.append(batch)
                if self.how["drop_last"]:
                    made.pop()
                result.extend(made)
            if self.how["shuffle"]:
                keys = torch.rand(len(result), generator=g).tolist()
                result = [batch for _, batch in sorted(zip(keys, result, strict=True))]
            return result

        __iter__ = lambda self: iter(self.batches())  # noqa: E731
        __len__ = lambda self: len(self.batches())  # noqa: E731

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def seed_sequence_and_deques():
    from collections import deque

    class BucketBatchSampler(Sampler):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            self.L, self.M, self.B = np.asarray(lengths, dtype=np.int64), max_tokens, bucket_size
            self.flags = (shuffle, drop_last)
            self.seed, self.epoch = seed, 0
            if self.L.size and self.L.max() > max_tokens:
                warnings.warn("one is too long", UserWarning, stacklevel=1)

        def set_epoch(self, e):
            self.epoch = e

        def __iter__(self):
            shuffle, drop_last = self.flags
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.epoch])))
            order = rng.permutation(self.L.size) if shuffle else np.arange(self.L.size)
            out = []
            for bucket in np.split(order, range(self.B, len(order), self.B)) if len(order) else ():
                waiting = deque(int(i) for i in bucket[np.lexsort((np.arange(len(bucket)), self.L[bucket]))])
                made = []
                while waiting:
                    batch = [waiting.popleft()]
                    while waiting and (len(batch) + 1) * self.L[waiting[0]] <= self.M:
                        batch.append(waiting.popleft())
                    made.append(batch)
                out += made[:-1] if drop_last else made
            if shuffle:
                out = [out[i] for i in rng.permutation(len(out))]
            yield from out

        def __len__(self):
            return len(list(iter(self)))

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def one_bucket_after_another():
    class BucketBatchSampler(Sampler):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            for name, value in list(locals().items()):
                if name not in ("self", "__class__"):
                    setattr(self, name, value)
            self.epoch = 0
            over = sum(length > max_tokens for length in lengths)
            if over:
                warnings.warn(f"{over} items exceed max_tokens", stacklevel=2)

        def set_epoch(self, e):
            self.epoch = e

        def __iter__(self):
            rng = random.Random(self.seed * 2**20 + self.epoch)
            n = len(self.lengths)
            order = rng.sample(range(n), n) if self.shuffle else range(n)
            batches = []
            for i, index in enumerate(order):
                if i % self.bucket_size == 0:
                    bucket = []
                    batches.append(bucket)
                bucket.append(index)
            pieces = []
            for bucket in batches:
                bucket.sort(key=lambda j: (self.lengths[j],))
                piece = []
                for index in bucket:
                    fits = (len(piece) + 1) * self.lengths[index] <= self.max_tokens
                    if piece and not fits:
                        pieces.append(piece)
                        piece = []
                    piece.append(index)
                if piece and not self.drop_last:
                    pieces.append(piece)
            if self.shuffle:
                rng.shuffle(pieces)
            return iter(pieces)

        def __len__(self):
            return sum(1 for _ in self)

    return {"BucketBatchSampler": BucketBatchSampler}


@right("E3")
def forked_global_state():
    class BucketBatchSampler(Sampler):
        def __init__(self, lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False, seed=0):
            self.lengths, self.max_tokens, self.bucket_size = list(lengths), max_tokens, bucket_size
            self.shuffle, self.drop_last, self.seed, self.epoch = shuffle, drop_last, seed, 0
            if self.lengths and max(self.lengths) > max_tokens:
                warnings.warn("too long for the budget", stacklevel=2)

        def set_epoch(self, e):
            self.epoch = e

        def __iter__(self):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed * 65_537 + self.epoch)
                n = len(self.lengths)
                order = torch.randperm(n).tolist() if self.shuffle else list(range(n))
                out = []
                for start in range(0, n, self.bucket_size):
                    bucket = sorted(order[start : start + self.bucket_size], key=lambda i: self.lengths[i])
                    own = [[bucket[0]]]
                    for i in bucket[1:]:
                        if (len(own[-1]) + 1) * self.lengths[i] <= self.max_tokens:
                            own[-1].append(i)
                        else:
                            own.append([i])
                    if self.drop_last:
                        del own[-1]
                    out.extend(own)
                if self.shuffle:
                    out = [out[i] for i in torch.randperm(len(out))]
            return iter(out)

        def __len__(self):
            return len(list(self.__iter__()))

    return {"BucketBatchSampler": BucketBatchSampler}
