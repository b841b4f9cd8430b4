"""What E4's check lets three ranks do with the learner's `ShardedAdam`."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from courseware.check import Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import Me, Outcome, on_ranks

RANKS = 3
SHAPES = ((3, 4), (5,), (2, 2), ())  # 22 numbers: not divisible by 3, and cut inside of tensors
SETTINGS = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}
TOTAL = 22
TOO_MUCH = 2 * -(-TOTAL // RANKS) + TOTAL  # numbers: both moments of a part, and a whole vector beside them


class Oracle:
    """AdamW in one process, number by number from its definition."""

    def __init__(
        self, values: list[Tensor], lr: float, betas: tuple[float, float], eps: float, weight_decay: float
    ):
        self.values = [v.detach().clone() for v in values]
        self.m = [torch.zeros_like(v) for v in self.values]
        self.v = [torch.zeros_like(v) for v in self.values]
        self.steps = [0] * len(values)
        self.lr, self.betas, self.eps, self.decay = lr, betas, eps, weight_decay

    def step(self, grads: list[Tensor | None]) -> None:
        one, two = self.betas
        for i, g in enumerate(grads):
            if g is None:
                continue
            self.steps[i] += 1
            self.m[i] = one * self.m[i] + (1 - one) * g
            self.v[i] = two * self.v[i] + (1 - two) * g * g
            root = (self.v[i] / (1 - two ** self.steps[i])).sqrt() + self.eps
            update = self.m[i] / (1 - one ** self.steps[i]) / root
            self.values[i] = self.values[i] * (1 - self.lr * self.decay) - self.lr * update


def parameters(me: Me, dtype: torch.dtype = torch.float64, shapes: Any = SHAPES) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(me.seed + 17)
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes]


def grads_of(me: Me, step: int, params: list[nn.Parameter], world: int | None = None) -> list[list[Tensor]]:
    """[rank][parameter]: every rank its own gradients."""
    generator = torch.Generator().manual_seed(me.seed * 31 + step)
    return [
        [torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype) for p in params]
        for _ in range(world or me.world)
    ]


def mean(grads: list[list[Tensor]]) -> list[Tensor | None]:
    return [torch.stack(column).mean(dim=0) for column in zip(*grads, strict=True)]


def values(params: list[nn.Parameter]) -> list[Tensor]:
    return [p.detach().clone() for p in params]


def give(params: list[nn.Parameter], grads: list[Tensor]) -> None:
    for p, g in zip(params, grads, strict=True):
        p.grad = g.clone()


def one_step(a: Any, me: Me) -> Any:
    """One step with settings that all matter; without decay and with."""
    facts = {}
    for name, decay in (("plain", 0.0), ("again", 0.0), ("decay", 0.1)):
        settings = {**SETTINGS, "weight_decay": decay}
        params = parameters(me)
        oracle = Oracle(values(params), **settings)  # type: ignore[arg-type]
        places = [p.data_ptr() for p in params]
        optimizer = a.ShardedAdam(iter(params) if decay else params, **settings)
        grads = grads_of(me, 0, params)
        give(params, grads[me.rank])
        optimizer.step()
        oracle.step(mean(grads))
        facts[name] = {
            "found": values(params),
            "expected": oracle.values,
            "in_place": places == [p.data_ptr() for p in params],
            "before": values(parameters(me)),
            "grad": mean(grads),
            "own": grads[me.rank],
            "trainable": all(p.requires_grad and p.is_leaf for p in params),
        }
    return facts


def twenty(a: Any, me: Me) -> Any:
    """Twenty steps in float64; five in float32, and with the default settings."""
    facts = []
    for dtype in (torch.float64, torch.float32):
        for settings in (SETTINGS, {}):
            params = parameters(me, dtype)
            full = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, **settings}
            oracle = Oracle([v.double() for v in values(params)], **full)  # type: ignore[arg-type]
            optimizer = a.ShardedAdam(params, **settings)
            for step in range(20 if settings and dtype == torch.float64 else 5):
                grads = grads_of(me, step, params)
                give(params, grads[me.rank])
                optimizer.step()
                oracle.step([g.double() for g in mean(grads)])  # type: ignore[union-attr]
            facts.append((str(dtype), bool(settings), values(params), oracle.values))
    return facts


def state(a: Any, me: Me) -> Any:
    """What is kept, and what is saved after three steps."""
    params = parameters(me)
    oracle = Oracle(values(params), **SETTINGS)  # type: ignore[arg-type]
    optimizer = a.ShardedAdam(params, **SETTINGS)
    first = optimizer.state_bytes()
    for step in range(3):
        grads = grads_of(me, step, params)
        give(params, grads[me.rank])
        optimizer.step()
        oracle.step(mean(grads))
    saved = optimizer.state_dict_full()
    held = _held(optimizer, params)
    kept = {k: [x.clone() if isinstance(x, Tensor) else x for x in v] for k, v in saved.items()}
    grads = grads_of(me, 3, params)
    give(params, grads[me.rank])
    optimizer.step()
    copies = all(
        bool(torch.equal(x, y)) if isinstance(x, Tensor) else bool(np.all(x == y))
        for key in kept
        for x, y in zip(kept[key], saved[key], strict=True)
    )
    return {
        "first_bytes": first,
        "bytes": optimizer.state_bytes(),
        "state": kept,
        "expected": {"step": oracle.steps, "exp_avg": oracle.m, "exp_avg_sq": oracle.v},
        "copies": copies,
        "held": held,
    }


def _held(optimizer: Any, params: list[nn.Parameter]) -> tuple[int, int]:
    """Floating-point numbers in memory that the object keeps beside the parameters and their gradients.

    (In its largest piece of memory, in all.) A view keeps all of what it is a view of.
    """
    theirs = {t.untyped_storage().data_ptr() for p in params for t in (p, p.grad) if t is not None}
    pieces: dict[int, int] = {}
    waiting, seen = [optimizer], set()
    while waiting and len(seen) < 2000:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, type | ModuleType):
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            if value.is_floating_point() and storage.data_ptr() not in theirs:
                pieces[storage.data_ptr()] = storage.nbytes() // value.element_size()
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set):
            waiting.extend(value)
        elif isinstance(value, FunctionType):
            waiting.extend(cell.cell_contents for cell in value.__closure__ or ())
        else:
            waiting.extend(getattr(value, "__dict__", {}).values())
    return max(pieces.values(), default=0), sum(pieces.values())


def moved_between(a: Any, me: Me) -> Any:
    """A step, a step without any gradient, other values in the parameters, and one more step."""
    params = parameters(me)
    oracle = Oracle(values(params), **SETTINGS)  # type: ignore[arg-type]
    optimizer = a.ShardedAdam(params, **SETTINGS)
    for step in (0, 1, 2):
        grads = grads_of(me, step, params)
        if step == 1:
            for p in params:
                p.grad = None
            before = values(params)
            optimizer.step()
            still = all(torch.equal(x, y) for x, y in zip(before, values(params), strict=True))
            for i, p in enumerate(params):
                p.data.mul_(0.5)
                oracle.values[i] = oracle.values[i] * 0.5
        else:
            give(params, grads[me.rank])
            optimizer.step()
            oracle.step(mean(grads))
    return values(params), oracle.values, still


def skipped(a: Any, me: Me) -> Any:
    """The second parameter has no gradient in the second of four steps, the fourth never."""
    params = parameters(me)
    oracle = Oracle(values(params), **SETTINGS)  # type: ignore[arg-type]
    optimizer = a.ShardedAdam(params, **SETTINGS)
    for step in range(4):
        grads = grads_of(me, step, params)
        give(params, grads[me.rank])
        average = mean(grads)
        for i in (3, 1) if step == 1 else (3,):
            params[i].grad, average[i] = None, None
        optimizer.step()
        oracle.step(average)
    return values(params), oracle.values, values(parameters(me))


def small(a: Any, me: Me) -> Any:
    """Fewer numbers than ranks; exactly as many."""
    facts = []
    for shapes in (((2,),), ((1,),), ((1, 3),)):
        params = parameters(me, shapes=shapes)
        oracle = Oracle(values(params), **SETTINGS)  # type: ignore[arg-type]
        optimizer = a.ShardedAdam(params, **SETTINGS)
        for step in range(2):
            grads = grads_of(me, step, params)
            give(params, grads[me.rank])
            optimizer.step()
            oracle.step(mean(grads))
        facts.append(
            (shapes, values(params), oracle.values, optimizer.state_bytes(), optimizer.state_dict_full())
        )
    return facts


def half(a: Any, me: Me) -> Any:
    params = parameters(me, torch.bfloat16)
    oracle = Oracle([v.double() for v in values(params)], **SETTINGS)  # type: ignore[arg-type]
    optimizer = a.ShardedAdam(params, **SETTINGS)
    for step in range(3):
        grads = grads_of(me, step, params)
        give(params, grads[me.rank])
        optimizer.step()
        oracle.step([g.double() for g in mean(grads)])  # type: ignore[union-attr]
    return values(params), [v.to(torch.bfloat16) for v in oracle.values], optimizer.state_bytes()


def resumed(a: Any, me: Me) -> Any:
    """Three ranks make two steps and save; two of them, as a group, load and go on; then one alone."""
    params = parameters(me)
    oracle = Oracle(values(params), **SETTINGS)  # type: ignore[arg-type]
    optimizer = a.ShardedAdam(params, **SETTINGS)
    for step in range(2):
        grads = grads_of(me, step, params)
        give(params, grads[me.rank])
        if step == 0:
            params[1].grad = None
        optimizer.step()
        average = mean(grads)
        oracle.step([None if step == 0 and i == 1 else g for i, g in enumerate(average)])
    box = [optimizer.state_dict_full()]
    facts = []
    for members in ([0, 1, 2], [1, 2], [2]):
        with me.unwatched():
            dist.broadcast_object_list(box, src=0)
            group = dist.new_group(members)
        if me.rank in members:
            again = [nn.Parameter(v.clone()) for v in values(params)]
            further = Oracle(oracle.values, **SETTINGS)  # type: ignore[arg-type]
            further.m, further.v = [m.clone() for m in oracle.m], [v.clone() for v in oracle.v]
            further.steps = list(oracle.steps)
            other = a.ShardedAdam(again, **SETTINGS, group=None if len(members) == 3 else group)
            other.load_state_dict_full(box[0])
            for step in range(2, 4):
                grads = grads_of(me, step, again, len(members))
                give(again, grads[members.index(me.rank)])
                other.step()
                further.step(mean(grads))
            saved = other.state_dict_full()
            fact = (members, values(again), further.values, saved.get("step"), other.state_bytes())
            facts.append((*fact, _held(other, again)))
        with me.unwatched():
            dist.barrier()
    return facts


CASES = (one_step, twenty, state, skipped, moved_between, small, half, resumed)


def outcome(a: Any, t: Trial) -> Outcome:
    return on_ranks(a, t, ["ShardedAdam"], CASES, ranks=RANKS, refuse="optimizers")
