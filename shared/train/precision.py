"""The number format of the forward pass.

``fp32`` computes as written. ``bf16`` and ``fp16`` run matrix products in sixteen bits under autocast, with
weights and optimizer in float32. float16 has so few exponents that small gradients become zero: its loss is
scaled up before the backward pass, and the gradients down again before they are used.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from shared.device import device_facts

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

AS_WRITTEN = nullcontext()


class Precision:
    """The policy for one run on one device. Its scaler, if any, is part of what a checkpoint saves.

    "auto" takes bfloat16 where the hardware is fast at it, else float16 on a GPU that is, else float32. A
    format that was asked for by name is used even where it is slow: that is how numerics are studied on a
    laptop.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = _fastest(device) if name == "auto" else name
        if self.name not in FORMATS:
            raise ValueError(f'a precision should be "auto", "fp32", "bf16" or "fp16", but it is "{name}"')
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type) if self.name == "fp16" else None

    def forward(self) -> AbstractContextManager[None]:
        """The context in which the model and the loss are computed; the backward pass stays outside."""
        if self.name == "fp32":
            return AS_WRITTEN
        return torch.autocast(self.device.type, FORMATS[self.name])

    def scale(self, gradient: Tensor) -> Tensor:
        """Scale the number that a backward pass starts from."""
        return gradient if self.scaler is None else self.scaler.scale(gradient)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients back to their true size, before anybody looks at them."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the optimizer step; with a scaler, unless a gradient overflowed, and then with a smaller
        scale next time. (A scaler has to look at the gradients for that: the one place where a step waits
        for the device.)"""
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()


def _fastest(device: torch.device) -> str:
    facts = device_facts(device)
    if facts.fast_bfloat16:
        return "bf16"
    return "fp16" if facts.fast_float16 and device.type == "cuda" else "fp32"
