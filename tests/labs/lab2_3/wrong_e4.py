"""Wrong answers to E4, as strangers would make them."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

wrong = Answers()


def greedy_with(
    *, limit=lambda n: n, result=lambda tokens, total: (tokens, total), stop=True, bos_kept=False
):
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        while len(tokens) < limit(max_len):
            row = step(torch.tensor([[bos, *tokens]]))[0]
            token = int(row.argmax())
            total += float(row[token])
            tokens.append(token)
            if stop and token == eos:
                break
        return result([bos, *tokens] if bos_kept else tokens, total)

    return {"greedy": greedy}


@wrong("E4")
def greedy_without_eos():
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        for _ in range(max_len):
            row = step(torch.tensor([[bos, *tokens]]))[0]
            token = int(row.argmax())
            total += float(row[token])
            if token == eos:
                break
            tokens.append(token)
        return tokens, total

    return {"greedy": greedy}


@wrong("E4")
def greedy_with_bos():
    return greedy_with(bos_kept=True)


@wrong("E4")
def greedy_one_token_short():
    return greedy_with(limit=lambda n: n - 1)


@wrong("E4")
def greedy_returns_a_tensor():
    return greedy_with(result=lambda tokens, total: (torch.tensor(tokens), total))


@wrong("E4")
def greedy_score_is_a_tensor():
    return greedy_with(result=lambda tokens, total: (tokens, torch.tensor(total)))


@wrong("E4")
def greedy_probability():
    return greedy_with(result=lambda tokens, total: (tokens, math.exp(total)))


@wrong("E4")
def greedy_only_tokens():
    return greedy_with(result=lambda tokens, total: tokens)


@wrong("E4")
def greedy_least_probable():
    def greedy(step, bos, eos, max_len):
        tokens, total = [], 0.0
        while len(tokens) < max_len and eos not in tokens:
            row = step(torch.tensor([[bos, *tokens]]))[0]
            tokens.append(int(row.argmin()))
            total += float(row.min())
        return tokens, total

    return {"greedy": greedy}


def beam_with(
    *,
    limit=lambda n: n,
    sort=lambda c: -c[1],
    width=lambda beam, found: beam,
    score=lambda total, n, alpha: total / ((5 + n) / 6) ** alpha,
    check=True,
    drop=True,
    copies=1,
    end=None,
    result=None,
    steps=None,
):
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if check and n_best > beam:
            raise ValueError("too many")
        live, found = [([], 0.0)] * copies, []
        for _ in range(limit(max_len)):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).tolist()
            all_ = [
                ([*y, v], total + x)
                for (y, total), row in zip(live, rows, strict=True)
                for v, x in enumerate(row)
                if x > -math.inf or not drop
            ]
            if steps:
                all_ = [(y, steps(total, len(y), alpha)) for y, total in all_]
            kept = sorted(all_, key=sort)[: max(width(beam, found), 0)]
            found += [c for c in kept if c[0][-1] == eos]
            live = [c for c in kept if c[0][-1] != eos]
            if not live or (end and end(found, live, beam)):
                break
        scored = sorted([(y, score(total, len(y), alpha)) for y, total in found + live], key=lambda c: -c[1])[
            :n_best
        ]
        return result(scored) if result else scored

    return {"beam_search": beam_search}


@wrong("E4")
def stops_with_beam_hypotheses():
    def beam_search(step, bos, eos, **how):
        inner = beam_with(end=lambda found, live, beam: len(found) >= beam)["beam_search"]
        return inner(step, bos, eos, **how)

    return {"beam_search": beam_search}


@wrong("E4")
def shrinking_beam():
    return beam_with(width=lambda beam, found: beam - len(found))


@wrong("E4")
def twice_the_beam():
    return beam_with(width=lambda beam, found: 2 * beam)


@wrong("E4")
def beam_plus_one():
    return beam_with(width=lambda beam, found: beam + 1)


@wrong("E4")
def beam_of_one():
    return beam_with(width=lambda beam, found: 1)


@wrong("E4")
def one_step_more():
    return beam_with(limit=lambda n: n + 1)


@wrong("E4")
def one_step_less():
    return beam_with(limit=lambda n: max(n - 1, 1))


@wrong("E4")
def penalty_multiplies():
    return beam_with(score=lambda total, n, alpha: total * ((5 + n) / 6) ** alpha)


@wrong("E4")
def penalty_without_the_six():
    return beam_with(score=lambda total, n, alpha: total / (5 + n) ** alpha)


@wrong("E4")
def penalty_is_the_mean():
    return beam_with(score=lambda total, n, alpha: total / n)


@wrong("E4")
def penalty_counts_bos():
    return beam_with(score=lambda total, n, alpha: total / ((6 + n) / 6) ** alpha)


@wrong("E4")
def penalty_at_every_step():
    return beam_with(
        steps=lambda total, n, alpha: total / ((5 + n) / 6) ** alpha, score=lambda total, n, alpha: total
    )


@wrong("E4")
def no_value_error():
    return beam_with(check=False)


@wrong("E4")
def impossible_ones_too():
    return beam_with(drop=False)


@wrong("E4")
def one_pair_instead_of_a_list():
    return beam_with(result=lambda scored: scored[0])


@wrong("E4")
def only_the_hypotheses():
    return beam_with(result=lambda scored: [y for y, _ in scored])


@wrong("E4")
def tuples_of_tokens():
    return beam_with(result=lambda scored: [(tuple(y), s) for y, s in scored])


@wrong("E4")
def worst_of_the_best_first():
    return beam_with(result=lambda scored: scored[::-1])


@wrong("E4")
def least_probable_beams():
    return beam_with(sort=lambda c: c[1])


@wrong("E4")
def finished_ones_go_on():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError
        live = [([], 0.0)]
        for _ in range(max_len):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).tolist()
            kept = [
                ([*y, v], s + x) for (y, s), row in zip(live, rows, strict=True) for v, x in enumerate(row)
            ]
            live = sorted(kept, key=lambda c: -c[1])[:beam]
        return [(y, s / ((5 + len(y)) / 6) ** alpha) for y, s in live][:n_best]

    return {"beam_search": beam_search}


@wrong("E4")
def greedy_in_disguise():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError
        tokens, total = [], 0.0
        while len(tokens) < max_len and eos not in tokens:
            row = step(torch.tensor([[bos, *tokens]]))[0]
            tokens.append(int(row.argmax()))
            total += float(row.max())
        return [(tokens, total / ((5 + len(tokens)) / 6) ** alpha)]

    return {"beam_search": beam_search}


def sampling(choose, *, limit=lambda n: n, stop=True, bos_kept=False, result=lambda y: y):
    def sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        tokens = []
        while len(tokens) < limit(max_len):
            row = step(torch.tensor([[bos, *tokens]]))[0].double()
            tokens.append(int(choose(row, temperature, top_k, top_p, generator)))
            if stop and tokens[-1] == eos:
                break
        return result([bos, *tokens] if bos_kept else tokens)

    return {"sample": sample}


def choose(row, temperature, top_k, top_p, generator):
    if temperature == 0:
        return row.argmax()
    values, order = (row / temperature).sort(descending=True, stable=True)
    p = values[: top_k or None].softmax(0)
    p = p * (((p.cumsum(0) - p) < top_p) | (top_p >= 1))
    p[0] = max(p[0], 1e-300)
    return order[torch.multinomial(p, 1, generator=generator)]


@wrong("E4")
def sample_ignores_the_temperature():
    return sampling(lambda row, heat, k, p, g: choose(row, 1.0 if heat else 0, k, p, g))


@wrong("E4")
def sample_ignores_top_k():
    return sampling(lambda row, heat, k, p, g: choose(row, heat, 0, p, g))


@wrong("E4")
def sample_ignores_top_p():
    return sampling(lambda row, heat, k, p, g: choose(row, heat, k, 1.0, g))


@wrong("E4")
def sample_divides_by_zero():
    def hot(row, heat, k, p, g):
        return choose(row, heat or float("nan"), k, p, g)

    return sampling(hot)


@wrong("E4")
def sample_top_k_beyond_the_vocabulary():
    def by_topk(row, heat, k, p, g):
        if k:
            values, index = row.topk(k)
            row = torch.full_like(row, -torch.inf).index_put((index,), values)
        return choose(row, heat, 0, p, g)

    return sampling(by_topk)


@wrong("E4")
def sample_top_p_keeps_nothing():
    def nothing(row, heat, k, p, g):
        if heat == 0:
            return row.argmax()
        values, order = (row / heat).sort(descending=True)
        q = values[: k or None].softmax(0)
        q = q * ((q.cumsum(0) <= p) | (p >= 1))
        return order[torch.multinomial(q, 1, generator=g)]

    return sampling(nothing)


@wrong("E4")
def sample_from_the_order():
    def unsorted(row, heat, k, p, g):
        if heat == 0:
            return row.argmax()
        values, _ = (row / heat).sort(descending=True)
        q = values[: k or None].softmax(0)
        q = q * (((q.cumsum(0) - q) < p) | (p >= 1))
        q[0] = max(q[0], 1e-300)
        return torch.multinomial(q, 1, generator=g)

    return sampling(unsorted)


@wrong("E4")
def sample_always_the_best():
    return sampling(lambda row, heat, k, p, g: row.argmax())


@wrong("E4")
def sample_with_the_global_generator():
    return sampling(lambda row, heat, k, p, g: choose(row, heat, k, p, None))


@wrong("E4")
def sample_with_a_seed_of_its_own():
    return sampling(lambda row, heat, k, p, g: choose(row, heat, k, p, torch.Generator().manual_seed(0)))


@wrong("E4")
def sample_with_bos():
    return sampling(choose, bos_kept=True)


@wrong("E4")
def sample_never_stops():
    return sampling(choose, stop=False)


@wrong("E4")
def sample_one_too_long():
    return sampling(choose, limit=lambda n: n + 1)


@wrong("E4")
def sample_returns_a_tensor():
    return sampling(choose, result=torch.tensor)


@wrong("E4")
def sample_uniform_among_the_kept():
    def even(row, heat, k, p, g):
        if heat == 0:
            return row.argmax()
        values, order = (row / heat).sort(descending=True, stable=True)
        q = values[: k or None].softmax(0)
        keep = (((q.cumsum(0) - q) < p) | (p >= 1)) & (q > 0)
        keep[0] = True
        return order[torch.multinomial(keep.double(), 1, generator=g)]

    return sampling(even)
