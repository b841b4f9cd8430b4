"""The known mistakes of E1's step, each by its signature on one or two numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise.runs import leaf, walk
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

probes = Probes()
GRADIENTS = (2.0, -0.5, 1.5)


def recursion(
    gradients: Sequence[float],
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    rates: dict[int, float] | None = None,
    wrong: str = "",
) -> list[float]:
    """The path of a parameter that starts at 1: by the formula, or with one mistake in it."""
    x, v, path = 1.0, 0.0, []
    for step, g in enumerate(gradients, start=1):
        lr = (rates or {}).get(step, lr)
        late = wrong == "late decay"
        d = g + weight_decay * x * {"no decay": 0, "minus": -1, "double": 2, "lr twice": lr}.get(
            wrong, not late
        )
        if wrong == "decoupled":
            d = g
        if momentum:
            keep = momentum if wrong != "forgets" else 0.0
            share = {"average": 1 - momentum, "undamped": 1.0, "damped by": dampening}.get(
                wrong, 1 - dampening
            )
            first = step == 1 and wrong not in ("damped start", "average")
            mixed = d if first else keep * v + share * d
            if wrong == "rate inside":
                mixed = lr * d if step == 1 else momentum * v + lr * share * d
            old, v = v, mixed
            look = {"nesterov alone": momentum * v, "nesterov old": d + momentum * old}.get(
                wrong, d + momentum * v
            )
            d = look if nesterov and wrong != "plain" else v
        if late:
            d = d + weight_decay * x
        x = x * (1 - lr * weight_decay) if wrong == "decoupled" else x
        x -= d if wrong == "rate inside" and momentum else lr * d
        path.append(x)
    return path


def known(diagnosis: str, wrongs: Sequence[str], words: str, **options: Any) -> None:
    """A probe: is the path the one with this mistake, and not the right one?"""

    def run(a: Any, t: Trial) -> str | None:
        path, right = walk(a.SGD, GRADIENTS, **options), recursion(GRADIENTS, **options)
        if close(path, right):
            return None
        if any(close(path, recursion(GRADIENTS, **options, wrong=wrong)) for wrong in wrongs):
            return (
                f"{words} (From 1 with gradients 2, −0.5, 1.5 you go {numbers(path)}, expected "
                f"{numbers(right)}.)"
            )
        return None

    probes(diagnosis)(run)


# ---- one step at all ------


@probes("update-is-recorded")
def recorded(a: Any, t: Trial) -> str | None:
    def step() -> Any:
        p = leaf([1.0])
        p.grad = torch.ones_like(p)
        optimizer = a.SGD([p], lr=0.1)
        optimizer.step()
        return optimizer.param_groups[0]["params"][0]

    attempt = t.tried(step)
    if (attempt.raised(RuntimeError) and "leaf" in str(attempt.error)) or (
        isinstance(attempt.value, torch.Tensor) and attempt.value.grad_fn is not None
    ):
        return (
            "the update is recorded by autograd: the parameter would get a `grad_fn`, and torch refuses. "
            "Move it under `with torch.no_grad():`"
        )
    return None


@probes("no-param-groups")
def no_groups(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: a.SGD([leaf([1.0])], lr=0.25))
    if attempt.error is not None:
        return None
    found = getattr(attempt.value, "param_groups", None)
    names = {"params", "lr", "momentum", "dampening", "nesterov", "weight_decay"}
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return f"`param_groups` should be a list of dicts, one for each group; yours is {found!r:.80}"
    if missing := sorted(names - found[0].keys()):
        return (
            f"a group of `param_groups` lacks {', '.join(missing)}: it holds its tensors and all five "
            "options, also those that come from the arguments"
        )
    return None


@probes("nothing-moves")
def nothing_moves(a: Any, t: Trial) -> str | None:
    if walk(a.SGD, GRADIENTS, lr=0.1) == [1.0, 1.0, 1.0]:
        return (
            "the parameter does not move: `p = p - …` gives a name a new tensor. Write into the caller's "
            "tensor: `p.add_(d, alpha=-lr)` or `p -= …`"
        )
    return None


@probes("goes-uphill")
def uphill(a: Any, t: Trial) -> str | None:
    if close(walk(a.SGD, GRADIENTS, lr=0.1), [1.2, 1.15, 1.3]):
        return "the parameter goes with the gradient, uphill: θ ← θ − lr·d"
    return None


@probes("generator-used-up")
def used_up(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([2.0])]
    optimizer = a.SGD((p for p in params), lr=0.1)
    for turn in ("first", "second"):
        optimizer.zero_grad()
        for p in params:
            p.grad = torch.ones_like(p)
        before = [p.item() for p in params]
        optimizer.step()
        moved = sum(p.item() != old for p, old in zip(params, before, strict=True))
        if moved < 2 and walk(a.SGD, GRADIENTS, lr=0.1)[1:] != [1.0, 1.0]:
            return (
                f"with a generator as `params` the {turn} step, after a zero_grad, reaches {moved} of 2 "
                "parameters: a generator can be gone through only once. Make a list of it in `__init__`"
            )
    return None


@probes("lr-read-once")
def read_once(a: Any, t: Trial) -> str | None:
    if close(walk(a.SGD, GRADIENTS, lr=0.1, rates={2: 0.01}), recursion(GRADIENTS, lr=0.1)):
        return (
            'after `param_groups[0]["lr"] = 0.01` the next step still used 0.1: read the options from '
            "the group "
            "in each step, do not keep them elsewhere"
        )
    return None


@probes("lr-inside-the-buffer")
def inside(a: Any, t: Trial) -> str | None:
    how: dict[str, Any] = {"lr": 0.1, "momentum": 0.5, "rates": {3: 0.01}}
    path = walk(a.SGD, GRADIENTS, **how)
    if close(path, recursion(GRADIENTS, **how, wrong="rate inside")):
        return (
            "lr stands inside the buffer (v ← μv + lr·d): that differs as soon as lr changes. At step 3, "
            f"with lr lowered from 0.1 to 0.01, the buffer still moves at the old rate: {path[2]:.4g}, "
            f"expected {recursion(GRADIENTS, **how)[2]:.4g}. Multiply by lr last"
        )
    return None


# ---- the recursion ------

known(
    "momentum-forgotten",
    ("forgets",),
    "μ = 0.5 makes no difference: nothing is carried from one step to the next. Keep v for each parameter.",
    lr=0.1,
    momentum=0.5,
)
known(
    "momentum-as-average",
    ("average", "damped start"),
    "the buffer averages (v ← μv + (1 − μ)d, from 0). Here it adds up: v ← μv + (1 − τ)d, and v = d "
    "at first.",
    lr=0.1,
    momentum=0.5,
)
known(
    "dampening-ignored",
    ("undamped",),
    "dampening makes no difference: after the first step the new d enters the buffer with weight 1 − τ.",
    lr=0.1,
    momentum=0.5,
    dampening=0.75,
)
known(
    "dampening-upside-down",
    ("damped by",),
    "the new d enters with weight τ, it should be 1 − τ: full dampening lets nothing in.",
    lr=0.1,
    momentum=0.5,
    dampening=0.75,
)
known(
    "first-buffer-damped",
    ("damped start",),
    "the first buffer is (1 − τ)·d; in PyTorch the FIRST buffer is d itself, dampening begins with "
    "the second.",
    lr=0.1,
    momentum=0.5,
    dampening=0.75,
)
known(
    "nesterov-is-plain",
    ("plain",),
    "nesterov=True makes no difference: the step is d + μ·v, one look further than v.",
    lr=0.1,
    momentum=0.5,
    nesterov=True,
)
known(
    "nesterov-otherwise",
    ("nesterov alone", "nesterov old"),
    "Nesterov's step is d + μ·v with the NEW v: the gradient and the updated buffer, both.",
    lr=0.1,
    momentum=0.5,
    nesterov=True,
)
known(
    "decay-ignored",
    ("no decay",),
    "weight_decay makes no difference: d ← g + λθ comes first.",
    lr=0.1,
    weight_decay=0.5,
)
known(
    "decay-has-the-wrong-sign",
    ("minus",),
    "the decay makes the parameter grow: d ← g + λθ, so that θ is pulled towards 0.",
    lr=0.1,
    weight_decay=0.5,
)
known(
    "decay-of-another-size",
    ("double", "lr twice"),
    "the decay should add λθ to the gradient: no factor 2, and lr comes in once, at the end.",
    lr=0.1,
    weight_decay=0.5,
)
known(
    "decay-after-momentum",
    ("late decay", "decoupled"),
    "the weight decay comes after the buffer: it must enter g BEFORE, so that the buffer remembers it too.",
    lr=0.1,
    momentum=0.5,
    weight_decay=0.5,
)


# ---- missing and zero gradients ------


@probes("missing-gradient-raises")
def missing_raises(a: Any, t: Trial) -> str | None:
    attempt = t.tried(lambda: walk(a.SGD, (None, 2.0), lr=0.1, momentum=0.5))
    if attempt.raised(TypeError, AttributeError) and walk(a.SGD, (2.0, 2.0), lr=0.1):
        return f"a parameter whose `.grad` is None makes step fail ({attempt.error}): skip it"
    return None


@probes("missing-gradient-counts-as-zero")
def counts_as_zero(a: Any, t: Trial) -> str | None:
    how: dict[str, Any] = {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.5}
    path = walk(a.SGD, (2.0, None, 2.0), **how)
    if path[1] != path[0]:
        return (
            f"in a step without a gradient (None) the parameter moved from {path[0]:.4g} to {path[1]:.4g}: a "
            "frozen parameter was moved by momentum or decay. None is not 0: skip it"
        )
    if not close(path[2], walk(a.SGD, (2.0, 2.0), **how)[1]):
        return (
            "after a step without a gradient (None) the next one is another: a skipped parameter keeps its "
            "memory untouched"
        )
    return None


@probes("one-missing-gradient-stops-all")
def stops_all(a: Any, t: Trial) -> str | None:
    params = [leaf([1.0]), leaf([1.0])]
    optimizer = a.SGD(params, lr=0.1)
    params[1].grad = torch.ones_like(params[1])
    optimizer.step()
    if params[1].item() == 1.0:
        return "a parameter without a gradient keeps those after it from moving: skip it with `continue`"
    return None


@probes("zero-gradient-skipped")
def zero_skipped(a: Any, t: Trial) -> str | None:
    how: dict[str, Any] = {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}
    path = walk(a.SGD, (2.0, 0.0), **how)
    if path[1] == path[0]:
        return (
            "a gradient of zeros is skipped: it is a gradient, and momentum and decay go on. Skip only None"
        )
    return None


@probes("buffer-shared")
def buffer_shared(a: Any, t: Trial) -> str | None:
    params = [leaf([0.0]), leaf([0.0])]
    optimizer = a.SGD(params, lr=1.0, momentum=0.5)
    for _ in range(2):
        for p, g in zip(params, (1.0, 10.0), strict=True):
            p.grad = torch.full_like(p, g)
        optimizer.step()
    found = [p.item() for p in params]
    if not close(found[1], 10 * found[0]):
        return (
            "two parameters with gradients 1 and 10 should be at −2.5 and −25 after two steps, yours are at "
            f"{numbers(found)}: each parameter needs a buffer of its own"
        )
    return None


@probes("buffer-is-the-gradient")
def buffer_is_gradient(a: Any, t: Trial) -> str | None:
    p = leaf([0.0])
    optimizer = a.SGD([p], lr=1.0, momentum=0.5)
    p.grad = torch.full_like(p, 4.0)
    optimizer.step()
    p.grad.zero_()
    optimizer.step()
    if close(p.item(), -4.0):
        return (
            "the buffer is the tensor `.grad` itself: zeroed in place, the gradient took the memory with it. "
            "The first buffer must be a copy: `d.clone()`"
        )
    return None


@probes("gradient-changed")
def gradient_changed(a: Any, t: Trial) -> str | None:
    for how in ({"momentum": 0.5}, {"weight_decay": 0.5}, {"momentum": 0.5, "nesterov": True}):
        p = leaf([1.0])
        optimizer = a.SGD([p], lr=0.1, **how)
        for _ in range(2):
            p.grad = torch.full_like(p, 4.0)
            optimizer.step()
            if p.grad is None or p.grad.item() != 4.0:
                after = "None" if p.grad is None else f"{p.grad.item():.4g}"
                return (
                    f"with {how} step changed `.grad` from 4 to {after}: it is only read. Operations that "
                    "end in `_` write into it; clearing it is the business of zero_grad"
                )
    return None


# ---- families: whatever else is wrong with one option ------

FAMILIES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("plain-step-differs", {}, "a plain step, θ ← θ − lr·g"),
    ("momentum-differs", {"momentum": 0.5}, "momentum, v ← μv + d"),
    (
        "dampening-differs",
        {"momentum": 0.5, "dampening": 0.75},
        "dampening, v ← μv + (1 − τ)d, v = d at first",
    ),
    ("nesterov-differs", {"momentum": 0.5, "nesterov": True}, "Nesterov's step, d + μv"),
    ("decay-differs", {"weight_decay": 0.5}, "weight decay, d ← g + λθ"),
    (
        "decay-with-momentum-differs",
        {"momentum": 0.5, "weight_decay": 0.5, "dampening": 0.25},
        "decay and momentum together: decay first, then the buffer",
    ),
)


def family(diagnosis: str, how: dict[str, Any], what: str) -> Callable[[Any, Trial], str | None]:
    def run(a: Any, t: Trial) -> str | None:
        for rates in (None, {2: 0.3}):
            path = walk(a.SGD, GRADIENTS, lr=0.1, rates=rates, **how)
            right = recursion(GRADIENTS, lr=0.1, rates=rates, **how)
            if not close(path, right):
                changed = ", lr = 0.3 from step 2 on" if rates else ""
                return (
                    f"{what}: from 1 with gradients 2, −0.5, 1.5 and lr = 0.1{changed} the path is "
                    f"{numbers(right)}, yours is {numbers(path)}"
                )
        return None

    return probes(diagnosis)(run)


for name, options, meaning in FAMILIES:
    family(name, options, meaning)
