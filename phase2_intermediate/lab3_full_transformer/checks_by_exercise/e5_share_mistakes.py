"""The known mistakes of E5's shares: of what, over what, and when an output is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.naming import Case, name_it
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_scene import asked, scene
from shared.data.dates import DatePair

probe = Probes()


def nearly(pairs: list[DatePair], right: list[str]) -> list[DatePair]:
    """The pairs that were wrong get an iso that is nearly what is written: another end, more, less."""
    changed = []
    for i, (pair, out) in enumerate(zip(pairs, right, strict=True)):
        kinds = (out[:-1] + ("-" if out[-1:] != "-" else "0"), out + "7", out[:-2], pair.iso, out[::-1])
        iso = out if i % 2 else kinds[i // 2 % len(kinds)]
        changed.append(pair._replace(iso=iso if i % 2 or iso != out else out + "--"))
    return [*changed, changed[1]]  # one of them twice


def parts_of_outputs(pairs: list[DatePair], right: list[str]) -> list[Case]:
    """What `exact` is if an output is right as soon as a part of it is."""

    def share(fits: Callable[[str, str], bool]) -> float:
        return sum(fits(out, p.iso) for out, p in zip(right, pairs, strict=True)) / len(pairs)

    words = (
        "outputs that are only partly like `pair.iso` count as exact: the whole strings must be equal, "
        "`output == pair.iso`"
    )
    same_beginnings = [share(lambda out, iso, n=n: out[:n] == iso[:n]) for n in range(1, 12)]
    others = [
        share(lambda out, iso: out.startswith(iso)),
        share(lambda out, iso: iso.startswith(out)),
        share(lambda out, iso: iso in out),
        share(lambda out, iso: all(x == y for x, y in zip(out, iso, strict=False))),
        share(lambda out, iso: sorted(out) == sorted(iso)),
    ]
    return [("exact-compares-a-part", value, words) for value in (*same_beginnings, *others)]


@probe("the-shares")
def shares(a: Any, t: Trial) -> None:
    model, pairs, right = scene(t, 30)
    pairs, right = nearly(pairs, right), [*right, right[1]]
    report = asked(a, t, model, pairs)
    hits = [out == p.iso for out, p in zip(right, pairs, strict=True)]
    share = sum(hits) / len(pairs)
    characters = sum(
        x == y for out, p in zip(right, pairs, strict=True) for x, y in zip(out, p.iso, strict=False)
    )
    t.that(
        isinstance(report["exact"], float | int),
        f"`exact` is a {type(report['exact']).__name__}, expected a float",
        diagnosis="exact-is-no-float",
    )
    name_it(
        t,
        report["exact"],
        share,
        [
            ("exact-is-a-count", sum(hits), "`exact` is a count: a share from 0 to 1"),
            ("exact-is-a-percentage", 100 * share, "`exact` is a percentage: a share from 0 to 1"),
            (
                "exact-counts-characters",
                characters / sum(len(p.iso) for p in pairs),
                "`exact` counts characters: an output is right only as a whole",
            ),
            ("exact-inverted", 1 - share, "`exact` is the share of wrong outputs"),
            ("exact-is-rounded", round(share, 2), "`exact` is rounded: return the share as it is"),
            *parts_of_outputs(pairs, right),
        ],
    )
    groups = {key: grouped(hits, pairs, key) for key in ("language", "style")}
    for key in groups:
        by_group = list(groups[key].values())
        t.that(
            not same(report["exact"], sum(sum(g) / len(g) for g in by_group) / len(by_group))
            or same(report["exact"], share),
            f"`exact` is the mean of the shares by {key}: every pair counts alike, whatever its {key}",
            diagnosis="exact-averages-groups",
        )
    t.that(
        same(report["exact"], share),
        f"`exact` is {report['exact']}, expected {share:.3f}: whole outputs that equal `pair.iso`",
        diagnosis="exact-wrong",
    )
    for key, of in (("by_language", "language"), ("by_style", "style")):
        found, other = report[key], groups["style" if of == "language" else "language"]
        t.that(
            isinstance(found, dict),
            f'"{key}" is a {type(found).__name__}, expected a dict',
            diagnosis="no-dict",
        )
        t.that(
            set(found) != set(other),
            f'"{key}" is by {"style" if of == "language" else "language"}: the two are exchanged',
            diagnosis="groups-exchanged",
        )
        name_groups(t, key, found, groups[of], share)
    nobody(a, t, model, pairs)


def grouped(hits: list[bool], pairs: list[DatePair], key: str) -> dict[str, list[bool]]:
    groups: dict[str, list[bool]] = {}
    for hit, pair in zip(hits, pairs, strict=True):
        groups.setdefault(getattr(pair, key), []).append(hit)
    return groups


def name_groups(t: Trial, key: str, found: Any, groups: dict[str, list[bool]], share: float) -> None:
    everything = sum(len(group) for group in groups.values())
    wanted = {name: sum(group) / len(group) for name, group in groups.items()}
    name_it(
        t,
        found,
        wanted,
        [
            (
                "divides-by-all",
                {n: sum(g) / everything for n, g in groups.items()},
                f'"{key}" divides by all pairs: by those of the group',
            ),
            ("group-counts", {n: sum(g) for n, g in groups.items()}, f'"{key}" has counts: shares'),
            (
                "group-is-everything",
                dict.fromkeys(groups, share),
                f'"{key}" has the overall share everywhere',
            ),
        ],
    )
    t.that(same(found, wanted), f'"{key}" is {found}, expected {wanted}', diagnosis="groups-wrong")


def nobody(a: Any, t: Trial, model: Any, pairs: list[DatePair]) -> None:
    few = asked(a, t, model, pairs[:2])
    for key, of in (("by_language", "language"), ("by_style", "style")):
        t.that(
            set(few[key]) == {getattr(p, of) for p in pairs[:2]},
            f'"{key}" of two pairs has {sorted(few[key])}: only what occurs in `pairs`',
            diagnosis="groups-that-do-not-occur",
        )
    empty = asked(a, t, model, [])
    t.that(
        same(empty["exact"], 0.0) and not empty["by_language"] and not empty["by_style"],
        f"evaluate of no pairs gives {empty}, expected 0.0 and empty dicts",
        diagnosis="no-pairs",
    )
