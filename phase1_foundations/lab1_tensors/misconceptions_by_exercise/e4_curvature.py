"""Wrong answers to E4."""

import torch

from courseware.check import misconception
from phase1_foundations.lab1_tensors.solution import hvp as sound_hvp


@misconception("E4", diagnosis="first-gradient-without-a-graph")
def forgets_create_graph():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x), x)
        return torch.autograd.grad((g * v).sum(), x)[0]

    return {"hvp": hvp}


@misconception("E4", diagnosis="finite-differences")
def difference_of_gradients():
    def hvp(f, x, v):
        def gradient(point):
            point = point.detach().requires_grad_()
            return torch.autograd.grad(f(point), point)[0]

        h = 1e-3
        return (gradient(x + h * v) - gradient(x - h * v)) / (2 * h)

    return {"hvp": hvp}


@misconception("E4", diagnosis="gradients-left-behind")
def uses_backward():
    def hvp(f, x, v):
        asked = x.requires_grad
        x.requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        if not g.requires_grad:
            return torch.zeros_like(x)
        before = None if x.grad is None else x.grad.clone()
        (g * v).sum().backward()
        product = x.grad.clone() if before is None else x.grad - before
        x.requires_grad_(asked)
        return product

    return {"hvp": hvp}


@misconception("E4", diagnosis="dense-hessian")
def builds_the_hessian():
    def hvp(f, x, v):
        hessian = torch.autograd.functional.hessian(f, x.detach())
        return (hessian.reshape(x.numel(), x.numel()) @ v.reshape(-1)).reshape(x.shape)

    return {"hvp": hvp}


@misconception("E4", diagnosis="one-backward-pass-a-parameter")
def one_row_at_a_time():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        if not g.requires_grad:
            return torch.zeros_like(x)
        rows = (
            torch.autograd.grad(entry, x, retain_graph=True, materialize_grads=True)[0]
            for entry in g.flatten()
        )
        return torch.stack([(row * v).sum() for row in rows]).reshape(x.shape)

    return {"hvp": hvp}


@misconception("E4", diagnosis="linear-function")
def linear_raises():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        return torch.autograd.grad(g, x, grad_outputs=v)[0]

    return {"hvp": hvp}


@misconception("E4", diagnosis="sums-the-gradient")
def multiplies_by_v_afterwards():
    def hvp(f, x, v):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        if not g.requires_grad:
            return torch.zeros_like(x)
        return torch.autograd.grad(g.sum(), x, materialize_grads=True)[0] * v

    return {"hvp": hvp}


@misconception("E4", diagnosis="changes-requires-grad")
def marks_the_callers_x():
    def hvp(f, x, v):
        x.requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, create_graph=True)
        if not g.requires_grad:
            return torch.zeros_like(x)
        return torch.autograd.grad(g, x, v, materialize_grads=True)[0]

    return {"hvp": hvp}


def power_iteration(first, estimate, enough):
    """Power iteration with a part to be exchanged: the start, the estimate, the test for the end."""

    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        v, value = first(x, generator), 0.0
        for _ in range(iters):
            product = sound_hvp(f, x, v)
            if product.norm() == 0:
                return 0.0
            old, value = value, float(estimate(v, product))
            if enough(value, old, tol):
                break
            v = product / product.norm()
        return value

    return sharpness


def random_start(x, generator):
    v = torch.randn(x.shape, dtype=x.dtype, generator=generator)
    return v / v.norm()


def length(v, product):
    return product.norm()


def relative(value, old, tol):
    return abs(value - old) <= tol * abs(value)


@misconception("E4", diagnosis="starts-from-ones")
def begins_with_ones():
    def ones(x, generator):
        return torch.ones_like(x) / x.numel() ** 0.5

    return {"sharpness": power_iteration(ones, length, relative)}


@misconception("E4", diagnosis="starts-from-a-fixed-vector")
def begins_with_a_unit_vector():
    def unit(x, generator):
        v = torch.zeros(x.numel(), dtype=x.dtype)
        v[0] = 1
        return v.reshape(x.shape)

    return {"sharpness": power_iteration(unit, length, relative)}


@misconception("E4", diagnosis="vector-not-normalised")
def never_normalises():
    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        v = torch.randn(x.shape, dtype=x.dtype, generator=generator)
        value = 0.0
        for _ in range(min(iters, 20)):
            product = sound_hvp(f, x, v)
            old, value = value, abs(float((v * product).sum()))
            if abs(value - old) <= tol * value:
                break
            v = product
        return value

    return {"sharpness": sharpness}


@misconception("E4", diagnosis="sign-of-the-dominant-eigenvalue")
def returns_the_rayleigh_quotient():
    def quotient(v, product):
        return (v * product).sum()

    return {"sharpness": power_iteration(random_start, quotient, relative)}


@misconception("E4", diagnosis="absolute-tolerance")
def stops_at_tol():
    return {
        "sharpness": power_iteration(random_start, length, lambda value, old, tol: abs(value - old) < tol)
    }


@misconception("E4", diagnosis="zero-hessian")
def divides_zero_by_zero():
    def sharpness(f, x, *, iters=100, tol=1e-4, generator=None):
        v = random_start(x, generator)
        value = 0.0
        for _ in range(iters):
            product = sound_hvp(f, x, v)
            v = product / product.norm()
            old, value = value, abs(float((v * sound_hvp(f, x, v)).sum()))
            if abs(value - old) <= tol * value:
                break
        return value

    return {"sharpness": sharpness}


@misconception("E4", diagnosis="global-generator")
def ignores_the_generator():
    def start(x, generator):
        return random_start(x, None)

    return {"sharpness": power_iteration(start, length, relative)}
