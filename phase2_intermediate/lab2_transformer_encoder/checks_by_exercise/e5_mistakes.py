"""The known mistakes of E5's split, vocabulary and tokens, found on a few made-up names."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.naming import name_it, value_of
from shared.data.names import Name

probe = Probes()


class Salted(str):
    """A string whose hash is another one for each salt, as between two Python processes."""

    salt = 0
    __slots__ = ()

    def __hash__(self) -> int:
        return hash((str(self), Salted.salt))

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)  # type: ignore[no-any-return]

    def __ne__(self, other: object) -> bool:
        return not self == other


def some_names(t: Trial, concepts: int = 30, languages: int = 4) -> list[Name]:
    """Each concept in several languages; texts differ."""
    found = []
    for number in range(concepts):
        for label in range(languages - number % 2):
            text = "".join(t.random.choice("abcdefghij") for _ in range(4)) + f"{number}{'xyzw'[label]}"
            found.append(Name(text, label, f"things.{number:03d}"))
    t.random.shuffle(found)
    return found


def parts_of(a: Any, t: Trial, names: list[Name], **how: Any) -> tuple[list[Name], list[Name]]:
    shown = "".join(f", {key}={value}" for key, value in how.items())
    pair = value_of(
        t, lambda: a.split_by_concept(names, **how), "split-fails", f"split_by_concept(names{shown})"
    )
    t.that(
        isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(part, list) for part in pair),
        "split_by_concept returns the pair (train, test), two lists of names",
        diagnosis="not-two-lists",
    )
    t.that(
        all(hasattr(name, "concept") for part in pair for name in part),
        "the two lists hold something other than names",
        diagnosis="not-two-lists",
    )
    return pair[0], pair[1]


@probe("the-split")
def split(a: Any, t: Trial) -> None:
    names = [*some_names(t), *(Name("ab", 3, f"things.{number:03d}") for number in range(30))]
    kept = list(names)
    train, test = parts_of(a, t, names)
    t.that(
        names == kept, "split_by_concept changed the list that it was given", diagnosis="changes-its-input"
    )
    count = len({name.concept for name in names})
    both = {name.concept for name in train} & {name.concept for name in test}
    if both:
        concept = min(both)
        pair = (
            next(n.text for n in train if n.concept == concept),
            next(n.text for n in test if n.concept == concept),
        )
        t.fail(
            f"{len(both)} of {count} concepts occur in train and test (such as {pair[0]} and {pair[1]}): "
            "who has seen the "
            "one finds the other too easy. Draw *concepts*, and let their names follow",
            diagnosis="concepts-on-both-sides",
        )
    t.that(bool(train) and bool(test), "one of the two parts is empty", diagnosis="share-of-the-test")
    t.that(
        len(train) + len(test) == len(names) and sorted(train + test) == sorted(names),
        f"{len(names)} names came in, {len(train)} + {len(test)} came out: every name is in exactly one part",
        diagnosis="names-lost",
    )
    drawn = len({name.concept for name in test})
    t.that(
        not (abs(drawn - 24) <= 1),
        f"{drawn} of {count} concepts are in the test: train and test are exchanged",
        diagnosis="parts-exchanged",
    )
    t.that(
        abs(drawn - 6) <= 1,
        f"with share 0.2, {drawn} of {count} concepts are in the test, expected 6: the share is one of "
        "*concepts*",
        diagnosis="share-of-the-test",
    )


@probe("share-ignored")
def share(a: Any, t: Trial) -> str | None:
    names = some_names(t)
    _, test = parts_of(a, t, names, share=0.5)
    drawn = len({name.concept for name in test})
    return (
        f"with share=0.5, {drawn} of 30 concepts are in the test, expected 15"
        if abs(drawn - 15) > 1
        else None
    )


@probe("the-seed")
def seed(a: Any, t: Trial) -> None:
    names = some_names(t)

    def drawn(names: list[Name], seed: int) -> list[str]:
        return sorted({str(name.concept) for name in parts_of(a, t, names, seed=seed)[1]})

    torch.manual_seed(1)
    random.seed(1)
    first = drawn(names, 3)
    torch.manual_seed(2)
    random.seed(2)
    t.that(
        drawn(names, 3) == first,
        "two calls with seed=3 gave two splits: draw from a generator of your own with that seed, or seed "
        "it first",
        diagnosis="seed-does-not-decide",
    )
    t.that(
        len({tuple(drawn(names, seed)) for seed in range(4)}) > 1,
        "seeds 0 to 3 give the same split: draw at random, with the seed",
        diagnosis="seed-does-not-decide",
    )
    others = list(names)
    t.random.shuffle(others)
    t.that(
        drawn(others, 3) == first,
        "the same names in another order are split differently: sort the concepts before you draw",
        diagnosis="split-depends-on-the-order",
    )
    for salt in (1, 2, 3):
        Salted.salt = salt
        salted = [Name(name.text, name.label, Salted(name.concept)) for name in names]
        found = drawn(salted, 3)
        Salted.salt = 0
        t.that(
            found == first,
            "with other hashes of the strings, as in another Python process, the split is another one: a "
            "`set` has no "
            "order of its own, and `hash` no value. Sort the concepts before you draw",
            diagnosis="split-depends-on-the-hash-seed",
        )


@probe("the-vocabulary")
def vocabulary(a: Any, t: Trial) -> None:
    found = value_of(
        t, lambda: a.build_vocabulary(["bad", "a b", "žab"]), "vocabulary-fails", "build_vocabulary"
    )
    right = {" ": 2, "a": 3, "b": 4, "d": 5, "ž": 6}
    t.that(
        isinstance(found, dict), f"build_vocabulary returned a {type(found).__name__}", diagnosis="not-a-dict"
    )
    if found == right:
        generator = value_of(
            t,
            lambda: a.build_vocabulary(x for x in ("ab", "c")),
            "vocabulary-fails",
            "build_vocabulary of a generator",
        )
        t.that(generator == {"a": 2, "b": 3, "c": 4}, "with a generator of texts the vocabulary is another "
                                                      "one: `texts` "
               "is any iterable, and can be read once only", diagnosis="texts-read-twice")  # fmt: skip
        return
    letters = {key for key in found if isinstance(key, str) and len(key) == 1}
    t.that(
        not {"bad", "a b"} & set(found),
        "the keys are whole texts: *characters* get numbers",
        diagnosis="words-not-characters",
    )
    t.that(
        letters == set(found) or not set(right) <= set(found),
        "padding and unknown are not in the dict: 0 and 1 are only kept free for them",
        diagnosis="padding-in-the-vocabulary",
    )
    t.that(
        set(found) == set(right),
        f"the keys are {sorted(map(str, found))}, expected {sorted(right)}: each character that occurs, "
        "spaces too, as "
        "it is",
        diagnosis="other-characters",
    )
    t.that(
        min(found.values()) == 2,
        f"the numbers begin with {min(found.values())}: 0 is padding and 1 the unknown, so characters begin "
        "with 2",
        diagnosis="numbers-not-from-two",
    )
    t.that(
        len(set(found.values())) == len(found),
        "two characters share a number",
        diagnosis="numbers-not-from-two",
    )
    t.fail(
        f"the numbers are {found}: 2, 3, … in the order of Unicode (`sorted`), so that they are the same in "
        "every run",
        diagnosis="characters-not-sorted",
    )


@probe("the-tokens")
def tokens(a: Any, t: Trial) -> None:
    known = {"a": 2, "b": 3, "c": 4}
    found = value_of(t, lambda: a.encode(["ab", "cxab"], known), "encode-fails", "encode with a character x "
                                                                                 "that the "
                     "vocabulary does not know")  # fmt: skip
    t.that(isinstance(found, Tensor), f"encode returned a {type(found).__name__}", diagnosis="not-a-tensor")
    right = torch.tensor([[2, 3, 0, 0], [4, 1, 2, 3]])
    cases = [
        ("padded-on-the-left", torch.tensor([[0, 0, 2, 3], [4, 1, 2, 3]]), "the padding stands on the left: "
                                                                           "on the right"),
        ("unknown-is-padding", torch.tensor([[2, 3, 0, 0], [4, 0, 2, 3]]), "an unknown character became 0, "
                                                                           "which is "
         "padding: 1"),
        ("unknown-left-out", torch.tensor([[2, 3, 0], [4, 2, 3]]), "an unknown character was left out: it "
                                                                   "is 1"),
        ("time-first", right.T, "the result is [T, B]: each text is a row"),
        ("padded-with-another-number", torch.tensor([[2, 3, 1, 1], [4, 1, 2, 3]]), "the padding is 1, the "
                                                                                   "unknown: 0"),
        ("cut-to-the-shortest", right[:, :2], "long texts were cut: T is the longest length"),
    ]  # fmt: skip
    name_it(t, found, right, cases)
    t.that(found.dtype == torch.int64, f"the tokens are {found.dtype}: int64", diagnosis="tokens-not-int64")
    if tuple(found.shape) == (2, 4):
        t.equal(found, right, "the tokens of ab and cxab", diagnosis="other-tokens")
    t.that(
        tuple(found.shape) == (2, 4),
        f"texts of 2 and 4 characters gave {tuple(found.shape)}, expected (2, 4): T is the longest length",
        diagnosis="shape-of-the-tokens",
    )
    for texts, wanted in ((["", "a"], [[0], [2]]), (["abc"], [[2, 3, 4]]), (["b", "", ""], [[3], [0], [0]])):
        words = f"encode({texts})"
        found = value_of(t, lambda texts=texts: a.encode(texts, known), "empty-texts", words)
        t.equal(found, torch.tensor(wanted), words, diagnosis="empty-texts")
    lazy = value_of(
        t,
        lambda: a.encode((x for x in ("ab", "c")), known),
        "texts-read-twice",
        "encode of a generator of texts",
    )
    t.equal(
        lazy, torch.tensor([[2, 3], [4, 0]]), "encode of a generator of texts", diagnosis="texts-read-twice"
    )
