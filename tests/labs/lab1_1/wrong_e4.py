"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch.autograd import grad

from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e4_curvature import (
    length,
    power_iteration,
    random_start,
    relative,
)
from phase1_foundations.lab1_tensors.solution import hvp as sound
from tests.labs.answers import Answers

wrong = Answers()


product = wrong.stands_for("E4", "hvp")


sharp = wrong.stands_for("E4", "sharpness")


def gradient_of(f, x, graph=True):
    x = x.detach().requires_grad_()
    return x, grad(f(x), x, create_graph=graph)[0]


@product
def retain_graph_is_no_create_graph(f, x, v):
    x = x.detach().requires_grad_()
    (g,) = grad(f(x), x, retain_graph=True)
    return grad((g * v).sum(), x)[0]


@product
def gradient_detached(f, x, v):
    x, g = gradient_of(f, x)
    return grad((g.detach() * v).sum(), x)[0]


@product
def gradient_times_v(f, x, v):
    return gradient_of(f, x)[1].detach() * v


@product
def gauss_newton(f, x, v):
    g = gradient_of(f, x)[1].detach()
    return g * (g * v).sum()


@product
def quadratic_form(f, x, v):
    return (sound(f, x, v) * v).sum()


@product
def one_sided_difference(f, x, v):
    g0, g1 = (gradient_of(f, point, False)[1] for point in (x, x + 1e-4 * v))
    return (g1 - g0) / 1e-4


@product
def float64_difference(f, x, v):
    x, v = x.double(), v.double()
    h = 1e-6
    g0, g1 = (gradient_of(f, x + s * h * v, False)[1] for s in (-1, 1))
    return (g1 - g0) / (2 * h)


@product
def built_in(f, x, v):
    return torch.autograd.functional.hvp(f, x, v)[1]


@product
def built_in_vhp(f, x, v):
    return torch.autograd.functional.vhp(f, x, v)[1]


@product
def functional_hessian(f, x, v):
    H = torch.func.hessian(f)(x.detach())
    return torch.tensordot(H, v, dims=x.dim())


@product
def diagonal_by_loops(f, x, v):
    x, g = gradient_of(f, x)
    if not g.requires_grad:
        return torch.zeros_like(x)
    flat = [
        grad(e, x, retain_graph=True, materialize_grads=True)[0].flatten()[i]
        for i, e in enumerate(g.flatten())
    ]
    return torch.stack(flat).reshape(x.shape) * v


@product
def leaves_gradients(f, x, v):
    x = x.detach().requires_grad_()
    y = f(x)
    y.backward(create_graph=True)
    g = x.grad
    if not g.requires_grad:
        return torch.zeros_like(x)
    x.grad = None
    (g * v).sum().backward()
    return x.grad


@product
def works_on_the_callers_x(f, x, v):
    x.requires_grad_()
    x.grad = None
    (g,) = grad(f(x), x, create_graph=True)
    if not g.requires_grad:
        return torch.zeros_like(x)
    return grad(g, x, v, materialize_grads=True)[0]


@product
def none_for_linear(f, x, v):
    x, g = gradient_of(f, x)
    if not g.requires_grad:
        return None
    return grad(g, x, v, allow_unused=True)[0]


@product
def forgets_other_linear(f, x, v):
    x, g = gradient_of(f, x)
    if not g.requires_grad:
        return torch.zeros_like(x)
    return grad(g, x, v)[0]


@product
def normalises_v(f, x, v):
    return sound(f, x, v / v.norm())


@product
def flattens(f, x, v):
    return sound(f, x, v).flatten()


@product
def reshapes_by_view(f, x, v):
    x, g = gradient_of(f, x.detach().view(-1).view(x.shape))
    if not g.requires_grad:
        return torch.zeros_like(x)
    return grad(g, x, v, materialize_grads=True)[0]


@product
def times_two(f, x, v):
    return 2 * sound(f, x, v)


@product
def asks_x_itself(f, x, v):
    (g,) = grad(f(x), x, create_graph=True)
    return grad(g, x, v, allow_unused=True)[0]


@sharp
def one_round(f, x, *, iters=100, tol=1e-4, generator=None):
    return sound(f, x, random_start(x, generator)).norm().item()


@sharp
def dense_eigenvalues(f, x, *, iters=100, tol=1e-4, generator=None):
    H = torch.autograd.functional.hessian(f, x.detach()).reshape(x.numel(), -1)
    return torch.linalg.eigvalsh(H).abs().max().item()


@sharp
def trace(f, x, *, iters=100, tol=1e-4, generator=None):
    v = torch.randn(x.shape, generator=generator).sign().to(x.dtype)
    return abs((v * sound(f, x, v)).sum().item())


@sharp
def largest_not_absolute(f, x, *, iters=100, tol=1e-4, generator=None):
    shift = power_iteration(random_start, length, relative)(f, x, iters=iters, generator=generator)
    v, value = random_start(x, generator), 0.0
    for _ in range(iters):
        w = sound(f, x, v) + shift * v
        if w.norm() == 0:
            return 0.0
        value, v = (w.norm() - shift).item(), w / w.norm()
    return value


@sharp
def returns_a_tensor(f, x, *, iters=100, tol=1e-4, generator=None):
    return torch.tensor(
        power_iteration(random_start, length, relative)(f, x, iters=iters, generator=generator)
    )


@sharp
def forgets_to_return(f, x, *, iters=100, tol=1e-4, generator=None):
    power_iteration(random_start, length, relative)(f, x, iters=iters, generator=generator)


@sharp
def starts_from_x(f, x, *, iters=100, tol=1e-4, generator=None):
    return power_iteration(lambda x, g: x / x.norm(), length, relative)(f, x, iters=iters, tol=tol)


@sharp
def reseeds_the_world(f, x, *, iters=100, tol=1e-4, generator=None):
    torch.manual_seed(0)
    return power_iteration(lambda x, g: random_start(x, None), length, relative)(f, x, iters=iters, tol=tol)


@sharp
def ignores_iters(f, x, *, iters=100, tol=1e-4, generator=None):
    return power_iteration(random_start, length, lambda a, b, c: False)(f, x, iters=100, generator=generator)


@sharp
def squared(f, x, *, iters=100, tol=1e-4, generator=None):
    return power_iteration(random_start, lambda v, w: (w * w).sum(), relative)(
        f, x, iters=iters, generator=generator
    )


@sharp
def stops_when_the_gain_shrinks(f, x, *, iters=100, tol=1e-4, generator=None):
    enough = lambda value, old, tol: abs(value - old) < 0.3 * value  # noqa: E731
    return power_iteration(random_start, length, enough)(f, x, iters=iters, generator=generator)


@sharp
def gradient_norm(f, x, *, iters=100, tol=1e-4, generator=None):
    return gradient_of(f, x)[1].norm().item()


@sharp
def loop_divides_zero(f, x, *, iters=100, tol=1e-4, generator=None):
    v, value = random_start(x, generator), 0.0
    for _ in range(iters):
        w = sound(f, x, v)
        new = w.norm().item()
        if abs(new / value - 1) < tol if value else False:
            break
        v, value = w / w.norm(), new
    return value
