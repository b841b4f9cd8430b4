"""E1: the registry of nn.Module. What must hold; the known mistakes stand in `e1_mistakes_…`."""

import copy
from typing import Any

import torch
from torch import nn

from courseware.check import Exercise, Trial
from courseware.check.observe import same_storage
from phase1_foundations.lab2_nn_module.checks_by_exercise import (
    e1_mistakes_attributes,
    e1_mistakes_lists,
    e1_mistakes_others,
    e1_mistakes_state,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.e1_trees import (
    described,
    outline,
    parameter,
    random_pair,
    twins_of_many_kinds,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import tree_beside_torch

e1 = Exercise(
    "E1",
    takes={"MiniModule": None},
    hints=(
        "Three ordered dicts: one for parameters, one for buffers, one for children. `__setattr__` decides "
        "by the type of the value where it belongs; every list is a walk over the dicts.",
        "`object.__setattr__(self, '_parameters', {})` creates a dict without calling your own "
        "`__setattr__`. `__getattr__` is called only if the ordinary look-up fails: look into "
        "`self.__dict__['_parameters']` and its sisters, then raise AttributeError.",
        "Depth first with a `seen: set[int]` of ids: yield the own entries as prefix + '.' + name, then "
        "`for name, child in children: yield from child.walk(path + '.' + name, seen)`. state_dict walks "
        "without `seen` and stores `p.detach()`; load_state_dict compares keys and shapes, then `own[name]"
        ".copy_(value)` under no_grad.",
    ),
)
for mistakes in (e1_mistakes_attributes, e1_mistakes_lists, e1_mistakes_state, e1_mistakes_others):
    mistakes.probe.add_to(e1)

CASES = 40


def compare_lists(t: Trial, name: str, mine: Any, theirs: Any) -> None:
    """The same names in the same order, the same tensors under them."""
    mine, theirs = list(mine), list(theirs)
    t.equal(outline(mine), outline(theirs), name)
    for (path, left), (_, right) in zip(mine, theirs, strict=True):
        t.that(
            left is right, f"{name}: under {path!r} stands another object than the one that was registered"
        )


@e1.property("names, order, ties: as in torch", points=4)
def listed(a: Any, t: Trial) -> None:
    for case in range(CASES):
        mine, theirs = random_pair(t, a.MiniModule, case // 5)
        t.given(described(theirs))
        compare_lists(t, "named_parameters", mine.named_parameters(), theirs.named_parameters())
        compare_lists(
            t,
            "named_parameters(remove_duplicate=False)",
            mine.named_parameters(remove_duplicate=False),
            theirs.named_parameters(remove_duplicate=False),
        )
        compare_lists(
            t,
            "named_parameters('x', recurse=False)",
            mine.named_parameters("x", recurse=False),
            theirs.named_parameters("x", recurse=False),
        )
        compare_lists(
            t, "named_buffers", mine.named_buffers(prefix="p.q"), theirs.named_buffers(prefix="p.q")
        )
        t.equal(outline(mine.named_modules("m")), outline(theirs.named_modules(prefix="m")), "named_modules")
        t.that(
            next(iter(mine.named_modules()))[1] is mine, "named_modules does not begin with the module itself"
        )
        t.equal(len(list(mine.parameters())), len(list(theirs.parameters())), "the number of parameters()")
    module = twins_of_many_kinds(a, t)
    t.given("parameters that are frozen, that share memory, that are empty")
    names = ["frozen", "over", "under", "none", "neither"]
    t.equal(outline(module.named_parameters()), names, "named_parameters")


@e1.property("attributes: set, read, replace, delete", points=3)
def attributes(a: Any, t: Trial) -> None:
    module, weight, child = a.MiniModule(), parameter(t), a.MiniModule()
    buffer = torch.ones(2)
    module.a_number = 1
    module.weight, module.child, module.plain = weight, child, buffer
    module.register_buffer("mean", buffer)
    module.layers = [child]
    t.that(module.weight is weight and module.child is child, "a registered object cannot be read back")
    t.that(module.mean is buffer and module.plain is buffer and module.a_number == 1, "an attribute changed")
    t.that(module.layers[0] is child, "a list that was assigned came back changed")
    t.equal(outline(module.named_modules()), ["", "child"], "named_modules")
    t.that(not hasattr(module, "other"), "hasattr is true for a name that was never assigned")
    for name, wrong in (("weight", buffer), ("weight", 3), ("child", 3), ("child", buffer), ("mean", [1])):
        t.raises(
            TypeError,
            lambda name=name, wrong=wrong: setattr(module, name, wrong),
            f"assigning {type(wrong).__name__} to {name}",
        )
    t.that(module.weight is weight and module.child is child, "a refused assignment has changed something")
    other = parameter(t)
    module.bias = parameter(t)
    module.weight = other
    t.equal(outline(module.named_parameters()), ["weight", "bias"], "after a new weight: named_parameters")
    t.that(module.weight is other, "the new weight is not there")
    for name in ("weight", "child", "mean"):
        setattr(module, name, None)
        t.that(getattr(module, name) is None, f"after {name} = None it reads {getattr(module, name)!r}")
    t.equal(outline(module.named_parameters()), ["bias"], "after weight = None: named_parameters")
    t.equal(outline(module.named_modules()), [""], "after child = None: named_modules")
    t.equal(outline(module.named_buffers()), [], "after mean = None: named_buffers")
    t.raises(
        TypeError, lambda: setattr(module, "weight", buffer), "assigning a tensor to a parameter that is None"
    )
    module.weight, module.child, module.mean = weight, child, buffer
    t.equal(
        outline(module.named_parameters()), ["weight", "bias"], "after the weight came back: named_parameters"
    )
    t.equal(outline(module.named_buffers()), ["mean"], "after the mean came back: named_buffers")
    module.child = parameter(t)
    t.equal(outline(module.named_parameters()), ["weight", "bias", "child"], "a child's name got a parameter")
    t.equal(outline(module.named_modules()), [""], "a child's name got a parameter: named_modules")
    module.a_number = parameter(t)
    t.that(
        isinstance(module.a_number, nn.Parameter),
        "an ordinary attribute that became a parameter still reads its old value",
    )
    for name in ("weight", "bias", "child", "mean", "plain", "a_number", "layers"):
        delattr(module, name)
        t.that(not hasattr(module, name), f"after `del module.{name}` it can still be read")
        t.raises(
            AttributeError, lambda name=name: delattr(module, name), f"`del module.{name}` a second time"
        )
    t.equal(
        [*module.named_parameters(), *module.named_buffers()],
        [],
        "after all deletions: parameters and buffers",
    )
    module.register_buffer("mask", None)
    t.that(module.mask is None, f"a buffer that is None reads {module.mask!r}")
    module.mask = buffer
    t.equal(outline(module.named_buffers()), ["mask"], "a buffer that was None got a tensor: named_buffers")
    for persistent in (False, True):
        module.register_buffer("again", torch.ones(1), persistent=persistent)
        t.equal(
            "again" in module.state_dict(),
            persistent,
            f"saved, after register_buffer(…, persistent={persistent})",
        )
        del module.again


@e1.property("before __init__, and copies", points=1)
def half_made(a: Any, t: Trial) -> None:
    raw = object.__new__(a.MiniModule)
    t.raises(AttributeError, lambda: raw.weight, "reading before __init__")
    for name, value in (("weight", parameter(t)), ("child", a.MiniModule())):
        error = t.raises(
            AttributeError, lambda n=name, v=value: setattr(raw, n, v), f"assigning a {name} before __init__"
        )
        t.that(
            "__init__" in str(error), f"the error about a {name} before __init__ does not name it: {error}"
        )
    error = t.raises(
        AttributeError, lambda: raw.register_buffer("mean", torch.ones(1)), "register_buffer before __init__"
    )
    t.that(
        "__init__" in str(error), f"the error of register_buffer before __init__ does not name it: {error}"
    )
    net = a.MiniModule()
    net.a = parameter(t)
    net.b, net.child = net.a, a.MiniModule()
    net.child.register_buffer("mean", torch.ones(2), persistent=False)
    twin = copy.deepcopy(net)
    t.equal(outline(twin.named_parameters(remove_duplicate=False)), ["a", "b"], "names in a deepcopy")
    t.that(
        twin.a is twin.b and twin.a is not net.a, "a deepcopy must have its own parameters, tied as before"
    )
    t.equal(list(twin.state_dict()), ["a", "b"], "state_dict of a deepcopy")
    with torch.no_grad():
        twin.a.add_(1)
    t.that(not torch.equal(twin.a, net.a), "changing a deepcopy changes the original")


@e1.property("train and eval", points=1)
def modes(a: Any, t: Trial) -> None:
    for case in range(10):
        mine, theirs = random_pair(t, a.MiniModule, case)
        t.given(described(theirs))
        flags = [module.training for _, module in mine.named_modules()]
        t.that(all(flag is True for flag in flags), "training is not True at first")
        t.that(mine.eval() is mine, "eval() does not return the module")
        wrong = [name for name, module in mine.named_modules() if module.training is not False]
        t.equal(wrong, [], "still in training mode after eval()")
        mine.train(True)
        wrong = [name for name, module in mine.named_modules() if module.training is not True]
        t.equal(wrong, [], "still in evaluation mode after train(True)")
    top = a.MiniModule()
    top.child = a.MiniModule()
    top.child.eval()
    top.train(True)
    t.given("top.child.eval(), then top.train(True)")
    t.that(top.child.training is True, "the child is still in evaluation mode")


@e1.property("state_dict", points=2)
def state(a: Any, t: Trial) -> None:
    for case in range(CASES):
        mine, theirs = random_pair(t, a.MiniModule, case // 5)
        t.given(described(theirs))
        found, expected = mine.state_dict(), theirs.state_dict()
        t.equal(list(found), list(expected), "the names in state_dict")
        for name, tensor in found.items():
            t.that(
                same_storage(tensor, expected[name]),
                f"{name} in state_dict does not share the module's memory",
            )
            t.that(not tensor.requires_grad, f"{name} in state_dict requires a gradient")
            t.equal(tensor, expected[name], name)


@e1.property("load_state_dict: into the tensors that are there", points=3)
def loading(a: Any, t: Trial) -> None:
    for case in range(CASES):
        mine, theirs = random_pair(t, a.MiniModule, case // 5)
        t.given(described(theirs))
        before = list(mine.named_parameters())
        new = {k: v + 1 for k, v in copy.deepcopy(theirs).state_dict().items()}
        doubles = {k: v.double() if v.is_floating_point() else v for k, v in new.items()}
        t.equal(tuple(mine.load_state_dict(doubles)), ([], []), "the result of a load where all fits")
        compare_lists(t, "after loading: named_parameters", mine.named_parameters(), before)
        t.equal(dict(theirs.state_dict()), new, "the values that torch's twin sees after loading")
        t.that(
            all(p.requires_grad and p.is_leaf for p in mine.parameters()),
            "a parameter lost requires_grad or is no leaf",
        )
        wrong = dict(new)
        missing = sorted(t.random.sample(sorted(new), min(len(new), 2)), key=list(new).index)
        for name in missing:
            del wrong[name]
        wrong |= {"no.such": torch.zeros(1), "nothing": torch.zeros(2)}
        result = mine.load_state_dict(wrong, strict=False)
        t.equal(sorted(result[0]), sorted(missing), "missing")
        t.equal(sorted(result[1]), ["no.such", "nothing"], "unexpected")
        error = t.raises(
            RuntimeError,
            lambda mine=mine, wrong=wrong: mine.load_state_dict(wrong),
            "a strict load that does not fit",
        )
        for name in (*missing, "no.such"):
            t.that(name in str(error), f"the error of a strict load does not name {name}: {error}")
    only = a.MiniModule()
    only.weight = parameter(t, 2, 3)
    for shape in ((3,), (1, 3), (2, 1), (3, 2), (6,), ()):
        for strict in (True, False):
            t.raises(
                RuntimeError,
                lambda shape=shape, strict=strict: only.load_state_dict(
                    {"weight": torch.ones(shape)}, strict=strict
                ),
                f"loading a shape {shape} into (2, 3), strict={strict}",
            )


@e1.property("to(dtype), an optimizer, a tree of depth 50", points=1)
def working(a: Any, t: Trial) -> None:
    for case in range(10):
        mine, theirs = random_pair(t, a.MiniModule, case)
        t.given(described(theirs))
        before = list(mine.named_parameters(remove_duplicate=False))
        expected = {
            k: v.to(torch.float64) if v.is_floating_point() else v
            for k, v in copy.deepcopy(theirs).state_dict().items()
        }
        t.that(mine.to(torch.float64) is mine, "to() does not return the module")
        compare_lists(t, "after to(): parameters", mine.named_parameters(remove_duplicate=False), before)
        t.equal(dict(mine.state_dict()), expected, "after to(float64): state_dict")
        for name, buffer in mine.named_buffers():
            t.that(
                buffer.dtype in (torch.float64, torch.int64),
                f"after to(float64) the buffer {name} is {buffer.dtype}",
            )
    odd = a.MiniModule()
    odd.table, odd.weight = nn.Parameter(torch.tensor([1, 2]), requires_grad=False), parameter(t)
    odd.weight = None
    odd.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    odd.load_state_dict(odd.state_dict())
    t.that(not odd.frozen.requires_grad, "after loading, a frozen parameter requires a gradient")
    t.given("a module with a parameter of integers and one that is None")
    t.that(odd.to(torch.float64).table.dtype == torch.int64, "to(float64) converted a parameter of integers")
    t.that(not odd.frozen.requires_grad, "after to(float64) a frozen parameter requires a gradient")

    class Affine(a.MiniModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def forward(self, x: torch.Tensor, *, shift: float = 0.0) -> torch.Tensor:
            return (self.weight * x).sum() + shift

    net = Affine()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    net.load_state_dict({"weight": torch.ones(2)})
    net(torch.tensor([1.0, 2.0]), shift=3.0).backward()
    optimizer.step()
    t.equal(
        net.weight.detach(), torch.tensor([0.0, -1.0]), "a weight of 1, after a step of SGD along x = [1, 2]"
    )
    top = node = a.MiniModule()
    for _ in range(50):
        node.child = a.MiniModule()
        node = node.child
    node.weight = parameter(t)
    path = "child." * 50 + "weight"
    t.equal(outline(top.named_parameters()), [path], "names in a tree 50 levels deep")
    t.equal(list(top.state_dict()), [path], "state_dict of a tree 50 levels deep")


e1.reward(tree_beside_torch)
