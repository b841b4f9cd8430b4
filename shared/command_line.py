"""A configuration from the command line: ``--epochs 20 --checkpoint.keep 3 --config base.yaml``."""

import dataclasses
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from shared.config import ConfigError, did_you_mean, from_dict, leaves, load_yaml, to_dict

T = TypeVar("T")


def from_command_line(kind: type[T], arguments: Sequence[str]) -> T:
    """Read ``--key value``, ``--key=value``, ``--switch`` and ``--no-switch``; ``--config FILE`` is read
    before them.

    Nested keys are dotted (``--checkpoint.keep 3``, also into a field that is a mapping), values of lists are
    written as in YAML (``[1, 2]``), hyphens may stand for underscores. Where a key is given twice, the last
    one counts.
    """
    fields = dict(leaves(kind))
    given = list(_pairs(list(arguments), fields))
    files = [Path(text) for key, text in given if key == "config"]
    if len(files) > 1:
        raise ConfigError(f"--config was given {len(files)} times: give it once")
    values = to_dict(load_yaml(kind, files[0])) if files else {}
    for key, text in given:
        if key != "config":
            *parents, name = key.split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = _from_text(text, _kind(key, fields))
    return from_dict(kind, values)


def usage(kind: type[Any]) -> str:
    """One line an option: its name, its default and what it does. Every option needs a default."""
    return "\n".join(["--config FILE  read options from this YAML file first", *_usage(kind(), "")])


def _usage(config: Any, prefix: str) -> Iterator[str]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _usage(value, f"{prefix}{field.name}.")
        else:
            text = "null" if value is None else str(value)
            yield f"--{prefix}{field.name} {text}  {field.metadata.get('help', '')}".rstrip()


def _pairs(arguments: list[str], fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    while arguments:
        word = arguments.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f'expected an option such as "--{next(iter(fields))}", but got "{word}"')
        key, equals, text = word[2:].partition("=")
        key = key.replace("-", "_")
        if not equals and key.startswith("no_") and fields.get(key[3:]) is bool:
            yield key[3:], "false"
        elif key != "config" and _kind(key, fields) is None:
            raise ConfigError(f'there is no option "--{key}": {did_you_mean(key, list(fields))}')
        elif equals:
            yield key, text
        elif fields.get(key) is bool and (not arguments or arguments[0] not in ("true", "false")):
            yield key, "true"
        elif arguments:
            yield key, arguments.pop(0)
        else:
            raise ConfigError(f'option "--{key}" needs a value')


def _kind(key: str, fields: dict[str, Any]) -> Any:
    """The type of a key's value, None if there is no such key. A field that is a mapping has any key."""
    if key in fields:
        return fields[key]
    mapping = fields.get(key.rpartition(".")[0])
    return get_args(mapping)[1] if get_origin(mapping) is dict else None


def _from_text(text: str, annotation: Any) -> Any:
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if type(None) in kinds and text in ("null", "none"):
        return None
    if {str, Path} & set(kinds) or any(get_origin(kind) is Literal for kind in kinds):
        return text  # a folder may be called 007
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
