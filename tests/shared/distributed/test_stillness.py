"""What the kernel counts tells a sleeping process from a working one, also while processes come and go."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from shared.distributed.stillness import Stillness

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what threads do")
WORKING = "x = 0\nwhile True:\n    x += 1"
SLEEPING = "import time\nprint('ready', flush=True)\ntime.sleep(60)"


def becomes_still(pids: list[int], seconds: float) -> bool:
    stillness, end = Stillness(0.2), time.monotonic() + seconds
    while time.monotonic() < end:
        if stillness.holds(pids):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def process():
    running = []

    def start(program: str, **options) -> subprocess.Popen:
        running.append(subprocess.Popen([sys.executable, "-c", program], **options))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()
        if one.stdout:
            one.stdout.close()


def test_one_that_sleeps_is_still_and_one_that_works_is_not(process):
    asleep = process(SLEEPING, stdout=subprocess.PIPE)
    assert asleep.stdout.readline()
    assert becomes_still([asleep.pid], 10)
    assert not becomes_still([asleep.pid, process(WORKING).pid], 1)


def test_one_that_has_ended_is_no_error_and_proves_nothing(process):
    ended = process("")
    ended.wait()
    assert not becomes_still([ended.pid], 0.5)


def test_processes_may_end_while_they_are_looked_at(process):
    asleep = process(SLEEPING, stdout=subprocess.PIPE)
    assert asleep.stdout.readline()
    stillness = Stillness(0.2)
    for _ in range(100):
        short = subprocess.Popen(["sleep", "0.005"])
        ends = threading.Thread(target=short.wait)
        ends.start()
        while ends.is_alive():
            stillness.holds([short.pid, asleep.pid])
        ends.join()
    assert becomes_still([asleep.pid], 10)
