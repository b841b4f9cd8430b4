# %% [markdown]
# # Lab 0.0 · Template title
#
# You build a classifier out of two ideas, the mean and the distance. At the end it reads handwritten digits.
# Each warm-up takes a few minutes; the theory notebook beside this one says what they are good for.

# %%
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from courseware import open_lab
from shared.plotting import bars, heatmap, panels, show, use_style

if __name__ == "__main__":
    use_style()
    lab = open_lab("phase0_foundations/lab0_template")

# %% [markdown]
# The profile switches between a laptop's run and a full one: here, how many digits the pictures look at.

# %% tags=["parameters"] cut={"full_size": 300}
profile = "laptop"
full_size = 1797

# %%
size = full_size if profile == "full" else 600


def digits(count: int) -> tuple[Tensor, Tensor]:
    """The first `count` digits: pixels [N, 64] in 0 … 16, labels [N] in 0 … 9."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images[:count]), torch.tensor(labels[:count])


# %% [markdown]
# # Warm-ups

# %% [markdown] exercise="W1" minutes=2
# ## W1 · Add everything up
#
# `total(x)` is the sum of all elements of a tensor of any shape, as a Python `float`; of none it is 0.


# %% exercise="W1"
def total(x: Tensor) -> float:
    """Sum of all elements of x, of any shape."""
    # BEGIN SOLUTION
    return float(x.sum())
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", total)

# %% reward="W1"
if __name__ == "__main__":
    if lab.passed("W1"):
        print("The first image of the data set holds this much ink:", total(digits(1)[0]))

# %% [markdown] exercise="W1" tags=["discussion"]
# `sum` without an axis reads every element once. `float` takes the number out of its tensor.

# %% [markdown] exercise="W2" minutes=3
# ## W2 · The mean of each column
#
# Rows are examples, columns are what was measured. `column_means(x)` is the mean of each: [N, D] → [D].


# %% exercise="W2"
def column_means(x: Tensor) -> Tensor:
    """Mean over the rows: [N, D] -> [D]; N is at least 1."""
    # BEGIN SOLUTION
    return x.mean(dim=0)
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", column_means)

# %% reward="W2"
if __name__ == "__main__":
    if lab.passed("W2"):
        fig, ax = panels()
        heatmap(ax, column_means(digits(size)[0]).reshape(8, 8), fmt="{:.0f}".format)
        show(fig, caption="The mean of all digits: a blob.", alt="An 8 by 8 heat-map, dark in the middle.")

# %% [markdown] exercise="W2" tags=["discussion"]
# The axis you name is the axis that disappears: `dim=0` walks down the rows and leaves one number a column.

# %% [markdown] exercise="W3" minutes=3
# ## W3 · Move the middle to zero
#
# `centred(x)` takes the mean of each column from that column, so that every column of the result has mean 0.


# %% exercise="W3"
def centred(x: Tensor) -> Tensor:
    """x without its column means: [N, D] -> [N, D]; N is at least 1."""
    # BEGIN SOLUTION
    return x - x.mean(dim=0)
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", centred)

# %% reward="W3"
if __name__ == "__main__":
    if lab.passed("W3"):
        print("1, 2, 6 become", centred(torch.tensor([[1.0], [2.0], [6.0]])).flatten().tolist())

# %% [markdown] exercise="W3" tags=["discussion"]
# The means have shape [D]; subtraction from [N, D] lines them up with the columns, no loop needed.

# %% [markdown] exercise="W4" minutes=3
# ## W4 · How long is each row?
#
# `squared_lengths(x)` is the sum of the squares in every row: [N, D] → [N].


# %% exercise="W4"
def squared_lengths(x: Tensor) -> Tensor:
    """Sum of squares of each row: [N, D] -> [N]."""
    # BEGIN SOLUTION
    return (x * x).sum(dim=1)
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", squared_lengths)

# %% reward="W4"
if __name__ == "__main__":
    if lab.passed("W4"):
        print("Sides 3 and 4 give", squared_lengths(torch.tensor([[3.0, 4.0]])).item(), "= 5 × 5")

# %% [markdown] exercise="W4" tags=["discussion"]
# Squared lengths order points as lengths do and cost no square root: so the exercises keep them squared.

# %% [markdown]
# # Exercises

# %% [markdown] exercise="E1" minutes=10
# ## E1 · Variance
#
# `variance(x)` of each column is the mean squared deviation from the column's mean:
#
# $$\mathrm{var}_j = \frac{1}{N}\sum_i (x_{ij} - \bar x_j)^2$$
#
# Divide by $N$. One row has variance 0. Shapes: [N, D] → [D].


# %% exercise="E1"
def variance(x: Tensor) -> Tensor:
    """Mean squared deviation of each column: [N, D] -> [D]; N is at least 1."""
    # BEGIN SOLUTION
    deviation = x - x.mean(dim=0)
    return (deviation * deviation).mean(dim=0)
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", variance)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# Centring first is exact when the mean is large; $\overline{x^2} - \bar x^2$ subtracts two large numbers.

# %% [markdown] exercise="E2" minutes=10
# ## E2 · Standardise
#
# `standardise(x, epsilon)` centres each column and divides by its spread:
#
# $$\hat x_{ij} = \frac{x_{ij} - \bar x_j}{\sqrt{\mathrm{var}_j + \epsilon}}$$
#
# with the variance of E1. A constant column becomes 0, not NaN. Shapes: [N, D] → [N, D].


# %% exercise="E2"
def standardise(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Columns with mean 0 and variance close to 1: [N, D] -> [N, D]."""
    # BEGIN SOLUTION
    return (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + epsilon).sqrt()
    # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", standardise)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# Under the root $\epsilon$ keeps the divisor above $\sqrt\epsilon$; a constant column has 0 over it.

# %% [markdown] exercise="E3" minutes=15
# ## E3 · All squared distances
#
# `squared_distances(x, y)` compares every row of `x` with every row of `y`: [N, D] and [M, D] → [N, M], with
# $d_{ij} = \sum_k (x_{ik} - y_{jk})^2$. Either may have no rows.


# %% exercise="E3"
def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances of all pairs of rows: [N, D], [M, D] -> [N, M]."""
    # BEGIN SOLUTION
    difference = x[:, None, :] - y[None, :, :]  # [N, M, D]
    return (difference * difference).sum(dim=2)
    # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", squared_distances)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# The differences need N·M·D numbers at once. $\|x\|^2 + \|y\|^2 - 2xy^\top$ needs N·M, and loses digits
# near zero.

# %% [markdown] exercise="E4" minutes=10
# ## E4 · Who is nearest?
#
# `nearest(x, centres)` says for each row of `x` which row of `centres` is closest, [N, D] and [M, D] → [N],
# whole numbers (`torch.int64`). Distance is Euclidean, M at least 1; of equally close ones any will do.


# %% exercise="E4"
def nearest(x: Tensor, centres: Tensor) -> Tensor:
    """Index of the closest centre of each row: [N, D], [M, D] -> [N], int64."""
    # BEGIN SOLUTION
    return torch.cdist(x, centres).argmin(dim=1)
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", nearest)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# The smallest distance has the smallest square, so the square root that `cdist` takes changes nothing here.

# %% [markdown] exercise="E5" minutes=20
# ## E5 · A classifier
#
# `fit_centres(x, labels, classes)` learns one centre a class, the mean of its examples: [N, D] and [N] →
# [classes, D]. A class without examples gets zeros. The check teaches it digits: at least 84 % of unseen ones
# must be nearest to the centre of their own class. With shuffled labels it must not work.


# %% exercise="E5"
def fit_centres(x: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean of the examples of each class: [N, D], [N] -> [classes, D]."""
    # BEGIN SOLUTION
    centres = x.new_zeros(classes, x.shape[1])
    for label in range(classes):
        chosen = x[labels == label]
        if len(chosen):
            centres[label] = chosen.mean(dim=0)
    return centres
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", fit_centres)

# %% reward="E5"
if __name__ == "__main__":
    if lab.passed("E5"):
        images, labels = digits(size)
        centres = fit_centres(images, labels, 10)
        right = nearest(images, centres) == labels
        shares = {str(digit): float(right[labels == digit].double().mean()) for digit in range(10)}
        fig, ax = panels()
        bars(ax, shares, fmt="{:.0%}".format)
        show(
            fig,
            caption="Share of each digit that is read rightly.",
            alt="Ten bars, one a digit, most near 1.",
        )

# %% [markdown] exercise="E5" tags=["discussion"]
# A class mean is the point with the least squared distance to its examples. One centre a class draws straight
# borders between classes, so a digit that is written in two ways is read worse.
