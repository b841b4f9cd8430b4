"""The known mistakes of E2's `update` and `state_dict`, each by the scales that follow from a few steps."""

from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.e2_scaler import (
    INF,
    gradients,
    listed,
    scales,
    sgd,
)
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


@probe("no-backoff")
def no_backoff(a: Any, t: Trial) -> str | None:
    found = scales(a, "i", init=64.0)
    if found == [64.0]:
        return "after an overflow the scale is still 64: `update` multiplies it by backoff, here to 32"
    if found == [128.0]:
        return "after an overflow the scale grew to 128: it must get smaller"
    return None


@probe("overflow-never-forgotten")
def never_forgotten(a: Any, t: Trial) -> str | None:
    found = scales(a, "igg", init=64.0)
    if found == [32.0, 16.0, 8.0]:
        return (
            "after one overflow the scale falls in every iteration: the note of it has to be cleared by "
            "`update`"
        )
    return None


@probe("grows-every-step")
def every_step(a: Any, t: Trial) -> str | None:
    found = scales(a, "gggg", init=8.0, interval=3)
    if found[:2] == [16.0, 32.0]:
        return (
            f"with interval=3 the scale went {listed(found)}: it grows after every step. Count the good "
            "steps, and grow when there are `interval` of them"
        )
    return None


@probe("count-not-reset-after-growth")
def after_growth(a: Any, t: Trial) -> str | None:
    found = scales(a, "gggggg", init=8.0, interval=3)
    if found[2] == 16.0 and found[3] != 16.0:
        return (
            f"with interval=3 the scale went {listed(found)}: from the first growth on it grows every time. "
            "The count starts again at 0 when the scale has grown"
        )
    if found[2] == 16.0 and found[5] == 16.0:
        return f"with interval=3 the scale went {listed(found)}: it grew once and never again"
    return None


@probe("interval-off-by-one")
def off_by_one(a: Any, t: Trial) -> str | None:
    found = scales(a, "gggg", init=8.0, interval=3)
    if found == [8.0, 8.0, 8.0, 16.0]:
        return "with interval=3 the scale grew with the fourth good step; the third is the one"
    if found == [8.0, 16.0, 16.0, 32.0] or found[:2] == [8.0, 16.0]:
        return "with interval=3 the scale grew with the second good step; the third is the one"
    if found == [8.0] * 4:
        return "with interval=3 the scale did not grow in four good steps"
    return None


@probe("count-not-reset-after-overflow")
def after_overflow(a: Any, t: Trial) -> str | None:
    right = {"ggiggg": [64.0, 64.0, 32.0, 32.0, 32.0, 64.0], "giggg": [64.0, 32.0, 32.0, 32.0, 64.0]}
    for pattern, expected in right.items():
        found = scales(a, pattern, init=64.0, interval=3)
        skip = pattern.index("i")
        if found[: skip + 1] == expected[: skip + 1] and 64.0 in found[skip + 1 : -1]:
            words = " ".join({"g": "good", "i": "inf"}[letter] for letter in pattern)
            return (
                f"interval=3, steps {words}: the scale went {listed(found)}, and grew too early. `interval` "
                "good steps *in a row* are needed: the count restarts after a skip"
            )
    return None


@probe("nan-does-not-back-off")
def nan_backs_off(a: Any, t: Trial) -> str | None:
    if scales(a, "n", init=64.0) == [64.0]:
        return "NaN in a gradient is an overflow too (inf − inf): back off as for infinity"
    return None


@probe("limits-that-nobody-asked-for")
def limits(a: Any, t: Trial) -> str | None:
    found = scales(a, "iiii", init=4.0)
    if found != [2.0, 1.0, 0.5, 0.25] and found[:2] == [2.0, 1.0]:
        return (
            f"four overflows from 4: the scale went {listed(found)}. There is no lower limit: 2, 1, 0.5, 0.25"
        )
    low, found = (scales(a, "gggg", init=init, interval=1) for init in (2.0, 2.0**23))
    if low == [4.0, 8.0, 16.0, 32.0] and found != [2.0**24, 2.0**25, 2.0**26, 2.0**27]:
        return (
            f"from 2 the scale doubles with interval=1, from 2²³ it goes {listed(found)}: there is no upper "
            "limit, the next overflow is the limit"
        )
    return None


@probe("settings-ignored")
def settings(a: Any, t: Trial) -> str | None:
    found = scales(a, "gi", init=8.0, growth=4.0, backoff=0.25, interval=1)
    if found != [32.0, 8.0]:
        return (
            f"growth=4, backoff=0.25, interval=1: from 8 the scale went {listed(found)}, expected 32, 8: use "
            "the factors that were given"
        )
    return None


@probe("another-default-interval")
def default_interval(a: Any, t: Trial) -> str | None:
    (_, optimizer), scaler = sgd(1), a.DynamicLossScaler()
    start = scaler.get_scale()
    count = 0
    while count < 2000 and scaler.get_scale() == start:
        scaler.step(optimizer)
        scaler.update()
        count += 1
    if count != 2000:
        return f"DynamicLossScaler() changed its scale after {count} good iterations: the default is 2000"
    if scaler.get_scale() == start:
        return "DynamicLossScaler() did not grow after 2000 good iterations, its default interval"
    return None


@probe("scalers-share-their-state")
def share_state(a: Any, t: Trial) -> str | None:
    (weights, optimizer), one, other = sgd(1), a.DynamicLossScaler(init=8.0), a.DynamicLossScaler(init=32.0)
    gradients(weights, (INF,))
    one.step(optimizer)
    other.update()
    if (one.get_scale(), other.get_scale()) != (8.0, 32.0):
        return (
            "two scalers, one met an infinity, and the other one backed off, or both have one scale: scale, "
            "count and notes belong to `self`, not to the class"
        )
    return None


# ---- several optimizers ---------------------------------------------------------------------------------


@probe("one-note-for-all-optimizers")
def one_note(a: Any, t: Trial) -> str | None:
    (first, left), (second, right) = sgd(1), sgd(1)
    scaler = a.DynamicLossScaler(init=8.0)
    gradients(first, (8.0,))
    gradients(second, (8.0,))
    scaler.unscale_(left)
    if failure(t, lambda: scaler.unscale_(right)) or second[0].grad.item() != 1.0:
        return (
            "two optimizers: unscale_ for the second was refused or ignored, because the first one had been "
            "unscaled. Keep one note for each optimizer"
        )
    for bad in (0, 1):
        (first, left), (second, right) = sgd(1), sgd(1)
        scaler = a.DynamicLossScaler(init=8.0)
        gradients(first, (INF if bad == 0 else 8.0,))
        gradients(second, (INF if bad == 1 else 8.0,))
        stepped = [bool(scaler.step(left)), bool(scaler.step(right))]
        if stepped != [bad != 0, bad != 1]:
            return (
                f"two optimizers, infinity only in the gradients of the {'first' if bad == 0 else 'second'}: "
                f"steps were {stepped}. Each is judged by its own gradients"
            )
        scaler.update()
        if scaler.get_scale() != 4.0:
            return (
                f"two optimizers, the {'first' if bad == 0 else 'second'} with an overflow: after update the "
                f"scale is {scaler.get_scale():g}, expected 4. An overflow of any of them counts, whatever "
                "the others found"
            )
    return None


@probe("backs-off-for-each-optimizer")
def backs_off_twice(a: Any, t: Trial) -> str | None:
    (first, left), (second, right) = sgd(1), sgd(1)
    scaler = a.DynamicLossScaler(init=8.0, interval=2)
    gradients(first, (INF,))
    gradients(second, (INF,))
    scaler.step(left)
    scaler.step(right)
    scaler.update()
    if scaler.get_scale() == 2.0:
        return (
            "both optimizers overflowed in one iteration, and the scale was halved twice: once is asked for"
        )
    scaler = a.DynamicLossScaler(init=8.0, interval=2)
    gradients(first, (8.0,))
    gradients(second, (8.0,))
    scaler.step(left)
    scaler.step(right)
    scaler.update()
    if scaler.get_scale() == 16.0:
        return "two optimizers in one iteration were counted as two good steps: `update` counts iterations"
    return None


# ---- saving ---------------------------------------------------------------------------------------------


def after(a: Any, pattern: str, **settings: float) -> Any:
    (weights, optimizer), scaler = sgd(1), a.DynamicLossScaler(**settings)
    for letter in pattern:
        gradients(weights, (INF if letter == "i" else 1.0,))
        scaler.step(optimizer)
        scaler.update()
    return scaler


def goes_on(scaler: Any, pattern: str) -> list[float]:
    (weights, optimizer), found = sgd(1), []
    for letter in pattern:
        gradients(weights, (INF if letter == "i" else 1.0,))
        scaler.step(optimizer)
        scaler.update()
        found.append(scaler.get_scale())
    return found


@probe("state-is-no-dict")
def no_dict(a: Any, t: Trial) -> str | None:
    state = a.DynamicLossScaler().state_dict()
    if not isinstance(state, dict):
        return f"state_dict() returned {state!r}, expected a dict of plain numbers"
    strange = {k: v for k, v in state.items() if not isinstance(v, int | float)}
    if strange:
        key, value = next(iter(strange.items()))
        return f"state_dict()[{key!r}] is {value!r}: plain numbers only, so that it can be saved anywhere"
    return None


@probe("state-is-no-snapshot")
def no_snapshot(a: Any, t: Trial) -> str | None:
    scaler = after(a, "g", init=8.0, interval=2)
    state = scaler.state_dict()
    kept = dict(state)
    goes_on(scaler, "gig")
    if state != kept:
        return (
            "a state_dict taken earlier changed while training went on: it is the scaler's own dict "
            "(`self.__dict__`), not a copy"
        )
    other = a.DynamicLossScaler()
    other.load_state_dict(state)
    goes_on(other, "ggi")
    if state != kept:
        return "load_state_dict took the dict itself over, and later steps changed it: copy the values"
    return None


@probe("state-forgets-the-scale")
def forgets_scale(a: Any, t: Trial) -> str | None:
    other = a.DynamicLossScaler(init=1024.0)
    other.load_state_dict(after(a, "i", init=8.0).state_dict())
    if other.get_scale() != 4.0:
        return f"after load_state_dict the scale is {other.get_scale():g}, it was 4 when the state was saved"
    other.load_state_dict(after(a, "ii", init=1.0).state_dict())
    if other.get_scale() != 0.25:
        return (
            f"a scale of 0.25 was saved, and after load_state_dict it is {other.get_scale():g}: keep the "
            "fraction (no `int`)"
        )
    return None


@probe("state-forgets-the-count")
def forgets_count(a: Any, t: Trial) -> str | None:
    other = a.DynamicLossScaler(init=8.0, interval=3)
    other.load_state_dict(after(a, "gg", init=8.0, interval=3).state_dict())
    found = goes_on(other, "ggg")
    if found == [8.0, 8.0, 16.0]:
        return (
            "saved after 2 of 3 good steps, loaded, one more good step: the scale did not grow. The position "
            "within the interval belongs into the state"
        )
    return None


@probe("state-forgets-the-settings")
def forgets_settings(a: Any, t: Trial) -> str | None:
    other = a.DynamicLossScaler()
    other.load_state_dict(after(a, "g", init=8.0, growth=4.0, backoff=0.25, interval=2).state_dict())
    found = goes_on(other, "gi")
    if found != [32.0, 8.0]:
        return (
            "a state saved with growth=4, backoff=0.25, interval=2 was loaded into a scaler with other "
            f"settings; it went on with {listed(found)}, expected 32, 8: the settings belong into the state"
        )
    return None
