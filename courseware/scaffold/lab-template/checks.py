"""Checks of this lab. The oracles are torch built-ins and closed forms in float64, never `solution.py`."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.edges import layouts, sizes
from shared.plotting import heatmap, panels, show


def table(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


TWO_BY_TWO = ([1.0, 2.0], [3.0, 7.0])

# W1 ----------------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"total": float},
    hints=(
        "One number comes out, whatever the shape.",
        "total = x₁ + x₂ + … over all elements.",
        "`x.sum()` is a tensor without axes; `float(…)` takes its number out.",
    ),
)


@w1.probe("adds-one-row")
def adds_one_row(a, t):
    if a.total(table(*TWO_BY_TWO)) == 3:
        return "for [[1, 2], [3, 7]] you return 3: that is the first row alone, the whole tensor sums to 13"


@w1.probe("mean-for-sum")
def mean_for_sum(a, t):
    if a.total(table(*TWO_BY_TWO)) == 3.25:
        return "for [[1, 2], [3, 7]] you return 3.25, the mean: the sum is 13"


@w1.property("the sum of any shape")
def any_shape(a, t):
    for shape in ((), (3,), (2, 3), (2, 0), (2, 3, 4)):
        x = t.randn(*shape)
        t.equal(a.total(x), sum(x.flatten().tolist()), atol=1e-9)


# W2 ----------------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"column_means": Tensor},
    hints=(
        "Which axis should disappear?",
        "mean_j = (x_1j + … + x_Nj) / N.",
        "`x.mean(dim=…)` removes the axis that you name; rows are axis 0.",
    ),
)


@w2.probe("row-means")
def row_means(a, t):
    if same(a.column_means(table(*TWO_BY_TWO)), torch.tensor([1.5, 5.0])):
        return "for [[1, 2], [3, 7]] you return [1.5, 5], the means of the rows: the columns' are [2, 4.5]"


@w2.probe("one-mean")
def one_mean(a, t):
    if same(a.column_means(table(*TWO_BY_TWO)), torch.tensor(3.25)):
        return "you return one number, 3.25, the mean of everything: each column has a mean of its own"


@w2.property("the mean of every column")
def mean_of_columns(a, t):
    for _name, x in [*layouts(t, 3, 2), ("wide", t.randn(2, 7)), ("one row", t.randn(1, 4))]:
        t.equal(a.column_means(x), x.T.contiguous().sum(1) / x.shape[0])


# W3 ----------------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"centred": Tensor},
    hints=(
        "Take W2's answer away from every row.",
        "c_ij = x_ij − mean_j.",
        "[N, D] minus [D] lines up with the columns by itself.",
    ),
)


@w3.probe("centred-by-one-mean")
def centred_by_one_mean(a, t):
    x = table(*TWO_BY_TWO)
    if same(a.centred(x), x - 3.25):
        return "you took the mean of everything (3.25) from all columns: each has its own, [2, 4.5]"


@w3.probe("centred-rows")
def centred_rows(a, t):
    if same(a.centred(table(*TWO_BY_TWO)), table([-0.5, 0.5], [-2.0, 2.0])):
        return "your rows have mean 0, your columns have not: take the means over axis 0"


@w3.property("every column has mean 0, differences stay")
def columns_centred(a, t):
    for _name, x in [*layouts(t, 4, 3), ("one row", t.randn(1, 2))]:
        observed = a.centred(x)
        t.equal(observed, x - torch.stack([column.mean() for column in x.unbind(1)]), atol=1e-12)


# W4 ----------------------------------------------------------------------------------------------------

w4 = Exercise(
    "W4",
    takes={"squared_lengths": Tensor},
    hints=(
        "Pythagoras in D directions.",
        "l_i = x_i1² + … + x_iD².",
        "Square the elements, then `sum` over axis 1.",
    ),
)


@w4.probe("takes-the-root")
def takes_the_root(a, t):
    if same(a.squared_lengths(table([3.0, 4.0])), torch.tensor([5.0])):
        return "for the row [3, 4] you return 5: the squared length is 25, leave the root away"


@w4.probe("adds-without-squaring")
def adds_without_squaring(a, t):
    if same(a.squared_lengths(table([3.0, 4.0])), torch.tensor([7.0])):
        return "for the row [3, 4] you return 7 = 3 + 4: square each element before you add"


@w4.property("the sum of squares of every row")
def rows_squared(a, t):
    for _name, x in [*layouts(t, 3, 2), *sizes(t, 3, 2)]:
        t.equal(a.squared_lengths(x), torch.einsum("nd,nd->n", x, x))


# E1 ----------------------------------------------------------------------------------------------------

e1 = Exercise(
    "E1",
    takes={"variance": Tensor},
    hints=(
        "Centre first, then look at how large the numbers still are.",
        "var_j = mean over i of (x_ij − mean_j)².",
        "`d = x - x.mean(dim=0)`, then the mean of `d * d` over axis 0.",
    ),
)
COLUMN = ([1.0], [3.0])  # mean 2, variance 1


@e1.probe("divides-by-n-minus-1")
def divides_by_n_minus_1(a, t):
    if same(a.variance(table(*COLUMN)), torch.tensor([2.0])):
        return "for the column [1, 3] you return 2, expected 1: the statement divides by N = 2, you by N − 1"


@e1.probe("not-centred")
def not_centred(a, t):
    if same(a.variance(table(*COLUMN)), torch.tensor([5.0])):
        return "for the column [1, 3] you return 5 = (1² + 3²)/2: take the mean away before you square"


@e1.probe("spread-for-variance")
def spread_for_variance(a, t):
    if same(a.variance(table([0.0], [0.0], [3.0])), torch.tensor([2**0.5])):
        return (
            "for the column [0, 0, 3] you return 1.414, the standard deviation: the variance is its square, 2"
        )


@e1.probe("absolute-deviation")
def absolute_deviation(a, t):
    if same(a.variance(table([0.0], [0.0], [3.0])), torch.tensor([4 / 3])):
        return "for the column [0, 0, 3] you return 4/3, the mean of |x − mean|: square the deviations"


@e1.property("agrees with torch.var", points=10)
def agrees_with_torch(a, t):
    for rows in (2, 3, 10):
        x = t.randn(rows, 3)
        t.equal(a.variance(x), torch.var(x, dim=0, correction=0))


@e1.property("one row, other layouts, a large mean", points=5)
def variance_edges(a, t):
    t.equal(a.variance(t.randn(1, 3)), torch.zeros(3, dtype=torch.float64))
    for _name, x in layouts(t, 4, 3):
        t.equal(a.variance(x), torch.var(x, dim=0, correction=0), atol=1e-12)


@e1.reward
def draw_variance(a):
    images = torch.tensor(load_digits().data[:500])
    fig, ax = panels()
    heatmap(ax, a.variance(images).reshape(8, 8), fmt="{:.0f}".format)
    show(fig, caption="Variance of each pixel: the edge never changes.", alt="Heat-map, dark at its border.")


# E2 ----------------------------------------------------------------------------------------------------

e2 = Exercise(
    "E2",
    takes={"standardise": Tensor},
    hints=(
        "Centre, then measure every column in its own unit.",
        "(x − mean) / √(var + ε).",
        "`x.var(dim=0, correction=0)` is E1; put `epsilon` under the root.",
    ),
)


def standardised(x: Tensor, epsilon: float) -> Tensor:
    columns = [(c - c.mean()) / (c.var(correction=0) + epsilon) ** 0.5 for c in x.double().unbind(1)]
    return torch.stack(columns, dim=1)


@e2.probe("epsilon-outside-the-root")
def epsilon_outside(a, t):
    if same(a.standardise(table([0.0], [4.0]), 5.0), table([-2 / 7], [2 / 7])):
        return "with ε = 5 the column [0, 4] becomes ±2/7, expected ±2/3: ε belongs under the root, √(4 + 5)"


@e2.probe("no-epsilon")
def no_epsilon(a, t):
    if not torch.isfinite(a.standardise(table([2.0], [2.0]), 1e-5)).all():
        return "a constant column becomes NaN, expected 0: its variance is 0, and ε keeps the division alive"


@e2.probe("divides-by-variance")
def divides_by_variance(a, t):
    if same(a.standardise(table([0.0], [4.0]), 0.0), table([-0.5], [0.5])):
        return "the column [0, 4] becomes ±1/2, expected ±1: divide by the root of the variance"


@e2.probe("standardised-rows")
def standardised_rows(a, t):
    x = t.randn(3, 4)
    if same(a.standardise(x, 0.0), standardised(x.T, 0.0).T):
        return "every row has mean 0 and spread 1: the columns should, so take mean and variance over axis 0"


@e2.property("mean 0 and the right spread", points=12)
def standardised_right(a, t):
    for rows in (2, 5, 20):
        x = 3 * t.randn(rows, 3) + 7
        t.equal(a.standardise(x, 1e-3), standardised(x, 1e-3), atol=1e-9)


@e2.property("constant columns and float32", points=8)
def standardised_edges(a, t):
    t.equal(a.standardise(table([5.0], [5.0])), table([0.0], [0.0]))
    x = t.randn(6, 2, dtype=torch.float32)
    t.equal(a.standardise(x, 1e-3), standardised(x, 1e-3).float())


@e2.reward
def draw_standardised(a):
    images = torch.tensor(load_digits().data[:500])
    fig, ax = panels()
    heatmap(ax, a.standardise(images)[0].reshape(8, 8), fmt="{:.1f}".format)
    show(fig, caption="A zero, in spreads from the mean.", alt="Heat-map of a ring: high on it, low inside.")


# E3 ----------------------------------------------------------------------------------------------------

e3 = Exercise(
    "E3",
    takes={"squared_distances": Tensor},
    hints=(
        "Make every row of x meet every row of y, then it is W4.",
        "d_ij = Σ_k (x_ik − y_jk)².",
        "`x[:, None, :] - y[None, :, :]` has shape [N, M, D]; square it and sum the last axis.",
    ),
)


@e3.probe("transposed")
def transposed(a, t):
    x, y = t.randn(2, 3), t.randn(4, 3)
    if same(a.squared_distances(x, y), torch.cdist(y, x) ** 2):
        return "the result has shape (4, 2) for 2 rows of x and 4 of y, expected (2, 4): rows of x come first"


@e3.probe("root-taken")
def root_taken(a, t):
    if same(a.squared_distances(table([0.0, 0.0]), table([3.0, 4.0])), table([5.0])):
        return "from (0, 0) to (3, 4) you return 5: the squared distance is 25, leave the root away"


@e3.probe("row-by-row")
def row_by_row(a, t):
    x, y = t.randn(3, 2), t.randn(3, 2)
    if same(a.squared_distances(x, y), ((x - y) ** 2).sum(1)):
        return "you compare row i with row i alone and return shape (3,): every pair is asked for, (3, 3)"


@e3.probe("cross-term-once")
def cross_term_once(a, t):
    if same(a.squared_distances(table([1.0]), table([3.0])), table([7.0])):
        return "from 1 to 3 you return 7 = 1 + 9 − 3, expected 4: the product is subtracted twice, −2·x·y"


@e3.property("all pairs", points=12)
def all_pairs(a, t):
    for n, m, d in ((1, 1, 1), (2, 3, 1), (4, 2, 5)):
        x, y = t.randn(n, d), t.randn(m, d)
        expected = [[sum((p - q) ** 2).item() for q in y] for p in x]
        t.equal(a.squared_distances(x, y), table(*expected), atol=1e-9)


@e3.property("no rows, other layouts", points=8)
def pair_edges(a, t):
    t.equal(a.squared_distances(t.randn(0, 2), t.randn(3, 2)), torch.zeros(0, 3, dtype=torch.float64))
    for _name, x in layouts(t, 3, 2):
        y = t.randn(2, 2)
        t.equal(a.squared_distances(x, y), torch.cdist(x, y) ** 2, atol=1e-9)


@e3.reward
def draw_distances(a):
    images = torch.tensor(load_digits().data[:10])
    fig, ax = panels()
    heatmap(ax, a.squared_distances(images, images) / 100, fmt="{:.0f}".format)
    show(
        fig,
        caption="Distances of ten digits, in hundreds.",
        alt="A 10 by 10 heat-map with a diagonal of zeros.",
    )


# E4 ----------------------------------------------------------------------------------------------------

e4 = Exercise(
    "E4",
    takes={"nearest": Tensor},
    hints=(
        "E3 has all you need: look along each of its rows.",
        "nearest_i = argmin over j of d_ij.",
        "`distances.argmin(dim=1)`: the axis of the centres disappears.",
    ),
)
SPOTS = table([0.0, 0.0], [10.0, 0.0], [3.0, 3.0])


@e4.probe("farthest")
def farthest(a, t):
    if same(a.nearest(table([0.0, 2.0]), SPOTS), torch.tensor([1])):
        return "(0, 2) lies beside centre 0 and you return 1, the farthest: look for the smallest distance"


@e4.probe("searches-the-points")
def searches_the_points(a, t):
    x = table([0.0, 1.0], [3.0, 2.0])
    if same(a.nearest(x, SPOTS), torch.cdist(x, SPOTS).argmin(dim=0)):
        return "you return 3 answers for 2 points: you looked for the nearest point of each centre"


@e4.probe("distance-for-index")
def distance_for_index(a, t):
    if same(a.nearest(table([4.0, 3.0]), SPOTS), torch.tensor([1.0])):
        return "for (4, 3) you return 1, the distance to the nearest centre: its index, 2, is asked for"


@e4.probe("city-block")
def city_block(a, t):
    if same(a.nearest(table([0.0, 0.0]), table([3.0, 3.0], [0.0, 5.0])), torch.tensor([1])):
        return "(3, 3) is 4.24 away and (0, 5) is 5, you chose (0, 5): add squares, not absolute values"


@e4.property("the nearest of many", points=12)
def nearest_of_many(a, t):
    for n, m in ((1, 1), (3, 2), (8, 5)):
        x, centres = t.randn(n, 3), t.randn(m, 3)
        expected = [min(range(m), key=lambda j, p=p: float((p - centres[j]).norm())) for p in x]
        t.equal(a.nearest(x, centres), torch.tensor(expected))


@e4.property("no points, and points far from the origin", points=8)
def nearest_edges(a, t):
    t.equal(a.nearest(t.randn(0, 2), t.randn(3, 2)), torch.zeros(0, dtype=torch.int64))
    centres = table([1000.0], [1003.0])
    t.equal(a.nearest(centres + 1.0, centres), torch.tensor([0, 1]))


@e4.reward
def draw_regions(a):
    side = torch.arange(0.0, 12.0, 1.0, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    fig, ax = panels()
    heatmap(ax, a.nearest(grid, SPOTS).reshape(12, 12))
    show(fig, caption="Who owns which place.", alt="A 12 by 12 grid in three regions with straight borders.")


# E5 ----------------------------------------------------------------------------------------------------

e5 = Exercise(
    "E5",
    takes={"fit_centres": Tensor},
    hints=(
        "One class at a time: pick its examples, then W2.",
        "centre_c = mean of the x_i with label_i = c.",
        "`x[labels == c].mean(dim=0)` for every c that has examples.",
    ),
)
THREE = table([0.0, 0.0], [2.0, 4.0], [9.0, 9.0])
THREE_LABELS = torch.tensor([0, 0, 1])


@e5.probe("sums")
def sums(a, t):
    if same(a.fit_centres(THREE, THREE_LABELS, 2), table([2.0, 4.0], [9.0, 9.0])) and same(
        a.fit_centres(THREE + 1, THREE_LABELS, 2), table([4.0, 6.0], [10.0, 10.0])
    ):
        return "the examples (1, 1) and (3, 5) give (4, 6), their sum: divide by how many there are"


@e5.probe("first-example")
def first_example(a, t):
    if same(a.fit_centres(THREE, THREE_LABELS, 2), table([0.0, 0.0], [9.0, 9.0])):
        return "the centre of class 0 is (0, 0), its first example: average all its examples to (1, 2)"


@e5.probe("one-centre-for-all")
def one_centre_for_all(a, t):
    if same(a.fit_centres(THREE, THREE_LABELS, 2), THREE.mean(0).expand(2, 2)):
        return "both classes have the same centre, the mean of everything: use the labels"


@e5.probe("empty-class-is-nan")
def empty_class(a, t):
    if torch.isnan(a.fit_centres(THREE, THREE_LABELS, 3)).any():
        return "class 2 has no example and its centre is NaN, expected zeros: the mean of nothing is 0/0"


@e5.property("the mean of each class", points=10)
def class_means(a, t):
    x, labels = t.randn(20, 3), t.randint(0, 4, 20)
    chosen = torch.nn.functional.one_hot(labels, 5).double().T  # [classes, N]; the last class has no examples
    t.equal(a.fit_centres(x, labels, 5), chosen @ x / chosen.sum(1, keepdim=True).clamp(min=1), atol=1e-12)


def share_read(a, images: Tensor, labels: Tensor, taught: Tensor, order: Tensor) -> float:
    """Share of the unseen images that lie nearest to the centre of their own class."""
    seen, unseen = order[:900], order[900:]
    centres = a.fit_centres(images[seen], taught[seen], 10).double()
    return float((torch.cdist(images[unseen], centres).argmin(1) == labels[unseen]).double().mean())


@e5.property("reads unseen digits, and shuffled labels teach nothing", points=15)
def reads_digits(a, t):
    data = load_digits()
    images, labels = torch.tensor(data.data), torch.tensor(data.target)
    order = torch.randperm(len(images), generator=t.generator)
    read = share_read(a, images, labels, labels, order)
    # measured over ten seeds: 88.0 % at the worst, and 22 % at most with shuffled labels; guessing reads 10 %
    t.that(read >= 0.84, f"{read:.0%} of unseen digits are read rightly, expected at least 84 %")
    shuffled = labels[torch.randperm(len(labels), generator=t.generator)]
    control = share_read(a, images, labels, shuffled, order)
    t.that(control <= 0.4, f"taught with shuffled labels it still reads {control:.0%}: it looks elsewhere")
