"""The known mistakes of E3 where masks are combined and added."""

from __future__ import annotations

from typing import Any

import torch

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it
from phase2_intermediate.lab1_attention.checks_by_exercise.e3_mistakes import boolean, causal_grid, probe


@probe("combine")
def combine(a: Any, t: Trial) -> None:
    first, second = causal_grid(3, 3), torch.tensor([[True, False, True]])
    mask = boolean_or_none(t, "combine", a.combine(first, second))
    either = "the padding mask *lifts* the causal one here: a key is visible only if both allow it, & not |"
    name_it(
        t,
        mask,
        first & second,
        [
            ("combine-with-or", first | second, either),
            (
                "combine-with-xor",
                first ^ second,
                "exactly one of the masks must allow a key here: both must, with &",
            ),
            ("combine-takes-one", first, "combine(causal, padding) is the first mask alone"),
            ("combine-takes-one", second, "combine(causal, padding) is the last mask alone"),
            ("combine-takes-one", second.expand(3, 3), "combine(causal, padding) is the last mask alone"),
            ("mask-inverted", ~(first & second), "combine gives the opposite: True means “may attend”"),
        ],
    )
    third = torch.tensor([[True], [True], [False]])
    name_it(
        t,
        a.combine(first, second, third),
        first & second & third,
        [("combine-takes-two", first & second, "of three masks only two were combined")],
    )


def boolean_or_none(t: Trial, function: str, mask: Any) -> Any:
    t.that(mask is not None, f"`{function}` of two masks returned None", diagnosis="combine-forgets")
    return boolean(t, function, mask)


@probe("none-among-the-masks")
def nothing(a: Any, t: Trial) -> str | None:
    mask = causal_grid(3, 3)
    for given, words in (
        ((), "combine()"),
        ((None,), "combine(None)"),
        ((None, None), "combine(None, None)"),
        ((None, mask), "combine(None, mask)"),
        ((mask, None), "combine(mask, None)"),
        ((mask, None, mask), "combine(mask, None, mask)"),
        ((mask,), "combine(mask)"),
    ):
        attempt = t.tried(lambda given=given: a.combine(*given))
        if attempt.error is not None:
            return f"{words} raised {type(attempt.error).__name__}: {attempt.error}. None allows everything"
        right = mask if any(x is not None for x in given) else None
        if right is None and attempt.value is not None:
            return f"{words} returned {attempt.value!r:.60}: with nothing but None the result is None"
        if right is not None and (attempt.value is None or not same(attempt.value, right)):
            return f"{words} is not the mask itself: None allows everything and changes nothing"
    return None


@probe("the-additive-mask")
def additive(a: Any, t: Trial) -> None:
    mask = torch.tensor([[True, False], [False, False]])
    for dtype in (torch.float32, torch.float16):
        attempt = t.tried(lambda dtype=dtype: a.to_additive(mask, dtype))
        if attempt.error is not None:
            t.fail(
                f"to_additive(mask, {dtype}) raised {type(attempt.error).__name__}: {attempt.error}. float16 "
                "ends at 65,504: −10⁹ is not among its numbers, −∞ is",
                diagnosis="additive-finite",
            )
        out = attempt.value
        t.that(
            out.dtype == dtype,
            f"to_additive(mask, {dtype}) returned {out.dtype}",
            diagnosis="additive-other-dtype",
        )
        if bool(out.isnan().any()):
            t.fail(
                f"to_additive gave {numbers(out)}: 0 · (−∞) is NaN. Choose with `masked_fill` or `where`, do "
                "not multiply",
                diagnosis="additive-nan",
            )
        right = torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf]], dtype=dtype)
        name_it(
            t,
            out,
            right,
            [
                (
                    "additive-zero-and-one",
                    mask.to(dtype),
                    "a mask of 0 and 1 adds 1 to some scores and hides nothing",
                ),
                (
                    "additive-zero-and-one",
                    mask.to(dtype) - 1,
                    "a score that is smaller by 1 is not hidden: −∞ is",
                ),
                (
                    "additive-inverted",
                    torch.zeros_like(right).masked_fill(mask, -torch.inf),
                    "−∞ stands at the keys that may be seen: 0 where True, −∞ where False",
                ),
                ("additive-plus-infinity", right.abs(), "+∞ makes a key all that counts: −∞ hides it"),
                (
                    "additive-blind-row-seen",
                    torch.tensor([[0.0, -torch.inf], [0.0, 0.0]], dtype=dtype),
                    "the row without any True became 0 everywhere, and would attend to everything: −∞ "
                    "where False",
                ),
            ],
        )
        if bool((out[~mask] < -1000).all()) and bool(out[~mask].isfinite().any()):
            t.fail(
                f"to_additive in {str(dtype).removeprefix('torch.')} gave {numbers(out)}. In the second row, "
                "which may see nothing, all scores become that number, and the softmax attends to "
                "everything, evenly. −∞ hides",
                diagnosis="additive-finite",
            )
