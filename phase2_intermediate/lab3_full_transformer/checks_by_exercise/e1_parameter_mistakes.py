"""The known mistakes of what E1's model owns: tables, tying, layers, stem, each by a count of parameters."""

from __future__ import annotations

from typing import Any

from courseware.check import Probes, Trial
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e1_model_mistakes import (
    SRC,
    TGT,
    D,
    built,
)

probe = Probes()


@probe("tying")
def tying(a: Any, t: Trial) -> None:
    def count(**how: Any) -> int:
        return sum(p.numel() for p in built(a, t, **how).parameters())

    plain = count()
    kinds = {p.shape for p in built(a, t).parameters() if p.dim() == 2}
    t.that(
        (SRC, D) in kinds,
        f"no parameter is [{SRC}, {D}], the source's embedding",
        diagnosis="no-source-table",
    )
    t.that(
        (TGT, D) in kinds,
        f"no parameter is [{TGT}, {D}], the target's embedding",
        diagnosis="no-target-table",
    )
    for key, value in (("tie", True), ("stem", False), ("enc", 1), ("dec", 1)):
        t.that(
            count(**{key: value}) == plain,
            f"by default the model has {plain} parameters, with {key}={value} {count(**{key: value})}: "
            f"{key}={value} is the default",
            diagnosis="defaults",
        )
    differences = (
        (
            "tie=False",
            count(tie=False) - plain,
            TGT * D,
            "tied-by-copy",
            "with tie=True the output layer's weight and the target's embedding are one parameter (assign "
            "it, a copy ties for one step only), with tie=False they are two",
        ),
        (
            "enc=2",
            count(enc=2) - plain,
            12 * D * D + 13 * D,
            "encoder-layers",
            "a second encoder layer has its own weights, attention and a network of width 4d, and stands in "
            "an nn.ModuleList: what a plain list holds is not registered",
        ),
        (
            "dec=2",
            count(dec=2) - plain,
            16 * D * D + 19 * D,
            "decoder-layers",
            "a second decoder layer has its own weights, two attentions and a network of width 4d, and "
            "stands in an nn.ModuleList: what a plain list holds is not registered",
        ),
        (
            "stem=True",
            count(stem=True) - plain,
            3 * D * D + D,
            "stem-missing",
            "the stem is nn.Conv1d(d, d, 3, padding=1)",
        ),
    )
    for what, found, right, name, words in differences:
        t.that(
            found == right,
            f"{what} adds {found} numbers to the parameters, expected {right}: {words}",
            diagnosis=name,
        )
