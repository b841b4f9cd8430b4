"""The known mistakes of E4's `count_cost`, each by its signature on a small module."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


def cost(a: Any, model: nn.Module, x: Tensor, name: str = "") -> tuple[int, int, int]:
    found = a.count_cost(model, x)[name]
    return int(found.flops), int(found.bytes_read), int(found.bytes_written)


def linear(a: Any) -> tuple[int, int, int]:
    """Five rows through a layer 3 → 4: 120 FLOPs; input 60, weight 48, bias 16, output 80 bytes."""
    return cost(a, nn.Linear(3, 4), torch.ones(5, 3))


@probe("count-fails")
def fails(a: Any, t: Trial) -> str | None:
    cases = {
        "nn.Linear(3, 4)": (nn.Linear(3, 4), torch.ones(5, 3)),
        "a Linear without bias": (nn.Linear(3, 4, bias=False), torch.ones(5, 3)),
        "a Sequential": (nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.ones(5, 3)),
        "a Conv2d": (nn.Conv2d(2, 4, 3), torch.ones(1, 2, 5, 5)),
        "an empty batch": (nn.Linear(3, 4), torch.ones(0, 3)),
        "a BatchNorm2d": (nn.BatchNorm2d(2), torch.ones(1, 2, 3, 3)),
    }
    for words, (model, x) in cases.items():
        if error := failure(t, lambda m=model, v=x: a.count_cost(m, v)):
            return f"count_cost of {words} ends in {error}"
    return None


@probe("not-a-dict-of-costs")
def not_costs(a: Any, t: Trial) -> str | None:
    found = a.count_cost(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.ones(5, 3))
    for value in found.values():
        if not all(hasattr(value, name) for name in ("flops", "bytes_read", "bytes_written")):
            return (
                f"the dict holds {value!r}, expected a Cost(flops, bytes_read, bytes_written) for each leaf"
            )
    return None


@probe("other-names")
def other_names(a: Any, t: Trial) -> str | None:
    inner = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    found = list(a.count_cost(nn.Sequential(inner, nn.Linear(4, 2)), torch.ones(5, 3)))
    if sorted(found) != ["0.0", "0.1", "1"]:
        if "0" in found or "" in found:
            return (
                f"the keys are {found}; expected are the leaves alone, '0.0', '0.1', '1': a module with "
                f"children "
                "does nothing by itself, its work would be counted twice"
            )
        return f"the keys are {found}, expected ['0.0', '0.1', '1'], the names in `model.named_modules()`"
    alone = list(a.count_cost(nn.Linear(3, 4), torch.ones(5, 3)))
    if alone != [""]:
        return f"a model that is itself a leaf has the keys {alone}, expected ['']"
    return None


@probe("one-multiply-add-counted-once")
def macs(a: Any, t: Trial) -> str | None:
    flops = linear(a)[0]
    if flops == 60:
        return (
            "5 rows through Linear(3, 4) came out at 60 FLOPs, expected 120: one multiplication and one "
            "addition "
            "are two operations"
        )
    return None


@probe("bias-in-the-flops")
def bias_flops(a: Any, t: Trial) -> str | None:
    if linear(a)[0] in (140, 80):
        return (
            f"5 rows through Linear(3, 4) came out at {linear(a)[0]} FLOPs, expected 120: biases are left out"
        )
    return None


@probe("rows-ignored")
def rows_ignored(a: Any, t: Trial) -> str | None:
    if linear(a)[0] in (24, 12):
        return (
            f"5 rows through Linear(3, 4) came out at {linear(a)[0]} FLOPs, expected 120: every row is "
            f"multiplied"
        )
    flops = cost(a, nn.Linear(3, 4), torch.ones(2, 5, 3))[0]
    if linear(a)[0] == 120 and flops != 240:
        return (
            f"an input [2, 5, 3] through Linear(3, 4) came out at {flops} FLOPs, expected 240: all "
            f"dimensions before "
            "the last are rows"
        )
    return None


@probe("linear-flops")
def linear_flops(a: Any, t: Trial) -> str | None:
    if linear(a)[0] != 120:
        return f"5 rows through Linear(3, 4) came out at {linear(a)[0]} FLOPs, expected 2 · 5 · 3 · 4 = 120"
    return None


@probe("bytes-read")
def bytes_read(a: Any, t: Trial) -> str | None:
    found = linear(a)[1]
    reasons = {
        64: "only the weights are counted; the input is read too, and in most layers it is larger",
        60: "only the input is counted; weight and bias are read too",
        108: "the bias is read too",
        48: "that is the weight alone; the input and the bias are read too",
        204: "the output is written, not read",
        188: "the output is written, not read, and the bias is read too",
        31: "that is the number of elements; each has four bytes",
        248: "counted twice",
        62: "a float32 has four bytes, not two",
    }
    if found != 124:
        return (
            f"5 rows through Linear(3, 4) read {found} bytes in your count, expected 124 = 60 + 48 + 16: "
            + (reasons.get(found, "the input, the weight and the bias, four bytes an element"))
        )
    return None


@probe("bytes-written")
def bytes_written(a: Any, t: Trial) -> str | None:
    found = linear(a)[2]
    if found != 80:
        return (
            f"5 rows through Linear(3, 4) write {found} bytes in your count, expected the output, 5 · 4 · "
            f"4 = 80"
        )
    return None


@probe("every-number-taken-for-float32")
def dtypes(a: Any, t: Trial) -> str | None:
    for dtype, expected in ((torch.bfloat16, (62, 40)), (torch.float64, (248, 160))):
        found = cost(a, nn.Linear(3, 4).to(dtype), torch.ones(5, 3, dtype=dtype))[1:]
        if found != expected:
            return (
                f"in {dtype} 5 rows through Linear(3, 4) read and write {found} bytes in your count, "
                f"expected "
                f"{expected}: use the element size of each tensor (`x.element_size()`)"
            )
    index = cost(a, nn.Embedding(10, 4), torch.tensor([1, 2, 3]))
    if index[1] != 24 + 160:
        return (
            f"an Embedding(10, 4) that gets three int64 numbers reads {index[1]} bytes in your count, "
            f"expected 24 + "
            "160: each tensor with its own element size"
        )
    return None


@probe("convolution-flops")
def convolution(a: Any, t: Trial) -> str | None:
    x = torch.ones(2, 3, 9, 9)
    found = cost(a, nn.Conv2d(3, 8, 3, padding=1), x)[0]
    right = 2 * (2 * 8 * 81) * 3 * 9
    reasons = {
        right // 2: "one multiply-add is two operations",
        right // 9: "each output element takes kernel height · width products for every input channel",
        right // 3: "each output element reads all input channels",
        right // 8: "every output channel has its own filter",
        right + 2 * 8 * 81: "biases are left out",
        right // 6: "kernel height times width, not one of them, and two operations",
    }
    if found != right:
        return (
            f"Conv2d(3, 8, 3, padding=1) on [2, 3, 9, 9] has {found:,} FLOPs in your count, expected "
            f"{right:,}: "
            + (reasons.get(found, "2 · elements of the output · channels in · kernel height · width"))
        )
    found = cost(a, nn.Conv2d(3, 8, 3, stride=2), x)[0]
    if found != 2 * (2 * 8 * 16) * 27:
        return (
            f"with stride 2 and no padding it has {found:,} FLOPs in your count, expected "
            f"{2 * 2 * 8 * 16 * 27:,}: the "
            "size of the *output* counts, here 4×4, not that of the input"
        )
    found = cost(a, nn.Conv2d(3, 8, (1, 5)), x)[0]
    if found != 2 * (2 * 8 * 9 * 5) * 15:
        return f"a kernel of 1×5 has {found:,} FLOPs in your count, expected {2 * 2 * 8 * 45 * 15:,}"
    return None


@probe("groups-ignored")
def groups(a: Any, t: Trial) -> str | None:
    found = cost(a, nn.Conv2d(4, 8, 3, groups=4), torch.ones(1, 4, 5, 5))[0]
    right = 2 * 8 * 9 * 9
    if found != right:
        return (
            f"Conv2d(4, 8, 3, groups=4) has {found:,} FLOPs in your count, expected {right:,}: with "
            f"groups each filter "
            "reads only channels / groups of the input"
        )
    return None


@probe("attention-flops")
def attention(a: Any, t: Trial) -> str | None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = a.Attend()

        def forward(self, x: Tensor) -> Tensor:
            return self.attend(x, x[:, :, :3], x[:, :, :3])

    found = cost(a, Cross(), torch.ones(2, 3, 5, 4), "attend")
    right = 4 * 2 * 3 * 5 * 3 * 4
    reasons = {
        0: "torch's own counter sees nothing of the fused kernel",
        120 * 1: "it is a product of matrices, not an elementwise operation",
        right // 2: "queries meet keys, and the weights meet the values: two products",
        4 * 2 * 3 * 5 * 5 * 4: "there are S = 3 keys and T = 5 queries",
    }
    if found[0] != right:
        return f"Attend with 5 queries and 3 keys has {found[0]} FLOPs in your count, expected {right}: " + (
            reasons.get(found[0], "2 · B·H·T·S·D for the scores and as much for the values")
        )
    if found[1:] != (480 + 2 * 288, 480):
        return (
            f"Attend reads and writes {found[1:]} bytes in your count, expected (1056, 480): all three "
            f"arguments are "
            "read"
        )
    return None


@probe("elementwise-flops")
def elementwise(a: Any, t: Trial) -> str | None:
    x = torch.ones(5, 4)
    for leaf in (nn.ReLU(), nn.GELU(), nn.LayerNorm(4)):
        found = cost(a, leaf, x)[0]
        if found != 20:
            return (
                f"{leaf} on 20 elements has {found} FLOPs in your count; by our convention it is one each, 20"
            )
    pooled = cost(a, nn.AvgPool2d(2), torch.ones(1, 1, 4, 4))[0]
    if pooled != 4:
        return (
            f"AvgPool2d(2) on 4×4 has {pooled} FLOPs in your count, expected 4: one for each element of "
            f"its *output*"
        )
    return None


@probe("buffers-counted")
def buffers(a: Any, t: Trial) -> str | None:
    found = cost(a, nn.BatchNorm2d(2), torch.ones(1, 2, 3, 3))[1]
    if found != 72 + 16:
        return (
            f"BatchNorm2d(2) reads {found} bytes in your count, expected 88: the input, 72, and its two "
            f"parameters, "
            "16; buffers do not count"
        )
    return None
