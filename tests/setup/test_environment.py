"""The environment is made once, renewed when its sources change, and redone when it broke off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from courseware.setup.environment import Environment
from courseware.setup.pip import PipProblem
from courseware.setup.problem import SetupProblem


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


@pytest.fixture
def ready(project, fake_pip) -> Environment:
    """An environment that has just been made, and in which somebody left a file."""
    environment = Environment(project)
    assert environment.ensure()
    fake_pip.asked()
    (environment.folder / "mine").touch()
    return environment


def survived(environment: Environment) -> bool:
    return (environment.folder / "mine").exists()


def test_the_first_time_installs_under_the_locks_constraints(project, fake_pip):
    Environment(project).ensure(["test"])
    build, everything = fake_pip.asked()
    assert build == ["setuptools==84.2.1"]
    assert everything[everything.index("--constraint") + 1] == "requirements.lock"
    assert everything[everything.index("--editable") + 1] == ".[test]"


def test_the_second_time_does_nothing(ready, fake_pip, capsys):
    capsys.readouterr()
    assert not ready.ensure()
    assert fake_pip.asked() == []
    assert capsys.readouterr().out == ""


def test_a_changed_lock_is_installed_into_the_same_environment(ready, fake_pip, project):
    append(project / "requirements.lock", "scipy==1.17.1\n")
    assert ready.ensure()
    assert fake_pip.asked()
    assert survived(ready)
    assert not ready.ensure()


def test_a_changed_dependency_is_installed(ready, project):
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("numpy>=2", "numpy>=2.1"))
    assert ready.ensure()


def test_a_changed_tool_setting_installs_nothing(ready, project):
    append(project / "pyproject.toml", "\n[tool.mypy]\nstrict = true\n")
    assert not ready.ensure()


def test_an_extra_is_added_once_and_kept(ready, fake_pip, project):
    assert ready.ensure(["test"])
    assert ".[test]" in fake_pip.asked()[1]
    assert not ready.ensure()
    assert not ready.ensure(["test"])
    assert ready.ensure(["export"])
    assert ".[export,test]" in fake_pip.asked()[1]


def test_an_unknown_extra_is_named(ready):
    with pytest.raises(SetupProblem, match=r"no extra named 'tests'; the project has: export, test"):
        ready.ensure(["tests"])


@pytest.mark.parametrize("changes_first", [False, True])
@pytest.mark.parametrize("failure", [PipProblem("no connection", changed=True), KeyboardInterrupt()])
def test_a_first_time_that_broke_off_is_redone(project, fake_pip, failure, changes_first):
    environment = Environment(project)
    fake_pip.failure, fake_pip.changes_first = failure, changes_first
    with pytest.raises((SetupProblem, KeyboardInterrupt)):
        environment.ensure()
    (environment.folder / "mine").touch()
    fake_pip.failure = None
    assert environment.ensure()
    assert not survived(environment)


def test_a_failed_download_says_what_was_kept(project, fake_pip):
    fake_pip.failure = PipProblem("no connection to the package index", changed=False)
    fake_pip.changes_first = False
    with pytest.raises(SetupProblem) as problem:
        Environment(project).ensure()
    line = str(problem.value)
    assert "no connection to the package index" in line
    assert "half-made .venv is redone" in line
    assert ".venv/setup.log" in line
    assert "\n" not in line


def test_a_renewal_that_fails_before_it_changes_anything_keeps_the_environment(ready, fake_pip, project):
    append(project / "requirements.lock", "scipy==1.17.1\n")
    fake_pip.failure, fake_pip.changes_first = PipProblem("no connection", changed=False), False
    with pytest.raises(SetupProblem, match="environment of before is kept"):
        ready.ensure()
    assert survived(ready)
    fake_pip.failure = None
    assert ready.ensure()
    assert survived(ready)


def test_a_renewal_that_fails_in_the_middle_is_redone(ready, fake_pip, project):
    append(project / "requirements.lock", "scipy==1.17.1\n")
    fake_pip.failure = PipProblem("the disk is full", changed=True)
    with pytest.raises(SetupProblem, match=r"half-made \.venv is redone"):
        ready.ensure()
    fake_pip.failure = None
    assert ready.ensure()
    assert not survived(ready)


def test_an_environment_that_was_moved_is_redone(ready, project, tmp_path):
    moved = tmp_path / "moved"
    project.rename(moved)
    assert Environment(moved).ensure()
    assert not survived(Environment(moved))


@pytest.mark.parametrize("damage", ["python gone", "stamp torn", "folder is a file"])
def test_a_damaged_environment_is_redone(ready, damage):
    if damage == "python gone":
        ready.python.unlink()
    elif damage == "stamp torn":
        (ready.folder / "courseware-stamp.json").write_text('{"state": "rea')
    else:
        shutil.rmtree(ready.folder)
        ready.folder.write_text("")
    assert ready.ensure()
    assert not survived(ready)
    assert not ready.ensure()


def test_somebodys_own_environment_is_left_alone(project, fake_pip):
    theirs = project / ".venv" / "bin" / "python"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    with pytest.raises(SetupProblem, match="was not made by this course"):
        Environment(project).ensure()
    assert theirs.exists()
    assert fake_pip.asked() == []


def test_too_little_disk_space_changes_nothing(project, fake_pip):
    environment = Environment(project, free=lambda path: 900_000_000)
    with pytest.raises(SetupProblem, match=r"needs 4\.0 GB in .*, and 0\.9 GB are free") as problem:
        environment.ensure()
    assert "\n" not in str(problem.value)
    assert not environment.folder.exists()
    assert fake_pip.asked() == []


def test_a_ready_environment_asks_for_no_disk_space(ready, project):
    assert not Environment(project, free=lambda path: 0).ensure()
