"""The first hour of a learner, in a real browser on the server that `make lab` starts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from courseware.jupyter import LabServer
from courseware.source import Course
from courseware.workspace import Workspace
from tests.browser.learner import PATIENCE, Learner

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

START = "START_HERE.ipynb"
LAB = "phase1_foundations/lab1_tensors"
EXERCISES = f"{LAB}/exercises.ipynb"

COPIES = textwrap.dedent("""\
    def broadcast_view(x, shape):
        return x + torch.zeros(shape, dtype=x.dtype)


    def unbroadcast(g, shape):
        raise NotImplementedError
    """)
RIGHT = textwrap.dedent("""\
    def broadcast_view(x, shape):
        padded = [1] * (len(shape) - x.dim()) + list(x.shape)
        pairs = list(zip(padded, shape))
        if len(padded) != len(shape) or any(new < 0 or old not in (1, new) for old, new in pairs):
            raise ValueError("these shapes do not fit")
        own = [0] * (len(shape) - x.dim()) + list(x.stride())
        return x.as_strided(shape, [s if old == new else 0 for (old, new), s in zip(pairs, own)])


    def unbroadcast(g, shape):
        new = g.dim() - len(shape)
        summed = [axis for axis in range(g.dim()) if axis < new or shape[axis - new] == 1]
        return g.sum(dim=summed).reshape(shape) if summed else g
    """)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "work"
    Workspace(Course.find(Path(__file__)), home).create()
    return home


@pytest.fixture
def learner(browser: Browser, home: Path) -> Iterator[Learner]:
    context = browser.new_context(color_scheme="light", viewport={"width": 1440, "height": 900})
    yield Learner(context.new_page(), home)
    context.close()


class Pictures:
    """The page in light and in dark: JupyterLab follows the system."""

    def __init__(self, learner: Learner, folder: Path) -> None:
        self._page = learner.page
        self._folder = folder

    def take(self, name: str) -> None:
        for scheme in ("dark", "light"):
            self._page.emulate_media(color_scheme=scheme)
            expect(self._page.locator("body")).to_have_attribute(
                "data-jp-theme-light", str(scheme == "light").lower()
            )
            self._page.wait_for_timeout(500)  # the style sheet of the other theme is still arriving
            self._page.screenshot(path=self._folder / f"{name}-{scheme}.png")


def test_a_learner_comes_in_errs_succeeds_and_finds_it_all_again(learner, home, screenshots):
    pictures = Pictures(learner, screenshots)

    with LabServer.start(home) as server:
        learner.open(server.url)
        no_dialog_is_in_the_way(learner)
        the_table_of_contents_lists(learner, "How a lab works")
        pictures.take("1-start")

        learner.follow("exercises", to=EXERCISES)
        no_dialog_is_in_the_way(learner)
        learner.run_all(EXERCISES)
        every_check_says_not_attempted(learner)
        learner.show(learner.cell(EXERCISES, "E1-statement"))
        pictures.take("2-not-attempted")

        learner.write(EXERCISES, "E1", COPIES)
        learner.run(EXERCISES, "E1")
        report = learner.run(EXERCISES, "E1-check")
        expect(report).to_contain_text("not quite")
        expect(report).to_contain_text("they were copied")
        learner.show(learner.cell(EXERCISES, "E1"))
        pictures.take("3-misconception")

        learner.write(EXERCISES, "E1", RIGHT)
        learner.run(EXERCISES, "E1")
        report = learner.run(EXERCISES, "E1-check")
        expect(report).to_contain_text("passed")
        expect(report).to_contain_text("15 of 15 points")
        learner.run(EXERCISES, "E1-reward")
        the_reward_shows_a_picture(learner)
        learner.show(learner.cell(EXERCISES, "E1-check"))
        pictures.take("4-passed")

        learner.save()
        learner.reload()
        expect(learner.output(EXERCISES, "E1-check")).to_contain_text("passed")
        the_reward_shows_a_picture(learner)

    with LabServer.start(home) as server:
        learner.open(server.url)
        learner.switch_to(START)
        dashboard = learner.run(START, code_cells(learner, START)[0])
        expect(dashboard).to_contain_text("E1 ✓")
        expect(dashboard).to_contain_text("15/100 points")
        learner.show(learner.cell(START, code_cells(learner, START)[0]))
        pictures.take("5-after-a-restart")
        assert learner.foreign_requests == []


def no_dialog_is_in_the_way(learner: Learner) -> None:
    """Neither the question which kernel to take nor the one about news."""
    expect(learner.page.locator(".jp-Dialog")).to_have_count(0)
    expect(learner.page.locator(".Toastify__toast")).to_have_count(0)


def the_table_of_contents_lists(learner: Learner, heading: str) -> None:
    expect(learner.page.locator(".jp-TableOfContents").get_by_text(heading)).to_be_visible(timeout=PATIENCE)


def every_check_says_not_attempted(learner: Learner) -> None:
    checks = [cell for cell in map(str, ids(learner, EXERCISES)) if cell.endswith("-check")]
    assert len(checks) == 13
    for check in checks:
        expect(learner.output(EXERCISES, check)).to_contain_text("not attempted", timeout=PATIENCE)
    crashed = learner.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").locator(
        "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
    )
    expect(crashed).to_have_count(0)


def the_reward_shows_a_picture(learner: Learner) -> None:
    picture = learner.output(EXERCISES, "E1-reward").locator("img").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible(timeout=PATIENCE)
    assert picture.evaluate("image => image.naturalWidth") > 100


def ids(learner: Learner, notebook: str) -> list[object]:
    return [cell["id"] for cell in learner.cells(notebook)]


def code_cells(learner: Learner, notebook: str) -> list[str]:
    return [str(cell["id"]) for cell in learner.cells(notebook) if cell["cell_type"] == "code"]
