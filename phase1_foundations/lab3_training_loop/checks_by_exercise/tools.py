"""Small things that several checks of this lab need."""

from typing import Any

from courseware.check.describe import numbers

OPTIM = (  # all of torch.optim: its classes begin with the first, its functions are the others
    "torch.optim.Optimizer.__init__",
    "torch.optim.sgd.sgd",
    "torch.optim.sgd._single_tensor_sgd",
    "torch.optim.adam._single_tensor_adam",
    "torch.optim.adam._multi_tensor_adam",
    "torch.optim.rmsprop._single_tensor_rmsprop",
    "torch.optim.rmsprop._multi_tensor_rmsprop",
    "torch.optim.adagrad.adagrad",
    "torch.optim.adagrad._single_tensor_adagrad",
)


def close(observed: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> bool:
    """Two numbers, or two lists of numbers of one length."""
    if isinstance(expected, list | tuple):
        return (
            isinstance(observed, list | tuple)
            and len(observed) == len(expected)
            and all(close(left, right, rtol, atol) for left, right in zip(observed, expected, strict=True))
        )
    try:
        return abs(float(observed) - float(expected)) <= atol + rtol * abs(float(expected))
    except (TypeError, ValueError):
        return False


def apart(observed: Any, expected: Any) -> tuple[str, str]:
    """Both in as many digits as it takes to see the difference."""
    for digits in (4, 6, 9, 12):
        texts = numbers(observed, digits), numbers(expected, digits)
        if texts[0] != texts[1]:
            break
    return texts
