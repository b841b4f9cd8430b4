"""E3: memory for compute. What must hold; the known mistakes stand in `e3_mistakes` and `e3_cuts`."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import e3_cuts, e3_forms, e3_mistakes
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_picture import pareto
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_tools import (
    SLACK,
    Counted,
    chain,
    deep,
    kept,
    layer,
    least_peak,
    least_peak_of_many,
    peak,
    segments_of,
    valid,
)

e3 = Exercise(
    "E3",
    takes={"checkpoint": None, "checkpoint_chain": Tensor, "best_segments": list},
    forbids=forbid(
        why="it is the answer itself. An own `torch.autograd.Function` needs a dozen lines",
        python=(
            "torch.utils.checkpoint.checkpoint_sequential",
            "torch.utils.checkpoint.check_backward_validity",
            "torch.utils.checkpoint._checkpoint_without_reentrant_generator",
        ),
    ),
    hints=(
        "Run fn without recording and save only its inputs. When the gradient arrives, run fn again, this "
        "time "
        "recording, and let torch go backward through that small graph.",
        "backward: inputs detached, each requiring a gradient as before; generator set to the saved "
        "state; outputs = "
        "fn(inputs) under enable_grad; `torch.autograd.backward(outputs, gradients)`; return the inputs' "
        "`.grad`. "
        "best_segments: for each limit of the largest rest, the cheapest starts by dynamic programming "
        "over ends.",
        "`args = [x.detach().requires_grad_(x.requires_grad) for x in ctx.saved_tensors]`; `with "
        "torch.random.fork_rng(), torch.enable_grad(): torch.set_rng_state(ctx.state); out = ctx.fn(*args)`. "
        "`checkpoint` calls `Recompute.apply(fn, torch.zeros((), requires_grad=True), *args)`.",
    ),
)
e3_mistakes.probe.add_to(e3)
e3_forms.probe.add_to(e3)
e3_cuts.probe.add_to(e3)


def network(x: Tensor, model: nn.Module, other: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    y = nn.functional.dropout(model(x), 0.3)[index]
    return y * other, y.sum(dim=1)


def everything(
    t: Trial, run: Any, model: nn.Module, x: Tensor, other: Tensor
) -> list[tuple[str, Tensor | None]]:
    """Results, gradients and the generator's next numbers of one pass forward and back, with their names."""
    torch.manual_seed(t.seed)
    leaves = [("the gradient of x", x), ("the gradient of the second input", other)]
    leaves += [("the gradient of a parameter", p) for p in model.parameters()]
    for _, leaf in leaves:
        leaf.grad = None
    index = torch.tensor([2, 0, 1, 1])
    left, right = run(lambda z, o, i: network(z, model, o, i), x, other, index)
    ((left * torch.arange(12.0).reshape(4, 3)).sum() - (right * torch.arange(4.0)).sum()).backward()
    results = [("a result", left.detach()), ("a result", right.detach())]
    gradients = [(name, leaf.grad) for name, leaf in leaves]
    return [*results, *gradients, ("the generator afterwards", torch.rand(2))]


@e3.property("the gradients of the plain forward pass, with dropout", points=5)
def gradients(a: Any, t: Trial) -> None:
    for wanted in ((True, True), (True, False), (False, True), (False, False)):
        model, x, other = layer(), t.randn(3, 4), t.randn(4, 3)
        x.requires_grad_(wanted[0])
        other.requires_grad_(wanted[1])
        expected = everything(t, lambda fn, *args: fn(*args), model, x, other)
        found = everything(t, a.checkpoint, model, x, other)
        t.given(f"a network with dropout, x and a second input that require gradients: {wanted}")
        for (name, one), (_, other_one) in zip(found, expected, strict=True):
            t.that((one is None) == (other_one is None), f"{name} is {one}, expected {other_one}")
            if one is not None:
                t.equal(one, other_one, where=name, rtol=1e-12, atol=1e-14)


@e3.property("only the inputs are kept, and fn runs twice", points=4)
def memory(a: Any, t: Trial) -> None:
    for width, depth in ((32, 3), (64, 8)):
        model = deep(width, depth)
        x = t.randn(200, width, dtype=torch.float32).requires_grad_()
        found = kept(lambda m=model, v=x: a.checkpoint(m, v), model)
        t.that(found <= x.numel() * 4 + SLACK, f"kept are {found:,} bytes, the input has {x.numel() * 4:,}")
        fn = Counted(model)
        y = a.checkpoint(fn, x)
        y.sum().backward()
        t.that(fn.calls == 2, f"fn ran {fn.calls} times in forward and backward together, expected 2")


@e3.property("inside other graphs, nested, without gradients", points=3)
def edges(a: Any, t: Trial) -> None:
    first, second = layer(4, 4), layer(4, 4)
    x = t.randn(3, 4).requires_grad_()
    inner = Counted(second)

    def both(z: Tensor) -> Tensor:
        return a.checkpoint(inner, first(z)) + z

    def total(run: Any) -> list[Tensor]:
        x.grad = None
        first.zero_grad()
        second.zero_grad()
        y = run(x * 2.0)
        (y.tanh() ** 2).sum().backward()
        return [x.grad, *(p.grad for m in (first, second) for p in m.parameters())]

    expected = total(lambda z: second(first(z)) + z)
    for one, wanted in zip(total(lambda z: a.checkpoint(both, z)), expected, strict=True):
        t.equal(one, wanted, "nested: a gradient", rtol=1e-12, atol=1e-14)
    with torch.no_grad():
        y = a.checkpoint(first, x)
    t.equal(y, first(x).detach(), "under no_grad")
    t.that(not y.requires_grad, "under no_grad the result requires a gradient")
    frozen = layer()
    for p in frozen.parameters():
        p.requires_grad_(False)
    t.equal(
        a.checkpoint(frozen, t.randn(2, 4)).shape,
        torch.Size((2, 3)),
        "nothing requires a gradient: the shape",
    )


@e3.property("checkpoint_chain: equal runs, only their inputs kept", points=4)
def chains(a: Any, t: Trial) -> None:
    for count, segments in ((1, 1), (2, 1), (4, 2), (7, 3), (9, 3), (6, 6)):
        where = f"{count} blocks in {segments} segments"
        lengths = [len(run) for run in segments_of(a, count, segments)]
        t.that(
            len(lengths) == segments and sum(lengths) == count and max(lengths) - min(lengths) <= 1,
            f"{where}: the runs have the lengths {lengths}",
        )
        blocks, _ = chain(count, 64, dropout=0.2)
        x = t.randn(150, 64, dtype=torch.float32)
        found = kept(lambda b=blocks, v=x, s=segments: a.checkpoint_chain(b, v, s), blocks)
        limit = segments * (x.numel() * 4 + 6_000) + SLACK
        t.that(found <= limit, f"{where}: {found:,} bytes kept, one input has {x.numel() * 4:,}")
        blocks.zero_grad()
        torch.manual_seed(t.seed)
        a.checkpoint_chain(blocks, x, segments).sum().backward()
        seen = [p.grad.clone() for p in blocks.parameters()]
        blocks.zero_grad()
        torch.manual_seed(t.seed)
        y = x
        for block in blocks:
            y = block(y)
        y.sum().backward()
        for one, p in zip(seen, blocks.parameters(), strict=True):
            t.equal(one, p.grad, f"{where}, with dropout: a gradient", rtol=1e-4, atol=1e-4)


@e3.property("best_segments: the smallest peak", points=4)
def cuts(a: Any, t: Trial) -> None:
    def holds(sizes: list[int], best: int) -> None:
        found = a.best_segments(len(sizes), list(sizes))
        t.that(valid(found, len(sizes)), f"best_segments({len(sizes)}, {sizes}) returned {found}")
        t.that(
            peak(found, sizes) == best,
            f"for {sizes} the cuts {found} have the peak {peak(found, sizes)}, the smallest is {best}",
        )

    for count in (1, 2, 3, 4, 6, 8, 9):
        for top in (2, 10, 1000):
            sizes = t.randint(0, top, count).tolist()
            holds(sizes, least_peak(sizes))
    for count in (16, 28):
        sizes = t.randint(0, 40, count).tolist()
        holds(sizes, least_peak_of_many(sizes))
    holds([3] * 49, 3 * 13)


e3.reward(pareto)
