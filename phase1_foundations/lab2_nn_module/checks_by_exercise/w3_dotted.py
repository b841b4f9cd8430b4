"""W3: a nested dict as a flat one with dotted names."""

import copy
from typing import Any

from courseware.check import Exercise, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import names_of_a_network
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

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


def small() -> dict[str, Any]:
    return {"scale": 1, "fc": {"weight": 2, "bias": 3}}


def deep() -> dict[str, Any]:
    return {"a": {"b": {"c": 1}}, "d": 2}


@w3.probe("changes-its-input")
def changes_input(a: Any, t: Trial) -> str | None:
    tree = {"scale": 1, "fc": {"weight": {"w": 2}, "bias": 3}, "empty": {}}
    before = copy.deepcopy(tree)
    a.dotted(tree)
    if tree != before:
        return f"afterwards the tree is {tree}: it was {before}, and must stay as it is"
    return None


@w3.probe("branches-are-left-as-they-are")
def left(a: Any, t: Trial) -> str | None:
    flat = a.dotted(deep())
    if list(flat) == ["a", "d"] and isinstance(flat["a"], dict):
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
    if list(a.dotted(small())) == ["scale", "weight", "bias"]:
        return (
            "you return `weight` where `fc.weight` is asked for: the names on the way to a leaf belong "
            "to its name. With two layers both weights would be called `weight`, and one would be lost"
        )
    if list(a.dotted(deep())) in (["b.c", "d"], ["c", "d"], ["a.c", "d"]):
        return (
            f"{deep()} gave {list(a.dotted(deep()))}, expected ['a.b.c', 'd']: each level adds its name, the "
            "prefix grows on the way down"
        )
    return None


@w3.probe("stops-at-the-first-leaf")
def first_leaf(a: Any, t: Trial) -> str | None:
    if a.dotted(small()) == {"scale": 1} or list(a.dotted({"a": {"x": 1, "y": 2}, "b": 3})) == ["a.x"]:
        return "only the first leaf comes back: the `return` stands inside the loop; put it after the loop"
    return None


@w3.probe("empty-branches-are-kept")
def empty_kept(a: Any, t: Trial) -> str | None:
    if a.dotted({"a": {}, "b": 1}) in ({"a": {}, "b": 1}, {"a": None, "b": 1}, {"a.": {}, "b": 1}):
        return "an empty branch is in the result: it has no leaves, so it contributes nothing"
    return None


@w3.probe("dot-at-an-end")
def dot_at_end(a: Any, t: Trial) -> str | None:
    wrong = [name for name in a.dotted(small()) if name.startswith(".") or name.endswith(".") or ".." in name]
    if wrong:
        return (
            f"you return the name {wrong[0]!r}: a dot stands *between* two names. With an empty prefix there "
            "is nothing to put a dot after"
        )
    return None


@w3.probe("no-dot")
def no_dot(a: Any, t: Trial) -> str | None:
    if "fcweight" in a.dotted(small()):
        return "you return `fcweight`, expected `fc.weight`: the dot between the names is missing"
    return None


@w3.probe("joined-otherwise")
def joined_otherwise(a: Any, t: Trial) -> str | None:
    names = list(a.dotted(deep()))
    if names and "c.b.a" in names:
        return f"{deep()} gave {names}: the path is turned round, the outermost name comes first: a.b.c"
    for sign in "_/:- ,":
        if f"a{sign}b{sign}c" in names:
            return f"the names are joined by {sign!r}: {names}; asked for is a dot, a.b.c"
    if any(not isinstance(name, str) for name in names):
        return f"the names are {names}; asked for are strings, such as 'a.b.c'"
    return None


@w3.probe("other-order")
def other_order(a: Any, t: Trial) -> str | None:
    tree = {"z": 1, "a": {"y": 2, "b": 3}, "c": 4}
    names = list(a.dotted(tree))
    if names != (right := ["z", "a.y", "a.b", "c"]) and sorted(names) == sorted(right):
        return f"the names come as {names}; asked for is the order of the leaves in the tree, {right}"
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


@w3.probe("lists-are-taken-apart")
def lists_taken_apart(a: Any, t: Trial) -> str | None:
    flat = a.dotted({"a": [7, 8]})
    if flat != {"a": [7, 8]}:
        return f"{{'a': [7, 8]}} gave {flat}: a list is a leaf like any other, only dicts are branches"
    return None


@w3.probe("leaves-are-changed")
def leaves_changed(a: Any, t: Trial) -> str | None:
    flat = a.dotted(small())
    if list(flat) == ["scale", "fc.weight", "fc.bias"] and list(flat.values()) != [1, 2, 3]:
        return f"{small()} gave the leaves {list(flat.values())}, expected [1, 2, 3]: a leaf stays what it is"
    return None


@w3.probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    for tree in (small(), deep(), {}, {"a": {}}, {"a": [1], "b": None}):
        must_run(t, f"dotted({tree})", lambda tree=tree: a.dotted(tree))


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
