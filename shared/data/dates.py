"""Dates as people write them in six languages, and as ISO 8601 writes them: as many pairs as one likes."""

import datetime
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from babel.dates import format_date

LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
STYLES = ("medium", "long", "full")
"""In English: "Apr 30, 2006", "April 30, 2006" and "Sunday, April 30, 2006"."""


class DatePair(NamedTuple):
    text: str
    iso: str
    language: str
    style: str


def date_pairs(
    count: int,
    *,
    seed: int = 0,
    languages: Sequence[str] = LANGUAGES,
    styles: Sequence[str] = STYLES,
    first: datetime.date = datetime.date(1970, 1, 1),
    last: datetime.date = datetime.date(2029, 12, 31),
) -> list[DatePair]:
    """``count`` random dates from ``first`` to ``last``, each in a random language and style. They may
    repeat."""
    days = (last - first).days + 1
    if days < 1:
        raise ValueError(f"the first date should not be after the last, but {first} is after {last}")
    draw = random.Random(seed).random  # the one method whose numbers Python promises never to change
    pairs = []
    for _ in range(count):
        day = first + datetime.timedelta(days=int(draw() * days))
        language, style = languages[int(draw() * len(languages))], styles[int(draw() * len(styles))]
        pairs.append(DatePair(format_date(day, style, locale=language), day.isoformat(), language, style))
    return pairs


def unseen(pairs: Iterable[DatePair], training: Iterable[DatePair]) -> list[DatePair]:
    """The pairs whose text does not occur in training, each text once: what a model can be judged by."""
    known = {pair.text for pair in training}
    return list({pair.text: pair for pair in pairs if pair.text not in known}.values())
