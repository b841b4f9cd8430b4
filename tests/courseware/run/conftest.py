"""Small notebooks for the runner's tests."""

from collections.abc import Callable

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from courseware.run import warm

Make = Callable[..., NotebookNode]


def make(*cells: str) -> NotebookNode:
    """A notebook from its cells. `#| tag` on the first line tags a cell; `#| markdown` makes it Markdown."""
    notebook = new_notebook()
    for text in cells:
        head, _, rest = text.partition("\n")
        if not head.startswith("#| "):
            notebook.cells.append(new_code_cell(text))
        elif head == "#| markdown":
            notebook.cells.append(new_markdown_cell(rest))
        else:
            notebook.cells.append(new_code_cell(rest, metadata={"tags": [head[3:]]}))
    return notebook


@pytest.fixture
def notebook() -> Make:
    return make


@pytest.fixture(scope="session", autouse=True)
def _end_the_warm_lane():
    yield
    warm.close()
