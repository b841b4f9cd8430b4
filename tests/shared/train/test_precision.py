"""Which number format is used, and where."""

import pytest
import torch

from shared.device import DeviceFacts
from shared.train import Precision, precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "bfloat16", "float16", "chosen"),
    [
        ("cpu", False, False, "fp32"),
        ("cpu", True, False, "bf16"),
        ("cpu", False, True, "fp32"),  # scaling the loss is not worth it there
        ("cuda", True, True, "bf16"),
        ("cuda", False, True, "fp16"),
        ("cuda", False, False, "fp32"),
        ("mps", False, True, "fp32"),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.cuda.amp.GradScaler")  # on a machine without CUDA
def test_auto_takes_a_low_precision_only_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, device: str, bfloat16: bool, float16: bool, chosen: str
) -> None:
    facts = DeviceFacts("some device", None, bfloat16, float16)
    monkeypatch.setattr(precision, "device_facts", lambda device: facts)
    assert Precision("auto", torch.device(device)).name == chosen


@pytest.mark.parametrize(
    ("name", "inside"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_matrix_products_run_in_the_format_and_weights_do_not(name: str, inside: torch.dtype) -> None:
    layer = torch.nn.Linear(3, 2)
    with Precision(name, CPU).forward():
        assert layer(torch.zeros(1, 3)).dtype == inside
    assert layer.weight.dtype == torch.float32
    assert layer(torch.zeros(1, 3)).dtype == torch.float32


def test_only_float16_scales_its_loss() -> None:
    assert [Precision(name, CPU).scaler is not None for name in ("fp32", "bf16", "fp16")] == [
        False,
        False,
        True,
    ]


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match='"auto", "fp32", "bf16" or "fp16", but it is "fp8"'):
        Precision("fp8", CPU)
