"""What E3's check lets two ranks do with the learner's `MiniDDP`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import (
    Me,
    Message,
    Outcome,
    on_ranks,
)

ROWS = 6
Named = dict[str, Tensor | None]


def network() -> nn.Sequential:
    torch.manual_seed(5)
    layers = [nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)]
    return nn.Sequential(*layers).double()


def shards(me: Me, key: int = 0) -> list[Tensor]:
    return me.randn(ROWS, 4, key=key)


def gradients(module: nn.Module) -> Named:
    return {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}


def union_gradients(
    model: nn.Module, parts: list[Tensor], loss: Callable[[Tensor], Tensor], *more: Any
) -> Named:
    """Of one process that sees the rows of all ranks."""
    single = copy.deepcopy(model)
    single.zero_grad()
    loss(single(torch.cat(parts), *more)).backward()
    return gradients(single)


def mean_square(y: Tensor) -> Tensor:
    return y.square().mean()


def reductions(messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.call.startswith(("allreduce", "reduce"))]


# ---- the plain cases ------------------------------------------------------------------------------------


class Unusual(nn.Module):
    """Frozen and trained parameters, buffers of two dtypes, a forward with a keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.linear.bias.requires_grad_(False)
        self.register_buffer("table", torch.zeros(2, 2))

    def forward(self, x: Tensor, *, scale: float = 1.0) -> tuple[Tensor, float]:
        return self.norm(self.linear(x)) * scale, scale


def start(a: Any, me: Me) -> Any:
    """Ranks begin with different numbers everywhere; afterwards they have rank 0's."""
    torch.manual_seed(100 + me.rank)
    module = Unusual()
    for tensor in [*module.parameters(), *module.buffers()]:
        value = torch.rand(tensor.shape) * 10 + 1 if tensor.is_floating_point() else torch.tensor(7 + me.rank)
        tensor.data.copy_(value)
    places = [tensor.data_ptr() for tensor in module.state_dict().values()]
    ddp = a.MiniDDP(module)
    module.eval()
    x = torch.ones(2, 3)
    direct = module(x, scale=3.0)
    found = ddp(x, scale=3.0)
    return {
        "state": {name: tensor.clone() for name, tensor in module.state_dict().items()},
        "same_places": places == [tensor.data_ptr() for tensor in module.state_dict().values()],
        "module": getattr(ddp, "module", None) is module,
        "forward": isinstance(found, tuple) and bool(torch.equal(found[0], direct[0])) and found[1] == 3.0,
        "trainable": [p.requires_grad for p in module.parameters()],
    }


def union(a: Any, me: Me) -> Any:
    model, parts = network(), shards(me)
    alone = union_gradients(model, [parts[me.rank]], mean_square)
    expected = union_gradients(model, parts, mean_square)
    ddp = a.MiniDDP(model)
    mean_square(ddp(parts[me.rank])).backward()
    ddp.finish()
    return {"found": gradients(model), "expected": expected, "alone": alone}


def steps(a: Any, me: Me) -> Any:
    """Three optimizer steps: nothing of one pass may be left over in the next."""
    model, single = network(), network()
    ddp = a.MiniDDP(model, bucket_bytes=300)
    for step in range(3):
        parts = shards(me, 10 + step)
        for net, rows in ((ddp, parts[me.rank]), (single, torch.cat(parts))):
            net.zero_grad(set_to_none=step != 1)
            mean_square(net(rows)).backward()
        ddp.finish()
        for p in [*model.parameters(), *single.parameters()]:
            if p.grad is not None:
                p.data -= 0.5 * p.grad
    return dict(model.state_dict()), dict(single.state_dict())


def overlap(a: Any, me: Me) -> Any:
    """The order of events in one backward pass: all-reduces, waits, the first layer's gradient, the end."""
    model = network()
    ddp = a.MiniDDP(model, bucket_bytes=120)
    me.messages.clear()
    model[0].weight.register_hook(lambda grad: me.note("first layer"))
    loss = mean_square(ddp(shards(me)[me.rank]))
    me.note("begin")
    loss.backward()
    me.note("end")
    ddp.finish()
    return [m.call for m in me.messages]


class Halves(nn.Module):
    """Three parameters of half a MiB each: two of them fill a bucket of the default size."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterList(torch.ones(HALF, dtype=torch.float64) for _ in range(3))

    def forward(self, x: float) -> Tensor:
        return sum(x * p.sum() for p in self.parts)  # type: ignore[return-value]


HALF = 1 << 16
LIMITS = (1, 96, 120, 300, 1 << 20)  # 96: the last two tensors fill it exactly


def buckets(a: Any, me: Me) -> Any:
    """The sizes of the all-reduces in one pass, for several limits."""
    facts = {}
    for limit in LIMITS:
        model = network()
        ddp = a.MiniDDP(model, limit) if limit == 300 else a.MiniDDP(model, bucket_bytes=limit)
        me.messages.clear()
        mean_square(ddp(shards(me)[me.rank])).backward()
        ddp.finish()
        facts[limit] = [m.numbers for m in reductions(me.messages)]
    model = Halves()
    ddp = a.MiniDDP(model)
    me.messages.clear()
    ddp(1.0).backward()
    ddp.finish()
    facts["default"] = [m.numbers for m in reductions(me.messages)]
    return facts


def twice(a: Any, me: Me) -> Any:
    """Two backward passes without clearing: the means add up."""
    model, first, second = network(), shards(me, 20), shards(me, 21)
    one = union_gradients(model, first, mean_square)
    two = union_gradients(model, second, mean_square)
    ddp = a.MiniDDP(model)
    for parts in (first, second):
        mean_square(ddp(parts[me.rank])).backward()
        ddp.finish()
    expected = {name: one[name] + two[name] for name in one}  # type: ignore[operator]
    return {"found": gradients(model), "expected": expected, "last": two}


def without_sync(a: Any, me: Me) -> Any:
    """Three passes in no_sync, one outside; then no_sync left by an exception."""
    model = network()
    parts = [shards(me, 30 + k) for k in range(4)]
    every = [union_gradients(model, part, mean_square) for part in parts]
    ddp = a.MiniDDP(model, bucket_bytes=300)
    me.messages.clear()
    with ddp.no_sync():
        for part in parts[:3]:
            mean_square(ddp(part[me.rank])).backward()
    silent = len(me.messages)
    local = gradients(model)
    mean_square(ddp(parts[3][me.rank])).backward()
    ddp.finish()
    found = gradients(model)
    ddp.zero_grad()
    try:
        with ddp.no_sync():
            raise KeyError
    except KeyError:
        pass
    me.messages.clear()
    mean_square(ddp(parts[0][me.rank])).backward()
    ddp.finish()
    after = gradients(model)
    me.messages.clear()
    with ddp.no_sync():
        with ddp.no_sync():
            pass
        mean_square(ddp(parts[0][me.rank])).backward()
    expected = {name: sum(one[name] for one in every) for name in every[0]}  # type: ignore[misc]
    return {
        "silent": silent, "found": found, "expected": expected, "last": every[3],
        "after": after, "after_expected": every[0], "local": local, "nested": len(me.messages),
    }  # fmt: skip


def quiet(a: Any, me: Me) -> Any:
    """Messages of a forward in eval mode, of a second finish, of a finish with nothing to do."""
    counts = {}
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    ddp = a.MiniDDP(model)
    me.messages.clear()
    ddp.finish()
    counts["finish with nothing to do"] = len(me.messages)
    ddp.eval()
    with torch.no_grad():
        ddp(shards(me)[me.rank])
    counts["forward in eval mode"] = len(me.messages) - sum(counts.values())
    ddp.train()
    mean_square(ddp(shards(me)[me.rank])).backward()
    ddp.finish()
    me.messages.clear()
    before = gradients(model)
    ddp.finish()
    same = all(
        before[n] is g is None or (g is not None and before[n] is not None and torch.equal(before[n], g))  # type: ignore[arg-type]
        for n, g in gradients(model).items()
    )
    return {**counts, "a second finish": len(me.messages)}, same


# ---- less plain ones --------------------------------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.frozen = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(torch.tanh(self.second(torch.tanh(self.first(x)))))


def tied(a: Any, me: Me) -> Any:
    torch.manual_seed(8)
    model, parts = Tied().double(), shards(me, 40)
    expected = union_gradients(model, parts, mean_square)
    ddp = a.MiniDDP(model, bucket_bytes=1)
    me.messages.clear()
    mean_square(ddp(parts[me.rank])).backward()
    ddp.finish()
    return {"found": gradients(model), "expected": expected, "calls": len(reductions(me.messages))}


def dtypes(a: Any, me: Me) -> Any:
    """A bfloat16 network, and one of two dtypes."""
    facts = {}
    parts = shards(me, 50)
    for name, kinds in (("bfloat16", (torch.bfloat16,) * 2), ("two dtypes", (torch.float32, torch.float64))):
        torch.manual_seed(9)
        model = nn.ModuleList(
            [nn.Linear(4, 4).to(kinds[0]), nn.Linear(4, 2).to(kinds[1]), nn.Linear(2, 2).to(kinds[0])]
        )

        class Chain(nn.Module):
            def __init__(self, layers: nn.ModuleList) -> None:
                super().__init__()
                self.layers = layers

            def forward(self, x: Tensor) -> Tensor:
                for layer in self.layers:
                    x = layer(x.to(layer.weight.dtype))
                return x.double()

        chain = Chain(model)
        expected = union_gradients(chain, parts, mean_square)
        ddp = a.MiniDDP(chain)
        me.messages.clear()
        mean_square(ddp(parts[me.rank])).backward()
        ddp.finish()
        facts[name] = gradients(chain), expected, len(reductions(me.messages))
    return facts


class Branches(nn.Module):
    """Uses a subset of its layers, in the order that is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: Tensor, order: list[int]) -> Tensor:
        for i in order:
            x = torch.tanh(self.layers[i](x))
        return x


def branch_case(a: Any, me: Me, orders: list[list[int]], key: int) -> Any:
    torch.manual_seed(11)
    model, parts = Branches().double(), shards(me, key)
    expected: Named = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for part, order in zip(parts, orders, strict=True):
        single = copy.deepcopy(model)
        mean_square(single(part, order)).backward()
        for name, grad in gradients(single).items():
            if grad is not None:
                expected[name] = expected[name] + grad / me.world  # type: ignore[operator]
    ddp = a.MiniDDP(model, bucket_bytes=160)  # one layer is one bucket
    mean_square(ddp(parts[me.rank], orders[me.rank])).backward()
    ddp.finish()
    return gradients(model), expected


def unused(a: Any, me: Me) -> Any:
    """Layer 2 is used on rank 0 alone, layer 3 by nobody."""
    return branch_case(a, me, [[0, 1, 2], [0, 1]], 60)


def orders(a: Any, me: Me) -> Any:
    """The same layers in different orders: gradients come in different orders."""
    return branch_case(a, me, [[0, 1, 2, 3], [3, 1, 0, 2]], 61)


def held(a: Any, me: Me) -> Any:
    """Layer 2 is used within `no_sync` alone: what its gradients hold is averaged all the same."""
    torch.manual_seed(12)
    model, orders = Branches().double(), ([0, 1, 2], [0, 1])
    passes = [shards(me, 62), shards(me, 63)]
    expected: Named = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for parts, order in zip(passes, orders, strict=True):
        for name, grad in union_gradients(model, parts, mean_square, order).items():
            if grad is not None:
                expected[name] = expected[name] + grad  # type: ignore[operator]
    ddp = a.MiniDDP(model, bucket_bytes=160)
    with ddp.no_sync():
        mean_square(ddp(passes[0][me.rank], orders[0])).backward()
    mean_square(ddp(passes[1][me.rank], orders[1])).backward()
    ddp.finish()
    return gradients(model), expected


def alone(a: Any, me: Me) -> Any:
    model = network()
    x = shards(me)[0]
    expected = union_gradients(model, [x], mean_square)
    ddp = a.MiniDDP(model)
    mean_square(ddp(x)).backward()
    ddp.finish()
    return gradients(model), expected


CASES = (
    start,
    union,
    steps,
    overlap,
    buckets,
    twice,
    without_sync,
    quiet,
    tied,
    dtypes,
    orders,
    unused,
    held,
)


def outcome(a: Any, t: Trial) -> Outcome:
    return on_ranks(a, t, ["MiniDDP"], CASES, refuse="ddp")
