"""W3 and W4: a mask from lengths; a new order every epoch."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.hashing import STRING_HASHES, hashes_strings
from phase1_foundations.lab4_data_loading.checks_by_exercise import pictures
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import global_draws, listed

# ---- W3 ----------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"length_mask": Tensor},
    hints=(
        "Look at one row: which column numbers 0, 1, 2, … are real if the length is 2? Then do all rows in "
        "one comparison.",
        "mask[i, j] = (j < lengths[i]). The column numbers have shape [width], the lengths should have shape "
        "[B, 1], so that they broadcast to [B, width].",
        "`torch.arange(width) < lengths[:, None]`.",
    ),
)
LENGTHS = (2, 0, 3)


def expected_mask(lengths: list[int], width: int) -> Tensor:
    rows = [[j < n for j in range(width)] for n in lengths]
    return torch.tensor(rows, dtype=torch.bool).reshape(len(lengths), width)


def example(a):
    return a.length_mask(torch.tensor(LENGTHS), 4)


@w3.probe("not-boolean")
def not_boolean(a, t):
    if example(a).dtype != torch.bool:
        return (
            f"your mask is {example(a).dtype}, asked for is torch.bool: a mask of 0s and 1s would be taken "
            "for *indices* when somebody writes x[mask]"
        )


@w3.probe("one-too-many")
def one_too_many(a, t):
    if same(example(a), expected_mask([n + 1 for n in LENGTHS], 4)):
        return (
            "a length of 2 marks three places in your mask: columns count from 0, so real are 0 and 1. "
            "Smaller, not smaller or equal"
        )


@w3.probe("one-too-few")
def one_too_few(a, t):
    if same(example(a), expected_mask([n - 1 for n in LENGTHS], 4)):
        return "a length of 2 marks one place in your mask: columns count from 0, so real are 0 and 1"


@w3.probe("inverted")
def inverted(a, t):
    if same(example(a), ~expected_mask(list(LENGTHS), 4)):
        return "your mask is True where there is *filler*. Here, and everywhere in this course, True = real"


@w3.probe("aligned-at-the-right")
def at_the_right(a, t):
    if same(example(a), expected_mask(list(LENGTHS), 4).flip(1)):
        return "the real places stand at the right end of your rows: a sequence begins in column 0"


@w3.probe("transposed")
def transposed(a, t):
    if same(example(a), expected_mask(list(LENGTHS), 4).T):
        return (
            "your mask has shape [width, B]: rows are sequences, columns are places. Give the *lengths* the "
            "extra axis, `lengths[:, None]`, not the column numbers"
        )


@w3.probe("width-ignored")
def width_ignored(a, t):
    if example(a).shape == (3, 3):
        return "asked for were 4 columns, you return 3, the longest length: use `width`"


@w3.probe("one-place-a-row")
def one_place(a, t):
    mask = example(a)
    if mask.shape == (3, 4) and mask.sum(1).tolist() in ([1, 1, 1], [1, 0, 1]):
        return f"each row has a single True: {listed(mask)}. *All* columns before the length are real"


@w3.probe("full-row-cut")
def full_row_cut(a, t):
    last = a.length_mask(torch.tensor(LENGTHS), 3)[2].tolist()
    if last == [True, True, False]:
        return "a length of 3 in a mask of width 3 means three real places, yours has two: no place is filler"


@w3.probe("no-sequences")
def no_sequences(a, t):
    attempt = t.tried(lambda: a.length_mask(torch.tensor([], dtype=torch.int64), 3))
    if attempt.error is not None:
        return (
            f"no sequences at all (lengths of shape [0]) raise {type(attempt.error).__name__}: the mask is "
            "then [0, width]. One comparison by broadcasting needs no special case"
        )


@w3.property("True in the first lengths[i] columns")
def right_mask(a, t):
    t.equal(a.length_mask(torch.tensor([0, 1]), 1), expected_mask([0, 1], 1))
    t.equal(a.length_mask(torch.tensor([0, 0]), 0), torch.zeros(2, 0, dtype=torch.bool))
    t.equal(a.length_mask(torch.tensor([], dtype=torch.int64), 3), torch.zeros(0, 3, dtype=torch.bool))
    for rows in (1, 2, 3, 4, 6):
        for width in (1, 3, 4, 7):
            lengths = t.randint(0, width + 1, rows)
            t.equal(a.length_mask(lengths, width), expected_mask(lengths.tolist(), width))


w3.reward(pictures.masks)

# ---- W4 ----------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"epoch_order": Tensor},
    hints=(
        "Who draws the random numbers? A generator of your own, made anew in every call, remembers nothing "
        "of what happened before.",
        "Make one number of the two, seed and epoch, such that other pairs give other numbers: seed + epoch "
        "will do, 1_000_003 · seed + epoch is better. It seeds the generator.",
        "`g = torch.Generator().manual_seed(1_000_003 * seed + epoch)`, then `torch.randperm(n, "
        "generator=g)`.",
    ),
)


@w4.probe("not-a-permutation")
def not_a_permutation(a, t):
    order = a.epoch_order(50, 3, 2)
    if order.shape != (50,):
        return f"epoch_order(50, 3, 2) has shape {tuple(order.shape)}, expected (50,)"
    if sorted(order.tolist()) != list(range(50)):
        missing = len(set(range(50)) - set(order.tolist()))
        return (
            f"{missing} of the 50 examples do not come at all, others come more than once: a permutation has "
            "each number exactly once (`randperm`, not `randint`)"
        )


@w4.probe("not-whole-numbers")
def not_whole(a, t):
    if a.epoch_order(5, 0, 0).dtype != torch.int64:
        return f"the order is {a.epoch_order(5, 0, 0).dtype}, expected torch.int64: these are indices"


@w4.probe("moves-the-global-state")
def moves_global(a, t):
    with global_draws() as drawn:
        a.epoch_order(20, 3, 1)
    if drawn:
        return (
            f"{drawn} global random state is not what it was before your call: whoever draws next (weights, "
            "say) gets other numbers. Use a generator of your own: torch.Generator().manual_seed(…)"
        )


@w4.probe("another-order-each-time")
def not_repeatable(a, t):
    if not same(a.epoch_order(50, 3, 2), a.epoch_order(50, 3, 2)):
        return (
            "the same seed and epoch gave two different orders: a crashed run could not find its epoch "
            "again. Make the generator inside the function and seed it from (seed, epoch)"
        )


@w4.probe("another-order-in-another-process")
def hashed_strings(a, t):
    return STRING_HASHES if hashes_strings(lambda: a.epoch_order(50, 3, 2)) else None


@w4.probe("not-shuffled")
def not_shuffled(a, t):
    steps = [(j - i) % 50 for i, j in zip(a.epoch_order(50, 3, 2), a.epoch_order(50, 3, 2)[1:], strict=False)]
    if max(steps.count(step) for step in set(steps)) > 40:
        return (
            f"the order is {a.epoch_order(8, 3, 2).tolist()} for n = 8: counted through or rotated, but not "
            "shuffled: neighbours stay neighbours"
        )


@w4.probe("rotated")
def rotated(a, t):
    first = a.epoch_order(50, 3, 0).tolist()
    for epoch in (1, 2):
        order = a.epoch_order(50, 3, epoch).tolist()
        if order != first and order in [first[k:] + first[:k] for k in range(50)]:
            return (
                f"the order of epoch {epoch} is that of epoch 0, rotated: the same examples stay neighbours, "
                "and after n epochs the first order comes again. Let the epoch go into the generator's seed"
            )


@w4.probe("seed-times-epoch")
def product(a, t):
    zero = [a.epoch_order(50, seed, 0) for seed in (1, 2, 3)]
    one = [a.epoch_order(50, seed, 1) for seed in (1, 2, 3)]
    if same(zero[0], zero[1]) and same(zero[1], zero[2]) and not same(one[0], one[1]):
        return (
            "in epoch 0 all seeds give the same order: seed · epoch is 0 for every seed there. Add instead "
            "of multiplying"
        )


@w4.probe("epoch-ignored")
def epoch_ignored(a, t):
    if same(a.epoch_order(50, 3, 0), a.epoch_order(50, 3, 1)):
        return "epochs 0 and 1 have the same order: the epoch must go into the generator's seed"


@w4.probe("seed-ignored")
def seed_ignored(a, t):
    if same(a.epoch_order(50, 3, 1), a.epoch_order(50, 4, 1)):
        return "seeds 3 and 4 give the same order: the seed must go into the generator's seed"


@w4.property("a permutation, a function of seed and epoch")
def function_of_both(a, t):
    t.equal(a.epoch_order(0, 1, 1), torch.empty(0, dtype=torch.int64))
    t.equal(a.epoch_order(1, 1, 1), torch.zeros(1, dtype=torch.int64))
    seen = {}
    for seed in (0, 1, 2, t.random.randint(3, 10**6)):
        for epoch in (0, 1, 2, t.random.randint(3, 500)):
            order = a.epoch_order(40, seed, epoch)
            t.equal(order.sort().values, torch.arange(40), f"seed {seed}, epoch {epoch}, sorted")
            with global_draws():
                torch.rand(3)
            t.equal(a.epoch_order(40, seed, epoch), order, f"seed {seed}, epoch {epoch}, once more")
            seen[seed, epoch] = tuple(order.tolist())
    for (seed, epoch), order in seen.items():
        for (other_seed, other_epoch), other in seen.items():
            if (seed == other_seed) != (epoch == other_epoch):
                t.that(
                    order != other,
                    f"(seed {seed}, epoch {epoch}) and (seed {other_seed}, epoch {other_epoch}) have the "
                    "same order",
                )


@w4.property("the global random states stay as they were")
def global_state_stays(a, t):
    for n in (1, 30):
        with global_draws() as drawn:
            a.epoch_order(n, 5, 6)
        t.that(not drawn, f"{drawn} global state moved")


w4.reward(pictures.orders)
