"""E4: roofline and the cost of an operation. What must hold; the mistakes stand in `e4_costs`, `e4_roofs`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from courseware.check import Exercise, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import e4_calls, e4_costs, e4_roofs
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e4_machine import Machine, measured
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e4_picture import roofline
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e4_roofs import Op

e4 = Exercise(
    "E4",
    takes={
        "count_cost": dict,
        "attainable": tuple,
        "measure_machine": tuple,
        "fusion_saving": (float, int),
        "Attend": None,
    },
    hints=(
        "A forward hook sees each call of a module: `leaf.register_forward_hook(hook)` calls hook(module, "
        "inputs, output), inputs as a tuple. All you need are the shapes and dtypes of what comes by.",
        "FLOPs: Linear 2 · (elements of the output) · in_features; Conv2d 2 · (elements of the output) · "
        "(weights of one filter); Attend 4 · (elements of q) · S. Bytes: numel · element_size of inputs, "
        "parameters, output. Roofline: min(peak, bw · flops/bytes), ridge at peak/bw. Fusion: 2 · "
        "(operations − 1) · n · itemsize.",
        "`leaves = {name: m for name, m in model.named_modules() if not list(m.children())}`; register, run "
        "under `no_grad` in `eval()`, remove the handles, restore `m.training`. Measuring: `work()` once, "
        "then `while len(times) < 3 or clock() < end: start = clock(); work(); times.append(clock() - "
        "start)`; `min(times)`.",
    ),
)
e4_costs.probe.add_to(e4)
e4_calls.probe.add_to(e4)
e4_roofs.probe.add_to(e4)


def network(t: Trial) -> tuple[nn.Module, Tensor]:
    """Convolutions of every kind, norms, activations and linear layers; some are called twice."""
    channels, groups = t.random.choice([4, 8]), t.random.choice([1, 2, 4])
    twice = nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
    stride, dilation = t.random.choice([1, 2]), t.random.choice([1, 2])
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=stride, bias=t.random.random() < 0.5),
        nn.Sequential(twice, nn.BatchNorm2d(channels), nn.ReLU(), twice),
        nn.Conv2d(channels, 2 * channels, (3, 1), dilation=dilation, padding=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * channels, 7),
        nn.GELU(),
        nn.Linear(7, 3, bias=False),
    )
    return model, t.randn(t.random.randrange(1, 4), 3, 12, t.random.choice([9, 12]), dtype=torch.float32)


def totals(found: dict[str, Any], names: list[str]) -> int:
    return sum(int(found[name].flops) for name in names)


@e4.property("FLOPs: torch's own count of products and convolutions", points=5)
def flops(a: Any, t: Trial) -> None:
    for _ in range(4):
        model, x = network(t)
        with FlopCounterMode(display=False) as counter:
            model.eval()(x)
        found = a.count_cost(model, x)
        products = [
            name
            for name, m in model.named_modules()
            if isinstance(m, nn.Linear | nn.Conv2d) and name in found
        ]
        t.given(f"{model} on {tuple(x.shape)}")
        t.equal(
            totals(found, products), int(counter.get_total_flops()), "FLOPs of all Linear and Conv2d together"
        )
    for shape in ((3,), (2, 3), (2, 4, 3), (0, 3)):
        rows = torch.Size(shape[:-1]).numel()
        found = a.count_cost(nn.Linear(3, 5), torch.zeros(shape))[""]
        t.equal(int(found.flops), 2 * rows * 15, f"FLOPs of Linear(3, 5) on {shape}")
    x = t.randn(2, 3, 4, 5)

    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = a.Attend()

        def forward(self, y: Tensor) -> Tensor:
            return self.attend(y, y, y)

    found = a.count_cost(SelfAttention(), x)["attend"]
    t.equal(int(found.flops), 4 * 2 * 3 * 4 * 4 * 5, "FLOPs of Attend")


@e4.property("bytes: arguments, parameters, results, each in its own dtype", points=4)
def traffic(a: Any, t: Trial) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        model, x = network(t)
        model, x = model.to(dtype), x.to(dtype)
        expected: dict[str, list[int]] = {}

        def note(name: str, leaf: nn.Module, inputs: Any, output: Tensor, expected: Any = expected) -> None:
            read = sum(v.numel() * v.itemsize for v in (*inputs, *leaf.parameters()))
            old = expected.setdefault(name, [0, 0])
            expected[name] = [old[0] + read, old[1] + output.numel() * output.itemsize]

        handles = [
            m.register_forward_hook(lambda leaf, i, o, name=name: note(name, leaf, i, o))
            for name, m in model.named_modules()
            if not list(m.children())
        ]
        model.eval()(x)
        for handle in handles:
            handle.remove()
        found = a.count_cost(model, x)
        t.given(f"{model} on {tuple(x.shape)}, {dtype}")
        t.that(
            sorted(found) == sorted(expected), f"the leaves are {sorted(found)}, expected {sorted(expected)}"
        )
        for name, (read, written) in expected.items():
            t.equal(int(found[name].bytes_read), read, f"{name}: bytes read")
            t.equal(int(found[name].bytes_written), written, f"{name}: bytes written")


@e4.property("the model comes back as it was", points=3)
def unchanged(a: Any, t: Trial) -> None:
    for training in (True, False):
        model, x = network(t)
        model.train(training)
        for module in model.modules():
            if t.random.random() < 0.3:
                module.training = not module.training
        flags = [m.training for m in model.modules()]
        before = {k: v.clone() for k, v in model.state_dict().items()}
        a.count_cost(model, x)
        t.that([m.training for m in model.modules()] == flags, "training flags changed")
        t.that(
            not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()),
            "hooks are left behind",
        )
        for name, value in model.state_dict().items():
            t.equal(value, before[name], f"{name} after counting")
        t.that(all(p.grad is None for p in model.parameters()), "a parameter has a gradient now")
        empty = a.count_cost(model, x[:0])
        t.equal(totals(empty, list(empty)), 0, "FLOPs of an empty batch")


@e4.property("attainable: the roofline", points=3)
def roof(a: Any, t: Trial) -> None:
    for _ in range(60):
        peak, bandwidth = (10 ** t.random.uniform(8, 15) for _ in range(2))
        flops, moved = 10 ** t.random.uniform(0, 12), 10 ** t.random.uniform(0, 12)
        found, word = a.attainable(flops, moved, peak, bandwidth)
        slow = flops / peak < moved / bandwidth
        t.equal(found, min(peak, bandwidth / moved * flops), "the speed", rtol=1e-9)
        t.equal(word, "memory" if slow else "compute", "the word")
    for arguments in ((64.0, 16.0, 4e9, 1e9), (5, 0, 4e9, 1e9), (1, 0, 4e9, 1e6), (1, 1, 1, 1)):
        found, word = a.attainable(*arguments)
        t.equal(found, float(arguments[2]), f"attainable{arguments}")
        t.equal(word, "compute", f"attainable{arguments}")


@e4.property("measure_machine: within 15 % of simulated machines", points=3)
def machines(a: Any, t: Trial) -> None:
    for machine in (Machine(1e10, 5e8), Machine.some(t)):
        peak, bandwidth = measured(a, machine, 0.3)
        t.equal(peak, machine.peak, "the peak", rtol=0.15)
        t.equal(bandwidth, machine.bandwidth, "the bandwidth", rtol=0.15)


@e4.property("fusion_saving: what stays in registers", points=2)
def fusion(a: Any, t: Trial) -> None:
    for count in (0, 1, 2, 3, 8):
        for n, itemsize in ((0, 4), (1, 2), (12345, 8)):
            ops = [Op(f"op{i}", t.random.randrange(3)) for i in range(count)]
            alone = sum(2 + op.extra for op in ops) * n * itemsize
            fused = (2 + sum(op.extra for op in ops)) * n * itemsize if ops else 0
            t.equal(
                float(a.fusion_saving(ops, n, itemsize)),
                float(alone - fused),
                f"{ops}, n={n}, {itemsize} bytes",
            )


e4.reward(roofline)
