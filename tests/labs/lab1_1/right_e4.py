"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import torch
from torch.autograd import grad

from tests.labs.answers import Answers

right = Answers()


def rayleigh(hvp):
    """Power iteration with vᵀHv as its estimate."""

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        v = torch.randn(x.numel(), generator=generator, dtype=x.dtype).reshape(x.shape)
        v = v / torch.linalg.vector_norm(v)
        last = None
        value = 0.0
        for _ in range(iters):
            product = hvp(f, x, v)
            value = abs((v * product).sum().item())
            size = torch.linalg.vector_norm(product)
            if size == 0:
                return 0.0
            v = product / size
            if last is not None and abs(value - last) <= tol * max(value, last):
                break
            last = value
        return value

    return sharpness


@right("E4")
def inner_product_then_gradient():
    def hvp(f, x, v):
        point = x.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            g = grad(f(point), point, create_graph=True)[0]
            if g.grad_fn is None:
                return torch.zeros_like(point)
            result = grad((g * v.detach()).sum(), point, allow_unused=True)[0]
        return torch.zeros_like(x) if result is None else result.detach()

    return {"hvp": hvp, "sharpness": rayleigh(hvp)}


@right("E4")
def forward_over_reverse():
    def hvp(f, x, v):
        return torch.func.jvp(torch.func.grad(f), (x.detach(),), (v,))[1].detach()

    return {"hvp": hvp, "sharpness": rayleigh(hvp)}


@right("E4")
def reverse_over_forward():
    def hvp(f, x, v):
        def directional(z):
            return torch.func.jvp(f, (z,), (v,))[1]

        return torch.func.grad(directional)(x.detach()).detach()

    return {"hvp": hvp, "sharpness": rayleigh(hvp)}


@right("E4")
def vjp_of_the_gradient():
    def hvp(f, x, v):
        _, pull = torch.func.vjp(torch.func.grad(f), x.detach())
        return pull(v)[0].detach()

    return {"hvp": hvp, "sharpness": rayleigh(hvp)}


@right("E4")
def double_backward_trick():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        dummy = torch.ones((), dtype=x.dtype, requires_grad=True)
        (g,) = grad(f(x) * dummy, x, create_graph=True)
        along = (g * v).sum() + 0 * (x * x).sum() * dummy
        return grad(along, x, allow_unused=True)[0].detach()

    return {"hvp": hvp, "sharpness": rayleigh(hvp)}


@right("E4")
def a_term_that_keeps_the_graph():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x) + 0.0 * (x**2).sum(), x, create_graph=True)
        return torch.autograd.grad(g @ v if g.dim() == 1 else (g * v).sum(), x)[0]

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        """Lanczos with full reorthogonalisation."""
        n = x.numel()
        q = torch.randn(x.shape, generator=generator, dtype=x.dtype).reshape(-1)
        basis = [q / q.norm()]
        T = torch.zeros(min(iters, n), min(iters, n), dtype=x.dtype)
        value = 0.0
        for k in range(min(iters, n)):
            w = hvp(f, x, basis[-1].reshape(x.shape)).reshape(-1)
            T[k, k] = w @ basis[-1]
            for b in basis:
                w = w - (w @ b) * b
            for b in basis:
                w = w - (w @ b) * b
            old, value = value, torch.linalg.eigvalsh(T[: k + 1, : k + 1]).abs().max().item()
            beta = w.norm()
            if (
                k + 1 == min(iters, n)
                or beta <= 1e-12 * max(value, 1e-300)
                or (k > 4 and abs(value - old) <= tol * value)
            ):
                break
            T[k, k + 1] = T[k + 1, k] = beta
            basis.append(w / beta)
        return value

    return {"hvp": hvp, "sharpness": sharpness}


@right("E4")
def the_graph_is_built_once():
    from phase1_foundations.lab1_tensors.solution import hvp

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        if not g.requires_grad:
            return 0.0
        v = torch.empty_like(x).normal_(generator=generator).detach()
        v /= v.norm()
        estimate = float("inf")
        for _ in range(iters):
            (product,) = torch.autograd.grad(g, x, v, retain_graph=True, allow_unused=True)
            if product is None:
                return 0.0
            length = float(product.norm())
            if length == 0.0 or abs(length - estimate) <= tol * length:
                return length
            v, estimate = product / length, length
        return length

    return {"hvp": hvp, "sharpness": sharpness}


@right("E4")
def two_products_a_round():
    from phase1_foundations.lab1_tensors.solution import hvp

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        generator = generator or torch.Generator().manual_seed(torch.seed() % 2**31)
        v = torch.rand(x.shape, generator=generator, dtype=x.dtype) - 0.5
        previous = 0.0
        for _ in range(iters):
            v = v / v.norm()
            w = hvp(f, x, v)
            if not bool(w.any()):
                return 0.0
            v = w / w.norm()
            value = abs(float((v * hvp(f, x, v)).sum()))
            if previous and abs(value / previous - 1) < tol:
                break
            previous = value
        return value

    return {"hvp": hvp, "sharpness": sharpness}


@right("E4")
def all_iterations_in_float64():
    from phase1_foundations.lab1_tensors.solution import hvp

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        v = torch.randn(x.shape, generator=generator).to(x.dtype)
        for _ in range(iters):
            v = hvp(f, x, v / v.norm())
            if v.norm() == 0:
                return 0.0
        return v.norm().item()

    return {"hvp": hvp, "sharpness": sharpness}
