"""`course …`: what each command says, does, and leaves alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from courseware.cli.program import COMMANDS
from courseware.doctor import Finding
from tests.courseware.cli.conftest import LAB, Desk


def _loaded_by(*arguments: str) -> set[str]:
    """The modules that a fresh process has loaded after a command."""
    program = f"import sys; from courseware.cli import main; main({list(arguments)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_names_every_command_on_one_screen_and_loads_nothing_heavy(desk: Desk) -> None:
    assert desk.course("--help") == 0
    assert all(f"\n  {name} " in desk.out for name in COMMANDS)
    assert "course check 1.1 E2" in desk.out
    assert len(desk.out.splitlines()) <= 30
    assert max(map(len, desk.out.splitlines())) <= 80
    loaded = _loaded_by("--help")
    assert not loaded & {
        "torch",
        "numpy",
        "rich",
        "nbformat",
        "IPython",
        "courseware.source",
        "courseware.run",
    }


@pytest.mark.parametrize("command", [["status"], ["next"], ["update"], ["solution", "1.1", "E1"]])
def test_commands_that_need_no_torch_do_not_wait_for_it(desk: Desk, command: list[str]) -> None:
    assert not _loaded_by(*command) & {"torch", "numpy", "nbformat"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_on_one_screen(desk: Desk, command: str) -> None:
    assert desk.course(command, "--help") == 0
    assert f"usage: course {command}" in desk.out
    assert f"course {command}" in desk.out.split("examples:")[1]
    assert len(desk.out.splitlines()) <= 30


def test_the_command_works_as_a_module_and_without_arguments_shows_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "courseware.cli"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: course COMMAND")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["stauts"], "did you mean status?"),
        (["check", "1.2"], "did you mean 1.1?"),
        (["check", "lab1_dmeo"], "did you mean lab1_demo?"),
        (["hint", "1.1", "E7"], "did you mean E"),
        (["reset", "1.1", "X"], "has no exercise 'X'; it has W1"),
        (["new", "graphs"], "expected phase and lab"),
    ],
)
def test_a_wrong_name_gets_one_line_with_advice(desk: Desk, arguments: list[str], advice: str) -> None:
    assert desk.course(*arguments) == 2
    assert advice in desk.err
    assert len(desk.err.splitlines()) == 1
    assert desk.out == ""


def test_a_missing_argument_is_the_users_to_mend(desk: Desk) -> None:
    assert desk.course("hint", "1.1") == 2
    assert "EXERCISE" in desk.err


def test_status_counts_what_the_record_says(desk: Desk) -> None:
    desk.progress.record(lab=LAB, exercise="E1", event="attempt", status="passed", points=15)
    desk.progress.record(lab=LAB, exercise="E2", event="attempt", status="not quite", points=5)
    assert desk.course("status") == 0
    assert "█░░░░░░░░░  1/9    20/100 points" in desk.out
    assert "\x1b" not in desk.out
    assert desk.course("status", "1.1") == 0
    assert "✓ E1  15/15" in desk.out
    assert "… E2   5/20" in desk.out
    assert desk.course("status", "--json") == 0
    exercises = {one["key"]: one for one in json.loads(desk.out)["labs"][0]["exercises"]}
    assert (exercises["E2"]["points"], exercises["E2"]["attempts"], exercises["E2"]["state"]) == (
        5,
        1,
        "begun",
    )


def test_next_names_the_exercise_and_the_file_to_open(desk: Desk) -> None:
    assert desk.course("next") == 0
    assert "Begin: lab 1.1, W1" in desk.out
    assert "theory.ipynb" in desk.out
    desk.progress.record(lab=LAB, exercise="W1", event="attempt", status="passed")
    assert desk.course("next") == 0
    assert "Next: lab 1.1, W2" in desk.out
    opened = next(line.split()[1] for line in desk.out.splitlines() if line.startswith("Open:"))
    assert Path(opened) == desk.exercises


def test_a_torn_record_does_not_keep_status_from_working(desk: Desk) -> None:
    desk.progress.record(lab=LAB, exercise="E1", event="attempt", status="passed", points=15)
    with desk.progress.path.open("ab") as file:
        file.write(b'{"lab": "phase1_foun')
    assert desk.course("status") == 0
    assert "15/100 points" in desk.out


def test_hints_come_one_after_the_other_and_are_recorded(desk: Desk) -> None:
    said = []
    for number in (1, 2, 3):
        assert desk.course("hint", "1.1", "e1") == 0
        said.append(desk.out)
        assert desk.progress.standing(LAB)["E1"].hints == number
    assert len(set(said)) == 3


def test_the_solution_appears_beside_the_answer_after_an_attempt(desk: Desk) -> None:
    desk.write(E1="def variance(x):\n    return 'my own try'")
    assert desk.course("solution", "1.1", "E1") == 1
    assert "Try E1 first" in desk.out
    desk.progress.record(lab=LAB, exercise="E1", event="attempt", status="not quite")
    assert desk.course("solution", "1.1", "E1") == 0
    assert "return 'my own try'" in desk.out
    reference = (desk.root / LAB / "solution.py").read_text()
    shown = desk.out.split("One good answer")[1].splitlines()[2:]
    assert all(line in reference for line in shown)
    assert any("return" in line for line in shown)
    assert "SOLUTION" not in desk.out
    assert desk.progress.standing(LAB)["E1"].solution_shown


def test_update_brings_new_text_and_a_dry_run_only_tells(desk: Desk) -> None:
    desk.write(E1="my answer = 1")
    course_copy = desk.root / LAB / "exercises.ipynb"
    notebook = json.loads(course_copy.read_text())
    notebook["cells"][0]["source"] = ["# A better title"]
    course_copy.write_text(json.dumps(notebook))
    before = desk.exercises.read_bytes()
    assert desk.course("update", "--dry-run") == 0
    assert "would be updated" in desk.out
    assert "A better title" in desk.out
    assert desk.exercises.read_bytes() == before
    assert desk.course("update") == 0
    assert "Reload Notebook from Disk" in desk.out
    assert desk.source("E1") == "my answer = 1"
    assert "".join(desk.notebook()["cells"][0]["source"]) == "# A better title"
    assert desk.course("update") == 0
    assert "newest course text" in desk.out


def test_update_names_the_copy_of_a_damaged_notebook(desk: Desk) -> None:
    desk.exercises.write_text("no notebook")
    assert desk.course("update") == 1
    assert "left alone, a copy is in" in desk.err
    assert len(desk.err.splitlines()) == 1
    assert desk.exercises.read_text() == "no notebook"


def test_reset_puts_one_exercise_back_and_names_the_backup(desk: Desk) -> None:
    stub = desk.source("E1")
    desk.write(E1="my answer = 1")
    assert desk.course("reset", "1.1", "E1") == 0
    assert desk.source("E1") == stub
    backup = next(line.split()[-1] for line in desk.out.splitlines() if "is kept in" in line)
    assert "my answer = 1" in Path(backup).read_text()


def test_reset_of_a_whole_lab_wants_a_word(desk: Desk) -> None:
    desk.write(E1="my answer = 1")
    assert desk.course("reset", "1.1") == 2
    assert "--yes" in desk.err
    assert desk.source("E1") == "my answer = 1"
    assert desk.course("reset", "1.1", "--yes") == 0
    assert "NotImplementedError" in desk.source("E1")


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_reset_asks_at_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: typed)
    assert desk.course("reset", "1.1") == code


def test_new_makes_a_lab_that_builds_and_an_existing_one_is_refused(desk: Desk) -> None:
    assert desk.course("new", "phase1_foundations/lab2_graphs", "--title", "Graphs") == 0
    assert desk.course("build", "1.2") == 0
    assert desk.course("build", "--check") == 0
    assert desk.course("new", "phase1_foundations/lab2_graphs") == 2
    assert "exists already" in desk.err


def test_build_check_fails_when_a_source_has_changed_and_names_the_notebook(desk: Desk) -> None:
    solution = desk.root / LAB / "solution.py"
    solution.write_text(solution.read_text().replace("You build a classifier", "You make a classifier"))
    assert desk.course("build", "--check") == 1
    assert "exercises.ipynb" in desk.out
    assert desk.course("build") == 0
    assert desk.course("build", "--check") == 0


def test_build_names_file_and_line_of_a_broken_source(desk: Desk) -> None:
    solution = desk.root / LAB / "solution.py"
    solution.write_text(solution.read_text().replace("# END SOLUTION", "# the end", 1))
    assert desk.course("build") == 1
    assert f"{LAB}/solution.py:" in desk.err


def test_validate_tells_which_rule_a_lab_breaks(desk: Desk) -> None:
    assert desk.course("validate", "--rules-only") == 1  # its notebooks were built without running them
    (desk.root / LAB / "README.md").unlink()
    assert desk.course("validate", "1.1", "--rules-only") == 1
    assert "README.md" in desk.out
    assert desk.out.splitlines()[-1].endswith("problems")


def test_lab_makes_the_workspace_and_tells_of_new_course_text(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, int, object]] = []

    def open_course(home: Path, *, port: int, open_browser: bool | None) -> int:
        opened.append((home, port, open_browser))
        return 0

    monkeypatch.setattr("courseware.jupyter.open_course", open_course)
    desk.exercises.unlink()
    assert desk.course("lab", "--port", "9123", "--no-browser") == 0
    assert opened == [(desk.home, 9123, False)]
    assert desk.exercises.exists()
    assert desk.out == ""
    course_copy = desk.root / LAB / "exercises.ipynb"
    course_copy.write_text(course_copy.read_text().replace("You build a classifier", "You make a classifier"))
    assert desk.course("lab") == 0
    assert "`course update`" in desk.out
    assert opened[1][2] is None


@pytest.mark.parametrize(("wrong", "code"), [(None, 0), ("has too little room", 1)])
def test_doctor_fails_when_something_is_wrong(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, wrong: str | None, code: int
) -> None:
    finding = Finding("disk", "3 GB free", wrong)
    monkeypatch.setattr("courseware.doctor.examine", lambda root, home: iter([finding]))
    assert desk.course("doctor") == code
    assert "3 GB free" in desk.out
