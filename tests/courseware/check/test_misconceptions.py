"""Wrong answers are collected from all files, also where two of them use one name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from courseware.check import misconceptions_in

ONE_FILE = """
from courseware.check import misconception


@misconception("E1", diagnosis="{file}-off-by-one")
def off_by_one():
    return {{}}


@misconception("E1", diagnosis="{file}-own")
def own_of_{file}():
    return {{}}
"""


def test_a_name_that_two_files_use_hides_no_wrong_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("first", "second"):
        (tmp_path / f"wrong_{file}.py").write_text(ONE_FILE.format(file=file), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    index = ModuleType("index")
    exec("from wrong_first import *\nfrom wrong_second import *\n", index.__dict__)
    assert {wrong.diagnosis for wrong in misconceptions_in(index)} == {
        "first-off-by-one",
        "first-own",
        "second-off-by-one",
        "second-own",
    }
