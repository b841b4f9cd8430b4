"""W4: an object that listens to assignments."""

from typing import Any

from courseware.check import Exercise, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import what_torch_hears
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import must_run

w4 = Exercise(
    "W4",
    takes={"Diary": None},
    hints=(
        "`__setattr__` has two jobs: write the name down, and store the value after all. And somewhere the "
        "list has to come from, without the diary noting itself.",
        "Storing without being called again: `object.__setattr__(self, name, value)`. The same line can "
        "create the list in `__init__`.",
        '`__init__`: `object.__setattr__(self, "names", [])`. `__setattr__`: `if name not in self.names: '
        "self.names.append(name)`, then `object.__setattr__(self, name, value)`.",
    ),
)


@w4.probe("calls-itself-for-ever")
def recursion(a: Any, t: Trial) -> str | None:
    def use() -> None:
        diary = a.Diary()
        diary.x = 1

    if t.attempt(use).raised(RecursionError):
        return (
            "`diary.x = 1` never ended: inside `__setattr__`, `self.… = value` and `setattr(self, …)` call "
            "`__setattr__` again. Store with `object.__setattr__(self, name, value)`"
        )
    return None


@w4.probe("list-is-not-there-yet")
def not_there(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.Diary())
    if attempt.raised(AttributeError):
        return (
            f"making a Diary raised {attempt.error}: `self.names = []` in `__init__` is an assignment too, "
            "so your `__setattr__` runs before the list exists"
        )
    return None


@w4.probe("names-is-no-list")
def no_list(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    attempt = t.attempt(lambda: diary.names)
    if attempt.raised(AttributeError):
        return "`diary.names` cannot be read: the list has to be there under this name"
    if attempt.error is None and not isinstance(attempt.value, list):
        return f"`diary.names` is a {type(attempt.value).__name__}; asked for is a list, here ['x']"
    return None


@w4.probe("value-is-not-stored")
def not_stored(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    if list(diary.names) == ["x"] and not hasattr(diary, "x"):
        return (
            "the name was written down, but `diary.x` is not there: `__setattr__` replaces the assignment, "
            "so it has to store the value too"
        )
    if list(diary.names) == ["x"] and diary.x != 1:
        return f"`diary.x = 1` stored {diary.x!r}: store the value as it is"
    return None


@w4.probe("only-the-first-value-counts")
def first_value(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    diary.x = 3
    if hasattr(diary, "x") and diary.x == 1:
        return "`diary.x = 1`, then `diary.x = 3`, and `diary.x` is still 1: store the value every time"
    return None


@w4.probe("one-list-for-all")
def one_list(a: Any, t: Trial) -> str | None:
    first, second = a.Diary(), a.Diary()
    first.x = 1
    if "x" in list(second.names):
        return (
            "a second diary knows what was assigned to the first: a list in the class body (or as a "
            "default argument) is one list for all. Make it in `__init__`"
        )
    return None


@w4.probe("values-instead-of-names")
def values_listed(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 17
    if list(diary.names) in ([17], [("x", 17)], ["17"]):
        return f"names is {list(diary.names)}; asked for are the names alone, ['x']"
    return None


@w4.probe("nothing-is-written-down")
def nothing_written(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    diary.y = 2
    if list(diary.names) == []:
        return "after `diary.x = 1` the list is still empty: `__setattr__` appends the name"
    if list(diary.names) in (["x"], ["y"]):
        return f"after `diary.x = 1` and `diary.y = 2` the list is {diary.names}, expected ['x', 'y']"
    diary._hidden = 3
    if list(diary.names) == ["x", "y"]:
        return "after `diary._hidden = 3` the name `_hidden` is not in the list: all names count"
    return None


@w4.probe("unknown-names-can-be-read")
def unknown(a: Any, t: Trial) -> str | None:
    if hasattr(a.Diary(), "never_assigned"):
        return "an attribute that was never assigned can be read: a diary is otherwise an ordinary object"
    return None


@w4.probe("deleted-names-disappear")
def deleted(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    attempt = t.attempt(lambda: delattr(diary, "x"))
    if attempt.error is not None:
        return f"`del diary.x` raised {type(attempt.error).__name__}: {attempt.error}"
    if "x" not in list(diary.names):
        return f"after `del diary.x` the list is {list(diary.names)}: it holds all names *ever* assigned"
    return None


@w4.probe("writes-itself-down")
def itself(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x = 1
    if "names" in list(diary.names):
        return f"the diary lists its own `names`: {list(diary.names)}, expected ['x']"
    extra = [name for name in list(diary.names) if name != "x"]
    if extra:
        return (
            f"after `diary.x = 1` the list is {list(diary.names)}: {extra[0]!r} is the diary's own business"
        )
    return None


@w4.probe("names-twice")
def twice(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.x, diary.y, diary.x = 1, 2, 3
    if list(diary.names) == ["x", "y", "x"]:
        return "x was assigned twice and stands in the list twice; asked for is each name once"
    if list(diary.names) == ["y", "x"]:
        return "the list is ['y', 'x']: asked for is the order of the *first* assignment, ['x', 'y']"
    again = a.Diary()
    again.x = 1
    del again.x
    again.x = 2
    if list(again.names) == ["x", "x"]:
        return (
            "`x` was assigned, deleted and assigned again, and stands in the list twice: ask whether the "
            "name is in the list, not whether the attribute is there"
        )
    return None


@w4.probe("some-assignments-are-not-heard")
def not_heard(a: Any, t: Trial) -> str | None:
    diary = a.Diary()
    diary.xy, diary.x = 1, 2
    if list(diary.names) == ["xy"]:
        return (
            "after `diary.xy = 1` and `diary.x = 2` the list is ['xy']: x counts as known because the text "
            "'xy' contains it; compare with the whole names"
        )
    for value in (None, 0, []):
        diary = a.Diary()
        diary.x = value
        if list(diary.names) == []:
            return f"after `diary.x = {value}` the list is empty: every assignment counts, whatever the value"

    class WithDefault(a.Diary):
        x = 1

    diary = WithDefault()
    diary.x = 2
    if list(diary.names) == []:
        return (
            "`x` was assigned in a diary whose class has an attribute x already, and is not in the list: ask "
            "whether the name is in the list, not whether the attribute is there"
        )
    return None


@w4.probe("stores-a-copy")
def stores_copy(a: Any, t: Trial) -> str | None:
    diary, value = a.Diary(), [1, 2]
    diary.x = value
    if diary.x == value and diary.x is not value:
        return "`diary.x = value` stored a copy: the attribute is the very object that was assigned"
    return None


@w4.probe("raises-an-error")
def raises(a: Any, t: Trial) -> None:
    def use() -> None:
        diary = a.Diary()
        diary.x, diary.y = 1, None
        diary.x = [2]

    must_run(t, "making a Diary", a.Diary)
    must_run(t, "three assignments", use)
    must_run(t, "reading diary.names", lambda: a.Diary().names)


@w4.property("names, in the order of their first assignment")
def in_order(a: Any, t: Trial) -> None:
    for length in range(12):
        diary, expected = a.Diary(), []
        assigned = [t.random.choice(("a", "b", "ab", "ba", "abc", "c")) for _ in range(length)]
        for name in assigned:
            setattr(diary, name, None)
            if name not in expected:
                expected.append(name)
        t.given(f"assigned: {' '.join(assigned) or 'nothing'}")
        t.that(isinstance(diary.names, list), f"names is a {type(diary.names).__name__}, expected a list")
        t.equal(diary.names, expected, "names")


@w4.property("otherwise an ordinary object")
def ordinary(a: Any, t: Trial) -> None:
    diary, other = a.Diary(), a.Diary()
    values = {"x": [1, 2], "y": None, "length": 3.5, "_hidden": "z"}
    for name, value in values.items():
        setattr(diary, name, value)
    for name, value in values.items():
        found = getattr(diary, name)
        t.that(found is value, f"diary.{name} is not the object that was assigned: {found!r}, not {value!r}")
    diary.x = 7
    t.equal(diary.x, 7, "diary.x after a second assignment")
    t.equal(diary.names, ["x", "y", "length", "_hidden"], "names")
    t.equal(other.names, [], "the names of another diary")
    t.that(not hasattr(other, "x"), "another diary has the attribute x as well")
    t.raises(AttributeError, lambda: diary.never, "reading an attribute that was never assigned")
    del diary.x
    t.that(not hasattr(diary, "x"), "after `del diary.x` it can still be read")
    t.equal(diary.names, ["x", "y", "length", "_hidden"], "names after a deletion")
    diary.x = 8
    t.equal(diary.names, ["x", "y", "length", "_hidden"], "names after another assignment")


w4.reward(what_torch_hears)
