"""Randomness under control: one call seeds everything, one pair of calls saves and restores every stream.

Three generators feed a training run: Python's ``random``, NumPy's global one and torch's (one for the CPU,
one for each CUDA device). A run can only be repeated or resumed to the bit when all of them are.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

RngState = dict[str, Any]
"""Every generator's state. Made of tensors and single numbers: ``torch.load(weights_only=True)`` takes it,
and one tensor is written and read far faster than 625 numbers in a tuple."""


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seed Python, NumPy and torch (on all devices) with ``seed``, an integer from 0 to 2³² − 1.

    ``deterministic=True`` also makes torch refuse operations that have no deterministic implementation. On
    a CPU with a fixed number of threads nearly all are deterministic already; on a GPU this costs speed.
    False changes nothing.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"a seed should be an integer from 0 to 2**32 - 1, but it is {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # seeds every CUDA device too
    if deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS reads it once, before its first call
        torch.backends.cudnn.benchmark = False  # its timings would choose another algorithm on another day
        torch.use_deterministic_algorithms(True)


def rng_state() -> RngState:
    """The state of every generator, independent of what happens to them afterwards."""
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    version, numbers, gauss = random.getstate()
    return {
        "python": {"version": version, "numbers": torch.tensor(numbers), "gauss": gauss},
        "numpy": {
            "key": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64)),
            "pos": int(numpy_state["state"]["pos"]),
            "has_gauss": int(numpy_state["has_gauss"]),
            "gauss": float(numpy_state["gauss"]),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng_state(state: RngState) -> None:
    """Put every generator back to where ``rng_state()`` found it.

    A state that was taken with another number of CUDA devices restores the devices that both have.
    """
    python_state = state["python"]
    numbers = tuple(python_state["numbers"].tolist())
    random.setstate((python_state["version"], numbers, python_state["gauss"]))
    numpy_state = state["numpy"]
    key = numpy_state["key"].numpy().astype(np.uint32)
    legacy = ("MT19937", key, numpy_state["pos"], numpy_state["has_gauss"], numpy_state["gauss"])
    np.random.set_state(legacy)
    torch.set_rng_state(state["torch"])
    for index, cuda_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda_state, index)


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Whatever is drawn inside leaves no trace outside: evaluating more often must not change what is
    trained."""
    state = rng_state()
    try:
        yield
    finally:
        restore_rng_state(state)


def derive_seed(*parts: int) -> int:
    """A 63-bit seed that depends on all ``parts``, such as (seed, epoch, index), and on their order.

    Sums would not do: ``seed + epoch`` gives seed 0, epoch 1 and seed 1, epoch 0 the same stream.
    """
    text = ",".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1
