"""W1 and W2: moving a batch, and what a cast flushes."""

from typing import Any

import torch

from courseware.check import Exercise
from courseware.check.compare import same
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise import pictures
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

# ---- W1 -------------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"move": None},
    hints=(
        "A nested structure calls for a function that calls itself: what it does with a tensor, with a dict, "
        "with a list or tuple, with anything else.",
        "A tensor: `batch.to(device)`. A dict: a new dict with `move(value, device)` for every key. A list "
        "or tuple: the same for every item. Anything else: return it.",
        "`if isinstance(batch, Tensor): return batch.to(device)`; `if isinstance(batch, dict): return {k: "
        "move(v, device) for k, v in batch.items()}`; for lists and tuples `type(batch)(move(v, device) for "
        "v in batch)`; at the end `return batch`.",
    ),
)


def place(value: Any) -> str:
    return value.device.type if isinstance(value, torch.Tensor) else type(value).__name__


@w1.probe("to-without-assignment")
def not_assigned(a, t):
    moved = a.move(torch.ones(2), "meta")
    if place(moved) == "cpu":
        return (
            'move(x, "meta") gave a tensor on the cpu: `x.to(device)` does not move x, it *returns* the '
            "moved tensor. Return what it returns"
        )


@w1.probe("returns-nothing")
def nothing(a, t):
    for batch in (torch.ones(2), {"x": torch.ones(2)}, [torch.ones(2)], "a name"):
        if a.move(batch, "meta") is None:
            kind = type(batch).__name__
            return (
                f"`move` of a {kind} returned None: is a `return` missing in that branch? (Containers are "
                "not to be changed in place either: a new one is returned)"
            )


@w1.probe("fails-on-other-things")
def fails_on_others(a, t):
    for other, words in ((None, "None"), ("seven", 'the text "seven"'), (3, "the number 3")):
        error = failure(t, lambda other=other: a.move({"x": torch.ones(2), "y": other}, "meta"))
        if error and not failure(t, lambda: a.move({"x": torch.ones(2)}, "meta")):
            return f"a batch with {words} in it ends in {error}: what is no tensor comes back as it is"


@w1.probe("fails-on-containers")
def fails_on_containers(a, t):
    x = torch.ones(2)
    for batch, words in (({"x": x}, "a dict"), ([x], "a list"), ((x, x), "a tuple"), ({"x": [x]}, "nesting")):
        error = failure(t, lambda batch=batch: a.move(batch, "meta"))
        if error:
            return (
                f"{words} ends in {error}: only tensors have `.to`. Take containers apart, move their "
                "tensors, and build the same container again"
            )


@w1.probe("device-ignored")
def device_ignored(a, t):
    here = a.move(torch.ones(2), "cpu")
    if place(here) != "cpu":
        return f'move(x, "cpu") gave a tensor on "{place(here)}": use the `device` that is given'


@w1.probe("changes-the-callers-batch")
def changes_batch(a, t):
    for batch in ({"x": torch.ones(2)}, [torch.ones(2)], {"x": [torch.ones(1)]}):
        inner = batch["x"] if isinstance(batch, dict) and isinstance(batch["x"], list) else batch
        a.move(batch, "meta")
        if any(place(v) == "meta" for v in (inner.values() if isinstance(inner, dict) else inner)):
            return (
                "after the call the caller's own container holds the moved tensors: you wrote into it. Build "
                "a new one"
            )


@w1.probe("container-of-another-kind")
def other_kind(a, t):
    x = torch.ones(2)
    for batch in ({"x": x}, [x, 1], (x, 1)):
        moved = a.move(batch, "meta")
        if type(moved) is not type(batch):
            return (
                f"a {type(batch).__name__} went in and a {type(moved).__name__} came out: dict stays dict, "
                "list stays list, tuple stays tuple"
            )


@w1.probe("tensors-left-behind")
def left_behind(a, t):
    def stays(value):
        if isinstance(value, dict):
            return any(map(stays, value.values()))
        return any(map(stays, value)) if isinstance(value, list | tuple) else place(value) == "cpu"

    x = torch.ones(2)
    cases = {
        "a dict": {"x": x, "y": x},
        "a list": [x, x],
        "a tuple": (x, x),
        "a list inside a dict": {"x": [x]},
        "a dict inside a list": [{"x": x}],
        "a tuple inside a dict": {"x": (x, x)},
        "a list inside a list": [[x], [x]],
        "a tuple inside a tuple": ((x, x), x),
        "a dict in a dict in a dict": {"x": {"y": {"z": x}}},
    }
    for words, batch in cases.items():
        if stays(a.move(batch, "meta")):
            return (
                f"in {words} a tensor stayed on the cpu: every dict, list and tuple has to be entered, at "
                "any depth; let `move` call itself for each item"
            )


@w1.probe("another-dtype")
def another_dtype(a, t):
    for dtype in (torch.float64, torch.int64, torch.bool):
        found = a.move({"x": torch.ones(2, dtype=dtype)}, "meta")["x"].dtype
        if found != dtype:
            return f"a {dtype} tensor came back as {found}: only its device changes"


@w1.probe("other-things-changed")
def others_changed(a, t):
    for other in (None, "name", 3, 2.5, True):
        for batch in ({"x": other}, [other]):
            moved = a.move(batch, "meta")
            found = moved["x"] if isinstance(batch, dict) else moved[0]
            if type(found) is not type(other) or found != other:
                return (
                    f"{other!r} in a {type(batch).__name__} came back as {found!r:.50}: what is "
                    "neither a tensor nor a dict, list or tuple comes back as it is"
                )


@w1.probe("something-is-lost")
def lost(a, t):
    for batch, size in (({"x": torch.ones(2), "name": "a", "n": None}, 3), ([torch.ones(2), 5, None], 3)):
        moved = a.move(batch, "meta")
        if len(moved) != size or (isinstance(moved, dict) and list(moved) != list(batch)):
            return f"{size} entries went in, {list(moved)} came out: what is no tensor is kept, in its place"


@w1.property("the same structure, with every tensor on the device")
def structure(a, t):
    def build(depth):
        kind = t.random.choice(["dict", "list", "tuple", "tensor", "other"] if depth else ["dict", "list"])
        if kind == "tensor" or depth > 3:
            return t.randn(t.random.randrange(3), 2, dtype=torch.float32)
        if kind == "other":
            return t.random.choice([None, 7, "name", 2.5])
        items = [build(depth + 1) for _ in range(t.random.randrange(4))]
        if kind == "dict":
            return {f"k{i}": item for i, item in enumerate(items)}
        return items if kind == "list" else tuple(items)

    def compare(moved, batch, where):
        t.that(
            type(moved) is type(batch), f"{where} is a {type(moved).__name__}, was a {type(batch).__name__}"
        )
        if isinstance(batch, torch.Tensor):
            t.that(
                moved.device.type == "meta" and moved.shape == batch.shape and moved.dtype == batch.dtype,
                f"{where} is {moved.device}, shape {tuple(moved.shape)}",
            )
            t.that(batch.device.type == "cpu", f"the caller's {where} was moved")
        elif isinstance(batch, dict):
            t.that(list(moved) == list(batch), f"{where} has the keys {list(moved)}, had {list(batch)}")
            for key in batch:
                compare(moved[key], batch[key], f"{where}[{key!r}]")
        elif isinstance(batch, list | tuple):
            t.that(len(moved) == len(batch), f"{where} has {len(moved)} items, had {len(batch)}")
            for i, item in enumerate(batch):
                compare(moved[i], item, f"{where}[{i}]")
        else:
            t.that(moved is batch or moved == batch, f"{where} is {moved!r}, was {batch!r}")

    for _ in range(12):
        batch = build(0)
        compare(a.move(batch, torch.device("meta")), batch, "batch")
    x = t.randn(3, dtype=torch.float32)
    t.equal(a.move([x], "cpu")[0], x, 'move([x], "cpu")')


w1.reward(pictures.moved)

# ---- W2 -------------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"flushed": float},
    hints=(
        "Two questions for every element: was it nonzero before the cast, and is it zero after it? Count "
        "both, and the first alone.",
        "share = (number with x ≠ 0 and cast(x) = 0) / (number with x ≠ 0), and 0.0 if the lower number "
        "is 0.",
        "`lost = (x != 0) & (x.to(dtype) == 0)`; `lost.sum().item() / max((x != 0).sum().item(), 1)`.",
    ),
)
X = torch.tensor([1.0, 2.0, 1e-9, -1e-9, 0.0, 0.0, -3.0])  # 7 elements, 5 of them nonzero, 2 of these lost


def signature(diagnosis, value, words):
    @w2.probe(diagnosis)
    def probe(a, t):
        share = a.flushed(X, torch.float16)
        if isinstance(share, float) and same(share, value, rtol=1e-5):
            return f"flushed of {X.tolist()} in float16 should be 2/5 = 0.4, yours is {share:.4g}: {words}"


@w2.probe("no-nonzero-element")
def no_nonzero(a, t):
    attempt = t.attempt(lambda: a.flushed(torch.zeros(3), torch.float16))
    if attempt.raised(ZeroDivisionError) or (attempt.value is not None and attempt.value != attempt.value):
        return (
            "for a tensor of zeros there is nothing to divide by (0/0): the share is 0.0 there. Guard the "
            "division"
        )


signature("divides-by-all", 2 / 7, "the zeros of x count below the line too; divide by the nonzero elements")
signature("zeros-count-as-lost", 4 / 7, "the zeros of x were zero before the cast: they are not lost")
signature(
    "zeros-count-above-the-line", 4 / 5, "the zeros of x are counted as lost; they were zero before the cast"
)
signature("positive-only", 1 / 3, "negative numbers are flushed too: −10⁻⁹ becomes −0")
signature("positive-lost-only", 1 / 5, "negative numbers are flushed too: −10⁻⁹ becomes −0")
signature("positive-below-the-line", 2 / 3, "negative numbers are nonzero too: compare with `!= 0`")
signature("counts-survivors", 3 / 5, "that is the share that survives; asked for is the share that is lost")
signature("count-not-share", 2.0, "that is how many are lost; asked for is their share")
signature("percent", 40.0, "asked for is a share from 0 to 1, not a percentage")


@w2.probe("always-zero")
def always_zero(a, t):
    if a.flushed(X, torch.float16) == 0.0:
        return (
            f"flushed of {X.tolist()} in float16 should be 2/5, yours is 0: look at the numbers after the "
            "cast, `x.to(dtype)`. (`x.to(dtype)` alone on a line changes nothing)"
        )


@w2.probe("subnormals-forgotten")
def subnormals(a, t):
    share = a.flushed(torch.tensor([1.0, 1e-6]), torch.float16)
    if share == 0.5:
        return (
            "10⁻⁶ is counted as lost, but float16 has subnormal numbers down to 6·10⁻⁸ and holds it: cast "
            "and look, instead of comparing with the smallest *normal* number"
        )


@w2.probe("rounding-forgotten")
def rounding(a, t):
    near, beyond = (a.flushed(torch.tensor([value]), torch.float16) for value in (5e-8, 2.5e-8))
    if near == 1.0 and beyond == 1.0:
        return (
            "5·10⁻⁸ is counted as lost, but it is rounded *up* to 6·10⁻⁸, the smallest float16: cast and "
            "look, instead of comparing with a threshold"
        )
    if near == 0.0 and beyond == 0.0:
        return "2.5·10⁻⁸ is below half of the smallest float16, 6·10⁻⁸, and becomes 0; you count it as kept"


@w2.probe("dtype-ignored")
def dtype_ignored(a, t):
    if a.flushed(X, torch.bfloat16) == a.flushed(X, torch.float16) != 0:
        return (
            "in bfloat16 none of these numbers is lost, yours says as many as in float16: cast to the "
            "`dtype` that is given"
        )


@w2.property("the share of nonzero elements that are lost")
def share(a, t):
    for dtype in (torch.float16, torch.bfloat16, torch.float8_e5m2, torch.float32):
        for shape in ((), (1,), (0,), (5,), (40, 7)):
            x = t.randn(*shape) * 10 ** t.rand(*shape, low=-45, high=2)
            x = torch.where(t.rand(*shape) < 0.2, 0.0, x)
            for given in (x, x.float()):
                alive = [v for v in given.flatten() if v.item() != 0]
                lost = [v for v in alive if v.to(dtype).float().item() == 0]
                expected = len(lost) / len(alive) if alive else 0.0
                t.equal(a.flushed(given, dtype), expected, f"to {dtype}", rtol=1e-5)
    t.equal(a.flushed(X.expand(3, 7).T, torch.float16), 0.4, "a transposed tensor", rtol=1e-5)


w2.reward(pictures.flushed_by_format)
