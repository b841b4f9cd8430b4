"""Does an answer depend on the hash of a string?  Python draws that anew for each of its processes."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from courseware.check.compare import same

STRING_HASHES = (
    "the `hash` of a string is another number in each Python process, so a run that goes on after a crash "
    "draws other ones: make a number of seed and epoch instead, 1_000_003 · seed + epoch, or hash a tuple "
    "of ints"
)
_LIBRARIES = sys.stdlib_module_names | {"torch", "numpy"}


def hashes_strings(draw: Callable[[], Any]) -> bool:
    """Is what comes back another thing in another process? What differs anyway has another reason."""
    here, again = draw(), draw()
    with other_process():
        there = draw()
    return same(here, again) and not same(here, there)


@contextmanager
def other_process() -> Iterator[None]:
    """`hash` of anything but numbers gives the learner other values, as in another Python process."""
    original = builtins.hash

    def rehashed(value: Any) -> int:
        asking = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        return original(value if asking in _LIBRARIES or _only_numbers(value) else (71_993, value))

    builtins.hash = rehashed
    try:
        yield
    finally:
        builtins.hash = original


def _only_numbers(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_only_numbers(part) for part in value)
    return isinstance(value, int | float)
