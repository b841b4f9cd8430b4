"""The options on a cell marker or a code fence: `key=value` pairs whose values are JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from courseware.source.model import SourceError

TAGS = ("parameters", "hide-input", "exact", "discussion")
_KEY = re.compile(r"\s*([A-Za-z_]\w*)=")


def read_options(text: str, path: Path, line: int, known: Collection[str]) -> dict[str, Any]:
    """Parse `key=JSON key=JSON`; anything else, an unknown key or an unknown tag is an error."""
    options: dict[str, Any] = {}
    position = 0
    while text[position:].strip():
        match = _KEY.match(text, position)
        if match is None:
            raise SourceError(
                path,
                line,
                f'expected key=value, found {text[position:].strip()!r}; values are JSON: tags=["exact"]',
            )
        key = match[1]
        if key not in known:
            raise SourceError(
                path, line, f"unknown cell option {key!r}; known here: {', '.join(sorted(known))}"
            )
        if key in options:
            raise SourceError(path, line, f"cell option {key!r} is given twice")
        try:
            options[key], position = json.JSONDecoder().raw_decode(text, match.end())
        except json.JSONDecodeError as error:
            raise SourceError(
                path, line, f"the value of {key} is not JSON ({error.msg}); strings need double quotes"
            ) from None
    _check_tags(options.get("tags", []), path, line)
    return options


def _check_tags(tags: Any, path: Path, line: int) -> None:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise SourceError(path, line, 'tags must be a list of strings, as in tags=["exact"]')
    for tag in tags:
        if tag not in TAGS:
            raise SourceError(path, line, f"unknown tag {tag!r}; known: {', '.join(TAGS)}")
