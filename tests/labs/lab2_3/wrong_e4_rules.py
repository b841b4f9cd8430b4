"""Wrong answers to E4 that break one rule of the beam alone: who takes whose place, when it stops, ties,
defaults."""

from __future__ import annotations

import math

import torch

from phase2_intermediate.lab3_full_transformer.solution import beam_search as right_search
from phase2_intermediate.lab3_full_transformer.solution import sample as right_sample
from tests.labs.answers import Answers

wrong = Answers()


def score(total, n, alpha):
    return total / ((5 + n) / 6) ** alpha


def keep_the_best(ranked, beam, eos):
    best = ranked[:beam]
    return [c for c in best if c[0][-1] == eos], [c for c in best if c[0][-1] != eos]


def ranked_by_score(found, live, alpha):
    scored = [(y, score(total, len(y), alpha)) for y, total in found + live]
    return sorted(scored, key=lambda c: -c[1])


def search(*, keep=keep_the_best, stop=lambda *_: False, finish=ranked_by_score, cut=lambda x, n: x[:n]):
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError("more than the beam holds")
        live, found = [([], 0.0)], []
        for _ in range(max_len):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).tolist()
            pairs = zip(live, rows, strict=True)
            everything = [
                ([*y, v], s + x) for (y, s), row in pairs for v, x in enumerate(row) if x > -math.inf
            ]
            ends, live = keep(sorted(everything, key=lambda c: -c[1]), beam, eos)
            found += ends
            if not live or stop(found, live, n_best, alpha):
                break
        return cut(finish(found, live, alpha), n_best)

    return {"beam_search": beam_search}


@wrong("E4")
def places_of_the_finished_are_filled_up():
    def keep(ranked, beam, eos):
        ends = [c for c in ranked[:beam] if c[0][-1] == eos]
        return ends, [c for c in ranked if c[0][-1] != eos][:beam]

    return search(keep=keep)


@wrong("E4")
def every_end_is_put_aside():
    def keep(ranked, beam, eos):
        return [c for c in ranked if c[0][-1] == eos], [c for c in ranked[:beam] if c[0][-1] != eos]

    return search(keep=keep)


@wrong("E4")
def stops_with_n_best_ends_and_ranks_the_living_too():
    return search(stop=lambda found, live, n_best, alpha: len(found) >= n_best)


@wrong("E4")
def stops_when_the_living_score_less_now():
    def stop(found, live, n_best, alpha):
        scores = sorted((score(total, len(y), alpha) for y, total in found), reverse=True)
        return len(found) >= n_best and scores[n_best - 1] > score(live[0][1], len(live[0][0]), alpha)

    return search(stop=stop)


@wrong("E4")
def alpha_is_always_the_default():
    return search(finish=lambda found, live, alpha: ranked_by_score(found, live, 0.6))


@wrong("E4")
def length_counted_from_zero():
    def finish(found, live, alpha):
        scored = [(y, score(total, len(y) - 1, alpha)) for y, total in found + live]
        return sorted(scored, key=lambda c: -c[1])

    return search(finish=finish)


@wrong("E4")
def in_the_order_of_finding():
    def finish(found, live, alpha):
        return [(y, score(total, len(y), alpha)) for y, total in found + live]

    return search(finish=finish)


@wrong("E4")
def all_that_was_found():
    return search(cut=lambda hypotheses, n: hypotheses)


@wrong("E4")
def eos_appended_at_the_limit():
    def finish(found, live, alpha):
        return ranked_by_score(found, [([*y, 1], total) for y, total in live], alpha)

    return search(finish=finish)


@wrong("E4")
def equal_scores_put_the_living_first():
    return search(finish=lambda found, live, alpha: ranked_by_score(live, found, alpha))


@wrong("E4")
def equal_scores_in_alphabetical_order():
    def finish(found, live, alpha):
        return sorted(ranked_by_score(found, live, alpha), key=lambda c: (-c[1], c[0]))

    return search(finish=finish)


@wrong("E4")
def greedy_never_says_nothing():
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        while len(tokens) < max_len and eos not in tokens:
            row = step(torch.tensor([[bos, *tokens]]))[0].clone()
            if not tokens:
                row[eos] = -math.inf
            tokens.append(int(row.argmax()))
            total += float(row.max())
        return tokens, total

    return {"greedy": greedy}


@wrong("E4")
def a_wider_beam_by_default():
    def beam_search(step, bos, eos, *, beam=5, max_len=20, alpha=0.6, n_best=1):
        return right_search(step, bos, eos, beam=beam, max_len=max_len, alpha=alpha, n_best=n_best)

    return {"beam_search": beam_search}


@wrong("E4")
def cold_by_default():
    def sample(step, bos, eos, *, max_len=20, temperature=0.7, top_k=0, top_p=1.0, generator):
        how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return right_sample(step, bos, eos, max_len=max_len, generator=generator, **how)

    return {"sample": sample}


def searching(*, stay=False, tie=None, stop=None):
    """A beam search by the rules, but for one."""

    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError(n_best)
        live, done = [([], 0.0)], []
        for _ in range(max_len):
            rows = step(torch.tensor([[bos, *tokens] for tokens, _ in live])).tolist()
            kept = [
                ([*tokens, v], total + x)
                for (tokens, total), row in zip(live, rows, strict=True)
                for v, x in enumerate(row)
                if x > -math.inf
            ]
            if stay:
                kept, done = done + kept, []
            kept = sorted(kept, key=tie or (lambda x: -x[1]))[:beam]
            done += [x for x in kept if x[0][-1] == eos]
            live = [x for x in kept if x[0][-1] != eos]
            if not live or (stop and stop(done, live, n_best)):
                break
        scored = [(tokens, total / ((5 + len(tokens)) / 6) ** alpha) for tokens, total in done + live]
        return sorted(scored, key=lambda x: -x[1])[:n_best]

    return {"beam_search": beam_search}


@wrong("E4")
def finished_ones_stay_in_the_beam():
    return searching(stay=True)


@wrong("E4")
def equals_by_all_their_tokens():
    return searching(tie=lambda x: (-x[1], x[0]))


@wrong("E4")
def stops_when_the_best_sum_has_ended():
    def stop(done, live, n_best):
        return len(done) >= n_best and max(s for _, s in done) > max(s for _, s in live)

    return searching(stop=stop)


@wrong("E4")
def zero_is_a_low_temperature():
    def cold(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        how = {"max_len": max_len, "top_k": top_k, "top_p": top_p, "generator": generator}
        return right_sample(step, bos, eos, temperature=max(temperature, 0.05), **how)

    return {"sample": cold}


@wrong("E4")
def one_random_number_for_all():
    def again(step, bos, eos, *, generator, **how):
        state = generator.get_state()

        def rewound(prefixes):
            generator.set_state(state)
            return step(prefixes)

        return right_sample(rewound, bos, eos, generator=generator, **how)

    return {"sample": again}
