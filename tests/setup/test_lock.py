"""One lock for every way to install: make, conda and CI."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from courseware.setup import lockfile

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra),
]


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_the_lock_satisfies_what_the_project_asks_for(text):
    requirement = Requirement(text)
    pinned = lockfile.read_pins(LOCK).get(lockfile.canonical(requirement.name))
    assert pinned is not None, f"{requirement.name} is not locked: run `make lock`"
    assert requirement.specifier.contains(pinned), (
        f"{requirement.name} is locked at {pinned}: run `make lock`"
    )


def test_the_lock_names_exact_releases_and_no_place_to_take_them_from():
    for line in LOCK.splitlines():
        assert line.startswith("# ") or re.fullmatch(r"[\w.-]+==[\w.!]+", line), line


def test_torch_is_locked_as_a_release_and_not_as_one_build_of_it():
    assert re.fullmatch(r"2\.13\.\d+", lockfile.read_pins(LOCK)["torch"])


def test_a_lock_is_written_without_local_builds_and_without_the_project_itself():
    frozen = ["torch==2.13.0+cpu", "my_course==1.0", "# a comment", "-e /somewhere", "Jinja2==3.1.6"]
    text = lockfile.write_pins(frozen, without="My-Course")
    assert lockfile.read_pins(text) == {"jinja2": "3.1.6", "torch": "2.13.0"}
    assert lockfile.write_pins(reversed(frozen), without="My-Course") == text


def test_the_conda_route_takes_its_versions_from_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, by_pip = environment["dependencies"]
    python = PROJECT["project"]["requires-python"]
    assert conda == [f"python{python}", "pip"]
    assert by_pip == {"pip": ["--constraint requirements.lock", "--editable .[export,test]"]}


def test_ci_runs_the_readmes_command_and_nothing_of_its_own():
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[-1] == "make test"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_the_help_lists_every_target():
    text = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split())
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {shlex.split(line)[1] for line in done.stdout.splitlines()} == targets - {"help"}


def test_clean_never_touches_the_learners_workspace(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for folder in ("work/__pycache__", "work/build", "shared/__pycache__", ".venv"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True)
    assert (tmp_path / "work/__pycache__/file").exists()
    assert (tmp_path / "work/build/file").exists()
    assert not (tmp_path / "shared/__pycache__").exists()
    assert not (tmp_path / ".venv").exists()
