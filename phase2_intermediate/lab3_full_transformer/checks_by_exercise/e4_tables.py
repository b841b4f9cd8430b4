"""Small language models as tables, and what searches find in them: by enumeration, and with mistakes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from courseware.check.outcomes import Diagnosed

BOS, EOS = 0, 1
Found = list[tuple[list[int], float]]


class Table:
    """log p of the next token for every prefix, drawn from the seed and the prefix. It watches callers."""

    def __init__(
        self,
        seed: str,
        vocabulary: int = 4,
        *,
        impossible: float = 0.0,
        end: float = 1.0,
        rows: Callable[[tuple[int, ...]], Sequence[float] | None] = lambda prefix: None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.seed, self.vocabulary, self.impossible, self.end = seed, vocabulary, impossible, end
        self.rows, self.dtype = rows, dtype
        self.widths: list[int] = []
        self._known: dict[tuple[int, ...], list[float]] = {}

    def log_p(self, prefix: tuple[int, ...]) -> list[float]:
        """The row for a prefix without BOS."""
        if prefix not in self._known:
            self._known[prefix] = self._draw(prefix)
        return self._known[prefix]

    def _draw(self, prefix: tuple[int, ...]) -> list[float]:
        given = self.rows(prefix)
        if given is None:
            draw = random.Random(f"{self.seed}/{prefix}")
            given = [
                0.0 if draw.random() < self.impossible else draw.expovariate(1.0) + 0.01
                for _ in range(self.vocabulary)
            ]
            given[EOS] *= self.end
            if not any(given):
                given[self.vocabulary - 1] = 1.0
        total = sum(given)
        return [math.log(p / total) if p else -math.inf for p in given]

    def __call__(self, prefixes: Any) -> Tensor:
        if not isinstance(prefixes, Tensor) or prefixes.dim() != 2 or prefixes.dtype != torch.int64:
            what = type(prefixes).__name__
            if isinstance(prefixes, Tensor):
                what = f"a tensor of shape {tuple(prefixes.shape)}, {prefixes.dtype}"
            raise Diagnosed("step-called-wrongly", f"step got {what}, expected int64 token ids [K, t]")
        self.widths.append(len(prefixes))
        rows = []
        for prefix in prefixes.tolist():
            if prefix[:1] != [BOS]:
                raise Diagnosed(
                    "prefix-without-bos",
                    f"step was given the prefix {prefix}: it begins with bos, here {BOS}",
                )
            if EOS in prefix[1:]:
                raise Diagnosed(
                    "text-after-the-end",
                    f"step was given the prefix {prefix}, which has ended (eos is {EOS}): a finished "
                    "hypothesis is never continued",
                )
            rows.append(self.log_p(tuple(prefix[1:])))
        return torch.tensor(rows, dtype=self.dtype).reshape(len(rows), self.vocabulary)


def everything(table: Table, max_len: int, eos: int = EOS) -> Iterator[tuple[list[int], float]]:
    """Every hypothesis of non-zero probability, with its sum of log-probabilities."""
    waiting: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    while waiting:
        prefix, total = waiting.pop()
        for token, log_p in enumerate(table.log_p(prefix)):
            if log_p == -math.inf:
                continue
            longer = (*prefix, token)
            if token == eos or len(longer) == max_len:
                yield list(longer), total + log_p
            else:
                waiting.append((longer, total + log_p))


def best_of_all(table: Table, max_len: int, alpha: float, n_best: int) -> Found:
    scored = [
        (tokens, total / ((5 + len(tokens)) / 6) ** alpha) for tokens, total in everything(table, max_len)
    ]
    return sorted(scored, key=lambda found: -found[1])[:n_best]


def penalty(kind: str, tokens: list[int], alpha: float) -> float:
    size = len(tokens)
    if kind == "no length penalty":
        return 1.0
    if kind == "mean":
        return float(size)
    if kind == "penalty is a power of the length":
        return float(size**alpha)
    if kind == "penalty counts bos":
        size += 1
    if kind == "penalty counts one less":
        size -= 1
    if kind == "penalty leaves eos out":
        size -= tokens[-1:] == [EOS]
    base = 5 + size if kind == "penalty not divided by 6" else (5 + size) / 6
    return base**-alpha if kind == "penalty multiplied" else base**alpha


def search(
    table: Table,
    beam: int,
    max_len: int,
    alpha: float,
    n_best: int,
    wrong: str = "",
    widths: list[int] | None = None,
) -> Found:
    """What a beam search finds; `wrong` names a mistake that it makes. `widths` gets how many live."""
    live: list[tuple[list[int], float]] = [([], 0.0)]
    if wrong == "starts with copies":
        live = live * beam
    if wrong == "as greedy":
        beam = 1
    if wrong == "a step less":
        max_len -= 1
    done: list[tuple[list[int], float]] = []
    for _ in range(max_len):
        if widths is not None:
            widths.append(len(live))
        width = beam - len(done) if wrong == "finished ones take places" else beam
        if wrong == "twice as many":
            width = 2 * beam
        kept: list[tuple[list[int], float]] = []
        for tokens, total in live:
            own = [
                ([*tokens, token], total + log_p)
                for token, log_p in enumerate(table.log_p(tuple(tokens)))
                if log_p > -math.inf
            ]
            if wrong == "best of each parent":
                own = sorted(own, key=lambda x: -x[1])[: max(beam // len(live), 1)]
            if wrong == "one of each parent" and len(live) > 1:
                own = sorted(own, key=lambda x: -x[1])[:1]
            kept += own
        key: Callable[[Any], float] = lambda x: -x[1]  # noqa: E731
        if wrong == "last token alone counts":
            key = lambda x: -table.log_p(tuple(x[0][:-1]))[x[0][-1]]  # noqa: E731
        if wrong == "least probable":
            key = lambda x: x[1]  # noqa: E731
        if wrong == "ends first":
            key = lambda x: (x[0][-1] != EOS, -x[1])  # type: ignore[return-value]  # noqa: E731
        if wrong == "eos aside":  # ends do not compete with the others
            done += [x for x in kept if x[0][-1] == EOS]
            kept = [x for x in kept if x[0][-1] != EOS]
        if wrong == "penalty at every step":
            kept = [(tokens, total / penalty("", tokens, alpha)) for tokens, total in kept]
        if wrong == "finished ones compete on":
            kept += done
            done = []
        ranked = sorted(kept, key=key)
        best = ranked[: max(width, 0)]
        done += [x for x in best if x[0][-1] == EOS]
        live = [x for x in best if x[0][-1] != EOS]
        if wrong == "every end found":
            done += [x for x in ranked[max(width, 0) :] if x[0][-1] == EOS]
        if wrong == "filled up":
            live = [x for x in ranked if x[0][-1] != EOS][:beam]
        if wrong == "twice as many":
            live = live[:beam]
        if not live or (wrong.startswith("stops at the first end") and done):
            break
        if wrong.startswith("stops when enough ended") and len(done) >= n_best:
            break
        if wrong.startswith("stops when beam ended") and len(done) >= beam:
            break
        needed = n_best if wrong.endswith("takes the living") else 1
        if wrong.startswith("compares live with penalised") and len(done) >= needed:
            ends = sorted((total / penalty("", tokens, alpha) for tokens, total in done), reverse=True)
            if all(total / penalty("", tokens, alpha) <= ends[needed - 1] for tokens, total in live):
                break
    if wrong in ("unfinished forgotten", "unfinished only if none ended"):
        found = done if done or wrong == "unfinished forgotten" else live
    elif wrong in (
        "stops at the first end",
        "stops when enough ended",
        "stops when beam ended",
        "compares live with penalised",
    ):
        found = done or live
    else:
        found = done + live
    if wrong == "eos forced":
        found = done + [([*tokens, EOS], total) for tokens, total in live]
    used = {"penalty at every step": 0.0, "alpha fixed": 0.6}.get(wrong, alpha)
    scored = [(tokens, total / penalty(wrong, tokens, used)) for tokens, total in found]
    if wrong == "ranked by the sum":
        scored = [x for _, x in sorted(zip(found, scored, strict=True), key=lambda both: -both[0][1])]
    elif wrong != "not sorted":
        scored = sorted(scored, key=lambda x: -x[1])
    if wrong == "worst first":
        scored = scored[::-1]
    scored = scored if wrong == "n_best ignored" else scored[:n_best]
    if wrong == "turned round at the end":
        scored = scored[::-1]
    if wrong == "plain sums returned":
        sums = {tuple(tokens): total for tokens, total in found}
        scored = [(tokens, sums[tuple(tokens)]) for tokens, _ in scored]
    if wrong == "eos stripped":
        scored = [(tokens[:-1] if tokens[-1] == EOS else tokens, score) for tokens, score in scored]
    if wrong == "bos kept":
        scored = [([BOS, *tokens], score) for tokens, score in scored]
    if wrong == "probabilities returned":
        scored = [(tokens, math.exp(score)) for tokens, score in scored]
    return scored
