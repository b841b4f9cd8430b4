"""Configurations are plain frozen dataclasses; this file reads and writes them.

From a mapping, a YAML file or (``shared.command_line``) a command, always by the same rules: every value is
brought to the type of its field or refused, a key that does not exist is refused with the one that was
probably meant, and what is written reads back equal. Nothing in a configuration is ever executed.
"""

import dataclasses
import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

T = TypeVar("T")


class ConfigError(ValueError):
    """A key or value that a configuration cannot take; the message is one line for its author."""


def option(default: T, help: str) -> T:
    """A field with a default and the line that ``--help`` prints for it."""
    field: T = dataclasses.field(default=default, metadata={"help": help})
    return field


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as nested dictionaries of plain values, as JSON and YAML know them."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """The inverse of ``to_dict``. Absent keys keep their defaults; unknown or ill-typed ones raise
    ``ConfigError``."""
    return _build(kind, values, "")


def save_yaml(config: Any, path: Path) -> None:
    """Write the configuration so that ``load_yaml`` gives an equal one."""
    path.write_text(yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def load_yaml(kind: type[T], path: Path) -> T:
    """Read a configuration; ``ConfigError`` names the file and the offending key."""
    with _naming(path):
        return from_dict(kind, _read_yaml(path))


def leaves(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name and the type of every value that can be set."""
    for name, annotation in get_type_hints(kind).items():
        if dataclasses.is_dataclass(annotation):
            yield from leaves(annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield prefix + name, annotation


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A sentence that names the closest known word, or lists them where none is close."""
    by_last_part = {name.rsplit(".", 1)[-1]: name for name in known}
    candidates = [*known, *by_last_part]
    close = difflib.get_close_matches(word, candidates, n=1) or difflib.get_close_matches(
        word.rsplit(".", 1)[-1], list(by_last_part), n=1
    )
    if close:
        return f'did you mean "{by_last_part.get(close[0], close[0])}"?'
    return f"there are {', '.join(known)}"


# ---- from values to fields


def _build(kind: type[T], values: Any, prefix: str) -> T:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{prefix.rstrip('.') or 'a configuration'} should be a mapping, but it is {values!r}"
        )
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise ConfigError(f'there is no option "{prefix}{key}": {did_you_mean(str(key), list(hints))}')
    made = {key: _convert(value, hints[key], prefix + key) for key, value in values.items()}
    try:
        return kind(**made)
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{prefix}{error}") from None


def _convert(value: Any, annotation: Any, name: str) -> Any:
    if dataclasses.is_dataclass(annotation):
        return _build(annotation, value, f"{name}.")  # type: ignore[arg-type]
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        (annotation,) = (kind for kind in inside if kind is not type(None))  # we know optional values only
        return _convert(value, annotation, name)
    if origin is Literal:
        if value in inside:
            return value
        raise ConfigError(f"{name} should be one of {', '.join(map(repr, inside))}, but it is {value!r}")
    if origin in (list, tuple) and isinstance(value, list | tuple):
        kinds = inside[:1] * len(value) if origin is list or inside[-1] is Ellipsis else inside
        if len(kinds) != len(value):
            raise ConfigError(f"{name} should have {len(kinds)} values, but it has {len(value)}")
        return origin(
            _convert(v, k, f"{name}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True))
        )
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _convert(v, inside[1], f"{name}.{k}") for k, v in value.items()}
    return _scalar(value, annotation, name)


def _scalar(value: Any, annotation: Any, name: str) -> Any:
    if annotation in (Any, object):
        return value
    if annotation is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text, and 1 as an integer
        except ValueError:
            pass
    elif annotation is Path and isinstance(value, str | Path):
        return Path(value)
    elif (annotation is int and isinstance(value, int) and not isinstance(value, bool)) or (
        annotation in (str, bool) and isinstance(value, annotation)
    ):
        return value
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    raise ConfigError(f"{name} should be {words.get(annotation, annotation)}, but it is {value!r}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(str(error).split())) from None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
