"""What every run of the tests has in common: options, one thread, a workspace of its own, nbval's part."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from unittest import mock

import pytest
from nbval.plugin import IPyNbCell

from courseware.run.environment import run_environment

ROOT = Path(__file__).parent

pytest_plugins = ["tests.scheduling"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("course")
    group.addoption("--lab", metavar="KEY", help="only this lab, for example phase1_foundations/lab1_tensors")
    group.addoption("--long", action="store_true", help="many more seeds")


def pytest_configure(config: pytest.Config) -> None:
    lab = config.getoption("lab")
    if lab and not (ROOT / lab / "solution.py").is_file():
        raise pytest.UsageError(
            f"There is no lab in {lab!r}: a lab is named by its folder, phaseN_name/labN_name."
        )
    # Before anything imports torch: on shared cores two threads are many times slower than one.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    # No test reads or writes the workspace of the person who runs it.
    home = tempfile.TemporaryDirectory(prefix="course-home-")
    config.add_cleanup(home.cleanup)
    os.environ["COURSE_HOME"] = home.name


def pytest_itemcollected(item: pytest.Item) -> None:
    """Built notebooks have outputs and no execution counts, which nbval takes for cells never run."""
    if isinstance(item, IPyNbCell) and item.cell.outputs:
        item.cell.execution_count = 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """nbval's kernels start as every other notebook's: with one thread and no outside network."""
    if not isinstance(item, IPyNbCell) or item.parent.kernel is not None:
        return (yield)
    scratch = tempfile.TemporaryDirectory(prefix="course-nbval-")
    item.config.add_cleanup(scratch.cleanup)
    folder = Path(scratch.name)
    changes = {"COURSE_HOME": str(folder / "work")}
    with mock.patch.dict(
        os.environ, run_environment(folder, folder.name, network=False, changes=changes), clear=True
    ):
        return (yield)
