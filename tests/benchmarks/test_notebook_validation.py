"""The comparison of tools that run notebooks: its notebooks, its reading of reports, its table."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import notebook_validation as bench
from benchmarks.notebook_validation import Notebook, Round


@pytest.mark.parametrize("tool", ["warm lane", "nbval", "nbmake"])
def test_a_tool_tells_the_failing_notebook_from_a_passing_one(tool: str, tmp_path: Path) -> None:
    if tool == "nbmake" and find_spec("nbmake") is None:
        pytest.skip("nbmake comes with the bench extra")
    paths = [path for path in bench.write_notebooks(tmp_path) if path.stem in ("failing", "tensors")]
    found = bench.TOOLS[tool](paths)
    assert {notebook.name: notebook.passed for notebook in found} == {"failing": False, "tensors": True}
    assert all(notebook.seconds > 0 for notebook in found)


def test_times_of_a_report_are_summed_over_the_cells_of_a_notebook() -> None:
    xml = """<testsuites><testsuite>
      <testcase classname="a.ipynb" name="Cell 0" time="1.5"/>
      <testcase classname="a.ipynb" name="Cell 1" time="0.25"/>
      <testcase classname="x" name="b.ipynb::" time="2"><failure message="no"/></testcase>
      <testcase classname="c.ipynb" name="Cell 0" time="1"><error message="no"/></testcase>
    </testsuite></testsuites>"""
    assert bench.from_report(xml, ["a", "b", "c", "d"]) == [
        Notebook("a", True, 1.75),
        Notebook("b", False, 2.0),
        Notebook("c", False, 1.0),
        Notebook("d", False, 0.0),
    ]


@pytest.fixture
def results() -> dict[str, list[Round]]:
    def rounds(seconds: float) -> list[Round]:
        notebooks = [Notebook(name, name != "failing", seconds) for name in bench.NOTEBOOKS]
        return [Round(notebooks, wall=14 * seconds, cpu=7.0) for _ in range(3)]

    return {"warm lane": rounds(0.5), "nbmake": rounds(4.0)}


def test_the_table_shows_medians_and_ratios(results) -> None:
    warm, nbmake = (line.split() for line in bench.table(results).splitlines()[1:])
    assert nbmake == ["nbmake", "4.00", "(", "8.0×)", "8.00", "(", "8.0×)", "1.00", "(", "1.0×)"]
    assert warm[:4] == ["warm", "lane", "0.50", "("]


@pytest.mark.parametrize(("seconds", "status"), [(0.5, 0), (0.9, 1)])
def test_the_claim_compares_the_warm_lane_with_nbmake(
    results, seconds: float, status: int, monkeypatch, capsys
) -> None:
    own = [Notebook(name, name != "failing", seconds) for name in bench.NOTEBOOKS]
    monkeypatch.setattr(bench, "measure", lambda rounds: {**results, "warm lane": [Round(own, 1.0, 1.0)]})
    monkeypatch.setattr(sys, "argv", ["notebook_validation"])
    assert bench.main() == status
    line = capsys.readouterr().out.splitlines()[-1]
    assert (
        line
        == f"CLAIM notebook_validation ratio={4.0 / seconds:.3g} target=5 " + ("holds", "falls short")[status]
    )


def test_a_different_verdict_is_shown_and_fails(results, monkeypatch, capsys) -> None:
    wrong = [Notebook(name, True, 9.0) for name in bench.NOTEBOOKS]
    monkeypatch.setattr(bench, "measure", lambda rounds: {**results, "nbval": [Round(wrong, 1.0, 1.0)]})
    monkeypatch.setattr(sys, "argv", ["notebook_validation"])
    assert bench.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "nbval says of failing: passed"
