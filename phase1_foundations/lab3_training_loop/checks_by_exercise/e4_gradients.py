"""E4: clip and accumulate. Known mistakes stand in `e4_clipping` and `e4_accumulating`."""

import math
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_accumulating import probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_clipping import probes as clipping_probes
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_picture import naive_against_exact
from phase1_foundations.lab3_training_loop.checks_by_exercise.e4_world import (
    Spy,
    Tokens,
    batch,
    gradients,
    one_step,
    squared_errors,
    truth,
    with_gradients,
)

e4 = Exercise(
    "E4",
    takes={"clip_grad_norm_": Tensor, "accumulate_step": None},
    forbids=forbid(
        python=(
            "torch.nn.utils.clip_grad.clip_grad_norm_",
            "torch.nn.utils.clip_grad._get_total_norm",
            "torch.nn.utils.clip_grad._clip_grads_with_norm_",
            "shared.train.clip.clip_global_norm",
            "shared.train.step.train_step",
        ),
        why="it is what you are building here",
    ),
    hints=(
        "All gradients are one long vector: its norm is the norm of the pieces' norms, and one factor scales "
        "it. For the accumulation: which number must you know before the first backward?",
        "norm = ‖(‖g₁‖, ‖g₂‖, …)‖, factor = max_norm / norm if that is below 1. Gradient of Σᵢ Lᵢ / n = Σᵢ "
        "gradient of (Lᵢ / n), with n the number of all tokens that count.",
        "`grads = [p.grad for p in params if p.grad is not None]`, norms in `.double()`, `g.mul_(factor)`. "
        "`tokens = sum(int(mask.sum()) for _, _, mask in micro_batches)`; `optimizer.zero_grad()`; for each "
        "micro-batch `(loss_sum_fn(model(x), y, mask) / tokens).backward()`; clip; step.",
    ),
)
clipping_probes.add_to(e4)
probes.add_to(e4)


@e4.property("the norm and the clipped gradients, like torch's", points=5)
def like_torch(a: Any, t: Trial) -> None:
    for kind in (2.0, 1.0, math.inf, 3.0, 0.5):
        for limit in (0.01, 1.0, 1e6):
            shapes = ((3,), (2, 4), (), (1, 1))
            mine = with_gradients(*(t.randn(*shape) for shape in shapes), None, torch.zeros(0))
            twin = with_gradients(*gradients(mine))
            norm = a.clip_grad_norm_((p for p in mine), limit, norm_type=kind)
            with t.oracle():
                expected = torch.nn.utils.clip_grad_norm_([p for p in twin if p.numel()], limit, kind)
            t.equal(norm, expected, f"norm_type={kind}: the norm", rtol=1e-5, dtype=False)
            for p, q in zip(mine, twin, strict=True):
                if q.grad is None:
                    t.that(p.grad is None, "a gradient appeared where there was None")
                elif limit > 1e5:
                    t.that(torch.equal(p.grad, q.grad), "below the threshold a gradient changed")
                else:
                    t.equal(p.grad, q.grad, f"norm_type={kind}, max_norm={limit}: a gradient", rtol=1e-3)


@e4.property("no gradients, overflow, NaN and infinity", points=5)
def edges(a: Any, t: Trial) -> None:
    t.equal(a.clip_grad_norm_([], 1.0), torch.tensor(0.0), "the norm of nothing", dtype=False)
    params = with_gradients([3.0, 4.0], [0.0, 12.0])
    before = [p.grad.clone() for p in params]
    a.clip_grad_norm_(params, 13.25)
    for p, old in zip(params, before, strict=True):
        t.that(torch.equal(p.grad, old), "norm 13, max_norm 13.25: below the threshold a gradient changed")
    for size in (1e-30, 1e-20, 1e20, 1e30):
        for dtype in (torch.float32, torch.float64):
            values = t.randn(5)
            params = with_gradients(values[:2] * size, values[2:] * size, dtype=dtype)
            norm = a.clip_grad_norm_(params, size / 100)
            t.equal(
                norm.double() / size, values.norm(), f"gradients of {size:g}: norm", rtol=1e-5, dtype=False
            )
            if size > 1:  # below, torch's 1e-6 under the fraction line would show
                clipped = torch.cat(gradients(params)).double() / size
                expected = values / values.norm() / 100
                t.equal(clipped, expected, f"gradients of {size:g}, clipped", rtol=1e-2, atol=1e-3)
    for bad in (math.nan, math.inf, -math.inf):
        params = with_gradients([1.0, bad], [2.0])
        before = gradients(params)
        t.raises(
            RuntimeError,
            lambda p=params: a.clip_grad_norm_(p, 1.0, error_if_nonfinite=True),
            f"a gradient of {bad} with error_if_nonfinite=True",
        )
        for p, old in zip(params, before, strict=True):
            t.equal(p.grad, old, "the gradients after the error")
        t.that(not a.clip_grad_norm_(params, 1.0).isfinite(), f"a gradient of {bad} gives a finite norm")


def hold(a: Any, t: Trial, sizes: list[tuple[int, int, int | None]], words: str) -> None:
    """One step on these micro-batches has the gradient and the value of one long batch."""
    batches, model = [batch(t, *size) for size in sizes], Tokens(t)
    t.given(f"accumulate_step, {words}")
    loss, expected = truth(model, batches)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Spy(model)
    result = a.accumulate_step(model, squared_errors, batches, optimizer)
    t.that(len(optimizer.used) == 1, f"{words}: {len(optimizer.used)} optimizer steps, expected 1")
    for name, right in expected.items():
        t.equal(optimizer.used[0][name], right, f"{words}: the gradient of {name}", rtol=1e-5, atol=1e-8)
        now = dict(model.named_parameters())[name]
        t.equal(
            now.detach(), before[name] - 0.1 * right, f"{words}: {name} after the step", rtol=1e-5, atol=1e-8
        )
    t.equal(result, loss, f"{words}: the result", rtol=1e-5)


@e4.property("the gradient of one long batch", points=6)
def one_long_batch(a: Any, t: Trial) -> None:
    hold(a, t, [(2, 3, None)], "one micro-batch")
    hold(a, t, [(2, 3, None), (2, 3, None)], "two equal ones")
    hold(a, t, [(2, 8, 1), (2, 8, 16)], "1 and 16 tokens")
    hold(a, t, [(2, 3, None), (2, 3, 0), (1, 3, 2)], "one in which no token counts")
    for _ in range(6):
        sizes = [
            (int(t.randint(1, 4, 1)), 6, int(t.randint(1, 6, 1))) for _ in range(int(t.randint(1, 7, 1)))
        ]
        hold(a, t, sizes, f"tokens {[tokens for _, _, tokens in sizes]}")
    batches = tuple(batch(t, 1, 4) for _ in range(3))
    _, model, _ = one_step(a, t, batches)
    expected = [f"{kind} {i}" for i in range(3) for kind in ("forward", "backward")]
    t.that(model.events == expected, f"the passes were {model.events}, expected {expected}")


@e4.property("clipped once, zeroed once, nothing without tokens", points=4)
def once(a: Any, t: Trial) -> None:
    for limit in (0.0, 1e-3, 0.05, 1e9):
        batches, model = [batch(t, 3, 10, tokens) for tokens in (2, 30, 4)], Tokens(t)
        _, expected = truth(model, batches)
        norm = torch.cat([g.reshape(-1) for g in expected.values()]).norm()
        optimizer = Spy(model)
        for p in model.parameters():
            p.grad = torch.full_like(p, 3.0)
        a.accumulate_step(model, squared_errors, batches, optimizer, max_norm=limit)
        for name, right in expected.items():
            scaled = right * min(1.0, limit / float(norm))
            t.equal(optimizer.used[0][name], scaled, f"max_norm={limit}: the gradient of {name}", rtol=2e-3)
    for training in (True, False):
        model = Tokens(t).train(training)
        a.accumulate_step(model, squared_errors, [batch(t, 2, 3)], Spy(model))
        t.that(model.training is training, "the model is in another mode afterwards")
    model = Tokens(t)
    optimizer = Spy(model)
    result = a.accumulate_step(model, squared_errors, [batch(t, 2, 3, 0)], optimizer)
    t.equal(result, 0.0, "no token counts: the result")
    t.that(not optimizer.used, "no token counts, but the optimizer made a step")


e4.reward(naive_against_exact)
