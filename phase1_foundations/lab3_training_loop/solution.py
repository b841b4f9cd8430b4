# %% [markdown]
# # Lab 1.3 · Training Loop
#
# Four warm-ups of a few minutes, then five exercises. You write the optimizers that everybody imports, the
# schedules that drive them, gradient accumulation that is exact, and a trainer that is killed in the middle
# of an epoch and goes on as if nothing had happened, to the last bit.
#
# How this notebook works:
#
# - Replace each `raise NotImplementedError` with your answer and run the cell.
# - The cell below it checks your answer. A check that says "not quite" costs nothing.
# - Stuck? `lab.hint("W1")` gives the first of three hints. After an attempt, `lab.solution("W1")` shows one
#   good answer beside yours.
# - Once a check passes, the next cell draws or measures something with *your* code.
#
# Any right answer passes, however it is written. You need the labs before this one: tensors, `backward()`
# and `nn.Module`.

# %% tags=["parameters"] cut={"full_seeds": 2, "full_epochs": 1}
profile = "laptop"  # "full" compares the optimizers of the last section with more seeds and epochs
full_seeds = 10
full_epochs = 20

# %%
import copy
import itertools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from courseware import open_lab
from shared.seeding import restore_rng_state, rng_state, seed_everything

if __name__ == "__main__":
    torch.set_num_threads(1)  # these models are small: a second thread would only wait for the first
    lab = open_lab("phase1_foundations/lab3_training_loop")

# %% [markdown]
# # Warm-ups
#
# Training is one short loop: predict, measure the loss, differentiate, move the parameters. Four drills for
# its four moving parts: the move, the memory, the mean, and the dice.

# %% [markdown] exercise="W1" minutes=3
# ## W1 · One step downhill
#
# After `loss.backward()` each parameter `p` has a gradient `p.grad`: the direction in which the loss grows.
# Gradient descent goes the other way:
#
# ```text
#     p  ←  p − lr · p.grad
# ```
#
# Two things are easy to get wrong. The parameter itself must change, **in place**: the model holds this
# very tensor, and a new one with a better value helps nobody. And the move is not part of the model:
# autograd must not record it. Inside `with torch.no_grad():` it does not.
#
# **Write `descend_(param, lr)`:** move the tensor `param` by one step against `param.grad`. If `param.grad`
# is `None`, leave `param` alone. `param.grad` stays as it is. There is nothing to return.
#
# With `param = [1, 2]`, `param.grad = [10, −10]` and `lr = 0.1`, `param` becomes `[0, 3]`.


# %% exercise="W1"
def descend_(param: Tensor, lr: float) -> None:
    """param ← param − lr · param.grad, in place and unrecorded; nothing if there is no gradient."""
    # BEGIN SOLUTION
    if param.grad is not None:
        with torch.no_grad():
            param -= lr * param.grad
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", descend_)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# `param = param - lr * param.grad` binds the *name* `param` to a new tensor; the caller's tensor stays
# where it was. `param -= …` writes into the tensor itself, and so does `param.add_(param.grad,
# alpha=-lr)`, which makes no temporary. Without `no_grad` torch refuses: a leaf that requires a gradient
# may not be overwritten by an operation that is recorded.

# %% [markdown] exercise="W2" minutes=5
# ## W2 · A running average
#
# Momentum, RMSprop, Adam: all of them remember by a *running average*. It starts at 0 and mixes each new
# value in:
#
# ```text
#     m₀ = 0        mₜ = β · mₜ₋₁ + (1 − β) · xₜ
# ```
#
# Starting at 0 makes the first averages too small. If every `x` is 4, then `m₁ = (1 − β)·4` and, after t
# steps, `mₜ = (1 − βᵗ)·4`. So the remedy is known exactly: divide by `1 − βᵗ`. That is *bias correction*.
#
# **Write `running_averages(values, beta)`:** a list of floats in, a list of the same length out. Entry
# number t (counting from 1) is the corrected average `mₜ / (1 − βᵗ)` after the first t values. `0 ≤ beta
# < 1`; no values give an empty list.
#
# `running_averages([4.0, 4.0, 10.0], 0.5)` is `[4.0, 4.0, 7.428…]`: m is 2, 3, 6.5, and the divisors are
# 0.5, 0.75, 0.875.


# %% exercise="W2"
def running_averages(values: list[float], beta: float) -> list[float]:
    """The running average after each value, corrected for its start at 0."""
    # BEGIN SOLUTION
    m, averages = 0.0, []
    for t, x in enumerate(values, start=1):
        m = beta * m + (1 - beta) * x
        averages.append(m / (1 - beta**t))
    return averages
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", running_averages)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# The correction is applied to what is *reported*, never to what is *remembered*: feeding the corrected
# value back into `m` would correct it again in the next step. The weights of the corrected average add up
# to 1, so it is a true weighted mean: the newest value has weight `(1 − β)/(1 − βᵗ)`, each older one β
# times less. It looks back over about `1/(1 − β)` values.

# %% [markdown] exercise="W3" minutes=4
# ## W3 · The mean of means
#
# A data set comes in batches, and of each batch we know the mean loss and how many examples it had. The
# last batch is usually shorter. What is the mean over all *examples*?
#
# Not the mean of the means: three examples with losses 1, 1, 1 and one example with loss 5 have the mean 2,
# while the two batches' means 1 and 5 have the mean 3. One example would count as much as three.
#
# **Write `overall_mean(means, counts)`:** two lists of the same length, the batches' means (floats) and
# their numbers of examples (whole numbers). Return the mean over all examples, a float. A batch of 0
# examples has the mean `nan`, and must not disturb the others. No examples at all give `0.0`.
#
# `overall_mean([1.0, 5.0], [3, 1])` is `2.0`.


# %% exercise="W3"
def overall_mean(means: list[float], counts: list[int]) -> float:
    """The mean over all examples, from each batch's mean and number of examples."""
    # BEGIN SOLUTION
    total = sum(mean * count for mean, count in zip(means, counts, strict=True) if count > 0)
    return total / max(sum(counts), 1)
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", overall_mean)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# Sums add up, means do not. So carry sums and counts, and divide once, at the very end. `0 · nan` is `nan`,
# so an empty batch must be left out, not multiplied by 0. This small slip is the bug that E4 begins with.

# %% [markdown] exercise="W4" minutes=5
# ## W4 · The same dice again
#
# A random generator is a machine with a state. Each draw returns a number and moves the state on. Put the
# state back, and the same numbers come again:
#
# ```text
#     state = generator.get_state()      a tensor: the state as it is now
#     generator.set_state(state)         back to it
# ```
#
# **Write `peek(generator, count)`:** the next `count` uniform numbers of the generator, exactly those
# that `torch.rand(count, generator=generator)` will give *after* your function has returned. So the
# generator must be left as it was found. `generator` is a `torch.Generator` that may have been used
# before; `count` may be 0. Torch's global generator stays untouched, too.


# %% exercise="W4"
def peek(generator: torch.Generator, count: int) -> Tensor:
    """The next `count` numbers of torch.rand with this generator, which is left as it was."""
    # BEGIN SOLUTION
    before = generator.get_state()
    numbers = torch.rand(count, generator=generator)
    generator.set_state(before)
    return numbers
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", peek)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# `generator.manual_seed(generator.initial_seed())` goes back to the *beginning*, which is right only for
# a generator that nobody has used. A seed says where a run starts; a state says where it is. A checkpoint
# needs the state. (A second generator that is given the same state serves as well: it looks ahead, and
# the first one stays.)

# %% [markdown]
# # The optimizers

# %% [markdown] exercise="E1" minutes=35
# ## E1 · SGD, momentum, Nesterov, weight decay
#
# Write the optimizer that still trains most of the world's vision models, so that nobody can tell it from
# `torch.optim.SGD`. What all optimizers have in common stands in `Optimizer`; you will need it again in E2.
# (Only `SGD` is checked. If you like another arrangement better, choose it.)
#
# **`SGD(params, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0)`**
#
# - `params` is an iterable of tensors (maybe a generator), or a list of dicts, the *groups*. Each dict has
#   its tensors under `"params"` (an iterable, too) and may have options of its own, such as `"lr"`. What it
#   does not name is taken from the arguments.
# - `self.param_groups` is a list of dicts, one for each group (one, if `params` was no list of dicts): the
#   list of tensors under `"params"`, and the options `"lr"`, `"momentum"`, `"dampening"`, `"nesterov"`,
#   `"weight_decay"`. `step` reads the options anew each time: who changes `param_groups[0]["lr"]` changes
#   the next step.
# - `nesterov=True` without momentum, or with a dampening other than 0, raises `ValueError`.
#
# **`step()`** does this for each parameter θ with gradient g. λ is the weight decay, μ the momentum, τ the
# dampening:
#
# ```text
#     d ← g + λθ
#     if μ ≠ 0:    v ← d                    in the parameter's first step
#                  v ← μ·v + (1 − τ)·d      in all later ones
#                  d ← d + μ·v              with nesterov
#                  d ← v                    without
#     θ ← θ − lr·d
# ```
#
# - Each parameter has a v of its own. A parameter whose `.grad` is `None` is skipped: it does not move, and
#   nothing is remembered about it. A gradient of zeros is a gradient: momentum and decay go on.
# - θ changes in place, unrecorded; `.grad` is only read. v is remembered by you alone: later changes of
#   `.grad`, which zeroing in place makes, must not reach it.
#
# **`zero_grad(set_to_none=True)`** sets every `.grad` to `None`, or, with `False`, fills those that exist
# with zeros.
#
# **`state_dict()`** gives all that is needed to go on elsewhere, in torch's layout; `torch.save` can write
# it, and `torch.load(…, weights_only=True)` reads it:
#
# ```text
#     {"state": {0: {"momentum_buffer": v}, …},               by number, through all groups: 0, 1, …
#      "param_groups": [{"params": [0, 1], "lr": …, …}, …]}   the options; numbers instead of tensors
# ```
#
# Parameters of which nothing is remembered are missing in `"state"` (or have an empty dict there). The
# tensors may be the live ones or copies.
#
# **`load_state_dict(state_dict)`** takes this back: options and what was remembered. The two optimizers
# share nothing afterwards, and `state_dict` stays as it is. The parameters are not in it.
#
# Your numbers must agree with torch's to 1e-12 in float64. Parameters may be empty or non-contiguous.
#
# **Not allowed:** anything of `torch.optim`, by any route.


# %% exercise="E1"
class Optimizer:
    """Groups of parameters, what is remembered about each parameter, and how both are saved."""

    def __init__(self, params: Iterable[Tensor] | list[dict], defaults: dict[str, Any]) -> None:
        # BEGIN SOLUTION
        params = list(params)  # a generator can be gone through only once
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.state: dict[Tensor, dict[str, Any]] = {}
        # END SOLUTION

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        # BEGIN SOLUTION
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.zero_()
        # END SOLUTION

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on elsewhere; parameters appear as numbers."""
        # BEGIN SOLUTION
        number = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[p]: dict(kept) for p, kept in self.state.items()}, "param_groups": groups}
        # END SOLUTION

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Become what was saved."""
        # BEGIN SOLUTION
        saved = copy.deepcopy(state_dict)  # its tensors belong to somebody else
        for group, options in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({name: value for name, value in options.items() if name != "params"})
        params = [p for group in self.param_groups for p in group["params"]]
        self.state = {params[i]: kept for i, kept in saved["state"].items()}
        # END SOLUTION


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, Nesterov's momentum and weight decay."""

    def __init__(
        self,
        params: Iterable[Tensor] | list[dict],
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        # BEGIN SOLUTION
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum, and no dampening")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}
        super().__init__(params, {**options, "weight_decay": weight_decay})
        # END SOLUTION

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # BEGIN SOLUTION
        with torch.no_grad():
            for group in self.param_groups:
                mu = group["momentum"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    d = p.grad + group["weight_decay"] * p
                    if mu != 0 and p not in self.state:
                        self.state[p] = {"momentum_buffer": d.clone()}
                    elif mu != 0:
                        self.state[p]["momentum_buffer"].mul_(mu).add_(d, alpha=1 - group["dampening"])
                    if mu != 0:
                        v = self.state[p]["momentum_buffer"]
                        d = d + mu * v if group["nesterov"] else v
                    p.add_(d, alpha=-group["lr"])
        # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", SGD)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why the first buffer is d.** With `v = 0` at the start and dampening τ the first step would be `(1 −
# τ)·d`, nearly nothing for a τ near 1. PyTorch starts from d itself. Textbooks that put lr *into* the
# buffer (`v ← μv + lr·d`) get the same path as long as lr is constant, and another one as soon as a
# schedule moves it: their buffer remembers steps that were sized by old rates.
#
# **Why decay comes first.** As part of d it goes through the buffer like any other gradient: it *is* the
# gradient of `λ/2·‖θ‖²`. Next exercise: why that is a bad idea for Adam.
#
# **What it costs.** One tensor of the parameter's size for momentum, nothing without. `torch.optim.SGD`
# does the same arithmetic for all parameters in a few calls (`foreach`), which counts where there are
# thousands of small tensors.

# %% [markdown] exercise="E2" minutes=50
# ## E2 · Adagrad, RMSprop, Adam, AdamW
#
# Four optimizers, one idea: divide each coordinate's step by the size of its past gradients. Write three
# classes (AdamW is `Adam` with `decoupled=True`). Squares, roots and quotients are elementwise:
#
# ```text
#   Adagrad    s ← s + g²                                      s starts at initial_accumulator
#              θ ← θ − lr · g / (√s + ε)
#
#   RMSprop    s ← α·s + (1 − α)·g²        u = √s + ε          all averages start at 0
#              centered:  ḡ ← α·ḡ + (1 − α)·g     u = √(s − ḡ²) + ε
#              momentum = 0:  θ ← θ − lr · g / u
#              momentum μ:    b ← μ·b + g / u      θ ← θ − lr·b
#
#   Adam       decoupled:      θ ← θ·(1 − lr·λ)               λ is weight_decay; first of all
#              not decoupled:  g ← g + λθ                      before anything is averaged
#              m ← β₁·m + (1 − β₁)·g       v ← β₂·v + (1 − β₂)·g²
#              m̂ = m / (1 − β₁ᵗ)           v̂ = v / (1 − β₂ᵗ)      t = 1 in the parameter's first step
#              θ ← θ − lr · m̂ / (√v̂ + ε)
#              amsgrad:  w ← max(w, v), and v̂ = w / (1 − β₂ᵗ)      w starts at 0
# ```
#
# - All three have `step`, `zero_grad`, `state_dict`, `load_state_dict`, `param_groups` with the rules of
#   E1: groups with options of their own (under the names of the arguments, such as `"betas"`), options
#   read anew at each step, generators, `state_dict` with `"state"` by number and `"param_groups"`,
#   nothing shared after loading. The stubs inherit from your `Optimizer`; classes that stand alone are as
#   good. How you name what you remember of a parameter is up to you.
# - A parameter whose `.grad` is `None` is skipped: its averages do not fade, its t does not advance. So
#   each parameter has its own t.
# - A gradient of 0 for ever gives no NaN, and no move.
# - `bfloat16` and `float16` parameters: remember and compute in `float32`, and round only the new
#   parameter. (`torch.optim` remembers in the parameter's dtype. In `bfloat16` 0.999·v rounds to v again:
#   an average that never fades.) `at_least_float32` is given. `float64` stays `float64`.
# - Your numbers must agree with torch's to 1e-10 in float64, for gradients from 1e-30 to 1e30. In float32
#   the square of 1e30 overflows, there as in torch; nobody asks for it.
#
# **Not allowed:** anything of `torch.optim`, by any route.


# %% exercise="E2"
def at_least_float32(x: Tensor) -> Tensor:
    """x itself; if it is bfloat16 or float16, a copy in float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class Adam(Optimizer):
    """Adam; with `decoupled=True` AdamW."""

    def __init__(
        self,
        params: Iterable[Tensor] | list[dict],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        amsgrad: bool = False,
    ) -> None:
        # BEGIN SOLUTION
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "decoupled": decoupled, "amsgrad": amsgrad})
        # END SOLUTION

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # BEGIN SOLUTION
        with torch.no_grad():
            for group in self.param_groups:
                lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    x, g = at_least_float32(p), at_least_float32(p.grad)
                    if p not in self.state:
                        names = ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))
                        self.state[p] = {"step": 0, **{name: torch.zeros_like(x) for name in names}}
                    kept = self.state[p]
                    kept["step"] += 1
                    m, v, t = kept["exp_avg"], kept["exp_avg_sq"], kept["step"]
                    if group["decoupled"]:
                        x = x * (1 - lr * decay)
                    else:
                        g = g + decay * x
                    m.mul_(beta1).add_(g, alpha=1 - beta1)
                    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
                    if group["amsgrad"]:
                        v = torch.maximum(kept["max_exp_avg_sq"], v, out=kept["max_exp_avg_sq"])
                    size = (v / (1 - beta2**t)).sqrt() + group["eps"]
                    p.copy_(x - lr * (m / (1 - beta1**t)) / size)
        # END SOLUTION


class RMSprop(Optimizer):
    """RMSprop, centered or not, with or without momentum."""

    def __init__(
        self,
        params: Iterable[Tensor] | list[dict],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        # BEGIN SOLUTION
        options = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
        super().__init__(params, options)
        # END SOLUTION

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # BEGIN SOLUTION
        with torch.no_grad():
            for group in self.param_groups:
                alpha = group["alpha"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    x, g = at_least_float32(p), at_least_float32(p.grad)
                    if p not in self.state:
                        names = ("square_avg", "grad_avg", "momentum_buffer")
                        self.state[p] = {name: torch.zeros_like(x) for name in names}
                    s, mean, b = self.state[p].values()
                    s.mul_(alpha).addcmul_(g, g, value=1 - alpha)
                    mean.mul_(alpha).add_(g, alpha=1 - alpha)
                    size = (s - mean**2 if group["centered"] else s).sqrt() + group["eps"]
                    b.mul_(group["momentum"]).add_(g / size)
                    p.copy_(x - group["lr"] * b)
        # END SOLUTION


class Adagrad(Optimizer):
    """Adagrad: steps that shrink with all gradients so far."""

    def __init__(
        self,
        params: Iterable[Tensor] | list[dict],
        lr: float = 1e-2,
        eps: float = 1e-10,
        initial_accumulator: float = 0.0,
    ) -> None:
        # BEGIN SOLUTION
        super().__init__(params, {"lr": lr, "eps": eps, "initial_accumulator": initial_accumulator})
        # END SOLUTION

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # BEGIN SOLUTION
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    x, g = at_least_float32(p), at_least_float32(p.grad)
                    if p not in self.state:
                        self.state[p] = {"sum": torch.full_like(x, group["initial_accumulator"])}
                    s = self.state[p]["sum"]
                    s.addcmul_(g, g)
                    p.copy_(x - group["lr"] * g / (s.sqrt() + group["eps"]))
        # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", Adam, RMSprop, Adagrad)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Why the correction matters.** In step 1 `m = 0.1·g` and `√v = √0.001·|g| = 0.0316·|g|`. Uncorrected,
# the quotient is 3.16: the very first step, which knows least, would be more than three times too long.
# Corrected it is ±1, whatever the size of g: the first step of Adam is `lr·sign(g)`.
#
# **Why decoupled.** As part of g the decay `λθ` is divided by `√v̂` like everything else. A weight with
# large gradients is then hardly decayed at all. AdamW shrinks every weight by the same share.
#
# **Why ε outside.** `√v̂ + ε` bounds the divisor by 1e-8, `√(v̂ + ε)` by 1e-4: with small gradients the two
# are different optimizers.
#
# **What it costs.** Adam remembers two numbers for each parameter: with 7 billion of them in float32 that
# is 56 GB, beside 28 GB of weights. RMSprop as written here always remembers three tensors, so that the
# code stays short; torch makes those it needs.

# %% [markdown]
# # The schedule

# %% [markdown] exercise="E3" minutes=40
# ## E3 · Schedules, a plateau, and when to stop
#
# A schedule is a function of the step number. So write it as one: no object, no memory, nothing to save.
# `t` counts the optimizer steps that are *done*, so the first step uses the value at `t = 0`. All five
# return a Python float.
#
# - `step_lr(t, base, step_size, gamma)`: `base · gamma^⌊t / step_size⌋`.
# - `cosine(t, T, base, eta_min=0.0)`: `eta_min + ½ (base − eta_min)(1 + cos(π t / T))`. From `t = T` on it
#   stays at `eta_min`, exactly. (Torch's rises again.)
# - `warm_restarts(t, T0, T_mult, base, eta_min=0.0)`: cosines one after the other. The first takes `T0`
#   steps, each next one `T_mult` times as many; `T_mult` is a whole number, at least 1. Each begins at
#   `base`, exactly: with `T0 = 4, T_mult = 2` at t = 0, 4, 12, 28. The step before a restart is still above
#   `eta_min`.
# - `one_cycle(t, total, max_lr, pct_start=0.3, div=25.0, final_div=1e4)`: half a cosine up from `max_lr /
#   div` at t = 0 to `max_lr` at `t = peak`, half a cosine down to `max_lr / div / final_div` at `t = last`,
#   and constant after it. `last = total − 1` and `peak = pct_start · total − 1`, which need not be whole.
#   If `peak ≤ 0` there is no way up: the way down begins at `peak`. `0 ≤ pct_start < 1`. (With `total = 1`
#   this leaves the lowest value, as in torch.)
# - `warmup_cosine(t, warmup, total, base, eta_min=0.0)`: for `t < warmup` a ramp, `base · (t + 1) /
#   (warmup + 1)`, so that no step is wasted on a rate of 0; then a cosine over the remaining `total −
#   warmup` steps which begins at `base` at `t = warmup` and stays at `eta_min` from `t = total` on.
#   `warmup` may be 0.
#
# Two things do need a memory:
#
# **`Plateau(lr, mode="min", factor=0.1, patience=10, threshold=1e-4, cooldown=0, min_lr=0.0)`** starts at
# `lr`. `step(metric)` takes note of an evaluation and returns the rate from now on (also as `.lr`). In this
# order:
#
# ```text
#     better?   mode "min": metric < best · (1 − threshold)    mode "max": metric > best · (1 + threshold)
#               the first metric that is a number is better in any case
#     better:   best = metric, bad = 0          else:  bad = bad + 1
#     cooling down?   cooldown left −1, and bad = 0
#     bad > patience:   lr = max(lr · factor, min_lr), bad = 0, and `cooldown` evaluations of cooling begin
# ```
#
# So the rate falls at bad evaluation number `patience + 1`. NaN is never better: it counts as bad.
#
# **`EarlyStopping(patience=10, min_delta=0.0, mode="min")`**: `update(metric, epoch)` returns True if
# training should stop: at the `patience`-th evaluation in a row that is not better (one earlier than the
# plateau acts: that is how most libraries count), and at every further one until one is better: then the
# count begins anew. Better means `metric < best − min_delta` (mode "max": `metric > best + min_delta`).
# `.best` and `.best_epoch` are the best metric and its `epoch`, both `None` before there is one. NaN counts
# as bad and never becomes best.
#
# **Not allowed:** anything of `torch.optim`, by any route.


# %% exercise="E3"
def step_lr(t: int, base: float, step_size: int, gamma: float) -> float:
    """A staircase: times gamma after every step_size steps."""
    # BEGIN SOLUTION
    return base * gamma ** (t // step_size)
    # END SOLUTION


def cosine(t: int, T: int, base: float, eta_min: float = 0.0) -> float:
    """Half a cosine from base at 0 to eta_min at T, and constant after it."""
    # BEGIN SOLUTION
    if t >= T:
        return eta_min
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * t / T)) / 2
    # END SOLUTION


def warm_restarts(t: int, T0: int, T_mult: int, base: float, eta_min: float = 0.0) -> float:
    """Cosines of T0, T0·T_mult, T0·T_mult², … steps."""
    # BEGIN SOLUTION
    length = T0
    while t >= length:
        t -= length
        length *= T_mult
    return cosine(t, length, base, eta_min)
    # END SOLUTION


def one_cycle(
    t: int, total: int, max_lr: float, pct_start: float = 0.3, div: float = 25.0, final_div: float = 1e4
) -> float:
    """Up to max_lr in the first pct_start of the steps, then down to almost nothing."""
    # BEGIN SOLUTION
    peak, last = pct_start * total - 1, total - 1
    first = max_lr / div
    if t < peak:
        return max_lr - (max_lr - first) * (1 + math.cos(math.pi * t / peak)) / 2
    return first / final_div + cosine(t - peak, last - peak, max_lr - first / final_div)
    # END SOLUTION


def warmup_cosine(t: int, warmup: int, total: int, base: float, eta_min: float = 0.0) -> float:
    """A linear ramp of `warmup` steps, then half a cosine that ends at `total`."""
    # BEGIN SOLUTION
    if t < warmup:
        return base * (t + 1) / (warmup + 1)
    return cosine(t - warmup, total - warmup, base, eta_min)
    # END SOLUTION


class Plateau:
    """Lowers the learning rate when a metric no longer improves."""

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        # BEGIN SOLUTION
        self.lr, self.mode, self.factor, self.patience = lr, mode, factor, patience
        self.threshold, self.cooldown, self.min_lr = threshold, cooldown, min_lr
        self.best: float | None = None
        self.bad = self.cooling = 0
        # END SOLUTION

    def step(self, metric: float) -> float:
        """Take note of an evaluation; the learning rate from now on."""
        # BEGIN SOLUTION
        if self.best is None:
            better = not math.isnan(metric)
        elif self.mode == "min":
            better = metric < self.best * (1 - self.threshold)
        else:
            better = metric > self.best * (1 + self.threshold)
        if better:
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.lr = max(self.lr * self.factor, self.min_lr)
            self.cooling, self.bad = self.cooldown, 0
        return self.lr
        # END SOLUTION


class EarlyStopping:
    """Says when to stop, and which epoch was the best."""

    def __init__(self, patience: int = 10, min_delta: float = 0.0, mode: str = "min") -> None:
        # BEGIN SOLUTION
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.bad = 0
        # END SOLUTION

    def update(self, metric: float, epoch: int) -> bool:
        """Take note of an evaluation; True if training should stop."""
        # BEGIN SOLUTION
        if self.best is None:
            better = not math.isnan(metric)
        elif self.mode == "min":
            better = metric < self.best - self.min_delta
        else:
            better = metric > self.best + self.min_delta
        if better:
            self.best, self.best_epoch, self.bad = metric, epoch, 0
        else:
            self.bad += 1
        return self.bad >= self.patience
        # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", step_lr, cosine, warm_restarts, one_cycle, warmup_cosine, Plateau, EarlyStopping)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why pure functions.** Torch's schedulers are objects that count, and are stepped twice or not at all
# by accident. A function of t has nothing to save and nothing to forget: a resumed run asks for the value
# at its own t. In torch, `LambdaLR` takes such a function.
#
# **Finding the cycle.** The loop subtracts whole cycles, a handful for any t (with `T_mult = 1` as many as
# there are cycles; `t % T0` is quicker there). The closed form `⌊log(t/T0·(m − 1) + 1) / log m⌋` is
# tempting, but at a restart the logarithm may come out a hair below the whole number, and the cycle begins
# one step late.
#
# **NaN.** Every comparison with NaN is False. So `metric < best` treats it as bad, as it should, while `if
# not metric >= best` makes it the best value of all, for ever: nothing is smaller than NaN.

# %% [markdown]
# # The step

# %% [markdown] exercise="E4" minutes=45
# ## E4 · Clip and accumulate exactly
#
# A batch that does not fit into memory is cut into *micro-batches*, whose gradients add up before one
# step is made. The result must be the same as with the whole batch, and in a widely used trainer it
# was not, until October 2024: it averaged the micro-batches' means. You know the mistake from W3.
#
# **1. `clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False)`** treats all gradients
# together as one long vector and returns its norm *before* clipping, a 0-d tensor.
#
# - If the norm is above `max_norm`, all gradients are multiplied by the same factor, `max_norm / norm`.
#   (Torch divides by `norm + 1e-6`; either is fine.) Otherwise every bit stays as it is.
# - `norm_type` is a number p > 0 or `float("inf")`: `(Σ |g|ᵖ)^(1/p)`, or the largest `|g|`.
# - `params` is an iterable of tensors, maybe a generator. Those whose `.grad` is `None` do not count. No
#   gradients at all: the norm is 0. A gradient may be empty.
# - The norm must be finite where it can be written down: the squares of float32 gradients of 1e30 overflow
#   (torch's own function says `inf`), those of 1e-30 vanish. Asked for is the true norm, and true clipping of
#   large gradients. Add up in float64, or divide by the largest entry first.
# - With NaN or infinity among the gradients the norm is NaN or infinite, and what then becomes of the
#   gradients is nobody's concern; but with `error_if_nonfinite=True` a `RuntimeError` is raised, and they
#   stay as they are.
#
# **2. `accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None)`** makes one
# optimizer step for all micro-batches together.
#
# - Each micro-batch is `(x, y, mask)`. `mask` is boolean, in the shape of `y`: True where a token counts.
#   `loss_sum_fn(model(x), y, mask)` gives the *sum* of the losses of the tokens that count.
# - What is minimised: **the sum of all losses, divided by the number of all tokens that count**, over all
#   micro-batches. Return this number, a Python float.
# - One micro-batch at a time: its forward pass, then its backward pass, so that never two graphs are alive.
#   The model sees each micro-batch once, by itself.
# - Gradients that are there before do not count. With `max_norm` the complete gradient is clipped, once.
#   Then one `optimizer.step()`; the gradient that it used may stay in `.grad`.
# - A micro-batch in which no token counts adds nothing. If no token counts in any, there is no step, and
#   the result is `0.0`.
#
# ```text
#   two micro-batches, loss sums 6 (of 2 tokens) and 30 (of 30 tokens):   36 / 32 = 1.125
#   the mean of their means, (3 + 1) / 2 = 2, is the famous bug
# ```
#
# **Not allowed:** `torch.nn.utils.clip_grad_norm_` and its parts, `shared.train`, by any route.


# %% exercise="E4"
def clip_grad_norm_(
    params: Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients so that their joint norm is at most max_norm; the norm as it was, a 0-d tensor."""
    # BEGIN SOLUTION
    grads = [p.grad for p in params if p.grad is not None]
    norms = [torch.linalg.vector_norm(g.double(), norm_type) for g in grads if g.numel() > 0]
    if not norms:
        return torch.tensor(0.0)
    total = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(f"the norm of the gradients is {total.item()}")
    if total > max_norm:
        for g in grads:
            g.mul_(max_norm / total.item())
    return total
    # END SOLUTION


def accumulate_step(
    model: nn.Module,
    loss_sum_fn: Callable[[Tensor, Tensor, Tensor], Tensor],
    micro_batches: Sequence[tuple[Tensor, Tensor, Tensor]],
    optimizer: Any,
    *,
    max_norm: float | None = None,
) -> float:
    """One step on Σ losses / Σ tokens over all micro-batches; the value of this objective."""
    # BEGIN SOLUTION
    optimizer.zero_grad()
    tokens = sum(int(mask.sum()) for _, _, mask in micro_batches)  # before the first backward
    if tokens == 0:
        return 0.0
    objective = 0.0
    for x, y, mask in micro_batches:
        loss = loss_sum_fn(model(x), y, mask) / tokens
        loss.backward()
        objective += loss.item()
    if max_norm is not None:
        clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return objective
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", clip_grad_norm_, accumulate_step)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why it is right.** Differentiation is linear: the gradient of `(L₁ + L₂)/n` is the gradient of `L₁/n`
# plus that of `L₂/n`, and `backward` adds into `.grad` by itself. All that is needed is n, before the
# first backward. Micro-batches need not even have the same size.
#
# **Why clip once.** Clipping is not linear. Clipping each micro-batch bends the sum, and bends it more
# where the micro-batches disagree.
#
# **Why one factor.** A factor for each tensor changes the direction of the long vector; a common one only
# its length.
#
# **What it costs.** The memory of one micro-batch's graph, plus one gradient. `loss.item()` waits for the
# device each time; on a GPU one would add up tensors and read once. In several processes n must be the
# count of all of them: the same bug again, one level up.

# %% [markdown]
# # Everything together
#
# A trainer is a loop with a memory. The memory is the hard part: a run of three weeks *will* be
# interrupted, and whoever resumes it wants the run that would have been, not a similar one.

# %% [markdown] exercise="E5" minutes=75
# ## E5 · A trainer that survives `kill -9`
#
# **Write `Trainer(model, optimizer, loss_fn, *, scheduler=None, max_norm=None, accum=1, patience=None,
# ckpt_dir, seed=0, callbacks=())`.** `loss_fn(model(x), y)` is the *mean* loss of a batch. `scheduler` is
# anything with `step`, `state_dict` and `load_state_dict`, and so is `optimizer`, with `zero_grad` besides.
# `torch.optim` and all of torch are allowed here; `shared.train` and `shared.checkpoint` are not: they are
# the grown-up version of this exercise.
#
# **`fit(train, valid, epochs)`** trains until `epochs` epochs are complete *in all*, and returns the
# history. `train` and `valid` are loaders: `loader.epoch(e, start)` gives the batches `(x, y)` of epoch e
# (counted from 0) from batch number `start` on, in an order that depends on e alone; `len(loader)` is the
# number of batches. (`shared.data.Loader` is one.)
#
# - A new trainer's first `fit` seeds torch's, NumPy's and Python's global generators with `seed`; after
#   that nobody seeds again, so that `fit(…, 3)` and then `fit(…, 5)` is the same as `fit(…, 5)`.
# - One optimizer step for every `accum` batches, the last ones of an epoch maybe fewer. Its gradient is
#   that of the mean over all *examples* of these batches, which may differ in size; clipped to
#   `max_norm`, if that is given. After each optimizer step: `scheduler.step()`, once; `self.step` grows
#   by 1; then `callback(trainer)` for each callback. A callback may raise an exception (that is how a run
#   is interrupted), or call `trainer.save`.
# - After each epoch `valid.epoch(0, 0)` is evaluated, in eval mode and without a graph: the mean loss over
#   all examples, and the share of right answers (`argmax` over the last axis). Training goes on in train
#   mode. Then `self.epoch`, the number of complete epochs, grows by 1, and `save(f"epoch-{self.epoch}")` is
#   called.
# - `self.history` is a dict of three lists with one float an epoch: `"train_loss"` (the mean over all
#   examples of the epoch, each as it was when it was trained on), `"val_loss"`, `"val_accuracy"` (0 to 1).
# - `self.best_state` is a copy of the model's `state_dict()` as it was at the lowest `val_loss` so far;
#   `None` before the first evaluation. With `patience` given, `fit` stops once `val_loss` was not lower
#   than the lowest for `patience` epochs in a row, and whenever it ends it leaves the model with its best
#   weights. Without `patience` the model keeps its last.
# - `self.model`, `self.optimizer` and `self.scheduler` are what was passed in.
#
# **`save(tag)`** writes `ckpt_dir/<tag>.pt`; it makes the folder if necessary. The file is there
# completely or not at all: an older one of the same name stays whole until the new one is (write beside
# it, then `os.replace`). Nothing else is left in the folder. `torch.load(path, weights_only=True)` must
# read the file.
#
# **`Trainer.resume(ckpt_dir, factory)`**, a class method. `factory()` makes a new trainer with a new
# model, optimizer and scheduler, just as the run began. `resume` restores it from the newest `.pt` file
# that can be read, and returns it. *Newest* means: with the most optimizer steps; names and times of
# files say nothing. A damaged file is passed over. If there is no readable one: `FileNotFoundError`.
#
# **What it must show.** A run that is saved anywhere, in the middle of an epoch too, and resumed in another
# process ends with the same bits as one that was never interrupted: weights, optimizer, schedule, history,
# best state. So think of everything that changes: there are about ten things. `shared.seeding` has
# `rng_state()` and `restore_rng_state(state)` for the three generators.
#
# And it must learn: digits, a 64-128-128-10 network with dropout 0.1, AdamW on torch's one-cycle schedule up
# to lr = 0.01, batches of 32, `max_norm=1`, 12 epochs, get at least 0.95 of the test digits right. Labels in
# random order must lead to nothing.


# %% exercise="E5"
class Trainer:
    """A training loop that can be interrupted anywhere. (Divide it into other methods if you like.)"""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        *,
        scheduler: Any = None,
        max_norm: float | None = None,
        accum: int = 1,
        patience: int | None = None,
        ckpt_dir: Path | str,
        seed: int = 0,
        callbacks: Sequence[Callable[["Trainer"], None]] = (),
    ) -> None:
        # BEGIN SOLUTION
        self.model, self.optimizer, self.loss_fn, self.scheduler = model, optimizer, loss_fn, scheduler
        self.max_norm, self.accum, self.patience = max_norm, accum, patience
        self.ckpt_dir, self.seed, self.callbacks = Path(ckpt_dir), seed, callbacks
        self.epoch = self.step = 0
        self.used = 0  # batches of the current epoch
        self.loss_sum, self.examples = 0.0, 0  # of the current epoch
        self.history: dict[str, list[float]] = {"train_loss": [], "val_loss": [], "val_accuracy": []}
        self.best_state: dict[str, Tensor] | None = None
        self.best_loss, self.bad = math.inf, 0
        self.changing = ("epoch", "step", "used", "loss_sum", "examples")
        self.changing += ("history", "best_state", "best_loss", "bad")
        # END SOLUTION

    def fit(self, train: Any, valid: Any, epochs: int) -> dict[str, list[float]]:
        """Train until `epochs` epochs are complete in all, or patience is over; the history."""
        # BEGIN SOLUTION
        if self.step == 0:
            seed_everything(self.seed)
        while self.epoch < epochs and (self.patience is None or self.bad < self.patience):
            self.train_epoch(train)
            val_loss, accuracy = self.evaluate(valid)
            self.history["train_loss"].append(self.loss_sum / self.examples)
            self.history["val_loss"].append(val_loss)
            self.history["val_accuracy"].append(accuracy)
            if val_loss < self.best_loss:
                self.best_loss, self.bad = val_loss, 0
                self.best_state = copy.deepcopy(self.model.state_dict())
            else:
                self.bad += 1
            self.epoch, self.used, self.loss_sum, self.examples = self.epoch + 1, 0, 0.0, 0
            self.save(f"epoch-{self.epoch}")
        if self.patience is not None and self.best_state is not None:
            self.model.load_state_dict(self.best_state)
        return self.history
        # END SOLUTION

    def train_epoch(self, train: Any) -> None:
        """The rest of the current epoch."""
        # BEGIN SOLUTION
        self.model.train()
        batches = train.epoch(self.epoch, self.used)
        while window := list(itertools.islice(batches, self.accum)):
            count = sum(len(y) for _, y in window)
            self.optimizer.zero_grad()
            for x, y in window:
                loss = self.loss_fn(self.model(x), y)
                (loss * (len(y) / count)).backward()
                self.loss_sum += loss.item() * len(y)
            if self.max_norm is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
            self.step, self.used, self.examples = (
                self.step + 1,
                self.used + len(window),
                self.examples + count,
            )
            for callback in self.callbacks:
                callback(self)
        # END SOLUTION

    def evaluate(self, valid: Any) -> tuple[float, float]:
        """Mean loss and share of right answers over all examples."""
        # BEGIN SOLUTION
        self.model.eval()
        loss, right, count = 0.0, 0, 0
        with torch.no_grad():
            for x, y in valid.epoch(0, 0):
                output = self.model(x)
                loss += self.loss_fn(output, y).item() * len(y)
                right += int((output.argmax(dim=-1) == y).sum())
                count += len(y)
        self.model.train()
        return loss / count, right / count
        # END SOLUTION

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes."""
        # BEGIN SOLUTION
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return {
            **{name: part.state_dict() for name, part in parts.items() if part is not None},
            "own": {name: getattr(self, name) for name in self.changing},
            "rng": rng_state(),
        }
        # END SOLUTION

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the saved trainer."""
        # BEGIN SOLUTION
        for name in ("model", "optimizer", "scheduler"):
            if name in state:
                getattr(self, name).load_state_dict(state[name])
        for name in self.changing:
            setattr(self, name, state["own"][name])
        restore_rng_state(state["rng"])
        # END SOLUTION

    def save(self, tag: str) -> None:
        """Write ckpt_dir/<tag>.pt, completely or not at all."""
        # BEGIN SOLUTION
        self.ckpt_dir.mkdir(parents=True, exist_ok=True)
        path = self.ckpt_dir / f"{tag}.pt"
        beside = path.with_name(path.name + ".tmp")
        with beside.open("wb") as file:
            torch.save(self.state_dict(), file)
            file.flush()
            os.fsync(file.fileno())  # on the disk, not only on its way there
        beside.replace(path)
        # END SOLUTION

    @classmethod
    def resume(cls, ckpt_dir: Path | str, factory: Callable[[], "Trainer"]) -> "Trainer":
        """A new trainer from `factory`, restored from the newest checkpoint that can be read."""
        # BEGIN SOLUTION
        states = []
        for path in Path(ckpt_dir).glob("*.pt"):
            try:
                states.append(torch.load(path, weights_only=True))
            except Exception:  # torch raises many kinds for a damaged file
                continue
        if not states:
            raise FileNotFoundError(f"no checkpoint in {ckpt_dir} can be read")
        trainer = factory()
        trainer.load_state_dict(max(states, key=lambda state: state["own"]["step"]))
        return trainer
        # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", Trainer)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **What changes.** Model, optimizer, scheduler; three random generators; complete epochs, optimizer
# steps, batches used in this epoch; the sum of the epoch's losses so far and how many examples it covers;
# the history; the best weights, their loss, and how many epochs ago they were. Leave one out and the run
# goes on, a little different, without a word. That is why the check compares bits.
#
# **Why the order is a function of the epoch.** Then there is nothing to save about it: epoch 7 from batch
# 12 on is the same in every process. A loader that draws its order from a generator needs the generator's
# state *at the beginning of the epoch*, and must go through the used batches again.
#
# **Why write beside.** `torch.save` onto the old file destroys it first. Killed at that moment, a run has
# lost both. A rename is one operation: before it there is the old file, after it the new one.
#
# **What it costs.** A checkpoint holds weights, two moments each (Adam) and the best weights: four times
# the model. `loss.item()` at each batch waits for a GPU; a production loop adds up on the device and
# reads every 50 steps. `shared.train.Trainer` is this trainer, grown up: mixed precision, several
# processes, checksums.

# %% [markdown]
# # The library's version
#
# What you have written stands in `shared` in its grown-up form. The same run with both: your `Trainer` and
# `shared.train.Trainer`, the same loader, model, optimizer and seed.

# %%
from shared.data import Examples, Loader, digits
from shared.train import CheckpointConfig, TrainConfig, classification
from shared.train import Trainer as LibraryTrainer


def network(seed: int, dropout: float = 0.1) -> nn.Sequential:
    """64 pixels, twice 128 units, ten scores; the same weights for the same seed."""
    torch.manual_seed(seed)
    first = (nn.Linear(64, 128), nn.ReLU(), nn.Dropout(dropout))
    return nn.Sequential(*first, nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


if __name__ == "__main__":
    import tempfile

    split = digits(flat=True)
    learn = Examples(split.train.inputs[:1200], split.train.targets[:1200])
    hold = Examples(split.train.inputs[1200:], split.train.targets[1200:])
    train_loader, valid_loader = Loader(learn, 64, shuffle=True, seed=0), Loader(hold, 64)
    if lab.passed("E5"):
        yours, theirs = network(0), network(0)
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                yours,
                torch.optim.AdamW(yours.parameters(), lr=3e-3),
                nn.functional.cross_entropy,
                max_norm=1.0,
                accum=2,
                ckpt_dir=folder,
            )
            own = trainer.fit(train_loader, valid_loader, epochs=3)
        library = LibraryTrainer(
            theirs,
            torch.optim.AdamW(theirs.parameters(), lr=3e-3),
            classification(),
            TrainConfig(epochs=3, accumulate=2, clip_norm=1.0, progress=False, checkpoint=CheckpointConfig()),
        )
        history = library.fit(train_loader, valid_loader)
        print("validation loss, yours  ", [f"{loss:.5f}" for loss in own["val_loss"]])
        print("validation loss, library", [f"{loss:.5f}" for loss in history.column("loss")])
        weights = nn.Module.parameters
        apart = max((a - b).abs().max().item() for a, b in zip(weights(yours), weights(theirs), strict=True))
        print(f"largest difference between two weights: {apart:.1e}")
        assert apart < 1e-4

# %% [markdown]
# # Which optimizer is best?
#
# A question that is asked every week, and mostly answered with one run of each. Here are your optimizers
# in your trainer, each with a learning rate that was tried out beforehand, with several seeds. Read the
# intervals before the means. (On a GPU the numbers would differ in the last digits and the order would
# not be any clearer.)

# %%
if __name__ == "__main__":
    from shared.evaluation import mean_over_seeds

    contestants = {
        "SGD": lambda params: SGD(params, lr=0.3),
        "SGD, Nesterov": lambda params: SGD(params, lr=0.05, momentum=0.9, nesterov=True),
        "Adagrad": lambda params: Adagrad(params, lr=0.03),
        "RMSprop": lambda params: RMSprop(params, lr=2e-3),
        "AdamW": lambda params: Adam(params, lr=3e-3, weight_decay=0.01, decoupled=True),
    }
    seeds, epochs = (3, 8) if profile == "laptop" else (full_seeds, full_epochs)
    if all([lab.passed("E1"), lab.passed("E2"), lab.passed("E5")]):
        for name, make in contestants.items():
            accuracies = []
            for seed in range(seeds):
                model = network(seed)
                loaders = Loader(learn, 64, shuffle=True, seed=seed), valid_loader
                with tempfile.TemporaryDirectory() as folder:
                    trainer = Trainer(
                        model,
                        make(model.parameters()),
                        nn.functional.cross_entropy,
                        seed=seed,
                        ckpt_dir=folder,
                    )
                    accuracies.append(trainer.fit(*loaders, epochs=epochs)["val_accuracy"][-1])
            print(f"{name:14} {mean_over_seeds(accuracies)} of the held-out digits right")
