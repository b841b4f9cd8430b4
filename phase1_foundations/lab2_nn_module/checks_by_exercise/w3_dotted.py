"""W3: a nested dict as a flat one with dotted names."""

from typing import Any

from courseware.check import Exercise, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import names_of_a_network

w3 = Exercise(
    "W3",
    takes={"dotted": dict},
    hints=(
        "Suppose somebody gives you the flat dict of the branch `fc` already. What is left to do with its "
        "names?",
        "For each entry of the tree: a leaf goes into the result under its name. For a branch: flatten it, "
        "and put `name + '.'` before each name in it.",
        "`for name, value in tree.items()`: if `isinstance(value, dict)`: `for rest, leaf in "
        'dotted(value).items(): flat[f"{name}.{rest}"] = leaf`; else `flat[name] = value`.',
    ),
)
SMALL = {"scale": 1, "fc": {"weight": 2, "bias": 3}}
DEEP = {"a": {"b": {"c": 1}}, "d": 2}


@w3.probe("branches-are-left-as-they-are")
def left(a: Any, t: Trial) -> str | None:
    flat = a.dotted(DEEP)
    if flat == DEEP:
        return "you return the tree as it came: a value that is a dict has to be taken apart"
    nested = [name for name, value in flat.items() if isinstance(value, dict)]
    if nested:
        return (
            f"under `{nested[0]}` there is still a dict, {flat[nested[0]]}: branches may hold branches. "
            "Let the function call itself"
        )
    return None


@w3.probe("path-is-lost")
def path_lost(a: Any, t: Trial) -> str | None:
    if list(a.dotted(SMALL)) == ["scale", "weight", "bias"]:
        return (
            "you return `weight` where `fc.weight` is asked for: the names on the way to a leaf belong "
            "to its name. With two layers both weights would be called `weight`, and one would be lost"
        )
    if list(a.dotted(DEEP)) in (["b.c", "d"], ["c", "d"], ["a.c", "d"]):
        return (
            f"{DEEP} gave {list(a.dotted(DEEP))}, expected ['a.b.c', 'd']: each level adds its name, the "
            "prefix grows on the way down"
        )
    return None


@w3.probe("dot-at-an-end")
def dot_at_end(a: Any, t: Trial) -> str | None:
    wrong = [name for name in a.dotted(SMALL) if name.startswith(".") or name.endswith(".") or ".." in name]
    if wrong:
        return (
            f"you return the name {wrong[0]!r}: a dot stands *between* two names. With an empty "
            "prefix there is "
            "nothing to put a dot after"
        )
    return None


@w3.probe("no-dot")
def no_dot(a: Any, t: Trial) -> str | None:
    if "fcweight" in a.dotted(SMALL):
        return "you return `fcweight`, expected `fc.weight`: the dot between the names is missing"
    return None


@w3.probe("keeps-names-from-call-to-call")
def keeps(a: Any, t: Trial) -> str | None:
    a.dotted({"first": 1})
    if "first" in a.dotted({"second": 2}):
        return (
            "names of an earlier call are still in the result: a default such as `flat={}` is made once, "
            "when the function is defined, and shared by all calls. Use `None`, or make the dict inside"
        )
    return None


@w3.probe("falsy-leaves-are-dropped")
def dropped(a: Any, t: Trial) -> str | None:
    if a.dotted({"a": 0, "b": None, "c": 1}) == {"c": 1}:
        return "a leaf that is 0 or None was dropped: anything but a dict is a leaf"
    return None


@w3.property("names, values and their order")
def flat_dict(a: Any, t: Trial) -> None:
    for case in range(30):
        entries = random_paths(t, case // 2)
        tree: dict[str, Any] = {}
        for path, leaf in entries:
            branch = tree
            for name in path[:-1]:
                branch = branch.setdefault(name, {})
            branch[path[-1]] = leaf
        expected = {".".join(path): leaf for path, leaf in entries}
        flat = a.dotted(tree)
        t.equal(flat, expected, "the flat dict")
        t.equal(list(flat), list(expected), "the order of the names")


@w3.property("empty branches and deep trees")
def edges(a: Any, t: Trial) -> None:
    t.equal(a.dotted({}), {}, "an empty tree")
    t.equal(a.dotted({"a": {}, "b": {"c": {}}}), {}, "a tree of empty branches")
    tree: dict[str, Any] = {"leaf": 1}
    for _ in range(99):
        tree = {"x": tree}
    t.equal(a.dotted(tree), {"x." * 99 + "leaf": 1}, "a tree 100 levels deep")
    leaves = {"a": None, "b": 0, "c": "", "d": [1], "e": {"f": ()}}
    t.equal(a.dotted(leaves), {"a": None, "b": 0, "c": "", "d": [1], "e.f": ()}, "leaves of other types")


def random_paths(t: Trial, count: int) -> list[tuple[tuple[str, ...], int]]:
    """Paths of leaves in depth-first order, no leaf in the place of a branch."""

    def grow(prefix: tuple[str, ...], left: int) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for name in t.random.sample("abcdefgh", 4):
            if len(found) >= left:
                break
            if len(prefix) < 4 and t.random.random() < 0.45:
                found += grow((*prefix, name), left - len(found))
            else:
                found.append((*prefix, name))
        return found

    return [(path, i) for i, path in enumerate(grow((), count))]


w3.reward(names_of_a_network)
