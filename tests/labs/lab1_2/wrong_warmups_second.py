"""Wrong answers to W3 and W4 beyond the lab's own misconceptions."""

from __future__ import annotations

from tests.labs.answers import Answers

wrong = Answers()


# ---- W3 -------------------------------------------------------------------------------------------------


def flat(name, function):
    wrong.add("W3", name, lambda: {"dotted": function})


def joined(sign, sort=False, turn=False):
    def dotted(tree, path=()):
        found = {}
        for name, value in sorted(tree.items()) if sort else tree.items():
            here = (name, *path) if turn else (*path, name)
            if isinstance(value, dict):
                found |= dotted(value, here)
            else:
                found[sign.join(here)] = value
        return found

    return dotted


def dot_at_the_end(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= dot_at_the_end(value, prefix + name + ".")
        else:
            found[prefix + name + "."] = value
    return found


def only_truthy(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= only_truthy(value, prefix + name + ".")
        elif value:
            found[prefix + name] = value
    return found


def nearest_parent_only(tree, parent=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= nearest_parent_only(value, name)
        else:
            found[f"{parent}.{name}" if parent else name] = value
    return found


def pops_as_it_goes(tree, prefix=""):
    found = {}
    while tree:
        name = next(iter(tree))
        value = tree.pop(name)
        if isinstance(value, dict):
            found |= pops_as_it_goes(value, prefix + name + ".")
        else:
            found[prefix + name] = value
    return found


def branches_last(tree, prefix=""):
    found = {prefix + n: v for n, v in tree.items() if not isinstance(v, dict)}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= branches_last(value, prefix + name + ".")
    return found


def list_of_pairs(tree, prefix=""):
    found = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += list_of_pairs(value, prefix + name + ".")
        else:
            found.append((prefix + name, value))
    return found


def returns_in_the_loop(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            return returns_in_the_loop(value, prefix + name + ".")
        return {prefix + name: value}
    return {}


def keeps_empty_branches(tree, prefix=""):
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            found |= keeps_empty_branches(value, prefix + name + ".")
        else:
            found[prefix + name] = value
    return found


flat("underscores", joined("_"))
flat("slashes", joined("/"))
flat("no_dot_at_all", joined(""))
flat("sorted_names", joined(".", sort=True))
flat("turned_round", joined(".", turn=True))
flat("dot_at_the_end", dot_at_the_end)
flat("only_truthy", only_truthy)
flat("nearest_parent_only", nearest_parent_only)
flat("pops_as_it_goes", pops_as_it_goes)
flat("branches_last", branches_last)
flat("list_of_pairs", list_of_pairs)
flat("returns_in_the_loop", returns_in_the_loop)
flat("keeps_empty_branches", keeps_empty_branches)
flat("the_tree_itself", lambda tree: tree)


# ---- W4 -------------------------------------------------------------------------------------------------


def diary(name, note, store=object.__setattr__, start=list):
    def build():
        class Diary:
            def __init__(self):
                object.__setattr__(self, "names", start())

            def __setattr__(self, attribute, value):
                note(self.names, attribute, value)
                store(self, attribute, value)

        return {"Diary": Diary}

    wrong.add("W4", name, build)


def once(names, name, value):
    if name not in names:
        names.append(name)


def last_assignment(names, name, value):
    if name in names:
        names.remove(name)
    names.append(name)


def in_front(names, name, value):
    if name not in names:
        names.insert(0, name)


def only_once(self, name, value):
    if name not in self.__dict__:
        object.__setattr__(self, name, value)


diary("a_set", lambda names, name, value: names.add(name), start=set)
diary("a_dict", lambda names, name, value: names.setdefault(name), start=dict)
diary("last_assignment", last_assignment)
diary("newest_first", in_front)
diary("values", lambda names, name, value: names.append(value))
diary("pairs", lambda names, name, value: names.append((name, value)))
diary("public_names_only", lambda n, name, v: None if name[0] == "_" else once(n, name, v))
diary("keeps_the_first_value", once, only_once)
diary("stores_text", once, lambda self, name, value: object.__setattr__(self, name, str(value)))
diary("writes_nothing_down", lambda names, name, value: None)
diary("starts_with_itself", once, start=lambda: ["names"])


@wrong("W4")
def all_attributes_that_are_there():
    class Diary:
        @property
        def names(self):
            return list(self.__dict__)

    return {"Diary": Diary}


@wrong("W4")
def everything_can_be_read():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "names", [])

        def __setattr__(self, name, value):
            once(self.names, name, value)
            object.__setattr__(self, name, value)

        def __getattr__(self, name):
            return None

    return {"Diary": Diary}


@wrong("W4")
def names_is_a_method():
    class Diary:
        def __init__(self):
            object.__setattr__(self, "_names", [])

        def names(self):
            return self._names

        def __setattr__(self, name, value):
            once(self._names, name, value)
            object.__setattr__(self, name, value)

    return {"Diary": Diary}
