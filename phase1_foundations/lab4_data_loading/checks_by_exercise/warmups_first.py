"""W1 and W2: a dataset is two methods; batches of indices."""

import torch

from courseware.check import Exercise
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise import pictures
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import listed

# ---- W1 ----------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes=("Windows",),
    hints=(
        "A window begins somewhere and is `width` long. Where may the last one begin, so that it is still "
        "complete?",
        "The first window begins at 0, the last at n − width: that makes n − width + 1 windows (0 if that is "
        "negative). Window i is the slice from i to i + width.",
        "`__len__`: `return max(0, len(self.series) - self.width + 1)`. `__getitem__`: if `index >= "
        "len(self)` raise IndexError, else `return self.series[index : index + self.width]`.",
    ),
)


def small(a):
    return a.Windows(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3)


@w1.probe("windows-do-not-overlap")
def no_overlap(a, t):
    windows = a.Windows(torch.arange(6.0), 2)
    blocks = same(windows[0], torch.arange(2.0)) and same(windows[1], torch.tensor([2.0, 3.0]))
    if len(windows) == 3 or blocks:
        return (
            "your window 1 of [0, 1, 2, 3, 4, 5] with width 2 should be [1, 2]: neighbouring windows "
            "overlap, each begins *one* further on, not `width` further on"
        )


@w1.probe("one-window-short")
def one_short(a, t):
    if len(small(a)) == 1:
        return (
            "[1, 2, 3, 4] has two windows of width 3, you count one: the last window may begin at n − width, "
            "and counting from 0 that makes n − width + 1 of them"
        )


@w1.probe("incomplete-windows-counted")
def incomplete(a, t):
    if len(small(a)) in (3, 4):
        return (
            f"[1, 2, 3, 4] has two *complete* windows of width 3, you count {len(small(a))}: those that "
            "begin near the end would be too short"
        )


@w1.probe("not-a-tensor")
def not_a_tensor(a, t):
    window = small(a)[0]
    if not isinstance(window, torch.Tensor):
        return f"windows[0] is a {type(window).__name__}, expected a tensor: did the `return` go missing?"


@w1.probe("ends-at-width")
def ends_at_width(a, t):
    windows = a.Windows(torch.arange(6.0), 3)
    if same(windows[1], torch.tensor([1.0, 2.0])) and same(windows[0], torch.arange(3.0)):
        return (
            "window 1 of [0, 1, …, 5] with width 3 came out as [1, 2]: a slice is given by begin and *end*, "
            "and the end is index + width"
        )


@w1.probe("begins-one-late")
def one_late(a, t):
    windows = a.Windows(torch.arange(6.0), 3)
    if same(windows[0], torch.tensor([1.0, 2.0, 3.0])):
        return "window 0 begins at series[1]: windows are counted from 0, like everything in Python"


@w1.probe("wrong-width")
def wrong_width(a, t):
    window = a.Windows(torch.arange(6.0), 3)[0]
    if window.shape != (3,):
        return (
            f"a window of width 3 has shape {tuple(window.shape)}, expected (3,): from index to index + width"
        )


@w1.probe("negative-length")
def negative_length(a, t):
    for n in (0, 1, 2):
        attempt = t.tried(lambda n=n: len(a.Windows(torch.arange(float(n)), 3)))
        if attempt.error is not None or attempt.value != 0:
            said = f"is {attempt.value}"
            if attempt.error is not None:
                said = f"raises {type(attempt.error).__name__} ({str(attempt.error)[:80]})"
            return (
                f"{n} numbers have no complete window of width 3: the length should be 0, yours {said}. "
                "n − width + 1 may be negative"
            )


@w1.probe("no-index-error")
def no_index_error(a, t):
    for index in (2, 7):
        attempt = t.tried(lambda index=index: small(a)[index])
        if attempt.error is None:
            return (
                f"two windows, and windows[{index}] gives {listed(attempt.value)}: slicing past the end is "
                "no error in Python. Without an IndexError a for loop over the dataset never ends"
            )
        if not attempt.raised(IndexError):
            return (
                f"windows[{index}] past the end raised {type(attempt.error).__name__}; `for` loops wait for "
                "an IndexError"
            )


@w1.probe("last-window-refused")
def last_refused(a, t):
    if t.attempt(lambda: small(a)[1]).raised(IndexError):
        return "windows[1] of two windows raised IndexError: the last window is window len − 1"


@w1.probe("another-dtype")
def another_dtype(a, t):
    for dtype in (torch.float64, torch.int64):
        found = a.Windows(torch.arange(5).to(dtype), 2)[0].dtype
        if found != dtype:
            return f"windows of a series of {dtype} are {found}: a slice keeps the numbers as they are"


@w1.probe("datasets-share-their-series")
def shared(a, t):
    first = a.Windows(torch.arange(5.0), 2)
    before = [listed(first[i]) for i in range(len(first))]
    a.Windows(torch.arange(30.0, 33.0), 3)
    if [listed(first[i]) for i in range(len(first))] != before:
        return (
            "after a second Windows was made, the first one holds other windows: series and width are kept "
            "in one place for all. Keep them on `self`"
        )


@w1.property("the right windows, as many as there are")
def right_windows(a, t):
    for n in range(8):
        for width in range(1, 5):
            series = t.randn(n)
            t.given(f"Windows(series of {n} numbers, {width})")
            windows = a.Windows(series, width)
            expected = [series[i : i + width] for i in range(n) if i + width <= n]
            t.that(len(windows) == len(expected), f"len is {len(windows)}, expected {len(expected)}")
            for i, window in enumerate(expected):
                t.equal(windows[i], window, f"window {i}")
            past = len(expected)
            t.raises(IndexError, lambda windows=windows, past=past: windows[past], "past the end")


w1.reward(pictures.windows)

# ---- W2 ----------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"index_batches": list},
    hints=(
        "The batches begin at 0, batch_size, 2·batch_size, … What `range` counts like that? And where does "
        "each of them end?",
        "A batch that begins at s holds s … min(s + batch_size, n) − 1. With drop_last there is nothing "
        "from n − n % batch_size on.",
        "`end = n - n % batch_size if drop_last else n`, then `[list(range(s, min(s + batch_size, n))) for s "
        "in range(0, end, batch_size)]`.",
    ),
)


@w2.probe("not-lists-of-ints")
def not_lists(a, t):
    batches = a.index_batches(5, 2)
    if not all(isinstance(batch, list) for batch in batches) and batches:
        kind = type(next(batch for batch in batches if not isinstance(batch, list))).__name__
        return f"a batch is a {kind}, expected a list of ints: `list(...)` makes one of a range or a tuple"
    if any(not isinstance(i, int) for batch in batches for i in batch):
        return (
            "the indices are no Python ints (tensors?): a loader wants plain numbers, `.tolist()` makes them"
        )


@w2.probe("past-the-end")
def past_the_end(a, t):
    if a.index_batches(5, 2) == [[0, 1], [2, 3], [4, 5]]:
        return "index 5 does not exist among 5 examples: the last batch ends at n, not at start + batch_size"


@w2.probe("short-batch-lost")
def short_lost(a, t):
    if a.index_batches(5, 2) == [[0, 1], [2, 3]] or a.index_batches(5, 2, False) == [[0, 1], [2, 3]]:
        return "index 4 never comes: without drop_last the short last batch is kept"


@w2.probe("full-batch-lost")
def full_lost(a, t):
    if a.index_batches(4, 2, drop_last=True) == [[0, 1]]:
        return (
            "4 examples are two *full* batches of 2, and drop_last took the second one: it leaves out a "
            "*short* last batch only"
        )


@w2.probe("drop-last-ignored")
def drop_ignored(a, t):
    if a.index_batches(5, 2, drop_last=True) == [[0, 1], [2, 3], [4]]:
        return "with drop_last=True the short batch [4] should be left out: your answer does not look at it"


@w2.probe("empty-batch")
def empty_batch(a, t):
    for n, size in ((4, 2), (0, 3)):
        if [] in a.index_batches(n, size):
            return (
                f"index_batches({n}, {size}) contains an empty batch: {a.index_batches(n, size)}. There is "
                "nothing to load there"
            )


@w2.probe("beginning-lost")
def beginning_lost(a, t):
    if a.index_batches(5, 2, drop_last=True) in ([[1, 2], [3, 4]], [[2, 3], [4]]):
        return (
            "with drop_last=True indices at the beginning disappear: it leaves out the *last* batch, if short"
        )


@w2.probe("starts-at-one")
def starts_at_one(a, t):
    if a.index_batches(4, 2) == [[1, 2], [3, 4]]:
        return "indices count from 0: 4 examples are 0, 1, 2, 3"


@w2.probe("dealt-like-cards")
def dealt(a, t):
    if a.index_batches(6, 2) in ([[0, 3], [1, 4], [2, 5]], [[0, 2, 4], [1, 3, 5]]):
        return (
            f"you deal the indices out like cards, {a.index_batches(6, 2)}; asked for are neighbours: "
            "[[0, 1], [2, 3], [4, 5]]"
        )


@w2.probe("batch-size-as-count")
def as_count(a, t):
    if a.index_batches(6, 2) == [[0, 1, 2], [3, 4, 5]]:
        return "index_batches(6, 2) gave two batches of three: the second argument is the *size* of a batch"


@w2.probe("another-order")
def another_order(a, t):
    flat = [i for batch in a.index_batches(6, 2) for i in batch]
    if sorted(flat) == list(range(6)) and flat != list(range(6)):
        return f"the indices come in the order {flat}; asked for is 0, 1, 2, …: shuffling comes in W4"


@w2.probe("too-small-for-one")
def too_small(a, t):
    if a.index_batches(2, 5) != [[0, 1]]:
        return (
            "2 examples in batches of 5 are one short batch, [[0, 1]]; you return "
            f"{a.index_batches(2, 5)!r:.80}"
        )
    if a.index_batches(2, 5, drop_last=True) != []:
        return "2 examples in batches of 5 with drop_last: no batch is full, so none is left"


@w2.property("every index once, in order, in full batches")
def in_order(a, t):
    for n in (0, 1, 2, 3, 5, 6, 7, 12, t.random.randint(13, 60)):
        for size in (1, 2, 3, 5, 12):
            for drop in (False, True):
                batches, current = [], []
                for i in range(n):
                    current.append(i)
                    if len(current) == size:
                        batches.append(current)
                        current = []
                if current and not drop:
                    batches.append(current)
                t.equal(a.index_batches(n, size, drop), batches)
                t.equal(a.index_batches(n, batch_size=size, drop_last=drop), batches)


w2.reward(pictures.batches)
