# %% [markdown]
# # Lab 1.4 · Data Loading
#
# Four warm-ups, then five exercises: from a list of sequences to padded batches, to augmentation that you
# derive yourself, to batches without waste, to a stream that loses nothing. At the end 200 labelled digits
# are enough for a network that reads crooked ones.
#
# How this notebook works:
#
# - Replace each `raise NotImplementedError` with your answer and run the cell.
# - The cell below it checks your answer. A check that says "not quite" costs nothing.
# - Stuck? `lab.hint("W1")` gives the first of three hints. After an attempt, `lab.solution("W1")` shows one
#   good answer beside yours.
# - Once a check passes, the next cell draws or measures something with *your* code.

# %% tags=["parameters"] cut={"full_steps": 5}
profile = "laptop"  # "full" draws the last curve from more label counts and longer trainings
full_steps = 1500

# %%
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, TensorDataset, get_worker_info

from courseware import open_lab

if __name__ == "__main__":
    torch.set_num_threads(1)  # these tensors are small: a second thread would only wait for the first
    lab = open_lab("phase1_foundations/lab4_data_loading")

# %% [markdown]
# # Warm-ups
#
# A training loop asks two questions again and again: *which examples come next*, and *what do they look
# like as one tensor*. Everything in this lab is an answer to one of them. The four drills are the smallest
# answers.

# %% [markdown] exercise="W1" minutes=4
# ## W1 · A dataset is two methods
#
# PyTorch asks two things of a dataset: `len(dataset)`, how many examples there are, and `dataset[i]`, the
# example with number `i`. Any class with the methods `__len__` and `__getitem__` will do. Python adds a
# third thing for free: a `for` loop over such an object asks for `[0]`, `[1]`, `[2]`, … until an
# `IndexError` comes.
#
# **Write the class `Windows`:** `Windows(series, width)` holds all windows of `width` neighbouring numbers
# of a vector `series` of shape `[n]`.
#
# - `windows[i]` is the tensor of shape `[width]` that begins at `series[i]`.
# - `len(windows)` is the number of *complete* windows. If `series` is shorter than `width`, that is 0.
# - `windows[i]` with `i` past the last window raises `IndexError`. (Negative numbers are not asked for
#   here.)
#
# With `series = [1, 2, 3, 4]` and `width = 3` there are two windows, `[1, 2, 3]` and `[2, 3, 4]`, and
# `windows[2]` raises `IndexError`.


# %% exercise="W1"
class Windows:
    """All windows of `width` neighbours of a vector [n], as a dataset."""

    def __init__(self, series: Tensor, width: int) -> None:
        # BEGIN SOLUTION
        self.series, self.width = series, width
        # END SOLUTION

    def __len__(self) -> int:
        """How many complete windows there are."""
        # BEGIN SOLUTION
        return max(0, len(self.series) - self.width + 1)
        # END SOLUTION

    def __getitem__(self, index: int) -> Tensor:
        """Window number `index`, [width]; IndexError past the last one."""
        # BEGIN SOLUTION
        if index >= len(self):
            raise IndexError(f"window {index} of {len(self)}")
        return self.series[index : index + self.width]
        # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", Windows)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# Four numbers have two windows of three: `n − width + 1`. Without the explicit `IndexError` this class
# would look fine and never end in a `for` loop: a slice past the end is an empty tensor, not an error. The
# windows are views: the dataset holds each number once, however many windows it appears in.

# %% [markdown] exercise="W2" minutes=4
# ## W2 · Batches of indices
#
# A loader does not begin with examples. It begins with *numbers* of examples: a list of indices for each
# batch. Shuffling, splitting over machines and resuming all happen to these lists, long before any data
# is read.
#
# **Write `index_batches(n, batch_size, drop_last=False)`:** the indices `0 … n−1` in order, cut into lists
# of `batch_size`. The last list may be shorter; with `drop_last=True` a shorter last list is left out.
# Return a list of lists of Python ints. `n` may be 0: then there are no batches.
#
# `index_batches(5, 2)` is `[[0, 1], [2, 3], [4]]`, and with `drop_last=True` it is `[[0, 1], [2, 3]]`.
# `index_batches(4, 2, drop_last=True)` is `[[0, 1], [2, 3]]`: a *full* last batch stays.


# %% exercise="W2"
def index_batches(n: int, batch_size: int, drop_last: bool = False) -> list[list[int]]:
    """0 … n−1 in lists of `batch_size`; a short last list is kept, or left out with `drop_last`."""
    # BEGIN SOLUTION
    end = n - n % batch_size if drop_last else n
    return [list(range(start, min(start + batch_size, n))) for start in range(0, end, batch_size)]
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", index_batches)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# `ceil(n / batch_size)` batches, or `floor` with `drop_last`. In training one often drops the short batch:
# every step then has the same shape and the same weight. In *evaluation* never: the examples left out are
# not random, they are always the last ones, and the metric is of another test set.

# %% [markdown] exercise="W3" minutes=4
# ## W3 · A mask from lengths
#
# Sequences of different lengths in one table need filler at their ends. A *mask* says which places are
# real: one boolean for each place, **True = real**, everywhere in this course.
#
# **Write `length_mask(lengths, width)`:** `lengths` is an int64 tensor `[B]` with values from 0 to `width`.
# Return a boolean tensor `[B, width]` in which row `i` begins with `lengths[i]` times True; the rest is
# False.
#
# `length_mask(torch.tensor([2, 0, 3]), 3)` is
#
# ```text
#   True  True  False
#   False False False
#   True  True  True
# ```
#
# *The idea:* column `j` of row `i` is real if `j` is smaller than `lengths[i]`. A row of column numbers and
# a column of lengths: broadcasting compares each with each.


# %% exercise="W3"
def length_mask(lengths: Tensor, width: int) -> Tensor:
    """lengths [B] → bool [B, width], True in the first lengths[i] columns of row i."""
    # BEGIN SOLUTION
    return torch.arange(width) < lengths[:, None]
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", length_mask)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# `arange(width)` has shape `[width]`, `lengths[:, None]` has `[B, 1]`: the comparison stretches both to
# `[B, width]`. Columns count from 0, so a length of 2 means the columns 0 and 1: smaller, not "smaller or
# equal". Nothing here looks at the data, and that is the point: a mask from values goes wrong as soon as
# the filler is also a real value.

# %% [markdown] exercise="W4" minutes=5
# ## W4 · A new order every epoch, the same every time
#
# Shuffling should be random *and* repeatable. A run that crashed in epoch 7 must find epoch 7's order again
# without running epochs 0 to 6. So the order must be a function of two numbers, seed and epoch, and of
# nothing that happened before.
#
# - `torch.Generator().manual_seed(5)` makes a private source of random numbers.
# - `torch.randperm(n, generator=g)` gives the numbers `0 … n−1` in random order, drawn from it.
#
# **Write `epoch_order(n, seed, epoch)`:** a permutation of `0 … n−1`, an int64 tensor `[n]`. The same three
# arguments always give the same permutation; another seed or another epoch gives another one. Torch's
# *global* random state (what `torch.rand` uses) stays exactly as it was: whoever shuffles data must not
# change the weights that are drawn next.


# %% exercise="W4"
def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """A permutation of 0 … n−1, a function of (seed, epoch) alone: int64 [n]."""
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return torch.randperm(n, generator=generator)
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", epoch_order)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# `seed + epoch` is accepted too, and PyTorch's own `DistributedSampler` does exactly that. It has a blemish:
# epoch 1 of seed 0 is epoch 0 of seed 1, so two runs with neighbouring seeds, meant as independent repeats,
# see nearly the same batches. Multiplying the seed by a large number, or hashing the pair, costs nothing.

# %% [markdown]
# # From examples to batches
#
# Sentences, melodies and clicks come in all lengths; a tensor is a rectangle. The first exercise is the
# bridge, and it is where most data bugs of beginners live.

# %% [markdown] exercise="E1" minutes=25
# ## E1 · Dataset and padded collate
#
# **1. `SequenceDataset(sequences, labels, transform=None)`** is a map-style dataset.
#
# - `sequences` is a list of N tensors, each `[T_i]` or `[T_i, F]`; `labels` is an int64 tensor `[N]`.
# - `ds[i]` is a pair `(sequence, label)`: a tensor and a Python `int`. `len(ds)` is N.
# - Negative numbers count from the end, as in a list: `ds[-1]` is the last pair, `ds[-N]` the first.
#   Anything beyond either end raises `IndexError`. So `for sequence, label in ds` ends by itself.
# - `transform` gets **the sequence alone** and returns the sequence to be used. It is called each time an
#   example is fetched, once for each fetch: a random transform gives something new every epoch.
# - A transform may write into the tensor that it is given. The data must not suffer: hand it a copy. In the
#   second epoch the transform must meet the same sequences as in the first. Without a transform you may
#   return the stored tensor itself.
#
# **2. `pad_collate(batch, *, pad=0, multiple_of=1)`** turns a list of such pairs into one batch. All
# sequences of a batch have the same dtype and, if any, the same F. Return a tuple `(x, y, lengths, mask)`:
#
# | | shape | dtype | |
# |---|---|---|---|
# | `x` | `[B, T]` or `[B, T, F]` | that of the sequences | each sequence from column 0 on, then `pad` |
# | `y` | `[B]` | int64 | the labels, in the order of the batch |
# | `lengths` | `[B]` | int64 | how long each sequence really is; 0 is allowed |
# | `mask` | `[B, T]` | bool | True = real, also with features |
#
# - T is the longest length of the batch, rounded **up** to a multiple of `multiple_of`. If all lengths are
#   0, T is 0.
# - `pad` may be a number that also occurs as real data: build the mask from the lengths.
# - An empty batch raises `ValueError`.
# - The caller's tensors stay as they are. `nn.utils.rnn.pad_sequence` is allowed.
#
# ```text
#   batch = [([5, 6, 7], 1), ([8], 0)]     pad_collate(batch, multiple_of=4)
#   x = [[5, 6, 7, 0],  y = [1, 0]   lengths = [3, 1]   mask = [[True, True, True, False],
#        [8, 0, 0, 0]]                                          [True, False, False, False]]
# ```


# %% exercise="E1"
class SequenceDataset(Dataset):
    """Pairs (sequence, label), with an optional transform of the sequence at each fetch."""

    def __init__(
        self,
        sequences: list[Tensor],
        labels: Tensor,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        # BEGIN SOLUTION
        self.sequences, self.labels, self.transform = sequences, labels, transform
        # END SOLUTION

    def __len__(self) -> int:
        # BEGIN SOLUTION
        return len(self.sequences)
        # END SOLUTION

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """The pair with that number; negative numbers count from the end, IndexError beyond."""
        # BEGIN SOLUTION
        sequence = self.sequences[index]  # a list knows negative numbers and raises IndexError itself
        if self.transform is not None:
            sequence = self.transform(sequence.clone())
        return sequence, int(self.labels[index])
        # END SOLUTION


def pad_collate(
    batch: list[tuple[Tensor, int]], *, pad: int = 0, multiple_of: int = 1
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x [B, T] or [B, T, F], y [B], lengths [B], mask [B, T] with True = real."""
    # BEGIN SOLUTION
    if not batch:
        raise ValueError("an empty batch has no shape: at least one example is needed")
    sequences = [sequence for sequence, _ in batch]
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    longest = -(-int(lengths.max()) // multiple_of) * multiple_of  # −(−a // b) rounds up
    x = sequences[0].new_full((len(batch), longest, *sequences[0].shape[1:]), pad)
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    mask = torch.arange(longest) < lengths[:, None]
    return x, torch.tensor([label for _, label in batch]), lengths, mask
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", SequenceDataset, pad_collate)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown]
# The course's own library pads too. Its `pad` does what yours does, so the two must agree:

# %%
if __name__ == "__main__":
    if lab.passed("E1"):
        from shared.data import pad

        words = [torch.tensor([ord(letter) - 96 for letter in word]) for word in ("collate", "a", "batch")]
        x, _, lengths, _ = pad_collate([(word, 0) for word in words], multiple_of=8)
        theirs, their_lengths = pad(words, multiple_of=8)
        assert torch.equal(x, theirs)
        assert torch.equal(lengths, their_lengths)
        print("yours and the library's agree:", tuple(x.shape), lengths.tolist())

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why it is right.** The list of sequences raises `IndexError` for us and understands negative numbers;
# asking it *first* means that labels and sequences can never part. `new_full` keeps dtype and device, and
# with `shape[1:]` any feature dimensions come along. The mask never looks at `x`.
#
# **The copy.** `transform(sequence)` without `.clone()` works until somebody writes an in-place transform,
# such as `x[mask] = 0` for token dropout. Then each epoch erases a little more of the data set, and no error
# ever appears. With worker processes it is worse still: each worker ruins its own copy.
#
# **Why `multiple_of`.** Kernels like sizes divisible by 8 or 64, and compilers build one program a shape:
# rounding up trades a little padding for far fewer shapes.

# %% [markdown]
# # More data from the same data
#
# A digit that is turned a little is still that digit. So each labelled image is worth many, if you can turn
# images. That needs two decisions that are easy to get wrong: *where is a pixel*, and *in which direction
# does the map go*.
#
# **Where.** A row of W pixels covers the interval from −1 to 1. Each pixel is a small square, and its value
# belongs to its *centre*: pixel `j` sits at `(2j + 1)/W − 1`. (This is torch's `align_corners=False`.)
# Backwards: the place `u` lies at pixel coordinate `((u + 1)·W − 1)/2`.
#
# **Which way.** Move every input pixel to where it belongs, and the output has holes. So go the other way:
# for every *output* pixel ask where it comes from, and look there. It will be between four pixels: take
# their mean, weighted by nearness.

# %% [markdown] exercise="E2" minutes=60
# ## E2 · Augmentation mathematics
#
# **1. `affine_matrix(angle, scale, shift, shear)`** builds one *look-up map* for each image. `angle` (in
# radians), `scale` and `shear` have shape `[B]`, `shift` has `[B, 2]` (x to the right, then y downwards).
# The result θ is `[B, 2, 3]` in their dtype. It maps a place `p = (x, y)` in the **output** to the place in
# the **input** where it looks: `A p + shift`, where `A` scales first, then rotates, then shears:
#
# $$A = \begin{pmatrix}1 & k\\ 0 & 1\end{pmatrix}
# \begin{pmatrix}\cos\varphi & -\sin\varphi\\ \sin\varphi & \cos\varphi\end{pmatrix}
# \begin{pmatrix}s & 0\\ 0 & s\end{pmatrix},\qquad \theta = \big[\,A \mid \text{shift}\,\big]$$
#
# Since y points down, φ > 0 turns the *content* anticlockwise. Scale 2 looks further out: the content
# shrinks. Shift (0.5, 0) looks to the right: the content moves left. Coordinates run from −1 to 1 either
# way, also in images that are not square; a rotation then stretches a little, as in torch. Gradients flow
# to all four inputs.
#
# **2. `warp(x, theta, *, padding="zeros")`** resamples: `x` `[B, C, H, W]`, `theta` `[B, 2, 3]` of the same
# floating dtype, result like `x`. Pixel centres as above, bilinear weights.
# - Of the four neighbours, those outside of the image count as 0 with `padding="zeros"`; with
#   `padding="border"` the nearest pixel of the image stands in. Anything else raises `ValueError`.
# - H ≠ W, 1×1 images, B = 0, non-contiguous `x`, places far outside: all fine. Gradients flow to `x` and to
#   `theta` as in torch.
# - **Not allowed:** `grid_sample` and `affine_grid`, by any route. They are this function.
#
# ```text
#   x = [[1, 2],   angle π/2 gives [[2, 4],     shift (1, 0) gives [[2, 0],   and with "border" [[2, 2],
#        [3, 4]]                    [1, 3]]                         [4, 0]]                      [4, 4]]
# ```
#
# **3. `mixup(x, y, n_classes, alpha, generator)`** blends each example with a partner. `x` is `[B, …]`
# (any number of axes, floating point), `y` int64 `[B]`. Draw one random permutation π of the batch and, for
# **each example**, its own λ_i ~ Beta(α, α). Return `(x̃, ỹ)` with the same λ and π in both:
#
# $$\tilde x_i = \lambda_i x_i + (1-\lambda_i)\,x_{\pi(i)},\qquad
# \tilde y_i = \lambda_i\,\text{onehot}(y_i) + (1-\lambda_i)\,\text{onehot}(y_{\pi(i)})$$
#
# - ỹ is `[B, n_classes]`; both have the dtype of `x`. `alpha=0` means λ = 1: `x` and the one-hot labels,
#   exactly. B may be 0.
# - `torch.distributions.Beta` takes no generator. One way out: draw an integer from `generator` and let it
#   seed NumPy, `np.random.default_rng(number).beta(alpha, alpha, size=B)`.
#
# **4. `Compose(transforms)` and `RandomApply(transform, p)`.** A transform is any callable
# `(x, generator) → x` of a batch `[B, …]` that keeps its shape. `Compose(ts)(x, generator)` applies them
# one after the other, the first one first; with none it returns `x`. `RandomApply(t, p)(x, generator)`
# throws one coin for **each example**: with probability `p` it comes back as `t` made it, otherwise as it
# was.
#
# **Everywhere:** all randomness comes from the `generator` that is passed in (always a
# `torch.Generator`), and goes on to the inner transforms. The same seed gives the same result, and the
# global random states (torch, NumPy, Python) stay untouched. Inputs are not changed in place.


# %% exercise="E2"
Transform = Callable[[Tensor, torch.Generator], Tensor]


def affine_matrix(angle: Tensor, scale: Tensor, shift: Tensor, shear: Tensor) -> Tensor:
    """The look-up maps θ [B, 2, 3]: scale, then rotate, then shear, then shift, from output to input."""
    # BEGIN SOLUTION
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale  # B each
    top = torch.stack([cos + shear * sin, shear * cos - sin, shift[:, 0]], dim=1)  # B 3
    bottom = torch.stack([sin, cos, shift[:, 1]], dim=1)  # B 3
    return torch.stack([top, bottom], dim=1)  # B 2 3
    # END SOLUTION


def warp(x: Tensor, theta: Tensor, *, padding: str = "zeros") -> Tensor:
    """x [B, C, H, W] looked up at theta · (x, y, 1) for every output pixel, bilinear."""
    # BEGIN SOLUTION
    if padding not in ("zeros", "border"):
        raise ValueError(f'padding is "zeros" or "border", not {padding!r}')
    batch, _, height, width = x.shape
    across = (2 * torch.arange(width, dtype=x.dtype, device=x.device) + 1) / width - 1
    down = (2 * torch.arange(height, dtype=x.dtype, device=x.device) + 1) / height - 1
    y, u = torch.meshgrid(down, across, indexing="ij")
    centres = torch.stack([u, y, torch.ones_like(u)], dim=-1)  # H W 3
    source = torch.einsum("bij,hwj->ibhw", theta, centres)  # 2 B H W
    column, row = ((source[0] + 1) * width - 1) / 2, ((source[1] + 1) * height - 1) / 2
    left, top = column.detach().floor(), row.detach().floor()
    image = torch.arange(batch, device=x.device)[:, None, None]
    result = 0
    for r in (top, top + 1):
        for c in (left, left + 1):
            weight = (1 - (row - r).abs()) * (1 - (column - c).abs())  # B H W
            if padding == "zeros":
                weight = weight * ((r >= 0) & (r < height) & (c >= 0) & (c < width))
            inside = x[image, :, r.long().clamp(0, height - 1), c.long().clamp(0, width - 1)]  # B H W C
            result = result + weight[..., None] * inside
    return result.movedim(-1, 1)
    # END SOLUTION


def mixup(
    x: Tensor, y: Tensor, n_classes: int, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """x [B, …] and soft labels [B, n_classes], each example blended with a random partner."""
    # BEGIN SOLUTION
    partner = torch.randperm(len(x), generator=generator)
    number = int(torch.randint(2**62, (), generator=generator))
    share = np.random.default_rng(number).beta(alpha, alpha, size=len(x)) if alpha else np.ones(len(x))
    own = torch.from_numpy(share).to(x.dtype)  # B
    onehot = F.one_hot(y, n_classes).to(x.dtype)  # B n_classes
    for_x = own.view(-1, *[1] * (x.dim() - 1))  # B 1 … 1
    mixed = for_x * x + (1 - for_x) * x[partner]
    return mixed, own[:, None] * onehot + (1 - own[:, None]) * onehot[partner]
    # END SOLUTION


class Compose:
    """One transform after the other, with one generator."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        # BEGIN SOLUTION
        self.transforms = transforms
        # END SOLUTION

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        # BEGIN SOLUTION
        for transform in self.transforms:
            x = transform(x, generator)
        return x
        # END SOLUTION


class RandomApply:
    """Each example is transformed with probability p."""

    def __init__(self, transform: Transform, p: float) -> None:
        # BEGIN SOLUTION
        self.transform, self.p = transform, p
        # END SOLUTION

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        # BEGIN SOLUTION
        chosen = torch.rand(len(x), generator=generator) < self.p  # B
        changed = self.transform(x, generator)
        return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), changed, x)
        # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", affine_matrix, warp, mixup, Compose, RandomApply)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown]
# And the grown-up version: the library's `warp` calls torch's two functions. Same maps, same images?

# %%
if __name__ == "__main__":
    if lab.passed("E2"):
        from shared.data.transforms import warp as library_warp

        g = torch.Generator().manual_seed(0)
        images, angles = torch.rand(16, 3, 12, 20, generator=g), torch.randn(16, generator=g)
        theta = affine_matrix(angles, 1 + angles / 9, torch.randn(16, 2, generator=g), angles / 5)
        difference = (warp(images, theta) - library_warp(images, theta)).abs().max().item()
        assert difference < 1e-5
        print(f"largest difference between your warp and the library's: {difference:.0e}")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Why it is right.** One loop over the four neighbours says everything: the weight of a neighbour is
# `(1 − |Δrow|)·(1 − |Δcolumn|)`, whatever side it is on. Taking `floor` only decides *which* four; the
# weights are computed from the undetached coordinates, so gradients reach `theta`. Clamping the index makes
# every read legal, and a weight of 0 makes the illegal ones worthless.
#
# **Half a pixel.** With centres at `(2j + 1)/W − 1` an image of 8 pixels spans exactly 2 units, so a
# shift of `2/W` is one pixel. With `align_corners=True` the outermost *centres* sit at ±1 and a pixel
# is `2/(W − 1)` wide: the same θ means something else at every resolution.
#
# **The group law.** `warp(warp(x, A), B)` looks at `B p` first and then at `A (B p)`: it equals
# `warp(x, A·B)`. The warp that is applied *last* stands on the *right*.
#
# **One λ each.** One λ for the whole batch is what the first implementations did. It is right as well, but
# noisier: every gradient step sees either strong blending or hardly any.
#
# **What it costs.** Four gathers of the image's size, plus their graph. `grid_sample` fuses them into one
# pass: use that in earnest. A loop over images costs the same arithmetic and a hundred times the overhead.

# %% [markdown]
# # Batches without waste
#
# In a batch of names, "Chad" waits for "South Georgia & South Sandwich Islands": 4 letters, padded to 38.
# All those pads are computed, and thrown away. Put similar lengths together, and count a batch by what it
# costs, not by how many sequences it has.

# %% [markdown] exercise="E3" minutes=50
# ## E3 · Token-budget bucketing
#
# **Write `BucketBatchSampler(lengths, max_tokens, *, bucket_size=512, shuffle=True, drop_last=False,
# seed=0)`.** Iterating over it yields the batches of one epoch, each a list of Python ints: indices into
# `lengths` (a list of N ints, each at least 0).
#
# **The budget.** A batch costs what it costs *after padding*: number of items × longest of them. That must
# be at most `max_tokens`. An item that is longer than `max_tokens` by itself gets a batch of its own. If
# there is such an item, give one `UserWarning` (`warnings.warn`) when the sampler is made.
#
# **The recipe** for an epoch:
# 1. With `shuffle=True`: put all indices into random order.
# 2. Cut this order into *buckets* of `bucket_size` indices; the last may be smaller.
# 3. Sort each bucket by length, short to long; equal lengths keep their order.
# 4. Cut each sorted bucket into batches: take item after item, and begin a new batch when the next one
#    would break the budget. No batch spans two buckets.
# 5. With `shuffle=True`: put all batches of all buckets into random order.
#
# With `shuffle=False`, steps 1 and 5 fall away, and every epoch is the same: that makes the result exact.
#
# ```text
#   lengths = [5, 1, 3, 3], max_tokens = 6, shuffle = False        sorted: items 1, 2, 3, 0
#   [[1, 2], [3], [0]]       2 × 3 = 6 fits; with item 3 it were 3 × 3 = 9
# ```
#
# **`drop_last=True`** leaves out the *last* batch that step 4 cuts from each bucket: the bucket's end closed
# it, not the budget. Everything else stays. With `drop_last=False` every index comes exactly once.
#
# **Epochs.** The order is a function of `seed` and the epoch, which is 0 until `set_epoch(e)` is called.
# Iterating twice without `set_epoch` gives the same batches in the same order; another epoch or another
# seed gives others, and another process the same. A pass that begins while another is under way does not
# disturb it. `len(sampler)` is the exact number of batches of the current epoch. Nothing touches the global
# random states.
#
# **What it must reach** (other ways of doing steps 1 to 5 are fine): every index once; on the names of
# `shared.data.names`, at most half the padding of batches with the same budget cut from an unsorted random
# order; no more than `1.5 · Σ lengths / max_tokens` batches plus two a bucket, where no item is longer than
# a tenth of the budget; batches of short and of long items mixed over the epoch.


# %% exercise="E3"
class BucketBatchSampler(Sampler[list[int]]):
    """Batches of similar lengths, each at most `max_tokens` after padding."""

    def __init__(
        self,
        lengths: Sequence[int],
        max_tokens: int,
        *,
        bucket_size: int = 512,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
    ) -> None:
        # BEGIN SOLUTION
        self.lengths, self.max_tokens, self.bucket_size = list(lengths), max_tokens, bucket_size
        self.shuffle, self.drop_last, self.seed, self.epoch = shuffle, drop_last, seed, 0
        longest = max(self.lengths, default=0)
        if longest > max_tokens:
            warnings.warn(f"an item of {longest} tokens exceeds the budget of {max_tokens}", stacklevel=2)
        self._plan: tuple[int, list[list[int]]] | None = None  # the epoch that was planned, its batches
        # END SOLUTION

    def set_epoch(self, e: int) -> None:
        """The next iteration, and len(), are of epoch e."""
        # BEGIN SOLUTION
        self.epoch = e
        # END SOLUTION

    def __iter__(self) -> Iterator[list[int]]:
        # BEGIN SOLUTION
        return iter(self._batches())
        # END SOLUTION

    def __len__(self) -> int:
        """The number of batches of the current epoch."""
        # BEGIN SOLUTION
        return len(self._batches())
        # END SOLUTION

    def _batches(self) -> list[list[int]]:
        """All batches of the current epoch. (An inner helper: use it or leave it.)"""
        # BEGIN SOLUTION
        if self._plan is not None and self._plan[0] == self.epoch:
            return self._plan[1]
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        count = len(self.lengths)
        order = torch.randperm(count, generator=generator).tolist() if self.shuffle else list(range(count))
        batches: list[list[int]] = []
        for start in range(0, count, self.bucket_size):
            bucket = sorted(order[start : start + self.bucket_size], key=self.lengths.__getitem__)
            cut: list[list[int]] = [[]]
            for index in bucket:
                if cut[-1] and (len(cut[-1]) + 1) * self.lengths[index] > self.max_tokens:
                    cut.append([])
                cut[-1].append(index)  # sorted: this one is the longest of its batch
            batches += cut[:-1] if self.drop_last else cut
        if self.shuffle:
            batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
        self._plan = self.epoch, batches
        return batches
        # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", BucketBatchSampler)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown]
# The library's `TokenBudget` follows the same recipe. Its random numbers are others, its waste should not
# be:

# %%
if __name__ == "__main__":
    if lab.passed("E3"):
        from shared.data import TokenBudget
        from shared.data.names import names
        from shared.data.order import padding_share

        sizes = torch.tensor([len(name.text) for name in names().train])
        yours = [torch.tensor(batch) for batch in BucketBatchSampler(sizes.tolist(), 1000, bucket_size=1024)]
        theirs = TokenBudget(sizes, 1000, pool=1024).batches(0)
        mine, other = padding_share(sizes, yours), padding_share(sizes, theirs)
        assert abs(mine - other) < 0.03
        print(
            f"padding: yours {mine:.1%} in {len(yours)} batches, the library's {other:.1%} in {len(theirs)}"
        )

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why it is right.** Within a sorted bucket the next item is the longest so far, so the batch's cost after
# adding it is `(count + 1) · length`: one multiplication decides. The random order comes *before* the
# buckets are cut, so every epoch brings other neighbours together; the batches are shuffled *after*, so that
# the model does not see all short texts first.
#
# **The trade.** A bucket of all N items wastes least and mixes worst: the same neighbours meet in every
# epoch. A bucket of one batch is plain shuffling. A few hundred to a few thousand is where the curve is
# flat.
#
# **The length.** Schedulers divide by it, progress bars trust it. It depends on the epoch, so it is
# computed, not estimated: planning 8,400 names takes milliseconds, and the plan is kept until the epoch
# changes.
#
# **One consequence to know.** Batches now have different numbers of sequences. A loss that is a *mean* over
# the batch weighs a long sequence more than a short one; dividing by a count of tokens, as in lab 1.3, does
# not.

# %% [markdown]
# # Data that does not fit
#
# A map-style dataset answers `ds[i]` for any i. A terabyte in a thousand files cannot, at least not
# quickly: it is *read*, from front to back. Reading is easy. Reading everything exactly once, with several
# machines and several worker processes each, shuffled, and going on after a crash at the very next row:
# that is the exercise.

# %% [markdown] exercise="E4" minutes=60
# ## E4 · Streaming exactly once
#
# **Write `ShardedStream(shards, *, rank=0, world=1, shuffle_buffer=0, seed=0)`.** `shards` is a list of
# paths of `.npy` files (`np.load` reads one), each an array `[n_i, d]`; a shard may have no rows at all.
# Iterating yields **one row at a time, as a torch tensor** `[d]` of the array's dtype.
#
# **Who reads what.** There are `world` machines, this one is number `rank`, and each may run several worker
# processes: `torch.utils.data.get_worker_info()` says which worker this is (`.id`) of how many
# (`.num_workers`), and is `None` outside of a worker: then count as worker 0 of 1. So there are `C = world ·
# workers` consumers, and this is number `rank · workers + id`. Together they yield every row exactly once,
# and they share fairly:
# - With at least C shards each consumer reads *whole shards*, as many as the others or one more or less
#   (`shards[number::C]`, say). No shard is read by two.
# - With fewer shards than C, each shard's *rows* are dealt out: of each shard, every consumer gets as many
#   rows as the others, or one more or less.
#
# **Order.** Without shuffling (`shuffle_buffer` 0 or 1) a consumer goes through its shards in the order of
# the list, and through the rows of each from first to last. With `shuffle_buffer = n` at least 2, the rows
# pass through a buffer of n rows: fill it, hand out a random one of those that wait, take in the next, and
# at the end hand out the rest in random order. (Filling n, shuffling them, handing out all n and refilling
# is fine too.) At most n rows ever wait. The random choices are a function of `seed`, epoch and consumer
# number alone: different consumers and different epochs draw differently.
#
# **Memory.** At any time at most the rows that wait and *one shard* are in memory. Nothing is read before
# the iteration begins. (A row that is only a view keeps its whole shard alive: copy it.)
#
# **Epochs.** `iter(stream)` begins the current epoch at its start: epoch 0, until `set_epoch(e)`.
#
# **Resuming**, in the process that iterates (outside of workers):
# - `state_dict()` may be called between any two rows. It describes the iteration that was begun last; the
#   rows that were handed out count as done. Before any row: the start of the current epoch.
# - A new stream with the same arguments that gets `load_state_dict(state)` is in that state's epoch, and its
#   next `iter()` yields exactly the rows that were still to come, in the same order. If the epoch was over:
#   none. Only this first `iter()` continues; a later one begins the epoch at its start.
# - `set_epoch(e)` after a load means: epoch e from its start.
# - `state_dict()` right after `load_state_dict(state)` describes the same place. The state is a `dict` that
#   can be pickled. It is a snapshot: going on with the stream does not change it.


# %% exercise="E4"
class ShardedStream(IterableDataset):
    """Rows of `.npy` shards, each exactly once over all ranks and workers, shuffled and resumable."""

    def __init__(
        self,
        shards: list[Path],
        *,
        rank: int = 0,
        world: int = 1,
        shuffle_buffer: int = 0,
        seed: int = 0,
    ) -> None:
        # BEGIN SOLUTION
        self.shards, self.rank, self.world = list(shards), rank, world
        self.size, self.seed = max(shuffle_buffer, 1), seed
        self.set_epoch(0)
        # END SOLUTION

    def set_epoch(self, e: int) -> None:
        """The next iteration begins epoch e at its start."""
        # BEGIN SOLUTION
        self.epoch = e
        self._cursor: dict[str, Any] = {"shard": 0, "row": 0, "buffer": [], "rng": None}
        self._continue = False
        # END SOLUTION

    def __iter__(self) -> Iterator[Tensor]:
        # BEGIN SOLUTION
        if not self._continue:
            self.set_epoch(self.epoch)
        self._continue, cursor = False, self._cursor
        worker = get_worker_info()
        workers, id_ = (worker.num_workers, worker.id) if worker else (1, 0)
        number, consumers = self.rank * workers + id_, self.world * workers
        whole = len(self.shards) >= consumers
        mine = self.shards[number::consumers] if whole else self.shards
        rng = np.random.default_rng((self.seed, self.epoch, number))
        if cursor["rng"] is not None:
            rng.bit_generator.state = cursor["rng"]
        cursor["rng"], buffer = rng, cursor["buffer"]
        while cursor["shard"] < len(mine):
            rows = np.load(mine[cursor["shard"]])
            first, step = (0, 1) if whole else ((number - cursor["shard"]) % consumers, consumers)
            own = rows[first::step]  # a view: nothing is copied yet
            while cursor["row"] < len(own):
                buffer.append(torch.tensor(own[cursor["row"]]))
                cursor["row"] += 1
                if len(buffer) == self.size:
                    yield buffer.pop(int(rng.integers(len(buffer))))
            cursor["shard"], cursor["row"] = cursor["shard"] + 1, 0
            del rows, own  # before the next one is loaded
        while buffer:
            yield buffer.pop(int(rng.integers(len(buffer))))
        # END SOLUTION

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration stands, as a snapshot."""
        # BEGIN SOLUTION
        rng = self._cursor["rng"]
        return {
            "epoch": self.epoch,
            **self._cursor,
            "buffer": list(self._cursor["buffer"]),
            "rng": rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng,
        }
        # END SOLUTION

    def load_state_dict(self, sd: dict[str, Any]) -> None:
        """The next iteration continues where that state was taken."""
        # BEGIN SOLUTION
        self.set_epoch(sd["epoch"])
        self._cursor = {key: sd[key] for key in ("shard", "row", "rng")} | {"buffer": list(sd["buffer"])}
        self._continue = True
        # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", ShardedStream)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown]
# The check plays the workers inside this process. Here are real ones: two machines (one after the other)
# with two worker processes each, over five files. Where processes are *spawned* (Windows, macOS), a class
# that was written in a notebook cannot travel to them: move it to a `.py` file there.

# %%
if __name__ == "__main__":
    if lab.passed("E4") and multiprocessing.get_start_method() == "fork":
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.npy" for number in range(5)]
            for number, path in enumerate(files):
                np.save(path, np.array([[number, row] for row in range(3 + number)]))
            seen = []
            for rank in range(2):
                stream = ShardedStream(files, rank=rank, world=2, shuffle_buffer=4)
                rows = [tuple(row.tolist()) for row in DataLoader(stream, batch_size=None, num_workers=2)]
                print(f"machine {rank}: {len(rows)} rows, the first four are {rows[:4]}")
                seen += rows
            assert sorted(seen) == [(number, row) for number in range(5) for row in range(3 + number)]
            print(f"together: all {len(seen)} rows, each exactly once")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why it is right.** Everything that the next row depends on lives in one small dictionary, the cursor:
# shard, row, the rows that wait, and the generator. It is always up to date *before* a row is yielded,
# because a generator function stops exactly there. A state is a copy of it; resuming is starting with it.
#
# **Why the buffer is part of the state.** The rows that wait have been read and not handed out. Forget them
# and a resumed run loses up to n rows, silently; read them again and n rows come twice.
#
# **The other way** is to store only (epoch, number of rows handed out) and, on resuming, to start the epoch
# and throw that many away. It is right, tiny, and reads everything again: a day into an epoch it costs
# hours. Real systems store the cursor; `torchdata`'s `StatefulDataLoader` asks each worker for its own.
#
# **What it costs.** Whole shards to a consumer means that nobody opens a file twice. But uneven shards make
# uneven epochs: one rank ends before the others. Production formats keep shards of equal size for this
# reason.

# %% [markdown]
# # Everything together
#
# 1,437 labelled digits are a luxury. Suppose that somebody had labelled 200 of them, and that the scanner
# is crooked: what must be read is turned by up to 25 degrees, shifted by up to a pixel and up to 10 % larger
# or smaller. Trained on the 200 upright images alone, a small network reads less than half of these.
# Trained on the same 200, but never twice the same, it reads most of them. No better model, no more labels:
# data loading.


# %%
def few_labels(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`count` labelled training digits [count, 1, 8, 8] with values 0…1, and their classes [count]."""
    from shared.data import digits

    train = digits().train
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:count]
    return train.inputs[some], train.targets[some]


if __name__ == "__main__":
    X200, y200 = few_labels(200)
    print(X200.shape, X200.dtype, y200.shape, y200.bincount().tolist())

# %% [markdown] exercise="E5" minutes=60
# ## E5 · Make 200 labels work
#
# **1. `build_pipeline(X200, y200, *, seed)`** returns a `DataLoader` over the labelled digits: `X200`
# `[N, 1, 8, 8]` float32 with values 0 … 1, `y200` `[N]` int64 (N is 200 in earnest; the check also tries
# others).
# - It yields pairs `(x, y)`: `x` `[B, 1, 8, 8]` float32 on the same scale (0 … 1; a little noise beyond is
#   fine), `y` `[B]` int64. B is your choice. `num_workers` stays 0: for 200 images in memory workers only
#   cost (and your `choose_workers` should say so).
# - One pass over the loader is one epoch: **every image once**, in a new random order, each **newly
#   distorted**: turned, scaled, shifted as the scanner does, each image by amounts of its own. No mirror
#   images and no turns beyond 45 degrees: those are other signs.
# - `seed` fixes everything random: two pipelines with the same arguments give the same epochs one after the
#   other, whatever else draws random numbers meanwhile. Another seed gives others.
# - `X200` and `y200` do not change. Your `warp` and `affine_matrix` of E2 are just right; torch's
#   `grid_sample` is allowed here too.
#
# **2. `choose_workers(dataset, candidates=(0, 1, 2), budget_s=5.0)`** measures how many workers suit a
# map-style dataset and returns `(best, seconds)`: the fastest candidate, and a dict from each candidate to
# the **seconds that one epoch takes**.
# - Measure, never guess: for each candidate `w` build `DataLoader(dataset, batch_size=32, num_workers=w)`
#   and go through it with a clock (`time.perf_counter`). The clock starts *before* `iter(loader)`, so the
#   start-up of the workers counts.
# - Each candidate may use an equal share of `budget_s`. Look at the clock after each batch; if the share is
#   spent, stop there and extrapolate: elapsed · (batches in all) / (batches seen).
#
# **3. `train(loader, steps=1500, seed=0)`** trains a network of your choice for exactly `steps` optimizer
# steps, one a batch, and returns it: an `nn.Module` that maps images `[M, 1, 8, 8]` to 10 scores `[M, 10]`,
# in evaluation mode (`.eval()`). When the loader is through, begin the next epoch. `seed` fixes the weights
# at the start: the same seed and the same batches give the same network.
#
# **What it must reach** with the default settings, on 360 test digits that nobody trained on: **0.85** right
# of the crooked ones, and **0.90** of the upright ones. Without any distortion a network reads 0.45 to 0.5
# of the crooked ones. With labels in random order it must know nothing.
#
# The network decides too. Measured with good distortions, over several seeds: one hidden layer of 128 units
# with Adam at 1e-3 stops at 0.74 to 0.77 of the crooked digits; two layers of 256 reach 0.86 to 0.90; a small
# convolutional network, with a learning rate that falls from 5e-3 to 0, reaches 0.94 to 0.96.


# %% exercise="E5"
def build_pipeline(X200: Tensor, y200: Tensor, *, seed: int) -> DataLoader:
    """A loader of all images, newly distorted in each epoch: x [B, 1, 8, 8], y [B]."""
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)

    def distort(examples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        x, y = (torch.stack(part) for part in zip(*examples, strict=True))
        turn, grow, slant, right, down = (2 * torch.rand(5, len(x), generator=generator) - 1).unbind()
        shift = torch.stack([right, down], dim=1) * 0.3  # a pixel is 2/8 wide
        return warp(x, affine_matrix(0.5 * turn, 1 + 0.15 * grow, shift, 0.1 * slant)), y

    dataset = TensorDataset(X200, y200)
    return DataLoader(dataset, batch_size=50, shuffle=True, generator=generator, collate_fn=distort)
    # END SOLUTION


def choose_workers(
    dataset: Dataset, candidates: Sequence[int] = (0, 1, 2), budget_s: float = 5.0
) -> tuple[int, dict[int, float]]:
    """The fastest number of workers, and the seconds that an epoch takes with each."""
    # BEGIN SOLUTION
    seconds: dict[int, float] = {}
    for workers in candidates:
        loader = DataLoader(dataset, batch_size=32, num_workers=workers)
        started, seen = time.perf_counter(), 0
        for _ in loader:
            seen += 1
            if time.perf_counter() - started > budget_s / len(candidates):
                break
        seconds[workers] = (time.perf_counter() - started) * len(loader) / max(seen, 1)
    return min(seconds, key=seconds.__getitem__), seconds
    # END SOLUTION


def train(loader: DataLoader, steps: int = 1500, seed: int = 0) -> nn.Module:
    """A network [M, 1, 8, 8] → [M, 10] after `steps` steps over the loader's batches."""
    # BEGIN SOLUTION
    with torch.random.fork_rng():  # the weights come from the seed, and nobody else notices
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    done = 0
    while done < steps:
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
    return model.eval()
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", build_pipeline, choose_workers, train)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **Why it works.** Each of the 200 images stands for a small cloud of images that mean the same. Training on
# fresh points of the cloud tells the network which directions do *not* matter: an invariance is taught, not
# built in. The distortions of training may be a little wider than those of the test, but not other: a
# mirrored 2 is no digit.
#
# **One generator, passed down.** Sampler and collate function draw from the generator that the seed made.
# Nothing else can disturb it, and it moves on from epoch to epoch by itself. With worker processes this
# would break: each worker has a *copy* of the generator, and starts every epoch from the same copy. There
# the random numbers must be made from (seed, epoch, index), as `shared.data.Draws` does.
#
# **On whole batches.** The collate function distorts 50 images in one go. One image at a time, in
# `__getitem__`, means the same and costs some twenty times more: the overhead of a hundred small operations
# is paid for each image instead of each batch.
#
# **Workers.** Their start-up is paid in each epoch, unless `persistent_workers=True`. For data in memory it
# is all they bring. For a dataset that *waits*, even on one core, waiting in parallel wins.

# %% [markdown]
# # What is a label worth?
#
# The last curve: crooked test digits read, against the number of labels, with your distortions and without.
# The full profile (first code cell) has more counts and trains as long as E5 does. On a GPU nothing here
# would run faster: the images are too small to keep it busy.

# %%
if __name__ == "__main__":
    counts, steps = (
        ((50, 200, 800), 300) if profile == "laptop" else ((25, 50, 100, 200, 400, 800), full_steps)
    )
    if lab.passed("E5"):
        from phase1_foundations.lab4_data_loading.checks_by_exercise.e5_picture import label_curve

        label_curve(build_pipeline, train, few_labels, counts, steps)
