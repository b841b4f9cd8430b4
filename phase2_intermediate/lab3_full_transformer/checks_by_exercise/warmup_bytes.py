"""W4: what must hold, and the known mistakes."""

from __future__ import annotations

from typing import Any

from courseware.check import Exercise, Trial
from courseware.check.naming import family, name_it
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import pictures_warmups as pictures

w4 = Exercise(
    "W4",
    takes={"cache_bytes": int},
    hints=(
        "Count the numbers first: what has how many layers, heads, positions, and how wide is a head?",
        "2 · layers · batch · heads · positions · width · bytes of a number.",
        "`2 * layers * batch * kv_heads * positions * head_width * bytes_per_number`",
    ),
)
SIZES = {"layers": 3, "kv_heads": 5, "head_width": 7, "positions": 11}


@w4.probe("the-bytes")
def size(a: Any, t: Trial) -> None:
    numbers_in = 3 * 5 * 7 * 11
    found = a.cache_bytes(3, 5, 7, 11, batch=13, bytes_per_number=4)
    right = 2 * numbers_in * 13 * 4
    cases = [
        ("keys-only", right // 2, "that is half: keys *and* values are kept"),
        ("queries-too", right // 2 * 3, "that is for three: queries are not kept"),
        ("numbers-not-bytes", right // 4, "those are numbers: each takes `bytes_per_number` bytes"),
        ("batch-forgotten", right // 13, "`batch` has no effect: each row has its own keys"),
        ("bytes-fixed", right // 2, "`bytes_per_number` has no effect"),
        ("positions-squared", right * 11, "positions² is the attention matrix: it is not kept"),
        ("bits", right * 8, "those are bits"),
    ]
    for name, value in SIZES.items():
        cases.append(("factor-forgotten", right // value, f"`{name}` has no effect"))
    name_it(t, found, right, cases)
    half = a.cache_bytes(3, 5, 7, 11)
    t.that(
        half == 4 * numbers_in,
        f"with the defaults it is {half}, expected {4 * numbers_in}: one row, two bytes a number",
        diagnosis="defaults",
    )


@w4.probe("whole-number-overflows")
def two_gibibytes(a: Any, t: Trial) -> str | None:
    found = a.cache_bytes(32, 32, 128, 4096)
    if found in (-(2**31), 0):
        return (
            f"the 2 GiB of the statement came out as {found}: 2³¹ does not fit into 32 bits. Python's own "
            "whole numbers have no end"
        )
    return None


@w4.property("bytes of every size")
def sizes(a: Any, t: Trial) -> None:
    t.equal(a.cache_bytes(32, 32, 128, 4096), 2**31, "cache_bytes(32, 32, 128, 4096)")
    for _ in range(6):
        layers, heads, width, positions, batch, size = t.randint(0, 9, 6).tolist()
        right = sum([size] * (2 * layers * batch * heads * width * positions))
        with family("bytes-at-the-edge", f"{layers} layers, {heads} heads of {width}, {positions} positions"):
            found = a.cache_bytes(layers, heads, width, positions, batch=batch, bytes_per_number=size)
            t.equal(found, right)


w4.reward(pictures.memory)
