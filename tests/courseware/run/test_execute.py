"""What a caller may ask for, and what comes back."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from courseware.run import RunnerError, execute, execute_many, runner

LANES = ["kernel", "warm"]


def value(result, cell: int = -1):
    """What the last expression of a cell printed, as a Python value."""
    return eval(result.notebook.cells[cell].outputs[-1].data["text/plain"])


@pytest.mark.parametrize("lane", LANES)
def test_parameters_replace_those_of_the_tagged_cell(notebook, lane: str) -> None:
    given = {
        "profile": "full",
        "sizes": [1, 2.5],
        "none": None,
        "flag": True,
        "quotes": "a'b\"c\n",
        "d": {"k": -1},
    }
    cells = "#| parameters\nprofile = 'laptop'\nother = 7", "profile, sizes, none, flag, quotes, d, other"
    result = execute(notebook(*cells), lane=lane, parameters=given)
    assert value(result) == (*given.values(), 7)
    assert len(result.notebook.cells) == 3
    assert "papermill" not in result.notebook.metadata


def test_parameters_without_a_tagged_cell_are_refused(notebook) -> None:
    with pytest.raises(RunnerError, match="no cell is tagged 'parameters', so profile, size cannot be set"):
        execute(notebook("1"), parameters={"profile": 1, "size": 2})


@pytest.mark.parametrize("lane", LANES)
def test_folder_and_environment(notebook, lane: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GIVEN", "by the caller")
    monkeypatch.setenv("GONE", "by the caller")
    path = tmp_path / "book.ipynb"
    (tmp_path / "beside.py").write_text("here = 'found'")
    names = ["COURSEWARE_VALIDATE", "OMP_NUM_THREADS", "GIVEN", "GONE", "NEW"]
    look = f"import beside, os\n[os.getcwd(), beside.here, *map(os.environ.get, {names})]"
    nbformat.write(notebook(look), path)
    changes = {"GONE": None, "NEW": "new"}
    assert value(execute(path, lane=lane, env=changes)) == [
        *(str(tmp_path), "found"),
        *("1", "1", "by the caller", None, "new"),
    ]
    other = tmp_path / "other"
    other.mkdir()
    unset = execute(
        notebook("import os\n[os.getcwd(), os.environ.get('COURSEWARE_VALIDATE')]"),
        lane=lane,
        cwd=other,
        env={"COURSEWARE_VALIDATE": None},
    )
    assert value(unset) == [str(other), None]
    assert os.environ["GONE"] == "by the caller"


@pytest.mark.parametrize("lane", LANES)
def test_errors_that_are_allowed_do_not_stop_the_rest(notebook, lane: str) -> None:
    result = execute(notebook("1 / 0", "x = 2", "x", "y"), lane=lane, allow_errors=True)
    assert result.verdict == "failed"
    assert [(error.cell_index, error.name) for error in result.errors] == [
        (0, "ZeroDivisionError"),
        (3, "NameError"),
    ]
    assert (result.cell_index, result.error) == (0, result.errors[0])
    assert value(result, 2) == 2


@pytest.mark.parametrize("lane", LANES)
def test_a_run_that_broke_off_shows_what_it_had_written(notebook, lane: str) -> None:
    result = execute(notebook("print('begun')\nimport os, time\ntime.sleep(2)\nos._exit(1)"), lane=lane)
    assert [output.text for output in result.notebook.cells[0].outputs] == ["begun\n"]
    assert result.notebook.cells[0].execution_count is None


@pytest.mark.parametrize("lane", LANES)
def test_cost_is_that_of_the_notebook_and_its_children(notebook, lane: str) -> None:
    burn = (
        "import time\nwhile time.process_time() < {}: pass\n"
        "block = bytearray(300_000_000); block[::4096] = b'x' * 73243"
    )
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn.format(1)!r}])"
    result = execute(notebook(burn.format(2), child, "import time\ntime.process_time()"), lane=lane)
    own = value(result)
    assert own + 1 <= result.cpu_seconds <= own + 3
    assert 300e6 < result.peak_bytes < 1200e6
    light = execute(notebook("1"), lane=lane)
    assert light.cpu_seconds < 2
    assert light.peak_bytes + 290e6 < result.peak_bytes


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="nothing tells who shares a page")
def test_memory_that_forks_share_counts_once(notebook) -> None:
    block = "block = bytearray(300_000_000); block[::4096] = b'x' * 73243"
    wait = "import time\ntime.sleep(2)"  # long enough to be looked at, on a busy machine too
    fork = f"import os, time\nif not os.fork() * os.fork():\n    time.sleep(2); os._exit(0)\n{wait}"
    alone, forked = execute(notebook(block, wait)), execute(notebook(block, fork))
    assert forked.passed
    assert alone.peak_bytes > 300e6
    assert forked.peak_bytes < alone.peak_bytes + 150e6


def test_many_notebooks_in_one_folder_side_by_side(notebook, tmp_path: Path) -> None:
    paths = []
    for i in range(6):
        paths.append(tmp_path / f"{i}.ipynb")
        nbformat.write(notebook(f"{i} * 11", "1 / 0" if i == 4 else "0"), paths[-1])
    for lane in LANES:
        told = []
        results = execute_many(paths, lane, workers=3, done=told.append, timeout=60)
        assert [value(result, 0) for result in results] == [0, 11, 22, 33, 44, 55]
        assert [result.passed for result in results] == [True] * 4 + [False, True]
        assert [result.path for result in results] == paths
        assert sorted(told, key=lambda r: r.path) == results
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("lane", LANES)
def test_outputs_are_those_that_nbclient_stores(notebook, lane: str) -> None:
    """An independent front end, with a kernel of its own, keeps the same."""
    book = notebook(
        "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('t');",
        "from IPython.display import display, HTML\nh = display(1, display_id=True)",
        "display(HTML('<b>'))\nprint(5)",
        "h.update(2)\n{'a': 1}",
        "#| raises-exception\n{}['a']",
    )
    ours = execute(book, lane=lane).notebook
    NotebookClient(book, coalesce_streams=True, record_timing=False).execute()
    assert [cell.outputs for cell in ours.cells] == [cell.outputs for cell in book.cells]
    assert [cell.execution_count for cell in ours.cells] == [cell.execution_count for cell in book.cells]


def test_a_users_mistake_is_one_line(notebook, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"^.*gone\.ipynb: no such notebook$"):
        execute(tmp_path / "gone.ipynb")
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")
    with pytest.raises(RunnerError, match="not a notebook that can be read: ") as caught:
        execute(broken)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunnerError, match="no such folder to run a notebook in"):
        execute(notebook("1"), cwd=tmp_path / "gone")


def test_windows_gets_one_clear_line(notebook, monkeypatch) -> None:
    monkeypatch.setattr(runner.sys, "platform", "win32")
    with pytest.raises(RunnerError, match="on Windows use WSL"):
        execute(notebook("1"), lane="warm")


def test_a_runner_that_cannot_start_is_no_verdict_on_the_notebook(
    notebook, monkeypatch, tmp_path: Path
) -> None:
    (tmp_path / "papermill.py").write_text("raise ImportError('papermill is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RunnerError, match="the runner did not start: ImportError: papermill is broken"):
        execute(notebook("1"))


@pytest.mark.parametrize("lane", LANES)
def test_the_result_is_a_valid_notebook_with_everything_else_kept(notebook, lane: str) -> None:
    book = notebook("#| markdown\n# T", "1", "#| skip-execution\n2")
    book.metadata["kernelspec"] = {"name": "some-kernel-that-is-not-installed", "display_name": "?"}
    book.cells[2].outputs = [nbformat.v4.new_output("stream", text="stale")]
    result = execute(book, lane=lane)
    nbformat.validate(result.notebook)
    expected = json.loads(json.dumps(book))
    shown = {
        "output_type": "execute_result",
        "data": {"text/plain": "1"},
        "metadata": {},
        "execution_count": 1,
    }
    expected["cells"][1] |= {"execution_count": 1, "outputs": [shown]}
    expected["cells"][2]["outputs"] = []
    assert json.loads(json.dumps(result.notebook)) == expected
