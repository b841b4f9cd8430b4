"""The record of a run, and the outputs that are built from it."""

import os
from pathlib import Path

import pytest

from courseware.run.journal import DISPLAY_BYTES, DISPLAY_LIMIT, TEXT_LIMIT, Journal, events
from courseware.run.outputs import CellOutputs, portable


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"name": name, "text": text}


def display(value: str, display_id: str | None = None) -> dict[str, object]:
    return {"data": {"text/plain": value}, "metadata": {}, "transient": {"display_id": display_id}}


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.start(0)
    journal.message(0, "stream", stream("kept"))
    kept = path.stat().st_size
    journal.message(0, "stream", stream("torn ☃"))
    whole = path.read_bytes()
    for size in range(kept, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert events(path)[-1]["content"] == stream("kept")
    assert events(tmp_path / "none") == []


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    if (pid := os.fork()) == 0:
        journal.start(7)
        os._exit(0)
    os.waitpid(pid, 0)
    assert [event["event"] for event in events(tmp_path / "journal")] == ["opened"]


def test_a_cell_has_a_limit_and_the_next_cell_has_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    outputs = CellOutputs()
    for cell in (0, 1):
        journal.start(cell)
        for _ in range(3):
            journal.message(cell, "stream", stream("x" * (TEXT_LIMIT // 2 + 1)))
    journal.start(2)
    for i in range(DISPLAY_LIMIT + 5):
        journal.message(2, "display_data", display(str(i)))
    journal.start(3)
    journal.message(3, "display_data", display("y" * (DISPLAY_BYTES + 1)))
    for event in events(tmp_path / "journal"):
        if event["event"] == "message":
            outputs.receive(event["cell"], event["kind"], event["content"])
    for cell in (0, 1):
        (text,) = (output.text for output in outputs.of(cell))
        assert text == "x" * TEXT_LIMIT + "\n[output cut here: a cell may write 1,000,000 characters]\n"
    assert [o.data["text/plain"] for o in outputs.of(2)[:-1]] == [str(i) for i in range(DISPLAY_LIMIT)]
    assert outputs.of(2)[-1].text.startswith("\n[output cut here: a cell may write 500 displays")
    assert [output.output_type for output in outputs.of(3)] == ["stream"]


def test_pieces_of_text_are_joined_between_other_outputs() -> None:
    outputs = CellOutputs()
    pieces = [("a", "stdout"), ("E", "stderr"), ("b\n", "stdout"), ("F", "stderr")]
    for text, name in pieces:
        outputs.receive(0, "stream", stream(text, name))
    outputs.receive(0, "display_data", display("picture"))
    outputs.receive(0, "stream", stream("after"))
    shown = [output.get("text", "picture") for output in outputs.of(0)]
    assert shown == ["ab\n", "EF", "picture", "after"]


def test_a_line_written_over_shows_its_last_state() -> None:
    outputs = CellOutputs()
    for text in ("  0%\r", " 50%\r", "100%\n", "dos\r\n", "pending\r"):
        outputs.receive(0, "stream", stream(text))
    assert outputs.of(0)[0].text == "100%\ndos\r\npending\r"


def test_an_update_changes_every_output_with_its_id_in_any_cell() -> None:
    outputs = CellOutputs()
    for cell in (0, 1):
        outputs.receive(cell, "display_data", display("old", "one"))
    outputs.receive(1, "display_data", display("other", "two"))
    outputs.receive(2, "update_display_data", display("new", "one"))
    shown = [[output.data["text/plain"] for output in outputs.of(cell)] for cell in (0, 1, 2)]
    assert shown == [["new"], ["new", "other"], []]


def test_stored_text_does_not_show_the_machine() -> None:
    root = Path(__file__).parents[3]
    seen = {
        "/tmp/cw-x/tmp/ipykernel_12/3456.py:1: UserWarning: a/b": "<cell>:1: UserWarning: a/b",
        "<ipython-input-3-0a1b2c3d4e5f>:2: w": "<cell>:2: w",
        "/home/me/.venv/lib/python3.11/site-packages/torch/x.py:9: w": "torch/x.py:9: w",
        "~/.venv/lib/python3.11/site-packages/torch/x.py:9": "torch/x.py:9",
        f"File {root}/shared/seeding.py:4": "File shared/seeding.py:4",
        "invalid syntax (2345678901.py, line 1)": "invalid syntax (<cell>, line 1)",
        "path /data/set and ratio 1/2": "path /data/set and ratio 1/2",
    }
    assert {text: portable(text) for text in seen} == seen


@pytest.mark.timeout(60)
def test_long_lines_do_not_take_quadratic_time() -> None:
    """It takes half a second; with a pattern that backtracks, many minutes."""
    outputs = CellOutputs()
    for text in ("/" * 500_000, "x" * 500_000, "\r/" * 250_000, "~/site-" * 70_000):
        outputs.receive(0, "stream", stream(text))
    assert len(outputs.of(0)) == 1
