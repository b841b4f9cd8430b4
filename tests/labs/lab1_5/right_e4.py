"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import math
import time

import torch
from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import Attend, Cost
from tests.labs.answers import Answers

right = Answers()


def nbytes(tensors):
    return sum(x.numel() * x.element_size() for x in tensors)


@right("E4")
def wraps_forward():
    """No hooks: each leaf's forward is exchanged for one that counts."""

    def count_cost(model, x):
        totals, originals, modes = {}, [], [m.training for m in model.modules()]

        def watch(name, leaf):
            original = leaf.forward

            def forward(*inputs):
                output = original(*inputs)
                kind = type(leaf).__name__
                if kind == "Linear":
                    rows = math.prod(inputs[0].shape[:-1])
                    work = 2 * rows * leaf.weight.shape[0] * leaf.weight.shape[1]
                elif kind == "Conv2d":
                    n, _, h, w = output.shape
                    kh, kw = leaf.kernel_size
                    work = 2 * n * h * w * leaf.out_channels * (leaf.in_channels // leaf.groups) * kh * kw
                elif kind == "Attend":
                    b, heads, t, d = inputs[0].shape
                    s = inputs[1].size(2)
                    work = 2 * b * heads * t * s * d * 2
                else:
                    work = output.numel()
                entry = totals.setdefault(name, [0, 0, 0])
                entry[0] += work
                entry[1] += nbytes(inputs) + nbytes(leaf.parameters())
                entry[2] += nbytes([output])
                return output

            leaf.forward = forward
            originals.append(leaf)

        for name, module in model.named_modules():
            if len(module._modules) == 0:
                watch(name, module)
        try:
            with torch.inference_mode():
                model.eval()
                model(x)
        finally:
            for leaf in originals:
                del leaf.forward
            for module, mode in zip(model.modules(), modes, strict=True):
                module.training = mode
        return {name: Cost(*entry) for name, entry in totals.items()}

    return {"count_cost": count_cost}


@right("E4")
def pre_and_post_hooks_with_lists():
    def count_cost(model, x):
        calls = []
        handles = []
        for name, m in model.named_modules():
            if not any(True for _ in m.children()):
                handles.append(
                    m.register_forward_hook(lambda m, i, o, name=name: calls.append((name, m, i, o)))
                )
        training = [(m, m.training) for m in model.modules()]
        for m, _ in training:
            m.training = False
        with torch.no_grad():
            model(x)
        [h.remove() for h in handles]
        for m, t in training:
            m.training = t
        result = {}
        for name, m, inputs, out in calls:
            match m:
                case nn.Linear():
                    flops = 2 * out.numel() * m.in_features
                case nn.Conv2d():
                    flops = 2 * out.numel() * math.prod(m.weight.shape[1:])
                case Attend():
                    q, k, v = inputs
                    flops = 2 * q.shape[:-1].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])
                case _:
                    flops = out.numel()
            read = sum(t.nbytes for t in inputs) + sum(p.nbytes for p in m.parameters(recurse=False))
            before = result.get(name)
            cost = Cost(flops, read, out.nbytes)
            if before:
                cost = Cost(
                    before.flops + cost.flops,
                    before.bytes_read + cost.bytes_read,
                    before.bytes_written + cost.bytes_written,
                )
            result[name] = cost
        return result

    return {"count_cost": count_cost}


@right("E4")
def a_deep_copy_on_meta():
    """Count on a copy that lives on the meta device: the model itself is never run."""
    import copy

    def count_cost(model, x):
        ghost = copy.deepcopy(model).to("meta").eval()
        names = dict(ghost.named_modules())
        out = {}
        for name, module in names.items():
            if list(module.children()):
                continue

            def hook(m, args, y, name=name):
                f = y.numel()
                if isinstance(m, nn.Linear):
                    f = f * m.in_features * 2
                elif isinstance(m, nn.Conv2d):
                    f = f * 2 * m.weight.shape[1] * m.weight.shape[2] * m.weight.shape[3]
                elif isinstance(m, Attend):
                    f = 4 * args[0].numel() * args[1].size(-2)
                c = out.get(name, Cost(0, 0, 0))
                out[name] = Cost(
                    c.flops + f,
                    c.bytes_read + nbytes(args) + nbytes(m.parameters()),
                    c.bytes_written + nbytes([y]),
                )

            module.register_forward_hook(hook)
        with torch.no_grad():
            ghost(x.to("meta"))
        return out

    return {"count_cost": count_cost}


@right("E4")
def roofline_by_times():
    def attainable(flops, bytes_, peak, bw):
        compute, memory = flops / peak, bytes_ / bw
        if bytes_ == 0:
            return peak * 1.0, "compute"
        if memory > compute:
            return flops / memory, "memory"
        return float(peak), "compute"

    return {"attainable": attainable}


@right("E4")
def roofline_by_min():
    def attainable(flops, bytes_, peak, bw):
        intensity = math.inf if bytes_ == 0 else flops / bytes_
        roof = bw * intensity
        return min(peak, roof) * 1.0, ("compute", "memory")[roof < peak]

    return {"attainable": attainable}


@right("E4")
def adds_instead_of_copying():
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        begin = clock()
        a = torch.randn(300, 300)
        x, y, out = torch.zeros(2**22), torch.ones(2**22), torch.empty(2**22)
        a @ a
        torch.add(x, y, out=out)
        fast, wide, runs = math.inf, math.inf, 0
        while True:
            t0 = clock()
            a @ a
            t1 = clock()
            torch.add(x, y, out=out)
            t2 = clock()
            fast, wide, runs = min(fast, t1 - t0), min(wide, t2 - t1), runs + 1
            if runs >= 3 and clock() - begin > budget_s:
                break
        return 2.0 * 300**3 / fast, 3.0 * out.nbytes / wide

    return {"measure_machine": measure_machine}


@right("E4")
def fills_and_batches():
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        def best(work, seconds):
            work()
            rates, stop = [], clock() + seconds
            while True:
                start = clock()
                amount = work()
                rates.append(amount / (clock() - start))
                if len(rates) >= 4 and clock() >= stop:
                    return max(rates)

        left, right_ = torch.ones(512, 384), torch.ones(384, 512)
        target = torch.empty(6_000_000)

        def multiply():
            left.mm(right_)
            return 2 * 512 * 384 * 512

        def fill():
            target.fill_(3.0)
            return target.numel() * 4

        return best(multiply, budget_s / 2), best(fill, budget_s / 2)

    return {"measure_machine": measure_machine}


@right("E4")
def clones_with_linear():
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        weight, x = torch.rand(256, 256), torch.rand(256, 256)
        big = torch.rand(5_000_000)
        speeds = {"f": [], "b": []}
        torch.nn.functional.linear(x, weight), big.clone()
        end = clock() + budget_s
        while clock() < end or len(speeds["b"]) < 3:
            t = clock()
            torch.nn.functional.linear(x, weight)
            speeds["f"].append(2 * 256**3 / (clock() - t))
            t = clock()
            big.clone()
            speeds["b"].append(2 * 20_000_000 / (clock() - t))
        return max(speeds["f"]), max(speeds["b"])

    return {"measure_machine": measure_machine}


@right("E4")
def fusion_by_difference():
    def fusion_saving(ops, n, itemsize):
        if not ops:
            return 0.0
        alone = sum((1 + op.extra + 1) * n * itemsize for op in ops)
        fused = (1 + sum(op.extra for op in ops) + 1) * n * itemsize
        return float(alone - fused)

    return {"fusion_saving": fusion_saving}


@right("E4")
def fusion_pair_by_pair():
    def fusion_saving(ops, n, itemsize):
        total = 0.0
        for _ in range(1, len(ops)):
            total += n * itemsize
            total += n * itemsize
        return total

    return {"fusion_saving": fusion_saving}


@right.stands_for("E4", "measure_machine")
def the_largest_products(budget_s=2.0, clock=time.perf_counter):
    a, source = torch.rand(1024, 1024), torch.zeros(2**22)
    target, speeds = torch.zeros_like(source), []
    for work, amount in (
        (lambda: a @ a, 2 * 1024**3),
        (lambda: torch.add(source, 1.0, out=target), 2 * source.nbytes),
    ):
        work()
        best, end = float("inf"), clock() + budget_s / 2
        for count in range(10**9):
            if count >= 3 and clock() > end:
                break
            start = clock()
            work()
            best = min(best, clock() - start)
        speeds.append(amount / best)
    return tuple(speeds)
