"""The learner's record: JSON lines that are only ever appended to.

A line is written by one `write` on an `O_APPEND` descriptor, so that two kernels never interleave, and starts
with a line break of its own: whatever a killed process left behind, the next record stands on a new line.
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

VERSION = 1


class ProgressError(OSError):
    """The record could not be written; the text says why and what to do."""


@dataclass(frozen=True)
class Event:
    """One line of the record. `at` is a Unix time, or None where the line holds no readable time."""

    at: float | None
    lab: str
    exercise: str
    event: str
    status: str | None = None
    points: float = 0.0
    seconds: float = 0.0


def encode(event: Event) -> bytes:
    """The bytes of one record: a line break, a JSON object in ASCII, a line break."""
    moment = None if event.at is None else datetime.fromtimestamp(event.at, UTC)
    fields = {
        "v": VERSION,
        "at": moment and moment.isoformat(timespec="milliseconds"),
        "lab": event.lab,
        "exercise": event.exercise,
        "event": event.event,
        "status": event.status,
        "points": event.points,
        "seconds": round(event.seconds, 3),
    }
    return b"\n" + json.dumps(fields).encode("ascii") + b"\n"


def append(path: Path, event: Event) -> None:
    """Add one record and wait until it is on the disk.

    Raises ProgressError if the disk is full or the folder cannot be written; the records before it are safe.
    """
    line = encode(event)
    try:
        fresh = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(descriptor, line) != len(line):
                # A disk that is nearly full takes a part: a second try either fits or names the reason.
                written = os.write(descriptor, line)
                if written != len(line):
                    raise OSError("the disk took only a part of the record")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProgressError(
            f"your progress could not be saved in {path} ({reason}); your notebook is not affected: "
            "make room or make the folder writable, then run the check again"
        ) from error


def read(path: Path) -> Iterator[Event]:
    """Every record that can be understood, in the order of writing; other lines are passed over."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in content.split(b"\n"):
        event = _decode(line)
        if event is not None:
            yield event


def _decode(line: bytes) -> Event | None:
    """A record of this or of a later version of the course: known fields are read, the others left alone."""
    if not line.strip():
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    lab, exercise, event = (fields.get(name) for name in ("lab", "exercise", "event"))
    if not (isinstance(lab, str) and isinstance(exercise, str) and isinstance(event, str)):
        return None
    status = fields.get("status")
    return Event(
        at=_time(fields.get("at")),
        lab=lab,
        exercise=exercise,
        event=event,
        status=status if isinstance(status, str) else None,
        points=_number(fields.get("points")),
        seconds=_number(fields.get("seconds")),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) and number >= 0 else 0.0


def _time(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        # A time without a zone would be read as local time, which changes when the learner travels.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its content, where the file system knows how."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
