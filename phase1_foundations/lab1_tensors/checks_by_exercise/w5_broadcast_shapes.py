"""W5: the shape of a broadcast."""

import torch

from courseware.check import Exercise, forbid
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w5 = Exercise(
    "W5",
    takes={"broadcast_shape": tuple},
    forbids=forbid(
        "broadcast_tensors",
        "broadcast_to",
        "expand",
        *("empty", "zeros", "ones", "full", "rand", "randn", "tensor"),
        python=("torch.functional.broadcast_shapes", "numpy.broadcast_shapes"),
        why="torch would apply the rule for you. Compare the sizes in the two tuples yourself",
    ),
    hints=(
        "Give the shorter shape 1s in front until both are equally long. Then every pair of sizes is a "
        "small question of its own.",
        "For sizes m and n: equal → m; m is 1 → n; n is 1 → m; anything else → ValueError.",
        "`a = (1,) * (len(b) - len(a)) + a` (and the same for b; a negative count gives nothing), then a "
        "loop over `zip(a, b)` that appends to a list; return `tuple(…)` of it.",
    ),
)


@w5.probe("larger-size-wins")
def larger_wins(a, t):
    if t.attempt(lambda: a.broadcast_shape((2,), (3,))).value == (3,):
        return "(2,) with (3,) gave (3,), it should raise ValueError: only a size of 1 stretches"


@w5.probe("aligned-at-the-left")
def aligned_left(a, t):
    if t.attempt(lambda: a.broadcast_shape((4,), (4, 3))).value is not None:
        return (
            "broadcast_shape((4,), (4, 3)) should raise ValueError: shapes line up at the *right*, so 4 "
            f"meets 3. You compared them from the left and returned {a.broadcast_shape((4,), (4, 3))}"
        )


@w5.probe("short-shape-cuts-the-long-one")
def cut(a, t):
    result = a.broadcast_shape((2, 3), (3,))
    if len(result) == 1:
        return (
            f"(2, 3) with (3,) gave {result}: `zip` stops at the shorter one. A missing axis counts as size 1"
        )


@w5.probe("only-one-side-stretches")
def one_side(a, t):
    left = t.attempt(lambda: a.broadcast_shape((2, 3), (2, 1)))
    right = t.attempt(lambda: a.broadcast_shape((2, 1), (2, 3)))
    if (left.error is None) != (right.error is None):
        worse = "(2, 3) with (2, 1)" if left.error else "(2, 1) with (2, 3)"
        return f"{worse} raised an error, the other way round it works: a size of 1 stretches on either side"


@w5.probe("only-one-side-is-filled-up")
def one_side_filled(a, t):
    left = t.attempt(lambda: a.broadcast_shape((2, 3), (3,)))
    right = t.attempt(lambda: a.broadcast_shape((3,), (2, 3)))
    if (left.error is None) != (right.error is None):
        worse = "(2, 3) with (3,)" if left.error else "(3,) with (2, 3)"
        return f"{worse} raised an error, the other way round it works: either shape may be the shorter one"


@w5.probe("reversed")
def reversed_shape(a, t):
    if a.broadcast_shape((2, 3, 4), (3, 4)) == (4, 3, 2):
        return "(2, 3, 4) with (3, 4) gave (4, 3, 2): the sizes are right, their order is reversed"


@w5.probe("size-one-wins")
def one_wins(a, t):
    if a.broadcast_shape((2, 3), (2, 1)) == (2, 1):
        return "(2, 3) with (2, 1) gave (2, 1), expected (2, 3): the size of 1 stretches, the other one stays"


@w5.probe("lengths-must-agree")
def lengths(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2, 3), (3,)))
    if attempt.raised(ValueError, IndexError, AssertionError, TypeError):
        return (
            f"(2, 3) with (3,) raised {type(attempt.error).__name__}, but they broadcast to (2, 3): the "
            "shapes may have different lengths, a missing axis counts as size 1"
        )


@w5.probe("only-missing-axes-stretch")
def ones_do_not_stretch(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((8, 1), (1, 6)))
    if attempt.raised(ValueError, AssertionError):
        return (
            "(8, 1) with (1, 6) raised an error, but they broadcast to (8, 6): a size of 1 stretches, on "
            "either side"
        )


@w5.probe("zero-against-one")
def zero_against_one(a, t):
    if t.attempt(lambda: a.broadcast_shape((1,), (0,))).value == (1,):
        return (
            "(1,) with (0,) gave (1,), expected (0,): a size of 1 takes the *other* size, which is not "
            "always larger"
        )


@w5.probe("zero-against-two")
def zero_against_two(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2,), (0,)))
    if attempt.error is None:
        return (
            f"(2,) with (0,) gave {attempt.value}, it should raise ValueError: 0 is a size like any other, "
            "only 1 stretches"
        )


@w5.probe("other-exception")
def other_exception(a, t):
    attempt = t.tried(lambda: a.raw("broadcast_shape")((2,), (3,)))
    if attempt.raised(TypeError, IndexError, RuntimeError, AssertionError):
        return (
            f"(2,) with (3,) raised {type(attempt.error).__name__}; asked for is ValueError: "
            '`raise ValueError("…")` where two sizes do not fit'
        )


@w5.probe("no-error-at-all")
def no_error(a, t):
    attempt = t.attempt(lambda: a.raw("broadcast_shape")((2,), (3,)))
    if attempt.error is None and t.attempt(lambda: a.broadcast_shape((2,), (2,))).value == (2,):
        return (
            f"(2,) with (3,) gave {attempt.value}, it should raise ValueError: sizes that differ need a 1 "
            "among them"
        )


@w5.probe("only-the-last-axis")
def only_last_axis(a, t):
    attempt = t.attempt(lambda: a.broadcast_shape((2, 3), (4, 3)))
    if attempt.value is not None and t.attempt(lambda: a.broadcast_shape((2,), (3,))).error:
        return (
            f"(2, 3) with (4, 3) gave {attempt.value}, it should raise ValueError: the last sizes agree, and "
            "before them 2 meets 4. Every axis has to fit"
        )


@w5.property("shapes that broadcast")
def broadcast(a, t):
    for case in range(60):
        big = [t.random.randint(0, 4) for _ in range(case // 15)]
        pair = []
        for _ in range(2):
            axes = t.random.randint(0, len(big))
            pair.append(tuple(t.random.choice([size, size, 1]) for size in big[len(big) - axes :]))
        with t.oracle():
            expected = tuple(torch.broadcast_shapes(*pair))
        t.equal(tuple(a.broadcast_shape(*pair)), expected, f"{pair[0]} with {pair[1]}")


@w5.property("ValueError for shapes that do not")
def refuses(a, t):
    inner = (((2, 3), (4, 3)), ((2, 1, 3), (4, 5, 1)), ((6, 2, 3), (5, 1)), ((3, 0, 2), (2, 2)))
    last = (((2,), (3,)), ((2, 3), (2,)), ((4,), (2, 2)), ((2, 1, 3), (4, 2)), ((0,), (2,)))
    for left, right in inner + last:
        for pair in ((left, right), (right, left)):
            t.raises(ValueError, lambda pair=pair: a.broadcast_shape(*pair), f"{pair[0]} with {pair[1]}")


w5.reward(pictures.stretching)
