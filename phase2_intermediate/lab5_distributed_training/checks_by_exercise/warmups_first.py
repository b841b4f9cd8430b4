"""W1, W2: cutting into parts, and what travels."""

from typing import Any

from courseware.check import Exercise, Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise import pictures

w1 = Exercise(
    "W1",
    takes={"parts": list},
    hints=(
        "How long is each part at least, and how many of them get one more?",
        "size, longer = divmod(length, n): the first `longer` parts have size + 1 elements.",
        "`starts = [i * size + min(i, longer) for i in range(n + 1)]`; the parts are "
        "neighbours in that list.",
    ),
)


def sizes(found: Any) -> list[int]:
    return [stop - start for start, stop in found]


@w1.probe("another-form")
def other_form(a: Any, t: Trial) -> str | None:
    found = a.parts(10, 4)
    pairs = all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in found)
    if not pairs:
        return f"parts(10, 4) gave {found}: each part is a pair (start, stop)"
    if not all(isinstance(number, int) for pair in found for number in pair):
        return f"parts(10, 4) gave {found}: starts and stops are ints (`//` divides whole numbers)"
    if not all(isinstance(pair, tuple) for pair in found):
        return f"parts(10, 4) gave {found}: each part is a tuple (start, stop), not a list"
    return None


@w1.probe("start-and-size")
def start_and_size(a: Any, t: Trial) -> str | None:
    found = a.parts(10, 4)
    if found == [(0, 3), (3, 3), (6, 2), (8, 2)]:
        return f"parts(10, 4) gave {found}: that is (start, size); asked for is (start, stop)"
    if found == [(0, 2), (3, 5), (6, 7), (8, 9)]:
        return f"parts(10, 4) gave {found}: `stop` is the index after the last one, as in a slice"
    return None


@w1.probe("empty-parts-elsewhere")
def empty_parts(a: Any, t: Trial) -> str | None:
    found = a.parts(2, 4)
    empty = found[2:]
    full = len(found) == 4 and found[:2] == [(0, 1), (1, 2)]
    if full and empty != [(2, 2), (2, 2)] and all(start == stop for start, stop in empty):
        return f"parts(2, 4) gave {found}: an empty part begins where the one before it ends, (2, 2)"
    return None


@w1.probe("rest-is-lost")
def rest_lost(a: Any, t: Trial) -> str | None:
    found = a.parts(10, 4)
    if len(found) == 4 and found[-1][1] < 10:
        return f"parts(10, 4) gave {found}: the elements {found[-1][1]} … 9 belong to nobody"
    return None


@w1.probe("another-number-of-parts")
def other_number(a: Any, t: Trial) -> str | None:
    for length, n in ((5, 4), (2, 3), (0, 2), (10, 4), (9, 6)):
        found = a.parts(length, n)
        if len(found) != n:
            return (
                f"parts({length}, {n}) has {len(found)} parts, expected {n}: somebody would wait for a part "
                "that never comes. Parts may be empty"
            )
    return None


@w1.probe("sizes-differ-by-more-than-one")
def uneven(a: Any, t: Trial) -> str | None:
    for length, n in ((10, 4), (11, 4), (9, 6), (3, 2)):
        found = sizes(a.parts(length, n))
        if sum(found) == length and max(found) - min(found) > 1:
            return (
                f"parts({length}, {n}) has the sizes {found}: they may differ by one at most, so that nobody "
                "waits for the longest"
            )
    return None


@w1.probe("longer-parts-last")
def longer_last(a: Any, t: Trial) -> str | None:
    found = sizes(a.parts(10, 4))
    if sorted(found) == [2, 2, 3, 3] and found != [3, 3, 2, 2]:
        return f"parts(10, 4) has the sizes {found}: the longer parts come first, [3, 3, 2, 2]"
    return None


@w1.property("the parts cover everything once")
def cover(a: Any, t: Trial) -> None:
    for length in (0, 1, 2, 7, 8, 100, int(t.randint(20, 200, 1))):
        for n in (1, 2, 3, 4, 7, 16):
            expected, at = [], 0
            for i in range(n):
                size = length // n + (i < length % n)
                expected.append((at, at + size))
                at += size
            t.equal(a.parts(length, n), expected, f"parts({length}, {n})")


w2 = Exercise(
    "W2",
    takes={"traffic": tuple},
    hints=(
        "Count messages first: how many does rank 0 of a star receive, how many does it send? How many steps "
        "has the ring, and what happens in each?",
        "star = 2·(n − 1) whole tensors; ring = 2·(n − 1) steps, in each one part sent and one received.",
        "`star = 2 * (n - 1) * numbers * itemsize`; the ring's part has `-(-numbers // n)` elements, and "
        "counts twice in each of `2 * (n - 1)` steps.",
    ),
)
CASES = ((1_000_000, 4, 2), (1_000_000, 4, 10), (7, 8, 3), (10, 2, 4), (5, 4, 1), (3, 4, 8), (0, 4, 3))


def right_traffic(numbers: int, itemsize: int, n: int) -> tuple[int, int]:
    part = numbers // n + (numbers % n > 0)
    return sum(2 * numbers * itemsize for _ in range(n - 1)), sum(4 * part * itemsize for _ in range(n - 1))


def ring_probe(diagnosis: str, wrong: Any, words: str) -> None:
    def run(a: Any, t: Trial) -> str | None:
        case = (700, 4, 4)
        found = a.traffic(*case)[1]
        if found in [rule(*case) for rule in wrong]:
            return (
                f"traffic(700, 4, 4): the ring has {found:g} bytes, expected "
                f"{right_traffic(*case)[1]}: {words}"
            )
        return None

    w2.probe(diagnosis)(run)


@w2.probe("ints-asked-for")
def floats(a: Any, t: Trial) -> str | None:
    found = a.traffic(700, 4, 4)
    if len(found) == 2 and not all(isinstance(x, int) for x in found):
        return f"traffic(700, 4, 4) gave {found}: bytes are ints, `//` divides without a fraction"
    return None


@w2.probe("the-two-exchanged")
def exchanged(a: Any, t: Trial) -> str | None:
    if a.traffic(700, 4, 4) == right_traffic(700, 4, 4)[::-1]:
        return "the two numbers are exchanged: (star, ring)"
    return None


@w2.probe("star-counts-one-direction")
def star_once(a: Any, t: Trial) -> str | None:
    found = a.traffic(700, 4, 4)[0]
    if found == 3 * 2800:
        return (
            f"traffic(700, 4, 4): the star has {found} bytes, expected 16800: rank 0 receives three tensors, "
            "and sends three sums"
        )
    return None


@w2.probe("star-counts-rank-0-itself")
def star_itself(a: Any, t: Trial) -> str | None:
    found = a.traffic(700, 4, 4)[0]
    if found in (2 * 4 * 2800, 4 * 2800):
        return (
            f"traffic(700, 4, 4): the star has {found} bytes, expected 16800: rank 0 sends "
            "nothing to itself, "
            "the others are n − 1"
        )
    return None


@w2.probe("itemsize-forgotten")
def no_itemsize(a: Any, t: Trial) -> str | None:
    found, itemsize_2 = a.traffic(700, 4, 4), a.traffic(700, 2, 4)
    if found == (4200, 2100):
        return "traffic(700, 4, 4) gave (4200, 2100): those are elements; each has `itemsize` bytes"
    if found == itemsize_2:
        return f"traffic(700, 4, 4) and traffic(700, 2, 4) both gave {found}: `itemsize` has no effect"
    if found == tuple(8 * x for x in right_traffic(700, 4, 4)):
        return f"traffic(700, 4, 4) gave {found}: those are bits; bytes are asked for"
    return None


ring_probe(
    "ring-counts-one-direction",
    [lambda s, i, n: 2 * (n - 1) * -(-s // n) * i],
    "in each step a rank sends one part *and* receives one; count both",
)
ring_probe(
    "ring-has-one-phase",
    [lambda s, i, n: 2 * (n - 1) * (s // n) * i // 2, lambda s, i, n: (n - 1) * -(-s // n) * i],
    "there are 2·(n − 1) steps: n − 1 to add up, n − 1 to pass the sums round",
)
ring_probe(
    "ring-sends-whole-tensors",
    [lambda s, i, n: 4 * (n - 1) * s * i, lambda s, i, n: 2 * (n - 1) * s * i],
    "what travels in a step is one *part*, ceil(numbers / n) elements, and one rank is asked for, not all",
)
ring_probe(
    "ring-makes-n-steps",
    [lambda s, i, n: 4 * n * -(-s // n) * i, lambda s, i, n: 2 * n * -(-s // n) * i],
    "after n − 1 steps a part has met everybody: 2·(n − 1) steps, not 2·n",
)


ring_probe(
    "ring-cut-into-other-parts",
    [lambda s, i, n: 4 * (n - 1) * -(-s // (n - 1)) * i, lambda s, i, n: 4 * (n - 1) * -(-s // (n + 1)) * i],
    "the tensor is cut into n parts, one for each rank",
)
ring_probe(
    "part-rounded-up-too-far",
    [lambda s, i, n: 4 * (n - 1) * (s // n + 1) * i],
    "700 elements in 4 parts are 175 each: ceil(x) is x where x is whole",
)


@w2.probe("bytes-rounded-not-elements")
def bytes_rounded(a: Any, t: Trial) -> str | None:
    found = a.traffic(7, 8, 3)[1]
    if found in (4 * 2 * -(-7 * 8 // 3), -(-4 * 2 * 7 * 8 // 3)):
        return (
            f"traffic(7, 8, 3): the ring has {found} bytes, expected 192: an element is never cut. Round up "
            "the elements of the longest part, ceil(7 / 3) = 3, and only then count bytes"
        )
    return None


@w2.probe("part-rounded-down")
def rounded_down(a: Any, t: Trial) -> str | None:
    found = a.traffic(7, 8, 3)[1]
    if found in (2 * 2 * 2 * 2 * 8, int(4 * 2 * 7 / 3 * 8), round(4 * 2 * 7 / 3 * 8)):
        return (
            f"traffic(7, 8, 3): the ring has {found} bytes, expected 192: 7 elements in 3 "
            "parts are 3 + 2 + 2, and "
            "the longest counts: round up"
        )
    return None


@w2.probe("one-rank-talks")
def alone(a: Any, t: Trial) -> str | None:
    found = a.traffic(5, 4, 1)
    if found != (0, 0):
        return f"traffic(5, 4, 1) gave {found}: with one rank nothing travels, (0, 0)"
    return None


@w2.property("star and ring are counted")
def counted(a: Any, t: Trial) -> None:
    drawn = tuple(int(x) for x in t.randint(2, 30, 3))
    for case in (*CASES, drawn):
        t.equal(a.traffic(*case), right_traffic(*case), f"traffic{case}")


w1.reward(pictures.parts)
w2.reward(pictures.traffic)
