"""What a learner sees after a warm-up, made with the function just written."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phase2_intermediate.lab6_model_export.checks_by_exercise.tools import exported
from shared.plotting import COLOURS, panels, show


def traced_branch(a: Any) -> None:
    """TorchScript on a function with an `if`, held against the original."""

    def original(x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x - 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript says that it is deprecated, and that it saw a branch
        captured = torch.jit.trace(original, torch.ones(2))
    inputs = [torch.tensor(v) for v in ([1.0, 2.0], [-3.0, -3.0], [4.0, -1.0], [-1.0, 0.5])]
    differ = a.where_they_differ(original, captured, inputs)
    print("traced with [1, 1], then asked (TorchScript, deprecated, for exactly this among others):")
    for i, x in enumerate(inputs):
        mark = "  <- wrong, and no error was raised" if i in differ else ""
        print(
            f"  {x.tolist()!s:14} eager {original(x).tolist()!s:14} traced {captured(x).tolist()!s:14}{mark}"
        )


def graph_of_the_choice(a: Any) -> None:
    """The program that `torch.export` makes of the answer."""
    program = exported(a.raw("double_or_less"), torch.ones(3))
    print("Your function as an exported program:")
    for node in program.graph.nodes:
        if node.op == "call_function":
            print(f"  {node.name:10} = {node.target}({', '.join(str(arg) for arg in node.args)})")
    print("Both branches are in it, and a tensor decides.")


def rulers(a: Any) -> None:
    """The levels of 2, 3 and 4 bits on a line."""
    fig, ax = panels(height=2.2)
    rows = [(bits, signed) for bits in (2, 3, 4) for signed in (True, False)]
    for y, (bits, signed) in enumerate(rows):
        low, high = a.levels(bits, signed)
        colour = COLOURS["blue" if signed else "red"]
        ax.plot(range(low, high + 1), [y] * (high - low + 1), "|", markersize=12, color=colour)
    ax.set_yticks(range(len(rows)), [f"{bits} bits, {'signed' if s else 'unsigned'}" for bits, s in rows])
    ax.axvline(0, color=COLOURS["black"], linewidth=0.6, linestyle=":")
    ax.set(xlabel="whole number")
    show(
        fig,
        caption="Your levels: twice as many with each bit. Signed ones reach one further to the left than "
        "to the "
        "right.",
        alt="Six rows of ticks: signed ones from −2…1 to −8…7, unsigned ones from 0…3 to 0…15.",
    )


def one_bit(a: Any) -> None:
    """One flipped bit of a file, seen in its fingerprint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.bin"
        data = bytearray(torch.arange(1000, dtype=torch.float32).numpy().tobytes())
        path.write_bytes(data)
        before = a.fingerprint(path)
        data[1234] ^= 1
        path.write_bytes(data)
        after = a.fingerprint(path)
    print("4,000 bytes            ", before)
    print("one bit of them flipped", after)
    print(f"{sum(x != y for x, y in zip(before, after, strict=True))} of 64 digits differ.")
