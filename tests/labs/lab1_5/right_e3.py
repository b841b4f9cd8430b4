"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import heapq
import math
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from tests.labs.answers import Answers

right = Answers()


@right("E3")
def hooks_on_saved_tensors():
    """No Function: what would be saved is replaced by a number, and computed again when it is asked for."""

    def checkpoint(fn, *args):
        if not torch.is_grad_enabled():
            return fn(*args)
        state = torch.get_rng_state()
        kept = [a.detach() for a in args]
        wants = [a.requires_grad for a in args]
        again: list[Tensor] = []
        count = 0

        def pack(_):
            nonlocal count
            count += 1
            return count - 1

        def unpack(number):
            if not again:
                inner: list[Tensor] = []

                def keep(t):
                    inner.append(t.detach())
                    return t

                inputs = [k.requires_grad_(w) if w else k for k, w in zip(kept, wants, strict=True)]
                now = torch.get_rng_state()
                torch.set_rng_state(state)
                with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
                    fn(*[i.view_as(i) if i.requires_grad else i for i in inputs])
                torch.set_rng_state(now)
                again.extend(inner)
            return again[number]

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            return fn(*args)

    return {"checkpoint": checkpoint}


@right("E3")
def setup_context_and_flat_results():
    class Again(torch.autograd.Function):
        @staticmethod
        def forward(call, dummy, *args):
            with torch.no_grad():
                result = call["fn"](*args)
            call["single"] = isinstance(result, Tensor)
            return (result,) if call["single"] else tuple(result)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.call = inputs[0]
            ctx.save_for_backward(*inputs[2:])

        @staticmethod
        def backward(ctx, *above):
            now = torch.get_rng_state()
            torch.set_rng_state(ctx.call["state"])
            copies = []
            for x in ctx.saved_tensors:
                c = x.detach()
                c.requires_grad = x.requires_grad
                copies.append(c)
            with torch.enable_grad():
                outs = ctx.call["fn"](*copies)
                outs = [outs] if isinstance(outs, Tensor) else list(outs)
                total = sum((o * g).sum() for o, g in zip(outs, above, strict=True) if o.requires_grad)
            torch.set_rng_state(now)
            if isinstance(total, Tensor):
                total.backward()
            return (None, None, *[c.grad for c in copies])

    def checkpoint(fn, *args):
        call = {"fn": fn, "state": torch.get_rng_state()}
        outs = Again.apply(call, torch.ones(1, requires_grad=True), *args)
        return outs[0] if call["single"] else outs

    return {"checkpoint": checkpoint}


def own_checkpoint():
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, fn, _, *args):
            ctx.fn = fn
            ctx.state = torch.random.get_rng_state()
            ctx.args = args  # kept on ctx: also allowed, they are the caller's own tensors
            return fn(*[a.detach() for a in args])

        @staticmethod
        def backward(ctx, *gs):
            with torch.random.fork_rng(devices=[]):
                torch.random.set_rng_state(ctx.state)
                with torch.set_grad_enabled(True):
                    xs = [a.detach().requires_grad_(a.requires_grad) for a in ctx.args]
                    ys = ctx.fn(*xs)
            ys = ys if isinstance(ys, tuple) else (ys,)
            keep = [i for i, y in enumerate(ys) if y.requires_grad]
            torch.autograd.backward(tuple(ys[i] for i in keep), tuple(gs[i] for i in keep))
            return None, None, *(x.grad for x in xs)

    def checkpoint(fn, *args):
        if not torch.is_grad_enabled():
            return fn(*args)
        return Function.apply(fn, torch.empty(0, requires_grad=True), *args)

    return checkpoint


@right("E3")
def inputs_on_ctx():
    return {"checkpoint": own_checkpoint()}


@right("E3")
def chain_with_partial():
    checkpoint = own_checkpoint()

    def run(blocks, start, end, h):
        for i in range(start, end):
            h = blocks[i](h)
        return h

    def checkpoint_chain(blocks, x, segments):
        base, rest = divmod(len(blocks), segments)
        start = 0
        for s in range(segments):
            end = start + base + (1 if s < rest else 0)
            x = checkpoint(partial(run, blocks, start, end), x)
            start = end
        return x

    return {"checkpoint_chain": checkpoint_chain}


@right("E3")
def chain_with_array_split():
    checkpoint = own_checkpoint()

    def checkpoint_chain(blocks, x, segments):
        for piece in torch.arange(len(blocks)).tensor_split(segments):
            part = nn.ModuleList([blocks[i] for i in piece.tolist()])

            def forward(h, part=part):
                for block in part:
                    h = block(h)
                return h

            x = checkpoint(forward, x)
        return x

    return {"checkpoint_chain": checkpoint_chain}


@right("E3")
def recursive_chain():
    checkpoint = own_checkpoint()

    def checkpoint_chain(blocks, x, segments):
        if segments == 0:
            return x
        length = math.ceil(len(blocks) / segments)
        head = list(blocks)[:length]

        def run(h):
            for block in head:
                h = block(h)
            return h

        return checkpoint_chain(list(blocks)[length:], checkpoint(run, x), segments - 1)

    return {"checkpoint_chain": checkpoint_chain}


@right("E3")
def shortest_path_for_each_limit():
    def best_segments(n_blocks, act_bytes):
        prefix = [0]
        for size in act_bytes:
            prefix.append(prefix[-1] + size)

        def rest(i, j):
            return prefix[j] - prefix[i + 1]

        best = (math.inf, [])
        for limit in sorted({rest(i, j) for i in range(n_blocks) for j in range(i + 1, n_blocks + 1)}):
            if limit >= best[0]:
                break
            cost, came = {0: 0}, {}
            heap = [(0, 0)]
            while heap:
                c, i = heapq.heappop(heap)
                if i == n_blocks:
                    break
                if c > cost[i]:
                    continue
                for j in range(i + 1, n_blocks + 1):
                    if rest(i, j) > limit:
                        break
                    if c + act_bytes[i] < cost.get(j, math.inf):
                        cost[j], came[j] = c + act_bytes[i], i
                        heapq.heappush(heap, (cost[j], j))
            path, node = [], n_blocks
            while node:
                node = came[node]
                path.append(node)
            if cost[n_blocks] + limit < best[0]:
                best = cost[n_blocks] + limit, path[::-1][1:]
        return best[1]

    return {"best_segments": best_segments}


@right("E3")
def memoised_recursion():
    def best_segments(n_blocks, act_bytes):
        limits = {sum(act_bytes[i + 1 : j]) for i in range(n_blocks) for j in range(i + 1, n_blocks + 1)}
        answers = []
        for limit in limits:

            @lru_cache(None)
            def cheapest(start, limit=limit):
                """(bytes of inputs, cuts) for the blocks from `start` on, where a segment begins."""
                if start == n_blocks:
                    return 0, ()
                found, rest = (math.inf, ()), 0
                for end in range(start + 1, n_blocks + 1):
                    if end > start + 1:
                        rest += act_bytes[end - 1]
                    if rest > limit:
                        break
                    inputs, cuts = cheapest(end)
                    found = min(
                        found, (act_bytes[start] + inputs, (*(() if end == n_blocks else (end,)), *cuts))
                    )
                return found

            inputs, cuts = cheapest(0)
            answers.append((inputs + limit, list(cuts)))
        return min(answers)[1]

    return {"best_segments": best_segments}


@right("E3")
def fronts_of_pairs():
    def best_segments(n_blocks, act_bytes):
        fronts = [[(0, 0, ())]]
        for end in range(1, n_blocks + 1):
            new = []
            for start in range(end):
                rest = sum(act_bytes[start + 1 : end])
                for inputs, most, cuts in fronts[start]:
                    new.append(
                        (inputs + act_bytes[start], max(most, rest), (*cuts, start) if start else cuts)
                    )
            new.sort(key=lambda entry: entry[:2])
            front, lowest = [], math.inf
            for entry in new:
                if entry[1] < lowest:
                    front.append(entry)
                    lowest = entry[1]
            fronts.append(front)
        return list(min(fronts[-1], key=lambda e: e[0] + e[1])[2])

    return {"best_segments": best_segments}
