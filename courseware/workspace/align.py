"""Which cell of one notebook is which cell of another.

Learners copy, split, move and merge cells, and some tools drop ids or metadata. So pairs are looked for in
rounds, the surest sign first; a cell is paired at most once, and what stays alone is new on its side.
"""

import ast
from collections.abc import Callable, Hashable, Iterable, Sequence

from courseware.workspace.notebook import Json, content_of, exercise_of, is_answer, role_of, text_of

Sign = Callable[[Json], Hashable | None]


def pair_learner(mine: Sequence[Json], course: Sequence[Json]) -> dict[int, int]:
    """From the learner's cells to the course's. An id stays with an edited cell: ids come before the text."""
    pairs = _rounds(mine, course, (_place_and_id, _place, _id, _content))
    _pair_by_definitions(mine, course, pairs)
    return pairs


def pair_versions(old: Sequence[Json], new: Sequence[Json]) -> dict[int, int]:
    """From one version of the course to a later one.

    Prose ids count cells under a heading, so a new paragraph shifts them: equal text comes before equal ids.
    """
    return _rounds(old, new, (_place_and_id, _place, _content_and_id, _content, _id))


def _rounds(left: Sequence[Json], right: Sequence[Json], signs: Sequence[Sign]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for sign in signs:
        waiting: dict[Hashable, list[int]] = {}
        for index, cell in enumerate(right):
            mark = sign(cell)
            if index not in taken and mark is not None:
                waiting.setdefault(mark, []).append(index)
        for index, cell in enumerate(left):
            candidates = waiting.get(sign(cell)) if index not in pairs else None
            if candidates:
                pairs[index] = candidates.pop(0)
                taken.add(pairs[index])
    return pairs


def _id(cell: Json) -> Hashable | None:
    name = cell.get("id")
    return name if isinstance(name, str) and name else None


def _place(cell: Json) -> Hashable | None:
    exercise, role = exercise_of(cell), role_of(cell)
    return (exercise, role) if exercise and role else None


def _place_and_id(cell: Json) -> Hashable | None:
    place, name = _place(cell), _id(cell)
    return (place, name) if place and name else None


def _content(cell: Json) -> Hashable | None:
    return content_of(cell) if text_of(cell).strip() else None


def _content_and_id(cell: Json) -> Hashable | None:
    content, name = _content(cell), _id(cell)
    return (content, name) if content and name else None


def _pair_by_definitions(mine: Sequence[Json], course: Sequence[Json], pairs: dict[int, int]) -> None:
    """The last resort for answers whose cell lost both id and metadata: it defines what the stub defines."""
    taken = set(pairs.values())
    for index, stub in enumerate(course):
        if index in taken or not is_answer(stub):
            continue
        wanted = _definitions(stub)
        for number, cell in enumerate(mine):
            if number not in pairs and wanted & _definitions(cell):
                pairs[number] = index
                break


def _definitions(cell: Json) -> set[str]:
    if cell["cell_type"] != "code":
        return set()
    try:
        body = ast.parse(text_of(cell)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {
        node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def insert_in_order(order: Sequence[int], places: Iterable[int]) -> list[int]:
    """`order` as it is, with each of `places` behind the place that comes closest before it.

    Numbers below zero in `order` are no places of the course; nothing is put in relation to them.
    """
    result = list(order)
    for place in places:
        before = max((other for other in result if 0 <= other < place), default=None)
        result.insert(0 if before is None else result.index(before) + 1, place)
    return result
