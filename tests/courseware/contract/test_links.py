"""Every link inside the repository resolves, outside the labs too."""

from __future__ import annotations

from pathlib import Path

import pytest

from courseware.contract.links import dead_links

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_of_the_page_lead_somewhere(page: Path) -> None:
    assert not list(dead_links(ROOT, page, page.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a](missing.md)", "does not exist"),
        ("[a](b.md#no-such)", "no such heading"),
        ("[a](../../outside.md)", "does not exist"),
        ('<a href="missing.md">a</a>', "does not exist"),
        ("![a](missing.png)", "does not exist"),
        ("[a](b.md) [b](b.md#one-heading) [c](#here) [d](https://example.org/x) [e](mailto:a@b.c)", None),
        ("```\n[a](missing.md)\n```", None),
    ],
)
def test_dead_links_are_found_and_others_left_alone(tmp_path: Path, text: str, words: str | None) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "outside.md").write_text("")
    (tmp_path / "course/b.md").write_text("# One heading\n")
    page = tmp_path / "course/page.md"
    page.write_text(f"# Here\n\n{text}")
    problems = list(dead_links(tmp_path / "course", page, page.read_text()))
    assert (words in problems[0]) if words else not problems
