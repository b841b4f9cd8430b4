"""Wrong costs for E4 beyond the lab's own misconceptions."""

from __future__ import annotations

from torch import nn

from phase1_foundations.lab5_gpu_mixed_precision.solution import Attend, Cost
from phase1_foundations.lab5_gpu_mixed_precision.solution import count_cost as sound
from tests.labs.answers import Answers

wrong = Answers()


def changed(model, x, change):
    """The sound costs, each sent through `change(leaf, cost)`."""
    leaves = dict(model.named_modules())
    return {name: change(leaves[name], cost) for name, cost in sound(model, x).items()}


@wrong.stands_for("E4", "count_cost")
def linear_with_bias(model, x):
    def change(leaf, c):
        extra = c.bytes_written // 4 if isinstance(leaf, nn.Linear) and leaf.bias is not None else 0
        return Cost(c.flops + extra, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def parameters_times_two(model, x):
    def change(leaf, c):
        return Cost(2 * sum(p.numel() for p in leaf.parameters()), c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def activations_free(model, x):
    def change(leaf, c):
        known = isinstance(leaf, nn.Linear | nn.Conv2d | Attend)
        return Cost(c.flops if known else 0, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def norms_cost_five(model, x):
    def change(leaf, c):
        return Cost(c.flops * (5 if isinstance(leaf, nn.LayerNorm) else 1), c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def attention_is_elementwise(model, x):
    def change(leaf, c):
        flops = c.bytes_written // 4 if isinstance(leaf, Attend) else c.flops
        return Cost(flops, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def half_of_attention(model, x):
    def change(leaf, c):
        return Cost(c.flops // 2 if isinstance(leaf, Attend) else c.flops, c.bytes_read, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def elements_not_bytes(model, x):
    return changed(model, x, lambda leaf, c: Cost(c.flops, c.bytes_read // 4, c.bytes_written // 4))


@wrong.stands_for("E4", "count_cost")
def weights_not_read(model, x):
    def change(leaf, c):
        own = sum(p.numel() * p.element_size() for p in leaf.parameters())
        return Cost(c.flops, c.bytes_read - own, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def with_buffers(model, x):
    def change(leaf, c):
        own = sum(b.numel() * b.element_size() for b in leaf.buffers())
        return Cost(c.flops, c.bytes_read + own, c.bytes_written)

    return changed(model, x, change)


@wrong.stands_for("E4", "count_cost")
def output_read_too(model, x):
    return changed(model, x, lambda leaf, c: Cost(c.flops, c.bytes_read + c.bytes_written, c.bytes_written))


@wrong.stands_for("E4", "count_cost")
def class_names(model, x):
    leaves = dict(model.named_modules())
    return {type(leaves[name]).__name__: cost for name, cost in sound(model, x).items()}


@wrong.stands_for("E4", "count_cost")
def root_is_called_root(model, x):
    return {name or "root": cost for name, cost in sound(model, x).items()}


@wrong.stands_for("E4", "count_cost")
def containers_too(model, x):
    costs = sound(model, x)
    total = Cost(
        sum(c.flops for c in costs.values()),
        sum(c.bytes_read for c in costs.values()),
        sum(c.bytes_written for c in costs.values()),
    )
    return {**costs, "": total}


@wrong.stands_for("E4", "count_cost")
def plain_tuples(model, x):
    return {name: (c.flops, c.bytes_read, c.bytes_written) for name, c in sound(model, x).items()}


@wrong.stands_for("E4", "count_cost")
def everything_listed(model, x):
    costs = sound(model, x)
    return {
        name: costs.get(name, Cost(0, 0, 0))
        for name, module in model.named_modules()
        if not list(module.children())
    }


@wrong.stands_for("E4", "count_cost")
def ends_in_eval(model, x):
    costs = sound(model, x)
    model.eval()
    return costs


@wrong.stands_for("E4", "count_cost")
def counts_in_training_mode(model, x):
    modes = [(m, m.training) for m in model.modules()]
    costs = sound(model, x)
    model.train()
    model(x if len(x) > 1 else x.repeat(2, *[1] * (x.dim() - 1)))
    for m, training in modes:
        m.training = training
    return costs


@wrong.stands_for("E4", "count_cost")
def runs_twice(model, x):
    sound(model, x)
    return sound(model, x)


@wrong.stands_for("E4", "count_cost")
def forgets_its_hooks(model, x):
    costs = sound(model, x)
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, i, o: None)
    return costs


@wrong.stands_for("E4", "count_cost")
def input_size_of_convolutions(model, x):
    shapes = {}
    handles = [
        m.register_forward_hook(lambda m, i, o, n=n: shapes.__setitem__(n, (i[0].shape, o.shape)))
        for n, m in model.named_modules()
        if isinstance(m, nn.Conv2d)
    ]
    costs = sound(model, x)
    for handle in handles:
        handle.remove()
    for name, (before, after) in shapes.items():
        c = costs[name]
        size = c.flops * before[2] * before[3] // max(after[2] * after[3], 1)
        costs[name] = Cost(size, c.bytes_read, c.bytes_written)
    return costs
