"""Wrong answers to W2 to E5 that are right but for an edge: a fraction, a sign, an inner axis, a leaf."""

from __future__ import annotations

import torch

from phase1_foundations.lab1_tensors import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("W2", "to_images")
def squeezed(raw, height, width):
    return solution.to_images(raw, height, width).squeeze()


@wrong.stands_for("W3", "keep_bright")
def whole_threshold(image, threshold):
    return torch.where(image >= int(threshold), image, 0)


@wrong.stands_for("W3", "crop")
def counts_from_one(image, top, left, height, width):
    return image[top - 1 : top - 1 + height, left - 1 : left - 1 + width]


@wrong.stands_for("W4", "row_shares")
def sums_clamped(table):
    return table / table.sum(1, keepdim=True).clamp(min=1e-8)


@wrong.stands_for("W5", "broadcast_shape")
def last_axis_alone(a, b):
    if a and b and a[-1] != b[-1] and 1 not in (a[-1], b[-1]):
        raise ValueError
    try:
        return solution.broadcast_shape(a, b)
    except ValueError:
        return a if len(a) >= len(b) else b


@wrong.stands_for("W7", "shares_storage")
def by_the_recorded_base(a, b):
    return (a if a._base is None else a._base) is (b if b._base is None else b._base)


@wrong.stands_for("W8", "slope")
def vector_of_one(f, x):
    point = torch.tensor([float(x)], requires_grad=True)
    f(point).backward()
    return point.grad.item()


@wrong.stands_for("E1", "broadcast_view")
def minus_one_keeps_the_size(x, shape):
    new = len(shape) - x.dim()
    shape = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(shape))
    return solution.broadcast_view(x, shape)


@wrong.stands_for("E1", "broadcast_view")
def copies_what_stays(x, shape):
    return x.clone() if tuple(x.shape) == tuple(shape) else solution.broadcast_view(x, shape)


@wrong.stands_for("E1", "unbroadcast")
def first_one_only(g, shape):
    while g.dim() > len(shape):
        g = g.sum(0)
    return g.sum(shape.index(1), keepdim=True) if 1 in shape else g


@wrong("E2")
def nothing_for_a_leaf():
    class Var(solution.Var):
        def backward(self, seed=None):
            if self.parents:
                super().backward(seed)

    return {"Var": Var}


@wrong("E2")
def transpose_by_reshape():
    class Var(solution.Var):
        @property
        def T(self):
            return Var(self.data.T, (self,), lambda g: (g.reshape(self.data.shape),))

    return {"Var": Var}


class Remembers(torch.autograd.Function):
    """Its notes stand on the class."""

    @staticmethod
    def forward(ctx, logits, target, ignore_index=-100):
        Remembers.index = ignore_index
        return solution.FusedCrossEntropy.forward(ctx, logits, target, ignore_index)

    @staticmethod
    def backward(ctx, grad_out):
        ctx.ignore_index = Remembers.index
        return solution.FusedCrossEntropy.backward(ctx, grad_out)


@wrong("E3")
def notes_on_the_class():
    return {"FusedCrossEntropy": Remembers}


@wrong("E3")
def zero_is_no_index():
    class FusedCrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            return solution.FusedCrossEntropy.forward(ctx, logits, target, ignore_index or -100)

        backward = solution.FusedCrossEntropy.backward

    return {"FusedCrossEntropy": FusedCrossEntropy}


@wrong.stands_for("E4", "hvp")
def point_and_direction_exchanged(f, x, v):
    return solution.hvp(f, v, x)


@wrong.stands_for("E4", "hvp")
def in_float64(f, x, v):
    return solution.hvp(f, x.double(), v.double()).to(x.dtype)


@wrong.stands_for("E4", "sharpness")
def a_round_too_few(f, x, *, iters=100, tol=1e-4, generator=None):
    return solution.sharpness(f, x, iters=iters - 1, tol=tol, generator=generator)


@wrong.stands_for("E4", "sharpness")
def coarse_by_default(f, x, *, iters=100, tol=1e-2, generator=None):
    return solution.sharpness(f, x, iters=iters, tol=tol, generator=generator)


@wrong.stands_for("E4", "sharpness")
def a_generator_of_its_own(f, x, *, iters=100, tol=1e-4, generator=None):
    generator = generator or torch.Generator().manual_seed(0)
    return solution.sharpness(f, x, iters=iters, tol=tol, generator=generator)


@wrong.stands_for("E5", "train_digits")
def options_do_nothing(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    return solution.train_digits(X, y, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed)


@wrong.stands_for("E5", "train_digits")
def everybody_has_the_last_network(X, y, *, hidden=64, lr=0.1, epochs=30, batch_size=32, seed=0):
    predict, losses = solution.train_digits(
        X, y, hidden=hidden, lr=lr, epochs=epochs, batch_size=batch_size, seed=seed
    )
    LAST["predict"] = predict
    return lambda rows: LAST["predict"](rows), losses


LAST = {}
