"""What a learner does in JupyterLab, in the learner's words."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE = 90_000  # milliseconds: importing torch on a busy machine takes its time
PRESS_AGAIN = 15_000
EXECUTED = re.compile(r"\[\d+\]")


class Learner:
    """One page of JupyterLab. Cells are named by their ids, as the course gives them."""

    def __init__(self, page: Page, home: Path) -> None:
        self.page = page
        self.home = home
        self.foreign_requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", self._remember)

    def open(self, url: str) -> None:
        self.page.goto(url)
        expect(self._notebook.locator(".jp-Cell").first).to_be_visible(timeout=PATIENCE)
        self.wait_until_idle()

    def reload(self) -> None:
        self.page.reload()
        expect(self._notebook.locator(".jp-Cell").first).to_be_visible(timeout=PATIENCE)
        self.wait_until_idle()

    def follow(self, link: str, to: str) -> None:
        """Click a link in the notebook and wait for the one it leads to."""
        self._notebook.get_by_role("link", name=link, exact=True).first.click()
        self.switch_to(Path(to).name)
        self.wait_until_idle()

    def switch_to(self, tab: str) -> None:
        self.page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=tab).click()
        expect(self.page.locator("#jp-main-dock-panel .lm-mod-current", has_text=tab)).to_be_visible(
            timeout=PATIENCE
        )

    def choose(self, menu: str, entry: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def run_all(self, notebook: str) -> None:
        """Run every cell and wait until the last one has run."""
        self.choose("Run", "Run All Cells")
        codes = [cell["id"] for cell in self.cells(notebook) if cell["cell_type"] == "code"]
        expect(self._prompt(notebook, codes[-1])).to_have_text(EXECUTED, timeout=PATIENCE)

    def write(self, notebook: str, cell: str, text: str) -> None:
        """Replace what stands in a cell."""
        editor = self.cell(notebook, cell).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        expect(editor).to_contain_text(text.splitlines()[-1].strip())

    def run(self, notebook: str, cell: str) -> Locator:
        """Run one cell; its output."""
        place = self.cell(notebook, cell)
        place.scroll_into_view_if_needed()
        prompt = self._prompt(notebook, cell)
        before = prompt.text_content() or ""
        for _ in range(PATIENCE // PRESS_AGAIN):  # a page that is still loading swallows keys
            place.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            with contextlib.suppress(AssertionError):
                expect(prompt).not_to_have_text(before, timeout=PRESS_AGAIN)
                break
        else:
            raise AssertionError(f"JupyterLab did not run cell {cell}")
        expect(prompt).to_have_text(EXECUTED, timeout=PATIENCE)
        return self.output(notebook, cell)

    def save(self) -> None:
        self.page.keyboard.press("ControlOrMeta+s")
        expect(self.page.locator("#jp-main-dock-panel .lm-mod-current.jp-mod-dirty")).to_have_count(
            0, timeout=PATIENCE
        )

    def output(self, notebook: str, cell: str) -> Locator:
        return self.cell(notebook, cell).locator(".jp-OutputArea-output")

    def cell(self, notebook: str, cell: str) -> Locator:
        ids = [candidate["id"] for candidate in self.cells(notebook)]
        return self._notebook.locator(".jp-Cell").nth(ids.index(cell))

    def cells(self, notebook: str) -> list[dict[str, object]]:
        """As saved: JupyterLab's page does not name its cells, so they are found by their order."""
        cells: list[dict[str, object]] = json.loads((self.home / notebook).read_text(encoding="utf-8"))[
            "cells"
        ]
        return cells

    def show(self, cell: Locator) -> None:
        """Scroll so that a cell stands at the top."""
        cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(500)  # figures and formulas are drawn when they come into view

    def wait_until_idle(self) -> None:
        expect(self._notebook.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")).to_have_count(
            1, timeout=PATIENCE
        )

    @property
    def _notebook(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def _prompt(self, notebook: str, cell: str) -> Locator:
        return self.cell(notebook, cell).locator(".jp-InputPrompt")

    def _remember(self, request: object) -> None:
        address = str(getattr(request, "url", ""))
        if not address.startswith(("http://localhost:", "data:", "blob:")):
            self.foreign_requests.append(address)
