# %% [markdown]
# # Lab 1.1 · Tensors and Autograd
#
# Eight warm-ups of a few minutes, then five exercises. At the end you train a network on handwritten
# digits, and every derivative in it comes from code that you wrote yourself.
#
# How this notebook works:
#
# - Replace each `raise NotImplementedError` with your answer and run the cell.
# - The cell below it checks your answer. A check that says "not quite" costs nothing; run it as often as
#   you like.
# - Stuck? `lab.hint("W1")` gives the first of three hints, each more concrete. After an attempt,
#   `lab.solution("W1")` shows one good answer beside yours.
# - Once a check passes, the next cell draws or measures something with *your* code.
#
# Any right answer passes: a loop is as good as a clever one-liner. The theory notebook beside this one
# explains the ideas; you need no more than its first two sections for the warm-ups.

# %% tags=["parameters"]
profile = "laptop"  # "full" trains the bigger networks of the last section

# %%
from collections.abc import Callable

import torch
from torch import Tensor

from courseware import open_lab

if __name__ == "__main__":
    torch.set_num_threads(1)  # these tensors are small: a second thread would only wait for the first
    lab = open_lab("phase1_foundations/lab1_tensors")

# %% [markdown]
# # Warm-ups
#
# A tensor is a box of numbers with a *shape*: how many numbers it holds along each axis. `()` is a single
# number, `(3,)` a vector, `(2, 3)` a table of two rows and three columns, `(100, 8, 8)` a hundred 8×8
# images. The eight drills below are all the tensor handling that this lab needs.

# %% [markdown] exercise="W1" minutes=3
# ## W1 · Creating tensors
#
# These make a tensor out of nothing:
#
# | call | gives |
# |---|---|
# | `torch.tensor([[1., 2.], [3., 4.]])` | exactly these numbers |
# | `torch.zeros(2, 3)`, `torch.ones(2, 3)`, `torch.full((2, 3), 7.)` | one number everywhere |
# | `torch.arange(5)` | `[0, 1, 2, 3, 4]`: whole numbers, the end left out, like Python's `range` |
# | `torch.linspace(0, 1, 5)` | `[0, 0.25, 0.5, 0.75, 1]`: evenly spaced, both ends in |
# | `torch.rand(2, 3)`, `torch.randn(2, 3)` | random numbers |
#
# **Write `number_line(start, stop, count)`:** a vector of `count` evenly spaced numbers. The first is
# `start`, the last is `stop`, which is larger. `count` is at least 2. The result has shape `(count,)` and
# dtype `torch.float32`.
#
# `number_line(0, 1, 5)` is `[0.00, 0.25, 0.50, 0.75, 1.00]`. Five marks, but only *four* gaps between them.


# %% exercise="W1"
def number_line(start: float, stop: float, count: int) -> Tensor:
    """`count` evenly spaced numbers from `start` to `stop`, both included: shape (count,), float32."""
    # BEGIN SOLUTION
    return torch.linspace(start, stop, count)
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", number_line)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# `linspace` takes the *number* of points, `arange` the *distance* between them. With fractions, prefer the
# number: `torch.arange(1.0, 1.3, 0.1)` has four elements, not three, because 0.1 is not exactly
# representable and the fourth, 1.3, lands a hair below the end. `start + (stop - start) *
# torch.arange(count) / (count - 1)` is right too.

# %% [markdown] exercise="W2" minutes=4
# ## W2 · Shape and dtype
#
# Two facts decide what a tensor may do: its `shape`, and its `dtype`, the kind of number in it. Image files
# hold `uint8`: whole numbers 0 … 255, one byte each. Networks want `float32`. And a file stores an image as
# one long row of pixels; we want rows and columns back.
#
# - `x.reshape(2, 3)` reads the same numbers, in the same order, as 2 rows of 3. One size may be `-1`: "work
#   it out".
# - `x.to(torch.float32)` (or `x.float()`) converts the numbers.
#
# **Write `to_images(raw, height, width)`:** `raw` is `uint8` of shape `[N, height*width]`, one image a row,
# its pixels from left to right and from top to bottom. Return `float32` of shape `[N, height, width]` in
# which 0 stays 0 and 255 becomes 1.
#
# `to_images(torch.tensor([[0, 51, 102, 255]], dtype=torch.uint8), 2, 2)` is `[[[0.0, 0.2], [0.4, 1.0]]]`.
#
# *Easy to misread:* it is always 255 that becomes 1, also when the brightest pixel of the batch is darker
# than that.


# %% exercise="W2"
def to_images(raw: Tensor, height: int, width: int) -> Tensor:
    """uint8 [N, height*width] with values 0…255 → float32 [N, height, width] with values 0…1."""
    # BEGIN SOLUTION
    return raw.reshape(-1, height, width).float() / 255
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", to_images)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# `reshape` moves nothing: it only changes how the one row of bytes is counted. Converting does cost:
# `float32` takes four bytes where `uint8` took one, so data sets stay `uint8` on disk and are converted
# batch by batch. In `raw / 255` torch promotes to `float32` by itself; in `raw // 255` it stays with whole
# numbers, and the picture is gone.

# %% [markdown] exercise="W3" minutes=5
# ## W3 · Indexing and masks
#
# `image[2:5]` takes rows 2, 3, 4; the end is left out. `image[2:5, 0:3]` cuts out rows *and* columns. A
# comparison such as `image > 0.5` gives a *mask*: a tensor of True and False, of the same shape. Masks
# choose: `torch.where(mask, a, b)` takes each element from `a` where the mask is True and from `b`
# elsewhere.
#
# **Write two functions** for an image of shape `[H, W]`:
#
# - `crop(image, top, left, height, width)`: the patch of shape `[height, width]` whose upper left pixel is
#   `image[top, left]`. It always lies inside the image.
# - `keep_bright(image, threshold)`: the same shape; pixels of at least `threshold` keep their value, darker
#   ones are 0.
#
# With `image = [[1, 2, 3], [4, 5, 6]]`, `crop(image, 0, 1, 2, 2)` is `[[2, 3], [5, 6]]` and
# `keep_bright(image, 3)` is `[[0, 0, 3], [4, 5, 6]]`.
#
# *Easy to misread:* "at least" includes the threshold itself. And the caller's image must not change.


# %% exercise="W3"
def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The patch [height, width] of image [H, W] that begins at row `top`, column `left`."""
    # BEGIN SOLUTION
    return image[top : top + height, left : left + width]
    # END SOLUTION


def keep_bright(image: Tensor, threshold: float) -> Tensor:
    """image [H, W] with every pixel below `threshold` set to 0; the input stays as it is."""
    # BEGIN SOLUTION
    return torch.where(image >= threshold, image, 0)
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", crop, keep_bright)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# A slice is given by begin and *end*, a patch by begin and *size*: the end is `top + height`. `image *
# (image >= threshold)` is right too: True counts as 1 and False as 0. `image[mask] = 0` also sets the dark
# pixels, but in the caller's own tensor, which is the most common surprise for newcomers; `image =
# image.clone()` first makes it safe.

# %% [markdown] exercise="W4" minutes=4
# ## W4 · Reductions and keepdim
#
# A reduction folds an axis into one number: `table.sum(dim=0)` adds up *along* axis 0, so that axis
# disappears, and the sum of each column is left. With `keepdim=True` the axis stays, with size 1.
#
# | `table` of shape (2, 3) | shape | value for `[[1, 2, 3], [4, 5, 6]]` |
# |---|---|---|
# | `table.sum()` | `()` | `21` |
# | `table.sum(dim=0)` | `(3,)` | `[5, 7, 9]` |
# | `table.sum(dim=1)` | `(2,)` | `[6, 15]` |
# | `table.sum(dim=1, keepdim=True)` | `(2, 1)` | `[[6], [15]]` |
#
# **Write `row_shares(table)`:** divide each row by its own sum, so that every row adds up to 1. `table` is
# a floating point tensor `[N, D]` in which no row has the sum 0; entries may be negative. The result has
# the same shape and dtype.
#
# `row_shares(torch.tensor([[1., 3.], [2., 2.]]))` is `[[0.25, 0.75], [0.5, 0.5]]`.
#
# *A trap:* forget `keepdim` and a 2×3 table raises an error. A *square* table raises none: its columns get
# divided by the row sums, silently.


# %% exercise="W4"
def row_shares(table: Tensor) -> Tensor:
    """[N, D] → [N, D]: each row divided by its sum."""
    # BEGIN SOLUTION
    return table / table.sum(dim=1, keepdim=True)
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", row_shares)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# The sums have shape `(N, 1)`, and a size of 1 stretches to fit: row `i` meets the sum of row `i` in every
# column. That stretching is *broadcasting*, and it is next. `dim=-1` says "the last axis", which here is
# the same.

# %% [markdown] exercise="W5" minutes=5
# ## W5 · Broadcasting by eye
#
# Two tensors of different shapes can be added when their shapes *broadcast*. Write the shapes under each
# other, lined up **at the right**, and compare the sizes one above the other:
#
# ```text
#     (5, 1, 3)        (4, 3)          (2, 3)
#        (4, 1)           (3,)            (2,)
#     ---------        ------          ------
#     (5, 4, 3)        (4, 3)         3 against 2: an error
# ```
#
# - equal sizes stay;
# - a size of 1 stretches to the other size, also to 0;
# - a missing axis counts as size 1;
# - anything else is an error.
#
# Try it by eye first: `(8, 1)` and `(1, 6)`? `(3,)` and `(3, 1)`? `(4,)` and `(2, 2)`?
#
# <details><summary>Answers</summary>
#
# `(8, 6)` · `(3, 3)` · an error: 4 meets 2
#
# </details>
#
# **Write `broadcast_shape(a, b)`:** two shapes as tuples in, the common shape as a tuple out. Raise
# `ValueError` if there is none. Work with the numbers in the tuples alone: no tensors, and not
# `torch.broadcast_shapes`, which is this function.


# %% exercise="W5"
def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `a` and `b` broadcast to; ValueError if they do not."""
    # BEGIN SOLUTION
    axes = max(len(a), len(b))
    a = (1,) * (axes - len(a)) + tuple(a)
    b = (1,) * (axes - len(b)) + tuple(b)
    for m, n in zip(a, b, strict=True):
        if m != n and 1 not in (m, n):
            raise ValueError(f"sizes {m} and {n} do not broadcast")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))
    # END SOLUTION


# %% check="W5"
if __name__ == "__main__":
    lab.check("W5", broadcast_shape)

# %% reward="W5"
if __name__ == "__main__":
    lab.reward("W5")

# %% [markdown] exercise="W5" tags=["discussion"]
# Lining up at the right is what makes `images - mean` work for `[N, D]` and `[D]` without a thought. It is
# also why `(3,)` and `(3, 1)` give a 3×3 table, the cause of many losses that look fine and train to
# nothing. The bigger size wins almost always; the exception is 0: a size of 1 *shrinks* to it, so `max(m,
# n)` is not the rule.

# %% [markdown] exercise="W6" minutes=5
# ## W6 · Matrix products and einsum
#
# A matrix product is a sum over a shared index: `C[i, j] = Σ_k A[i, k] · B[k, j]`. `A @ B` does it for
# matrices, and for stacks of matrices, one product for each place in the leading axes. `torch.einsum` lets
# you write the formula itself: name every axis by a letter, and **a letter that is missing on the right of
# the arrow is summed over**.
#
# ```text
#   torch.einsum("ik,kj->ij", A, B)      A @ B
#   torch.einsum("ij->ji", A)            transpose
#   torch.einsum("i,i->", a, b)          dot product of two vectors
# ```
#
# **Write `similarity(a, b)`:** `a` has shape `[B, T, D]`, `b` has shape `[B, S, D]`: B pairs of lists, T
# and S vectors of length D in them, of one floating point dtype. Return `[B, T, S]` of that dtype: entry
# `[n, i, j]` is the dot product of `a[n, i]` with `b[n, j]`.
#
# For one pair: `a = [[1, 0], [1, 2]]` and `b = [[3, 4], [5, 6], [7, 8]]` give `[[3, 5, 7], [11, 17, 23]]`.
#
# This one line is the heart of attention, four labs from here.


# %% exercise="W6"
def similarity(a: Tensor, b: Tensor) -> Tensor:
    """a [B, T, D], b [B, S, D] → [B, T, S]: the dot product of every vector of `a` with every one of `b`."""
    # BEGIN SOLUTION
    return torch.einsum("btd,bsd->bts", a, b)
    # END SOLUTION


# %% check="W6"
if __name__ == "__main__":
    lab.check("W6", similarity)

# %% reward="W6"
if __name__ == "__main__":
    lab.reward("W6")

# %% [markdown] exercise="W6" tags=["discussion"]
# `a @ b.transpose(1, 2)` (or `b.mT`) is the same product. Not `b.T`: on three axes it reverses all of them.
# Not `(a[:, :, None] * b[:, None]).sum(-1)` either, where memory counts: it is right, but it writes all
# B·T·S·D products down before it adds them up. A matrix product adds as it goes.

# %% [markdown] exercise="W7" minutes=4
# ## W7 · Views against copies
#
# A tensor is two things: a *storage*, which is one flat row of numbers in memory, and a way to read it.
# Slicing and transposing make a new way to read the same storage: a **view**. It costs nothing, and writing
# into it changes the original. Other operations fill a storage of their own: a **copy**.
#
# `x.untyped_storage()` is the storage of `x`, and `x.untyped_storage().data_ptr()` is the address at which
# it begins.
#
# **Write `shares_storage(a, b)`:** `True` if the two tensors read the same storage, `False` otherwise. Both
# hold at least one element.
#
# With `x = torch.arange(6.)`: `x[:3]` and `x[3:]` share one storage, although they have no element in
# common. `x` and `x.clone()` do not, although all their elements are equal.


# %% exercise="W7"
def shares_storage(a: Tensor, b: Tensor) -> bool:
    """Do `a` and `b` read the same storage, wherever in it?"""
    # BEGIN SOLUTION
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    # END SOLUTION


# %% check="W7"
if __name__ == "__main__":
    lab.check("W7", shares_storage)

# %% reward="W7"
if __name__ == "__main__":
    lab.reward("W7")

# %% [markdown] exercise="W7" tags=["discussion"]
# `a.data_ptr()` is the address of the *first element* that `a` reads, so `x[1:]` has another one than `x`.
# The storage begins at the same place for both. Look at `reshape` in the table: it returns a view where it
# can and copies where it must, so never rely on it for either.

# %% [markdown] exercise="W8" minutes=4
# ## W8 · One backward() on one number
#
# Torch can tell how a result changes when an input changes. Three steps:
#
# 1. make the input a tensor that asks for it: `torch.tensor(2.0, requires_grad=True)`;
# 2. compute a single number from it: torch remembers each step;
# 3. call `.backward()` on that number. The derivative now stands in the *input's* `.grad`.
#
# **Write `slope(f, x)`:** the derivative of `f` at `x`, as a Python `float`. `f` takes a tensor with a
# single number (shape `()`) and returns one; `x` is a Python number. Let torch differentiate: no finite
# differences.
#
# For `f(x) = x²`, `slope(f, 3.0)` is `6.0`.
#
# *Three things to know:* only floating point tensors can ask for a gradient, and `x` may come as the whole
# number `3`. `backward()` itself returns nothing. And `t.item()` turns a one-number tensor into a Python
# float.


# %% exercise="W8"
def slope(f: Callable[[Tensor], Tensor], x: float) -> float:
    """f′(x), computed by torch's autograd."""
    # BEGIN SOLUTION
    point = torch.tensor(float(x), requires_grad=True)
    f(point).backward()
    return point.grad.item()
    # END SOLUTION


# %% check="W8"
if __name__ == "__main__":
    lab.check("W8", slope)

# %% reward="W8"
if __name__ == "__main__":
    lab.reward("W8")

# %% [markdown] exercise="W8" tags=["discussion"]
# One backward pass gives the exact derivative, up to rounding, at about the price of computing `f` once
# more. With a million inputs it would still be *one* pass: that is the trick on which deep learning stands,
# and E2 asks you to build it. `torch.autograd.grad(y, point)` returns the derivative without leaving
# anything in `.grad`.

# %% [markdown]
# # From the warm-ups to the exercises
#
# W7 said that a view is "a way to read" a storage. Here is that way, exactly. Besides its shape a tensor
# has a `storage_offset()`, where it begins, and a `stride()`: for each axis, how many places to jump in the
# storage to get to the next element along it. Element `[i, j]` stands at
#
# $$\text{address}(i, j) = \text{offset} + i\,s_0 + j\,s_1 .$$
#
# Look at the strides below. A transpose swaps two numbers and moves nothing; a slice changes the offset, or
# the jump.

# %%
if __name__ == "__main__":
    x = torch.arange(12).reshape(3, 4)  # storage: 0 1 2 3 4 5 6 7 8 9 10 11
    for name, view in {"x": x, "x.T": x.T, "x[1:]": x[1:], "x[:, ::2]": x[:, ::2]}.items():
        print(f"{name:10} shape {tuple(view.shape)}  stride {view.stride()}  offset {view.storage_offset()}")

# %% [markdown]
# `x.as_strided(size, stride)` lets you set the jumps yourself. Nothing stops you from reading an element
# more than once: with jumps `(1, 1)` each row begins one place further on, and a vector becomes all its
# windows. Six windows of three would be 18 numbers; the storage still holds 8.

# %%
if __name__ == "__main__":
    series = torch.arange(8)
    windows = series.as_strided((6, 3), (1, 1))
    print(windows)
    print("numbers in the storage:", windows.untyped_storage().nbytes() // windows.element_size())

# %% [markdown] exercise="E1" minutes=20
# ## E1 · Strides and the adjoint of broadcasting
#
# Broadcasting looks as if it copied a small tensor many times. It copies nothing. You will build it from
# strides, and then the operation that undoes it for gradients. Every bias in every network needs both.
#
# **1. `broadcast_view(x, shape)`** reads `x` as if it had the bigger `shape`, by the rule of W5, without a
# copy.
#
# - The result is a view: same storage, no new memory. Build it with `x.as_strided(size, stride)`.
# - `x` may be anything: 0-d, transposed, a slice out of the middle of a storage, empty, already broadcast,
#   of any dtype.
# - Raise `ValueError` if `x` does not broadcast to exactly `shape`: a size that neither matches nor is 1,
#   fewer axes than `x` has, or a negative size. (`-1` has no special meaning here.)
# - A size of 1 may become any size, 0 included. A new axis may have any size too.
# - The stride of an axis of size 1 or 0 means nothing; it may be any number.
#
# ```text
#   x = [[1], [2]]             shape (2, 1)
#   broadcast_view(x, (2, 3))  [[1, 1, 1], [2, 2, 2]]   still two numbers in memory
# ```
#
# **2. `unbroadcast(g, shape)`** goes the way back: `g` is a gradient in the bigger shape, and the result is
# the gradient for the small tensor. One small element was read in several places, and it receives the
# **sum** of their gradients.
#
# - `g` is floating point. `shape` always broadcasts to `g.shape`; you need not check that.
# - The result has exactly the shape `shape` and the dtype of `g`. If the shapes are equal, it has the
#   values of `g`; returning `g` itself is fine.
#
# ```text
#   g = [[1, 2, 3],
#        [4, 5, 6]]            shape (2, 3)
#   unbroadcast(g, (3,))       [5, 7, 9]
#   unbroadcast(g, (2, 1))     [[6], [15]]
#   unbroadcast(g, ())         21
# ```
#
# The two belong together: with `Bx` for `broadcast_view` and `Bᵀg` for `unbroadcast`, ⟨Bx, g⟩ = ⟨x, Bᵀg⟩
# for all x and g. That identity is what the check tries, on hundreds of shapes.
#
# **Not allowed**, by any route, since each is the answer under another name: `expand`, `expand_as`,
# `broadcast_to`, `broadcast_tensors`, `sum_to_size`, NumPy, and torch's autograd. `repeat` and `tile` copy,
# so they cannot be right.


# %% exercise="E1"
def broadcast_view(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A view of `x` with the bigger `shape`: same storage. ValueError if `x` does not broadcast to it."""
    # BEGIN SOLUTION
    new_axes = len(shape) - x.dim()
    if new_axes < 0 or any(size < 0 for size in shape):
        raise ValueError(f"{tuple(x.shape)} does not broadcast to {tuple(shape)}")
    strides = [0] * new_axes
    for size, stride, wanted in zip(x.shape, x.stride(), shape[new_axes:], strict=True):
        if size not in (1, wanted):
            raise ValueError(f"size {size} cannot become {wanted}")
        strides.append(stride if size == wanted else 0)
    return x.as_strided(shape, strides)
    # END SOLUTION


def unbroadcast(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum `g` over the axes along which `shape` was broadcast to `g.shape`; the result has shape `shape`."""
    # BEGIN SOLUTION
    while g.dim() > len(shape):
        g = g.sum(dim=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(dim=axis, keepdim=True)
    return g
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", broadcast_view, unbroadcast)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why it is right.** A stride of 0 means "the next element along this axis is the same one". Every other
# axis keeps the stride that `x` has: reading it from `x.stride()` instead of computing it from the shape is
# what makes transposed and sliced inputs work. `as_strided` without a third argument keeps the tensor's own
# offset; passing 0 there would read from the beginning of the storage.
#
# **Why the sum.** Let `y = Bx`, with `y_j = x_{i(j)}`. Then `∂L/∂x_i = Σ_j ∂L/∂y_j · ∂y_j/∂x_i`, and the
# last factor is 1 for exactly those `j` that read `x_i`. Reading in four places gives a sum of four
# gradients; their mean would be the gradient of another function.
#
# **What it costs.** The view: nothing but a few integers, whatever the size. The adjoint: one pass over
# `g`. A trap on the way: `g.sum(dim=())` does not sum over no axis, it sums over *all* of them.

# %% [markdown]
# # Building autograd
#
# W8 used torch's autograd. Now you write it. The idea fits in three sentences. While the forward pass
# computes, write down for each result where it came from. Every operation knows how to hand a gradient from
# its output to its inputs. Going backwards through the notes, hand each node's gradient to its inputs, and
# add up what arrives.

# %% [markdown] exercise="E2" minutes=60
# ## E2 · A tape: `Var`
#
# `Var` holds a tensor and remembers how it was made. After `y.backward()` every leaf, which is a `Var` that
# you made yourself from a tensor, finds the derivative of `y` with respect to it in `.grad`.
#
# ```python
# a, b = Var(torch.tensor([1., 2.])), Var(torch.tensor(3.))
# y = (a * b + a).sum()          # 3 + 1 + 6 + 2 = 12
# y.backward()
# a.grad, b.grad                 # [4, 4] and 3
# ```
#
# **What a `Var` is**
# - `Var(data)` with a tensor keeps that very tensor: no copy. It never asks torch for gradients
#   (`data.requires_grad` stays False). `Var(2.0)` holds `torch.tensor(2.0)`: 0-d, torch's default dtype.
# - `.data` and `.grad` can be read and assigned. `.grad` is `None` until a backward pass reaches the node.
# - `parents` and `vjp` are the tape's own notes. Use them as you like, or keep your notes another way: the
#   check makes nodes by `Var(data)` and by operations, never by hand.
#
# **Operations.** Each gives a new `Var` and leaves its operands as they are.
# - `+ - * /` between two `Var`s, with broadcasting, or between a `Var` and a Python number on either side
#   (`2 - v`, `1 / v`)
# - `v ** n` for a Python number n, `-v`
# - `a @ b` for two matrices, `[N, K] @ [K, M]`
# - `v.sum(dim=None, keepdim=False)`: over everything, or over one axis; `dim` may be negative
# - `v.exp()`, `v.log()`, `v.relu()`, `v.tanh()`. The slope of relu at exactly 0 is 0, as in torch.
# - `v.reshape(2, 3)`, with the sizes as in torch; `v.T`, a property, for a matrix
#
# Subtraction and division are written for you below, in terms of the rest.
#
# **`y.backward(seed=None)`**
# - `seed` is the gradient of the final result with respect to `y`, a tensor of `y.data`'s shape. Without
#   one, `y` must hold a single number, and the seed is 1. Otherwise raise `ValueError` or `RuntimeError`.
# - A leaf's `.grad` has the shape of its `.data`. A leaf that is not part of the computation keeps `grad =
#   None`.
# - Gradients **add up**: in one backward pass if a node is used more than once, and from pass to pass.
#   Calling `y.backward()` twice leaves twice the gradient in every leaf, until somebody sets `leaf.grad =
#   None`.
# - Whether inner nodes keep a `.grad` is up to you.
# - A chain of 20,000 operations must work. So no recursion: Python stops at a depth of 1,000, and raising
#   that limit only moves the cliff.
# - No tensor that somebody else holds (`data`, `seed`, another node's `grad`) changes in place.
#
# **Not allowed:** torch's own autograd, by any route. It would leave nothing to build.
#
# Your `unbroadcast` from E1 is what every broadcasting operation needs on its way back. Start with
# `__init__`, `__add__`, `__mul__`, `sum` and `backward`: the example above then works. The rest are one
# line of calculus each.


# %% exercise="E2"
class Var:
    """A tensor that remembers how it was computed, so that `backward` can differentiate through it."""

    data: Tensor
    grad: Tensor | None

    def __init__(
        self,
        data: Tensor | float,
        parents: tuple["Var", ...] = (),
        vjp: Callable[[Tensor], tuple[Tensor, ...]] | None = None,
    ) -> None:
        """A leaf, or with `parents` an inner node; `vjp` maps its gradient to one for each parent."""
        # BEGIN SOLUTION
        self.data = data if isinstance(data, Tensor) else torch.tensor(data, dtype=torch.get_default_dtype())
        self.grad = None
        self.parents, self.vjp = parents, vjp
        # END SOLUTION

    def _operand(self, other: "Var | float") -> "Var":
        """The other side of `+` or `*` as a Var: a Python number becomes one, in this node's dtype."""
        # BEGIN SOLUTION
        return other if isinstance(other, Var) else Var(torch.tensor(other, dtype=self.data.dtype))
        # END SOLUTION

    def __add__(self, other: "Var | float") -> "Var":
        # BEGIN SOLUTION
        other = self._operand(other)
        return Var(self.data + other.data, (self, other), lambda g: (g, g))
        # END SOLUTION

    def __mul__(self, other: "Var | float") -> "Var":
        # BEGIN SOLUTION
        other = self._operand(other)
        x, y = self.data, other.data
        return Var(x * y, (self, other), lambda g: (g * y, g * x))
        # END SOLUTION

    def __pow__(self, n: float) -> "Var":
        # BEGIN SOLUTION
        x = self.data
        return Var(x**n, (self,), lambda g: (g * n * x ** (n - 1),))
        # END SOLUTION

    def __matmul__(self, other: "Var") -> "Var":
        # BEGIN SOLUTION
        x, w = self.data, other.data
        return Var(x @ w, (self, other), lambda g: (g @ w.T, x.T @ g))
        # END SOLUTION

    def sum(self, dim: int | None = None, keepdim: bool = False) -> "Var":
        """Sum over everything, or over one axis."""
        # BEGIN SOLUTION
        x = self.data

        def vjp(g: Tensor) -> tuple[Tensor, ...]:
            if dim is not None and not keepdim:
                g = g.unsqueeze(dim)  # put the axis back, so that g broadcasts along it
            return (broadcast_view(g, x.shape),)

        return Var(x.sum() if dim is None else x.sum(dim, keepdim), (self,), vjp)
        # END SOLUTION

    def exp(self) -> "Var":
        # BEGIN SOLUTION
        y = self.data.exp()
        return Var(y, (self,), lambda g: (g * y,))
        # END SOLUTION

    def log(self) -> "Var":
        # BEGIN SOLUTION
        x = self.data
        return Var(x.log(), (self,), lambda g: (g / x,))
        # END SOLUTION

    def relu(self) -> "Var":
        # BEGIN SOLUTION
        x = self.data
        return Var(x.clamp(min=0), (self,), lambda g: (g * (x > 0),))
        # END SOLUTION

    def tanh(self) -> "Var":
        # BEGIN SOLUTION
        y = self.data.tanh()
        return Var(y, (self,), lambda g: (g * (1 - y * y),))
        # END SOLUTION

    def reshape(self, *shape: int) -> "Var":
        # BEGIN SOLUTION
        x = self.data
        return Var(x.reshape(*shape), (self,), lambda g: (g.reshape(x.shape),))
        # END SOLUTION

    @property
    def T(self) -> "Var":
        # BEGIN SOLUTION
        return Var(self.data.T, (self,), lambda g: (g.T,))
        # END SOLUTION

    def backward(self, seed: Tensor | None = None) -> None:
        """Add the derivative of this node, weighted by `seed`, to the `.grad` of every leaf below it."""
        # BEGIN SOLUTION
        if seed is None:
            if self.data.numel() != 1:
                raise ValueError(f"backward() of a result of shape {tuple(self.data.shape)} needs a seed")
            seed = torch.ones_like(self.data)
        arrived = {self: seed}
        for node in reversed(self._parents_first()):
            g = arrived.pop(node)  # complete: everybody who used this node comes before it in this order
            if node.vjp is None:
                node.grad = g.clone() if node.grad is None else node.grad + g
                continue
            for parent, share in zip(node.parents, node.vjp(g), strict=True):
                share = unbroadcast(share, parent.data.shape)
                arrived[parent] = arrived[parent] + share if parent in arrived else share
        # END SOLUTION

    def _parents_first(self) -> list["Var"]:
        """All nodes that this one was made from, and itself, each after its parents."""
        # BEGIN SOLUTION
        order: list[Var] = []
        seen: set[Var] = set()
        stack = [(self, False)]
        while stack:
            node, parents_done = stack.pop()
            if parents_done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.parents)
        return order
        # END SOLUTION

    # These need nothing but the operations above.
    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> "Var":
        return self * -1

    def __sub__(self, other: "Var | float") -> "Var":
        return self + (-other)

    def __rsub__(self, other: float) -> "Var":
        return -self + other

    def __truediv__(self, other: "Var | float") -> "Var":
        return self * other**-1

    def __rtruediv__(self, other: float) -> "Var":
        return self**-1 * other


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", Var)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Why the order matters.** A node may pass its gradient on only when that gradient is complete, that is,
# after everybody who used the node has contributed. Reverse topological order guarantees exactly this.
# Depth-first order without it fails on a diamond: the shared node is visited from one side, passes half its
# gradient on, and the other half comes late.
#
# **Why the shares wait in a dictionary.** Only leaves keep a `.grad`. If inner nodes kept theirs from pass
# to pass, a second `backward()` would push the first pass's gradients through the graph again. And `+`
# makes a new tensor each time: `+=` would write into a tensor that `lambda g: (g, g)` may have handed to
# two parents at once.
#
# **What it costs.** One visit of each node and each edge: the backward pass takes a small constant times
# the forward pass, however many inputs there are. The price is memory: each lambda keeps the tensors that
# it needs (`x`, `y`) alive until the graph is gone. Torch calls them *saved tensors*, and E3 is about
# having fewer of them.
#
# **On `unbroadcast`.** It is called in one place, for every parent, instead of in each operation. Where
# nothing was broadcast it does nothing.

# %% [markdown] exercise="E3" minutes=40
# ## E3 · A fused cross-entropy
#
# Your tape can compute a classifier's loss from small steps: subtract, exp, sum, log, pick. Each step saves
# tensors for the way back. In a language model, with a vocabulary of 128,000, the logits are the biggest
# tensor there is, and three copies of it decide whether training fits into memory. A hand-written backward
# needs one.
#
# For row $i$ with logits $z$ and target class $y$, cross-entropy is $\log \sum_c e^{z_c} - z_y$.
#
# **Write `FusedCrossEntropy`**, used as `loss = FusedCrossEntropy.apply(logits, target)` or with a third
# argument:
#
# - `logits` `[N, C]` floating point, `target` `[N]` int64 with classes 0 … C−1 or `ignore_index` (default
#   −100). Rows whose target is `ignore_index` are left out. The loss is the **mean over the rows that are
#   kept**, a 0-d tensor.
# - `backward` multiplies by `grad_out`, gives a gradient of the logits' shape and dtype, and `None` for the
#   others. Rows left out get gradient 0. `backward` may be called twice (`retain_graph=True`) and must give
#   the same both times.
# - Logits of ±10,000 are fine. A logit of −inf is a class that is ruled out: it has probability 0 and
#   gradient 0, and does not disturb the others. (The target's own logit is always finite.)
# - No rows, or none that are kept: the loss is nan and the gradient all zeros, as in torch.
# - `float16` and `bfloat16` logits: compute in `float32`, since the sum of many losses overflows `float16`.
#   Return the loss in `float32` or in the logits' dtype, as you like.
# - `logits` may be non-contiguous, C may be 1.
# - **Memory:** what is kept from forward to backward takes at most 1.1 times the bytes of (`float32`)
#   logits plus the targets. Everything counts, by whatever way it is kept, but two views of one storage
#   count once.
#
# ```text
#   logits [[0, 0], [0, ln 3]]   target [0, 1]     losses ln 2 and ln 4/3     loss 0.4904
#   gradient before grad_out     (p − onehot) / 2 = [[−0.25, 0.25], [0.125, −0.125]]
# ```
#
# **Not allowed**, by any route: `cross_entropy`, `nll_loss` and their modules. Torch's autograd inside
# `forward` or `backward` is not allowed either: `backward` is your formula. `logsumexp`, `softmax`,
# `log_softmax` are fine. Second derivatives are not asked for.


# %% exercise="E3"
class FusedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy over the rows that are kept, with a backward that needs one saved tensor."""

    @staticmethod
    def forward(ctx, logits: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
        """logits [N, C], target [N] → loss ()."""
        # BEGIN SOLUTION
        wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        log_p = wide - wide.logsumexp(dim=1, keepdim=True)  # [N, C]
        kept = target != ignore_index  # [N]
        chosen = log_p[kept, target[kept]]  # [rows kept]
        ctx.save_for_backward(log_p, target)
        ctx.ignore_index, ctx.dtype = ignore_index, logits.dtype
        return (-chosen.sum() / len(chosen)).to(logits.dtype)
        # END SOLUTION

    @staticmethod
    def backward(ctx, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient for logits; the target and ignore_index have none."""
        # BEGIN SOLUTION
        log_p, target = ctx.saved_tensors
        kept = target != ctx.ignore_index
        grad = log_p.exp()
        grad[kept, target[kept]] -= 1  # p − onehot
        grad[~kept] = 0
        grad *= grad_out / kept.sum().clamp(min=1)  # at least 1: no row kept must not become 0/0
        return grad.to(ctx.dtype), None, None
        # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", FusedCrossEntropy)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why it is right.** The derivative of `log Σ exp(z)` is the softmax `p`, that of `−z_y` is −1 at the
# target: `p − onehot`. `logsumexp` subtracts the row's maximum inside, so nothing overflows, and `z −
# logsumexp(z)` keeps its accuracy where `log(softmax(z))` would take the logarithm of a rounded 0.
#
# **What it costs.** One tensor of the logits' size is saved: `log_p`. Saving the logits alone and computing
# the softmax again in `backward` costs the same memory, and none at all if the logits are alive anyway, for
# one more `exp`. The composed version saves several. What you may never do is write into a saved tensor: a
# second backward would meet the rubble.
#
# **Picking instead of multiplying.** `(onehot * log_p).sum()` looks harmless, but `0 · (−inf)` is nan: one
# class that is ruled out would ruin the loss.

# %% [markdown] exercise="E4" minutes=40
# ## E4 · Curvature at scale
#
# The gradient says where downhill is, the *Hessian* `H` of second derivatives says how long that stays
# true. Gradient descent on a quadratic diverges as soon as the learning rate passes `2/λ`, with λ the
# largest eigenvalue of `H`. But for n parameters `H` has n² entries: for a million parameters, four
# terabytes. The way out: almost every question about `H` can be answered by **products `Hv`**, and one such
# product costs about as much as a few gradients.
#
# **1. `hvp(f, x, v)`** returns `H v`, where `H` is the Hessian of `f` at `x`.
# - `f` takes a tensor like `x` and returns a single number (shape `()`). `x` and `v` have the same shape,
#   any shape, and the same floating point dtype; so has the result. Whether the result carries a graph is
#   up to you.
# - It is exact up to rounding: differentiate, no finite differences. `f` is called at `x` and nowhere else.
# - Memory grows like n: no n×n matrix, and not n backward passes either.
# - If `f` is linear, the result is zeros. (`f` always depends on `x`.)
# - `x` may require a gradient already, or not; it may be non-contiguous. The caller's `x` stays as it is,
#   its `requires_grad` and its `.grad` included, and so does the `.grad` of any other tensor that `f` uses.
#
# ```text
#   f(x) = x₀² + 3 x₀ x₁      H = [[2, 3], [3, 0]]      hvp(f, x, [1, 2]) = [8, 3]   at every x
# ```
#
# **2. `sharpness(f, x, *, iters=100, tol=1e-4, generator=None)`** returns the largest |eigenvalue| of `H`
# at `x`, a Python float that is never negative, by **power iteration**: start from a random vector;
# multiply by `H` again and again, normalising each time.
# - Stop after `iters` rounds, or earlier, once the estimate moves by at most `tol` **times itself**
#   (relative: a Hessian may be of size 1e-6 or 1e6).
# - The answer must be right to 1 % if the second largest |eigenvalue| is at most 0.7 of the largest. (A
#   random start may hold next to nothing of the top eigenvector. That is bad luck, and the check takes the
#   middle of three runs.) Spectra with both +λ and −λ at the top are not asked for. The dominant eigenvalue
#   may be negative: the answer is its absolute value.
# - `f` linear gives `0.0`.
# - The start is drawn from `generator`; if it is None, from torch's global generator. With a generator
#   given, the global one stays untouched, and the same seed gives the same answer.
#
# **Not allowed:** `torch.autograd.functional.hvp` and `vhp`, by any route. `torch.autograd.grad` and all of
# `torch.func` are fine.


# %% exercise="E4"
def hvp(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """The Hessian of f at x, times v."""
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()  # a leaf of our own: the caller's x and its .grad stay out of it
    (gradient,) = torch.autograd.grad(f(x), x, create_graph=True)
    if not gradient.requires_grad:
        return torch.zeros_like(x)  # a constant gradient: f is linear
    (product,) = torch.autograd.grad(gradient, x, grad_outputs=v, materialize_grads=True)
    return product
    # END SOLUTION


def sharpness(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    iters: int = 100,
    tol: float = 1e-4,
    generator: torch.Generator | None = None,
) -> float:
    """The largest |eigenvalue| of the Hessian of f at x, by power iteration."""
    # BEGIN SOLUTION
    v = torch.randn(x.shape, dtype=x.dtype, generator=generator)
    v = v / v.norm()
    estimate = 0.0
    for _ in range(iters):
        product = hvp(f, x, v)
        previous, estimate = estimate, product.norm().item()  # |Hv| for |v| = 1
        if abs(estimate - previous) <= tol * estimate:
            break
        v = product / estimate
    return estimate
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", hvp, sharpness)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why it is right.** `Hv` is the gradient of the number `⟨∇f(x), v⟩`, with `v` held fixed. So: one
# gradient that keeps its graph, then one backward pass through that graph. `grad_outputs=v` forms the inner
# product without writing it down. The graph of a linear `f` ends at the first gradient, which is a
# constant: there the answer is zero.
#
# **What it costs.** Two or three times a gradient, in time and in memory, for any n.
#
# **Which estimate.** In each step `v` has length 1 and the estimate is `|Hv|`. The Rayleigh quotient `vᵀHv`
# works as well, after `abs`, and even converges from both sides. They part when +λ and −λ are both there:
# `|Hv|` still tends to λ, while `vᵀHv` settles somewhere between. The stopping test never divides, so a
# Hessian of zeros stops at once: 0 ≤ tol · 0.

# %% [markdown]
# # Everything together
#
# Handwritten digits, 8×8 pixels, ten classes: 1,437 to learn from and 360 to be tested on, never seen in
# training. The pixels are scaled to 0 … 1. A logistic regression gets 0.969 of the test digits right, a
# support vector machine 0.983. Those are the numbers to look at before being proud of a network.


# %%
def load_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """X_train [1437, 64], y_train [1437], X_test [360, 64], y_test [360]; pixels 0…1, one fixed split."""
    from sklearn.datasets import load_digits as read

    pixels, labels = read(return_X_y=True)
    X, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
    test, train = order[:360], order[360:]
    return X[train], y[train], X[test], y[test]


if __name__ == "__main__":
    X_train, y_train, X_test, y_test = load_digits()
    print(X_train.shape, y_train.shape, X_test.shape, y_test.shape)

# %% [markdown] exercise="E5" minutes=60
# ## E5 · A digit classifier with your own autodiff
#
# **Write `train_digits(X, y, …)`:** train a network with one hidden layer by stochastic gradient descent,
# and let the `backward()` of your `Var` compute every gradient.
#
# - `X` `[N, D]` `float32` with values 0 … 1, `y` `[N]` int64 with classes 0 … 9.
# - The network: D inputs → `hidden` units with a nonlinearity → 10 scores. Loss: cross-entropy, built from
#   `Var` operations.
# - In each of `epochs` rounds go through all rows once, in a new random order, in batches of `batch_size`;
#   the last one may be smaller. After each batch move every parameter against its gradient, `lr` times.
# - `seed` fixes everything random: the same call gives the same network, another seed another one.
# - Return `(predict, losses)`. `predict(X)` takes `[M, D]` and returns the scores `[M, 10]` as a plain
#   tensor, the largest for the likeliest class. (Labels `[M]` are accepted as well.) It treats each row by
#   itself: its answer for a digit must not depend on the other digits in the call. `losses` holds one float
#   an epoch: the mean training loss.
#
# **What it must reach** with the default settings: 0.94 of the test digits right, and a last loss below
# 0.2. A sound network gets 0.96 to 0.98.
#
# **What the check also looks at.** Labels in random order must lead to a network that knows nothing about
# test digits. The tape must not grow from step to step. And it sabotages your `Var` once, to see that the
# learning really comes from it.
#
# **Not allowed:** torch's own autograd, by any route, and with it `torch.optim`. The check gets your `Var`
# as well, so that it can watch it work.


# %% exercise="E5"
def train_digits(
    X: Tensor,
    y: Tensor,
    *,
    hidden: int = 64,
    lr: float = 0.1,
    epochs: int = 30,
    batch_size: int = 32,
    seed: int = 0,
) -> tuple[Callable[[Tensor], Tensor], list[float]]:
    """Train D → hidden → 10; returns predict (X [M, D] → scores [M, 10]) and each epoch's mean loss."""
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)

    def he(inputs: int, outputs: int) -> Var:
        """Weights that neither shrink nor blow up what passes through them and a relu."""
        return Var(torch.randn(inputs, outputs, generator=generator) * (2 / inputs) ** 0.5)

    W1, b1 = he(X.shape[1], hidden), Var(torch.zeros(hidden))
    W2, b2 = he(hidden, 10), Var(torch.zeros(10))

    def scores(x: Tensor) -> Var:
        return (Var(x) @ W1 + b1).relu() @ W2 + b2  # [M, 10]

    def cross_entropy(z: Var, onehot: Tensor) -> Var:
        z = z - Var(z.data.amax(dim=1, keepdim=True))  # a constant: shifts no loss, prevents overflow
        log_p = z - z.exp().sum(dim=1, keepdim=True).log()
        return -(log_p * Var(onehot)).sum() / len(onehot)

    onehot = torch.eye(10)[y]
    losses = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = cross_entropy(scores(X[rows]), onehot[rows])
            loss.backward()
            for p in (W1, b1, W2, b2):
                p.data = p.data - lr * p.grad  # a new tensor, not a new node: the tape stays short
                p.grad = None
            total += loss.data.item() * len(rows)
        losses.append(total / len(X))
    return lambda x: scores(x).data, losses
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", train_digits, Var)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **Why it is right.** Each batch builds a small graph, `backward` walks it once, and the parameters get new
# tensors. Since the update touches `.data` alone, nothing of it is recorded, and the old graph is gone as
# soon as `loss` is bound to the next one.
#
# **Why random weights.** With equal weights all hidden units compute the same, receive the same gradient
# and stay equal for ever: 64 units that do the work of one. He's scale `√(2/inputs)` keeps the size of the
# activations.
#
# **What it costs.** 45 batches an epoch, about twenty nodes each: a second or two for everything. A tape in
# C++ would be faster, the arithmetic would be the same. And honesty about the result: on so small a data
# set the network only just keeps up with logistic regression, and the support vector machine wins. What you
# have, and they do not, is a machine that differentiates *anything* you build.

# %% [markdown]
# # How small can it be?
#
# A last experiment, with everything yours: how much does the width of the hidden layer matter? The full
# profile (first code cell) also trains the wide ones.

# %%
if __name__ == "__main__":
    widths, rounds = ((4, 16), 10) if profile == "laptop" else ((4, 16, 64, 256, 1024), 60)
    if lab.passed("E5"):
        for width in widths:
            predict, losses = train_digits(X_train, y_train, hidden=width, epochs=rounds)
            right = (predict(X_test).argmax(dim=1) == y_test).float().mean().item()
            print(f"{width:5} hidden units: {right:.3f} of the test digits right, last loss {losses[-1]:.3f}")
