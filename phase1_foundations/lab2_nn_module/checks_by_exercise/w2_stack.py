"""W2: modules inside modules."""

from typing import Any

import torch
from torch import nn

from courseware.check import Exercise, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import parameters_by_depth
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run, nothing_returned

w2 = Exercise(
    "W2",
    takes={"Stack": None},
    hints=(
        "forward needs all the layers, and torch must know all of them. Which list is one that torch looks "
        "into?",
        "In `__init__`: a `nn.ModuleList` of `depth` new `nn.Linear(width, width)`. In forward: x ← "
        "relu(layer(x)), for one layer after the other.",
        "`self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))`; `for layer in "
        "self.layers: x = torch.relu(layer(x))`; `return x`.",
    ),
)


def linears(module: nn.Module) -> list[nn.Linear]:
    return [m for m in module.modules() if isinstance(m, nn.Linear)]


def runs_of_linear(module: nn.Module, width: int) -> int:
    """How often a linear layer works in one forward pass, registered or not."""
    count, original = 0, nn.Linear.forward

    def counted(self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        return x  # width stays width, also where layers of another stack run

    nn.Linear.forward = counted
    try:
        module(torch.ones(1, width))
    finally:
        nn.Linear.forward = original
    return count


def in_order(module: nn.Module, x: torch.Tensor) -> list[nn.Linear]:
    """The linear layers as they run; as they are registered where a forward pass does not call them."""
    called: list[nn.Linear] = []
    handles = [m.register_forward_hook(lambda m, i, o: called.append(m)) for m in linears(module)]
    try:
        module(x)
    finally:
        for handle in handles:
            handle.remove()
    return called or linears(module)


def lively(a: Any, t: Trial) -> tuple[nn.Module, torch.Tensor, list[nn.Linear]]:
    """Stack(3, 2), an input and its two layers in order; every relu in it cuts something off."""
    module, x = a.Stack(3, 2), t.randn(16, 3, dtype=torch.float32)
    layers = in_order(module, x)
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.tensor([[1.0, -0.5, 0.3], [-0.4, 1.0, -0.2], [0.2, 0.6, -1.0]]))
            if layer.bias is not None:
                layer.bias.fill_(0.1)
    return module, x, layers


@w2.probe("no-super-init")
def no_super_init(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.Stack(2, 1))
    if attempt.raised(AttributeError) and "__init__" in str(attempt.error):
        return f"torch says: {attempt.error}. The first line of `__init__` must be `super().__init__()`"
    return None


@w2.probe("layers-are-made-in-forward")
def made_in_forward(a: Any, t: Trial) -> str | None:
    module, x = a.Stack(3, 2), t.randn(4, 3, dtype=torch.float32)
    if not linears(module) and not torch.equal(module(x), module(x)):
        return (
            "the same input gave two different results: forward makes new layers, with new random weights, "
            "in every call. Make them once, in `__init__`"
        )
    return None


@w2.probe("a-list-hides-its-modules")
def hidden(a: Any, t: Trial) -> str | None:
    module = a.Stack(3, 4)
    if not list(module.parameters()) and runs_of_linear(module, 3):
        return (
            "your Stack runs its layers, but `list(stack.parameters())` is empty: a plain Python list (or "
            "tuple, or dict) hides the modules in it. Use `nn.ModuleList`"
        )
    return None


@w2.probe("one-list-for-all-stacks")
def one_list(a: Any, t: Trial) -> str | None:
    count = runs_of_linear(a.Stack(3, 1), 3)
    if count and runs_of_linear(a.Stack(3, 1), 3) == count + 1:
        return (
            "each new Stack(3, 1) runs the layers of all earlier ones too: a list in the class body (or "
            "as a default argument) is one list for all. Make it in `__init__`"
        )
    return None


@w2.probe("returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    return nothing_returned(a.Stack(3, 2), torch.ones(4, 3))


@w2.probe("all-layers-share-their-weights")
def shared(a: Any, t: Trial) -> str | None:
    module = a.Stack(3, 4)
    if len(linears(module)) == 1 and runs_of_linear(module, 3) == 4:
        return (
            "four layers, but only one set of weights: `[layer] * depth`, like calling one layer again and "
            "again, repeats the *same* module. Make a new `nn.Linear` for each"
        )
    return None


@w2.probe("no-relu")
def no_relu(a: Any, t: Trial) -> str | None:
    module, x, layers = lively(a, t)
    y = x
    for layer in layers:
        y = layer(y)
    if len(layers) == 2 and torch.allclose(module(x), y, atol=1e-6):
        return (
            "there is no relu in between: two linear layers in a row are one linear layer. Apply "
            "`torch.relu` after each"
        )
    return None


@w2.probe("relu-somewhere-else")
def relu_elsewhere(a: Any, t: Trial) -> str | None:
    module, x, layers = lively(a, t)
    if len(layers) != 2:
        return None
    first, second, relu = *layers, torch.relu
    y = module(x)
    if torch.allclose(y, second(relu(first(x))), atol=1e-6):
        return "the last layer has no relu: asked for is one after each layer, also the last"
    if torch.allclose(y, relu(second(first(x))), atol=1e-6):
        return "there is one relu, at the very end: two linear layers without one in between are one"
    if torch.allclose(y, second(relu(first(relu(x)))), atol=1e-6):
        return "the relu stands before each layer, asked for is one after each"
    if torch.allclose(y, relu(second(relu(first(relu(x))))), atol=1e-6):
        return "there is a relu before the first layer too: asked for are `depth`, one after each layer"
    return None


@w2.probe("layers-left-out")
def left_out(a: Any, t: Trial) -> str | None:
    module = a.Stack(3, 4)
    made, runs = len(linears(module)), runs_of_linear(module, 3)
    if made == 4 and runs != 4:
        return (
            f"Stack(3, 4) has 4 linear layers, and forward runs {runs}: each runs once, one after the other"
        )
    return None


@w2.probe("layers-without-bias")
def without_bias(a: Any, t: Trial) -> str | None:
    if any(layer.bias is None for layer in linears(a.Stack(3, 2))):
        return "the linear layers have no bias; asked for are `nn.Linear(width, width)` as they are"
    return None


@w2.probe("something-is-added")
def added(a: Any, t: Trial) -> str | None:
    module, x = a.Stack(3, 1), t.randn(16, 3, dtype=torch.float32)
    layers = in_order(module, x)
    if len(layers) == 1 and torch.allclose(module(x), x + torch.relu(layers[0](x)), atol=1e-6):
        return "you add the layer's input to its output; asked for is relu(layer(x)) alone"
    return None


@w2.probe("one-layer-off")
def one_off(a: Any, t: Trial) -> str | None:
    count = len(linears(a.Stack(3, 4)))
    if count not in (0, 4):
        return f"Stack(3, depth=4) has {count} linear layer{'s' * (count != 1)}, asked for are 4"
    return None


@w2.probe("layers-in-another-place")
def another_place(a: Any, t: Trial) -> str | None:
    module, x, layers = lively(a, t)
    if len(layers) != 2:
        return None
    first, second = layers
    y = module(x)
    if torch.allclose(y, torch.relu(second(x)), atol=1e-6):
        return "the second layer gets x again, not what the first one gave: `x = torch.relu(layer(x))`"
    for name in ("tanh", "sigmoid", "gelu", "leaky_relu", "softplus", "elu", "silu"):
        f = getattr(nn.functional, name)
        if torch.allclose(y, f(second(f(first(x)))), atol=1e-6):
            return f"after each layer stands a {name}; asked for is `torch.relu`"
    return None


@w2.probe("gradient-is-cut")
def cut(a: Any, t: Trial) -> str | None:
    module, x, layers = lively(a, t)
    y = module(x)
    if not isinstance(y, torch.Tensor) or len(layers) != 2:
        return None
    grads = [None, None]
    if y.requires_grad:
        grads = torch.autograd.grad(y.sum(), [layer.weight for layer in layers], allow_unused=True)
    lost = ["first", "second"][grads[0] is not None]
    if any(grad is None for grad in grads):
        return (
            f"the gradient does not reach the {lost} of two layers, so it would never learn: "
            "`.detach()`, `.data` and `torch.no_grad()` cut the way back"
        )
    return None


@w2.probe("depth-zero")
def depth_zero(a: Any, t: Trial) -> str | None:
    x = t.randn(4, 3, dtype=torch.float32)
    before = x.clone()
    attempt = t.tried(lambda: a.Stack(3, 0)(x))
    if attempt.error is not None:
        return f"Stack(3, 0) raised {attempt.error}: without a layer it returns its input"
    if isinstance(attempt.value, torch.Tensor) and not torch.equal(attempt.value, before):
        return "Stack(3, depth=0) changes its input: without a layer there is nothing to do, not even a relu"
    return None


@w2.probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    for depth in (1, 3):
        must_run(t, f"Stack(3, {depth})", lambda depth=depth: a.Stack(3, depth))
        must_run(t, f"Stack(3, {depth}) of x [4, 3]", lambda depth=depth: a.Stack(3, depth)(torch.ones(4, 3)))


@w2.property("depth layers of their own, all registered")
def registered(a: Any, t: Trial) -> None:
    for depth in (0, 1, 2, 5):
        width = t.random.randint(2, 6)
        module = a.Stack(width, depth)
        t.given(f"Stack({width}, {depth})")
        t.that(isinstance(module, nn.Module), "it is no nn.Module")
        found = sum(p.numel() for p in module.parameters())
        t.equal(found, depth * (width * width + width), "the number of its parameters")
        t.equal(len(linears(module)), depth, "the number of its linear layers")


@w2.property("layer after layer, each with a relu")
def values(a: Any, t: Trial) -> None:
    for depth in (0, 1, 2, 4):
        width = t.random.randint(2, 5)
        module, x = a.Stack(width, depth).double(), t.randn(3, width)
        t.given(f"Stack({width}, {depth})")
        for layer in linears(module):
            with torch.no_grad():
                layer.bias.add_(0.5)  # otherwise deep stacks are all zeros
        expected = x.clone()
        for layer in in_order(module, x.clone()):
            expected = torch.relu(expected @ layer.weight.T + layer.bias)
        x.requires_grad_()
        y = module(x)
        t.equal(y, expected, "the result")
        if depth:
            t.that(y.requires_grad, "the result has no gradient history")
            wanted = [x, *(layer.weight for layer in linears(module))]
            grads = torch.autograd.grad(y.sum(), wanted, allow_unused=True)
            t.that(all(g is not None for g in grads), "the gradient does not reach the input and every layer")


w2.reward(parameters_by_depth)
