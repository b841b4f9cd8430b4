"""A disk that fails at a chosen operation: it is full from then on, or the process is dead from then on."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from unittest.mock import patch

OPERATIONS = ("open", "write", "fsync", "replace", "mkdir", "unlink")


class Killed(BaseException):
    """The process is gone: nothing that it would still do takes place."""


@contextmanager
def faulty_disk(fail_at: int, fault: Literal["killed", "full"]) -> Iterator[None]:
    """Let `fail_at` operations pass, then fail every further one; the first failing write writes a half."""
    left = fail_at
    originals = {name: getattr(os, name) for name in OPERATIONS}

    def failing(name: str) -> Any:
        def operation(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            writes = name in ("write", "mkdir") or (name == "open" and arguments[1] & os.O_CREAT)
            if fault == "full" and not writes:
                return originals[name](*arguments, **options)
            left -= 1
            if left >= 0:
                return originals[name](*arguments, **options)
            if name == "write" and left == -1:
                originals["write"](arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if fault == "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            raise Killed

        return operation

    with patch.multiple(os, **{name: failing(name) for name in OPERATIONS}):
        yield
