"""What our optimizers refuse, in one line each."""

from torch import Tensor


def check_not_negative(**values: float) -> None:
    """Refuse negative hyper-parameters by name."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} should be 0 or more, but it is {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Refuse decay rates outside [0, 1)."""
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas are decay rates in [0, 1), but they are {betas}")


def dense_gradient(parameter: Tensor, optimizer: str) -> Tensor:
    """The gradient of a parameter that has one."""
    gradient = parameter.grad
    assert gradient is not None
    if gradient.is_sparse:
        raise TypeError(f"{optimizer} needs dense gradients: build the embedding with sparse=False")
    return gradient
