"""Each of the five verdicts, and what a learner is told with it."""

from __future__ import annotations

import gc
import random
import sys
import time

import numpy as np
import pytest
import torch

from courseware.check import CheckError, Exercise, Status


def stub(x):
    """The docstring stays."""
    raise NotImplementedError


def test_a_right_answer_passes_with_all_points(check):
    report = check(lambda x: x + x)
    assert report.status is Status.PASSED
    assert (report.points, report.max_points) == (15, 15)
    assert bool(report)


def test_a_named_mistake_is_named(check):
    report = check(lambda x: x * x)
    assert report.status is Status.NOT_QUITE
    assert report.diagnosis == "squares"
    assert "3 became 9" in report.text()


def test_an_unnamed_mistake_shows_the_smallest_failing_case(check):
    def wrong(x):
        return 2 * x + 1

    report = check(wrong)
    assert report.status is Status.NOT_QUITE
    assert report.diagnosis is None
    assert "shape (1,)" in report.facts["tried"], "an empty vector cannot fail: one element is the smallest"
    assert {"observed", "expected"} <= report.facts.keys()


def test_properties_earn_their_points_one_by_one(check):
    report = check(lambda x: x * 2.0)  # float for whole numbers
    assert report.status is Status.NOT_QUITE
    assert [(p.name, p.held) for p in report.properties] == [("values", True), ("whole numbers", False)]
    assert report.points == 10
    assert "float32" in report.message
    assert "int64" in report.message


def test_a_stub_is_not_attempted(check):
    report = check(stub)
    assert report.status is Status.NOT_ATTEMPTED
    assert report.points == 0
    assert "stub" in report.message


def test_torchs_own_not_implemented_is_the_learners_exception(check):
    def calls_what_torch_lacks(x):
        return torch.ops.aten._amp_update_scale(x, x, x, 1.0, 1.0, 1)

    assert check(calls_what_torch_lacks).status is Status.RAISED
    report = check(lambda x: x.double() << 1)
    assert report.status is Status.RAISED
    assert "NotImplementedError" in report.message


def test_an_exception_is_shown_with_the_learners_own_lines_only(check):
    def broken(x):
        return x @ torch.ones(7, 7)

    report = check(broken)
    assert report.status is Status.RAISED
    assert "RuntimeError" in report.message
    assert "x @ torch.ones(7, 7)" in report.facts["your code"]
    assert "courseware" not in report.text()


def test_an_endless_loop_ends_with_words(check):
    def endless(x):
        while True:
            pass

    report = check(endless)
    assert report.status is Status.TIMED_OUT
    assert "1 CPU seconds" in report.message


def test_a_loop_that_swallows_every_exception_ends_too(check):
    def stubborn(x):
        for _ in range(3):
            try:
                while True:
                    pass
            except:  # noqa: E722
                pass
        return x

    assert not check(stubborn).passed


def test_a_learners_system_exit_does_not_end_the_kernel(check):
    def leaves(x):
        raise SystemExit(3)

    report = check(leaves)
    assert report.status is Status.RAISED
    assert "SystemExit" in report.message


def test_what_the_learner_prints_goes_into_the_report_and_is_cut(check, capsys):
    def chatty(x):
        print("line\n" * 1000)
        return 2 * x

    report = check(chatty)
    assert report.passed
    assert "more lines" in report.printed
    assert len(report.printed.splitlines()) < 30
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_seed_decides_the_inputs(check):
    seen = []

    def remembers(x):
        seen.append(x.tolist())
        return 2 * x

    for seed in (1, 1, 2):
        check(remembers, seed=seed)
    first, again, other = (seen[i * len(seen) // 3 : (i + 1) * len(seen) // 3] for i in range(3))
    assert first == again
    assert first != other


def test_random_state_threads_and_gradient_mode_are_left_alone(check):
    def meddles(x):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return 2 * x

    threads = torch.get_num_threads()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = (torch.rand(1).item(), np.random.rand(), random.random())
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    check(meddles)
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == expected
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_num_threads() == threads


def test_a_busy_answer_is_measured_by_cpu_time_not_by_the_clock(check):
    exercise = Exercise("W1", takes={"wait": float}, hints=("a", "b", "c"), seconds=0.3)

    @exercise.property("waits")
    def waits(a, t):
        t.that(a.wait() > 0, "no")

    def wait():
        time.sleep(0.6)  # longer than the budget, but no work
        return 1.0

    assert check(wait, exercise=exercise).passed


def test_a_strange_value_that_the_check_cannot_use_is_reported_with_what_was_returned(check, shape_exercise):
    report = check(lambda: [1, 2, 3], exercise=shape_exercise)
    assert report.status is Status.NOT_QUITE
    assert "[1, 2, 3]" in report.message


def test_a_half_written_answer_keeps_what_it_earned(check):
    exercise = Exercise("E1", takes=("one", "two"), hints=("a", "b", "c"))

    @exercise.property("one", points=5)
    def one(a, t):
        t.equal(a.one(), 1)

    @exercise.property("two", points=10)
    def two(a, t):
        t.equal(a.two(), 2)

    def two_stub():
        raise NotImplementedError

    report = check(lambda: 1, two=two_stub, exercise=exercise)
    assert report.status is Status.NOT_QUITE
    assert report.points == 5
    assert "two_stub" in report.message


def test_an_unfinished_check_is_the_authors_problem(check):
    exercise = Exercise("E1", takes=("one",), hints=("a",))

    @exercise.property("one", points=3)
    def one(a, t):
        t.equal(a.one(), 1)

    with pytest.raises(CheckError, match="add up to 3, expected 15"):
        check(lambda: 1, exercise=exercise)


def test_a_probe_that_matches_a_passing_answer_costs_points(check):
    exercise = Exercise("E1", takes=("one",), hints=("a", "b", "c"))

    @exercise.probe("always")
    def always(a, t):
        return "always there"

    @exercise.property("one", points=15)
    def one(a, t):
        t.equal(a.one(), 1)

    report = check(lambda: 1, exercise=exercise)
    assert not report.passed
    assert report.points == 12


def test_the_deepest_recursion_is_words_not_a_crash(check):
    def deep(x):
        return deep(x)

    report = check(deep)
    assert report.status is Status.RAISED
    assert "RecursionError" in report.message
    assert len(report.text()) < 2000


def test_a_recursion_limit_that_was_moved_far_up_ends_no_process_and_is_put_back(check):
    class Endless:
        def __iter__(self):
            return iter(())

        def __len__(self):
            return len(list(self))  # each level takes a piece of the interpreter's own stack

    def deep(x):
        sys.setrecursionlimit(50_000)
        raise ValueError("moved")

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        report = check(lambda x: len(Endless()))
        assert sys.getrecursionlimit() == 1_000_000
        check(deep)
        assert sys.getrecursionlimit() == 1_000_000
    finally:
        sys.setrecursionlimit(before)
    assert "RecursionError" in report.message


def test_the_limit_holds_while_the_garbage_collector_is_at_work(check):
    """Python drops what is raised in a collector's callback: the next alarm must end the loop."""

    def busy(phase, info):
        for _ in range(300):
            pass

    def endless(x):
        while True:
            gc.collect(0)

    gc.callbacks.append(busy)
    try:
        report = check(endless)
    finally:
        gc.callbacks.remove(busy)
    assert report.status is Status.TIMED_OUT


@pytest.mark.parametrize(
    ("value", "asked", "at_most", "passes"),
    [
        (0.94, 0.94, False, True),
        (0.9399, 0.94, False, False),
        (0.2, 0.2, True, True),
        (0.21, 0.2, True, False),
    ],
)
def test_a_number_reaches_what_is_asked_for_and_is_shown_either_way(check, value, asked, at_most, passes):
    exercise = Exercise("W1", takes=("make",), hints=("a", "b", "c"))
    exercise.property("reaches")(lambda a, t: t.reaches(a.make(), asked, "of them", at_most=at_most))
    report = check(lambda: value, exercise=exercise)
    assert report.passed is passes
    assert [(m.value, m.asked, m.reached) for m in report.measures] == [(value, asked, passes)]
    assert f"{value:.3g} of them" in report.text()
    assert f"at {'most' if at_most else 'least'} {asked:g}" in report.text()


def test_a_number_that_is_none_reaches_nothing(check):
    exercise = Exercise("W1", takes=("make",), hints=("a", "b", "c"))
    exercise.property("reaches")(lambda a, t: t.reaches(a.make(), 1.0, "is the loss", at_most=True))
    assert not check(lambda: float("nan"), exercise=exercise).passed
