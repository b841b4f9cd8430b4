# %% [markdown]
# # Lab 2.6 · Model Export
#
# Four warm-ups of a few minutes, then five exercises. You take a network out of the notebook it was trained
# in: make it exportable and prove that it still computes the same, write its numbers in 8 bits (and in 2),
# and ship a folder that a fresh process can load without a line of your training code.
#
# - Replace each `raise NotImplementedError` with your answer and run the cell, then the check below it.
# - Stuck? `lab.hint("W1")` gives the first of three hints. After an attempt, `lab.solution("W1")` shows one
#   good answer beside yours.
#
# **Tools.** `torch.export` is the way to capture a model today. You will still meet *TorchScript*
# (`torch.jit.trace`, `torch.jit.script`): it is deprecated, and here it appears only as the thing that goes
# wrong. ONNX needs the packages `onnx`, `onnxscript` and `onnxruntime`; `make lab` installs them. Where
# they are missing, the check says so in a line of its own and the lab is complete without them.

# %% tags=["parameters"] cut={"full_seeds": 1}
profile = "laptop"  # "full" repeats the last comparison with more seeds
full_seeds = 3

# %%
import copy
import hashlib
import importlib.util
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware import open_lab
from shared.data import digits
from shared.nn.fold import fold_batchnorms

if __name__ == "__main__":
    torch.set_num_threads(1)  # these tensors are small: a second thread would only wait for the first
    lab = open_lab("phase2_intermediate/lab6_model_export")

# %% [markdown]
# # Warm-ups
#
# Where does a captured model lie? How does one choose without an `if`? How many numbers are there in b
# bits? And is this file the one that was shipped?

# %% [markdown] exercise="W1" minutes=4
# ## W1 · Where a captured model lies
#
# A capture tool turns a Python function into a fixed program. Tracing does it by running the function once
# and writing down the tensor operations. An `if` leaves no trace: the branch of the example stays for ever,
# and nothing is raised. You only find it by comparing.
#
# **Write `where_they_differ(original, captured, inputs, atol=1e-6)`:** the positions in the list `inputs`
# (0, 1, …) at which the two functions give different results, as a list of whole numbers in rising order.
#
# - Both take one tensor and return one tensor. They *differ* if the shapes differ, or any element does by
#   more than `atol`.
# - NaN in both at the same place is equal; NaN in one of them is a difference. The same infinity in both is
#   equal.
# - Each function is called once for each input.


# %% exercise="W1"
def where_they_differ(
    original: Callable[[Tensor], Tensor],
    captured: Callable[[Tensor], Tensor],
    inputs: Sequence[Tensor],
    atol: float = 1e-6,
) -> list[int]:
    """The positions of the inputs on which the two functions disagree."""
    # BEGIN SOLUTION
    found = []
    for i, x in enumerate(inputs):
        a, b = original(x), captured(x)
        if a.shape != b.shape or not torch.allclose(a, b, rtol=0, atol=atol, equal_nan=True):
            found.append(i)
    return found
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", where_they_differ)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# The traced function knows only the branch of its example. `torch.jit.script` would have read the source
# and kept the `if`; both are TorchScript, both are deprecated. `torch.export` refuses this function with an
# error instead: a refusal is better than a wrong answer. Whatever the tool, the test is the same: inputs
# that take *every* branch, and a comparison.

# %% [markdown] exercise="W2" minutes=4
# ## W2 · A choice without an `if`
#
# `torch.export` runs a function with tensors that have shapes but no values. `if x.sum() > 0` asks for a
# value, and the export ends with `GuardOnDataDependentSymNode`. The way out: compute both, and let a tensor
# operation choose.
#
# **Write `double_or_less(x)`:** `2 * x` if the sum of **all** elements of `x` is greater than 0, otherwise
# `x − 1`. The result has `x`'s shape and dtype.
#
# - `x` is `float32` of any shape; 0-d and empty too (the sum of nothing is 0).
# - It must be exportable: no `if` on values, no `.item()`, no `float(…)` of a tensor.
# - What is not chosen must not leak: with an infinite x the other branch may be NaN, and `0 * NaN` is NaN.


# %% exercise="W2"
def double_or_less(x: Tensor) -> Tensor:
    """2x where the sum of all elements is positive, x − 1 otherwise, without a Python branch."""
    # BEGIN SOLUTION
    return torch.where(x.sum() > 0, 2 * x, x - 1)
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", double_or_less)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# `torch.where` computes both branches, which is fine when they are cheap. `torch.cond(pred, f, g, (x,))`
# puts both into the program and runs one of them: better when a branch is expensive. A mask times a value
# (`m * a + (1 - m) * b`) looks the same until one side is infinite.

# %% [markdown] exercise="W3" minutes=3
# ## W3 · The numbers in b bits
#
# With b bits one can write 2ᵇ different whole numbers. Unsigned they start at 0. Signed (two's complement)
# half of them are negative.
#
# **Write `levels(bits, signed=True)`:** the smallest and the largest, as a tuple of two Python ints.
#
# `levels(8)` is `(-128, 127)` and `levels(8, signed=False)` is `(0, 255)`. `bits` is 1 … 16.


# %% exercise="W3"
def levels(bits: int, signed: bool = True) -> tuple[int, int]:
    """The smallest and the largest whole number of `bits` bits."""
    # BEGIN SOLUTION
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", levels)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# There is one negative number more than positive ones, because 0 takes a place. Symmetric quantisation
# gives the odd one away, so that −x and x are treated alike: with 8 bits it uses −127 … 127, and with 2
# bits only −1, 0 and 1.

# %% [markdown] exercise="W4" minutes=4
# ## W4 · Is this the file that was shipped?
#
# A model that was cut off while it was copied may still load. So an artefact says what its files must be:
# the SHA-256 of their **contents**.
#
# **Write `fingerprint(path)`:** the SHA-256 of the bytes in the file, as 64 lower-case hexadecimal digits.
# `path` is a `str` or a `Path`. The file's name and place do not matter. An empty file has a fingerprint
# too.
#
# `hashlib.sha256(data).hexdigest()` knows how to hash bytes.


# %% exercise="W4"
def fingerprint(path: str | Path) -> str:
    """The SHA-256 of the file's contents, in hexadecimal."""
    # BEGIN SOLUTION
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", fingerprint)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# A hash of the *path* would say that any file of this name is the right one. For files that do not fit in
# memory there is `hashlib.file_digest(file, "sha256")`, which reads in pieces. A hash finds accidents.
# Against somebody who may change the manifest as well it needs a signature.

# %% [markdown]
# # A network that cannot be exported
#
# Here is a network as people write them in notebooks. It chooses a branch by the mean of the whole batch,
# it loops over rows and collects them in a list, and it divides by a Python number that depends on the
# batch. `torch.export` refuses it at `.item()`.


# %%
class GatedNet(nn.Module):
    """[B, features] → [B, 3]. Bright batches take one branch, dark ones the other. Scores are centred."""

    def __init__(self, features: int = 6, hidden: int = 8, threshold: float = 0.0) -> None:
        super().__init__()
        self.bright, self.dark = nn.Linear(features, hidden), nn.Linear(features, hidden)
        self.dropout, self.out = nn.Dropout(0.2), nn.Linear(hidden, 3)
        self.threshold = threshold

    def bright_branch(self, x: Tensor) -> Tensor:
        return torch.relu(self.bright(x))

    def dark_branch(self, x: Tensor) -> Tensor:
        return torch.tanh(self.dark(x))

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bright_branch if x.mean().item() > self.threshold else self.dark_branch
        h = branch(x)  # the mean is that of the whole batch
        rows, total = [], torch.zeros(3)
        for i in range(x.shape[0]):
            rows.append(self.out(self.dropout(h[i])))
            total = total + rows[-1]
        return torch.stack([row - total / x.shape[0] for row in rows])


@dataclass(frozen=True)
class ParityReport:
    """What `parity` found: how far a candidate is from its reference."""

    passed: bool
    max_abs: float
    max_rel: float
    cosine: float
    argmax_agreement: float
    worst_input_index: int
    nonfinite_mismatch: int


# %% [markdown] exercise="E1" minutes=50
# ## E1 · Make it exportable, and prove that it still computes the same
#
# **1. `ExportableNet`**: the same network, so that it can be exported with a batch of any size. It inherits
# the layers of `GatedNet`, so only `forward` is to be written. In evaluation mode it gives the same results
# as `GatedNet`, on both branches, to 1e-5. In training mode the dropout is active. B is at least 1.
#
# **2. `export_dynamic(model, example, dims)`**: an `ExportedProgram` of the model, which takes one tensor.
# `dims` maps an axis of the input to a name: `{0: "batch"}`. These axes may have any size from 1 to 4096 in
# the program, whatever the example's size is, **also if the example has size 1 there**. Axes with the same
# name always have the same size. All other axes stay fixed.
#
# - The program is that of **evaluation mode**. Afterwards the model is in the mode it was in before, each
#   of its modules.
# - `dims` may be empty: then every size is fixed.
#
# **3. `parity(ref, cand, batches, *, rtol=1e-4, atol=1e-5)`**: runs both on each batch of the iterable,
# once, and gives a `ParityReport`. Both return `[B, K]`, K ≥ 1, of any floating dtype; all is compared in
# `float64`, without gradients.
#
# - `nonfinite_mismatch`: how many elements are NaN in only one of the two, or infinite in one and not equal
#   in the other. NaN twice, or the same infinity twice, is no mismatch.
# - `max_abs`: the largest abs(r − c) over the elements that are finite in both; 0.0 if there is none.
# - `max_rel`: the largest abs(r − c) / max(abs(r), atol, 1e-12) over the same elements.
# - `cosine`: of all these elements as two long vectors, all batches together; 1.0 if both are zero or
#   empty, 0.0 if only one of them is zero.
# - `argmax_agreement`: the share of rows in which both have the same `argmax`.
# - `worst_input_index`: the first row with a mismatch; if there is none, the first one with the largest
#   abs(r − c). Rows are counted through all batches: the second batch goes on where the first one ended.
# - `passed`: no mismatch, and abs(r − c) ≤ atol + rtol · abs(r) for all elements that are finite in both.
#
# - No rows at all (an empty iterable, or only empty batches) is a `ValueError`: nothing was compared. An
#   empty batch among others counts nothing.
# - Shapes that differ are a `ValueError`. All numbers of the report are Python numbers.


# %% exercise="E1"
class ExportableNet(GatedNet):
    """GatedNet without Python decisions: [B, features] -> [B, 3] for any B ≥ 1."""

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        h = torch.where(x.mean() > self.threshold, self.bright_branch(x), self.dark_branch(x))
        scores = self.out(self.dropout(h))
        return scores - scores.mean(dim=0)
        # END SOLUTION


def export_dynamic(model: nn.Module, example: Tensor, dims: dict[int, str]) -> torch.export.ExportedProgram:
    """The model as an exported program in evaluation mode; the named axes may have any size from 1 on."""
    # BEGIN SOLUTION
    sizes = {name: torch.export.Dim(name, min=1, max=4096) for name in dims.values()}
    for axis in dims:
        if example.shape[axis] == 1:  # a size of 1 in the example would be taken for a constant
            example = example.repeat_interleave(2, dim=axis)
    modes = {module: module.training for module in model.modules()}
    try:
        shapes = ({axis % example.ndim: sizes[name] for axis, name in dims.items()},)
        return torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
    finally:
        for module, mode in modes.items():
            module.training = mode
    # END SOLUTION


@torch.no_grad()
def parity(
    ref: Callable[[Tensor], Tensor],
    cand: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> ParityReport:
    """How far the candidate is from the reference on these batches."""
    # BEGIN SOLUTION
    pairs = [(ref(x).double(), cand(x).double()) for x in batches]
    for r, c in pairs:
        if r.shape != c.shape:
            raise ValueError(f"the reference gives {tuple(r.shape)}, the candidate {tuple(c.shape)}")
    pairs = [(r, c) for r, c in pairs if len(r)]
    if not pairs:
        raise ValueError("nothing was compared: no batch has a row")
    r, c = (torch.cat(side) for side in zip(*pairs, strict=True))
    finite = r.isfinite() & c.isfinite()
    mismatch = ~finite & ~((r == c) | (r.isnan() & c.isnan()))
    distance = torch.where(finite, (r - c).abs(), 0.0)
    relative = distance / r.abs().clamp(min=max(atol, 1e-12))
    left, right = r[finite], c[finite]
    norms = left.norm() * right.norm()
    cosine = float(left @ right / norms) if norms > 0 else float(left.norm() == right.norm())
    per_row = torch.where(mismatch, torch.inf, distance).amax(dim=1)
    close = (left - right).abs() <= atol + rtol * left.abs()
    return ParityReport(
        passed=bool(close.all()) and not mismatch.any(),
        max_abs=float(distance.max()),
        max_rel=float(torch.where(finite, relative, 0.0).max()),
        cosine=cosine,
        argmax_agreement=float((r.argmax(dim=1) == c.argmax(dim=1)).double().mean()),
        worst_input_index=int(per_row.argmax()),
        nonfinite_mismatch=int(mismatch.sum()),
    )
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", ExportableNet, export_dynamic, parity)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **The three rewrites** are the usual ones. A branch on values becomes `torch.where` (both sides are
# computed) or `torch.cond` (one is run). A loop over rows becomes one operation on the batch. A Python
# number that depends on a shape is fine as long as it is computed from `x.shape` in the graph;
# `mean(dim=0)` hides it.
#
# **Size 1.** For a tensor compiler, an axis of size 1 is special: it broadcasts. An example with batch 1
# makes a program for batch 1 and nothing else. Export with 2 and let it run with 1.
#
# **Parity** needs two numbers, not one. `max_abs` alone calls 1e-3 beside 1000 a failure, `max_rel` alone
# calls 1e-9 beside 0 one. And `argmax_agreement` alone passes a model whose probabilities are nonsense.

# %% [markdown]
# # Fewer bits
#
# From here on numbers are written as small whole numbers. One helper is given: a row of C numbers, seen
# along one axis of a tensor.


# %%
def along(values: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """`values` [C] with axes of size 1, so that they broadcast along `axis` of x; 0-d if axis is None."""
    if axis is None:
        return values
    return values.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


# %% [markdown] exercise="E2" minutes=45
# ## E2 · Affine quantisation
#
# A whole number q stands for the real number **s · (q − z)**: `scale` s > 0 is the distance of neighbouring
# values, `zero_point` z is the whole number that stands for 0. With b bits, q is from `qmin` to `qmax`, as
# in W3: signed −2ᵇ⁻¹ … 2ᵇ⁻¹ − 1, unsigned 0 … 2ᵇ − 1. `bits` is 2 … 8.
#
# **1. `choose_qparams(x_min, x_max, *, bits=8, symmetric=False, signed=True)`** gives `(scale, zero_point)`
# for values from `x_min` to `x_max`, tensors of the same shape (0-d, or `[C]`: one range for each channel).
# `scale` is `float32`, `zero_point` is `int32`, both of that shape.
#
# - **Zero must be exact.** Padding and ReLU make many zeros. So the range is first extended to contain 0:
#   lo = min(x_min, 0), hi = max(x_max, 0).
# - Affine: s = (hi − lo) / (2ᵇ − 1), z = round(qmin − lo/s), clamped to qmin … qmax.
# - Symmetric: z = 0 and s = max(−lo, hi) / (2ᵇ⁻¹ − 1). The most negative level stays unused, so that −x is
#   written as the negative of x. Symmetric and unsigned at once is a `ValueError`.
# - If lo = hi = 0, s is 1.0 (and z by its formula).
# - NaN or infinity in the range, or x_min > x_max anywhere, is a `ValueError`.
#
# **2. `quantize(x, scale, zp, *, bits=8, signed=True, axis=None)`** gives
# **q = clamp(round(x / s) + z, qmin, qmax)** as `int8` if signed, else `uint8`, of `x`'s shape.
#
# - `round` goes to the nearest, ties to the even one, as `torch.round` does. x is of any floating dtype,
#   shape and layout.
# - `axis=None`: `scale` and `zp` are 0-d. Otherwise they are `[C]`, one pair for each index along `axis`,
#   which may be negative.
# - ±infinity becomes the last level on its side. NaN is a `ValueError`: no whole number stands for it.
#
# **3. `dequantize(q, scale, zp, axis=None)`**: s · (q − z) as `float32`. `q` is `int8` or `uint8`. (Mind
# the difference of two `int8`.)
#
# **4. `FakeQuant.apply(x, scale, zp, bits, signed, axis)`**, all six by position, is an
# `autograd.Function`: the values of quantising and dequantising, in `x`'s dtype (`float32` or `float64`).
# Rounding has derivative 0 nearly everywhere, and nothing would ever be learned. So the backward pass is
# the **straight-through estimator**: the gradient with respect to x is the incoming one where qmin ≤
# round(x/s) + z ≤ qmax, and 0 elsewhere. Nothing else gets a gradient.
#
# ```text
#   choose_qparams(tensor(-1.), tensor(3.), bits=2)            →  s = 4/3, z = -1
#   choose_qparams(tensor(-1.), tensor(3.), symmetric=True)    →  s = 3/127, z = 0
#   quantize(tensor([.25, .5, .75, 300.]), tensor(.5), tensor(0))  →  [0, 1, 2, 127]       .5 and 1.5: to even
# ```
#
# A value that lies within rounding of a tie may go either way. **Not allowed:** torch's own
# `quantize_per_tensor`, `quantize_per_channel`, `fake_quantize_…`.


# %% exercise="E2"
def choose_qparams(
    x_min: Tensor, x_max: Tensor, *, bits: int = 8, symmetric: bool = False, signed: bool = True
) -> tuple[Tensor, Tensor]:
    """(scale float32, zero_point int32) for values between x_min and x_max; 0 is exact."""
    # BEGIN SOLUTION
    if symmetric and not signed:
        raise ValueError("symmetric quantisation has negative levels: it cannot be unsigned")
    low, high = x_min.double(), x_max.double()
    if not (low.isfinite().all() and high.isfinite().all() and (low <= high).all()):
        raise ValueError(f"a range must be finite and in order: {x_min} … {x_max}")
    low, high = low.clamp(max=0), high.clamp(min=0)
    qmin, qmax = levels(bits, signed)
    scale = torch.maximum(-low, high) / qmax if symmetric else (high - low) / (qmax - qmin)
    scale = torch.where(scale == 0, 1.0, scale)
    zero_point = torch.zeros_like(scale) if symmetric else (qmin - low / scale).round().clamp(qmin, qmax)
    return scale.float(), zero_point.int()
    # END SOLUTION


def quantize(
    x: Tensor,
    scale: Tensor,
    zp: Tensor,
    *,
    bits: int = 8,
    signed: bool = True,
    axis: int | None = None,
) -> Tensor:
    """clamp(round(x / scale) + zp) as int8 or uint8."""
    # BEGIN SOLUTION
    if x.isnan().any():
        raise ValueError("x holds NaN, and no whole number stands for it")
    qmin, qmax = levels(bits, signed)
    wide = x if x.dtype == torch.float64 else x.float()
    steps = (wide / along(scale, x, axis)).round()
    return (steps + along(zp, x, axis)).clamp(qmin, qmax).to(torch.int8 if signed else torch.uint8)
    # END SOLUTION


def dequantize(q: Tensor, scale: Tensor, zp: Tensor, axis: int | None = None) -> Tensor:
    """scale · (q − zp) as float32."""
    # BEGIN SOLUTION
    return (q.float() - along(zp, q, axis)) * along(scale, q, axis)
    # END SOLUTION


class FakeQuant(torch.autograd.Function):
    """Quantise and dequantise; the gradient passes straight through inside the range."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zp: Tensor, bits: int, signed: bool, axis: int | None
    ) -> Tensor:
        # BEGIN SOLUTION
        qmin, qmax = levels(bits, signed)
        s, z = along(scale, x, axis).to(x.dtype), along(zp, x, axis)
        q = (x / s).round() + z
        ctx.save_for_backward((q >= qmin) & (q <= qmax))
        return (q.clamp(qmin, qmax) - z) * s
        # END SOLUTION

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # BEGIN SOLUTION
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None, None, None
        # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", choose_qparams, quantize, dequantize, FakeQuant)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Zero.** A range of 0.2 … 1 without the extension would write 0 as 0.2, and every padded pixel would be a
# grey one.
#
# **The error.** Inside the range, rounding is off by at most s/2, and by s/√12 in the root mean square: an
# error evenly spread over one step has the variance s²/12. Each bit halves s, which is 6.02 dB. Outside the
# range the error is whatever is cut off. E4 trades one against the other.
#
# **Straight through** is a lie that works: the forward pass has steps, the backward pass pretends there are
# none. Outside the range it is honest, since there the output really does not move.

# %% [markdown] exercise="E3" minutes=50
# ## E3 · An int8 linear layer
#
# A quarter of the bytes, and products of whole numbers. With x = s_x (q_x − z_x) and w = s_w q_w, the sum
# of a linear layer becomes
#
# $$\sum_k x_k w_{ok} = s_x\, s_{w,o} \Big( \sum_k q_{x,k}\, q_{w,ok} - z_x \sum_k q_{w,ok} \Big).$$
#
# Both sums are of whole numbers; the second one is known beforehand. **Dynamic** means that s_x and z_x are
# found at run time, from the numbers that are there.
#
# **1. `DynamicQuantLinear.from_float(lin, *, per_channel=True, per_row=True)`** makes the layer from a
# float one, which stays as it is.
#
# - **Weights** are symmetric, `int8`, found once: `w_q` `[O, I]` int8 and `w_scale` `float32`, of shape
#   `[O]` with one scale for each output channel, or `[1]` with `per_channel=False`. A channel of zeros
#   works, too.
# - **Bias** stays `float32`: `bias` `[O]`, or None if there is none. These three are the whole
#   `state_dict`, by these names, and no other tensor is kept: that is the point.
# - `load_state_dict` with the state of another layer of the same shape makes it that layer.
#
# **2. Its `forward(x)`**: x is `[…, I]` with any leading axes, also none and with zero rows, and the result
# `[…, O]` has `x`'s dtype (`float32`, `float16`, `bfloat16`, `float64`).
#
# - x is quantised affinely to signed 8 bits (`choose_qparams`), with the range of each row for itself, or
#   with `per_row=False` one range for all of x. Both at each call, anew.
# - The sum over k is **exact**. int8 ends at 127, so accumulate in `int32` at least. (`float32` ends to be
#   exact at 2²⁴, which 1,100 products can reach. An `int32` matmul is fine, and so is one in `float64`.)
# - Everything after the sum is `float32` or better. No gradients are needed. x is finite.
#
# **3. `quantize_model(model, types=(nn.Linear,), skip=…)`**: a **copy** of the model in which every module
# that is an instance of one of `types` is replaced by its `DynamicQuantLinear`, under each of its names (one
# layer may stand in two places). `skip(name)` gets the module's dotted name; if it is true, the module stays
# as it is. By default nothing is skipped. The model itself may be such a module (its name is `""`). The
# original does not change.
#
# **4. `artefact_bytes(model)`**: how many bytes the tensors of `state_dict()` take.


# %% exercise="E3"
class DynamicQuantLinear(nn.Module):
    """A linear layer with int8 weights that quantises its input at run time."""

    def __init__(self, w_q: Tensor, w_scale: Tensor, bias: Tensor | None, per_row: bool = True) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.per_row = per_row
        for name, tensor in (("w_q", w_q), ("w_scale", w_scale), ("bias", bias)):
            self.register_buffer(name, tensor)
        # END SOLUTION

    @classmethod
    @torch.no_grad()
    def from_float(
        cls, lin: nn.Linear, *, per_channel: bool = True, per_row: bool = True
    ) -> "DynamicQuantLinear":
        """The int8 twin of a float layer."""
        # BEGIN SOLUTION
        weight = lin.weight.detach().float()
        size = weight.abs().amax(dim=1) if per_channel else weight.abs().max().reshape(1)
        scale, zero = choose_qparams(-size, size, symmetric=True)
        rows = scale.expand(len(weight)), zero.expand(len(weight))
        bias = None if lin.bias is None else lin.bias.detach().float().clone()
        return cls(quantize(weight, *rows, axis=0), scale, bias, per_row)
        # END SOLUTION

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """[…, I] -> […, O] through whole numbers."""
        # BEGIN SOLUTION
        rows = x.reshape(-1, x.shape[-1]).float()
        if rows.shape[0] == 0:
            return x.new_zeros(*x.shape[:-1], len(self.w_q))
        low, high = rows.aminmax(dim=1)
        if not self.per_row:
            low, high = low.min().expand(len(rows)), high.max().expand(len(rows))
        scale, zero = choose_qparams(low, high)
        q = quantize(rows, scale, zero, axis=0)
        weights = self.w_q.double()  # exact up to 2⁵³
        whole = q.double() @ weights.T - zero[:, None].double() * weights.sum(dim=1)
        y = whole * scale[:, None].double() * self.w_scale.double()
        if self.bias is not None:
            y = y + self.bias
        return y.to(x.dtype).reshape(*x.shape[:-1], len(self.w_q))
        # END SOLUTION


def quantize_model(
    model: nn.Module,
    types: tuple[type[nn.Module], ...] = (nn.Linear,),
    skip: Callable[[str], bool] = lambda name: False,
) -> nn.Module:
    """A copy of the model with int8 layers in place of those of `types`."""
    # BEGIN SOLUTION
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, types) and not skip(name):
            layer = DynamicQuantLinear.from_float(module)
            if name == "":
                return layer
            above, _, last = name.rpartition(".")
            setattr(model.get_submodule(above), last, layer)
    return model
    # END SOLUTION


def artefact_bytes(model: nn.Module) -> int:
    """The bytes of all tensors in the state dict."""
    # BEGIN SOLUTION
    return sum(tensor.nbytes for tensor in model.state_dict().values())
    # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", DynamicQuantLinear, quantize_model, artefact_bytes)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why per row?** One row with a huge value would stretch the steps of all others. Per row it harms itself
# only. (That is also why a batch and its rows one by one then give the same numbers: an artefact whose
# answer depends on who else is in the batch is hard to test.)
#
# **Why int32 is enough.** Each product is at most 128 · 127 in size, so up to 132,104 of them fit in 2³¹ −
# 1 with signed activations; with unsigned ones, up to 255, it is 66,310.
#
# **Slow here, fast elsewhere.** This layer computes whole numbers in Python's float64 matmul and is slower
# than the float one. Libraries have kernels that read int8 directly. What we measure is bytes and accuracy.

# %% [markdown]
# # A network to be squeezed
#
# Handwritten digits, 8×8 pixels from 0 to 1, ten classes: 1,437 to learn from and 360 to be tested on. A
# logistic regression gets 0.969 of the test digits right. This network of 13,754 parameters trains in half
# a second. Nothing here is yours to write.


# %%
def digit_net(channels: int = 16) -> nn.Sequential:
    """[B, 1, 8, 8] → [B, 10]: two convolutions with batch norm, two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * channels, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train_net(X: Tensor, y: Tensor, *, epochs: int = 5, seed: int = 0) -> nn.Sequential:
    """A trained `digit_net` in evaluation mode."""
    torch.manual_seed(seed)
    model = digit_net()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], X: Tensor, y: Tensor) -> float:
    return (model(X).argmax(dim=1) == y).double().mean().item()


@dataclass(frozen=True)
class QParams:
    """How activations are written: signed, affine, with `bits` bits; scale and zero_point are 0-d."""

    scale: Tensor
    zero_point: Tensor
    bits: int = 8


if __name__ == "__main__":
    train, test = digits().train, digits().test
    net = train_net(train.inputs, train.targets)
    print("float32:", accuracy(net, test.inputs, test.targets), "of the test digits are right")

# %% [markdown] exercise="E4" minutes=70
# ## E4 · Calibrate, then train through it
#
# **Static** quantisation fixes the ranges of the activations beforehand, from a few batches of training
# data. At 8 bits that costs nearly nothing. With 2-bit weights (three levels: −1, 0, 1) it costs half of
# the accuracy, and **quantisation-aware training** (QAT) brings most of it back.
#
# **1. `Observer(mode, *, bits=8, percentile=99.9, momentum=0.9)`** looks at tensors and chooses a range.
# `observe(x)` takes a tensor of any shape (an empty one changes nothing) and `qparams()` gives the
# `QParams` of all that was seen, by `choose_qparams(lo, hi, bits=bits)`. Before anything was seen it is a
# `ValueError`, and so is an unknown mode. Asking changes nothing, and observing may go on after it.
#
# - `"minmax"`: the smallest and the largest value of all.
# - `"ema"`: the first tensor's min and max; then, for each tensor, lo ← momentum · lo + (1 − momentum) ·
#   min(x), and hi alike.
# - `"percentile"`: the (100 − p)-th and the p-th percentile of all values seen **together**, linearly
#   interpolated as `torch.quantile` does. With thousands of values, right within 1/1000 of the distance from
#   the smallest to the largest is enough: a fine histogram will do.
# - `"mse"`: c · min … c · max, with the c ≤ 1 that makes the mean squared error of quantising all values
#   smallest. A grid of 100 values of c will do: 5 % above the smallest error is good enough.
#
# **2. `calibrate(model, batches, mode="minmax", *, bits=8)`** runs the model on each batch (a tensor of
# inputs) in evaluation mode, without gradients, and observes the **input** of each `nn.Conv2d` and
# `nn.Linear`: a dict from the layer's dotted name to `QParams`. Afterwards the model is as it was: no
# hooks, each module in its mode.
#
# **3. `static_quant(model, qparams, bits_w=8)`**: a copy in evaluation mode, in which
#
# - **batch norms are folded first** (`fold_batchnorms` is imported; it keeps the names of layers),
# - each layer named in `qparams` is replaced, under its name, by one of yours that holds `w_q` (int8),
#   `w_scale` (`float32`, `[O]`: symmetric with `bits_w` bits, one scale for each output channel) and `bias`
#   (`float32` `[O]` or None). It fake-quantises its input with the frozen `QParams` and computes with the
#   dequantised weights. Layers that are not named stay as they are (but folded).
# - Nothing in it observes or changes any more, and the original stays as it is. It holds no float copy of
#   the weights it replaced.
# - It can be exported: no question about values in a `forward`. (`quantize` asks for NaN; `FakeQuant` does
#   not.)
#
# **4. `qat_finetune(model, X, y, *, qparams, bits_w=2, epochs=4, lr=1e-3, seed=0)`** trains through the
# quantisation and gives the **`static_quant` of the trained weights**, with `qparams` and `bits_w`.
#
# - Norms are folded first. In each step the layers named in `qparams` compute with `FakeQuant` of their
#   input and of their weights (symmetric, one scale for each channel, chosen anew from the weights of this
#   step). The optimizer, Adam with `lr`, moves the **float weights** behind them, and the biases.
# - Cross-entropy; in each epoch all rows in batches of 64 in a new random order. `seed` fixes everything
#   random.
# - The original does not change. `epochs=0` is plain `static_quant`.


# %% exercise="E4"
class Observer:
    """Chooses the range of what it has seen: "minmax", "ema", "percentile" or "mse"."""

    def __init__(
        self, mode: str = "minmax", *, bits: int = 8, percentile: float = 99.9, momentum: float = 0.9
    ) -> None:
        # BEGIN SOLUTION
        if mode not in ("minmax", "ema", "percentile", "mse"):
            raise ValueError(f"unknown mode {mode!r}: minmax, ema, percentile or mse")
        self.mode, self.bits, self.percentile, self.momentum = mode, bits, percentile, momentum
        self.range: tuple[Tensor, Tensor] | None = None
        self.values: list[Tensor] = []
        # END SOLUTION

    def observe(self, x: Tensor) -> None:
        """Take note of one more tensor."""
        # BEGIN SOLUTION
        if x.numel() == 0:
            return
        x = x.detach().double()
        new = x.min(), x.max()
        if self.range is None:
            self.range = new
        elif self.mode == "ema":
            m = self.momentum
            self.range = tuple(m * old + (1 - m) * now for old, now in zip(self.range, new, strict=True))
        else:
            self.range = torch.minimum(self.range[0], new[0]), torch.maximum(self.range[1], new[1])
        if self.mode in ("percentile", "mse"):
            self.values.append(x.flatten().clone())
        # END SOLUTION

    def qparams(self) -> QParams:
        """The parameters for everything seen so far."""
        # BEGIN SOLUTION
        if self.range is None:
            raise ValueError("nothing was observed yet")
        low, high = self.range
        if self.mode == "percentile":
            values = torch.cat(self.values).numpy()
            ends = np.percentile(values, [100 - self.percentile, self.percentile])
            low, high = torch.from_numpy(ends)
        if self.mode == "mse":
            values = torch.cat(self.values)
            best = torch.inf
            for c in torch.linspace(0.01, 1, 100, dtype=torch.float64):
                scale, zero = choose_qparams(c * self.range[0], c * self.range[1], bits=self.bits)
                q = quantize(values, scale, zero, bits=self.bits)
                error = (dequantize(q, scale, zero) - values).square().mean()
                if error < best:
                    best, low, high = error, c * self.range[0], c * self.range[1]
        return QParams(*choose_qparams(low, high, bits=self.bits), self.bits)
        # END SOLUTION


def calibrate(
    model: nn.Module, batches: Iterable[Tensor], mode: str = "minmax", *, bits: int = 8
) -> dict[str, QParams]:
    """The parameters of the input of each convolution and linear layer, by name."""
    # BEGIN SOLUTION
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    observers = {name: Observer(mode, bits=bits) for name in layers}

    def watch(observer: Observer) -> Callable[..., None]:
        return lambda layer, inputs: observer.observe(inputs[0])

    handles = [m.register_forward_pre_hook(watch(observers[name])) for name, m in layers.items()]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()
            for batch in batches:
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return {name: observer.qparams() for name, observer in observers.items()}
    # END SOLUTION


class QuantLayer(nn.Module):
    """A convolution or linear layer with int8 weights and a quantised input; how it looks inside is yours."""

    def __init__(self, layer: nn.Module, qparams: QParams, bits_w: int) -> None:
        super().__init__()
        # BEGIN SOLUTION
        scale, zero = weight_qparams(layer, bits_w)
        self.bits, self.apply_layer = qparams.bits, layer_function(layer)
        bias = None if layer.bias is None else layer.bias.detach().clone()
        weights = quantize(layer.weight.detach(), scale, zero, bits=bits_w, axis=0)
        self.register_buffer("w_q", weights)
        self.register_buffer("w_scale", scale)
        self.register_buffer("bias", bias)
        self.register_buffer("x_scale", qparams.scale.clone())
        self.register_buffer("x_zero", qparams.zero_point.clone())
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        weight = dequantize(self.w_q, self.w_scale, torch.zeros_like(self.w_scale, dtype=torch.int32), 0)
        x = FakeQuant.apply(x, self.x_scale, self.x_zero, self.bits, True, None)
        return self.apply_layer(x, weight, self.bias)
        # END SOLUTION


def static_quant(model: nn.Module, qparams: dict[str, QParams], bits_w: int = 8) -> nn.Module:
    """A folded copy with quantised layers in place of those named in qparams."""
    # BEGIN SOLUTION
    model = fold_batchnorms(model)
    layers = {name: QuantLayer(model.get_submodule(name), p, bits_w) for name, p in qparams.items()}
    return replaced(model, layers).eval()
    # END SOLUTION


def qat_finetune(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    qparams: dict[str, QParams],
    bits_w: int = 2,
    epochs: int = 4,
    lr: float = 1e-3,
    seed: int = 0,
) -> nn.Module:
    """`static_quant` of weights that were trained through the quantisation."""
    # BEGIN SOLUTION
    torch.manual_seed(seed)
    model = fold_batchnorms(model)
    layers = {name: model.get_submodule(name) for name in qparams}

    class Trained(nn.Module):
        def __init__(self, layer: nn.Module, params: QParams) -> None:
            super().__init__()
            self.layer, self.params, self.function = layer, params, layer_function(layer)

        def forward(self, inputs: Tensor) -> Tensor:
            p = self.params
            x = FakeQuant.apply(inputs, p.scale, p.zero_point, p.bits, True, None)
            scale, zero = weight_qparams(self.layer, bits_w)
            weight = FakeQuant.apply(self.layer.weight, scale, zero, bits_w, True, 0)
            return self.function(x, weight, self.layer.bias)

    net = replaced(model, {name: Trained(layer, qparams[name]) for name, layer in layers.items()})
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(epochs):
        for picked in torch.randperm(len(X)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(X[picked]), y[picked]).backward()
            optimizer.step()
    return static_quant(replaced(net, layers), qparams, bits_w)
    # END SOLUTION


def weight_qparams(layer: nn.Module, bits: int) -> tuple[Tensor, Tensor]:
    """Given: the symmetric scale of each output channel, and zeros."""
    size = layer.weight.detach().abs().flatten(1).amax(dim=1)
    return choose_qparams(-size, size, bits=bits, symmetric=True)


def layer_function(layer: nn.Module) -> Callable[..., Tensor]:
    """Given: (x, weight, bias) → what the layer would give with this weight and this bias."""
    if isinstance(layer, nn.Linear):
        return F.linear
    how = (layer.stride, layer.padding, layer.dilation, layer.groups)
    return lambda x, weight, bias: F.conv2d(x, weight, bias, *how)


def replaced(model: nn.Module, by_name: dict[str, nn.Module]) -> nn.Module:
    """Given: the same model object, with these modules put under their names."""
    for name, module in by_name.items():
        if name == "":
            return module
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module)
    return model


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", Observer, calibrate, static_quant, qat_finetune)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Which range?** An outlier stretches the steps of everybody. `"percentile"` cuts it off: what lies inside
# is written more finely, and the outlier is wrong by a lot. `"mse"` weighs one against the other. At 8 bits
# there are so many steps that the smallest error is often that of min–max; at 4 bits cutting pays. No mode
# is best for all: look at what the network needs.
#
# **Percentiles do not average.** The mean of each batch's 99.9th percentile is not that of all values; nor
# is a mean of medians a median. Keep values, or a histogram.
#
# **Why QAT works.** The network is trained to be good *at the grid points*. The float weights collect small
# steps until one of them crosses to another level: round them in place, and no step is ever large enough.
# The bias and the other layers move as well, to make up for what three levels cannot say.
#
# **8-bit weights in three levels?** `w_q` takes a byte for two bits here. Packing four of them into one
# byte is arithmetic on integers, and what 2-bit kernels do.

# %% [markdown]
# # Tools for the way out
#
# Given: the preprocessing as a module, and ONNX without its noise. `onnxruntime` runs what `to_onnx`
# writes, on one thread.


# %%
def scaled(images: Tensor) -> Tensor:
    """uint8 [B, 8, 8], 0 … 16 → float32 [B, 1, 8, 8], 0 … 1."""
    return (images.float() / 16).unsqueeze(1)


class WithPreprocessing(nn.Module):
    """A network that takes images as the scanner gives them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(scaled(images))


def onnx_is_installed() -> bool:
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


def to_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write an exported program as ONNX, without the exporter's remarks."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(program, dynamo=True, verbose=False).save(path)
    finally:
        logging.disable(before)


def run_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """The ONNX file as a function of one tensor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {entry: x.numpy()})[0])


# %% [markdown] exercise="E5" minutes=75
# ## E5 · Ship it
#
# What leaves the notebook is a folder. Somebody else's process loads it, without your classes, and knows
# from it alone what goes in, what comes out, and whether it is intact.
#
# **1. `build_artifact(model, calib, out, *, labels, valid, with_onnx=True)`** writes the folder `out` and
# returns its manifest, a dict.
#
# - `model` takes `[B, 1, 8, 8]` float32 from 0 to 1 and gives `[B, K]` logits. It does not change.
# - `calib` is a NumPy array `[N, 8, 8]` of `uint8`, 0 … 16, as the scanner gives them: training images for
#   the calibration. `labels` are the K names of the classes. `valid` is a pair of arrays: images like
#   `calib`, and class numbers.
# - **`fp32.pt2`** and **`int8.pt2`** are exported programs (`torch.export.save`). Both take **`uint8`
#   images `[B, 8, 8]`**, of any B from 1 to 4096, and give logits `[B, K]`: the preprocessing (÷ 16 and the
#   channel axis) is inside. In `int8.pt2` all convolution and linear weights are stored as int8; all
#   tensors of the program together take at most 0.30 of those in `fp32.pt2`.
# - **`model.onnx`**, if `with_onnx` is true *and* the package `onnxscript` is installed: the fp32 program
#   in ONNX, again for images of any B (`to_onnx`, above, does it). Otherwise it is not there.
# - **`manifest.json`** holds the manifest: `"labels"`; `"files"`, from the name of each other file to the
#   SHA-256 of its contents; `"torch"`, the version; `"input"`, `{"shape": ["batch", 8, 8], "dtype":
#   "uint8", "min": 0, "max": 16}`; `"parity"`, for `"fp32"` and `"int8"` the `ParityReport` as a dict, of
#   that program against `model` on the images of `valid`; `"metrics"`, for `"fp32"` and `"int8"` the share
#   of `valid` that is right.
# - The folder is there **completely or not at all**: build in a temporary folder beside it, then rename. If
#   `out` exists already: `FileExistsError`, and it stays as it is.
#
# **2. `Predictor.load(path, variant="fp32")`** loads a folder; `variant` is `"fp32"`, `"int8"` or `"onnx"`.
# `ValueError` if the variant is unknown or not there, or if **any** file named in the manifest is missing
# or its SHA-256 is another.
#
# **`predictor.predict(images)`** takes `uint8` `[B, 8, 8]`, B ≥ 1, views too (`images[::2]`, or turned:
# `images[:, ::-1]`), and gives `(names, probs)`: a list of B class *names*, and a `float32` array `[B, K]` of
# probabilities, in the manifest's order.
#
# - Anything else is a `ValueError` that says what is wrong: no array, another dtype (floats, so NaN too),
#   another shape, an empty batch, a value above 16.
# - It keeps nothing for a backward pass, and an image's answer does not depend on the others in its batch.
# - `Predictor` travels alone, with the functions of this notebook that it calls. The check sends it into a
#   fresh process in which neither this lab nor `shared` nor `courseware` can be imported; torch, NumPy,
#   onnxruntime and the standard library can.
#
# **3. `latency(fn, batches, warmup=10, iters=100, clock=time.perf_counter)`** calls `fn(batch)`, going
# round and round through the list `batches` from the first one on: `warmup` times unmeasured, then `iters`
# times, each measured for itself. A dict of floats: `"p50"`, `"p90"`, `"p99"` (`np.percentile` of the
# measured times, in **milliseconds**) and `"throughput"`, the `len(batch)` of the measured calls together
# per second of measured time. No verdict here ever depends on how fast your machine is: the check brings
# its own clock.
#
# **What it must reach** on the test digits: at least 0.94 right with `fp32`, and `int8` at most 0.01 below
# it.


# %% exercise="E5"
def build_artifact(
    model: nn.Module,
    calib: np.ndarray,
    out: str | Path,
    *,
    labels: Sequence[str],
    valid: tuple[np.ndarray, np.ndarray],
    with_onnx: bool = True,
) -> dict[str, Any]:
    """Write the folder `out` with both programs and their manifest; the manifest."""
    # BEGIN SOLUTION
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"{out} is there already")
    images, targets = torch.from_numpy(valid[0]), torch.from_numpy(valid[1])
    qparams = calibrate(model, [scaled(torch.from_numpy(calib))])
    network = copy.deepcopy(model).eval()
    forms = {"fp32": network, "int8": static_quant(model, qparams)}
    manifest: dict[str, Any] = {
        "labels": list(labels),
        "files": {},
        "torch": torch.__version__,
        "input": {"shape": ["batch", 8, 8], "dtype": "uint8", "min": 0, "max": 16},
        "parity": {},
        "metrics": {},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        folder = Path(name) / "artifact"
        folder.mkdir()
        for variant, form in forms.items():
            program = export_dynamic(WithPreprocessing(form), images[:2], {0: "batch"})
            torch.export.save(program, folder / f"{variant}.pt2")
            run = program.module()
            found = parity(lambda x: network(scaled(x)), run, [images])
            manifest["parity"][variant] = asdict(found)
            manifest["metrics"][variant] = accuracy(run, images, targets)
            if variant == "fp32" and with_onnx and onnx_is_installed():
                to_onnx(program, folder / "model.onnx")
        manifest["files"] = {path.name: fingerprint(path) for path in sorted(folder.iterdir())}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
        folder.rename(out)
    return manifest
    # END SOLUTION


class Predictor:
    """Answers questions about images with what a folder holds, and nothing else."""

    @classmethod
    def load(cls, path: str | Path, variant: str = "fp32") -> "Predictor":
        """Verify every file of the folder, then load one program."""
        # BEGIN SOLUTION
        folder = Path(path)
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, expected in manifest["files"].items():
            file = folder / name
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
                raise ValueError(f"{name} is missing or not the file that was shipped")
        name = {"fp32": "fp32.pt2", "int8": "int8.pt2", "onnx": "model.onnx"}.get(variant)
        if name not in manifest["files"]:
            raise ValueError(f"there is no variant {variant!r} in {folder}")
        self = cls()
        self.labels, self.input = manifest["labels"], manifest["input"]
        program = folder / name
        self.run = run_onnx(program) if variant == "onnx" else torch.export.load(program).module()
        return self
        # END SOLUTION

    def predict(self, images: np.ndarray) -> tuple[list[str], np.ndarray]:
        """uint8 [B, 8, 8] → (class names, probabilities [B, K])."""
        # BEGIN SOLUTION
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            raise ValueError(f"images are a uint8 array, not {getattr(images, 'dtype', type(images))}")
        if images.ndim != 3 or images.shape[1:] != (8, 8) or len(images) == 0:
            raise ValueError(f"images have shape [B, 8, 8] with B ≥ 1, not {images.shape}")
        if images.max() > self.input["max"]:
            raise ValueError(f"grey levels are 0 … {self.input['max']}, and there is {images.max()}")
        with torch.inference_mode():
            probs = self.run(torch.from_numpy(np.ascontiguousarray(images))).softmax(dim=1)
        return [self.labels[i] for i in probs.argmax(dim=1).tolist()], probs.numpy()
        # END SOLUTION


def latency(
    fn: Callable[[Any], Any],
    batches: Sequence[Any],
    warmup: int = 10,
    iters: int = 100,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Percentiles of single calls in milliseconds, and rows per second."""
    # BEGIN SOLUTION
    times, rows = [], 0
    for i in range(warmup + iters):
        batch = batches[i % len(batches)]
        start = clock()
        fn(batch)
        seconds = clock() - start
        if i >= warmup:
            times.append(seconds)
            rows += len(batch)
    p50, p90, p99 = (float(np.percentile(times, p)) * 1000 for p in (50, 90, 99))
    return {"p50": p50, "p90": p90, "p99": p99, "throughput": rows / sum(times)}
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", build_artifact, Predictor, latency)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **Preprocessing belongs to the model.** Fed with 0 … 16 instead of 0 … 1 the network still answers, and
# nobody sees an error. Inside the program it cannot be forgotten.
#
# **A program, not a pickle.** `torch.save(model)` stores the *name* of your class, and loading it needs the
# class. A `.pt2` file holds the graph and the weights. (It is code all the same: load files only from
# people you trust, and check their hashes.)
#
# **Rename last.** A crash while writing leaves a temporary folder that nobody reads. After the rename all
# is there. `rename` is one step only within one file system; that is why the temporary folder stands beside
# `out`.
#
# **p99.** The mean hides what one user in a hundred waits for. The first calls are slower than all others:
# memory is fetched, kernels are chosen. Warm up, then measure each call.

# %% [markdown]
# # One model, many forms
#
# All of it together, with your own tools: the same network as it was trained, traced by TorchScript
# (deprecated, but you will meet it), exported, in ONNX, with int8 layers, and with 2-bit weights before and
# after training through them. The latencies are those of this machine at this moment, and only to be looked
# at.

# %%
if __name__ == "__main__":
    everything = ("E1", "E2", "E3", "E4", "E5")
    seeds = range(1 if profile == "laptop" else full_seeds)
    for seed in seeds if all(lab.passed(key) for key in everything) else []:
        torch.manual_seed(seed)
        net = train_net(train.inputs, train.targets, seed=seed)
        qparams = calibrate(net, train.inputs[:256].split(64))
        program = export_dynamic(net, test.inputs[:2], {0: "batch"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript says that it is deprecated
            traced = torch.jit.trace(net, test.inputs[:2])
        tuned = qat_finetune(net, train.inputs, train.targets, qparams=qparams, seed=seed)
        forms = {
            "eager": (net, artefact_bytes(net)),
            "TorchScript (traced)": (traced, artefact_bytes(traced)),
            "torch.export": (program.module(), artefact_bytes(program.module())),
            "int8 dynamic (linear)": (quantize_model(net), artefact_bytes(quantize_model(net))),
            "int8 static": (static_quant(net, qparams), artefact_bytes(static_quant(net, qparams))),
            "2-bit weights, PTQ": (static_quant(net, qparams, 2), None),
            "2-bit weights, QAT": (tuned, None),
        }
        if onnx_is_installed():
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "net.onnx"
                to_onnx(program, file)
                forms["onnxruntime"] = (run_onnx(file), file.stat().st_size)
        print(f"{'':24}{'kB':>7}{'right':>8}{'max diff':>10}{'argmax =':>10}{'p50 ms':>9}{'p99 ms':>9}")
        for name, (form, size) in forms.items():
            with torch.no_grad():
                right = accuracy(form, test.inputs, test.targets)
                report = parity(net, form, test.inputs.split(60))
                times = latency(form, [test.inputs[:1]], iters=50)
            kilobytes = "" if size is None else f"{size / 1000:.1f}"
            print(
                f"{name:24}{kilobytes:>7}{right:8.3f}{report.max_abs:10.1e}"
                f"{report.argmax_agreement:10.3f}{times['p50']:9.2f}{times['p99']:9.2f}"
            )
