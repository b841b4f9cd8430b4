"""Brings a new version of the course into a learner's notebook and keeps everything that is the learner's.

Three versions meet: the one that the learner was given (base), the one that the learner has (mine), and the
new one. A cell of the learner's that differs from what was given is emitted, always: dropped or replaced are
only cells that still hold the course's own words.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from courseware.workspace.align import insert_in_order, pair_learner, pair_versions
from courseware.workspace.notebook import Json, content_of, exercise_of, is_answer, role_of, text_of
from courseware.workspace.notes import MARK, digest, is_note_like, is_older_note, kept_note, stub_note

# What the course writes on a cell or a notebook; everything else there is the learner's or the editor's.
OWNED_METADATA = ("courseware", "nbgrader")


@dataclass(frozen=True)
class Merged:
    """The merged notebook, and what the course changed in it, in words, in the order of the notebook."""

    notebook: Json
    changes: tuple[str, ...]


def merge(base: Json | None, mine: Json, new: Json) -> Merged:
    """`mine` with the course text of `new`; without a `base`, a cell that differs counts as the learner's."""
    return _Merge(base["cells"] if base else [], mine["cells"], new["cells"]).run(base, mine, new)


@dataclass
class _Merge:
    base: list[Json]
    mine: list[Json]
    new: list[Json]
    changes: list[str] = field(default_factory=list)
    notes: list[Json] = field(default_factory=list)

    def run(self, base: Json | None, mine: Json, new: Json) -> Merged:
        self._align()
        emitted = {place: self._emit(place) for place in range(len(self.new))}
        own = self._own_cells()
        cells = list(own.get(None, ()))
        for place in self._order([place for place, group in emitted.items() if group]):
            cells += emitted[place] + own.get(place, [])
        merged = {**deepcopy(mine), "cells": _with_unique_ids(cells, self._course_ids())}
        old_metadata = (base or {}).get("metadata", {})
        merged["metadata"] = merge_metadata(old_metadata, mine.get("metadata", {}), new.get("metadata", {}))
        merged["nbformat"] = 4
        merged["nbformat_minor"] = new["nbformat_minor"]
        return Merged(merged, tuple(self.changes))

    def _align(self) -> None:
        """Find for each of my cells its cell in the base, and for both the cell of the new version."""
        self.to_base = pair_learner(self.mine, self.base)
        self.base_to_new = pair_versions(self.base, self.new)
        self.to_new = {i: self.base_to_new[b] for i, b in self.to_base.items() if b in self.base_to_new}
        # Cells that the base does not know: it was lost, or the learner brought them from elsewhere.
        strays = [i for i in range(len(self.mine)) if i not in self.to_base]
        unknown = [place for place in range(len(self.new)) if place not in self.base_to_new.values()]
        pairs = pair_learner([self.mine[i] for i in strays], [self.new[place] for place in unknown])
        self.to_new.update({strays[left]: unknown[right] for left, right in pairs.items()})
        self.from_new = {place: i for i, place in self.to_new.items()}
        self.new_to_base = {place: b for b, place in self.base_to_new.items()}

    def _emit(self, place: int) -> list[Json]:
        """The cells that stand where the new version has its cell number `place`."""
        new = self.new[place]
        base = self.base[self.new_to_base[place]] if place in self.new_to_base else None
        if place in self.from_new:
            return self._emit_present(base, self.mine[self.from_new[place]], new)
        if base is None:
            self.changes.append(f"new: {name_of(new)}")
            return [deepcopy(new)]
        if content_of(base) == content_of(new):
            return []  # the learner deleted it, and the course has nothing new to say
        if is_answer(new):
            # A stub that came back would shadow an answer that now stands in another cell.
            return self._note(
                stub_note(new, answered=False), f"{exercise_of(new)}: the new starting point as a note"
            )
        self.changes.append(f"new: {name_of(new)}")
        return [deepcopy(new)]

    def _emit_present(self, base: Json | None, mine: Json, new: Json) -> list[Json]:
        given, held, wanted = (content_of(cell) if cell else None for cell in (base, mine, new))
        old_metadata = base.get("metadata", {}) if base else {}
        metadata = merge_metadata(old_metadata, mine.get("metadata", {}), new.get("metadata", {}))
        stayed = {**deepcopy(mine), "metadata": metadata, "id": new["id"]}
        if held == wanted:
            return [_with_course_outputs(stayed, new)]
        if held == given:
            self.changes.append(f"updated: {name_of(new)}")
            return [{**deepcopy(new), "metadata": metadata}]
        if is_answer(new):
            if base is None or given == wanted:
                return [stayed]
            words = f"{exercise_of(new)}: your answer is kept, the new starting point stands above it"
            return [*self._note(stub_note(new, answered=True), words), stayed]
        if given == wanted:
            return [stayed]
        words = f"{name_of(new)}: updated, your version is kept below it"
        return [deepcopy(new), *self._note(kept_note(new), words), {**_detached(mine), "id": None}]

    def _note(self, note: Json, words: str) -> list[Json]:
        self.changes.append(words)
        self.notes.append(note)
        return [] if any(is_note_like(cell, note) for cell in self.mine) else [note]

    def _own_cells(self) -> dict[int | None, list[Json]]:
        """The learner's own cells, by the course cell that they follow (None: they come before all)."""
        own: dict[int | None, list[Json]] = {}
        anchor: int | None = None
        for i, cell in enumerate(self.mine):
            if i in self.to_new:
                anchor = self.to_new[i]
                continue
            removed = i in self.to_base and content_of(cell) == content_of(self.base[self.to_base[i]])
            if removed:
                self.changes.append(f"removed: {name_of(cell)}")
            elif not any(is_older_note(cell, note) for note in self.notes):
                copy = _detached(cell) if i in self.to_base else deepcopy(cell)
                if copy.get("id") in self._course_ids():
                    copy["id"] = None  # the id goes with the course's cell
                own.setdefault(anchor, []).append(copy)
        return own

    def _course_ids(self) -> set[str]:
        return {str(cell["id"]) for cell in self.new}

    def _order(self, places: list[int]) -> list[int]:
        """The order of the course's cells: the new version's, unless the learner has moved cells."""
        held = [self.to_new[i] for i in range(len(self.mine)) if i in self.to_new]
        given = [self.new_to_base[place] for place in held if place in self.new_to_base]
        if given == sorted(given) and (self.base or held == sorted(held)):
            return places
        return insert_in_order(held, (place for place in places if place not in self.from_new))


def _with_course_outputs(cell: Json, new: Json) -> Json:
    """Outputs that came with the course follow the course; those of the learner's runs stay."""
    if cell["cell_type"] == "code" and cell.get("execution_count") is None and cell.get("outputs"):
        cell["outputs"] = deepcopy(new.get("outputs", []))
    return cell


def merge_metadata(base: Json, mine: Json, new: Json) -> Json:
    """The learner's metadata, with the course's changes to what is its own or was left alone."""
    merged = deepcopy(mine)
    for key in [*mine, *new]:
        if key in OWNED_METADATA or (key != MARK and mine.get(key) == base.get(key)):
            if key in new:
                merged[key] = deepcopy(new[key])
            else:
                merged.pop(key, None)
    return merged


def _detached(cell: Json) -> Json:
    """A cell of the course that is now the learner's own: it stands for no exercise, and may be deleted."""
    owned = (*OWNED_METADATA, "deletable", "editable")
    metadata = {key: value for key, value in cell.get("metadata", {}).items() if key not in owned}
    return {**deepcopy(cell), "metadata": metadata}


def _with_unique_ids(cells: list[Json], course_ids: set[str]) -> list[Json]:
    """Give an id to each cell that has none, or one that a cell before it has."""
    used: set[str] = set()
    for cell in cells:
        name = cell.get("id")
        if not isinstance(name, str) or not name or name in used:
            cell["id"] = name = _fresh_id(cell, used | course_ids)
        used.add(name)
    return cells


def _fresh_id(cell: Json, used: set[str]) -> str:
    stem = f"own-{digest(text_of(cell))}"
    number = 1
    while f"{stem}-{number}" in used:
        number += 1
    return f"{stem}-{number}"


def name_of(cell: Json) -> str:
    """A cell in a few words: its exercise and role, or how its text begins."""
    exercise, role = exercise_of(cell), role_of(cell)
    if exercise and role:
        return f"{exercise} {role}"
    first = next((line.strip() for line in text_of(cell).splitlines() if line.strip()), "an empty cell")
    words = first.lstrip("#> ").strip() or first
    return f"“{words[:50]}…”" if len(words) > 50 else f"“{words}”"
