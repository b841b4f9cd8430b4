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


def search(table: Table, beam: int, max_len: int, alpha: float, n_best: int, wrong: str = "") -> Found:
    """What a beam search finds; `wrong` names a mistake that it makes."""
    live: list[tuple[list[int], float]] = [([], 0.0)]
    if wrong == "starts with copies":
        live = live * beam
    if wrong == "as greedy":
        beam = 1
    if wrong == "a step less":
        max_len -= 1
    done: list[tuple[list[int], float]] = []
    for _ in range(max_len):
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


BEAM_MISTAKES = {
    "starts with copies": (
        "identical-beams",
        "the search begins with several copies of the empty hypothesis, so all beams are equal: begin with "
        "one",
    ),
    "best of each parent": (
        "top-k-per-parent",
        "each parent keeps its own best continuations: all K · V candidates compete together",
    ),
    "stops at the first end": (
        "stops-at-the-first-end",
        "the search ends with the first finished hypothesis: one that is still alive may win",
    ),
    "stops when enough ended": (
        "stops-at-the-first-end",
        "the search ends with the first n_best finished hypotheses: those still alive may win",
    ),
    "stops when beam ended": (
        "stops-too-early",
        "the search ends as soon as `beam` hypotheses are finished: those still alive may win",
    ),
    "stops when beam ended, and takes the living": (
        "stops-too-early",
        "the search ends as soon as `beam` hypotheses are finished: those still alive may win",
    ),
    "stops at the first end, and takes the living": (
        "stops-at-the-first-end",
        "the search ends with the first finished hypothesis: one that is still alive may win",
    ),
    "stops when enough ended, and takes the living": (
        "stops-too-early",
        "the search ends with the first n_best finished hypotheses: those still alive may win",
    ),
    "compares live with penalised, and takes the living": (
        "stops-too-early",
        "the search ends when the penalised scores of the live ones fall below the n_best finished ones: a "
        "longer hypothesis is divided by more, and may still win",
    ),
    "compares live with penalised": (
        "stops-too-early",
        "the search ends when the penalised score of the live ones falls below a finished one: a longer "
        "hypothesis is divided by more, and may still win",
    ),
    "unfinished forgotten": (
        "unfinished-forgotten",
        "what is alive at max_len is missing: it is a hypothesis too",
    ),
    "unfinished only if none ended": (
        "unfinished-forgotten",
        "what is alive at max_len is used only if nothing has finished: it competes with the finished ones",
    ),
    "finished ones take places": (
        "finished-take-places",
        "finished hypotheses take up places of the beam: each step keeps the `beam` best of all candidates",
    ),
    "twice as many": (
        "twice-as-many-candidates",
        "2·beam candidates were kept: a step keeps the `beam` best, those that end included",
    ),
    "every end found": (
        "ends-do-not-compete",
        "continuations by eos are put aside as finished although better candidates fill the beam: they "
        "compete with the others",
    ),
    "filled up": (
        "finished-replaced",
        "the places of hypotheses that end are given to further candidates: a step keeps the `beam` best of "
        "all, those that end included, so fewer live on",
    ),
    "eos aside": (
        "ends-do-not-compete",
        "continuations by eos are put aside without competing: they are candidates like the others",
    ),
    "ends first": ("ends-do-not-compete", "candidates that end are preferred: the sums alone count"),
    "last token alone counts": (
        "sum-forgotten",
        "candidates are ranked by their last token alone: by the sum of all log-probabilities",
    ),
    "as greedy": ("beam-is-greedy", "that is greedy search: the `beam` best hypotheses live on, not one"),
    "a step less": ("max-len", "the hypotheses have at most max_len − 1 tokens: max_len counts all but bos"),
    "least probable": ("worst-first", "the least probable candidates stay: sort downwards"),
    "turned round at the end": ("worst-first", "of the n_best, the worst comes first: the best first"),
    "mean": ("penalty-formula", "the score is the mean log-probability: sum / ((5 + n) / 6)^alpha"),
    "penalty at every step": (
        "penalty-at-every-step",
        "the length penalty is applied at every step: sums are compared plainly, scores are made at the end",
    ),
    "alpha fixed": ("alpha-ignored", "`alpha` has no effect: the scores are always those of alpha=0.6"),
    "no length penalty": ("penalty-missing", "`alpha` has no effect: divide the sum by ((5 + n) / 6)^alpha"),
    "penalty is a power of the length": (
        "penalty-formula",
        "the penalty is n^α: ((5 + n) / 6)^α is asked for",
    ),
    "penalty counts bos": ("penalty-length", "n counts bos as well: it counts the tokens of the hypothesis"),
    "penalty counts one less": (
        "penalty-length",
        "the penalty is ((4 + n) / 6)^α: n counts every token of the hypothesis, and 5 is added",
    ),
    "penalty leaves eos out": ("penalty-length", "n leaves eos out: it counts the tokens of the hypothesis"),
    "penalty not divided by 6": ("penalty-formula", "the penalty is (5 + n)^α: divide by 6, ((5 + n) / 6)^α"),
    "penalty multiplied": ("penalty-multiplied", "the sum was multiplied by the penalty: divide by it"),
    "ranked by the sum": (
        "ranked-by-the-sum",
        "hypotheses are ranked by their sums: by their scores at the end",
    ),
    "plain sums returned": ("plain-sums-returned", "the result has the sums: return the scores"),
    "not sorted": ("not-sorted", "the results come in the order in which they were found: the best first"),
    "n_best ignored": ("n-best-ignored", "more than `n_best` hypotheses came back: the n_best best alone"),
    "eos forced": (
        "end-forced",
        "what is alive at max_len got an eos that nobody chose: it stops as it is, unfinished",
    ),
    "worst first": ("worst-first", "the worst hypothesis comes first: sort downwards"),
    "eos stripped": ("eos-stripped", "a finished hypothesis came back without its eos: it ends with it"),
    "bos kept": ("bos-kept", "hypotheses came back with bos: it is no part of them"),
    "probabilities returned": (
        "probabilities-returned",
        "the scores are exponentiated: log-probabilities are asked for",
    ),
}
