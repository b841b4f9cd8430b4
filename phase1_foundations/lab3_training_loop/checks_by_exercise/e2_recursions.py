"""E2's optimizers on one number: by the formula, or with one mistake in it. The number starts at 1."""

import math
from collections.abc import Sequence


def adam(
    gradients: Sequence[float],
    *,
    lr: float = 0.1,
    betas: tuple[float, float] = (0.5, 0.8),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    amsgrad: bool = False,
    wrong: str = "",
) -> list[float]:
    b1, b2 = betas[::-1] if wrong == "betas exchanged" else betas
    if wrong == "weights exchanged":
        b1, b2 = 1 - b1, 1 - b2
    x, m, v, w, path = 1.0, 0.0, 0.0, 0.0, []
    decoupled = {"coupled": False, "always decoupled": True}.get(wrong, decoupled)
    for t, g in enumerate(gradients, start=1):
        if wrong == "no decay":
            pass
        elif decoupled and wrong != "decay after":
            x *= 1 - weight_decay * (1 if wrong == "decay without lr" else lr)
        elif not decoupled:
            g = g + weight_decay * x
        m = b1 * m + (g if wrong == "adds up" else (1 - b1) * g)
        square = abs(g) if wrong == "absolute" else g * g
        v = b2 * v + (square if wrong == "adds up" else (1 - b2) * square)
        power = t + 1 if wrong == "late" else t
        c1 = 1.0 if wrong in ("raw", "raw m") else 1 - b1**power
        c2 = 1.0 if wrong in ("raw", "raw v") else 1 - b2**power
        used = v
        if amsgrad and wrong == "max of corrected":
            w = max(w, v / c2)
            used = w * c2
        elif amsgrad and wrong == "max kept as v":
            v = used = w = max(w, v)
        elif amsgrad and wrong != "no amsgrad":
            used = w = max(w, v)
        root = {
            "eps inside": math.sqrt(used / c2 + eps),
            "eps early": (math.sqrt(used) + eps) / math.sqrt(c2),
            "no eps": math.sqrt(used / c2),
            "no root": used / c2 + eps,
            "correction outside": math.sqrt(used) / c2 + eps,
        }.get(wrong, math.sqrt(used / c2) + eps)
        step = lr * (m / c1) / root
        x = x + step if wrong == "uphill" else x - step
        if decoupled and wrong == "decay after":
            x *= 1 - weight_decay * lr
        path.append(x)
        if wrong == "remembers corrected":
            m, v = m / c1, v / c2
    return path


def rmsprop(
    gradients: Sequence[float],
    *,
    lr: float = 0.1,
    alpha: float = 0.75,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    rates: dict[int, float] | None = None,
    wrong: str = "",
) -> list[float]:
    keep = 1 - alpha if wrong == "weights exchanged" else alpha
    x, s, mean, b, path = 1.0, 0.0, 0.0, 0.0, []
    for t, g in enumerate(gradients, start=1):
        lr = (rates or {}).get(t, lr)
        s = s + g * g if wrong == "adds up" else keep * s + (1 - keep) * g * g
        mean = keep * mean + (1 - keep) * g
        used = s / (1 - alpha**t) if wrong == "corrected" else s
        if centered and wrong != "not centered":
            used -= abs(mean) if wrong == "mean not squared" else mean * mean
        if used < 0:
            return []
        root = {
            "eps inside": math.sqrt(used + eps),
            "no eps": math.sqrt(used),
            "no root": used + eps,
        }.get(wrong, math.sqrt(used) + eps)
        move = g / root
        if momentum and wrong != "no momentum":
            share = {"rate inside": lr, "average": 1 - momentum}.get(wrong, 1.0)
            b = momentum * b + share * move
            move = b / lr if wrong == "rate inside" else b
        x = x + lr * move if wrong == "uphill" else x - lr * move
        path.append(x)
    return path


def adagrad(
    gradients: Sequence[float],
    *,
    lr: float = 0.1,
    eps: float = 1e-10,
    initial_accumulator: float = 0.0,
    wrong: str = "",
) -> list[float]:
    x, s, path = 1.0, 0.0 if wrong == "no start" else initial_accumulator, []
    for t, g in enumerate(gradients, start=1):
        old = s
        s = g * g if wrong == "forgets" else 0.9 * s + 0.1 * g * g if wrong == "average" else s + g * g
        used = {"old": old, "mean": s / t}.get(wrong, s)
        if used == 0:
            return []
        root = {
            "eps inside": math.sqrt(used + eps),
            "no eps": math.sqrt(used),
            "no root": used + eps,
        }.get(wrong, math.sqrt(used) + eps)
        x = x + lr * g / root if wrong == "uphill" else x - lr * g / root
        path.append(x)
    return path
