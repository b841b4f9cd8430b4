"""What our formats need to know about Python text: where strings stand, what runs at import, main guards."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from courseware.source.model import SourceError

_DEFINES = (
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


def parse(text: str, path: Path, first_line: int = 1) -> ast.Module:
    """`ast.parse`, with a syntax error reported at its line in the file."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        line = first_line - 1 + (error.lineno or 1)
        raise SourceError(path, line, f"Python syntax error: {error.msg}") from None


def lines_inside_strings(text: str) -> set[int]:
    """Numbers of the lines that begin inside a string: their indentation is data, not layout."""
    inside: set[int] = set()
    opened: list[int] = []  # Python 3.12 and later give f-strings as a start, parts and an end
    for token in _tokens(text):
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        elif name.endswith("STRING_START"):
            opened.append(token.start[0])
        elif name.endswith("STRING_END"):
            inside.update(range(opened.pop() + 1, token.end[0] + 1))
    return inside


def comments(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """(line, column, comment, stands alone on its line) for every comment."""
    for token in _tokens(text):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.start[1], token.string, not token.line[: token.start[1]].strip()


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def is_main_guard(node: ast.stmt) -> bool:
    """Is this `if __name__ == "__main__":`?"""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")
    )


def refuse_import_effects(tree: ast.Module, path: Path) -> None:
    """Importing the module must define the answers and do nothing else."""
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
        if isinstance(node, _DEFINES) or is_main_guard(node) or docstring:
            continue
        raise SourceError(
            path,
            node.lineno,
            f"`{ast.unparse(node).splitlines()[0]}` would run at import; "
            'put demonstrations under `if __name__ == "__main__":`',
        )


def unguard(text: str, path: Path, first_line: int) -> str:
    """The cell as a notebook shows it: the bodies of its main guards stand unindented."""
    tree = parse(text, path, first_line)
    guards = [node for node in tree.body if is_main_guard(node)]
    if not guards:
        return text
    lines = text.splitlines()
    untouchable = lines_inside_strings(text)
    for guard in reversed(guards):
        assert isinstance(guard, ast.If)
        _check_guard(guard, path, first_line)
        lines[guard.lineno - 1 :] = _dedented(lines, guard, untouchable)
    return "\n".join(lines)


def _check_guard(guard: ast.If, path: Path, first_line: int) -> None:
    line = first_line - 1 + guard.lineno
    if guard.orelse:
        raise SourceError(
            path, line, "a main guard in a cell cannot have an else: a notebook shows only its body"
        )
    if guard.body[0].lineno == guard.lineno:
        raise SourceError(path, line, "write the body of the main guard on lines of its own")


def _dedented(lines: list[str], guard: ast.If, untouchable: set[int]) -> list[str]:
    """The lines from the guard to the cell's end, without its header and without its body's indentation."""
    indent = " " * guard.body[0].col_offset
    result: list[str] = []
    in_body = True
    for number, line in enumerate(lines[guard.lineno :], start=guard.lineno + 1):
        if number > (guard.end_lineno or 0) and line.strip() and not line.startswith(indent):
            in_body = False  # comments may follow the last statement and still belong to the block
        if in_body and number not in untouchable:
            line = line.removeprefix(indent)
        result.append(line)
    return result
