"""What each notebook costs and what E5 reaches: a table, made by `course build --execute`, for the README.

The table is `measured.json` at the course's root. The README holds it between two comments, so that its
numbers and its "verified on" line are never typed by hand.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from courseware.build.notebook import write
from courseware.source import Course, LabFolder

if TYPE_CHECKING:
    from courseware.check import Measure

FILE = "measured.json"
BEGIN, END = "<!-- measured: written by course build --execute -->", "<!-- end of measured -->"
AIMS = {"theory": 30, "solution": 45}  # CPU seconds
Entry = dict[str, Any]


def record(lab: LabFolder, role: str, *, cpu_seconds: float, peak_bytes: int) -> None:
    """Put one notebook's cost into the table."""
    _put(lab, role, {"cpu_seconds": round(cpu_seconds, 1), "peak_mib": round(peak_bytes / 2**20)})


def record_results(lab: LabFolder, measures: Sequence[Measure]) -> None:
    """Put into the table what E5 reached from each seed, and what is asked for."""
    first = measures[0]
    _put(
        lab,
        "results",
        {
            "what": first.what,
            "asked": first.asked,
            "at_most": first.at_most,
            "values": [round(measure.value, 4) for measure in measures],
        },
    )


def _put(lab: LabFolder, name: str, entry: Entry) -> None:
    """With what it was measured on."""
    table = read(lab.root)
    table.setdefault(lab.key, {})[name] = {
        **entry,
        "python": platform.python_version(),
        "torch": version("torch").split("+")[0],
        "date": datetime.now(UTC).date().isoformat(),
    }
    write(lab.root / FILE, json.dumps(table, indent=1, sort_keys=True) + "\n")


def read(root: Path) -> dict[str, dict[str, Entry]]:
    """The table by lab key and notebook; empty where nothing has been measured."""
    try:
        table: dict[str, dict[str, Entry]] = json.loads((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return table


def as_markdown(course: Course) -> str:
    """The table as the README shows it, and the line that says what it was verified on."""
    table = read(course.root)
    measured = [(lab, table[lab.key]) for lab in course.labs if lab.key in table]
    if not measured:
        return "No lab has been measured yet."
    rows = [
        f"| {lab.number} {lab.title} | {_cell(own, 'theory')} | {_cell(own, 'solution')} | {_results(own)} |"
        for lab, own in measured
    ]
    entries = [entry for _, own in measured for entry in own.values()]
    versions = sorted({f"Python {entry['python']} and torch {entry['torch']}" for entry in entries})
    last = max(entry["date"] for entry in entries)
    return "\n".join(
        [
            "| lab | theory: CPU seconds, memory | solution: CPU seconds, memory | E5 from three seeds |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Verified on {', '.join(versions)}, on a CPU with one thread, last on {last}.",
        ]
    )


def _cell(own: dict[str, Entry], role: str) -> str:
    entry = own.get(role)
    return f"{entry['cpu_seconds']:.0f} s, {entry['peak_mib']} MiB" if entry else "–"


def _results(own: dict[str, Entry]) -> str:
    entry = own.get("results")
    if not entry:
        return "–"
    values = " · ".join(f"{value:.3g}" for value in entry["values"])
    bound = "at most" if entry["at_most"] else "at least"
    return f"{values} {entry['what']}; asked for: {bound} {entry['asked']:g}"


def with_table(text: str, course: Course) -> str:
    """The README's text with the table renewed; unchanged where it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{as_markdown(course)}\n{end}{after}" if begin and end else text


def update_readme(course: Course) -> None:
    readme = course.root / "README.md"
    if readme.is_file():
        write(readme, with_table(readme.read_text(encoding="utf-8"), course))
