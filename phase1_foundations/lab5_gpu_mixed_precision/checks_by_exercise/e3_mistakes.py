"""The known mistakes of E3's `checkpoint`, each by its signature on a small function."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_tools import (
    SLACK,
    Counted,
    deep,
    kept,
    layer,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


def ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float64, requires_grad=True)


def square(x: Tensor) -> Tensor:
    return (x * x).sin()


@probe("checkpoint-fails")
def fails(a: Any, t: Trial) -> str | None:
    x = ones(3)
    if error := failure(t, lambda: a.checkpoint(square, x)):
        return f"checkpoint(fn, x) of a plain function of one tensor ends in {error}"
    return None


@probe("returns-nothing")
def nothing(a: Any, t: Trial) -> str | None:
    if a.checkpoint(square, ones(3)) is None:
        return "checkpoint(fn, x) returned None, expected what fn(x) gives: is a `return` missing?"
    return None


@probe("another-value")
def another_value(a: Any, t: Trial) -> str | None:
    x = ones(3)
    if not same(a.checkpoint(square, x), square(x).detach()):
        return f"checkpoint(fn, x) gave {a.checkpoint(square, x)}, fn(x) gives {square(x)}"
    return None


@probe("result-has-no-graph")
def no_graph(a: Any, t: Trial) -> str | None:
    if not a.checkpoint(square, ones(3)).requires_grad:
        return (
            "checkpoint(fn, x) has no graph although x requires a gradient: nothing connects the result with "
            "x. An own `torch.autograd.Function` runs fn in its `forward` and again in its `backward`"
        )
    return None


@probe("backward-fails")
def backward_fails(a: Any, t: Trial) -> str | None:
    model, x = layer(), ones(2, 4)
    error = failure(t, lambda: a.checkpoint(model, x).sum().backward())
    if error is None:
        return None
    if "does not require grad" in error:
        why = "the second run has to be made under `torch.enable_grad()`, on inputs that require a gradient"
    elif "returned an incorrect number of gradients" in error:
        why = "`backward` returns one value for each argument of `forward`, None for those without a gradient"
    else:
        why = "the forward pass went well"
    return f"backward through checkpoint(fn, x) ends in {error}: {why}"


@probe("inputs-get-no-gradient")
def inputs_without(a: Any, t: Trial) -> str | None:
    x = ones(3)
    a.checkpoint(square, x).sum().backward()
    if x.grad is None:
        return "after backward x.grad is None: `backward` has to return the gradients of `args`"
    if not bool(x.grad.any()):
        return "after backward x.grad is all zeros"
    return None


@probe("gradient-counted-twice")
def counted_twice(a: Any, t: Trial) -> str | None:
    w = ones(3)
    x = w * 1.0
    a.checkpoint(square, x).sum().backward()
    expected = (2 * torch.ones(3).double()) * torch.ones(3).double().cos()
    if w.grad is not None and same(w.grad, 2 * expected):
        return (
            "the gradient arrives twice: the second run goes on into the graph *before* checkpoint. "
            "Detach its "
            "inputs first (`x.detach().requires_grad_()`)"
        )
    x = ones(3)
    a.checkpoint(square, x).sum().backward()
    if same(x.grad, 2 * expected):
        return (
            "the gradient of x is twice too large: it is returned *and* added to x.grad. Run again on "
            "detached "
            "inputs"
        )
    return None


@probe("upstream-gradient-ignored")
def upstream(a: Any, t: Trial) -> str | None:
    x, y = ones(3), ones(3)
    a.checkpoint(square, x).sum().backward()
    (3 * a.checkpoint(square, y)).sum().backward()
    if x.grad is not None and y.grad is not None and same(y.grad, x.grad):
        return (
            "backward from 3 · result gives the same gradient as from the result: the gradient that "
            "arrives from "
            "above has to be handed to the backward pass of the second run"
        )
    return None


@probe("parameters-get-no-gradient")
def parameters_without(a: Any, t: Trial) -> str | None:
    for words, wrap in (("", lambda m: m), (" that a function calls", lambda m: lambda z: m(z))):
        model, x = layer(), ones(2, 4)
        a.checkpoint(wrap(model), x).sum().backward()
        if all(p.grad is None for p in model.parameters()):
            return (
                f"only the inputs received a gradient, the parameters of a module{words} have none: "
                "`torch.autograd.grad` with respect to the inputs reaches nothing else. "
                "`torch.autograd.backward` on the second run fills `.grad` of every leaf"
            )
    return None


@probe("gradients-overwritten")
def overwritten(a: Any, t: Trial) -> str | None:
    model, x = layer(), ones(2, 4)
    a.checkpoint(model, x).sum().backward()
    first = [p.grad.clone() for p in model.parameters()]
    a.checkpoint(model, x).sum().backward()
    if all(same(p.grad, g) for p, g in zip(model.parameters(), first, strict=True)):
        return (
            "after two backward passes the parameters hold the gradient of one: gradients add up in "
            "`.grad`, as "
            "`backward` does it; do not assign them"
        )
    return None


@probe("no-input-requires-a-gradient")
def no_input(a: Any, t: Trial) -> str | None:
    for called in (False, True):
        model, x = layer(), torch.ones(2, 4).double()
        fn = (lambda z, m=model: m(z)) if called else model
        error = failure(t, lambda f=fn, v=x: a.checkpoint(f, v).sum().backward())
        if error or all(p.grad is None for p in model.parameters()):
            return (
                "x requires no gradient (it is data), but fn has parameters, and they got none"
                + (f" ({error})" if error else "")
                + ": a Function all of whose tensor arguments need no gradient is left out of the graph. "
                "Give it one more argument that does, a scalar that is not used"
            )
    return None


# ---- what is kept, how often it runs --------------------------------------------------------------------


@probe("keeps-everything")
def keeps_everything(a: Any, t: Trial) -> str | None:
    model, x = deep(32), t.randn(256, 32, dtype=torch.float32).requires_grad_()
    plain, found = kept(lambda: model(x), model), kept(lambda: a.checkpoint(model, x), model)
    own = x.numel() * 4
    if found >= plain - own:
        return (
            f"kept for backward are {found:,} bytes, without checkpoint it is {plain:,}: the first run still "
            "builds a graph. Run fn without recording (`torch.no_grad()`, or inside a Function's "
            "`forward`), and "
            "save the inputs alone"
        )
    if found > own + SLACK:
        return (
            f"kept for backward are {found:,} bytes; the input has {own:,}. Something else is saved too: the "
            "output, or a copy of the input?"
        )
    return None


@probe("runs-too-often")
def too_often(a: Any, t: Trial) -> str | None:
    fn, x = Counted(square), ones(3)
    y = a.checkpoint(fn, x)
    if fn.calls != 1:
        return f"the forward pass ran fn {fn.calls} times, once is asked for"
    y.sum().backward()
    if fn.calls == 1:
        return (
            "the backward pass did not run fn again, so everything it needs was kept: that is what "
            "checkpoint "
            "is to avoid"
        )
    if fn.calls > 2:
        return f"the backward pass ran fn {fn.calls - 1} times, once is asked for (for all gradients)"
    first, second = Counted(square), Counted(square)
    a.checkpoint(second, a.checkpoint(first, ones(3))).sum().backward()
    if first.calls > 2:
        return (
            f"of two checkpoints in a row the first function ran {first.calls} times: the second run of the "
            "other one goes on into the graph before it. Detach its inputs (`x.detach().requires_grad_()`)"
        )
    return None


# ---- randomness -----------------------------------------------------------------------------------------


@probe("draws-other-numbers")
def other_numbers(a: Any, t: Trial) -> str | None:
    x = ones(400)
    torch.rand(5)  # the generator stands somewhere behind its seed
    y = a.checkpoint(lambda z: nn.functional.dropout(z, 0.5), x)
    torch.rand(7)
    y.sum().backward()
    if x.grad is not None and not same(x.grad, y.detach()):
        return (
            "the dropout mask of the second run is another one than that of the first, so the gradients "
            "belong "
            "to a network that never ran. Save `torch.get_rng_state()` before the first run, and set it "
            "for the "
            "second"
        )
    return None


@probe("always-the-same-numbers")
def same_numbers(a: Any, t: Trial) -> str | None:
    def drop(z: Tensor) -> Tensor:
        return nn.functional.dropout(z, 0.5)

    first, second = a.checkpoint(drop, ones(400)), a.checkpoint(drop, ones(400))
    if same(first.detach(), second.detach()):
        return (
            "two calls drew the same dropout mask: you set a fixed seed. Remember where the generator "
            "stands, "
            "and go back there for the second run only"
        )
    return None


@probe("leaves-a-trace-in-the-generator")
def trace(a: Any, t: Trial) -> str | None:
    def after(run: Any) -> tuple[Tensor, Tensor]:
        torch.manual_seed(t.seed)
        y = run(lambda z: nn.functional.dropout(z, 0.5), ones(400))
        between = torch.rand(3)
        y.sum().backward()
        return between, torch.rand(3)

    plain, found = after(lambda fn, x: fn(x)), after(a.checkpoint)
    if not same(found[0], plain[0]):
        return (
            "after the *forward* pass the global generator stands elsewhere than without checkpoint: the "
            "first run "
            "has to draw from it as usual"
        )
    if not same(found[1], plain[1]):
        return (
            "after the backward pass the global generator stands elsewhere than without checkpoint: what "
            "comes "
            "later draws other numbers. Put the state back after the second run (`torch.random.fork_rng()`)"
        )
    return None
