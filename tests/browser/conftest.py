"""A browser as a learner has it. Chromium is optional on a person's machine, and a must in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        missing = "Chromium is not installed: apt install chromium, or name one in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}. In CI this test must run.")
        pytest.skip(missing)
    options = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium's sandbox refuses root, which is what a container runs as
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the course are put: SCREENSHOTS, for somebody who wants to look at them."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
