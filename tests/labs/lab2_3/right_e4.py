"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
import torch

from phase2_intermediate.lab3_full_transformer.solution import beam_search as reference
from tests.labs.answers import Answers

right = Answers()


@right("E4")
def greedy_on_tensors():
    def greedy(step, bos, eos, max_len):
        prefix, total = torch.tensor([[bos]]), 0.0
        for _ in range(max_len):
            log_p = step(prefix)
            best = log_p.argmax(dim=-1)
            total += log_p[0, best].item()
            prefix = torch.cat([prefix, best[:, None]], dim=1)
            if best.item() == eos:
                break
        return prefix[0, 1:].tolist(), total

    return {"greedy": greedy}


@right("E4")
def greedy_by_recursion():
    def greedy(step, bos, eos, max_len, so_far=(), total=0.0):
        if len(so_far) == max_len or (so_far and so_far[-1] == eos):
            return list(so_far), total
        row = step(torch.tensor([[bos, *so_far]], dtype=torch.long))[0]
        token = int(row.argmax())
        return greedy(step, bos, eos, max_len, (*so_far, token), total + float(row[token]))

    return {"greedy": greedy}


@right("E4")
def beam_with_flat_topk():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError("n_best > beam")
        prefixes, sums, done = torch.tensor([[bos]]), torch.zeros(1, dtype=torch.float64), []
        for t in range(1, max_len + 1):
            scores = sums[:, None] + step(prefixes).double()
            classes = scores.shape[1]
            order = torch.sort(scores.flatten(), descending=True, stable=True)
            values, index = order.values[:beam], order.indices[:beam]
            keep = values > -math.inf
            values, index = values[keep], index[keep]
            longer = torch.cat([prefixes[index // classes], (index % classes)[:, None]], dim=1)
            ended = longer[:, -1] == eos
            for row, value in zip(longer[ended], values[ended], strict=True):
                done.append((row[1:].tolist(), value.item() / ((5 + t) / 6) ** alpha))
            prefixes, sums = longer[~ended], values[~ended]
            if len(prefixes) == 0:
                break
        for row, value in zip(prefixes, sums, strict=True):
            done.append((row[1:].tolist(), value.item() / ((5 + len(row) - 1) / 6) ** alpha))
        done.sort(key=lambda pair: pair[1], reverse=True)
        return done[:n_best]

    return {"beam_search": beam_search}


@dataclass
class Hypothesis:
    tokens: tuple[int, ...]
    total: float

    def score(self, alpha):
        return self.total / ((5 + len(self.tokens)) / 6) ** alpha


@right("E4")
def beam_with_a_heap():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError
        live, finished, serial = [Hypothesis((), 0.0)], [], 0
        while live:
            table = step(torch.as_tensor([[bos, *h.tokens] for h in live]))
            heap = []
            for h, row in zip(live, table.tolist(), strict=True):
                for token, log_p in enumerate(row):
                    if math.isinf(log_p):
                        continue
                    serial += 1
                    heapq.heappush(
                        heap, (-(h.total + log_p), serial, Hypothesis((*h.tokens, token), h.total + log_p))
                    )
            live = []
            for _ in range(min(beam, len(heap))):
                h = heapq.heappop(heap)[2]
                stop = h.tokens[-1] == eos or len(h.tokens) == max_len
                (finished if stop else live).append(h)
        # at max_len ended and cut off come together: the ended ones first among equals
        ranked = sorted(finished, key=lambda h: -h.score(alpha))
        return [(list(h.tokens), h.score(alpha)) for h in ranked[:n_best]]

    return {"beam_search": beam_search}


@right("E4")
def beam_that_stops_when_it_safely_can():
    def beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1):
        if n_best > beam:
            raise ValueError("too many")

        def score(total, n):
            return total / ((5 + n) / 6) ** alpha

        live, done = [([], 0.0)], []
        for n in range(1, max_len + 1):
            rows = step(torch.tensor([[bos, *y] for y, _ in live])).double().numpy()
            sums = rows + np.array([[total] for _, total in live])
            order = np.argsort(-sums, axis=None, kind="stable")[:beam]
            kept = [(i // sums.shape[1], i % sums.shape[1]) for i in order.tolist()]
            longer = [([*live[k][0], v], float(sums[k, v])) for k, v in kept if sums[k, v] > -np.inf]
            done += [(y, score(total, n)) for y, total in longer if y[-1] == eos]
            live = [(y, total) for y, total in longer if y[-1] != eos]
            done.sort(key=lambda pair: -pair[1])
            if not live:
                break
            bound = max(score(total, max_len if alpha > 0 else n) for _, total in live)
            if len(done) >= n_best and bound < done[n_best - 1][1]:
                live = []
                break
        done += [(y, score(total, len(y))) for y, total in live]
        return sorted(done, key=lambda pair: -pair[1])[:n_best]

    return {"beam_search": beam_search}


@right("E4")
def sampling_with_masks():
    def sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        prefix = torch.tensor([[bos]])
        for _ in range(max_len):
            logits = step(prefix)[0]
            if temperature == 0.0:
                nxt = logits.argmax()
            else:
                logits = logits / temperature
                if 0 < top_k < len(logits):
                    kth = logits.topk(top_k).values[-1]
                    logits = logits.masked_fill(logits < kth, -torch.inf)
                p = logits.softmax(-1)
                if top_p < 1:
                    values, order = p.sort(descending=True)
                    cut = values.cumsum(0) - values >= top_p
                    cut[0] = False
                    p = p.index_fill(0, order[cut], 0.0)
                nxt = torch.multinomial(p, 1, generator=generator)[0]
            prefix = torch.cat([prefix, nxt.view(1, 1)], 1)
            if nxt == eos:
                break
        return prefix[0, 1:].tolist()

    return {"sample": sample}


@right("E4")
def sampling_by_inversion():
    def sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        tokens = []
        while len(tokens) < max_len:
            row = [float(x) for x in step(torch.tensor([[bos, *tokens]]))[0]]
            order = sorted(range(len(row)), key=lambda i: (-row[i], i))
            if temperature == 0:
                order = order[:1]
            elif top_k > 0:
                order = order[:top_k]
            top = row[order[0]]
            heat = temperature or 1.0
            weights = [math.exp((row[i] - top) / heat) for i in order]
            mass, kept = 0.0, 0
            while kept < len(order) and (kept == 0 or mass < top_p * sum(weights) or top_p >= 1):
                mass += weights[kept]
                kept += 1
            u = torch.rand((), generator=generator, dtype=torch.float64).item() * mass
            place = 0
            while place + 1 < kept and u >= weights[place]:
                u -= weights[place]
                place += 1
            tokens.append(order[place])
            if tokens[-1] == eos:
                return tokens
        return tokens

    return {"sample": sample}


@right("E4")
def gumbel():
    def sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator):
        tokens = []
        for _ in range(max_len):
            row = step(torch.tensor([[bos, *tokens]])).squeeze(0).double()
            if temperature > 0:
                row = row / temperature
                values, order = torch.sort(row, descending=True, stable=True)
                if top_k:
                    values[top_k:] = -torch.inf
                p = values.softmax(0)
                before = torch.cat([torch.zeros(1), p.cumsum(0)[:-1]])
                keep = (before < top_p) if top_p < 1 else torch.ones(len(p), dtype=torch.bool)
                keep[0] = True
                values = values.masked_fill(~keep, -torch.inf)
                noise = -torch.log(-torch.log(torch.rand(len(p), generator=generator, dtype=torch.float64)))
                token = order[(values + noise).argmax()].item()
            else:
                token = row.argmax().item()
            tokens.append(token)
            if token == eos:
                break
        return tokens

    return {"sample": sample}


@right("E4")
def all_three_in_their_own_way():
    return {**greedy_by_recursion(), **beam_with_a_heap(), **sampling_by_inversion()}


@right("E4")
def no_alpha_means_the_usual_one():
    def beam_search(step, *args, alpha=None, **options):
        return reference(step, *args, alpha=0.6 if alpha is None else alpha, **options)

    return {"beam_search": beam_search}
