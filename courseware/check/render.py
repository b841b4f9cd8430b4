"""A report as plain text (complete) and as HTML (the same, easier on the eye).

The verdict never hangs on colour: a symbol and a word say it too. Colours are translucent and text
inherits the page's own, so that light and dark themes both read well.
"""

from __future__ import annotations

import textwrap
from html import escape

from courseware.check.report import PropertyResult, Report, Status

WIDTH = 100

_SYMBOL = {
    Status.PASSED: "✓",
    Status.NOT_QUITE: "✗",
    Status.NOT_ATTEMPTED: "○",
    Status.RAISED: "!",
    Status.TIMED_OUT: "◷",
}
_COLOUR = {  # Okabe-Ito: told apart by colour-blind readers
    Status.PASSED: "0,158,115",
    Status.NOT_QUITE: "213,94,0",
    Status.NOT_ATTEMPTED: "128,128,128",
    Status.RAISED: "213,94,0",
    Status.TIMED_OUT: "230,159,0",
}
_WORDS = {
    Status.PASSED: "passed",
    Status.NOT_QUITE: "not quite",
    Status.NOT_ATTEMPTED: "not attempted",
    Status.RAISED: "raised an exception",
    Status.TIMED_OUT: "ran out of time",
}


def headline(report: Report) -> str:
    title = f" · {report.title}" if report.title else ""
    return f"{_SYMBOL[report.status]} {report.exercise}{title} — {_WORDS[report.status]}"


def score(report: Report) -> str:
    return f"{report.points} of {report.max_points} points" if report.max_points else ""


def sentence(words: str) -> str:
    """A diagnosis is written as a phrase or as sentences; a reader gets a capital letter and a full stop."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("." if words[-1:].isalnum() or words[-1:] in ")]`′²" else "")


def as_text(report: Report) -> str:
    right = score(report)
    lines = [f"{headline(report)}{'   ' + right if right else ''}"]
    lines += _wrap(sentence(report.message), "  ")
    if report.facts:
        lines.append("")
        width = max(len(name) for name in report.facts)
        for name, value in report.facts.items():
            first, *rest = value.splitlines() or [""]
            lines += _wrap(first, f"  {name:<{width}}  ", " " * (width + 4))
            lines += [" " * (width + 4) + line for line in rest]
    if report.properties and not (report.passed or report.status is Status.NOT_ATTEMPTED):
        width = max([8, *(len(_mark(p)) for p in report.properties)])
        lines += ["", *(f"  {_mark(p):<{width}}  {_named(p)}" for p in report.properties)]
    if report.printed:
        lines += ["", "  your code printed:", *(f"    {line}" for line in report.printed.splitlines())]
    if report.footer:
        lines += ["", *(f"  {line}" for line in report.footer)]
    return "\n".join(lines)


def _mark(result: PropertyResult) -> str:
    if result.skipped:
        return "– not tried"
    return "✓ holds" if result.held else "✗ misses"


def _named(result: PropertyResult) -> str:
    if result.skipped:
        return f"{result.name}: {result.message}"
    return f"{result.name} ({result.points})" if result.points else result.name


def _wrap(text: str, first: str, rest: str | None = None) -> list[str]:
    wrapped: list[str] = []
    for i, line in enumerate(text.splitlines()):
        wrapped += textwrap.wrap(
            line,
            WIDTH,
            initial_indent=first if i == 0 else (rest if rest is not None else first),
            subsequent_indent=rest if rest is not None else first,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return wrapped


def as_html(report: Report) -> str:
    rgb = _COLOUR[report.status]
    body = [f'<div style="margin:.3em 0">{prose(sentence(report.message))}</div>']
    if report.facts:
        body.append(_facts_table(report.facts))
    if report.properties and not (report.passed or report.status is Status.NOT_ATTEMPTED):
        items = "".join(
            f'<li style="list-style:none">{_mark(p)} · {escape(_named(p))}</li>' for p in report.properties
        )
        body.append(f'<ul style="margin:.4em 0;padding:0">{items}</ul>')
    if report.printed:
        body.append(
            f"<details><summary>your code printed</summary>"
            f'<pre style="margin:.2em 0">{escape(report.printed)}</pre></details>'
        )
    if report.footer:
        lines = "<br>".join(prose(line) for line in report.footer)
        body.append(f'<div style="margin-top:.5em;opacity:.8;font-size:92%">{lines}</div>')
    right = escape(score(report))
    spoken = escape(headline(report).replace("`", ""))
    return (
        f'<div role="status" aria-label="{spoken}" style="border-left:4px solid rgb({rgb});'
        f"background:rgba({rgb},.09);padding:.55em .9em;margin:.3em 0;border-radius:3px;max-width:62em;"
        f'line-height:1.45">'
        f'<div style="display:flex;justify-content:space-between;gap:1em"><b>{prose(headline(report))}</b>'
        f'<span style="white-space:nowrap">{right}</span></div>{"".join(body)}</div>'
    )


def _facts_table(facts: dict[str, str]) -> str:
    rows = "".join(
        f'<div style="opacity:.75">{escape(name)}</div>'
        f'<code style="white-space:pre-wrap;overflow-wrap:anywhere;background:none">{escape(value)}</code>'
        for name, value in facts.items()
    )
    return (
        '<div style="display:grid;grid-template-columns:max-content 1fr;gap:.15em .9em;margin:.4em 0">'
        f"{rows}</div>"
    )


def prose(text: str) -> str:
    """Escaped, with `code` set as code and line breaks kept."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick: show the text as it is
        return escape(text).replace("\n", "<br>")
    joined = "".join(f'<code style="background:none">{p}</code>' if i % 2 else p for i, p in enumerate(parts))
    return joined.replace("\n", "<br>")
