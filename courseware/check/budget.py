"""A limit on the time that checking one answer may take, which ends a runaway loop and a sleeping one."""

from __future__ import annotations

import ctypes
import gc
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from courseware.check.outcomes import OutOfTime

WALL_FACTOR = 6
"""A sleeping or waiting answer is ended after this many times its CPU budget."""

_REPEAT = 0.05  # seconds between alarms once the budget is spent: a bare `except:` gets the next one


@contextmanager
def budget(cpu_seconds: float) -> Iterator[None]:
    """End the body with `OutOfTime` after `cpu_seconds` of CPU time, or six times as long on the wall clock.

    CPU time is what counts, since a busy machine must not fail a right answer. Budgets nest: the
    inner one may only shorten the time that is left.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with (
            _alarm(signal.ITIMER_PROF, signal.SIGPROF, cpu_seconds),
            _alarm(signal.ITIMER_REAL, signal.SIGALRM, cpu_seconds * WALL_FACTOR),
        ):
            yield
    else:
        with _watchdog(cpu_seconds):
            yield


@contextmanager
def _alarm(timer: int, number: signal.Signals, seconds: float) -> Iterator[None]:
    def ring(_signal: int, frame: FrameType | None) -> None:
        if not _collecting(frame):  # there Python would drop the exception; the next alarm comes soon
            raise OutOfTime

    outer_handler = signal.signal(number, ring)
    outer_left, outer_interval = signal.setitimer(timer, 0)
    clock = time.process_time if timer == signal.ITIMER_PROF else time.monotonic
    started = clock()
    signal.setitimer(timer, min(seconds, outer_left) if outer_left else seconds, _REPEAT)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, outer_handler)
        if outer_left:
            used = clock() - started
            signal.setitimer(timer, max(outer_left - used, 0.001), outer_interval)


def _collecting(frame: FrameType | None) -> bool:
    """Did the alarm interrupt a callback of the garbage collector?"""
    return frame is not None and any(getattr(call, "__code__", None) is frame.f_code for call in gc.callbacks)


@contextmanager
def _watchdog(cpu_seconds: float) -> Iterator[None]:
    """Outside the main thread no signal can be delivered: raise in this thread from another one."""
    target = threading.get_ident()
    done = threading.Event()
    cpu_end, wall_end = time.process_time() + cpu_seconds, time.monotonic() + cpu_seconds * WALL_FACTOR

    def watch() -> None:
        while not done.wait(_REPEAT):
            if time.process_time() > cpu_end or time.monotonic() > wall_end:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(OutOfTime)
                )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
