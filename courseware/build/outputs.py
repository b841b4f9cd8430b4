"""Outputs in built notebooks: kept while the code is unchanged, free of what differs between machines."""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from courseware.build.notebook import Json, as_lines, code_cells, code_texts

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


class OutputError(Exception):
    """An executed cell printed something that does not belong in a published notebook."""


def carry_over(built: Json, existing: Json | None, root: Path) -> None:
    """Give `built` the outputs of `existing` if a kernel would be given the very same code."""
    if existing is None or code_texts(built) != code_texts(existing):
        return
    for new, old in zip(code_cells(built), code_cells(existing), strict=True):
        new["outputs"] = normalised(old.get("outputs", []), root)
    if existing.get("metadata", {}).get("courseware", {}).get("executed"):
        built["metadata"]["courseware"]["executed"] = True


def without_outputs(content: Json) -> Json:
    """A copy to compare by: outputs and what an execution leaves behind are gone."""
    plain = copy.deepcopy(content)
    for cell in code_cells(plain):
        cell["outputs"] = []
        cell["execution_count"] = None
    return plain


def normalised(outputs: list[Json], root: Path) -> list[Json]:
    """The outputs in stored form: streams joined, no counts, no addresses, paths relative to the course."""
    result: list[Json] = []
    for output in outputs:
        output = _map_text(copy.deepcopy(output), lambda text: _clean(text, root))
        if "execution_count" in output:
            output["execution_count"] = None
        last = result[-1] if result else {}
        if output["output_type"] == "stream" and last.get("name") == output.get("name"):
            last["text"] = as_lines("".join(last["text"]) + "".join(output["text"]))
        else:
            result.append(output)
    return result


def refuse_noise(outputs: list[Json], where: str) -> None:
    """Standard error, errors and this machine's folders have no place in a published notebook."""
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stderr":
            raise OutputError(f"{where} writes to stderr: {''.join(output['text']).strip()[:300]}")
        _map_text(output, lambda text: _refuse_paths(text, where))


def _refuse_paths(text: str, where: str) -> str:
    folders = {tempfile.gettempdir(), "/tmp", sys.prefix, sys.base_prefix, str(Path.home())} - {"/", "/usr"}
    for folder in sorted(folders):
        match = re.search(rf"(?<![\w/.]){re.escape(folder)}/\S*", text)
        if match:
            raise OutputError(f"{where} prints a path of this machine: {match[0]}")
    return text


def _clean(text: str, root: Path) -> str:
    return _ADDRESS.sub("at 0x…", text.replace(f"{root}/", ""))


def _map_text(output: Json, change: Callable[[str], str]) -> Json:
    """Apply `change` to every text of an output, whichever of the two stored forms it has."""
    if "text" in output:
        output["text"] = as_lines(change("".join(output["text"])))
    data: dict[str, Any] = output.get("data", {})
    for mime, value in data.items():
        if mime.startswith("text/") or mime == "image/svg+xml":
            data[mime] = as_lines(change("".join(value)))
    return output
