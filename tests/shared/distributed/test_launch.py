"""Launching from no module: results, prints, failures, deadlocks, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest
import torch

from shared.distributed import LaunchTimeout, RankFailed, launch
from shared.distributed.processes import MARK, end_all, marked


def add_ranks(start):
    from shared.distributed import rank, sum_over_ranks, world_size

    print(f"I am {rank()} of {world_size()}")
    return sum_over_ranks(torch.tensor(start + rank())).item()


RUN = "TEST_OF_LAUNCH"


def processes_of_any_launch() -> set[int]:
    """Processes of launches of the test that runs; other tests may be launching at the same time."""
    ours = f"{RUN}={os.environ[RUN]}".encode()
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
                if f"{MARK}=".encode() in environment and ours in environment:
                    found.add(int(folder.name))
            except OSError:
                continue
    return found - {os.getpid()}


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch):
    monkeypatch.setenv(RUN, uuid.uuid4().hex)  # inherited by what is launched
    yield
    assert processes_of_any_launch() == set()


def test_results_come_back_in_the_order_of_ranks_and_prints_name_theirs(capsys):
    assert launch(add_ranks, 10) == [21, 21]
    assert sorted(capsys.readouterr().out.splitlines()) == ["[rank 0] I am 0 of 2", "[rank 1] I am 1 of 2"]


def test_the_failing_ranks_own_traceback_comes_back_not_what_followed_from_it():
    def fails_on_one():
        import torch.distributed as dist

        from shared.distributed import rank

        if rank() == 1:
            raise ValueError("the reason")
        dist.all_reduce(torch.ones(1))

    with pytest.raises(RankFailed, match=r"(?s)rank 1 of 2 failed.*ValueError: the reason") as failure:
        launch(fails_on_one)
    assert failure.value.rank == 1
    assert "worker.py" not in str(failure.value)


def test_a_deadlock_ends_early_with_who_waits_where():
    def only_zero_calls():
        import torch.distributed as dist

        from shared.distributed import rank

        if rank() == 0:
            dist.all_reduce(torch.ones(1))

    started = time.monotonic()
    with pytest.raises(LaunchTimeout) as stuck:
        launch(only_zero_calls, timeout=100)
    assert time.monotonic() - started < 60, "it was noticed, not waited out"
    words = str(stuck.value)
    assert "rank 0 was in all_reduce, called at line" in words
    assert "of only_zero_calls" in words
    assert "rank 1 had finished" in words


def test_ranks_in_different_collectives_are_a_deadlock_too():
    def crossed():
        import torch.distributed as dist

        from shared.distributed import rank

        if rank() == 0:
            dist.recv(torch.ones(1), src=1)
        else:
            dist.recv(torch.ones(1), src=0)

    with pytest.raises(LaunchTimeout, match=r"(?s)rank 0 was in recv.*rank 1 was in recv"):
        launch(crossed, timeout=100)


def test_an_endless_loop_ends_at_the_limit():
    def endless():
        while True:
            pass

    with pytest.raises(LaunchTimeout, match=r"within 6 seconds.*"):
        launch(endless, timeout=6)


def test_a_killed_rank_is_named_with_its_signal():
    def dies():
        import torch.distributed as dist

        from shared.distributed import rank

        if rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        dist.all_reduce(torch.ones(1))

    with pytest.raises(RankFailed, match="rank 1 of 2 was killed by SIGKILL"):
        launch(dies)


def test_a_rank_that_leaves_without_a_word_is_the_cause_not_the_one_that_waited_for_it():
    def leave():
        import os

        import torch.distributed as dist

        if dist.get_rank() == 1:
            os._exit(3)
        dist.barrier()

    with pytest.raises(RankFailed, match="rank 1 of 2 left with exit code 3") as failure:
        launch(leave, ranks=2)
    assert failure.value.rank == 1


def test_a_killed_rank_is_restarted_on_request():
    def dies_once():
        import torch.distributed as dist

        from shared.distributed import rank

        attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
        if attempt == 0 and rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        total = torch.ones(1)
        dist.all_reduce(total)
        return attempt, total.item()

    assert launch(dies_once, restarts=1) == [(1, 2.0), (1, 2.0)]


def test_a_process_that_a_rank_leaves_behind_in_its_own_session_is_ended():
    def leaves_a_child():
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        return child.pid

    (pid,) = launch(leaves_a_child, ranks=1)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.02)
    raise AssertionError("the child lives on")


def test_a_function_that_cannot_travel_is_refused_before_anything_starts():
    import threading

    lock = threading.Lock()

    def holds_a_lock():
        return lock.locked()

    with pytest.raises(TypeError, match="holds_a_lock cannot be sent to other processes"):
        launch(holds_a_lock)


def test_no_rank_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        launch(add_ranks, 1, ranks=0)


def test_the_same_function_runs_under_torchrun_and_alone(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(
            """
            import torch
            from shared.distributed import process_group, rank, sum_over_ranks

            with process_group():
                total = sum_over_ranks(torch.tensor(1 + rank()))
                if rank() == 0:
                    print("total", total.item())
            """
        )
    )
    alone = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert alone.stdout == "total 1\n", alone.stderr
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    together = subprocess.run([*torchrun, str(script)], capture_output=True, text=True, timeout=120)
    assert together.stdout == "total 3\n", together.stderr


def test_a_notebooks_interrupt_leaves_no_process(tmp_path):
    script = tmp_path / "cell.py"
    script.write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore it\n"
        "from shared.distributed import launch\n"
        "def endless():\n"
        "    import time\n"
        "    print('running', flush=True)\n"
        "    time.sleep(600)\n"
        "launch(endless, timeout=500)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "running" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) != 0


def test_marked_processes_are_found_and_ended():
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=os.environ | {MARK: "x1"}
    )
    while not marked("x1"):
        time.sleep(0.01)
    assert marked("x1") == [child.pid]
    end_all("x1")
    assert child.wait(timeout=5) == -signal.SIGKILL
