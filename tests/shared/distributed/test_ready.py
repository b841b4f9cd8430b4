"""Ranks forked from a helper: the contract of `launch`, and nothing left behind whatever a rank does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from shared.distributed import LaunchTimeout, RankFailed, ReadyRanks


@pytest.fixture(scope="module")
def ranks() -> Iterator[ReadyRanks]:
    with ReadyRanks() as ready:
        yield ready


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not lives(pid)


def add_ranks(start):
    from shared.distributed import rank, sum_over_ranks, world_size

    print(f"I am {rank()} of {world_size()}")
    return sum_over_ranks(torch.tensor(start + rank())).item()


def test_results_come_back_in_the_order_of_ranks_and_prints_name_theirs(ranks, capsys):
    assert ranks.run(add_ranks, 10) == [21, 21]
    assert sorted(capsys.readouterr().out.splitlines()) == ["[rank 0] I am 0 of 2", "[rank 1] I am 1 of 2"]
    assert ranks.run(add_ranks, 1, ranks=1) == [1]
    assert ranks.run(add_ranks, 1, ranks=4) == [10] * 4


def test_a_rank_has_the_callers_surroundings_and_its_own_randomness(ranks, tmp_path, monkeypatch):
    def surroundings():
        import random

        return os.environ["SOMETHING"], str(Path.cwd()), sys.path[0], random.random(), os.environ["RANK"]

    monkeypatch.setenv("SOMETHING", "new")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/nowhere")
    left, right = ranks.run(surroundings)
    assert left[:3] == right[:3] == ("new", str(tmp_path), "/nowhere")
    assert left[3] != right[3]
    assert (left[4], right[4]) == ("0", "1")


def test_the_failing_ranks_own_traceback_comes_back(ranks):
    def fails_on_one():
        import torch.distributed as dist

        if dist.get_rank() == 1:
            raise ValueError("the reason")
        dist.all_reduce(torch.ones(1))

    with pytest.raises(RankFailed, match=r"(?s)rank 1 of 2 failed.*ValueError: the reason") as failure:
        ranks.run(fails_on_one)
    assert failure.value.rank == 1
    assert "worker.py" not in str(failure.value)


def test_waiting_for_messages_that_nobody_sends_ends_with_who_waits_where(ranks):
    def crossed():
        import torch.distributed as dist

        dist.irecv(torch.ones(1), src=1 - dist.get_rank()).wait()

    with pytest.raises(
        LaunchTimeout, match=r"(?s)waited for each other.*rank 0 was in wait, called at line"
    ) as stuck:
        ranks.run(crossed, timeout=600)
    assert "of crossed" in str(stuck.value)


def test_waiting_for_a_rank_that_has_finished_is_a_deadlock(ranks):
    def only_zero_calls():
        import torch.distributed as dist

        if dist.get_rank() == 0:
            dist.all_reduce(torch.ones(1))

    with pytest.raises(LaunchTimeout, match=r"(?s)rank 0 was in all_reduce.*rank 1 had finished"):
        ranks.run(only_zero_calls, timeout=600)


def test_a_rank_that_is_late_is_waited_for(ranks):
    def late():
        import threading

        import torch.distributed as dist

        total = torch.ones(1)
        if dist.get_rank() == 0:
            time.sleep(1.5)
        dist.all_reduce(total)
        if dist.get_rank() == 0:  # now everybody waits, and only a thread knows that it is not for ever
            threading.Timer(1.5, lambda: dist.send(total, dst=1)).start()
            dist.recv(torch.ones(1), src=1)
        else:
            dist.recv(total, src=0)
            dist.send(total, dst=0)
        return total.item()

    assert ranks.run(late, timeout=60) == [2.0, 2.0]


def test_a_large_message_is_not_a_deadlock(ranks):
    def large():
        import torch.distributed as dist

        total = torch.ones(20_000_000)
        for _ in range(4):
            dist.all_reduce(total)
        return total[-1].item()

    assert ranks.run(large, timeout=120) == [16.0, 16.0]


def test_an_endless_loop_ends_at_either_limit(ranks):
    def endless():
        while True:
            pass

    with pytest.raises(LaunchTimeout, match=r"within 0.5 seconds of computing.*\n  rank 0 was in line"):
        ranks.run(endless, cpu_seconds=0.5)
    with pytest.raises(LaunchTimeout, match="within 1 seconds and"):
        ranks.run(endless, timeout=1)


def test_a_rank_that_is_killed_or_leaves_is_the_cause_not_the_one_that_waited_for_it(ranks):
    def dies(how):
        import torch.distributed as dist

        if dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL) if how is None else os._exit(how)
        dist.barrier()

    with pytest.raises(RankFailed, match="rank 1 of 2 was killed by SIGKILL"):
        ranks.run(dies, None)
    for code in (0, 3):
        with pytest.raises(RankFailed, match=f"rank 1 of 2 left with exit code {code}"):
            ranks.run(dies, code)


def test_whoever_ignores_signals_and_swallows_exceptions_is_ended(ranks, tmp_path):
    def stubborn(folder):
        from shared.distributed import rank

        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)
        Path(folder, str(rank())).write_text(str(os.getpid()))
        while True:
            try:
                time.sleep(0.1)
            except BaseException:
                continue

    with pytest.raises(LaunchTimeout):
        ranks.run(stubborn, str(tmp_path), timeout=1)
    pids = [int(file.read_text()) for file in tmp_path.iterdir()]
    assert len(pids) == 2
    assert not any(map(lives, pids))


def test_nothing_that_a_rank_has_started_outlives_the_call(ranks):
    def leaves_processes():
        program = "import os, sys, time; print(os.getpid(), flush=True); sys.stdout.close(); time.sleep(600)"
        found = []
        for _ in range(2):
            child = subprocess.Popen(
                [sys.executable, "-c", program], start_new_session=True, env={}, stdout=subprocess.PIPE
            )
            found.append(int(child.stdout.readline()))
        read, write = os.pipe()
        if os.fork() == 0:  # a daemon: forked twice, in a session of its own
            os.setsid()
            if os.fork() == 0:
                os.write(write, str(os.getpid()).encode())
                time.sleep(600)
            os._exit(0)
        return [*found, int(os.read(read, 100))]

    pids = [pid for found in ranks.run(leaves_processes) for pid in found]
    assert len(set(pids)) == 6
    assert not any(map(lives, pids))


def test_a_rank_that_kills_the_helper_gets_words_and_the_next_job_works(ranks):
    def kills_its_parent():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)

    with pytest.raises(RankFailed, match="was ended by SIGKILL"):
        ranks.run(kills_its_parent)
    assert ranks.run(add_ranks, 0) == [1, 1]


def test_an_exception_out_of_an_alarm_ends_the_job_and_the_next_one_works(ranks, tmp_path):
    def endless(folder):
        from shared.distributed import rank

        Path(folder, str(rank())).write_text(str(os.getpid()))
        time.sleep(600)

    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 0.05)  # and again, while the call tidies up
    try:
        with pytest.raises(KeyboardInterrupt):
            ranks.run(endless, str(tmp_path))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ranks.run(add_ranks, 0) == [1, 1]
    assert not any(lives(int(file.read_text())) for file in tmp_path.iterdir())


def test_an_idle_helper_ends_itself():
    with ReadyRanks(idle_seconds=0.1) as ready:
        (parent,) = set(ready.run(os.getppid))
        assert is_gone(parent)


OWNER = """
import os, subprocess, sys, time
from shared.distributed import ReadyRanks

def endless():
    child = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
    print("pids", os.getppid(), os.getpid(), child.pid, flush=True)
    time.sleep(600)

with ReadyRanks() as ranks:
    ranks.run(len, "abc")
    sleeper = os.fork()  # has a copy of everything that its parent has open
    if sleeper == 0:
        time.sleep(600)
        os._exit(0)
    print("sleeper", sleeper, flush=True)
    ranks.run(endless)
"""


def test_when_the_owner_is_killed_helper_and_ranks_end(tmp_path):
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    owner = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    sleeper = int(owner.stdout.readline().split()[1])
    lines = [owner.stdout.readline().split("pids")[1].split() for _ in range(2)]
    owner.kill()
    owner.wait()
    pids = {int(pid) for line in lines for pid in line}
    try:
        assert len(pids) == 5
        assert all(map(is_gone, pids))
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_it_works_without_any_network():
    namespace = ["unshare", "--net", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    program = "from shared.distributed import ReadyRanks\nwith ReadyRanks() as r: print(r.run(len, 'abc'))"
    quoted = f'ip link set lo up && exec "{sys.executable}" -c "{program}"'
    done = subprocess.run([*namespace, "sh", "-c", quoted], capture_output=True, text=True, timeout=200)
    assert done.stdout == "[3, 3]\n", done.stderr
