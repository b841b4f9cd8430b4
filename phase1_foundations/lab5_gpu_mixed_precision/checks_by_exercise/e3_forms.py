"""The known mistakes of E3's `checkpoint` with other arguments, results and surroundings."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_mistakes import ones, square
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e3_tools import Counted, layer
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


@probe("several-arguments")
def several_arguments(a: Any, t: Trial) -> str | None:
    def fn(x: Tensor, index: Tensor, scale: Tensor) -> Tensor:
        return square(x)[index] * scale

    for words, index, scale in (
        ("a second tensor that requires no gradient", slice(None), torch.ones(3).double()),
        ("an integer tensor", torch.tensor([2, 0, 1]), torch.ones(3).double()),
        ("two tensors that require gradients", torch.tensor([2, 0, 1]), ones(3)),
    ):
        x = ones(3)
        args = (x, scale) if isinstance(index, slice) else (x, index, scale)
        call = (lambda z, s: square(z) * s) if isinstance(index, slice) else fn
        error = failure(t, lambda call=call, args=args: a.checkpoint(call, *args).sum().backward())
        if error:
            return f"with {words} among the arguments, it ends in {error}"
        if scale.requires_grad and scale.grad is None:
            return "of two arguments that require gradients only the first got one: return one for each"
        if not scale.requires_grad and scale.grad is not None:
            return "an argument that requires no gradient has a `.grad` now"
    return None


@probe("several-results")
def several_results(a: Any, t: Trial) -> str | None:
    def fn(x: Tensor) -> tuple[Tensor, Tensor]:
        return square(x), 3 * x

    x = ones(3)
    if error := failure(t, lambda: a.checkpoint(fn, x)):
        return f"a function that returns two tensors ends in {error}"
    result = a.checkpoint(fn, x)
    if not isinstance(result, tuple) or len(result) != 2:
        return f"fn returns a tuple of two tensors, checkpoint a {type(result).__name__}: keep the form"
    left, right = result
    if error := failure(t, lambda: (left.sum() + right.sum()).backward()):
        return f"backward through a function that returns two tensors ends in {error}"
    with t.oracle():
        z = ones(3)
        (square(z).sum() + (3 * z).sum()).backward()
    if not same(x.grad, z.grad):
        return "fn returns two tensors, and the gradient of one of them is lost: both go back together"
    x = ones(3)
    if error := failure(t, lambda: a.checkpoint(fn, x)[1].sum().backward()):
        return f"fn returns two tensors, backward from the second alone ends in {error}"
    return None


@probe("under-no-grad")
def under_no_grad(a: Any, t: Trial) -> str | None:
    fn, x = Counted(square), ones(3)
    with torch.no_grad():
        y = a.checkpoint(fn, x)
    if y.requires_grad or fn.calls != 1:
        return (
            f"under torch.no_grad() fn ran {fn.calls} times and the result "
            f"{'requires' if y.requires_grad else 'requires no'} gradient: it is to be a plain call"
        )
    return None


@probe("nested")
def nested(a: Any, t: Trial) -> str | None:
    x, z = ones(3), ones(3)
    error = failure(t, lambda: a.checkpoint(lambda v: a.checkpoint(square, v) * 2, x).sum().backward())
    (square(z) * 2).sum().backward()
    if error or not same(x.grad, z.grad):
        return f"a checkpoint inside a checkpoint {'ends in ' + error if error else 'has a wrong gradient'}"
    return None


@probe("wrong-gradient")
def wrong_gradient(a: Any, t: Trial) -> str | None:
    model, x = layer(), t.randn(5, 4).requires_grad_()
    weight = t.randn(5, 3)
    (a.checkpoint(model, x) * weight).sum().backward()
    found = [x.grad, *(p.grad for p in model.parameters())]
    model.zero_grad()
    x.grad = None
    (model(x) * weight).sum().backward()
    for one, expected in zip(found, [x.grad, *(p.grad for p in model.parameters())], strict=True):
        if one is None or not same(one, expected):
            return (
                "the gradients of a small network differ from those without checkpoint: they come from "
                "the second "
                "run, with the gradient from above, for the inputs and all parameters"
            )
    return None
