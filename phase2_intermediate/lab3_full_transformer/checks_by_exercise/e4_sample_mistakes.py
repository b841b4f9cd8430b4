"""The known mistakes of E4's sampling, each by the distribution that it draws from."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.naming import value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import BOS, EOS, Table

probe = Probes()
P = (0.02, 0.08, 0.40, 0.28, 0.22)
DRAWS = 300


def truncated(
    p: tuple[float, ...], temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, wrong: str = ""
) -> list[float]:
    """The distribution to draw from; `wrong` names a mistake that is made on the way."""
    logs = [math.log(x) if x else -math.inf for x in p]
    heat = {"no temperature": 1.0, "temperature multiplied": 1 / temperature}.get(wrong, temperature)
    late = wrong == "temperature last"
    weights = [math.exp(x / (1.0 if late else heat)) for x in logs]
    if wrong == "top_k ignored":
        top_k = 0
    if wrong == "top_k off by one":
        top_k += top_k > 0
    if wrong == "top_k one too few":
        top_k = max(top_k - 1, 1) if top_k else 0
    if wrong == "least probable":
        weights = [1 / x if x else 0.0 for x in weights]
    order = sorted(range(len(p)), key=lambda i: -weights[i])
    full = [x / sum(weights) for x in weights]
    kept = set(order[: top_k or None])
    among = [x if i in kept else 0.0 for i, x in enumerate(weights)]
    among = [x / sum(among) for x in among]
    base = full if wrong == "top_p before top_k" else among
    mass, stay = 0.0, set()
    for i in order:
        if wrong == "top_p ignored" or top_p >= 1:
            stay.add(i)
            continue
        if wrong == "crossing token dropped":
            if mass + base[i] > top_p + 1e-12 and stay:
                break
        elif mass >= top_p:
            break
        stay.add(i)
        mass += base[i]
        if wrong == "one too many" and mass >= top_p:
            rest = [j for j in order if j not in stay]
            stay.update(rest[:1])
            break
    if wrong == "top_p as a threshold":
        stay = {i for i in order if base[i] >= 1 - top_p} or {order[0]}
    result = [x if i in stay and i in kept else 0.0 for i, x in enumerate(weights)]
    if late:
        result = [x ** (1 / heat) if x else 0.0 for x in result]
    if wrong == "uniform among the kept":
        result = [1.0 if x else 0.0 for x in result]
    total = sum(result)
    return [x / total for x in result]


MISTAKES = {
    "no temperature": (
        "temperature-ignored",
        "`temperature` has no effect: divide the log-probabilities by it",
    ),
    "temperature multiplied": (
        "temperature-multiplied",
        "the log-probabilities were multiplied by `temperature`: divide, so that heat flattens",
    ),
    "temperature last": (
        "temperature-last",
        "tokens were cut off before the temperature was applied: divide by it first, then top_k, then top_p",
    ),
    "top_k ignored": ("top-k-ignored", "`top_k` has no effect"),
    "top_k off by one": ("top-k-off-by-one", "top_k keeps one token too many"),
    "top_k one too few": ("top-k-off-by-one", "top_k keeps one token too few"),
    "top_p ignored": ("top-p-ignored", "`top_p` has no effect"),
    "crossing token dropped": (
        "top-p-drops-the-crossing-token",
        "top_p drops the token that crosses the limit: the kept mass stays below top_p. It is kept",
    ),
    "one too many": ("top-p-keeps-one-too-many", "top_p keeps one token more than is needed to reach it"),
    "top_p as a threshold": (
        "top-p-as-a-threshold",
        "top_p was taken for a threshold of single probabilities: it is about their sum, from the top",
    ),
    "top_p before top_k": (
        "top-p-before-top-k",
        "top_p counts the mass among all tokens: what top_k leaves has probabilities that add up to 1 again",
    ),
    "least probable": ("least-probable", "the least probable tokens stay: sort downwards"),
    "uniform among the kept": ("uniform", "all kept tokens are equally probable: draw in proportion to p"),
}
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.4},
    {"temperature": 3.0},
    {"top_k": 2},
    {"top_p": 0.6},
    {"top_p": 0.95},
    {"top_k": 3, "top_p": 0.7},
    {"temperature": 3.0, "top_p": 0.6},
    {"temperature": 4.0, "top_k": 4, "top_p": 0.72},
)


def how_many(settings: dict[str, Any]) -> str:
    return "".join(f"{k}={v}, " for k, v in settings.items())


def distance(p: list[float], q: list[float]) -> float:
    return sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2


def drawn(a: Any, t: Trial, how: dict[str, Any], p: tuple[float, ...] = P, draws: int = DRAWS) -> list[float]:
    """How often each token came when one token is drawn, many times."""
    table = Table("sample", len(p), rows=lambda prefix: p)
    generator = torch.Generator().manual_seed(t.random.getrandbits(40))
    words = f"sample(step, {BOS}, {EOS}, max_len=1, {how_many(how)}generator=…)"
    counts: Counter[int] = Counter()
    for _ in range(draws):
        tokens = value_of(
            t,
            lambda: a.sample(table, BOS, EOS, max_len=1, generator=generator, **how),
            "sample-raises",
            words,
        )
        valid(t, tokens, words, 1)
        counts[tokens[0]] += 1
    return [counts[i] / draws for i in range(len(p))]


def valid(t: Trial, tokens: Any, words: str, max_len: int) -> None:
    t.that(
        isinstance(tokens, list) and all(type(x) is int for x in tokens),
        f"{words} returned {tokens!r}, expected a list of Python ints",
        diagnosis="tokens-are-not-ints",
    )
    t.that(
        not (len(tokens) == max_len + 1 and tokens[0] == BOS),
        f"{words} returned {tokens}: bos is no part of it",
        diagnosis="bos-kept",
    )
    t.that(
        tokens != [],
        f"{words} returned an empty list: at least one token is drawn, and an eos stays at the end",
        diagnosis="eos-stripped",
    )
    t.that(
        1 <= len(tokens) <= max_len,
        f"{words} returned {len(tokens)} tokens, expected between 1 and {max_len}",
        diagnosis="max-len",
    )


@probe("the-distribution")
def distribution(a: Any, t: Trial) -> None:
    found = [drawn(a, t, how) for how in SETTINGS]
    if max(found[0]) == 1:
        best_alone = found[0][2] == 1
        t.fail(
            f"{DRAWS} draws gave {DRAWS} times the same token"
            + (
                ", the most probable: draw at random"
                if best_alone
                else ": draw with `generator`, not a new one"
            ),
            diagnosis="always-the-best" if best_alone else "generator-ignored",
        )
    right = [truncated(P, **how) for how in SETTINGS]
    if max(map(distance, found, right)) < 0.13:
        return
    ranked = [[*sorted(truncated(P, **how), reverse=True)] for how in SETTINGS]
    if max(map(distance, found, ranked)) < 0.13:
        t.fail(
            "what comes back is the *rank* of a token: look its number up in the sorted order",
            diagnosis="ranks-instead-of-tokens",
        )
    fits = {
        wrong: max(
            distance(f, truncated(P, **how, wrong=wrong)) for f, how in zip(found, SETTINGS, strict=True)
        )
        for wrong in MISTAKES
    }
    best = min(fits, key=lambda wrong: fits[wrong])
    if fits[best] < 0.13:
        diagnosis, words = MISTAKES[best]
        t.fail(words, diagnosis=diagnosis)
    far = [distance(f, r) for f, r in zip(found, right, strict=True)]
    number = next(i for i, x in enumerate(far) if x >= 0.13)
    how = ", ".join(f"{k}={v}" for k, v in SETTINGS[number].items()) or "the defaults"
    name = "-and-".join(sorted(SETTINGS[number])).replace("_", "-") or "plain-sampling"
    shown = ", ".join(f"{x:.2f}" for x in found[number])
    wanted = ", ".join(f"{x:.2f}" for x in right[number])
    t.fail(
        f"with {how}, tokens of probability {', '.join(map(str, P))} came in shares {shown}, expected "
        f"{wanted}",
        diagnosis=f"wrong-with-{name}",
    )


@probe("limits-of-sampling")
def limits(a: Any, t: Trial) -> str | None:
    for how, words in (
        ({"temperature": 0.0}, "temperature=0 is greedy choice"),
        ({"top_k": 1}, "top_k=1 leaves the most probable token"),
        ({"top_p": 1e-9}, "a tiny top_p still leaves the most probable token"),
        ({"top_p": 0.0}, "top_p=0 still leaves the most probable token"),
        ({"temperature": 1e-4}, "temperature=0.0001 is nearly greedy, and exp must not overflow"),
    ):
        name = next(iter(how)).replace("_", "-") + "-at-its-limit"
        found = value_of(t, lambda how=how: drawn(a, t, how, draws=12), name, f"{how}")
        t.that(found[2] == 1, f"{words}: only token 2 may come", diagnosis=name)
    for how in ({"top_k": 50}, {"top_k": 5}):
        t.that(
            distance(drawn(a, t, how), list(P)) < 0.13,
            f"{how} with 5 tokens keeps all of them",
            diagnosis="top-k-at-its-limit",
        )
    endless = Table("endless", 3, rows=lambda prefix: (0.5, 0.0, 0.5))
    found = value_of(
        t,
        lambda: a.sample(endless, BOS, EOS, generator=torch.Generator().manual_seed(1)),
        "sample-raises",
        "sample without max_len",
    )
    t.that(
        len(found) == 20, f"without max_len, {len(found)} tokens are drawn: 20 at most", diagnosis="max-len"
    )
    t.that(
        len(set(found)) > 1,
        f"20 draws among two equally probable tokens gave {found[0]} each time: every token needs a new "
        "random number of `generator`",
        diagnosis="draws-repeat",
    )
    close = (0.0, 0.0, 0.34, 0.33, 0.33)
    cold = value_of(
        t, lambda: drawn(a, t, {"temperature": 0.0}, close, 20), "temperature-at-its-limit", "temperature=0"
    )
    t.that(
        cold[2] == 1,
        "with temperature=0 tokens of probability 0.33 came beside the one of 0.34: 0 stands for greedy "
        "choice, not for a low temperature",
        diagnosis="temperature-at-its-limit",
    )
    gaps = (0.5, 0.5, 0.0, 0.0, 0.0)
    found = value_of(
        t, lambda: drawn(a, t, {"top_k": 3}, gaps, 40), "impossible-token-drawn", "−∞ among the top k"
    )
    if sum(found[2:]) > 0:
        t.fail("a token of probability 0 was drawn", diagnosis="impossible-token-drawn")
    return None


@probe("several-tokens")
def several(a: Any, t: Trial) -> str | None:
    table = Table(f"{t.seed}/several", 4, end=0.7)
    before = torch.get_rng_state()
    for number in range(20):
        pair = []
        for _ in range(2):
            generator = torch.Generator().manual_seed(number)
            tokens = value_of(
                t,
                lambda generator=generator: a.sample(table, BOS, EOS, max_len=5, generator=generator),
                "sample-raises",
                "sample(step, bos, eos, max_len=5, generator=…)",
            )
            valid(t, tokens, "sample(step, bos, eos, max_len=5, generator=…)", 5)
            pair.append(tokens)
        t.that(
            pair[0] == pair[1],
            "two generators with the same seed gave different tokens: draw with `generator` only",
            diagnosis="generator-ignored",
        )
        t.that(
            EOS in tokens or len(tokens) == 5,
            f"{tokens} stopped without eos before max_len=5",
            diagnosis="stops-without-an-end",
        )
        t.that(
            tokens.index(EOS) == len(tokens) - 1 if EOS in tokens else True,
            f"{tokens} goes on after eos",
            diagnosis="text-after-the-end",
        )
    if not torch.equal(before, torch.get_rng_state()):
        return "torch's global generator was used: draw with `generator` only"
    seeds = {
        tuple(a.sample(table, BOS, EOS, max_len=5, generator=torch.Generator().manual_seed(n)))
        for n in range(20)
    }
    if len(seeds) < 3:
        t.fail("twenty seeds gave almost always the same tokens", diagnosis="generator-ignored")
    return None
