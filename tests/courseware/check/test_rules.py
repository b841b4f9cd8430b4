"""Forbidden means any route to the built-in, not its spelling; and only the learner's calls count."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import grad
from torch.autograd.functional import hvp

from courseware.check.outcomes import Diagnosed
from courseware.check.rules import forbid, suspended

X = torch.randn(3)
W = torch.randn(3, requires_grad=True)
RULES = forbid(
    "expand",
    "broadcast_to",
    "cross_entropy",
    "T",
    why="you build it here",
    autograd=True,
    python=(
        "torch.autograd.functional.hvp",
        "torch.nn.utils.clip_grad.clip_grad_norm_",
        "torch.optim.Optimizer.__init__",
    ),
)


def square(w):
    return (w * w).sum()


ROUTES = {
    "method": lambda: X.expand(4, 3),
    "function": lambda: torch.broadcast_to(X, (4, 3)),
    "through getattr": lambda: getattr(X, "exp" + "and")(4, 3),
    "through a saved method": lambda expand=torch.Tensor.expand: expand(X, 4, 3),
    "through the operator": lambda: torch.ops.aten.expand(X, (4, 3)),
    "through the overload": lambda: torch.ops.aten.expand.default(X, (4, 3)),
    "property": lambda: X[None].T,
    "inside a module": lambda: torch.nn.CrossEntropyLoss()(X[None], torch.tensor([1])),
    "functional": lambda: F.cross_entropy(X[None], torch.tensor([1])),
    "backward": lambda: square(W).backward(),
    "grad imported earlier": lambda: grad(square(W), W),
    "torch.func": lambda: torch.func.grad(square)(X),
    "forward mode": lambda: torch.func.jvp(square, (X,), (X,)),
    "a Python function imported earlier": lambda: hvp(square, X, X),
    "a decorated function": lambda: torch.nn.utils.clip_grad_norm_([W], 1.0),
    "a class's method": lambda: torch.optim.SGD([W]),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_every_route_is_refused_with_the_reason(route):
    with pytest.raises(Diagnosed, match="you build it here") as refused, RULES.hold():
        route()
    assert refused.value.diagnosis == "forbidden"


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_the_oracle_may_use_what_is_forbidden(route):
    with RULES.hold(), suspended():
        route()


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_nothing_is_left_behind(route):
    with RULES.hold():
        pass
    route()


def test_what_only_shares_a_name_is_allowed():
    with forbid("repeat", why="no").hold():
        assert list(repeat(1, 3)) == [1, 1, 1]


def test_internal_use_of_an_operator_is_refused_only_on_request():
    batch, matrix = torch.randn(2, 3, 4), torch.randn(4, 5)
    with forbid("expand", why="no").hold():
        batch @ matrix
    with pytest.raises(Diagnosed), forbid(why="no", aten=("mm", "bmm")).hold():
        batch @ matrix


def test_a_rule_is_lifted_after_an_exception():
    with pytest.raises(ZeroDivisionError), RULES.hold():
        1 / 0  # noqa: B018
    X.expand(4, 3)
