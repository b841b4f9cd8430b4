"""The known mistakes of E2, third part: orthogonal, sparse, and where the numbers come from."""

from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e2_tools import DENSE, fill, generator, near
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

probe = Probes()


# ---- orthogonal -----------------------------------------------------------------------------------------


@probe("wide-matrices-fail")
def wide(a: Any, t: Trial) -> str | None:
    tall = a.orthogonal_(torch.zeros(6, 4))
    if not torch.allclose(tall.T @ tall, torch.eye(4), atol=1e-5):
        return None
    attempt = t.tried(lambda: a.orthogonal_(torch.zeros(4, 6)))
    right = attempt.error is None and torch.allclose(attempt.value @ attempt.value.T, torch.eye(4), atol=1e-5)
    if not right:
        said = f"raised {attempt.error}" if attempt.error else "gave rows that are not orthonormal"
        return (
            f"a tall matrix is right, but a wide one [4, 6] {said}: decompose a tall Gaussian matrix [6, "
            "4] and transpose Q"
        )
    return None


@probe("rows-of-another-length")
def lengths(a: Any, t: Trial) -> str | None:
    for shape, axis, what in (((3, 7), 1, "row"), ((7, 3), 0, "column")):
        found = a.orthogonal_(torch.zeros(shape), gain=1.0).detach().norm(dim=axis)
        if not torch.allclose(found, torch.ones(3), atol=1e-4):
            return (
                f"`orthogonal_` of {list(shape)}: each {what} has length {numbers(found)}, expected 1, "
                "the gain"
            )
        weight = a.orthogonal_(torch.zeros(shape), gain=1.0).detach()
        square = weight @ weight.T if axis else weight.T @ weight
        if not torch.allclose(square, torch.eye(3), atol=1e-4):
            return (
                f"`orthogonal_` of {list(shape)}: each {what} has length 1, but two of them are not "
                f"perpendicular, their product is {float(square[0, 1]):.2g}: dividing by the lengths is not "
                "enough"
            )
    return None


@probe("not-haar")
def not_haar(a: Any, t: Trial) -> str | None:
    g, draws = generator(t), 300
    drawn = torch.stack(
        [a.orthogonal_(torch.zeros(4, 4), generator=g).clone() for _ in range(draws)]
    ).double()
    mean = float(drawn.diagonal(dim1=1, dim2=2).sum(1).mean())
    if mean > 0.4:
        return (
            f"not Haar: over {draws} draws of 4×4 the mean trace is {mean:.2f}, expected 0: some directions "
            "are preferred. Only a matrix of normal numbers (`randn`, not `rand`) looks the same from all "
            "sides"
        )
    if mean < -0.4:
        return (
            f"not Haar: over {draws} draws of 4×4 the mean trace is {mean:.2f}, expected 0: QR as computed "
            "prefers certain signs. Multiply the columns of Q by the signs of R's diagonal"
        )
    turning = float((torch.linalg.det(drawn) > 0).double().mean())
    if abs(turning - 0.5) > 0.2:
        return (
            f"not Haar: of {draws} draws of 4×4, {turning:.0%} have determinant +1, expected half: mirror "
            "images are orthogonal too. The signs that the algorithm chose have to be taken out"
        )
    odd = torch.stack([a.orthogonal_(torch.zeros(3, 3), generator=g).clone() for _ in range(60)])
    if bool((torch.linalg.det(odd) > 0).all()) or bool((torch.linalg.det(odd) < 0).all()):
        return (
            "not Haar: all draws of 3×3 have a determinant of the same sign. Turns and mirror images are "
            "orthogonal alike, half of each is expected"
        )
    return None


@probe("kernels-orthogonalised-one-by-one")
def kernels(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.orthogonal_(torch.zeros(6, 4, 3, 3)))
    if attempt.raised(RuntimeError, ValueError):
        return (
            f"`orthogonal_` of a convolution [6, 4, 3, 3] raised {attempt.error}: look at it as a matrix "
            "[6, 36]"
        )
    rows = attempt.value.reshape(6, 36)
    if not torch.allclose(rows @ rows.T, torch.eye(6), atol=1e-5):
        return "`orthogonal_` of [6, 4, 3, 3]: seen as a matrix [6, 36] the rows are not orthonormal"
    return None


# ---- sparse ---------------------------------------------------------------------------------------------


@probe("rest-has-another-law")
def rest(a: Any, t: Trial) -> str | None:
    weight = torch.zeros(200, 100)
    a.sparse_(weight, 0.5, std=0.2, generator=generator(t))
    kept = weight[weight != 0]
    if kept.numel() < 5000:
        return None
    found = float(kept.std())
    if float(kept.abs().min()) > 0.02 * found:
        return (
            "`sparse_` sets the smallest numbers of each column to 0, so that none near 0 is left among the "
            "others: the places are random, whatever stands there"
        )
    if not near(found, 0.2, 0.05):
        hint = " (the default 0.01: `std` is not used)" if near(found, 0.01, 0.05) else ""
        return f"`sparse_` with std=0.2: the elements that are not 0 have deviation {found:.3g}{hint}"
    if float(((kept / kept.std()) ** 4).mean()) < 2.4:
        return "`sparse_`: the elements that are not 0 are uniform numbers; asked for are normal ones"
    weight = a.sparse_(torch.zeros(200, 100), 0.5)
    default = float(weight[weight != 0].std())
    if not near(default, 0.01, 0.05):
        return (
            f"`sparse_` without std: the elements that are not 0 have deviation {default:.3g}, the "
            "default is 0.01"
        )
    return None


@probe("zeros-by-chance")
def by_chance(a: Any, t: Trial) -> str | None:
    weight = a.sparse_(torch.ones(100, 50), 0.3, generator=generator(t))
    columns, rows = (weight == 0).sum(0), (weight == 0).sum(1)
    share = float(columns.double().mean()) / 100
    if int(columns.min()) != int(columns.max()):
        if int(rows.min()) == int(rows.max()):
            return (
                f"every *row* has {int(rows[0])} zeros; asked for are exactly 30 in every column, that "
                "is in t[:, j]"
            )
        if int(columns.max()) <= 30 and 0.2 < share < 0.3:
            return (
                f"columns have {int(columns.min())} to {int(columns.max())} zeros; exactly 30 are required "
                "in each: a place that is drawn twice gives one zero only. Draw a permutation"
            )
        if 0.2 < share < 0.4:
            return (
                f"columns have {int(columns.min())} to {int(columns.max())} zeros; exactly 30 are required "
                "in each. Draw a permutation for each column instead of a coin for each element"
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
    for sparsity, right in ((0.5, 5), (0.0, 0)):
        columns = (a.sparse_(torch.ones(10, 6), sparsity) == 0).sum(0)
        if bool((columns == right + 1).all()):
            return (
                f"10 rows with sparsity {sparsity:g} have {right + 1} zeros in each column, expected "
                f"{right}: `int(…) + 1` is not ceil where the number is whole"
            )
    return None


@probe("zeros-in-a-run")
def in_a_run(a: Any, t: Trial) -> str | None:
    zeros = a.sparse_(torch.ones(10, 60), 0.3, generator=generator(t)) == 0
    if bool((zeros == zeros[:, :1]).all()):
        return None
    if bool((zeros.sum(0) == 3).all()) and bool((zeros & zeros.roll(1, 0)).sum(0).eq(2).all()):
        return (
            "in every column the zeros stand one below the other: a random place to begin is not enough; "
            "each set of places is equally likely. Draw a permutation"
        )
    return None


@probe("same-rows-in-every-column")
def same_rows(a: Any, t: Trial) -> str | None:
    zeros = a.sparse_(torch.ones(100, 50), 0.3, generator=generator(t)) == 0
    if bool((zeros == zeros[:, :1]).all()) and bool(zeros.any()):
        return (
            "the zeros stand in the same rows in every column: these outputs get no input at all. Draw the "
            "places for each column anew"
        )
    return None


# ---- randomness -----------------------------------------------------------------------------------------


@probe("generator-ignored")
def generator_ignored(a: Any, t: Trial) -> str | None:
    for name in (*DENSE, "orthogonal_", "sparse_"):
        first, again = (
            fill(a, name, torch.zeros(7, 6), generator=torch.Generator().manual_seed(5)).clone()
            for _ in range(2)
        )
        if not torch.equal(first, again):
            what = (
                "the zeros' places"
                if name == "sparse_" and not torch.equal(first == 0, again == 0)
                else "the numbers"
            )
            return (
                f"`{name}` gave two different tensors for two generators with the same seed: {what} come "
                "from somewhere else. Pass `generator=generator` to everything random"
            )
        one = torch.Generator().manual_seed(5)
        if torch.equal(*(fill(a, name, torch.zeros(7, 6), generator=one).clone() for _ in range(2))):
            return (
                f"two calls of `{name}` with one generator give the same tensor, so all layers would get the "
                "same weights: draw from the generator itself, so that it moves on; do not only read its seed"
            )
        torch.manual_seed(71)
        state = torch.get_rng_state()
        fill(a, name, torch.zeros(7, 6), generator=torch.Generator().manual_seed(5))
        if not torch.equal(state, torch.get_rng_state()):
            return f"`{name}` with a generator of its own has also drawn from torch's global one"
        other = fill(a, name, torch.zeros(7, 6), generator=torch.Generator().manual_seed(6))
        if torch.equal(first, other):
            return f"`{name}` gave the same tensor for two seeds: something in it is fixed"
        torch.manual_seed(5)
        first = fill(a, name, torch.zeros(7, 6)).clone()
        following = fill(a, name, torch.zeros(7, 6)).clone()
        torch.manual_seed(5)
        if not torch.equal(first, fill(a, name, torch.zeros(7, 6))):
            return (
                f"`{name}` without a generator does not follow `torch.manual_seed`: draw from torch's "
                "own generator"
            )
        if torch.equal(first, following):
            return f"`{name}` without a generator gives the same tensor each time: it sets the seed itself"
    return None


@probe("float64-becomes-float32")
def narrow(a: Any, t: Trial) -> str | None:
    weight = a.orthogonal_(torch.zeros(5, 5, dtype=torch.float64))
    error = float((weight @ weight.T - torch.eye(5, dtype=torch.float64)).abs().max())
    if 1e-9 < error < 1e-4:
        return (
            f"a float64 matrix is orthogonal to {error:.0e} only: it was drawn and decomposed in "
            "float32. Say `dtype=t.dtype`"
        )
    return None


@probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    must_run(t, "`fans` of [4, 3]", lambda: a.fans(torch.zeros(4, 3)))
    for name in (*DENSE, "orthogonal_", "sparse_"):
        for shape in ((4, 3), (3, 4), (4, 4)):
            must_run(
                t,
                f"`{name}` of {list(shape)}",
                lambda name=name, shape=shape: fill(a, name, torch.zeros(shape)),
            )
    for sparsity in (0.0, 0.5, 1.0):
        must_run(
            t, f"`sparse_` with sparsity {sparsity:g}", lambda s=sparsity: a.sparse_(torch.zeros(4, 3), s)
        )
