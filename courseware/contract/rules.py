"""A rule of the contract that every lab keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from courseware.check import CheckError
from courseware.source import LabFolder, SourceError

Finder = Callable[[LabFolder], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """A name, what is asked for, and a generator of the places where a lab breaks it."""

    name: str
    asks: str
    find: Finder

    def problems(self, lab: LabFolder) -> list[str]:
        """Where the lab breaks this rule, one line each; a source that cannot be read is a problem too."""
        try:
            return list(self.find(lab))
        except FileNotFoundError as error:
            return [f"{error.filename} is missing".replace(f"{lab.path}/", "")]
        except (SourceError, CheckError) as error:
            return [str(error).replace(f"{lab.path}/", "")]


def rule(name: str, asks: str) -> Callable[[Finder], Rule]:
    """Turn a generator of problems into a rule."""

    def make(find: Finder) -> Rule:
        return Rule(name, asks, find)

    return make
