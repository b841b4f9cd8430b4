"""The known mistakes of E2's formulas, each by the path of one number."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise import e2_recursions
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import apart, close

probes = Probes()
GRADIENTS = (2.0, -0.5, 1.5, 0.25)
TEXT = "From 1 with gradients 2, −0.5, 1.5, 0.25"
BASE: dict[str, dict[str, Any]] = {
    "Adam": {"lr": 0.1, "betas": (0.5, 0.8)},
    "RMSprop": {"lr": 0.1, "alpha": 0.75},
    "Adagrad": {"lr": 0.1},
}
RECURSIONS: dict[str, Callable[..., list[float]]] = {
    "Adam": e2_recursions.adam,
    "RMSprop": e2_recursions.rmsprop,
    "Adagrad": e2_recursions.adagrad,
}


def said(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def known(diagnosis: str, name: str, wrongs: Sequence[str], words: str, **options: Any) -> None:
    """A probe: is the path the one with this mistake, and not the right one?"""
    how, recursion = {**BASE[name], **options}, RECURSIONS[name]

    def run(a: Any, t: Trial) -> str | None:
        path, right = walk(getattr(a, name), GRADIENTS, **how), recursion(GRADIENTS, **how)
        if close(path, right):
            return None
        if any(close(path, recursion(GRADIENTS, **how, wrong=wrong)) for wrong in wrongs):
            yours, expected = apart(path, right)
            return f"{name}: {words} ({TEXT} and {said(how)}: {yours}, expected {expected}.)"
        return None

    probes(diagnosis)(run)


@probes("update-is-recorded")
def recorded(a: Any, t: Trial) -> str | None:
    for name in BASE:
        attempt = t.tried(lambda n=name: walk(getattr(a, n), (1.0,)))
        if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
            return (
                f"{name}: the update is recorded by autograd: move parameters under `with torch.no_grad():`"
            )
    return None


@probes("nothing-moves")
def nothing_moves(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        if set(walk(getattr(a, name), GRADIENTS, **how)) == {1.0}:
            return (
                f"{name}: the parameter does not move. Write into the caller's tensor: `p.copy_(new)` or "
                "`p -= …`, not `p = …`"
            )
    return None


@probes("goes-uphill")
def uphill(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        path = walk(getattr(a, name), GRADIENTS, **how)
        if close(path, RECURSIONS[name](GRADIENTS, **how, wrong="uphill")):
            return f"{name}: the parameter goes with the gradient, uphill: θ ← θ − lr · …"
    return None


@probes("t-starts-at-0")
def t_starts_at_zero(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: walk(a.Adam, GRADIENTS, **BASE["Adam"]))
    if attempt.raised(ZeroDivisionError) or (attempt.value and attempt.value[0] != attempt.value[0]):
        return (
            "Adam: division by zero in the first step: 1 − β⁰ is 0. Count t up before you use it, so "
            "that it is "
            "1 in the first step"
        )
    return None


@probes("float64-computed-in-float32")
def narrowed(a: Any, t: Trial) -> str | None:
    for name, how in BASE.items():
        path, right = walk(getattr(a, name), GRADIENTS, **how), RECURSIONS[name](GRADIENTS, **how)
        if close(path, right, 1e-6) and not close(path, right, 1e-9) and float32_only(path):
            return (
                f"{name}: float64 parameters are computed in float32: only bfloat16 and float16 need "
                "another "
                "dtype"
            )
    return None


def float32_only(path: list[float]) -> bool:
    return torch.tensor(path, dtype=torch.float64).float().double().tolist() == path


# ---- Adam ----------------------------------------------------------------------------------------------


@probes("no-bias-correction")
def no_correction(a: Any, t: Trial) -> str | None:
    path = walk(a.Adam, GRADIENTS, **BASE["Adam"])
    if close(path, e2_recursions.adam(GRADIENTS, wrong="raw")):
        first = 1 - walk(a.Adam, (2.0,), lr=0.1)[0]
        return (
            f"Adam: with the default betas step 1 moved {first / 0.1:.3g}·lr, expected 1·lr: the "
            "averages start "
            "at 0. Divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ"
        )
    return None


known("half-a-correction", "Adam", ("raw m", "raw v"), "only one of m and v is corrected; both start at 0.")
known(
    "correction-counts-wrong",
    "Adam",
    ("late",),
    "in the first step t is 1, you use 2: count t up once a step.",
)
known(
    "correction-outside-the-root",
    "Adam",
    ("correction outside",),
    "v is corrected after the root: √(v / (1 − β₂ᵗ)), or √v / √(1 − β₂ᵗ).",
)
known(
    "corrected-value-remembered",
    "Adam",
    ("remembers corrected",),
    "the corrected m and v are remembered, and corrected again in the next step: keep m and v as they are.",
)
known("absolute-instead-of-square", "Adam", ("absolute",), "v averages |g|, it should average g².")
known("root-forgotten", "Adam", ("no root",), "the step is divided by v̂, it should be √v̂ + ε.")
known("betas-exchanged", "Adam", ("betas exchanged",), "β₁ belongs to m, β₂ to v; yours are exchanged.")
known(
    "weights-exchanged",
    "Adam",
    ("weights exchanged",),
    "β belongs to the old average and 1 − β to the new value; yours are exchanged.",
)
known("average-adds-up", "Adam", ("adds up",), "the new value enters with weight 1 − β, yours with 1.")
known(
    "eps-inside-the-root", "Adam", ("eps inside",), "ε stands inside the root: √v̂ + ε, not √(v̂ + ε).", eps=0.3
)
known(
    "eps-before-the-correction",
    "Adam",
    ("eps early",),
    "ε is added before v is corrected: correct first, √v̂ + ε with v̂ = v / (1 − β₂ᵗ).",
    eps=0.3,
)
known("eps-ignored", "Adam", ("no eps",), "eps makes no difference: the divisor is √v̂ + ε.", eps=0.3)
known(
    "adamw-as-l2",
    "Adam",
    ("coupled",),
    "with decoupled=True the decay still goes through the averages, where it is divided by √v̂ like a "
    "gradient. "
    "Decouple it: θ ← θ·(1 − lr·λ), before the step.",
    weight_decay=0.5,
    decoupled=True,
)
known(
    "decay-without-lr",
    "Adam",
    ("decay without lr",),
    "the decoupled decay is not multiplied by lr: θ ← θ·(1 − lr·λ), so that it follows the schedule.",
    weight_decay=0.5,
    decoupled=True,
)
known(
    "decay-after-the-step",
    "Adam",
    ("decay after",),
    "the decoupled decay comes first, before the step: yours shrinks the step as well.",
    weight_decay=0.5,
    decoupled=True,
)
known(
    "always-decoupled",
    "Adam",
    ("always decoupled",),
    "without decoupled=True the decay is part of the gradient: g ← g + λθ, before anything is averaged.",
    weight_decay=0.5,
)
known(
    "decay-ignored",
    "Adam",
    ("no decay",),
    "weight_decay makes no difference without decoupled: g ← g + λθ comes first.",
    weight_decay=0.5,
)
known(
    "decoupled-decay-ignored",
    "Adam",
    ("no decay",),
    "weight_decay makes no difference with decoupled=True: θ ← θ·(1 − lr·λ) comes first.",
    weight_decay=0.5,
    decoupled=True,
)
known(
    "amsgrad-ignored",
    "Adam",
    ("no amsgrad",),
    "amsgrad=True makes no difference: the divisor comes from the largest v so far.",
    amsgrad=True,
)
known(
    "amsgrad-of-the-corrected",
    "Adam",
    ("max of corrected",),
    "amsgrad takes the largest v̂; asked for (as in torch) is the largest v, corrected afterwards.",
    amsgrad=True,
)
known(
    "amsgrad-replaces-v",
    "Adam",
    ("max kept as v",),
    "the largest v is kept *as* v, which then can only grow: keep v and its maximum apart.",
    amsgrad=True,
)

# ---- RMSprop and Adagrad ------

known("rmsprop-adds-up", "RMSprop", ("adds up",), "s adds up like Adagrad's; it should fade: αs + (1 − α)g².")
known(
    "rmsprop-weights-exchanged",
    "RMSprop",
    ("weights exchanged",),
    "α belongs to the old average and 1 − α to g²; yours are exchanged.",
)
known(
    "rmsprop-corrected", "RMSprop", ("corrected",), "the average is bias-corrected; RMSprop does not do that."
)
known("rmsprop-root-forgotten", "RMSprop", ("no root",), "the step is divided by s, it should be √s + ε.")
known("rmsprop-eps-inside", "RMSprop", ("eps inside", "no eps"), "the divisor is √s + ε, ε outside.", eps=0.3)
known(
    "not-centered",
    "RMSprop",
    ("not centered",),
    "centered=True makes no difference: subtract the square of the gradients' average under the root.",
    centered=True,
)
known(
    "mean-not-squared",
    "RMSprop",
    ("mean not squared",),
    "under the root belongs s − ḡ², the mean squared.",
    centered=True,
)
known(
    "rmsprop-momentum-ignored",
    "RMSprop",
    ("no momentum",),
    "momentum makes no difference: b ← μb + g/u, θ ← θ − lr·b.",
    momentum=0.5,
)
known(
    "rmsprop-momentum-averages",
    "RMSprop",
    ("average",),
    "b adds up: μb + g/u, no factor 1 − μ.",
    momentum=0.5,
)
known("adagrad-forgets", "Adagrad", ("forgets",), "only the present gradient counts: s ← s + g² adds up.")
known("adagrad-fades", "Adagrad", ("average", "mean"), "s is averaged; Adagrad's s adds up and never fades.")
known(
    "adagrad-too-late",
    "Adagrad",
    ("old",),
    "the step uses s as it was before: add g² first.",
    initial_accumulator=1.0,
)
known("adagrad-root-forgotten", "Adagrad", ("no root",), "the step is divided by s, it should be √s + ε.")
known("adagrad-eps-inside", "Adagrad", ("eps inside", "no eps"), "the divisor is √s + ε, ε outside.", eps=0.3)
known(
    "initial-accumulator-ignored",
    "Adagrad",
    ("no start",),
    "initial_accumulator makes no difference: s starts there.",
    initial_accumulator=2.0,
)


@probes("rate-inside-the-buffer")
def rate_inside(a: Any, t: Trial) -> str | None:
    how: dict[str, Any] = {**BASE["RMSprop"], "momentum": 0.5, "rates": {3: 0.01}}
    path = walk(a.RMSprop, GRADIENTS, **how)
    if close(path, e2_recursions.rmsprop(GRADIENTS, **how, wrong="rate inside")):
        return (
            "RMSprop: lr stands inside the buffer b; when lr falls from 0.1 to 0.01 at step 3, b "
            "still moves at "
            f"the old rate: {path[2]:.4g}, expected {e2_recursions.rmsprop(GRADIENTS, **how)[2]:.4g}"
        )
    return None


# ---- families: whatever else is wrong with one option ------

FAMILIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("adam-differs", "Adam", {}),
    ("adam-decay-differs", "Adam", {"weight_decay": 0.5}),
    ("adam-decoupled-differs", "Adam", {"weight_decay": 0.5, "decoupled": True}),
    ("adam-eps-differs", "Adam", {"eps": 0.3}),
    ("amsgrad-differs", "Adam", {"amsgrad": True}),
    ("rmsprop-differs", "RMSprop", {}),
    ("rmsprop-centered-differs", "RMSprop", {"centered": True}),
    ("rmsprop-momentum-differs", "RMSprop", {"momentum": 0.5}),
    ("rmsprop-all-differs", "RMSprop", {"momentum": 0.5, "centered": True, "eps": 0.3}),
    ("adagrad-differs", "Adagrad", {}),
    ("adagrad-options-differ", "Adagrad", {"eps": 0.3, "initial_accumulator": 2.0}),
)


def family(diagnosis: str, name: str, options: dict[str, Any]) -> None:
    how = {**BASE[name], **options}

    def run(a: Any, t: Trial) -> str | None:
        path, right = walk(getattr(a, name), GRADIENTS, **how), RECURSIONS[name](GRADIENTS, **how)
        if close(path, right):
            return None
        yours, expected = apart(path, right)
        return f"{name}: {TEXT} and {said(how)} the path is {expected}, yours is {yours}"

    probes(diagnosis)(run)


@probes("other-defaults")
def other_defaults(a: Any, t: Trial) -> str | None:
    expected = {
        "Adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8},
        "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8},
        "Adagrad": {"lr": 1e-2, "eps": 1e-10},
    }
    for name, how in expected.items():
        path, named = walk(getattr(a, name), GRADIENTS), walk(getattr(a, name), GRADIENTS, **how)
        if not close(path, named):
            return f"{name}(params) should be {name}(params, {said(how)}): one of your defaults is another"
    return None


def add_families() -> None:
    for name, optimizer, options in FAMILIES:
        family(name, optimizer, options)


add_families()


@probes("parameter-becomes-another")
def becomes_another(a: Any, t: Trial) -> str | None:
    for name in BASE:
        p = leaf([1.0])
        optimizer = getattr(a, name)([p])
        p.grad = torch.ones_like(p)
        optimizer.step()
        if not p.is_leaf or not p.requires_grad or p.dtype != torch.float64:
            return f"{name}: after a step the parameter no longer is a float64 leaf that requires a gradient"
    return None
