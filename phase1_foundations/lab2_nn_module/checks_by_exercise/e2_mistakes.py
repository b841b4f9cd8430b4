"""The known mistakes of E2, each by its signature in the tensors that come out."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes, numbers

probe = Probes()
TAKES_GAIN = ("xavier_uniform_", "xavier_normal_")
KAIMING = ("kaiming_uniform_", "kaiming_normal_")
DENSE = (*TAKES_GAIN, *KAIMING)


def fill(a: Any, name: str, t: Tensor, **how: Any) -> Tensor:
    """Any of the six by its name; sparse_ needs a second argument."""
    return getattr(a, name)(t, 0.3, **how) if name == "sparse_" else getattr(a, name)(t, **how)


def generator(t: Trial) -> torch.Generator:
    return torch.Generator().manual_seed(t.random.getrandbits(40))


def spread(a: Any, t: Trial, name: str, *shape: int, **how: Any) -> float:
    """The deviation of a filled tensor; with 30,000 elements it is known to about 0.5 %."""
    weight = torch.full(shape, math.nan)
    fill(a, name, weight, generator=generator(t), **how)
    return float(weight.std())


def near(observed: float, expected: float, within: float = 0.03) -> bool:
    return abs(observed - expected) <= within * expected


# ---- fans -----------------------------------------------------------------------------------------------


@probe("fans-exchanged")
def fans_exchanged(a: Any, t: Trial) -> str | None:
    found = tuple(a.fans(torch.empty(32, 64)))
    if found == (32, 64):
        return (
            "for Linear(64 → 32), whose weight has shape [32, 64], you return (32, 64): fan_in is 64 = weight.shape[1], "
            "since each output adds up 64 products; fan_out is weight.shape[0]"
        )
    return None


@probe("kernel-area-forgotten")
def area_forgotten(a: Any, t: Trial) -> str | None:
    found = tuple(a.fans(torch.empty(8, 4, 3, 3)))
    if found == (4, 8):
        return "conv 3×3 with 4 input channels: fan_in is 4·9 = 36, you return 4. Each output adds up a whole window"
    if found in ((36, 8), (4, 72)):
        return f"conv 3×3, weight [8, 4, 3, 3]: you return {found}, expected (36, 72): the area multiplies both"
    if found in ((12, 24), (24, 48)):
        return f"conv 3×3, weight [8, 4, 3, 3]: you return {found}, expected (36, 72): the area is 3·3, not 3 or 3 + 3"
    return None


# ---- in place -------------------------------------------------------------------------------------------


@probe("returns-a-new-tensor")
def new_tensor(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        weight = torch.full((6, 5), math.nan)
        result = fill(a, name, weight)
        if result is not weight and bool(weight.isnan().all()):
            return (
                f"`{name}` returned a new tensor and left the old one as it was: a name that ends in `_` writes in "
                "place. `t = …` only binds the name anew; use `t.normal_()`, `t.copy_(…)`"
            )
        if result is not weight and isinstance(result, Tensor):
            return f"`{name}` filled t, but returned another tensor than t itself"
    return None


@probe("parameter-refused")
def parameter_refused(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        attempt = t.attempt(lambda name=name: fill(a, name, nn.Parameter(torch.zeros(6, 5))))
        if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
            return (
                f"`{name}` of a parameter raised “{attempt.error}”: initialising is not to be differentiated. Write "
                "inside `with torch.no_grad():`"
            )
        weight = nn.Parameter(torch.zeros(6, 5))
        fill(a, name, weight)
        if not weight.requires_grad:
            return f"after `{name}` the parameter does not require a gradient any more: it would never be trained"
    return None


@probe("vector-accepted")
def vector(a: Any, t: Trial) -> str | None:
    for name in ("fans", *DENSE, "orthogonal_"):
        attempt = t.attempt(lambda name=name: getattr(a, name)(torch.zeros(5)))
        if attempt.error is None or attempt.raised(IndexError, ZeroDivisionError):
            what = "was accepted" if attempt.error is None else f"raised {type(attempt.error).__name__}"
            return f"`{name}` of a vector {what}: it has no fan_in; raise ValueError"
    for shape in ((5,), (4, 3, 2)):
        attempt = t.attempt(lambda shape=shape: a.sparse_(torch.zeros(shape), 0.5))
        if not attempt.raised(ValueError) and not attempt.raised(NotImplementedError):
            return f"`sparse_` of shape {shape}: it takes exactly two axes; raise ValueError"
    return None


# ---- how large ------------------------------------------------------------------------------------------


@probe("bound-is-the-deviation")
def bound_is_std(a: Any, t: Trial) -> str | None:
    for name, std in (("xavier_uniform_", math.sqrt(2 / 500)), ("kaiming_uniform_", math.sqrt(2 / 200))):
        found = spread(a, t, name, 300, 200)
        if near(found, std / math.sqrt(3)):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, expected {std:.4f}: U(−std, std) has variance std²/3, so "
                "multiply the bound by √3"
            )
        if near(found, std * math.sqrt(3)):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, √3 times too much; expected {std:.4f}: the bound is "
                "√3·std, the variance of U(−b, b) is b²/3"
            )
        if near(found, std / math.sqrt(12)) or near(found, std / 2):
            return f"`{name}` of [300, 200] has deviation {found:.4f}, expected {std:.4f}: U(−b, b) is 2b wide and has variance b²/3"
    return None


@probe("variance-is-taken-for-the-deviation")
def variance_as_std(a: Any, t: Trial) -> str | None:
    for name, variance in (("xavier_normal_", 2 / 500), ("kaiming_normal_", 2 / 200)):
        found = spread(a, t, name, 300, 200)
        if near(found, variance):
            return (
                f"`{name}` of [300, 200] has deviation {found:.4f}, which is the *variance* asked for; `normal_` takes the "
                f"deviation, its root {math.sqrt(variance):.4f}"
            )
    return None


@probe("fan-of-the-wrong-side")
def wrong_side(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found, expected = spread(a, t, name, 300, 100), math.sqrt(2 / 100)
        if near(found, math.sqrt(2 / 300)):
            return (
                f"`{name}` of [300, 100] has deviation {found:.4f}, expected √(2/100) = {expected:.4f}: the default is "
                "fan_in, which is t.shape[1]"
            )
    for name in TAKES_GAIN:
        found, expected = spread(a, t, name, 300, 100), math.sqrt(2 / 400)
        for fan in (100, 300):
            if near(found, math.sqrt(2 / fan)) or near(found, math.sqrt(1 / fan)):
                return (
                    f"`{name}` of [300, 100] has deviation {found:.4f}, expected √(2/(100 + 300)) = {expected:.4f}: Xavier "
                    "takes both fans"
                )
        if near(found, math.sqrt(1 / 400)):
            return f"`{name}` of [300, 100] has deviation {found:.4f}, expected √(2/400) = {expected:.4f}: the 2 is missing"
    return None


@probe("mode-ignored")
def mode_ignored(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found = spread(a, t, name, 300, 100, mode="fan_out")
        if near(found, math.sqrt(2 / 100)):
            return f"`{name}` with mode='fan_out' has the deviation of fan_in, {found:.4f}; expected √(2/300) = 0.0816"
    return None


@probe("relu-gain-forgotten")
def relu_gain(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        for how in ({}, {"nonlinearity": "relu"}):
            found = spread(a, t, name, 300, 200, **how)
            if near(found, math.sqrt(1 / 200)):
                return (
                    f"`{name}` of [300, 200] with {how or 'its defaults'} has deviation {found:.4f} = 1/√fan_in: a relu throws half away, "
                    "so activation variance halves every layer. The gain is √2 (the default is leaky_relu with slope "
                    "0, which is a relu)"
                )
    return None


@probe("gain-ignored")
def gain_ignored(a: Any, t: Trial) -> str | None:
    for name in TAKES_GAIN:
        found = spread(a, t, name, 300, 100, gain=3.0)
        if near(found, math.sqrt(2 / 400)):
            return f"`{name}` with gain=3 has the same deviation as with gain=1, {found:.4f}: multiply by the gain"
        if near(found, math.sqrt(3 * 2 / 400)) or near(found, 9 * math.sqrt(2 / 400)):
            return f"`{name}` with gain=3 has deviation {found:.4f}, expected 3 · √(2/400) = {3 * math.sqrt(2 / 400):.4f}"
    weight = a.orthogonal_(torch.zeros(8, 5), gain=3.0)
    length = float(weight[:, 0].norm())
    if near(length, 1.0):
        return "`orthogonal_` with gain=3 has columns of length 1: multiply Q by the gain"
    return None


@probe("slope-ignored")
def slope_ignored(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        found, expected = spread(a, t, name, 300, 200, a=2.0), math.sqrt(2 / 5 / 200)
        if near(found, math.sqrt(2 / 200)):
            return f"`{name}` with a=2 has the same deviation as with a=0, {found:.4f}; the gain is √(2 / (1 + a²))"
        if near(found, math.sqrt(2 / 3 / 200)):
            return f"`{name}` with a=2 has deviation {found:.4f}, expected {expected:.4f}: the gain is √(2 / (1 + a²)), a is squared"
        relu = spread(a, t, name, 300, 200, a=2.0, nonlinearity="relu")
        if near(relu, expected):
            return f"`{name}` with nonlinearity='relu' depends on a: the slope matters for leaky_relu alone"
    return None


@probe("unknown-word-accepted")
def unknown_word(a: Any, t: Trial) -> str | None:
    for name in KAIMING:
        for how in ({"mode": "fan_middle"}, {"nonlinearity": "rleu"}):
            attempt = t.attempt(lambda name=name, how=how: getattr(a, name)(torch.zeros(4, 3), **how))
            if attempt.error is None or attempt.raised(KeyError, UnboundLocalError):
                what = "was accepted" if attempt.error is None else f"raised {type(attempt.error).__name__}"
                return f"`{name}` with {how} {what}: a typing error must not pass silently; raise ValueError"
    return None


# ---- orthogonal -----------------------------------------------------------------------------------------


@probe("wide-matrices-fail")
def wide(a: Any, t: Trial) -> str | None:
    tall = a.orthogonal_(torch.zeros(6, 4))
    if not torch.allclose(tall.T @ tall, torch.eye(4), atol=1e-5):
        return None
    attempt = t.attempt(lambda: a.orthogonal_(torch.zeros(4, 6)))
    right = attempt.error is None and torch.allclose(attempt.value @ attempt.value.T, torch.eye(4), atol=1e-5)
    if not right and not attempt.raised(NotImplementedError):
        said = f"raised {attempt.error}" if attempt.error else "gave rows that are not orthonormal"
        return f"a tall matrix is right, but a wide one [4, 6] {said}: decompose a tall Gaussian matrix [6, 4] and transpose Q"
    return None


@probe("not-haar")
def not_haar(a: Any, t: Trial) -> str | None:
    g, total, draws = generator(t), 0.0, 300
    for _ in range(draws):
        total += float(a.orthogonal_(torch.zeros(4, 4), generator=g).trace())
    mean = total / draws
    if abs(mean) > 0.4:
        return (
            f"not Haar: over {draws} draws of 4×4 the mean trace is {mean:.2f}, expected 0: QR as computed prefers certain signs. "
            "Multiply the columns of Q by the signs of R's diagonal"
        )
    return None


@probe("kernels-orthogonalised-one-by-one")
def kernels(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.orthogonal_(torch.zeros(6, 4, 3, 3)))
    if attempt.raised(RuntimeError, ValueError):
        return f"`orthogonal_` of a convolution [6, 4, 3, 3] raised {attempt.error}: look at it as a matrix [6, 36]"
    rows = attempt.value.reshape(6, 36)
    if not torch.allclose(rows @ rows.T, torch.eye(6), atol=1e-5):
        return "`orthogonal_` of [6, 4, 3, 3]: seen as a matrix [6, 36] the rows are not orthonormal"
    return None


# ---- sparse ---------------------------------------------------------------------------------------------


@probe("zeros-by-chance")
def by_chance(a: Any, t: Trial) -> str | None:
    weight = a.sparse_(torch.ones(100, 50), 0.3, generator=generator(t))
    columns, rows = (weight == 0).sum(0), (weight == 0).sum(1)
    share = float(columns.double().mean()) / 100
    if int(columns.min()) != int(columns.max()):
        if int(rows.min()) == int(rows.max()):
            return f"every *row* has {int(rows[0])} zeros; asked for are exactly 30 in every column, that is in t[:, j]"
        if 0.2 < share < 0.4:
            return (
                f"columns have {int(columns.min())} to {int(columns.max())} zeros; exactly 30 are required in each. Draw a "
                "permutation for each column instead of a coin for each element"
            )
    return None


@probe("sparsity-is-the-share-kept")
def share_kept(a: Any, t: Trial) -> str | None:
    columns = (a.sparse_(torch.ones(100, 50), 0.3) == 0).sum(0)
    if bool((columns == 70).all()):
        return "70 of 100 elements in a column are zero; sparsity 0.3 means that 30 are"
    if bool((columns == 0).all()):
        return "there are no zeros at all: write them into t after the normal numbers"
    return None


@probe("rounded-down")
def rounded_down(a: Any, t: Trial) -> str | None:
    columns = (a.sparse_(torch.ones(10, 6), 0.25) == 0).sum(0)
    if bool((columns == 2).all()):
        return "10 rows with sparsity 0.25 have 2 zeros in each column, expected ceil(2.5) = 3"
    return None


@probe("same-rows-in-every-column")
def same_rows(a: Any, t: Trial) -> str | None:
    zeros = a.sparse_(torch.ones(100, 50), 0.3, generator=generator(t)) == 0
    if bool((zeros == zeros[:, :1]).all()) and bool(zeros.any()):
        return (
            "the zeros stand in the same rows in every column: these outputs get no input at all. Draw the places for each "
            "column anew"
        )
    return None


# ---- randomness -----------------------------------------------------------------------------------------


@probe("generator-ignored")
def generator_ignored(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        first, again = (
            fill(a, name, torch.zeros(7, 6), generator=torch.Generator().manual_seed(5)).clone() for _ in range(2)
        )
        if not torch.equal(first, again):
            what = "the zeros' places" if name == "sparse_" and not torch.equal(first == 0, again == 0) else "the numbers"
            return (
                f"`{name}` gave two different tensors for two generators with the same seed: {what} come from somewhere "
                "else. Pass `generator=generator` to everything random"
            )
        state = torch.get_rng_state()
        fill(a, name, torch.zeros(7, 6), generator=torch.Generator().manual_seed(5))
        if not torch.equal(state, torch.get_rng_state()):
            return f"`{name}` with a generator of its own has also drawn from torch's global one"
    return None


@probe("float64-becomes-float32")
def narrow(a: Any, t: Trial) -> str | None:
    weight = a.orthogonal_(torch.zeros(5, 5, dtype=torch.float64))
    error = float((weight @ weight.T - torch.eye(5, dtype=torch.float64)).abs().max())
    if 1e-9 < error < 1e-4:
        return (
            f"a float64 matrix is orthogonal to {error:.0e} only: it was drawn and decomposed in float32. Say `dtype=t.dtype`"
        )
    return None


@probe("columns-off-by-a-factor")
def anything_else(a: Any, t: Trial) -> str | None:
    for name in DENSE:
        mean = float(fill(a, name, torch.zeros(300, 200), generator=generator(t)).mean())
        deviation = spread(a, t, name, 300, 200)
        if abs(mean) > 0.3 * deviation:
            return f"`{name}` has mean {numbers(torch.tensor(mean))}: both laws are centred at 0, U(−b, b) and N(0, std²)"
    return None
