"""Which language is this name? What twelve languages call countries, languages, currencies and scripts.

From the Unicode CLDR, which ``babel`` carries. About 10,000 names, 14 characters long in the mean. A name
that two languages share is left out: it has no right answer. Another version of babel may bring other
names.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from babel import Locale

from shared.data.examples import permuted

LANGUAGES = ("cs", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "pl", "pt", "sv")
"""Four Germanic, four Romance, two West Slavic and two Finno-Ugric ones, all in Latin script."""

KINDS = ("currencies", "languages", "scripts", "territories")


class Name(NamedTuple):
    text: str
    label: int
    """Index into ``LANGUAGES``."""
    concept: str
    """What is named, such as "territories.SO": Somalia in English, Somálsko in Czech."""


@dataclass(frozen=True)
class Names:
    """No concept is on both sides: who has seen "Somalia" would find "Somália" too easy."""

    train: list[Name]
    test: list[Name]


def names() -> Names:
    """All names, split by concept: the sorted concepts are split as every data set is, their names follow
    them."""
    everything = _unambiguous(_all_names())
    concepts = sorted({name.concept for name in everything})
    train, _ = permuted(len(concepts))
    learned = {concepts[place] for place in train.tolist()}
    return Names(
        train=[name for name in everything if name.concept in learned],
        test=[name for name in everything if name.concept not in learned],
    )


def _all_names() -> list[Name]:
    found = []
    for label, language in enumerate(LANGUAGES):
        locale = Locale.parse(language)
        for kind in KINDS:
            named = getattr(locale, kind)
            found += [Name(named[key], label, f"{kind}.{key}") for key in sorted(named)]
    return found


def _unambiguous(found: list[Name]) -> list[Name]:
    """Without texts of several languages, and each other text once."""
    labels = defaultdict(set)
    for name in found:
        labels[name.text].add(name.label)
    first = {name.text: name for name in reversed(found) if len(labels[name.text]) == 1}
    return [name for name in found if first.get(name.text) == name]
