"""W8: a derivative by autograd."""

import math

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w8 = Exercise(
    "W8",
    takes={"slope": None},
    hints=(
        "The derivative ends up in the tensor that you put in, not in the result. So keep a name for the "
        "input.",
        "point = a float tensor that requires a gradient; f(point).backward(); then look at point.grad.",
        "`point = torch.tensor(float(x), requires_grad=True)`, `f(point).backward()`, `return "
        "point.grad.item()`",
    ),
)


def cubic(x: Tensor) -> Tensor:
    return x * x * x - 2 * x


@w8.probe("returns-the-value")
def returns_the_value(a, t):
    if same(a.slope(cubic, 2.0), 4.0, rtol=1e-4):
        return (
            "slope(x³ − 2x, 2) gave 4, which is the *value* there; the derivative, 10, stands in the "
            "input's `.grad`"
        )


@w8.probe("nothing-requires-a-gradient")
def no_requires_grad(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(RuntimeError) and "does not require grad" in str(attempt.error):
        return (
            "nobody asked for a gradient, so torch remembered nothing and `backward()` fails: make the "
            "input with `torch.tensor(float(x), requires_grad=True)`, before `f` is called, and do not "
            "detach it or wrap it again"
        )


@w8.probe("whole-number-input")
def whole_number(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2))
    if attempt.raised(RuntimeError) and "floating point" in str(attempt.error):
        return (
            "`torch.tensor(2)` is a whole number, and only floating point tensors can require a gradient: "
            "write `torch.tensor(float(x), …)`"
        )


@w8.probe("gradient-of-the-result")
def gradient_of_result(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(AttributeError, TypeError) and "NoneType" in str(attempt.error):
        return (
            "you looked for a gradient where there is none: `backward()` itself returns nothing, the "
            "result's `.grad` stays None, and so does the input's before `backward()` ran. Afterwards it "
            "stands in the *input's* `.grad`"
        )


@w8.probe("returns-nothing")
def returns_nothing(a, t):
    if a.raw("slope")(cubic, 2.0) is None:
        return (
            "`slope` returned None: either `return` is missing, or you returned what `backward()` gives, "
            "which is nothing. Return the input's `.grad`, as a float"
        )


@w8.probe("finite-differences")
def finite_differences(a, t):
    points = []

    def watched(x: Tensor) -> Tensor:
        points.append(complex(x.detach().item()))
        return cubic(x)

    a.slope(watched, 2.0)
    if any(point != 2 for point in points):
        return (
            f"`f` was called at {' and '.join(f'{p.real:.6g}' for p in points[:2])}: that is a difference "
            "quotient, exact to a few digits only. Call `f` once, at x, and let `backward()` differentiate"
        )


@w8.probe("a-tensor-instead-of-a-float")
def a_tensor(a, t):
    result = a.slope(cubic, 2.0)
    if isinstance(result, Tensor):
        return f"`slope` returned {result}, a tensor; asked for is a Python float: `.item()` gets it out"


@w8.probe("another-shape-for-f")
def another_shape(a, t):
    shapes = []

    def watched(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return cubic(x)

    t.attempt(lambda: a.slope(watched, 2.0))
    if shapes and shapes[0] != ():
        return (
            f"`f` was called with a tensor of shape {shapes[0]}, it takes a single number of shape (): "
            "`torch.tensor(2.0)`, without the brackets of a list"
        )


@w8.probe("sign-lost")
def sign_lost(a, t):
    if same(a.slope(cubic, 2.0), 10.0, rtol=1e-4) and same(a.slope(cubic, 0.0), 2.0, rtol=1e-4):
        return "slope(x³ − 2x, 0) gave 2, expected −2: where f falls its slope is negative, leave the sign"


@w8.probe("adds-up-from-call-to-call")
def adds_up(a, t):
    first, second = a.slope(cubic, 2.0), a.slope(cubic, 2.0)
    if first != second:
        return (
            f"the same call gave {first:.6g}, then {second:.6g}: `.grad` adds up from one backward to the "
            "next. Make a new input tensor in each call"
        )


@w8.probe("a-float-has-no-backward")
def no_backward(a, t):
    attempt = t.attempt(lambda: a.slope(cubic, 2.0))
    if attempt.raised(AttributeError) and "backward" in str(attempt.error):
        return (
            "`backward` was called on something that has none: `.item()` leaves torch, so call "
            f"`backward()` on the tensor that `f` returned, before `.item()` ({attempt.error})"
        )


@w8.probe("counted-twice")
def counted_twice(a, t):
    if same(a.slope(cubic, 2.0), 20.0, rtol=1e-4):
        return (
            "slope(x³ − 2x, 2) gave 20, twice the derivative: `backward` ran twice, and `.grad` adds up. "
            "Once is enough"
        )


@w8.probe("x-rounded")
def x_rounded(a, t):
    if same(a.slope(cubic, 2.0), 10.0, rtol=1e-4) and same(a.slope(cubic, 2.75), 10.0, rtol=1e-4):
        return (
            "slope at 2.75 is the slope at 2: you rounded x to a whole number. `float(x)` keeps the fraction"
        )


@w8.property("the derivative, as a float")
def derivative(a, t):
    cases = {
        "x³ − 2x": (cubic, lambda x: 3 * x * x - 2),
        "3x": (lambda x: 3 * x, lambda x: 3.0),
        "sin x": (torch.sin, math.cos),
        "exp(−x²)": (lambda x: torch.exp(-x * x), lambda x: -2 * x * math.exp(-x * x)),
        "tanh x": (torch.tanh, lambda x: 1 - math.tanh(x) ** 2),
        "x · x.exp()": (lambda x: x * x.exp(), lambda x: (1 + x) * math.exp(x)),
    }
    for name, (f, slope) in cases.items():
        for x in (0.0, 1, -2, t.random.uniform(-2, 2)):
            result = a.slope(f, x)
            t.that(isinstance(result, float), f"slope returned a {type(result).__name__}, expected a float")
            t.equal(result, float(slope(x)), f"slope of {name} at {x:.4g}", rtol=1e-4, atol=1e-5)


w8.reward(pictures.tangents)
