"""Puts one exercise of a learner's notebook back to how the course gave it."""

from copy import deepcopy

from courseware.workspace.align import insert_in_order, pair_learner
from courseware.workspace.notebook import Json, exercise_of
from courseware.workspace.notes import is_note_about


def exercises_in(notebook: Json) -> list[str]:
    """The keys of a notebook's exercises, in order."""
    return list(dict.fromkeys(key for key in map(exercise_of, notebook["cells"]) if key))


def restore_exercise(mine: Json, given: Json, exercise: str) -> Json:
    """`mine` with the cells of one exercise as in `given`; cells that the learner added stay in place.

    Copies and split-off parts of the exercise's own cells go; one that is missing returns to its place.
    """
    cells = given["cells"]
    wanted = [place for place, cell in enumerate(cells) if exercise_of(cell) == exercise]
    names = {str(cells[place].get("id")) for place in wanted}
    held = pair_learner(mine["cells"], cells)
    kept: dict[int, Json] = {}  # by a number that tells the learner's cells from the course's: below zero
    order: list[int] = []
    for i, cell in enumerate(mine["cells"]):
        place = held.get(i)
        if place in wanted:
            order.append(place)
        elif place is not None and place not in kept:
            kept[place] = cell
            order.append(place)
        elif exercise_of(cell) != exercise and not is_note_about(cell, names):
            kept[-i - 1] = cell
            order.append(-i - 1)
    order = insert_in_order(order, (place for place in wanted if place not in order))
    return {**mine, "cells": [deepcopy(cells[p] if p in wanted else kept[p]) for p in order]}
