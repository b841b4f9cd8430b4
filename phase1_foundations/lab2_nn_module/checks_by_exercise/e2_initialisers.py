"""E2: six initialisers. What must hold; the known mistakes stand in `e2_mistakes`."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab2_nn_module.checks_by_exercise import (
    e2_mistakes,
    e2_mistakes_places,
    e2_mistakes_sizes,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.e2_tools import DEFAULTS, DENSE, fill, generator
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import six_curves

ALL_SIX = (*DENSE, "orthogonal_", "sparse_")
TORCH_S_OWN = tuple(
    f"torch.nn.init.{name}"
    for name in (*DENSE, "orthogonal_", "sparse_", "trunc_normal_", "normal_", "uniform_", "zeros_")
)

e2 = Exercise(
    "E2",
    takes={
        "fans": tuple,
        "xavier_uniform_": Tensor,
        "xavier_normal_": Tensor,
        "kaiming_uniform_": Tensor,
        "kaiming_normal_": Tensor,
        "orthogonal_": Tensor,
        "sparse_": Tensor,
    },
    forbids=forbid(
        python=(*TORCH_S_OWN, "torch.nn.init._calculate_fan_in_and_fan_out", "torch.nn.init.calculate_gain"),
        why="`torch.nn.init` is the answer itself",
    ),
    hints=(
        "Each output is a sum of fan_in products. Choose the weights' second moment so that the output is as "
        "large as the input. Whether the law is uniform or normal does not matter, only its variance does.",
        "Xavier: std = gain·√(2/(fan_in + fan_out)); Kaiming: std = gain/√fan. U(−b, b) has variance b²/3, "
        "so b = √3·std. Orthogonal: the Q of a Gaussian matrix. Sparse: a permutation of the rows for each "
        "column.",
        "`with torch.no_grad(): return t.uniform_(-b, b, generator=generator)`. Orthogonal: `q, r = "
        "torch.linalg.qr(torch.randn(long, short, generator=generator, dtype=t.dtype))`, `q = q * "
        "r.diagonal().sign()`, transposed if t is wide, then `t.copy_(gain * q.reshape(t.shape))`. Sparse: "
        "`t[torch.randperm(rows, generator=generator)[:zeros], j] = 0`.",
    ),
)
for mistakes in (e2_mistakes, e2_mistakes_sizes, e2_mistakes_places):
    mistakes.probe.add_to(e2)

SMALLEST_P = 1e-6
"""A right answer falls below it once in a million draws; of 65,536 elements a wrong law is far below."""


def fits(t: Trial, sample: Tensor, law: Callable[[], Any], what: str) -> None:
    """Kolmogorov and Smirnov against the exact law, then mean and deviation to five standard errors."""
    from scipy.stats import kstest

    exact = law()
    values = sample.detach().double().flatten()
    t.that(bool(values.isfinite().all()), f"{what}: not all elements are finite; was every element written?")
    n, std = len(values), float(exact.std())
    t.that(
        abs(float(values.mean())) < 5 * std / math.sqrt(n),
        f"{what}: the mean is {float(values.mean()):.3g}, expected 0 to within {5 * std / math.sqrt(n):.1g}",
    )
    kurtosis = float(exact.stats(moments="k"))
    error = 5 * std * math.sqrt((kurtosis + 2) / (4 * n))
    t.that(
        abs(float(values.std()) - std) < error,
        f"{what}: the deviation is {float(values.std()):.5g}, expected {std:.5g} to within {error:.1g}",
    )
    p = float(kstest(values.numpy(), exact.cdf).pvalue)
    t.that(
        p > SMALLEST_P,
        f"{what}: mean and deviation are right, but the law is another one (Kolmogorov–Smirnov: p = {p:.1g})",
    )


def uniform(std: float) -> Callable[[], Any]:
    def law() -> Any:
        from scipy.stats import uniform as scipy_uniform

        return scipy_uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std)

    return law


def normal(std: float) -> Callable[[], Any]:
    def law() -> Any:
        from scipy.stats import norm

        return norm(0, std)

    return law


@e2.property("fans", points=2)
def fan_pairs(a: Any, t: Trial) -> None:
    for shape in (
        (1, 1),
        (32, 64),
        (64, 32),
        (8, 4, 3, 3),
        (8, 1, 5, 5),
        (6, 4, 7),
        (2, 3, 2, 3, 4),
        (0, 5),
        (5, 0),
    ):
        window = 1
        for size in shape[2:]:
            window *= size
        found = tuple(a.fans(torch.empty(shape)))
        t.that(
            not any(isinstance(fan, Tensor) for fan in found),
            f"fans of {list(shape)} are tensors: {found}, expected numbers",
        )
        t.equal(
            found,
            (shape[1] * window, shape[0] * window),
            f"fans of {list(shape)}",
        )
    t.raises(ValueError, lambda: a.fans(torch.empty(5)), "fans of a vector")
    t.raises(ValueError, lambda: a.fans(torch.tensor(1.0)), "fans of a single number")


@e2.property("Xavier: the exact law", points=4)
def xavier(a: Any, t: Trial) -> None:
    for shape, gain in (((128, 512), 1.0), ((64, 16, 8, 8), 1.0), ((1024, 64), 2.5)):
        area = math.prod(shape[2:])
        std = gain * math.sqrt(2 / ((shape[0] + shape[1]) * area))
        for name, law in (("xavier_uniform_", uniform(std)), ("xavier_normal_", normal(std))):
            weight = torch.full(shape, math.nan)
            fill(a, name, weight, gain=gain, generator=generator(t))
            fits(t, weight, law, f"{name} of {list(shape)}, gain {gain:g}")


@e2.property("Kaiming: the exact law", points=4)
def kaiming(a: Any, t: Trial) -> None:
    cases: tuple[tuple[tuple[int, ...], dict[str, Any], float], ...] = (
        ((128, 512), {}, math.sqrt(2 / 512)),
        ((65_536, 1), {}, math.sqrt(2)),
        ((128, 512), {"mode": "fan_out"}, math.sqrt(2 / 128)),
        ((64, 16, 8, 8), {"nonlinearity": "relu", "a": 3.0}, math.sqrt(2 / 1024)),
        ((256, 256), {"a": 0.5}, math.sqrt(2 / 1.25 / 256)),
        ((512, 128), {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(128)),
        ((256, 256), {"nonlinearity": "linear", "mode": "fan_out"}, 1 / 16),
    )
    for shape, how, std in cases:
        for name, law in (("kaiming_uniform_", uniform(std)), ("kaiming_normal_", normal(std))):
            weight = torch.full(shape, math.nan)
            fill(a, name, weight, generator=generator(t), **how)
            fits(t, weight, law, f"{name} of {list(shape)} with {how or 'its defaults'}")
    for how in ({"mode": "fan"}, {"nonlinearity": "gelu"}, {"mode": "fan_in_out"}):
        for name in ("kaiming_uniform_", "kaiming_normal_"):
            t.raises(
                ValueError,
                lambda name=name, how=how: getattr(a, name)(torch.zeros(3, 2), **how),
                f"{name} with {how}",
            )


@e2.property("orthogonal: orthonormal rows or columns", points=2)
def orthonormal(a: Any, t: Trial) -> None:
    for shape in ((1, 1), (3, 3), (2, 5), (5, 2), (1, 4), (4, 1), (6, 2, 3, 3), (40, 2, 3, 3), (64, 64)):
        for dtype, close in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
            gain = t.random.choice([1.0, 0.5, 3.0])
            weight = a.orthogonal_(
                torch.zeros(shape, dtype=dtype), gain=gain, generator=generator(t)
            ).detach()
            matrix = weight.reshape(shape[0], -1)
            square = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            expected = gain**2 * torch.eye(len(square), dtype=dtype)
            t.equal(
                square,
                expected,
                f"Q Qᵀ (or Qᵀ Q) for {list(shape)} {dtype}, gain {gain:g}",
                rtol=close,
                atol=close,
            )


@e2.property("orthogonal: no direction is preferred", points=2)
def haar(a: Any, t: Trial) -> None:
    draws, g = 2000, generator(t)
    q = torch.stack([a.orthogonal_(torch.zeros(4, 4), generator=g).clone() for _ in range(draws)]).double()
    mix = torch.linalg.qr(t.randn(4, 4)).Q
    turned = {
        "Q": torch.eye(4).double(),
        "Q, its rows moved round": torch.eye(4).double()[[1, 2, 3, 0]],
        "Q, turned": mix,
    }
    for what, by in turned.items():
        traces = torch.einsum("ij,nji->n", by, q)
        for power, expected in ((1, 0.0), (2, 1.0)):
            values = traces**power
            error = 5 * float(values.std()) / math.sqrt(draws)
            t.that(
                abs(float(values.mean()) - expected) < max(error, 1e-6),
                f"the mean of (trace of {what})^{power} over {draws} draws of 4×4 is "
                f"{float(values.mean()):.3f}, expected {expected:g} to within {error:.2f}: some directions "
                "are preferred",
            )
    positive = float((torch.linalg.det(q) > 0).double().mean())
    t.that(
        abs(positive - 0.5) < 5 * 0.5 / math.sqrt(draws),
        f"{positive:.0%} of the determinants are +1, expected half",
    )
    odd = torch.stack([a.orthogonal_(torch.zeros(3, 3), generator=g).clone() for _ in range(300)])
    positive = float((torch.linalg.det(odd) > 0).double().mean())
    t.that(
        abs(positive - 0.5) < 0.15, f"of 3×3 draws {positive:.0%} of the determinants are +1, expected half"
    )


@e2.property("sparse: exact counts, normal values", points=3)
def sparse(a: Any, t: Trial) -> None:
    for rows, columns, sparsity in (
        (1, 1, 0.5),
        (4, 3, 0.0),
        (4, 3, 1.0),
        (10, 6, 0.25),
        (100, 50, 0.3),
        (7, 9, 0.9),
    ):
        weight = a.sparse_(torch.full((rows, columns), math.nan), sparsity, generator=generator(t))
        counts = (weight == 0).sum(dim=0).tolist()
        t.equal(
            counts,
            [math.ceil(sparsity * rows)] * columns,
            f"zeros in the columns of [{rows}, {columns}], sparsity {sparsity:g}",
        )
    weight = a.sparse_(torch.zeros(512, 256), 0.5, std=0.2, generator=generator(t))
    fits(t, weight[weight != 0], normal(0.2), "sparse_ with std=0.2: the elements that are not 0")
    zeros = (weight == 0).double()
    rows_share = zeros.mean(dim=1)
    t.that(
        float((rows_share - 0.5).abs().max()) < 6 * 0.5 / math.sqrt(256),
        f"row {int((rows_share - 0.5).abs().argmax())} has zeros in "
        f"{float(rows_share[(rows_share - 0.5).abs().argmax()]):.0%} of its columns, expected about half: "
        "the places are not random",
    )
    overlap = float((zeros[:, 1:] * zeros[:, :-1]).mean())
    t.that(
        abs(overlap - 0.25) < 0.01,
        f"neighbouring columns share {overlap:.0%} of their zeros' places, expected 25 %",
    )
    small = a.sparse_(torch.zeros(6, 300), 1 / 3, generator=generator(t))
    pairs = {tuple(column.nonzero().flatten().tolist()) for column in (small == 0).T}
    t.equal(
        len(pairs),
        15,
        "two zeros in 6 rows, 300 columns: the number of different pairs of places",
    )


@e2.property("in place, parameters, layouts, empty tensors", points=2)
def in_place(a: Any, t: Trial) -> None:
    for name in ALL_SIX:
        for dtype in (torch.float32, torch.float64):
            weight = torch.full((6, 5), math.nan, dtype=dtype)
            result = fill(a, name, weight, generator=generator(t))
            t.that(result is weight, f"{name} returned another tensor than t itself")
            t.that(
                weight.dtype == dtype and bool(weight.isfinite().all()),
                f"{name} of {dtype}: t is {weight.dtype}, or not filled",
            )
        parameter = nn.Parameter(torch.zeros(6, 5))
        fill(a, name, parameter)
        t.that(
            parameter.requires_grad and parameter.is_leaf and parameter.grad_fn is None,
            f"{name} of a parameter: afterwards it has a history, or no gradient is required any more",
        )
        frozen = torch.zeros(6, 5)
        fill(a, name, frozen)
        t.that(not frozen.requires_grad, f"{name} made t require a gradient")
        large = torch.full((12, 7), math.nan)
        view = large.T[1:6, ::2]  # [5, 6], not contiguous
        fill(a, name, view, generator=generator(t))
        t.that(
            bool(view.isfinite().all()),
            f"{name} of a tensor that is not contiguous: not all elements were written",
        )
        written = int(large.isfinite().sum())
        t.that(written >= view.numel(), f"{name} of a view: the memory that it looks at was not written")
        t.that(written <= view.numel(), f"{name} of a view wrote outside it")
        for shape in ((0, 5), (5, 0), (0, 0)):
            empty = torch.zeros(shape)
            t.that(fill(a, name, empty) is empty, f"{name} of shape {shape} returned another tensor")
        t.raises(ValueError, lambda name=name: fill(a, name, torch.zeros(5)), f"{name} of a vector")
    t.raises(ValueError, lambda: a.sparse_(torch.zeros(4, 3, 2), 0.5), "sparse_ of three axes")


@e2.property("everything random comes from the generator", points=1)
def seeds(a: Any, t: Trial) -> None:
    for name in ALL_SIX:
        drawn = [
            fill(a, name, torch.zeros(8, 6), generator=torch.Generator().manual_seed(seed)).clone()
            for seed in (1, 1, 2)
        ]
        t.that(bool(torch.equal(drawn[0], drawn[1])), f"{name}: the same seed gave two different tensors")
        t.that(not torch.equal(drawn[0], drawn[2]), f"{name}: two seeds gave the same tensor")
        one = torch.Generator().manual_seed(1)
        pair = [fill(a, name, torch.zeros(8, 6), generator=one).clone() for _ in range(2)]
        t.that(
            not torch.equal(*pair),
            f"{name}: two calls with one generator gave the same tensor, as if it had not been used",
        )
        torch.manual_seed(t.seed % 2**40)
        state = torch.get_rng_state()
        fill(a, name, torch.zeros(8, 6), generator=torch.Generator().manual_seed(1))
        t.that(bool(torch.equal(state, torch.get_rng_state())), f"{name}: torch's global generator has moved")
        globals_ = []
        for _ in range(2):
            torch.manual_seed(t.seed % 2**40)
            globals_.append(fill(a, name, torch.zeros(8, 6)).clone())
        t.that(bool(torch.equal(*globals_)), f"{name} without a generator does not follow torch.manual_seed")
        t.that(not torch.equal(fill(a, name, torch.zeros(8, 6)), globals_[0]), f"{name} repeats itself")
        plain, said = (
            fill(a, name, torch.zeros(8, 6), generator=torch.Generator().manual_seed(3), **how).clone()
            for how in ({}, DEFAULTS[name])
        )
        t.that(
            bool(torch.equal(plain, said)), f"{name} with {DEFAULTS[name]} gives other numbers than without"
        )


e2.reward(six_curves)
