"""The known mistakes of `affine_matrix`: a learner's result that equals a mistaken oracle."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.exercise import Probe
from phase1_foundations.lab4_data_loading.checks_by_exercise.e2_oracle import (
    expected_matrices,
    mistaken_matrices,
    stacked,
)

probe = Probes()

MATRIX_WORDS = {
    "angle-in-degrees": "the angle is taken as degrees: it comes in radians, so cos and sin take it as it is",
    "rotates-the-other-way": (
        "the rotation goes the wrong way: R = [[cos, −sin], [sin, cos]], with the minus in the upper row"
    ),
    "order-reversed": (
        "the order is reversed: the map scales first, then rotates, then shears, and the matrix that acts "
        "*first* stands at the *right*: A = K·R·S, not S·R·K"
    ),
    "shear-on-the-wrong-axis": "the shear stands in the lower left: K = [[1, k], [0, 1]] moves x by k·y",
    "shear-as-an-angle": "shear is the factor k itself, x moves by k·y: no tangent or sine of it",
    "shear-added": (
        "the shear is *added* to the rotation matrix: shearing after rotating is a matrix product, so k "
        "meets both entries of the lower row"
    ),
    "scale-inverted": "the scale is inverted: θ looks `scale` times as far out, it does not divide",
    "map-of-the-content": (
        "this is how the *content* moves, from input to output. θ goes the other way: for a place in the "
        "output it says where in the input to look, A p + shift"
    ),
    "shift-before-the-matrix": (
        "the shift was multiplied by A (or by the scale) as well: it comes last, so it stands in the third "
        "column as it is"
    ),
    "shift-negated": "the shift has the wrong sign: θ looks at A p + shift",
    "shift-exchanged": "the two shifts are exchanged: shift[:, 0] belongs to x, the first row",
    "matrix-transposed": "A is transposed: its first row makes the new x, [s·cos, −s·sin] without shear",
    "scale-on-the-diagonal-only": "the scale multiplies the diagonal only: it scales every entry of A",
    "an-argument-is-ignored": "one of angle, scale, shift and shear has no effect on your matrix",
}


def matrix_case(t: Trial) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    numbers = torch.cat(
        [t.rand(3, 1, low=0.3, high=1.2), t.rand(3, 1, low=1.3, high=1.9), t.rand(3, 2), t.rand(3, 1)], dim=1
    )
    numbers[:, 2] += 1.2
    numbers[:, 4] += 0.3
    return numbers, (numbers[:, 0], numbers[:, 1], numbers[:, 2:4], numbers[:, 4])


@probe("matrix-of-another-shape")
def matrix_shape(a: Any, t: Trial) -> str | None:
    _, arguments = matrix_case(t)
    attempt = t.attempt(lambda: a.affine_matrix(*arguments))
    if attempt.error is None and tuple(attempt.value.shape) != (3, 2, 3):
        return f"θ of three images has shape {tuple(attempt.value.shape)}, expected [B, 2, 3] = (3, 2, 3)"
    return None


@probe("matrix-of-another-dtype")
def matrix_dtype(a: Any, t: Trial) -> str | None:
    _, arguments = matrix_case(t)
    found = a.affine_matrix(*arguments).dtype
    if found != torch.float64:
        return f"float64 arguments gave a {found} matrix: the result has their dtype"
    return None


def matrix_probe(diagnosis: str) -> Probe:
    def run(a: Any, t: Trial) -> str | None:
        numbers, arguments = matrix_case(t)
        found = a.affine_matrix(*arguments)
        if same(found, expected_matrices(numbers)):
            return None
        if any(same(found, stacked(numbers, wrong)) for wrong in mistaken_matrices()[diagnosis]):
            return MATRIX_WORDS[diagnosis]
        return None

    return run


for _name in MATRIX_WORDS:
    probe(_name)(matrix_probe(_name))


@probe("matrix-without-gradient")
def matrix_gradient(a: Any, t: Trial) -> str | None:
    numbers, arguments = matrix_case(t)
    leaves = [argument.clone().requires_grad_() for argument in arguments]
    found = a.affine_matrix(*leaves)
    if not same(found, expected_matrices(numbers)):
        return None
    if found.requires_grad:
        grads = torch.autograd.grad(found.sum(), leaves, allow_unused=True)
        lost = [
            name
            for name, grad in zip(("angle", "scale", "shift", "shear"), grads, strict=True)
            if grad is None
        ]
    else:
        lost = ["angle", "scale", "shift", "shear"]
    if lost:
        return (
            f"no gradient reaches {' and '.join(lost)}: numbers that went through `.item()`, `math` or "
            "`torch.tensor(...)` have left the graph. Build θ with `torch.stack`"
        )
    return None


@probe("parts-of-the-matrix")
def parts(a: Any, t: Trial) -> str | None:
    neutral = [0.0, 1.0, 0.0, 0.0, 0.0]
    cases = {
        "angle 0.5 alone": [0.5, 1.0, 0.0, 0.0, 0.0],
        "scale 2 alone": [0.0, 2.0, 0.0, 0.0, 0.0],
        "shift (0.3, 0.1) alone": [0.0, 1.0, 0.3, 0.1, 0.0],
        "shear 0.5 alone": [0.0, 1.0, 0.0, 0.0, 0.5],
        "angle 0.5 with scale 2": [0.5, 2.0, 0.0, 0.0, 0.0],
        "angle 0.5 with shear 0.5": [0.5, 1.0, 0.0, 0.0, 0.5],
        "scale 2 with shear 0.5": [0.0, 2.0, 0.0, 0.0, 0.5],
        "scale 2 with shift (0.3, 0.1)": [0.0, 2.0, 0.3, 0.1, 0.0],
    }
    for what, row in {"nothing at all": neutral, **cases}.items():
        numbers = torch.tensor([row], dtype=torch.float64)
        found = a.affine_matrix(numbers[:, 0], numbers[:, 1], numbers[:, 2:4], numbers[:, 4])
        expected = expected_matrices(numbers)
        if found.shape == expected.shape and not same(found, expected):
            return (
                f"{what} gives {rounded(found)}, expected {rounded(expected)}: the map is [K·R·S | shift], "
                "with the scale in every entry of R and k times the lower row added to the upper one"
            )
    return None


def rounded(theta: Tensor) -> str:
    return str([[round(value, 3) for value in row] for row in theta[0].tolist()])
