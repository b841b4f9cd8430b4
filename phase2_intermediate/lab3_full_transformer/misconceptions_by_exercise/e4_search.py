"""Wrong answers to E4."""

import math

import torch

from courseware.check import misconception


def beam(*, start=None, keep=None, stop=None, score=None, final=None, ends=None):
    """The right search in pieces; each misconception replaces one of them."""

    def right_score(total, tokens, alpha, eos):
        return total / ((5 + len(tokens)) / 6) ** alpha

    def best(candidates, live, width):
        return sorted(candidates, key=lambda c: -c[1])[:width]

    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError("too many")
        live = [([], 0.0)] if start is None else start(beam)
        found = []
        for _ in range(max_len):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).tolist()
            candidates = [
                [(([*y, v]), total + x) for v, x in enumerate(row) if x > -math.inf]
                for (y, total), row in zip(live, rows, strict=True)
            ]
            kept = (
                keep(candidates, beam) if keep else best([c for own in candidates for c in own], live, beam)
            )
            found += [c for c in kept if c[0][-1] == eos]
            live = [c for c in kept if c[0][-1] != eos]
            if not live or (stop and stop(found, live, beam, alpha)):
                break
        both = found + live if final is None else final(found, live)
        points = score or right_score
        scored = [(y, points(total, y, alpha, eos)) for y, total in both]
        scored = sorted(scored, key=lambda c: -c[1])[:n_best]
        return [(ends(y, bos, eos) if ends else y, value) for y, value in scored]

    return {"beam_search": beam_search}


def sampling(choose, *, last=True):
    """`choose(log_p, temperature, top_k, top_p, generator)` gives the next token."""

    def sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        tokens = []
        while len(tokens) < max_len and (eos not in tokens or not last):
            log_p = step(torch.tensor([[bos, *tokens]]))[0].double()
            if temperature == 0:
                tokens.append(int(log_p.argmax()))
            else:
                tokens.append(int(choose(log_p, temperature, top_k, top_p, generator)))
        return tokens

    return {"sample": sample}


def truncate(log_p, top_k, top_p, crossing=True, renormalise=True):
    values, order = log_p.sort(descending=True, stable=True)
    whole = values.softmax(0)
    values = values[: top_k or None]
    p = values.softmax(0) if renormalise else whole[: len(values)]
    mass = p.cumsum(0)
    keep = (mass - p if crossing else mass) < top_p
    keep[0] = True
    return order, p * (keep | (top_p >= 1))


def draw(order, p, generator):
    return order[torch.multinomial(p, 1, generator=generator)]


@misconception("E4", diagnosis="text-after-the-end")
def greedy_that_never_stops():
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        for _ in range(max_len):
            row = step(torch.tensor([[bos, *tokens]]))[0]
            tokens.append(int(row.argmax()))
            total += float(row.max())
        return tokens, total

    return {"greedy": greedy}


@misconception("E4", diagnosis="greedy-score")
def mean_log_probability():
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        while len(tokens) < max_len and eos not in tokens:
            row = step(torch.tensor([[bos, *tokens]]))[0]
            tokens.append(int(row.argmax()))
            total += float(row.max())
        return tokens, total / len(tokens)

    return {"greedy": greedy}


@misconception("E4", diagnosis="identical-beams")
def four_times_the_same():
    return beam(start=lambda width: [([], 0.0)] * width)


@misconception("E4", diagnosis="top-k-per-parent")
def each_parent_its_best():
    def keep(candidates, width):
        share = max(width // len(candidates), 1)
        return [c for own in candidates for c in sorted(own, key=lambda c: -c[1])[:share]]

    return beam(keep=keep)


@misconception("E4", diagnosis="stops-too-early")
def penalised_while_alive():
    def stop(found, live, width, alpha):
        def score(c):
            return c[1] / ((5 + len(c[0])) / 6) ** alpha

        return bool(found) and all(score(c) <= max(map(score, found)) for c in live)

    return beam(stop=stop, final=lambda found, live: found or live)


@misconception("E4", diagnosis="stops-at-the-first-end")
def content_with_one():
    return beam(stop=lambda found, live, width, alpha: bool(found), final=lambda found, live: found or live)


@misconception("E4", diagnosis="unfinished-forgotten")
def only_finished_ones():
    return beam(final=lambda found, live: found)


@misconception("E4", diagnosis="penalty-missing")
def no_penalty():
    return beam(score=lambda total, y, alpha, eos: total)


@misconception("E4", diagnosis="penalty-formula")
def power_of_the_length():
    return beam(score=lambda total, y, alpha, eos: total / len(y) ** alpha)


@misconception("E4", diagnosis="eos-stripped")
def without_eos():
    return beam(ends=lambda y, bos, eos: y[:-1] if y[-1] == eos else y)


@misconception("E4", diagnosis="underflow")
def multiplies_probabilities():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError("too many")
        live, found = [([], 1.0)], []
        for _ in range(max_len):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).double().exp().tolist()
            kept = [
                ([*y, v], p * x)
                for (y, p), row in zip(live, rows, strict=True)
                for v, x in enumerate(row)
                if x > 0
            ]
            kept = sorted(kept, key=lambda c: -c[1])[:beam]
            found += [c for c in kept if c[0][-1] == eos]
            live = [c for c in kept if c[0][-1] != eos]
            if not live:
                break
        scored = [
            (y, (math.log(p) if p else -math.inf) / ((5 + len(y)) / 6) ** alpha) for y, p in found + live
        ]
        return sorted(scored, key=lambda c: -c[1])[:n_best]

    return {"beam_search": beam_search}


@misconception("E4", diagnosis="top-p-drops-the-crossing-token")
def below_the_limit():
    def choose(log_p, temperature, top_k, top_p, generator):
        return draw(*truncate(log_p / temperature, top_k, top_p, crossing=False), generator)

    return sampling(choose)


@misconception("E4", diagnosis="top-p-before-top-k")
def mass_among_all():
    def choose(log_p, temperature, top_k, top_p, generator):
        return draw(*truncate(log_p / temperature, top_k, top_p, renormalise=False), generator)

    return sampling(choose)


@misconception("E4", diagnosis="temperature-multiplied")
def heat_upside_down():
    def choose(log_p, temperature, top_k, top_p, generator):
        return draw(*truncate(log_p * temperature, top_k, top_p), generator)

    return sampling(choose)


@misconception("E4", diagnosis="generator-ignored")
def global_randomness():
    def choose(log_p, temperature, top_k, top_p, generator):
        return draw(*truncate(log_p / temperature, top_k, top_p), None)

    return sampling(choose)
