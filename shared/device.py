"""Where a model runs, and what that place is good at."""

import platform
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class DeviceFacts:
    """What a training run has to know about its device."""

    name: str
    memory_bytes: int | None
    """Total memory of an accelerator; None for a CPU, which shares the machine's."""
    fast_bfloat16: bool
    fast_float16: bool
    """Whether matrix products in that format are faster than in float32, rather than emulated."""


def pick_device(preference: str = "auto") -> torch.device:
    """The device of that name, such as "cpu" or "cuda:1"; "auto" takes CUDA, then Apple's MPS, then the
    CPU."""
    if preference == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(preference)
    except RuntimeError:
        raise ValueError(
            f'a device should be named "auto", "cpu", "cuda", "cuda:<n>" or "mps", but it is "{preference}"'
        ) from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f'device "{preference}" was asked for, but torch sees {torch.cuda.device_count()} CUDA devices: '
            'use "auto" to take what there is'
        )
    return device


def device_facts(device: torch.device) -> DeviceFacts:
    """The facts of ``device``. A format counts as fast only where the hardware multiplies in it."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return DeviceFacts(
            name=properties.name,
            memory_bytes=properties.total_memory,
            fast_bfloat16=properties.major >= 8,  # Ampere brought bfloat16 to the tensor cores,
            fast_float16=properties.major >= 7,  # Volta float16
        )
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        return DeviceFacts(
            name=str(can.get("cpu_name") or platform.machine()),
            memory_bytes=None,
            fast_bfloat16=any(can.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")),
            fast_float16=any(can.get(name) for name in ("avx512_fp16", "amx_fp16", "fp16_arith")),
        )
    return DeviceFacts(
        name=device.type, memory_bytes=None, fast_bfloat16=False, fast_float16=device.type == "mps"
    )
