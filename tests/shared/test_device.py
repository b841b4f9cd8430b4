"""A device is found, or the user is told what there is."""

import pytest
import torch

from shared.device import device_facts, pick_device


def test_auto_prefers_an_accelerator_and_always_finds_something() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert pick_device().type == expected


def test_a_named_device_is_taken() -> None:
    assert pick_device("cpu") == torch.device("cpu")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match='"auto", "cpu"'):
        pick_device("gpu")


def test_a_missing_cuda_device_says_how_many_there_are() -> None:
    with pytest.raises(ValueError, match=f"torch sees {torch.cuda.device_count()} CUDA devices"):
        pick_device("cuda:99")


def test_the_cpu_has_a_name_and_shares_the_machines_memory() -> None:
    facts = device_facts(torch.device("cpu"))
    assert facts.name
    assert facts.memory_bytes is None


@pytest.mark.parametrize(
    ("has", "bfloat16", "float16"),
    [
        ({}, False, False),
        ({"avx2": True}, False, False),
        ({"avx512_bf16": True}, True, False),
        ({"amx_fp16": True}, False, True),
    ],
)
def test_low_precision_is_fast_only_where_the_hardware_multiplies_in_it(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], bfloat16: bool, float16: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    facts = device_facts(torch.device("cpu"))
    assert (facts.fast_bfloat16, facts.fast_float16) == (bfloat16, float16)
