"""The overview of a course: one set of numbers, as text, as data, as HTML."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courseware.progress import Progress
from courseware.progress.overview import Overview, phase_name
from courseware.progress.page import Dashboard
from courseware.progress.words import bar, duration, lab_text, overview_text, where_next
from courseware.source import Course, read_theory

START_HERE = Path(__file__).parents[3] / "START_HERE.md"

SOLUTION = """# %% [markdown]
# # Lab {number} · {title}
# %% [markdown] exercise="W1" minutes=3
# ## W1 · A drill
# %% exercise="W1"
def drill():
    # BEGIN SOLUTION
    return 1
    # END SOLUTION
# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", drill)
# %% [markdown] exercise="E1" minutes=20
# ## E1 · A deed & more
# %% exercise="E1"
def deed():
    # BEGIN SOLUTION
    return 1
    # END SOLUTION
# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", deed)
"""
FIRST, SECOND = "phase1_foundations/lab1_tensors", "phase2_intermediate/lab1_attention"


class Desk:
    def __init__(self, folder: Path) -> None:
        for key, number, title in [(FIRST, "1.1", "Tensors"), (SECOND, "2.1", "Attention")]:
            (folder / key).mkdir(parents=True)
            (folder / key / "solution.py").write_text(SOLUTION.format(number=number, title=title))
        self.course = Course(folder)
        self.progress = Progress(folder / "work")

    @property
    def overview(self) -> Overview:
        return Overview.of(self.course, self.progress)

    def attempt(self, lab: str, exercise: str, points: float, status: str = "passed") -> None:
        self.progress.record(lab=lab, exercise=exercise, event="attempt", status=status, points=points)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def coming(desk: Desk) -> tuple[str, str] | None:
    found = desk.overview.next()
    return (found[0].folder.key, found[1].info.key) if found else None


def test_next_is_the_first_exercise_not_passed_and_nothing_at_the_end(desk: Desk) -> None:
    for lab, exercise in [(FIRST, "W1"), (FIRST, "E1"), (SECOND, "W1"), (SECOND, "E1")]:
        assert coming(desk) == (lab, exercise)
        desk.attempt(lab, exercise, 0, "not quite")
        assert coming(desk) == (lab, exercise)
        desk.attempt(lab, exercise, 15)
    assert coming(desk) is None
    assert "Every exercise is passed" in where_next(desk.overview)


def test_who_has_passed_an_exercise_is_not_sent_back_to_a_warm_up(desk: Desk) -> None:
    desk.attempt(FIRST, "E1", 15)
    assert coming(desk) == (SECOND, "W1")


def test_text_data_and_html_show_the_same_numbers(desk: Desk) -> None:
    desk.attempt(FIRST, "W1", 0)
    desk.attempt(FIRST, "E1", 7, "not quite")
    overview = desk.overview
    data = overview.to_dict()
    assert (data["points"], data["max_points"]) == (7, 30)
    assert data["labs"][0]["exercises"][1]["state"] == "begun"
    assert data["next"] == {"lab": FIRST, "exercise": "E1"}
    text, html = overview_text(overview), Dashboard(overview)._repr_html_()
    for shown in (text, html):
        assert "7 of 30 points" in shown
        assert "7/15 points" in shown
        assert re.search(r"\b1/2\b", shown)
        assert "Phase 2 · Intermediate" in shown
    assert "█████░░░░░" in text
    assert repr(Dashboard(overview)) == text
    assert "A deed & more" in lab_text(overview.labs[0])


def test_the_code_of_start_here_shows_the_dashboard_again_and_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_ROOT", str(desk.course.root))
    monkeypatch.setenv("COURSE_HOME", str(desk.course.root / "work"))
    (cell,) = (cell for cell in read_theory(START_HERE).cells if cell.kind == "code")
    shown: dict[str, object] = {}
    for earned in (0, 15):
        exec(f"{cell.text.replace('dashboard()', 'shown = repr(dashboard())')}", shown)
        assert f"{earned} of 30 points" in str(shown["shown"])
        desk.attempt(FIRST, "E1", 15)


def test_points_never_exceed_what_an_exercise_is_worth_today(desk: Desk) -> None:
    desk.attempt(FIRST, "E1", 40)
    assert desk.overview.points == 15


def test_an_exercise_that_the_course_dropped_does_not_disturb(desk: Desk) -> None:
    desk.attempt(FIRST, "E9", 40)
    desk.attempt("phase9_gone/lab1_x", "E1", 40)
    assert desk.overview.points == 0


def test_the_dashboard_is_well_formed_escaped_and_readable_aloud(desk: Desk) -> None:
    desk.attempt(FIRST, "E1", 15)
    page = _Page()
    page.feed(Dashboard(desk.overview)._repr_html_())
    assert page.open == []
    assert f"{FIRST}/theory.ipynb" in page.links
    assert f"{SECOND}/exercises.ipynb" in page.links
    assert "1 of 2 exercises passed" in page.labels
    assert "E1 · A deed & more: passed, 15 of 15 points" in page.labels


@given(done=st.integers(0, 50), of=st.integers(0, 50))
def test_a_bar_is_full_only_at_the_end_and_empty_only_at_the_beginning(done: int, of: int) -> None:
    shown = bar(done, of)
    assert len(shown) == 10
    assert re.fullmatch("█*░*", shown)
    if of:
        assert ("░" not in shown) == (done >= of)
        assert ("█" not in shown) == (done == 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 min"), (5, "1 min"), (59 * 60, "59 min"), (3600, "1 h 00 min"), (4830, "1 h 20 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_phase_in_words() -> None:
    assert phase_name("phase3_applied_projects") == "Phase 3 · Applied projects"


class _Page(HTMLParser):
    """Reads HTML the strict way: every element that opens must close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.open.append(tag)
        values = dict(attrs)
        self.links += [values["href"] or ""] if "href" in values else []
        self.labels += [values["aria-label"] or ""] if "aria-label" in values else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
