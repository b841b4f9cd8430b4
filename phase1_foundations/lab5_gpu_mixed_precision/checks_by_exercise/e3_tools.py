"""What the checks of E3 observe: runs of a function, bytes kept, peaks of a cutting."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check.observe import saved_bytes

SLACK = 24_000  # bytes: the generator's state (5,056) and small things beside it


class Counted:
    """A function that counts its calls."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn, self.calls = fn, 0

    def __call__(self, *args: Tensor) -> Any:
        self.calls += 1
        return self.fn(*args)


def layer(inputs: int = 4, outputs: int = 3, hidden: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs)).double()


def deep(width: int, depth: int = 6) -> nn.Sequential:
    """Layers that keep one activation of `width` numbers a row each."""
    return nn.Sequential(*(m for _ in range(depth) for m in (nn.Linear(width, width), nn.Tanh())))


def kept(call: Callable[[], Tensor], model: nn.Module) -> int:
    """Bytes kept for the backward pass, parameters aside."""
    return saved_bytes(call, exclude=tuple(model.parameters()))


class Noted(nn.Module):
    """A block of a chain: it writes its number into `events` whenever it runs."""

    def __init__(self, number: int, width: int, events: list[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.linear, self.number, self.events, self.dropout = nn.Linear(width, width), number, events, dropout

    def forward(self, x: Tensor) -> Tensor:
        self.events.append(self.number)
        return nn.functional.dropout(self.linear(x).tanh(), self.dropout)


def chain(count: int, width: int = 4, dropout: float = 0.0) -> tuple[nn.ModuleList, list[int]]:
    events: list[int] = []
    return nn.ModuleList(Noted(i, width, events, dropout) for i in range(count)), events


def runs(events: Sequence[int]) -> list[list[int]]:
    """Split 6 7 8 3 4 5 0 1 2 where the count does not go on: one list for each segment that was run."""
    found: list[list[int]] = []
    for number in events:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def segments_of(a: Any, count: int, segments: int) -> list[list[int]]:
    """The segments as the backward pass ran them again, in the order of the blocks."""
    blocks, events = chain(count)
    y = a.checkpoint_chain(blocks, torch.ones(2, 4, requires_grad=True), segments)
    del events[:]
    y.sum().backward()
    return runs(events)[::-1]


# ---- cuts -----------------------------------------------------------------------------------------------


def peak(cuts: Sequence[int], sizes: Sequence[int]) -> int:
    """The definition of the statement."""
    starts = [0, *cuts]
    ends = [*cuts, len(sizes)]
    inputs = sum(sizes[s] for s in starts)
    return inputs + max(sum(sizes[s + 1 : e]) for s, e in zip(starts, ends, strict=True))


def least_peak(sizes: Sequence[int]) -> int:
    """By trying all sets of cuts."""
    places = range(1, len(sizes))
    return min(peak(c, sizes) for k in range(len(sizes)) for c in itertools.combinations(places, k))


def least_peak_of_many(sizes: Sequence[int]) -> int:
    """For longer lists: all (inputs, largest rest) that no other cutting of the first blocks beats."""
    fronts: list[set[tuple[int, int]]] = [{(0, 0)}]
    for end in range(1, len(sizes) + 1):
        new = {
            (inputs + sizes[start], max(rest, sum(sizes[start + 1 : end])))
            for start in range(end)
            for inputs, rest in fronts[start]
        }
        lowest, front = None, set()
        for inputs, rest in sorted(new):
            if lowest is None or rest < lowest:
                front.add((inputs, rest))
                lowest = rest
        fronts.append(front)
    return min(inputs + rest for inputs, rest in fronts[-1])


def valid(cuts: Any, count: int) -> bool:
    return (
        isinstance(cuts, list)
        and all(isinstance(c, int) and not isinstance(c, bool) and 0 < c < count for c in cuts)
        and sorted(set(cuts)) == cuts
    )
