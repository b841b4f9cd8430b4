"""solution.py: cells as jupytext splits them, errors at their line, ids that depend on keys."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

from courseware.source import Course, LabFolder, SourceError, read_solution
from courseware.source.ids import heading_of
from courseware.source.percent import read_outline
from courseware.source.python import unguard

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "courseware/scaffold/lab-template/solution.py"
LAB = '''\
# %% [markdown]
# # Lab 1.1 · Small

# %%
import math

# %% [markdown] exercise="E1" minutes=20
# ## E1 · Add
#
# Add two numbers.


# %% exercise="E1"
def add(a, b):
    """The sum."""
    # BEGIN SOLUTION
    return a + b
    # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    print(add)

# %% reward="E1" tags=["hide-input"]
if __name__ == "__main__":
    print(math.pi)
'''


def solution(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "solution.py"
    path.write_text(text, encoding="utf-8")
    return path


def error(tmp_path: Path, text: str) -> tuple[int, str]:
    path = solution(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        read_solution(path)
    assert str(caught.value) == f"{path}:{caught.value.line}: {caught.value.message}"
    return caught.value.line, caught.value.message


def line_of(text: str, part: str) -> int:
    """The line where `part` last begins."""
    return text[: text.rindex(part)].count("\n") + 1


def test_cells_have_roles_ids_and_lines(tmp_path: Path) -> None:
    read = read_solution(solution(tmp_path, LAB))
    assert read.title == "Lab 1.1 · Small"
    assert [(cell.role, cell.id) for cell in read.cells] == [
        ("prose", "lab-1-1-small-1"),
        ("code", "lab-1-1-small-2"),
        ("statement", "E1-statement"),
        ("answer", "E1"),
        ("check", "E1-check"),
        ("reward", "E1-reward"),
    ]
    lines = LAB.splitlines()
    for cell in read.cells:
        first = cell.text.splitlines()[0]
        assert lines[cell.line - 1] == (f"# {first}" if cell.kind == "markdown" else first)
    (exercise,) = read.exercises
    assert (exercise.key, exercise.title, exercise.minutes, exercise.points) == ("E1", "Add", 20, 15)
    assert read.cells[-1].tags == ("hide-input",)


@pytest.mark.parametrize(
    "text",
    [
        LAB,
        TEMPLATE.read_text(encoding="utf-8"),
        LAB + "\n\n# %% [markdown]\n# a\n#\n#\n# ```python\n# # %% no cell\n# ```\n# b",
        LAB.replace(
            "import math", 'import math\n\n\nTEXT = """\n  # BEGIN\n\n\n"""\n\n\n# a comment at the end'
        ),
        LAB.replace("# Add two numbers.", "#   indented\n# \\$ $x_1$ 世界 `# %%`"),
    ],
    ids=["small", "template", "fence", "strings", "prose"],
)
def test_cells_are_split_as_jupytext_splits_them(tmp_path: Path, text: str) -> None:
    ours = [(cell.kind, cell.text) for cell in read_solution(solution(tmp_path, text)).cells]
    theirs = jupytext.reads(text, fmt="py:percent").cells
    assert ours == [(cell.cell_type, cell.source) for cell in theirs]


def test_options_are_read_as_jupytext_reads_them(tmp_path: Path) -> None:
    ours = [cell.meta for cell in read_solution(solution(tmp_path, LAB)).cells]
    theirs = [dict(cell.metadata) for cell in jupytext.reads(LAB, fmt="py:percent").cells]
    for metadata in theirs:
        metadata.pop("lines_to_next_cell", None)  # jupytext's note on blank lines
    assert ours == theirs


@pytest.mark.parametrize("lab", Course(ROOT).labs, ids=lambda lab: lab.key)
def test_labs_of_the_course_are_split_as_jupytext_splits_them(lab: LabFolder) -> None:
    theirs = jupytext.reads(lab.solution_path.read_text(encoding="utf-8"), fmt="py:percent").cells
    ours = [(cell.kind, cell.text) for cell in lab.solution().cells]
    assert ours == [(cell.cell_type, cell.source) for cell in theirs]


def test_outline_agrees_with_the_full_reading() -> None:
    full = read_solution(TEMPLATE)
    assert read_outline(TEMPLATE) == (full.title, full.exercises)


def test_ids_of_an_exercise_do_not_depend_on_what_stands_around_it(tmp_path: Path) -> None:
    before = {cell.id for cell in read_solution(solution(tmp_path, LAB)).cells if cell.exercise}
    moved = LAB.replace("# %%\nimport", "# %% [markdown]\n# ## E1\n#\n# More.\n\n# %%\nimport").replace(
        "· Add", "· Sum"
    )
    assert {cell.id for cell in read_solution(solution(tmp_path, moved)).cells if cell.exercise} == before


ANSWER = "    # BEGIN SOLUTION\n    return a + b\n    # END SOLUTION\n"
CHECK = '# %% check="E1"\nif __name__ == "__main__":\n    print(add)\n'
STATEMENT = '# %% [markdown] exercise="E1" minutes=20\n# ## E1 · Add\n#\n# Add two numbers.\n'


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("    # END SOLUTION\n", "", "# BEGIN", "unclosed solution marker"),
        ("    # BEGIN SOLUTION\n", "", "# END", "stray `# END SOLUTION`"),
        ("    return a + b", "    # BEGIN SOLUTION\n    return a + b", "# BEGIN", "nested solution marker"),
        (
            "    print(add)",
            "    # BEGIN SOLUTION\n    print(add)\n    # END SOLUTION",
            "# BEGIN",
            "a stray solution",
        ),
        ("# BEGIN SOLUTION", "### BEGIN SOLUTION", "### BEGIN", "written exactly"),
        ("# END SOLUTION", "# end solution", "# end", "written exactly"),
        (
            "    # BEGIN SOLUTION\n    return a + b",
            "    return a + b  # BEGIN SOLUTION",
            "    return",
            "on its own line",
        ),
        (ANSWER, "    return a + b\n", "def add", "not between"),
        (
            ANSWER,
            "    return 1\n    # BEGIN SOLUTION\n    # END SOLUTION\n",
            "# BEGIN",
            "nothing stands between",
        ),
        (ANSWER, "    return 1\n# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n", "# BEGIN", "inside a function"),
        (
            "    # END SOLUTION\n",
            "\n\ndef more():\n    pass\n    # END SOLUTION\n",
            "# BEGIN",
            "inside a function",
        ),
        (CHECK, "", "def add", "exercise without a check"),
        ('# %% exercise="E1"\n', "# %%\n", "    # BEGIN", "a stray solution marker"),
        (STATEMENT, "", "def add", "has no statement"),
        (
            CHECK,
            CHECK + "\n" + CHECK,
            'if __name__ == "__main__":\n    print(add)',
            "duplicate exercise key E1",
        ),
        (STATEMENT, STATEMENT + "\n" + STATEMENT, "# ## E1", "duplicate exercise key E1"),
        (" minutes=20", "", '# %% [markdown] exercise="E1"', "needs its time"),
        (" minutes=20", " minutes=0", '# %% [markdown] exercise="E1"', "needs its time"),
        ("# ## E1 · Add", "# Add it.", "# Add it.", "must begin with a heading `## E1 · Title`"),
        ("# ## E1 · Add", "# ## E2 · Add", "# ## E2", "must begin with a heading `## E1 · Title`"),
        (" minutes=20", " minuets=20", '# %% [markdown] exercise="E1"', "unknown cell option 'minuets'"),
        (" minutes=20", " minutes=20 minutes=5", '# %% [markdown] exercise="E1"', "given twice"),
        (" minutes=20", " minutes=x", '# %% [markdown] exercise="E1"', "not JSON"),
        (" minutes=20", " easy", '# %% [markdown] exercise="E1"', "expected key=value"),
        ('tags=["hide-input"]', 'tags=["hidden"]', '# %% reward="E1"', "unknown tag 'hidden'"),
        ('tags=["hide-input"]', 'tags="hide-input"', '# %% reward="E1"', "a list of strings"),
        ('reward="E1"', 'reward="E1" check="E1"', '# %% reward="E1"', "a cell has one role"),
        ('reward="E1"', 'reward="E9"', '# %% reward="E9"', 'unknown exercise key "E9"'),
        ("import math", "import math math", "import math math", "Python syntax error"),
        ("    return a + b", "    return a +", "    return a +", "Python syntax error"),
        ("import math", "import math\nprint(math)", "print(math)", "would run at import"),
        ("import math", "import math\nfor i in range(3):\n    pass", "for i", "would run at import"),
        ("import math", "import math\nassert math", "assert math", "would run at import"),
        (
            "import math",
            'if __name__ == "__main__":\n    import math\nelse:\n    pass',
            'if __name__ == "__main__":\n    import',
            "cannot have an else",
        ),
        (
            "import math",
            'if __name__ == "__main__": import math',
            'if __name__ == "__main__": import',
            "lines of its own",
        ),
        ("import math", 'X = """\n# %%\n"""', '# %%\n"""', "inside a string"),
        ("# %%\nimport", "#%%\nimport", "#%%", "is written `# %%`"),
        ("# %%\nimport", "# %%\n\n# %%\nimport", "# %%\n\n# %%", "this cell is empty"),
        (
            "# %% [markdown]\n# # Lab",
            "import os\n# %% [markdown]\n# # Lab",
            "import os",
            "belongs to no cell",
        ),
        ("# # Lab 1.1 · Small", "# Lab", "# %% [markdown]\n# Lab", "must begin with the lab's title"),
        ("# Add two numbers.", "Add = 1", "Add = 1", "every line begins with `# `"),
        ("# %%\nimport", '# %% tags=["discussion"]\nimport', '# %% tags=["disc', "needs exercise="),
        ("# %%\nimport math", '# %% tags=["parameters"]\nx = 1', "x = 1", 'must hold profile = "laptop"'),
        (
            "# %%\nimport math",
            '# %% tags=["parameters"] cut={"steps": 1}\nprofile = "laptop"',
            '# %% tags=["par',
            "cut names 'steps'",
        ),
        ("# %%\nimport math", '# %% cut={"steps": 1}\nsteps = 1', "# %% cut", "cut belongs to the cell"),
        (
            "# %%\nimport math",
            '# %% tags=["parameters"]\nprofile = "laptop"\nsteps = len(profile)',
            "steps = len",
            "a parameter is a literal",
        ),
    ],
)
def test_mistake_is_reported_at_its_line(tmp_path: Path, old: str, new: str, at: str, words: str) -> None:
    assert old in LAB
    broken = LAB.replace(old, new, 1)
    line, message = error(tmp_path, broken)
    assert words in message
    assert line == line_of(broken, at)


def test_check_of_an_unknown_exercise_is_a_check_without_an_exercise(tmp_path: Path) -> None:
    broken = LAB + '\n# %% check="E2"\nif __name__ == "__main__":\n    print()\n'
    line, message = error(tmp_path, broken)
    assert message.startswith("check without an exercise")
    assert line == len(broken.splitlines()) - 1


def test_cells_of_an_exercise_come_in_order(tmp_path: Path) -> None:
    reward = LAB[LAB.index('# %% reward="E1"') :]
    early = LAB.replace(reward, "").replace("# %% check", f"{reward}\n# %% check")
    assert "the check of E1 stands too late" in error(tmp_path, early)[1]


def test_answer_may_hold_classes_and_several_regions(tmp_path: Path) -> None:
    methods = ANSWER.replace("    ", "        ")
    text = LAB.replace(
        ANSWER,
        f"{ANSWER}\n\nclass Pair:\n    def add(self, a, b):\n{methods}\n    def sub(self, a, b):\n{methods}",
    )
    assert read_solution(solution(tmp_path, text)).exercises[0].key == "E1"


def test_lines_are_right_after_blank_lines(tmp_path: Path) -> None:
    text = LAB.replace("# %%\nimport math", "# %%\n\n\nimport math")
    cell = read_solution(solution(tmp_path, text)).cells[1]
    assert text.splitlines()[cell.line - 1] == cell.text == "import math"


def test_only_the_guards_body_is_unindented() -> None:
    text = (
        'if __name__ == "__main__":\n    a = 1\n\n    # still inside\n\n\ndef f():\n    return 2\n\n\n'
        'if __name__ == "__main__":\n    b = f"""\n    {a}\n    """\n'
    )
    shown = 'a = 1\n\n# still inside\n\n\ndef f():\n    return 2\n\n\nb = f"""\n    {a}\n    """'
    assert unguard(text, Path("solution.py"), 1) == shown


def test_heading_in_a_fence_names_no_cell() -> None:
    assert heading_of("```\n# a\n```\n\n# b") == "b"
    assert heading_of("```\n# a\n```") is None
