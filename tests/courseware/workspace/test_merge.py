"""What an update does with each kind of cell, on small notebooks that a person can read."""

import copy
from typing import Any

import pytest

from courseware.workspace.merge import merge
from courseware.workspace.restore import restore_exercise
from tests.courseware.workspace.small_course import Json, book, code, exercise, markdown, text, texts

GIVEN = book(
    markdown("# Title", "title-1"),
    markdown("Old prose.", "title-2"),
    *exercise("E1"),
    *exercise("E2"),
)
ANSWER = "def answer_e1(x):\n    return x + 1"
NEW_STUB = "def answer_e1(x, y):\n    raise NotImplementedError"


def changed(notebook: Json, **cells: str) -> Json:
    """A copy in which cells, by their ids with _ for -, have other texts."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        name = str(cell["id"]).replace("-", "_")
        if name in cells:
            cell["source"] = cells.pop(name).splitlines(keepends=True)
    assert not cells, f"no such cells: {cells}"
    return notebook


def without(notebook: Json, *names: str) -> Json:
    return {**notebook, "cells": [cell for cell in notebook["cells"] if cell["id"] not in names]}


def with_cell(notebook: Json, after: str, cell: Json) -> Json:
    place = 1 + [one["id"] for one in notebook["cells"]].index(after)
    return {**notebook, "cells": [*notebook["cells"][:place], cell, *notebook["cells"][place:]]}


def ids(notebook: Json) -> list[str]:
    return [cell["id"] for cell in notebook["cells"]]


def cell_of(notebook: Json, name: str) -> Json:
    cell: Json = next(cell for cell in notebook["cells"] if cell["id"] == name)
    return cell


def test_untouched_text_takes_the_new_text() -> None:
    merged = merge(GIVEN, GIVEN, changed(GIVEN, title_2="New prose."))
    assert "New prose." in texts(merged.notebook)
    assert "Old prose." not in texts(merged.notebook)
    assert merged.changes == ("updated: “New prose.”",)


def test_an_answer_stays_and_its_statement_is_renewed() -> None:
    mine = changed(GIVEN, E1=ANSWER)
    merged = merge(GIVEN, mine, changed(GIVEN, E1_statement="## E1\n\nDo it well."))
    assert text(cell_of(merged.notebook, "E1")) == ANSWER
    assert text(cell_of(merged.notebook, "E1-statement")) == "## E1\n\nDo it well."
    assert ids(merged.notebook) == ids(GIVEN)


def test_an_untouched_stub_is_replaced_by_the_new_stub() -> None:
    merged = merge(GIVEN, GIVEN, changed(GIVEN, E1=NEW_STUB))
    assert text(cell_of(merged.notebook, "E1")) == NEW_STUB
    assert ids(merged.notebook) == ids(GIVEN)


def test_a_changed_stub_stands_as_a_note_above_the_answer() -> None:
    mine = changed(GIVEN, E1=ANSWER)
    merged = merge(GIVEN, mine, changed(GIVEN, E1=NEW_STUB))
    place = ids(merged.notebook).index("E1")
    note, answer = merged.notebook["cells"][place - 1 : place + 1]
    assert note["cell_type"] == "markdown"
    assert NEW_STUB in text(note)
    assert text(answer) == ANSWER
    assert any("E1" in words and "kept" in words for words in merged.changes)


def test_a_note_follows_the_next_change_of_the_stub_but_stays_once_it_was_edited() -> None:
    second, third = changed(GIVEN, E1=NEW_STUB), changed(GIVEN, E1=NEW_STUB.replace("y", "scale"))
    first_note = merge(GIVEN, changed(GIVEN, E1=ANSWER), second).notebook
    followed = merge(second, first_note, third).notebook
    assert len(followed["cells"]) == len(GIVEN["cells"]) + 1
    assert "scale" in texts(followed)[ids(followed).index("E1") - 1]
    edited = copy.deepcopy(first_note)
    edited["cells"][ids(edited).index("E1") - 1]["source"].append("\nmy remark")
    both = merge(second, edited, third).notebook
    assert len(both["cells"]) == len(GIVEN["cells"]) + 2
    assert any("my remark" in one for one in texts(both))


def test_prose_that_both_changed_is_kept_in_both_versions() -> None:
    mine = changed(GIVEN, title_2="Old prose. My thought.")
    merged = merge(GIVEN, mine, changed(GIVEN, title_2="New prose."))
    new, note, kept = merged.notebook["cells"][1:4]
    assert text(new) == "New prose."
    assert "kept below" in text(note)
    assert text(kept) == "Old prose. My thought."
    assert kept["id"] != "title-2"


def test_prose_that_only_the_learner_changed_is_left_as_it_is() -> None:
    mine = changed(GIVEN, title_2="My prose.")
    assert merge(GIVEN, mine, GIVEN).notebook["cells"] == mine["cells"]


def test_added_cells_stay_behind_their_neighbour_when_the_course_inserts_and_reorders() -> None:
    mine = with_cell(with_cell(GIVEN, "title-2", code("mine = 1", "aa")), "E1", markdown("after E1", "bb"))
    new = book(
        markdown("# Title", "title-1"),
        markdown("Old prose.", "title-2"),
        markdown("Inserted.", "title-3"),
        *exercise("E2"),
        *exercise("E1"),
    )
    merged = merge(GIVEN, mine, new).notebook
    assert ids(merged) == [
        *("title-1", "title-2", "aa", "title-3", "E2-statement", "E2", "E2-check"),
        *("E1-statement", "E1", "bb", "E1-check"),
    ]


def test_cells_that_the_learner_moved_stay_where_they_were_put() -> None:
    mine = book(*GIVEN["cells"][5:], *GIVEN["cells"][:5])
    merged = merge(GIVEN, mine, with_cell(GIVEN, "E1-check", markdown("Inserted.", "title-3"))).notebook
    assert ids(merged) == [*ids(mine), "title-3"]


def test_a_removed_cell_goes_if_untouched_and_stays_if_edited() -> None:
    new = without(GIVEN, "title-2", "E2-statement", "E2", "E2-check")
    assert ids(merge(GIVEN, GIVEN, new).notebook) == ids(new)
    mine = changed(GIVEN, title_2="My prose.", E2="def answer_e2(x):\n    return 2")
    merged = merge(GIVEN, mine, new).notebook
    assert texts(merged)[1] == "My prose."
    assert texts(merged)[-1] == "def answer_e2(x):\n    return 2"
    assert "deletable" not in merged["cells"][-1]["metadata"]
    assert "courseware" not in merged["cells"][-1]["metadata"]


def test_what_the_learner_deleted_stays_deleted_until_the_course_changes_it() -> None:
    mine = without(GIVEN, "title-2")
    assert ids(merge(GIVEN, mine, GIVEN).notebook) == ids(mine)
    assert ids(merge(GIVEN, mine, changed(GIVEN, title_2="New prose.")).notebook) == ids(GIVEN)


def test_a_deleted_answer_cell_never_comes_back_as_code_that_would_shadow_the_answer() -> None:
    mine = with_cell(without(GIVEN, "E1"), "title-2", code("answer_e1 = lambda x: x", "aa"))
    merged = merge(GIVEN, mine, changed(GIVEN, E1=NEW_STUB)).notebook
    stubs = [cell for cell in merged["cells"] if NEW_STUB in text(cell)]
    assert [cell["cell_type"] for cell in stubs] == ["markdown"]


def test_the_answer_is_found_again_when_a_tool_has_stripped_ids_and_metadata() -> None:
    mine = changed(GIVEN, E1=ANSWER)
    for cell in mine["cells"]:
        del cell["id"]
        cell["metadata"] = {}
    merged = merge(GIVEN, mine, changed(GIVEN, title_2="New prose.")).notebook
    assert ids(merged) == ids(GIVEN)
    assert text(cell_of(merged, "E1")) == ANSWER
    assert cell_of(merged, "E1")["metadata"] == {"courseware": {"exercise": "E1", "role": "answer"}}


def test_a_copy_of_an_answer_is_a_cell_of_the_learners() -> None:
    original = changed(GIVEN, E1=ANSWER)
    twin = copy.deepcopy(cell_of(original, "E1")) | {"id": "twin", "source": ["second try"]}
    merged = merge(GIVEN, with_cell(original, "E1-statement", twin), GIVEN).notebook
    assert text(cell_of(merged, "E1")) == ANSWER
    assert text(cell_of(merged, "twin")) == "second try"


def test_outputs_of_the_learner_stay_and_outputs_of_the_course_follow_the_course() -> None:
    figure: Any = {"output_type": "display_data", "data": {"text/plain": ["old figure"]}, "metadata": {}}
    given = book(code("draw()", "draw-1"), code("again()", "draw-2"))
    for cell in given["cells"]:
        cell["outputs"] = [figure]
    mine = copy.deepcopy(given)
    ran = {"output_type": "stream", "name": "stdout", "text": ["mine"]}
    mine["cells"][0] |= {"outputs": [ran], "execution_count": 4}
    new = copy.deepcopy(given)
    for cell in new["cells"]:
        cell["outputs"] = [{**figure, "data": {"text/plain": ["new figure"]}}]
    first, second = merge(given, mine, new).notebook["cells"]
    assert (first["outputs"], first["execution_count"]) == ([ran], 4)
    assert second["outputs"] == new["cells"][1]["outputs"]


def test_a_new_paragraph_that_shifts_ids_does_not_disturb_an_edited_neighbour() -> None:
    given = book(markdown("# T", "t-1"), markdown("One.", "t-2"), markdown("Two.", "t-3"))
    mine = changed(given, t_3="Two. Mine.")
    new = book(
        markdown("# T", "t-1"), markdown("Zero.", "t-2"), markdown("One.", "t-3"), markdown("Two.", "t-4")
    )
    assert texts(merge(given, mine, new).notebook) == ["# T", "Zero.", "One.", "Two. Mine."]


def test_without_a_base_everything_that_differs_is_kept() -> None:
    mine = changed(GIVEN, E1=ANSWER, title_2="Old prose, edited.")
    merged = merge(None, mine, changed(GIVEN, title_2="New prose.")).notebook
    assert text(cell_of(merged, "E1")) == ANSWER
    assert {"New prose.", "Old prose, edited."} <= set(texts(merged))


def test_metadata_of_editor_and_learner_survive_and_the_courses_own_are_renewed() -> None:
    given, new = copy.deepcopy(GIVEN), copy.deepcopy(GIVEN)
    cell_of(given, "E1")["metadata"]["nbgrader"] = {"points": 1}
    mine = copy.deepcopy(given)
    mine["metadata"]["kernelspec"] = {"name": "my-kernel"}
    cell_of(mine, "E1")["metadata"] |= {"collapsed": True, "tags": ["mine"]}
    cell_of(new, "E1")["metadata"]["nbgrader"] = {"points": 15}
    merged = merge(given, mine, new).notebook
    assert merged["metadata"]["kernelspec"] == {"name": "my-kernel"}
    metadata = cell_of(merged, "E1")["metadata"]
    assert (metadata["collapsed"], metadata["tags"], metadata["nbgrader"]) == (True, ["mine"], {"points": 15})


@pytest.mark.parametrize("bad", [None, "", 7])
def test_every_cell_of_the_result_has_an_id_of_its_own(bad: Any) -> None:
    mine = with_cell(with_cell(GIVEN, "E1", code("a", "title-1")), "E1", code("a", "x"))
    cell_of(mine, "x")["id"] = bad
    merged = ids(merge(GIVEN, mine, GIVEN).notebook)
    assert len(merged) == len(set(merged)) == len(GIVEN["cells"]) + 2
    assert set(ids(GIVEN)) <= set(merged)


def test_restoring_an_exercise_touches_nothing_else() -> None:
    mine = changed(GIVEN, E1=ANSWER, E1_statement="My words.", E2="def answer_e2(x):\n    return 2")
    mine = with_cell(
        with_cell(mine, "E1", code("half", "twin", "E1", "answer")), "E1", code("mine = 1", "aa")
    )
    restored = restore_exercise(without(mine, "E1-check"), GIVEN, "E1")
    assert ids(restored) == [*ids(GIVEN)[:4], "E1-check", "aa", *ids(GIVEN)[5:]]
    assert text(cell_of(restored, "E1")) == text(cell_of(GIVEN, "E1"))
    assert text(cell_of(restored, "E1-statement")) == text(cell_of(GIVEN, "E1-statement"))
    assert text(cell_of(restored, "E2")) == "def answer_e2(x):\n    return 2"
