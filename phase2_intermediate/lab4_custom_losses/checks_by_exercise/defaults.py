"""One probe that every exercise needs: what an option is when it is left out."""

from __future__ import annotations

from typing import Any

from courseware.check import Probes, Trial
from courseware.check.describe import numbers
from phase2_intermediate.lab4_custom_losses.checks_by_exercise.tools import close

Case = tuple[str, tuple[Any, ...], dict[str, Any]]  # a function, its arguments, its options' defaults


def defaults(probe: Probes, *cases: Case) -> None:
    """Leaving an option out must give what its default gives when it is written out."""

    @probe("default-of-an-option")
    def other_default(a: Any, t: Trial) -> str | None:
        for name, arguments, options in cases:
            function = getattr(a, name)
            plain = t.attempt(lambda f=function, x=arguments: f(*x))
            for option, default in options.items():
                given = t.attempt(lambda f=function, x=arguments, o={option: default}: f(*x, **o))
                if plain.error or given.error or close(plain.value, given.value):
                    continue
                return (
                    f"{name} without `{option}` gives {_shown(plain.value)}, with {option}={default!r} "
                    f"{_shown(given.value)}: the default of `{option}` is {default!r}"
                )
        return None


def _shown(value: Any) -> str:
    return numbers(value[0]) if isinstance(value, tuple) else numbers(value)
