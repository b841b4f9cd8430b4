"""E4: Hessian-vector products and sharpness. What must hold; the known mistakes stand in `e4_mistakes`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from courseware.check import Exercise, Trial, forbid
from courseware.check.edges import layouts
from courseware.check.numeric import inner
from courseware.check.observe import observe
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes import (
    Function,
    diagonal,
    rotated,
    watched,
)
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes_edges import probe
from phase1_foundations.lab1_tensors.checks_by_exercise.e4_mistakes_sharpness import sharpness
from shared.plotting import COLOURS, panels, show

e4 = Exercise(
    "E4",
    takes={"hvp": Tensor, "sharpness": None},
    forbids=forbid(
        python=("torch.autograd.functional.hvp", "torch.autograd.functional.vhp"),
        why="it is `hvp` itself. Build it from `torch.autograd.grad`, or from the pieces of `torch.func`",
    ),
    hints=(
        "H v is the derivative of a single number: of ⟨∇f(x), v⟩, where v is held fixed. So: "
        "differentiate, take the inner product with v, differentiate again.",
        "g = ∇f(x), computed so that it can be differentiated again (`create_graph=True`); Hv = ∇ₓ⟨g, v⟩. "
        "Power iteration: v ← Hv/|Hv|, and |Hv| for |v| = 1 tends to |λ|max.",
        "`x = x.detach().requires_grad_()`; `g, = torch.autograd.grad(f(x), x, create_graph=True)`; if "
        "`g.requires_grad` is False, f is linear: zeros; else `torch.autograd.grad(g, x, grad_outputs=v, "
        "allow_unused=True)`, where None means zeros. Stop when `abs(new - old) <= tol * new`.",
    ),
)
probe.add_to(e4)


def log_sum_exp(x: Tensor) -> Tensor:
    return x.exp().sum().log()


def rosenbrock(x: Tensor) -> Tensor:
    x = x.reshape(-1)
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def waves(x: Tensor) -> Tensor:
    return (torch.sin(x) * x.tanh()).sum() + (x**3).mean()


def dense_product(t: Trial, f: Function, x: Tensor, v: Tensor) -> Tensor:
    with t.oracle():
        hessian = torch.autograd.functional.hessian(f, x.detach().clone())
    return (hessian.reshape(x.numel(), x.numel()) @ v.reshape(-1)).reshape(x.shape)


@e4.property("hvp: closed forms", points=4)
def closed_forms(a: Any, t: Trial) -> None:
    for n in (1, 2, 5):
        matrix, x, v = t.randn(n, n), t.randn(n), t.randn(n)
        t.equal(a.hvp(lambda z, m=matrix: z @ m @ z, x, v), (matrix + matrix.T) @ v, "f(x) = xᵀAx")
        t.equal(a.hvp(lambda z: (z**4).sum(), x, v), 12 * x**2 * v, "f(x) = Σx⁴")
        p = x.softmax(0)
        t.equal(a.hvp(log_sum_exp, x, v), p * v - p * (p @ v), "f(x) = log Σ exp x", rtol=1e-8, atol=1e-10)
    x, v = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([1.0, -1.0, 2.0])
    t.equal(a.hvp(lambda z: (z**3).sum(), x, v), 6 * x * v, "f(x) = Σx³ in float32")


@e4.property("hvp: any function, shape and layout", points=3)
def any_function(a: Any, t: Trial) -> None:
    for f in (rosenbrock, waves, log_sum_exp):
        for n in (2, 7):
            x, v = t.randn(n), t.randn(n)
            t.equal(a.hvp(f, x, v), dense_product(t, f, x, v), f"f = {f.__name__}", rtol=1e-7, atol=1e-9)
    for layout, x in layouts(t, 3, 4):
        if 0 in x.stride():  # torch's own forward mode cannot take an expanded tensor
            continue
        v = t.randn(3, 4)
        t.equal(a.hvp(waves, x, v), dense_product(t, waves, x, v), f"x {layout}", rtol=1e-7, atol=1e-9)
        t.equal(a.hvp(waves, v, x), dense_product(t, waves, v, x), f"v {layout}", rtol=1e-7, atol=1e-9)
    x, v = t.randn(), t.randn()
    t.equal(a.hvp(lambda z: z**3, x, v), 6 * x * v, "a 0-d x")


@e4.property("hvp: symmetric, ⟨u, Hv⟩ = ⟨v, Hu⟩", points=1)
def symmetric(a: Any, t: Trial) -> None:
    for f in (rosenbrock, waves):
        x, u, v = t.randn(12), t.randn(12), t.randn(12)
        t.equal(inner(u, a.hvp(f, x, v)), inner(v, a.hvp(f, x, u)), f"f = {f.__name__}", rtol=1e-8, atol=1e-8)


@e4.property("hvp: linear functions, and nothing of the caller's changes", points=3)
def careful(a: Any, t: Trial) -> None:
    x, v, weights = t.randn(4), t.randn(4), t.randn(4)
    t.equal(a.hvp(lambda z: (weights * z).sum(), x, v), torch.zeros_like(x), "f(x) = ⟨w, x⟩")
    t.equal(a.hvp(lambda z: z.sum(), x, v), torch.zeros_like(x), "f(x) = Σx")
    half = torch.tensor([12 * x[0] ** 2 * v[0], 0, 0, 0])
    t.equal(a.hvp(lambda z: z[0] ** 4 + z[1:].sum(), x, v), half, "f(x) = x₀⁴ + x₁ + x₂ + x₃")
    asks = t.randn(4).requires_grad_()
    asks.grad = torch.ones_like(asks)
    parameter = t.randn(4).requires_grad_()
    t.equal(
        a.hvp(lambda z: (parameter * z**3).sum(), asks, v),
        (6 * parameter * asks * v).detach(),
        "x requires a gradient",
    )
    t.equal(asks.grad, torch.ones_like(asks), "x.grad after the call")
    t.that(parameter.grad is None, "a tensor that f uses has a gradient now; before the call it had none")
    t.equal(
        a.hvp(lambda z: (parameter * z).sum(), asks, v),
        torch.zeros_like(v),
        "f(x) = ⟨w, x⟩, where w requires a gradient",
    )
    t.that(asks.requires_grad and not x.requires_grad, "requires_grad of the caller's x has changed")


@e4.property("hvp: a million parameters", points=2)
def a_million(a: Any, t: Trial) -> None:
    n = 1_000_000
    weights, x, v = (
        t.rand(n, dtype=torch.float32),
        t.randn(n, dtype=torch.float32),
        t.randn(n, dtype=torch.float32),
    )
    with observe() as seen:
        product = a.hvp(lambda z: 0.5 * (weights * z * z).sum(), x, v)
    t.equal(product, weights * v, "f(x) = ½ Σ wᵢxᵢ²")
    t.that(seen.largest <= 4 * n, f"for n = {n:,} a tensor of {seen.largest:,} elements was allocated")


@e4.property("sharpness: right to 1 %", points=4)
def right_to_one_percent(a: Any, t: Trial) -> None:
    for n in (1, 2, 5, 20, 50):
        top = t.random.uniform(0.5, 20)
        others = t.rand(n - 1, low=-0.7, high=0.7) * top
        spectrum = torch.cat([torch.tensor([top], dtype=torch.float64), others])
        for f in (diagonal(spectrum[t.random.sample(range(n), n)]), rotated(t, spectrum)):
            t.equal(sharpness(a, t, f, t.randn(n)), top, f"{n} eigenvalues", rtol=1e-2)
    spectrum = t.rand(12, low=-0.5, high=0.5)
    spectrum[7] = -3.0
    x = t.randn(3, 4, dtype=torch.float32)
    f = diagonal(spectrum.float().reshape(3, 4))
    t.equal(
        a.sharpness(f, x, generator=t.generator), 3.0, "x of shape (3, 4), dominant eigenvalue −3", rtol=1e-2
    )
    middle = sorted(a.sharpness(f, x) for _ in range(3))[1]
    t.equal(middle, 3.0, "without a generator", rtol=1e-2)


@e4.property("sharpness: any scale, and zero", points=2)
def any_scale(a: Any, t: Trial) -> None:
    spectrum = torch.cat([torch.tensor([1.0]).double(), t.rand(29, high=0.7)])
    for scale in (1e-6, 1.0, 1e6):
        for sign in (1, -1):
            f = diagonal(spectrum * scale * sign)
            t.equal(
                a.sharpness(f, t.randn(30), generator=t.generator), scale, f"λ = {sign * scale:g}", rtol=1e-2
            )
    result = a.sharpness(lambda z: (3 * z).sum(), t.randn(5), generator=t.generator)
    t.equal(result, 0.0, "a linear f")


@e4.property("sharpness: a float, reproducible, within `iters` rounds", points=1)
def reproducible(a: Any, t: Trial) -> None:
    f, x = rotated(t, torch.cat([torch.tensor([5.0]).double(), t.rand(9, high=4)])), t.randn(10)
    state = torch.get_rng_state()
    seeds = [torch.Generator().manual_seed(seed) for seed in (3, 3)]
    first, second = (a.sharpness(f, x, iters=3, generator=generator) for generator in seeds)
    t.that(
        isinstance(first, float) and first >= 0,
        f"sharpness returned {first!r}, expected a float that is not negative",
    )
    t.that(first == second, f"the same seed gave {first!r} and {second!r}")
    t.that(
        bool((torch.get_rng_state() == state).all()),
        "torch's global generator was used, although one was given",
    )
    points: list[Tensor] = []
    a.sharpness(watched(f, points), x, iters=5, tol=0.0, generator=seeds[0])
    t.that(len(points) <= 20, f"with iters=5, f was called {len(points)} times")


@e4.reward
def the_edge_of_stability(a: Any) -> None:
    """Gradient descent on the digits, just below and just above 2/λ."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    X = torch.tensor(pixels / 16)
    Y = torch.eye(10, dtype=torch.float64)[torch.tensor(labels)]

    def loss(W: Tensor) -> Tensor:
        return ((X @ W - Y) ** 2).sum() / (2 * len(X))

    start = torch.zeros(64, 10, dtype=torch.float64)
    top = a.sharpness(loss, start, iters=200, tol=1e-7, generator=torch.Generator().manual_seed(0))
    fig, ax = panels(height=3.0)
    for factor, colour in ((0.9, "blue"), (1.1, "red")):
        losses = descend(loss, start, factor * 2 / top, steps=60)
        ax.plot(losses, color=COLOURS[colour], label=f"η = {factor} · 2/λ = {factor * 2 / top:.3f}")
    ax.set(yscale="log", xlabel="step", ylabel="loss")
    ax.legend()
    show(
        fig,
        caption=(
            f"Your `sharpness` finds λ = {top:.2f} for a linear classifier of the digits with squared "
            "error: 640 parameters. A tenth below the threshold 2/λ gradient descent converges, a tenth "
            "above it explodes."
        ),
        alt=(
            "Two loss curves on a logarithmic axis. The blue one falls and flattens, the red one rises "
            "without end."
        ),
    )


def descend(loss: Callable[[Tensor], Tensor], start: Tensor, rate: float, steps: int) -> list[float]:
    W, losses = start.clone().requires_grad_(), []
    for _ in range(steps):
        value = loss(W)
        (gradient,) = torch.autograd.grad(value, W)
        losses.append(value.item())
        W = (W - rate * gradient).detach().requires_grad_()
    return losses
