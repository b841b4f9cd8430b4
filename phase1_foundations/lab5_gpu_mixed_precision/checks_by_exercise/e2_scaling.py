"""E2: loss scaling and master weights. What must hold; the known mistakes stand in four other files."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import (
    e2_master,
    e2_scaler,
    e2_schedule,
    e2_step,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e2_picture import staircase_of_scales
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e2_scaler import INF, NAN, gradients, sgd
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.watched_scaler import WatchedScaler

e2 = Exercise(
    "E2",
    takes={"DynamicLossScaler": None, "amp_step": bool, "MasterWeights": None},
    forbids=forbid(
        "_amp_foreach_non_finite_check_and_unscale_",
        "_amp_update_scale_",
        aten=("_amp_foreach_non_finite_check_and_unscale", "_amp_update_scale"),
        why="it is the inside of torch's GradScaler, which you are building",
    ),
    hints=(
        "The scaler remembers three things: the scale, the number of good iterations in a row, and for each "
        "optimizer whether it has been unscaled since the last update and whether it met an infinity.",
        "step: unscale if not yet done; found infinity? False : optimizer.step(), True. update: any "
        "infinity? "
        "S ← S·backoff, count ← 0 : count ← count + 1, and at `interval` S ← S·growth, count ← 0; then "
        "forget "
        "the notes. amp_step: clear, scaled backward, unscale_, clip, step, update.",
        "`self.found = {}`; unscale_: `self.found[id(opt)] = not all(g.isfinite().all() for g in grads)`, "
        "then `g.div_(S)`. MasterWeights: `masters = [p.detach().clone() for p in model.parameters()]`; "
        "publish: `with torch.no_grad(): p.copy_(to_format(m, fmt))`; collect: `m.grad, p.grad = p.grad, "
        "None`.",
    ),
)
for group in (e2_scaler, e2_schedule, e2_step, e2_master):
    group.probe.add_to(e2)


@e2.property("the scales and weights of torch's GradScaler", points=6)
def as_torch(a: Any, t: Trial) -> None:
    for interval, growth, backoff in ((1, 2.0, 0.5), (2, 2.0, 0.5), (3, 4.0, 0.25), (5, 2.0, 0.125)):
        with t.oracle():
            theirs = torch.amp.GradScaler(
                "cpu",
                init_scale=1024.0,
                growth_factor=growth,
                backoff_factor=backoff,
                growth_interval=interval,
            )
        ours = a.DynamicLossScaler(init=1024.0, growth=growth, backoff=backoff, interval=interval)
        pattern = [t.random.choice("ggggin") for _ in range(14)] + ["i", "i", "g"]
        (weights, left), (twins, right) = sgd(3), sgd(3)
        with t.oracle():
            theirs.scale(torch.zeros(()))
        for step, letter in enumerate(pattern):
            row = t.randn(3, dtype=torch.float32) * 100
            if letter != "g":
                row[t.random.randrange(3)] = INF if letter == "i" else NAN
            gradients(weights, tuple(row.tolist()))
            gradients(twins, tuple(row.tolist()))
            if t.random.random() < 0.5:
                ours.unscale_(left)
            stepped = ours.step(left)
            ours.update()
            with t.oracle():
                theirs.step(right)
                theirs.update()
                expected = theirs.get_scale()
            where = f"interval={interval}, steps {''.join(pattern[: step + 1])}: "
            t.that(stepped is (letter == "g"), f"{where}step returned {stepped}")
            t.equal(ours.get_scale(), expected, f"{where}the scale", rtol=0, atol=0)
            t.equal(weights[0].detach(), twins[0].detach(), f"{where}the weights", rtol=1e-6, atol=1e-6)


@e2.property("defaults: 2¹⁶, doubled after 2,000 good iterations", points=1)
def defaults(a: Any, t: Trial) -> None:
    scaler, (_, optimizer) = a.DynamicLossScaler(), sgd(1)
    for _ in range(1999):
        scaler.step(optimizer)
        scaler.update()
    t.equal(scaler.get_scale(), 2.0**16, "the scale after 1,999 good iterations")
    scaler.step(optimizer)
    scaler.update()
    t.equal(scaler.get_scale(), 2.0**17, "the scale after 2,000 good iterations")


@e2.property("several optimizers", points=2)
def several(a: Any, t: Trial) -> None:
    scaler, expected = a.DynamicLossScaler(init=256.0, interval=2), WatchedScaler(256.0, interval=2)
    pairs, twins = [sgd(2) for _ in range(3)], [sgd(2) for _ in range(3)]
    for step in range(10):
        for number, ((weights, left), (others, right)) in enumerate(zip(pairs, twins, strict=True)):
            row = (INF if t.random.random() < 0.15 else 1.0, t.random.uniform(-9, 9))
            gradients(weights, row)
            gradients(others, row)
            if t.random.random() < 0.5:
                scaler.unscale_(left)
            t.equal(scaler.step(left), expected.step(right), f"iteration {step + 1}, optimizer {number + 1}")
            t.equal(weights[0].detach(), others[0].detach(), f"iteration {step + 1}: the weights")
        scaler.update()
        expected.update()
        t.equal(scaler.get_scale(), expected.get_scale(), f"iteration {step + 1}: the scale")


@e2.property("a saved scaler goes on as the old one", points=2)
def resumes(a: Any, t: Trial) -> None:
    for stop in range(7):
        pattern = "ggiggggigggg"
        old = a.DynamicLossScaler(init=64.0, growth=4.0, backoff=0.25, interval=3)
        e2_schedule.goes_on(old, pattern[:stop])
        state = dict(old.state_dict())
        new = a.DynamicLossScaler()
        new.load_state_dict(state)
        expected = e2_schedule.goes_on(old, pattern[stop:])
        t.equal(e2_schedule.goes_on(new, pattern[stop:]), expected, f"saved after {stop} steps: the scales")


@e2.property("amp_step: the clipped step of true gradients", points=4)
def whole_step(a: Any, t: Trial) -> None:
    for scale in (1.0, 2.0**10, 2.0**16):
        for max_norm in (0.1, 1.0, 100.0):
            model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
            twin, x = copy.deepcopy(model), t.randn(5, 3)
            optimizer, other = (torch.optim.SGD(m.parameters(), lr=0.5) for m in (model, twin))
            for overflow in ((), (0,)):
                stepped = a.amp_step(
                    (model(x) ** 2).sum(), optimizer, WatchedScaler(scale, overflow_at=overflow), max_norm
                )
                t.that(stepped is (overflow == ()), f"amp_step returned {stepped}")
            other.zero_grad()
            (twin(x) ** 2).sum().backward()
            norm = torch.cat([p.grad.flatten() for p in twin.parameters()]).norm()
            for p in twin.parameters():
                p.grad *= min(1.0, max_norm / float(norm))
            other.step()
            for p, expected in zip(model.parameters(), twin.parameters(), strict=True):
                where = f"a weight after one step, S = {scale:g}, max_norm = {max_norm}"
                t.equal(p.detach(), expected.detach(), where, rtol=1e-4, atol=1e-9)


@e2.property("master weights: float32 underneath, rounded on top", points=5)
def masters(a: Any, t: Trial) -> None:
    formats: dict[Any, torch.dtype] = {
        (5, 10): torch.float16,
        (8, 7): torch.bfloat16,
        (5, 2): torch.float8_e5m2,
        None: torch.float32,
    }
    for fmt, dtype in formats.items():
        model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(t.randn(*p.shape))
        truth = [p.detach().clone() for p in model.parameters()]
        weights = a.MasterWeights(model, lambda m: torch.optim.SGD(m, lr=1e-3, momentum=0.9), fmt)
        speed = [torch.zeros_like(v) for v in truth]
        for step in range(4):
            for p, value in zip(model.parameters(), truth, strict=True):
                t.equal(
                    p.detach(),
                    value.to(dtype).float(),
                    f"fmt={fmt}: a weight before step {step + 1}",
                    rtol=1e-6,
                )
            for i, p in enumerate(model.parameters()):
                p.grad = t.randn(*p.shape, dtype=torch.float32)
                speed[i] = 0.9 * speed[i] + p.grad
                truth[i] = truth[i] - 1e-3 * speed[i]
            weights.collect_grads()
            t.that(all(p.grad is None for p in model.parameters()), "a parameter's `.grad` is not None")
            weights.optimizer.step()
            weights.publish()
            for found, value in zip(weights.masters, truth, strict=True):
                t.that(
                    isinstance(found, Tensor) and found.dtype == torch.float32,
                    "a master is no float32 tensor",
                )
                t.equal(
                    found.detach(), value, f"fmt={fmt}: a master after step {step + 1}", rtol=1e-5, atol=1e-6
                )


e2.reward(staircase_of_scales)
