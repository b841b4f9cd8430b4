"""W4: reductions."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w4 = Exercise(
    "W4",
    takes={"row_shares": Tensor},
    hints=(
        "First the sum of every row, then a division. Watch the shapes: what has to stand beside a table "
        "of shape (N, D) so that row i meets the sum of row i?",
        "share[i, j] = table[i, j] / Σₖ table[i, k]. The sums need shape (N, 1).",
        "`table.sum(dim=1, keepdim=True)` has shape (N, 1); divide `table` by it.",
    ),
)
SQUARE = torch.tensor([[1.0, 3.0], [2.0, 2.0]])


@w4.probe("square-tables-only")
def square_tables_only(a, t):
    square = torch.tensor([[1.0, 3.0], [2.0, 6.0]])
    if same(a.row_shares(square), square / square.sum(1)):
        return (
            "without `keepdim=True` the sums have shape (2,), and a row of sums lines up with the "
            f"*columns*: your first row is {numbers(a.row_shares(square)[0])}, expected [0.25, 0.75]. On a "
            "table that is not square torch refuses"
        )


@w4.probe("columns-instead-of-rows")
def columns(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.sum(0)):
        return (
            "your columns add up to 1, not your rows: `sum(dim=0)` runs down the rows and leaves one sum "
            "a column; the sum of a row runs along `dim=1`"
        )


@w4.probe("one-sum-for-all")
def one_sum(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.sum()):
        return "you divided by the sum of the whole table (8): every row has its own sum; say `dim=1`"


@w4.probe("mean-instead-of-sum")
def mean(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.mean(1, keepdim=True)):
        return "your rows add up to their length, 2: you divided by the mean; shares need the sum"


@w4.probe("largest-instead-of-sum")
def largest(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.amax(1, keepdim=True)):
        return (
            "the largest entry of each of your rows is 1: you divided by the row's maximum; shares need "
            "its sum"
        )


@w4.probe("length-instead-of-sum")
def length(a, t):
    if same(a.row_shares(SQUARE), SQUARE / SQUARE.norm(dim=1, keepdim=True)):
        return "you divided by the row's length √Σx²: then the squares add up to 1, not the entries"


@w4.probe("softmax")
def softmax(a, t):
    if same(a.row_shares(SQUARE), SQUARE.softmax(1)):
        return "softmax takes exponentials first: [1, 3] would become [0.12, 0.88]; asked for is [0.25, 0.75]"


@w4.probe("the-sums-alone")
def sums_alone(a, t):
    result = a.row_shares(torch.ones(2, 3))
    if result.shape in ((2,), (2, 1)) and same(result.flatten(), torch.tensor([3.0, 3.0])):
        return "you return the sums of the rows: divide the table by them"


@w4.probe("absolute-values")
def absolute(a, t):
    table = torch.tensor([[-1.0, 3.0]])
    if same(a.row_shares(table).abs(), table.abs() / table.abs().sum()):
        return (
            "[−1, 3] has the sum 2, so its shares are [−0.5, 1.5]; you took absolute values. Entries may be "
            "negative, only the row's sum may not be 0"
        )


@w4.probe("negative-sum")
def negative_sum(a, t):
    shares = a.row_shares(torch.tensor([[-3.0, 1.0]]))
    right = same(a.row_shares(SQUARE), torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    if right and bool(shares.isfinite().all()) and not same(shares, torch.tensor([[1.5, -0.5]])):
        return (
            f"[−3, 1] has the sum −2, so its shares are [1.5, −0.5]; you return {numbers(shares)}. A sum may "
            "be negative: leave it as it is, without `clamp` or `abs`"
        )


@w4.probe("upside-down")
def upside_down(a, t):
    if same(a.row_shares(SQUARE), SQUARE.sum(1, keepdim=True) / SQUARE):
        return "you divided the sums by the entries: a share is entry / sum"


@w4.probe("rows-do-not-add-up")
def rows_add_up(a, t):
    shares = a.row_shares(SQUARE)
    if shares.shape == (2, 2) and not same(shares.sum(1), torch.ones(2), atol=1e-4):
        return (
            f"your rows add up to {numbers(shares.sum(1))}, they should add up to 1: divide each entry by "
            "its row's sum"
        )


@w4.property("every row is divided by its own sum")
def rows_are_shares(a, t):
    t.equal(a.row_shares(torch.tensor([[-1.0, 3.0]])), torch.tensor([[-0.5, 1.5]]), "a negative entry")
    t.equal(a.row_shares(torch.tensor([[-3.0, 1.0]])), torch.tensor([[1.5, -0.5]]), "a negative sum")
    for rows, columns in ((1, 1), (1, 3), (2, 2), (3, 2), (2, 5), (6, 6)):
        for dtype in (torch.float64, torch.float32):
            values = t.rand(rows, columns, low=0.1, high=5.0, dtype=dtype)
            expected = torch.tensor([[x / sum(row) for x in row] for row in values.tolist()], dtype=dtype)
            t.equal(a.row_shares(values), expected, reduction=columns)


w4.reward(pictures.shares)
