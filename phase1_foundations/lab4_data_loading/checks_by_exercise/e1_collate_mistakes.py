"""The known mistakes of E1's `pad_collate`, each by its signature on a tiny batch."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab4_data_loading.checks_by_exercise.tools import listed

probe = Probes()


def batch() -> list[tuple[Tensor, int]]:
    """Lengths 2, 4, 1: not sorted; 0 is a real number in the second sequence; labels differ."""
    return [
        (torch.tensor([5, 6]), 3),
        (torch.tensor([7, 0, 8, 0]), 1),
        (torch.tensor([9]), 2),
    ]


LENGTHS = [2, 4, 1]
X = [[5, 6, 0, 0], [7, 0, 8, 0], [9, 0, 0, 0]]
MASK = torch.tensor([[True, True, False, False], [True] * 4, [True, False, False, False]])


@probe("not-four-results")
def not_four(a: Any, t: Trial) -> str | None:
    result = a.pad_collate(batch())
    if len(result) != 4:
        return f"pad_collate returns {len(result)} things, asked for are four: (x, y, lengths, mask)"
    for name, part in zip(("x", "y", "lengths", "mask"), result, strict=True):
        if not isinstance(part, Tensor):
            return (
                f"{name} is a {type(part).__name__}, expected a tensor: `torch.tensor(...)` makes one of a "
                "list"
            )
    return None


@probe("results-in-another-order")
def another_order(a: Any, t: Trial) -> str | None:
    _, second, third, _ = a.pad_collate(batch())
    if second.dtype == torch.bool or third.dtype == torch.bool:
        return "the mask stands at the wrong place: the four results are (x, y, lengths, mask)"
    if listed(second) == LENGTHS and listed(third) == [3, 1, 2]:
        return "lengths and labels are exchanged: the four results are (x, y, lengths, mask)"
    return None


@probe("columns-first")
def columns_first(a: Any, t: Trial) -> str | None:
    x, _, _, mask = a.pad_collate(batch())
    if x.shape == (4, 3):
        return (
            "x has shape [T, B]: asked for is [B, T], a row for each sequence. (`pad_sequence` has an option "
            "`batch_first`.)"
        )
    if mask.shape == (4, 3):
        return (
            "your mask has shape [T, B], asked for is [B, T]: give the lengths the extra axis, `lengths[:, "
            "None]`"
        )
    return None


@probe("rows-in-another-order")
def rows_sorted(a: Any, t: Trial) -> str | None:
    x, y, _, _ = a.pad_collate(batch())
    first = x[:, 0].tolist()
    if sorted(first) == [5, 7, 9] and first != [5, 7, 9]:
        return (
            f"the rows come in another order than the batch: they begin with {first}, expected [5, 7, 9]. "
            "Leave the order alone"
        )
    if same(x, torch.tensor(X)) and sorted(y.tolist()) == [1, 2, 3] and y.tolist() != [3, 1, 2]:
        return f"x is right, but y is {y.tolist()} instead of [3, 1, 2]: the order of the batch"
    return None


@probe("padded-on-the-left")
def padded_left(a: Any, t: Trial) -> str | None:
    x = a.pad_collate(batch())[0]
    if x[0].tolist() == [0, 0, 5, 6]:
        return (
            "your sequences stand at the right end of their rows: each begins in column 0, pads come after it"
        )
    return None


@probe("cut-to-the-shortest")
def cut_short(a: Any, t: Trial) -> str | None:
    x = a.pad_collate(batch())[0]
    if x.shape[1] < 4:
        return f"T is {x.shape[1]}, but the longest sequence has 4 numbers: some were cut off"
    return None


@probe("other-dtype")
def other_dtype(a: Any, t: Trial) -> str | None:
    for dtype in (torch.int64, torch.float64, torch.int32):
        found = a.pad_collate([(torch.ones(2).to(dtype), 1), (torch.ones(1).to(dtype), 0)])[0].dtype
        if found != dtype:
            return (
                f"sequences of {dtype} came back as {found}: token numbers are indices, and float64 loses "
                "digits. Allocate in their own dtype, `sequences[0].new_full(...)`"
            )
    return None


@probe("labels-of-another-dtype")
def labels_dtype(a: Any, t: Trial) -> str | None:
    _, y, lengths, _ = a.pad_collate(batch())
    for name, part in (("y", y), ("lengths", lengths)):
        if part.dtype != torch.int64:
            return f"{name} is {part.dtype}, asked for is torch.int64"
        if part.shape != (3,):
            return f"{name} has shape {tuple(part.shape)}, expected [B] = (3,)"
    return None


@probe("mask-is-not-boolean")
def mask_dtype(a: Any, t: Trial) -> str | None:
    mask = a.pad_collate(batch())[3]
    if mask.dtype != torch.bool:
        return f"the mask is {mask.dtype}, asked for is torch.bool: compare, and do not convert"
    return None


@probe("mask-inverted")
def mask_inverted(a: Any, t: Trial) -> str | None:
    if same(a.pad_collate(batch())[3], ~MASK):
        return "your mask is True where there is *padding*; here True = real"
    return None


@probe("mask-from-values")
def mask_from_values(a: Any, t: Trial) -> str | None:
    x, _, _, mask = a.pad_collate(batch())
    if same(mask, x != 0) and not same(mask, MASK):
        return (
            "token 0 is a real token here: in [7, 0, 8, 0] your mask leaves both zeros out. Build the mask "
            "from the lengths, not from `x != pad`"
        )
    marked = [
        a.pad_collate([(tokens, 0), (tokens[:1], 1)], pad=4)[3][0, :3].all()
        for tokens in (torch.tensor([7, 8, 9]), torch.tensor([4, 0, 4]))
    ]
    if marked[0] and not marked[1]:
        return (
            "with pad=4 the sequence [7, 8, 9] has three real numbers in your mask, [4, 0, 4] has fewer: "
            "build it from the lengths, not from the values"
        )
    return None


@probe("mask-off-by-one")
def mask_off(a: Any, t: Trial) -> str | None:
    mask = a.pad_collate(batch())[3]
    counts = mask.sum(1).tolist()
    if mask.shape == (3, 4) and counts in ([3, 4, 2], [1, 3, 0]):
        return f"your mask marks {counts} places, the lengths are {LENGTHS}: column j is real if j < length"
    return None


@probe("lengths-count-padding")
def lengths_padded(a: Any, t: Trial) -> str | None:
    lengths = a.pad_collate(batch())[2]
    if lengths.tolist() == [4, 4, 4]:
        return "all lengths are T: they were taken after padding. Take them from the sequences"
    zeros = a.pad_collate([(torch.tensor([7, 0, 8, 0]), 1)])[2]
    if zeros.tolist() in ([2], [3]):
        return f"the sequence [7, 0, 8, 0] has length 4, you say {zeros.item()}: count places, not values"
    return None


@probe("pad-ignored")
def pad_ignored(a: Any, t: Trial) -> str | None:
    x = a.pad_collate(batch(), pad=-1)[0]
    if x.shape == (3, 4) and x[0, 2:].tolist() == [0, 0]:
        return "with pad=-1 your filler is still 0: the value of `pad` is not used"
    if x.shape == (3, 4) and x[1].tolist() == [7, -1, 8, -1]:
        return "with pad=-1 the real zeros of [7, 0, 8, 0] became −1: only the filler is `pad`"
    return None


@probe("another-filler-by-default")
def default_filler(a: Any, t: Trial) -> str | None:
    x, asked = a.pad_collate(batch())[0], a.pad_collate(batch(), pad=0)[0]
    if same(asked, torch.tensor(X)) and not same(x, asked):
        return f"without `pad` your filler is {x[0, -1].item()}: its default is 0"
    return None


@probe("filler-of-two-kinds")
def two_fillers(a: Any, t: Trial) -> str | None:
    x = a.pad_collate(batch()[::2], pad=-1, multiple_of=4)[0]
    if x.shape == (2, 4) and x[1, 1] == -1 and x[1, 3] == 0:
        return "with pad=-1 the columns that `multiple_of` adds hold 0: they are filler too, so −1"
    return None


# ---- multiple_of ----------------------------------------------------------------------------------------


def width(a: Any, longest: int, multiple_of: int) -> int:
    rows = [(torch.ones(longest, dtype=torch.int64), 0), (torch.ones(1, dtype=torch.int64), 1)]
    return int(a.pad_collate(rows, multiple_of=multiple_of)[0].shape[1])


@probe("multiple-rounded-down")
def multiple_floors(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: width(a, 9, 8))
    if attempt.value == 8 or (attempt.raised(RuntimeError) and t.attempt(lambda: width(a, 8, 8)).value == 8):
        return (
            "T = 9, multiple 8 → 16, you made 8: the sequence does not fit any more. Round *up*: "
            "−(−T // m) · m"
        )
    return None


@probe("multiple-ignored")
def multiple_ignored(a: Any, t: Trial) -> str | None:
    if width(a, 9, 8) == 9 and width(a, 3, 2) == 3:
        return (
            "with multiple_of=8 a longest length of 9 should give T = 16, yours is 9: multiple_of is not used"
        )
    return None


@probe("multiple-always-adds")
def multiple_adds(a: Any, t: Trial) -> str | None:
    if width(a, 8, 8) == 16:
        return (
            "T = 8 is a multiple of 8 already, you made 16: `(T // m + 1) * m` always adds a whole multiple"
        )
    if width(a, 3, 1) == 4:
        return "with multiple_of=1 nothing is rounded: a longest length of 3 gives T = 3, yours is 4"
    return None


@probe("multiple-misread")
def multiple_misread(a: Any, t: Trial) -> str | None:
    found = width(a, 9, 4)
    if found != 12:
        return f"longest length 9, multiple_of=4: T should be 12, the next multiple; yours is {found}"
    return None


@probe("mask-narrower-than-x")
def mask_narrow(a: Any, t: Trial) -> str | None:
    x, _, _, mask = a.pad_collate(batch(), multiple_of=3)
    if x.shape == (3, 6) and mask.shape != (3, 6):
        return (
            f"with multiple_of=3, x has shape (3, 6) and the mask {tuple(mask.shape)}: both are [B, T] with "
            "the rounded T"
        )
    return None


# ---- edges ----------------------------------------------------------------------------------------------


@probe("features-lost")
def features_lost(a: Any, t: Trial) -> str | None:
    rows = [(t.randn(3, 2), 0), (t.randn(1, 2), 1)]
    attempt = t.tried(lambda: a.pad_collate(rows))
    if attempt.error is not None:
        return (
            f"sequences [T_i, F] raise {type(attempt.error).__name__}: allocate (B, T, *features), with the "
            f"features from `sequence.shape[1:]` ({str(attempt.error)[:80]})"
        )
    x, _, _, mask = attempt.value
    if mask.shape == (2, 3, 2):
        return "with features the mask came out as [B, T, F]: a *place* is real or not, so it stays [B, T]"
    if x.shape != (2, 3, 2):
        return f"two sequences [3, 2] and [1, 2] make x [2, 3, 2], yours is {tuple(x.shape)}"
    return None


@probe("empty-sequence-fails")
def empty_sequence(a: Any, t: Trial) -> str | None:
    none = torch.empty(0, dtype=torch.int64)
    attempt = t.tried(lambda: a.pad_collate([(none, 4), (torch.tensor([5]), 1)]))
    if attempt.error is not None:
        return (
            f"a sequence of length 0 raises {type(attempt.error).__name__}: it is a row of nothing but filler"
        )
    x, y, lengths, mask = attempt.value
    if len(x) == 1 or len(y) == 1:
        return "a sequence of length 0 has disappeared from the batch: it is a row of nothing but filler"
    if lengths.tolist() == [1, 1] or mask[0].any():
        return "a sequence of length 0 has length 0 and no real place, also where that is inconvenient"
    return None


@probe("nothing-but-empty-sequences")
def all_empty(a: Any, t: Trial) -> str | None:
    none = torch.empty(0, dtype=torch.int64)
    for multiple_of in (1, 8):
        x = a.pad_collate([(none, 4), (none, 1)], multiple_of=multiple_of)[0]
        if x.dim() >= 2 and x.shape[1] != 0:
            return (
                f"all sequences are empty, multiple_of={multiple_of}: T should be 0 (0 is a multiple of "
                f"everything), yours is {x.shape[1]}"
            )
    return None


@probe("empty-batch-accepted")
def empty_batch(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.pad_collate([]))
    if attempt.error is None or not attempt.raised(ValueError):
        what = "was accepted" if attempt.error is None else f"raised {type(attempt.error).__name__}"
        return f"an empty batch {what}, asked for is a ValueError of your own that says what is wrong"
    return None
