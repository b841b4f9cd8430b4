"""W3 and W4: the numbers in b bits, and the fingerprint of a file."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from courseware.check import Exercise, Probes, Trial
from phase2_intermediate.lab6_model_export.checks_by_exercise import pictures_warmups as pictures

w3 = Exercise(
    "W3",
    takes={"levels": tuple},
    hints=(
        "2ᵇ numbers in a row. Where does the row begin?",
        "Unsigned: 0 … 2ᵇ − 1. Signed: −2ᵇ⁻¹ … 2ᵇ⁻¹ − 1.",
        "`(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2 ** bits - 1)`. Power binds more "
        "tightly "
        "than the minus sign, and less than the brackets.",
    ),
)
third = Probes()
third.value(
    "symmetric-range",
    lambda a: a.levels(8),
    (-127, 127),
    "that is the symmetric range, 255 numbers; with 8 bits there are 256, and the odd one is −128",
)
third.value(
    "one-too-many",
    lambda a: a.levels(8),
    [(-128, 128), (-127, 128)],
    "you give {found}: 0 takes one of the 256 places, so the positive numbers end at 127",
)
third.value(
    "one-too-many-unsigned",
    lambda a: a.levels(8, False),
    [(0, 256), (1, 256)],
    "you give {found}: 256 numbers from 0 on end at 255",
)
third.value(
    "always-signed",
    lambda a: (a.levels(8, False), a.levels(4, signed=False)),
    [((-128, 127), (-8, 7))],
    "`signed=False` changes nothing: unsigned numbers begin at 0",
)
third.value(
    "always-unsigned",
    lambda a: (a.levels(8), a.levels(4, True)),
    [((0, 255), (0, 15))],
    "signed numbers are asked for unless `signed=False`; half of them are negative",
)
third.value(
    "unsigned-by-default",
    lambda a: (a.levels(8), a.levels(4, True)),
    [((0, 255), (-8, 7))],
    "levels(8) is (0, 255): signed numbers are asked for unless `signed=False`",
)
third.value(
    "always-eight-bits",
    lambda a: (a.levels(3), a.levels(8)),
    [((-128, 127), (-128, 127))],
    "`bits` changes nothing: with 3 bits it is −4 … 3",
)
third.value(
    "half-of-the-unsigned",
    lambda a: a.levels(8, False),
    [(0, 127)],
    "you give {found}: without negative numbers all 256 are from 0 on, and end at 255",
)
third.value(
    "caret-is-no-power",
    lambda a: a.levels(8, False)[1],
    [2 ^ 8 - 1, (2 ^ 8) - 1],
    "unsigned, 8 bits: the largest is 255, you give {found}. In Python `2 ^ 8` is 10 (exclusive or); "
    "`2 ** 8` is the power",
)
third.value(
    "other-way-round",
    lambda a: a.levels(8),
    [(127, -128)],
    "the smallest comes first: (-128, 127), you give {found}",
)
third.value(
    "sign-of-a-power",
    lambda a: a.levels(3),
    [(4, 3), (16, 3), (4, 7), (-8, 7), (-2, 1), (-9, 7), (-9, 8), (-5, 3), (-5, 4), (-3, 2), (-4, 1)],
    "with 3 bits there are 8 numbers, −4 … 3; you give {found}. Mind the exponent bits − 1 and the brackets",
)


third.value(
    "one-bit",
    lambda a: a.levels(1),
    [(-1, 1), (0, 1), (-1, -1), (0, 0), (-2, 1), (-3, 0)],
    "with one bit there are two signed numbers, −1 and 0; you give {found}",
)


@third("no-python-ints")
def python_ints(a: Any, t: Trial) -> str | None:
    for found in (a.levels(8), a.levels(1), a.levels(5, False)):
        if any(type(value) is not int for value in found):
            return f"levels gave {found}: two Python ints are asked for (`/` and `math.pow` give floats)"
    return None


@w3.property("the ends of every width", points=0)
def all_widths(a: Any, t: Trial) -> None:
    for bits in range(1, 17):
        numbers = range(2**bits)  # as bit patterns; with the top bit set a signed one is 2ᵇ lower
        signed = [n - 2**bits if n >> (bits - 1) else n for n in numbers]
        t.equal(a.levels(bits), (min(signed), max(signed)), f"levels({bits})")
        t.equal(a.levels(bits, True), (min(signed), max(signed)), f"levels({bits}, True)")
        t.equal(a.levels(bits, signed=False), (min(numbers), max(numbers)), f"levels({bits}, signed=False)")


third.add_to(w3)
w3.reward(pictures.rulers)

w4 = Exercise(
    "W4",
    takes={"fingerprint": str},
    hints=(
        "Read the file as bytes, hash the bytes, write the hash in hexadecimal.",
        "SHA-256 has 256 bits, which are 64 hexadecimal digits: `hexdigest()`.",
        "`hashlib.sha256(Path(path).read_bytes()).hexdigest()`.",
    ),
)
fourth = Probes()


def of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hashed(a: Any, data: bytes, name: str = "model.pt2", *, text: bool = False) -> str:
    """What the answer says of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return a.fingerprint(str(path) if text else path)


@fourth("hash-of-the-path")
def of_the_path(a: Any, t: Trial) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        path.write_bytes(b"one")
        first = a.fingerprint(path)
        path.write_bytes(b"two")
        if first == a.fingerprint(path):
            return (
                "the file's contents changed and its fingerprint did not: hash the *bytes in the file*, not "
                "its "
                "name, its size or its place"
            )
    return None


@fourth("other-algorithm")
def other(a: Any, t: Trial) -> str | None:
    found = hashed(a, b"weights")
    for name in sorted(hashlib.algorithms_guaranteed - {"sha256"}):
        if not name.startswith("shake") and found == hashlib.new(name, b"weights").hexdigest():
            return f"that is {name}; SHA-256 is asked for"
    if found == str(hashlib.sha256(b"weights").digest()):
        return "that is the hash as bytes; 64 hexadecimal digits are asked for: `hexdigest()`"
    if found == of(b"weights").upper():
        return "the digits are asked for in lower case, as `hexdigest()` gives them"
    if found == hashlib.sha512(b"weights").hexdigest()[:64]:
        return "that is the first half of SHA-512; SHA-256 is another algorithm"
    if found == of(hashlib.sha256(b"weights").digest()) or found == of(of(b"weights").encode()):
        return "that is the hash of a hash: once is enough"
    if found != hashed(a, b"weights") or found == format(hash(b"weights"), "064x"):
        return (
            "the fingerprint of the same bytes changes, or is Python's `hash`, which another process has not"
        )
    if found != of(b"weights") and (of(b"weights").startswith(found) or of(b"weights") in found):
        return f"64 hexadecimal digits are asked for and nothing else; you give {len(found)} characters"
    return None


@fourth("name-in-the-hash")
def name_counts(a: Any, t: Trial) -> str | None:
    if hashed(a, b"weights", "a.bin") != hashed(a, b"weights", "b.bin"):
        return "two files with equal contents and other names get other fingerprints: only the contents count"
    return None


@fourth("reads-text")
def text_only(a: Any, t: Trial) -> str | None:
    if hashed(a, b"plain") != of(b"plain"):
        return None
    for data, words in ((b"\xff\xfe\x00", "no text"), (b"a\r\nb\r\n", "Windows line ends")):
        attempt = t.tried(lambda data=data: hashed(a, data))
        if attempt.error is not None or attempt.value != of(data):
            return f'a file with {words} is hashed wrongly: open it as *bytes*, mode "rb"'
    return None


@fourth("string-path")
def string(a: Any, t: Trial) -> str | None:
    if t.tried(lambda: hashed(a, b"weights", text=True)).error is not None:
        return "a path given as a `str` ends in an error: `Path(path)` takes both"
    if t.tried(lambda: hashed(a, b"weights")).error is not None:
        return "a path given as a `Path` ends in an error: `Path(path)` takes both"
    return None


@fourth("part-of-the-file")
def whole(a: Any, t: Trial) -> str | None:
    data = bytes(range(256)) * 1024
    if hashed(a, data) != of(data) and hashed(a, data[:100]) == of(data[:100]):
        return (
            "a file of 262,144 bytes gets a wrong fingerprint, a short one the right one: is all of it read?"
        )
    attempt = t.tried(lambda: hashed(a, b""))
    if (attempt.error is not None or attempt.value != of(b"")) and hashed(a, b"x") == of(b"x"):
        return "an empty file has a fingerprint too: that of no bytes"
    return None


@w4.property("the SHA-256 of the contents", points=0)
def contents(a: Any, t: Trial) -> None:
    for size in (0, 1, 63, 64, 65, 5000, 70_001):
        data = t.random.randbytes(size)
        t.equal(hashed(a, data, f"{t.random.random()}.bin", text=size % 2 == 0), of(data), f"{size} bytes")


fourth.add_to(w4)
w4.reward(pictures.one_bit)
