"""Shows things to a learner: richly in a notebook, as plain text elsewhere. Never on stderr."""

from __future__ import annotations

import sys
from html import escape
from typing import Any


def show_report(report: Any) -> None:
    _show(report.text(), report._repr_html_())


def show_text(text: str, aside: str = "") -> None:
    """One remark, and a quieter one after it."""
    from courseware.check.render import prose

    quiet = f' <span style="opacity:.75">{prose(aside)}</span>' if aside else ""
    _show(
        f"{text}\n{aside}".rstrip(),
        f'<div style="max-width:62em;line-height:1.45">{prose(text)}{quiet}</div>',
    )


def show_pair(left_title: str, left: str, right_title: str, right: str) -> None:
    """Two pieces of code side by side."""
    text = (
        f"{left_title}\n{'-' * len(left_title)}\n{left}\n\n{right_title}\n{'-' * len(right_title)}\n{right}"
    )
    columns = "".join(
        f'<div style="flex:1 1 24em;min-width:0"><b>{escape(title)}</b>'
        f'<pre style="overflow-x:auto;margin:.3em 0"><code>{escape(code)}</code></pre></div>'
        for title, code in ((left_title, left), (right_title, right))
    )
    _show(text, f'<div style="display:flex;flex-wrap:wrap;gap:1.5em">{columns}</div>')


def in_notebook() -> bool:
    """Is there a front end that renders HTML? Asked without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "display_pub", None) is not None and _renders_html(shell)


def _renders_html(shell: Any) -> bool:
    return type(shell).__name__ != "TerminalInteractiveShell"


def _show(text: str, html: str) -> None:
    if in_notebook():
        from IPython.display import display

        display({"text/plain": text, "text/html": html}, raw=True)
    else:
        print(text)
