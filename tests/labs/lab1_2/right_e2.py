"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

right = Answers()


def sizes(t):
    if len(t.size()) < 2:
        raise ValueError(f"no fans in shape {list(t.size())}")
    window = 1
    for n in list(t.size())[2:]:
        window = window * n
    return int(t.size(1) * window), int(t.size(0) * window)


def gain_of(nonlinearity, a):
    if nonlinearity == "relu":
        return 2**0.5
    if nonlinearity == "leaky_relu":
        return (2 / (1 + a * a)) ** 0.5
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "linear":
        return 1
    raise ValueError(nonlinearity)


def fan_of(t, mode):
    try:
        return dict(zip(("fan_in", "fan_out"), sizes(t), strict=True))[mode]
    except KeyError:
        raise ValueError(f"mode {mode!r}") from None


@right("E2")
def draws_and_copies():
    def xavier_uniform_(t, gain=1.0, generator=None):
        fan = sum(sizes(t))
        if t.numel() == 0:
            return t
        drawn = torch.rand(t.shape, generator=generator, dtype=t.dtype)
        t.data.copy_((2 * drawn - 1) * gain * math.sqrt(6 / fan))
        return t

    def xavier_normal_(t, gain=1.0, generator=None):
        fan = sum(sizes(t))
        if t.numel() > 0:
            t.detach().copy_(
                torch.randn(*t.shape, generator=generator, dtype=t.dtype) * gain * (2 / fan) ** 0.5
            )
        return t

    return {"fans": sizes, "xavier_uniform_": xavier_uniform_, "xavier_normal_": xavier_normal_}


@right("E2")
def kaiming_in_one_place():
    def fill(t, law, a, mode, nonlinearity, generator):
        gain, fan = gain_of(nonlinearity, a), fan_of(t, mode)
        if not t.numel():
            return t
        with torch.no_grad():
            if law == "uniform":
                t.uniform_(-gain * math.sqrt(3 / fan), gain * math.sqrt(3 / fan), generator=generator)
            else:
                t.normal_(mean=0.0, std=gain / math.sqrt(fan), generator=generator)
        return t

    def kaiming_uniform_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        return fill(t, "uniform", a, mode, nonlinearity, generator)

    def kaiming_normal_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        return fill(t, "normal", a, mode, nonlinearity, generator)

    return {"kaiming_uniform_": kaiming_uniform_, "kaiming_normal_": kaiming_normal_}


@right("E2")
def polar_decomposition():
    def orthogonal_(t, gain=1.0, generator=None):
        sizes(t)
        if t.numel() == 0:
            return t
        gaussian = torch.randn(t.shape[0], t[0].numel(), generator=generator, dtype=t.dtype)
        u, _, v = torch.linalg.svd(gaussian, full_matrices=False)
        with torch.no_grad():
            t.copy_((u @ v).mul(gain).reshape(t.shape))
        return t

    return {"orthogonal_": orthogonal_}


@right("E2")
def gram_schmidt_by_hand():
    def orthogonal_(t, gain=1.0, generator=None):
        sizes(t)
        if t.numel() == 0:
            return t
        flat = torch.randn(t.shape[0], t.numel() // t.shape[0], generator=generator, dtype=torch.float64)
        wide = flat.shape[0] <= flat.shape[1]
        vectors = list(flat) if wide else list(flat.T)
        done = []
        for v in vectors:
            for _ in range(2):  # twice is enough
                for q in done:
                    v = v - (v @ q) * q
            done.append(v / v.norm())
        matrix = torch.stack(done) if wide else torch.stack(done).T
        with torch.no_grad():
            t.copy_(gain * matrix.reshape(t.shape))
        return t

    return {"orthogonal_": orthogonal_}


@right("E2")
def random_signs():
    """Q of the algorithm, with a fair coin for the sign of each column: uniform as well."""

    def orthogonal_(t, gain=1.0, generator=None):
        sizes(t)
        if t.numel() == 0:
            return t
        rows, rest = t.shape[0], math.prod(t.shape[1:])
        gaussian = torch.randn(rows, rest, generator=generator, dtype=t.dtype)
        turned = rows < rest
        q, r = torch.linalg.qr(gaussian.mT if turned else gaussian)
        q = q @ torch.diag(torch.where(torch.diagonal(r) < 0, -1.0, 1.0).to(t.dtype))
        q = q.mT if turned else q
        with torch.no_grad():
            t.set_(t) if t.is_contiguous() and not t.requires_grad else None
            t.copy_((q * gain).view(t.shape) if q.is_contiguous() else (q * gain).contiguous().view(t.shape))
        return t

    return {"orthogonal_": orthogonal_}


@right("E2")
def zeros_by_sorting():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.ndim != 2:
            raise ValueError("two axes, please")
        if t.numel() == 0:
            return t
        rows, columns = t.shape
        zeros = -int(-(sparsity * rows) // 1)
        order = torch.rand(rows, columns, generator=generator).argsort(dim=0)
        values = torch.randn(rows, columns, generator=generator, dtype=t.dtype) * std
        with torch.no_grad():
            t.copy_(torch.where(order < zeros, torch.zeros((), dtype=t.dtype), values))
        return t

    return {"sparse_": sparse_}


@right("E2")
def zeros_by_scatter():
    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError
        with torch.no_grad():
            t.normal_(0.0, std, generator=generator)
            if t.numel():
                k = math.ceil(sparsity * t.size(0))
                chosen = torch.stack(
                    [torch.randperm(t.size(0), generator=generator)[:k] for _ in range(t.size(1))], dim=1
                )
                t.scatter_(0, chosen, 0.0)
        return t

    return {"sparse_": sparse_}


@right("E2")
def element_by_element():
    def xavier_uniform_(t, gain=1.0, generator=None):
        fan_in, fan_out = sizes(t)
        bound = gain * math.sqrt(6.0 / max(fan_in + fan_out, 1))
        with torch.no_grad():
            for row in t:
                row.uniform_(-bound, bound, generator=generator)
        return t

    def sparse_(t, sparsity, std=0.01, generator=None):
        if t.dim() != 2:
            raise ValueError("sparse_ fills matrices")
        rows = t.shape[0]
        with torch.no_grad():
            for j in range(t.shape[1]):
                column = std * torch.randn(rows, generator=generator, dtype=t.dtype)
                for i in torch.randperm(rows, generator=generator).tolist()[: math.ceil(sparsity * rows)]:
                    column[i] = 0.0
                t[:, j] = column
        return t

    return {"xavier_uniform_": xavier_uniform_, "sparse_": sparse_}


@right("E2")
def decorated_with_no_grad():
    @torch.no_grad()
    def xavier_normal_(t, gain=1.0, generator=None):
        a, b = sizes(t)
        return t.normal_(0, gain * (2.0 / (a + b)) ** 0.5 if a + b else 0.0, generator=generator)

    @torch.no_grad()
    def kaiming_normal_(t, a=0.0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
        fan = fan_of(t, mode)
        gain = gain_of(nonlinearity, a)
        t.normal_(generator=generator)
        t *= gain / fan**0.5 if fan else 0
        return t

    return {"xavier_normal_": xavier_normal_, "kaiming_normal_": kaiming_normal_}


@right("E2")
def signs_of_rows():
    """Multiplying the rows by R's signs instead of the columns is uniform too."""

    def orthogonal_(t, gain=1.0, generator=None):
        sizes(t)
        if t.numel() == 0:
            return t
        rows, rest = t.shape[0], t.numel() // t.shape[0]
        q, r = torch.linalg.qr(
            torch.randn(max(rows, rest), min(rows, rest), generator=generator, dtype=t.dtype)
        )
        q[: len(r)] *= r.diagonal().sign()[:, None]
        with torch.no_grad():
            return t.copy_(gain * (q if rows >= rest else q.T).reshape(t.shape))

    return {"orthogonal_": orthogonal_}
