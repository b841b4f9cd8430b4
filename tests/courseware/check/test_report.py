"""A report is complete as text, safe as HTML, and never hangs on colour."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from courseware.check import PropertyResult, Report, Status


def report(status: Status = Status.NOT_QUITE, **fields) -> Report:
    values = {
        "message": "`f` returned <b>3</b>",
        "facts": {"observed": "[1 < 2]", "expected": "4"},
        "properties": [PropertyResult("first", True, 10), PropertyResult("second", False, 5)],
        "points": 10,
        "max_points": 15,
        "footer": ['Stuck? Hint 1 of 3: `lab.hint("E1")`'],
        **fields,
    }
    return Report("phase/lab", "E1", "A title", status, **values)


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("status", Status)
def test_html_says_all_that_the_text_says(status):
    page = Balance()
    page.feed(report(status)._repr_html_())
    assert page.open == []
    for line in report(status).text().replace("✓ holds ", "").replace("✗ misses", "").splitlines():
        for word in line.replace("`", "").split():
            assert word in page.words


@pytest.mark.parametrize("status", Status)
def test_the_verdict_is_a_word_not_a_colour(status):
    words = {Status.RAISED: "raised an exception", Status.TIMED_OUT: "ran out of time"}
    assert words.get(status, str(status)) in report(status).text()
    assert 'role="status"' in report(status)._repr_html_()


def test_markup_in_a_learners_values_is_shown_not_run():
    assert "<b>3</b>" not in report()._repr_html_()
    assert "&lt;b&gt;3&lt;/b&gt;" in report()._repr_html_()


def test_a_passed_report_does_not_list_what_was_checked():
    assert "misses" not in report(Status.PASSED).text()


def test_a_report_is_json_ready():
    assert json.loads(json.dumps(report().to_dict()))["status"] == "not quite"


def test_long_lines_are_wrapped():
    text = report(message="word " * 200).text()
    assert max(len(line) for line in text.splitlines()) <= 110


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("your softmax overflows", "Your softmax overflows."),
        ("(3, 1) → (3, 4) was copied", "(3, 1) → (3, 4) was copied."),
        ("Two sentences. The second one.", "Two sentences. The second one."),
        ("did the `return` go missing?", "Did the `return` go missing?"),
        ("`double` changed its input", "`double` changed its input."),
    ],
)
def test_a_diagnosis_is_shown_as_a_sentence(words, shown):
    assert shown in report(message=words).text()
