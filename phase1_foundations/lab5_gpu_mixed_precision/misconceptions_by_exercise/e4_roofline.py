"""Wrong answers to E4."""

import statistics
import time

import torch
from torch import nn

from courseware.check import misconception
from phase1_foundations.lab5_gpu_mixed_precision.solution import Attend, Cost


def counter(*, mac=2, groups=True, weights_only=False, itemsize=None, add=True, restore=True, first=False):
    """A sound `count_cost` with parts to be exchanged."""

    def size(x):
        return x.numel() * (itemsize or x.element_size())

    def work(leaf, inputs, output):
        if isinstance(leaf, nn.Linear):
            return mac * output.numel() * leaf.in_features
        if isinstance(leaf, nn.Conv2d):
            channels = leaf.in_channels // (leaf.groups if groups else 1)
            return mac * output.numel() * channels * leaf.kernel_size[0] * leaf.kernel_size[1]
        if isinstance(leaf, Attend):
            return 2 * mac * inputs[0].numel() * inputs[1].shape[-2]
        return output.numel()

    def count_cost(model, x):
        costs, handles = {}, []

        def register(name, module):
            def hook(leaf, inputs, output):
                read = sum(size(p) for p in leaf.parameters())
                read += 0 if weights_only else sum(size(i) for i in (inputs[:1] if first else inputs))
                old = costs.get(name, Cost(0, 0, 0)) if add else Cost(0, 0, 0)
                costs[name] = Cost(
                    old.flops + work(leaf, inputs, output),
                    old.bytes_read + read,
                    old.bytes_written + size(output),
                )

            handles.append(module.register_forward_hook(hook))

        for name, module in model.named_modules():
            if not list(module.children()):
                register(name, module)
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        with torch.no_grad():
            model(x)
        for handle in handles:
            handle.remove()
        for m, training in modes:
            m.training = training if restore else True
        return costs

    return count_cost


@misconception("E4", diagnosis="one-multiply-add-counted-once")
def counts_macs():
    return {"count_cost": counter(mac=1)}


@misconception("E4", diagnosis="bytes-read")
def weights_alone():
    return {"count_cost": counter(weights_only=True)}


@misconception("E4", diagnosis="every-number-taken-for-float32")
def four_bytes_each():
    return {"count_cost": counter(itemsize=4)}


@misconception("E4", diagnosis="groups-ignored")
def all_channels_always():
    return {"count_cost": counter(groups=False)}


@misconception("E4", diagnosis="second-call-forgotten")
def overwrites():
    return {"count_cost": counter(add=False)}


@misconception("E4", diagnosis="model-left-changed")
def leaves_training_mode_on():
    return {"count_cost": counter(restore=False)}


@misconception("E4", diagnosis="attention-flops")
def only_the_first_argument():
    return {"count_cost": counter(first=True)}


@misconception("E4", diagnosis="labels-exchanged")
def everything_computes():
    def attainable(flops, bytes_, peak, bw):
        speed = peak if bytes_ == 0 else min(peak, bw * flops / bytes_)
        return float(speed), "compute" if flops > 0 else "memory"

    return {"attainable": attainable}


@misconception("E4", diagnosis="ridge-itself")
def ridge_waits_for_memory():
    def attainable(flops, bytes_, peak, bw):
        if bytes_ == 0 or flops / bytes_ > peak / bw:
            return float(peak), "compute"
        return bw * flops / bytes_, "memory"

    return {"attainable": attainable}


@misconception("E4", diagnosis="division-by-zero-bytes")
def divides_anyway():
    def attainable(flops, bytes_, peak, bw):
        intensity = flops / bytes_
        return min(float(peak), bw * intensity), "compute" if intensity >= peak / bw else "memory"

    return {"attainable": attainable}


def measuring(pick=min, *, warm=True, one=False, bytes_each=2, flops_each=2, elements=2**23):
    def measure_machine(budget_s=2.0, clock=time.perf_counter):
        def timed(work):
            if warm:
                work()
            times, end = [], clock() + budget_s / 2
            while len(times) < (1 if one else 3) or (not one and clock() < end):
                start = clock()
                work()
                times.append(clock() - start)
            return pick(times)

        a, b = torch.rand(400, 400), torch.rand(400, 400)
        source, target = torch.ones(elements), torch.empty(elements)
        peak = flops_each * 400**3 / timed(lambda: torch.mm(a, b))
        return peak, bytes_each * 4 * elements / timed(lambda: target.copy_(source))

    return measure_machine


@misconception("E4", diagnosis="not-the-fastest-call")
def mean_of_all_calls():
    return {"measure_machine": measuring(statistics.mean, warm=False)}


@misconception("E4", diagnosis="bandwidth-one-way")
def counts_what_is_written():
    return {"measure_machine": measuring(bytes_each=1)}


@misconception("E4", diagnosis="measured-the-cache")
def small_tensors():
    return {"measure_machine": measuring(elements=2**16)}


@misconception("E4", diagnosis="saving-of-a-chain")
def every_operation_saves():
    def fusion_saving(ops, n, itemsize):
        return float(2 * len(ops) * n * itemsize)

    return {"fusion_saving": fusion_saving}
