"""W1: one step."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise import warmup_pictures as pictures
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

w1 = Exercise(
    "W1",
    takes={"descend_": None},
    hints=(
        "Which object must be different afterwards: the name `param` inside your function, or the tensor "
        "that the caller holds? And who must not be watching?",
        "`param ← param − lr · param.grad`, written into the tensor itself, and only if `param.grad` is not "
        "`None`.",
        "`with torch.no_grad(): param -= lr * param.grad`",
    ),
)


def parameter(values: list[float], gradient: list[float] | None) -> Tensor:
    p = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    p.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float64)
    return p


def moved(a, lr: float = 0.1, gradient: float = 4.0) -> float:
    """Where 3 is after a step."""
    p = parameter([3.0], [gradient])
    a.descend_(p, lr)
    return p.item()


@w1.probe("update-is-recorded")
def recorded(a, t):
    attempt = t.tried(lambda: moved(a))
    if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
        return (
            "torch refuses: a leaf that requires a gradient is overwritten while autograd records. The move "
            "is no part of the model: put it under `with torch.no_grad():`"
        )


@w1.probe("nothing-moves")
def nothing_moves(a, t):
    if moved(a) == 3.0:
        return (
            "the caller's tensor has not moved: `param = param - …` gives the *name* `param` a new tensor. "
            "Write into the tensor itself: `param -= …` or `param.add_(…)`, under `torch.no_grad()`"
        )


@w1.probe("goes-uphill")
def uphill(a, t):
    if close(moved(a), 3.4):
        return "the parameter goes *with* the gradient, to where the loss grows: 3 became 3.4. Subtract"


@w1.probe("lr-forgotten")
def lr_forgotten(a, t):
    if close(moved(a, lr=0.1), -1.0) or close(moved(a, lr=0.1), moved(a, lr=0.2)):
        return "the step is the same with lr = 0.1 and lr = 0.2: multiply the gradient by `lr`"


@w1.probe("ignores-the-gradient")
def ignores_gradient(a, t):
    if close(moved(a, gradient=4.0), moved(a, gradient=8.0)):
        return (
            "the step is the same with a gradient of 4 and of 8: its length counts, not only its sign or "
            "direction"
        )


@w1.probe("fails-without-a-gradient")
def fails_on_none(a, t):
    p = parameter([3.0], None)
    attempt = t.tried(lambda: a.descend_(p, 0.1))
    if attempt.raised(Exception):
        return (
            f"with `param.grad = None` your function raises {type(attempt.error).__name__}: a parameter "
            "that the loss does not depend on has no gradient, and stays where it is"
        )
    if p.item() != 3.0 or p.grad is not None:
        return "with `param.grad = None` the parameter must stay as it is, without a gradient"


@w1.probe("gradient-changed")
def gradient_changed(a, t):
    p = parameter([3.0, 1.0], [4.0, -2.0])
    a.descend_(p, 0.1)
    if p.grad is None or not same(p.grad, torch.tensor([4.0, -2.0])):
        after = "None" if p.grad is None else numbers(p.grad)
        return (
            f"`param.grad` was [4, −2] and is {after} afterwards: read it, do not write into it. (Clearing "
            "gradients is somebody else's job)"
        )


@w1.probe("no-longer-a-parameter")
def no_longer_a_parameter(a, t):
    p = parameter([3.0], [4.0])
    a.descend_(p, 0.1)
    if not p.requires_grad or not p.is_leaf:
        return (
            "afterwards `param` no longer is a leaf that requires a gradient, so the next backward would "
            "not reach it: leave `requires_grad` alone, and move it under `torch.no_grad()`"
        )


@w1.probe("leaves-no-grad-on")
def leaves_no_grad(a, t):
    moved(a)
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        return (
            "after your function autograd is switched off for everybody: use `with torch.no_grad():`, "
            "which switches it on again at its end"
        )


@w1.probe("needs-contiguous-memory")
def contiguous(a, t):
    p = t.randn(3, 2).T.requires_grad_()
    p.grad, before = torch.ones(2, 3, dtype=torch.float64), p.detach().clone()
    attempt = t.tried(lambda: a.descend_(p, 0.1))
    if attempt.raised(RuntimeError) and "view" in str(attempt.error):
        return "a transposed parameter: `view` needs contiguous memory. `param -= …` works for every layout"
    if attempt.error is None and same(p, before):
        return (
            "a transposed parameter does not move: `flatten` and `reshape` copy where memory is not "
            "contiguous, and you write into the copy. Write into param itself"
        )


@w1.probe("float64-becomes-float32")
def narrow(a, t):
    p = parameter([1.0], [1.0])
    a.descend_(p, 1e-12)
    if p.item() == 1.0:
        return "a step of 1e-12 from 1 is lost in float64: compute in the parameter's own dtype"


@w1.probe("other-step")
def other_step(a, t):
    p = parameter([1.0, 2.0, -3.0], [10.0, -10.0, 0.5])
    a.descend_(p, 0.1)
    if not same(p, torch.tensor([0.0, 3.0, -3.05])):
        return (
            "[1, 2, −3] with the gradient [10, −10, 0.5] and lr = 0.1 should become [0, 3, −3.05], yours "
            f"became {numbers(p)}"
        )


@w1.property("param ← param − lr · grad")
def descends(a, t):
    for shape in ((), (1,), (3,), (2, 3), (0,)):
        p = t.randn(*shape).requires_grad_()
        p.grad = t.randn(*shape)
        before, lr = p.detach().clone(), float(t.rand(1))
        a.descend_(p, lr)
        t.equal(p.detach(), before - lr * p.grad, f"a parameter of shape {shape}")
        t.that(p.requires_grad and p.is_leaf, "param no longer is a leaf that requires a gradient")
    strided = t.randn(4, 6).T.requires_grad_()
    strided.grad = t.randn(6, 4)
    before = strided.detach().clone()
    a.descend_(strided, 0.5)
    t.equal(strided.detach(), before - 0.5 * strided.grad, "a transposed parameter")
    plain = t.randn(3)
    plain.grad = t.randn(3)
    a.descend_(plain, 0.5)
    t.that(not plain.requires_grad, "a tensor that required no gradient requires one afterwards")


w1.reward(pictures.path_downhill)
