"""From output messages to the outputs that a notebook file stores."""

import re
from pathlib import Path
from typing import Any, cast

from nbformat import NotebookNode, from_dict

# A kernel compiles a cell under a file name with a process id in it. A stored warning or traceback must not
# change from run to run, and must not show where this machine keeps its files.
_CELL_FILE = re.compile(
    r"/[^\s:]{0,300}?/ipykernel_\d+/\d+\.py|<ipython-input-\d+-[0-9a-f]+>|(?<=\()\d{6,}\.py(?=, line)"
)
_ROOT = Path(__file__).parents[2]
_HOME_ROOT = f"~/{_ROOT.relative_to(Path.home())}" if _ROOT.is_relative_to(Path.home()) else str(_ROOT)
_PLACE = re.compile(
    rf"[~/][^\s:\"'\x1b]{{0,300}}?/(?:site|dist)-packages/|(?:{re.escape(str(_ROOT))}|{re.escape(_HOME_ROOT)})/"
)


class CellOutputs:
    """The outputs of all cells, built up message by message as a front end would."""

    def __init__(self) -> None:
        self._outputs: dict[int, list[dict[str, Any]]] = {}
        self._clear_next: set[int] = set()
        self._shown: dict[str, list[dict[str, Any]]] = {}  # by display_id: the outputs that an update changes

    def start(self, cell: int) -> None:
        self._outputs[cell] = []

    def receive(self, cell: int, kind: str, content: dict[str, Any]) -> None:
        """Apply one message of the Jupyter protocol; kinds that leave no trace are passed over."""
        display_id = (content.get("transient") or {}).get("display_id")
        if display_id and kind in ("display_data", "execute_result", "update_display_data"):
            for output in self._shown.get(display_id, []):
                output.update(data=content["data"], metadata=content["metadata"])
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_next.add(cell)
            else:
                self._outputs[cell] = []
        elif kind in ("stream", "display_data", "execute_result", "error"):
            self._append(cell, _output(kind, content), display_id)

    def _append(self, cell: int, output: dict[str, Any], display_id: str | None) -> None:
        if cell in self._clear_next:
            self._clear_next.discard(cell)
            self._outputs[cell] = []
        if display_id:
            self._shown.setdefault(display_id, []).append(output)
        self._outputs.setdefault(cell, []).append(output)

    def of(self, cell: int) -> list[NotebookNode]:
        """A cell's outputs as a notebook stores them."""
        found = _joined(self._outputs.get(cell, []))
        return [cast(NotebookNode, from_dict(output)) for output in found]  # type: ignore[no-untyped-call]


def _output(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    names = {
        "stream": ("name", "text"),
        "display_data": ("data", "metadata"),
        "execute_result": ("data", "metadata", "execution_count"),
        "error": ("ename", "evalue", "traceback"),
    }[kind]
    output = {"output_type": kind, **{name: content[name] for name in names}}
    if kind == "error":
        output["evalue"] = portable(output["evalue"])
        output["traceback"] = [portable(line) for line in output["traceback"]]
    return output


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Between two other outputs leave one stdout, then one stderr.

    A kernel sends both in pieces, and in no fixed order: only joined they are the same on every run.
    """
    joined: list[dict[str, Any]] = []
    pending = {"stdout": "", "stderr": ""}

    def settle() -> None:
        for name, text in pending.items():
            if text:
                joined.append({"output_type": "stream", "name": name, "text": _as_shown(text)})
                pending[name] = ""

    for output in outputs:
        if output["output_type"] == "stream":
            pending[output["name"]] += output["text"]
        else:
            settle()
            joined.append(output)
    settle()
    return joined


def _as_shown(text: str) -> str:
    return portable("\n".join(_last_written(line) if "\r" in line else line for line in text.split("\n")))


def _last_written(line: str) -> str:
    """What a terminal shows of a line that was written over, as by a progress bar."""
    body, ending = (line[:-1], "\r") if line.endswith("\r") else (line, "")
    return body.rpartition("\r")[2] + ending


def portable(text: str) -> str:
    """The text without names that only this machine or this run knows."""
    return _PLACE.sub("", _CELL_FILE.sub("<cell>", text))
