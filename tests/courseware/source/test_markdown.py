"""theory.md: code cells as jupytext reads them, prose cut at headings, errors at their line."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest

from courseware.source import SourceError, read_theory

TEMPLATE = Path(__file__).parents[3] / "courseware/scaffold/lab-template/theory.md"
THEORY = """\
# Lab 1.1 · Small — theory

Hello.

```python tags=["parameters"]
profile = "laptop"
```

## Deep Dive

Text with `# no heading`.

```bash
## not a heading
course build
```

### A part

~~~
### nor this
~~~

<details><summary>Fold</summary>

### inside a fold

```python run=false
x = 1
```
</details>

```python tags=["exact"]

print(1)

print(2)
```

The end.
"""


def theory(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "theory.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_are_cut_at_fences_and_headings(tmp_path: Path) -> None:
    read = read_theory(theory(tmp_path, THEORY))
    assert read.title == "Lab 1.1 · Small — theory"
    assert [(cell.kind, cell.text.splitlines()[0]) for cell in read.cells] == [
        ("markdown", "# Lab 1.1 · Small — theory"),
        ("code", 'profile = "laptop"'),
        ("markdown", "## Deep Dive"),
        ("markdown", "### A part"),
        ("code", "print(1)"),
        ("markdown", "The end."),
    ]
    lines = THEORY.splitlines()
    assert all(lines[cell.line - 1] == cell.text.splitlines()[0] for cell in read.cells)
    assert [cell.id for cell in read.cells][-3:] == ["a-part-1", "a-part-2", "a-part-3"]
    assert read.cells[1].role == "parameters"
    assert read.cells[4].tags == ("exact",)


def test_fence_that_stays_prose_keeps_its_language_and_loses_its_option(tmp_path: Path) -> None:
    text = read_theory(theory(tmp_path, THEORY)).cells[3].text
    assert "```python\nx = 1\n```" in text
    assert "run=false" not in text


@pytest.mark.parametrize("text", [THEORY.replace(" run=false", ""), TEMPLATE.read_text(encoding="utf-8")])
def test_code_is_what_jupytext_reads(tmp_path: Path, text: str) -> None:
    """On the fences that both formats spell alike; run=false is ours."""
    text = text.replace("```python\nx = 1", "```text\nx = 1").replace("```bash", "```text")
    ours = [cell.text for cell in read_theory(theory(tmp_path, text)).cells if cell.kind == "code"]
    theirs = [cell.source for cell in jupytext.reads(text, fmt="md").cells if cell.cell_type == "code"]
    assert ours == [source.strip("\n") for source in theirs]


def test_no_line_of_prose_is_lost(tmp_path: Path) -> None:
    prose = [cell.text for cell in read_theory(theory(tmp_path, THEORY)).cells if cell.kind == "markdown"]
    text = THEORY.replace("```bash", "```text").replace("```python run=false", "```text")
    theirs = [cell.source for cell in jupytext.reads(text, fmt="md").cells if cell.cell_type == "markdown"]
    kept = [line for text in prose for line in text.splitlines() if line.strip()]
    expected = [line for text in theirs for line in text.splitlines() if line.strip()]
    assert [re.sub("^```.*", "```", line) for line in kept] == [
        re.sub("^```.*", "```", line) for line in expected
    ]


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("print(2)\n```", "print(2)", '```python tags=["exact"]', "unclosed code fence"),
        ('["exact"]', '["exakt"]', '```python tags=["exakt"]', "unknown tag 'exakt'"),
        ('tags=["exact"]', "exact", "```python exact", "expected key=value"),
        ('tags=["exact"]', "run=true", "```python run=true", "run=false, alone"),
        ("print(2)", "print(2", "print(2", "Python syntax error"),
        ("python run=false", "python", "```python\nx", "cannot stand inside <details>"),
        ("\nprint(1)\n\nprint(2)\n", "\n", '```python tags=["exact"]', "this code cell is empty"),
        ("# Lab 1.1 · Small — theory\n", "Lab\n", "Lab", "the first line must be the title"),
        ('profile = "laptop"', 'profile = "full"', 'profile = "full"', 'must hold profile = "laptop"'),
        ('["exact"]', '["parameters"]', "\nprint(1)", "a second parameters cell"),
        ('["exact"]', '["discussion"]', '```python tags=["dis', "theory.md has none"),
    ],
)
def test_mistake_is_reported_at_its_line(tmp_path: Path, old: str, new: str, at: str, words: str) -> None:
    broken = THEORY.replace(old, new, 1)
    path = theory(tmp_path, broken)
    with pytest.raises(SourceError) as caught:
        read_theory(path)
    assert words in caught.value.message
    assert caught.value.line == broken[: broken.index(at.lstrip("\n"))].count("\n") + 1
    assert str(caught.value).startswith(f"{path}:{caught.value.line}: ")
