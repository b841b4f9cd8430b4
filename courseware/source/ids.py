"""Cell ids that survive edits: exercise cells named by key and role, the rest by the heading above them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_HEADING = re.compile(r"#{1,6}\s+(.+)")
_LONGEST_SLUG = 48  # notebook ids hold at most 64 characters


def heading_of(text: str) -> str | None:
    """The text of the first Markdown heading outside fences, if any."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        match = None if fenced else _HEADING.match(line)
        if match:
            return match[1].strip()
    return None


def slug(text: str) -> str:
    """Lower-case ASCII words joined by dashes; `cell` when nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_LONGEST_SLUG].rstrip("-") or "cell"


class IdGiver:
    """Hands out the ids of one notebook in order.

    Prose ids end in a counter and begin in lower case, exercise ids begin with a capital: the two never meet.
    """

    def __init__(self) -> None:
        self._slug = "cell"
        self._used: Counter[str] = Counter()

    def under_heading(self, heading: str | None) -> str:
        """The id of a prose or plain code cell; `heading` is the cell's own first heading, if it has one."""
        if heading is not None:
            self._slug = slug(heading)
        self._used[self._slug] += 1
        return f"{self._slug}-{self._used[self._slug]}"

    def of_exercise(self, key: str, role: str, heading: str | None) -> str:
        """`E1` for the answer, `E1-check` and so on for the rest; a second reward is `E1-reward-2`."""
        if heading is not None:
            self._slug = slug(heading)
        base = key if role == "answer" else f"{key}-{role}"
        self._used[base] += 1
        return base if self._used[base] == 1 else f"{base}-{self._used[base]}"
