"""The known mistakes of E4, first part: the probe."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    FIELDS,
    Two,
    hooks_of,
    identity_layer,
    kept_memory,
    mlp,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes, same

probe = Probes()


def watched(a: Any, *batches: Tensor, backward: bool = False) -> Any:
    """The statistics of one layer that passes on what it gets."""
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        for batch in batches:
            y = layer(batch)
            if backward:
                y.sum().backward()
    return found.stats[""]


def first() -> Tensor:
    return torch.tensor([[0.0], [2.0]])


def second() -> Tensor:
    return torch.tensor([[10.0], [10.0], [13.0]])


@probe("enter-returns-nothing")
def enter(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.ActivationProbe(identity_layer()).__enter__())
    if attempt.error is None and attempt.value is None:
        return "`with ActivationProbe(model) as probe` makes probe None: `__enter__` must return self"
    attempt = t.attempt(lambda: a.ActivationProbe(identity_layer()))
    if attempt.error is None and hooks_of_new(a):
        return (
            "the hooks hang on the model as soon as the probe is made; they belong between `with` and its end"
        )
    return None


def hooks_of_new(a: Any) -> int:
    layer = identity_layer()
    kept = a.ActivationProbe(layer)
    return hooks_of(layer) if kept else 0


@probe("hooks-left-behind")
def left_behind(a: Any, t: Trial) -> str | None:
    model = mlp(3, 4)
    with a.ActivationProbe(model):
        model(torch.ones(2, 4))
    if hooks_of(model):
        return (
            f"the model has {hooks_of(model)} hooks after `__exit__`: keep the handles that "
            "`register_forward_hook` returns, and call "
            "`handle.remove()` for each"
        )
    return None


@probe("hooks-left-after-an-exception")
def after_exception(a: Any, t: Trial) -> str | None:
    model = mlp(2, 4)

    def fails() -> None:
        with a.ActivationProbe(model):
            model(torch.ones(2, 4))
            raise KeyError("the body went wrong")

    attempt = t.attempt(fails)
    if hooks_of(model):
        return (
            f"after an exception inside the `with` the model has {hooks_of(model)} hooks: remove them in "
            "every case"
        )
    if attempt.error is None:
        return "an exception inside the `with` disappeared: `__exit__` must not return True"
    return None


@probe("other-hooks-removed")
def others_removed(a: Any, t: Trial) -> str | None:
    model = mlp(2, 4)
    model[0].register_forward_hook(lambda module, inputs, output: None)
    with a.ActivationProbe(model), a.ActivationProbe(model):
        model(torch.ones(2, 4))
    if hooks_of(model) == 0:
        return (
            "a hook that somebody else had attached is gone: remove your own handles, never clear "
            "`_forward_hooks`"
        )
    return None


@probe("changes-the-output")
def changes_output(a: Any, t: Trial) -> str | None:
    model, x = mlp(2, 4), torch.linspace(-1, 1, 8).reshape(2, 4)
    plain = model(x).detach()
    with a.ActivationProbe(model):
        attempt = t.attempt(lambda: model(x))
        watched_output = attempt.value
    if attempt.error is not None:
        return None
    if not isinstance(watched_output, Tensor) or not same(watched_output, plain):
        return (
            "under the probe the model computes something else: what a forward hook returns replaces "
            "the output; return nothing"
        )
    if not watched_output.requires_grad:
        return (
            "under the probe the model's output has no gradient any more: the probe detached it, or the "
            "forward ran under no_grad"
        )
    return None


@probe("changes-the-gradient")
def changes_gradient(a: Any, t: Trial) -> str | None:
    model, x = mlp(2, 4), torch.linspace(-1, 1, 8).reshape(2, 4)
    model(x).sum().backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with a.ActivationProbe(model):
        model(x).sum().backward()
    if any(p.grad is None or not same(p.grad, g) for p, g in zip(model.parameters(), plain, strict=True)):
        return (
            "under the probe the gradients are different: what a tensor hook returns replaces the "
            "gradient; return nothing"
        )
    return None


@probe("crashes-without-gradients")
def no_grad_crash(a: Any, t: Trial) -> str | None:
    def run() -> None:
        with torch.no_grad():
            watched(a, first())

    attempt = t.attempt(run)
    if attempt.raised(RuntimeError):
        return (
            f"under torch.no_grad() the probe raised “{attempt.error}”: register a tensor hook only if "
            "`output.requires_grad`"
        )
    return None


@probe("sample-deviation")
def sample(a: Any, t: Trial) -> str | None:
    if same(watched(a, first()).std, 2**0.5, rtol=1e-4):
        return (
            "the deviation of [0, 2] came out as 1.414, expected 1: divide by the number of elements, "
            "not by one less (`correction=0`)"
        )
    if same(watched(a, first() * 3).std, 9.0, rtol=1e-4):
        return "the deviation of [0, 6] came out as 9, which is the variance; std is its root, 3"
    return None


@probe("last-batch-only")
def last_only(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    if stats.n == 3 or same(stats.mean, 11.0, rtol=1e-5):
        return (
            "after batches [0, 2] and [10, 10, 13] the numbers are those of the last batch alone: merge "
            "it into what was there"
        )
    if stats.n == 2:
        return (
            "after two batches of 2 and 3 elements n is 2: `n` counts elements, not batches; and the "
            "first batch is not the last"
        )
    if stats.n == 10 or stats.n == 1:
        return f"after batches of 2 and 3 elements n is {stats.n}, expected 5: the number of elements seen"
    return None


@probe("averages-the-batches-means")
def mean_of_means(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    if same(stats.mean, 6.0, rtol=1e-4):
        return (
            "batches [0, 2] and [10, 10, 13]: mean is 6, the mean of the two means 1 and 11; the "
            "mean of all five numbers is 7. Weigh each batch "
            "by its number of elements"
        )
    return None


@probe("averages-the-batches-deviations")
def mean_of_stds(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second())
    averages = (
        1.2071,
        (1.0 * 2 + 1.41421 * 3) / 5,
        ((1.0 + 2.0) / 2) ** 0.5,
        ((1.0 * 2 + 2.0 * 3) / 5) ** 0.5,
    )
    if any(same(float(stats.std), value, rtol=1e-3) for value in averages):
        return (
            f"batches [0, 2] and [10, 10, 13]: std is {float(stats.std):.3f}, an average of the two "
            "batches' deviations; of all five numbers it is "
            "5.060. The std of two batches is not the mean of their stds: merge means and M2, with "
            "δ² nₐ n_b / n for the distance between them"
        )
    return None


@probe("deviation-lost-at-an-offset")
def offset(a: Any, t: Trial) -> str | None:
    x = (1e4 + t.randn(1000, 1)).float()
    found, expected = float(watched(a, x, x + 1).std), float(torch.cat([x, x + 1]).double().std(correction=0))
    if not abs(found - expected) <= 2e-3 * expected:
        return (
            f"around 10,000 with a deviation of {expected:.4f} std came out as {found:.4f}: in "
            "float32, E[x²] − E[x]² loses it. Convert to float64, "
            "and subtract the mean first"
        )
    return None


@probe("one-nan-spoils-all")
def one_nan(a: Any, t: Trial) -> str | None:
    stats = watched(a, torch.tensor([[0.0], [2.0], [torch.nan], [torch.inf]]))
    if not same(float(stats.mean), 1.0) or not same(float(stats.std), 1.0):
        return (
            f"[0, 2, nan, inf]: mean and std are {float(stats.mean):g} and {float(stats.std):g}, "
            "expected 1 and 1: they are over the finite elements, "
            "the others are counted by frac_nonfinite"
        )
    if not same(float(stats.frac_nonfinite), 0.5) or not same(float(stats.frac_zero), 0.25) or stats.n != 4:
        return (
            f"[0, 2, nan, inf]: n {stats.n}, frac_zero {float(stats.frac_zero):g}, frac_nonfinite "
            f"{float(stats.frac_nonfinite):g}; expected 4, 0.25 and 0.5: all are "
            "shares of *all* elements"
        )
    return None


@probe("statistics-are-no-numbers")
def no_numbers(a: Any, t: Trial) -> str | None:
    stats = watched(a, first(), second(), backward=True)
    for field in FIELDS:
        value = getattr(stats, field)
        if isinstance(value, Tensor):
            what = (
                "with a graph that keeps every activation alive"
                if value.requires_grad
                else "expected a Python number"
            )
            return f"`{field}` is a tensor, {what}: take `.item()` of a detached value"
    return None


@probe("keeps-activations")
def keeps(a: Any, t: Trial) -> str | None:
    model, x = mlp(4, 64), torch.ones(256, 64)
    references: list[Any] = []

    def refer(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        references.append(weakref.ref(output))

    for layer in model:
        layer.register_forward_hook(refer)
    with torch.no_grad(), a.ActivationProbe(model) as held:
        model(x)
        gc.collect()
        alive = [2 * (i // 2) for i, reference in enumerate(references) if reference() is not None]
        if alive:
            return (
                f"after the forward pass the activation of layer {alive[0]} is still alive: somebody "
                "holds the output tensor. Take the numbers you "
                "need and let it go"
            )
        elements, grown = kept_memory(lambda: [model(x) for _ in range(6)])
    if elements > 5_000 or grown > 300_000:
        return (
            f"six more forward passes left {elements:,} elements of tensors and {grown // 1000:,} kB "
            "of other memory behind (one activation is 16,384 "
            "elements): a detached or copied activation still takes its place. Keep numbers only"
        )
    del held
    return None


@probe("gradient-norm")
def gradient_norm(a: Any, t: Trial) -> str | None:
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        y = layer(torch.ones(4, 1))
        before = t.attempt(lambda: found.stats[""].grad_norm)
        (y * torch.tensor([[3.0], [0.0], [0.0], [4.0]])).sum().backward()
        one = float(found.stats[""].grad_norm)
        (layer(torch.ones(1, 1)) * 12.0).sum().backward()
        two = float(found.stats[""].grad_norm)
    if before.raised(AttributeError, TypeError) or (before.error is None and before.value != 0.0):
        return "before any backward pass grad_norm should be 0.0"
    if abs(one - 7.0) < 1e-6:
        return (
            "the gradients of the output are [3, 0, 0, 4]: you report 7, the sum of their absolute "
            "values, or the gradient of the weight; the norm of "
            "the *output's* gradient is 5"
        )
    if abs(one - 25.0) < 1e-6:
        return (
            "the gradients of the output are [3, 0, 0, 4]: you report 25, the sum of squares; grad_norm "
            "is its root, 5"
        )
    if one == 0.0:
        return (
            "after a backward pass grad_norm is still 0: `output.register_hook(f)` calls f with the "
            "output's gradient"
        )
    if abs(one - 5.0) < 1e-6 and abs(two - 13.0) > 1e-6:
        return (
            f"gradients [3, 0, 0, 4], then in a second pass [12]: grad_norm is {two:g}, expected "
            "√(5² + 12²) = 13: it is the root of the sum of squares over "
            "all passes"
        )
    return None


@probe("second-call-forgotten")
def second_call(a: Any, t: Trial) -> str | None:
    model, x = Two(3), torch.ones(5, 3)
    with a.ActivationProbe(model) as found:
        model(x)
    if "unused" in found.stats:
        return "the layer `unused` never ran and has an entry in stats: make an entry when a layer runs"
    if sorted(found.stats) != ["inner.0", "twice"]:
        return (
            f"the names in stats are {sorted(found.stats)}, expected the full paths ['inner.0', 'twice'] "
            "from named_modules()"
        )
    if found.stats["twice"].n == 15:
        return (
            "the layer `twice` runs twice in a forward pass, 30 elements in all; n is 15: one of the "
            "calls is lost"
        )
    return None


@probe("tuple-outputs")
def tuples(a: Any, t: Trial) -> str | None:
    model = nn.LSTM(2, 3, batch_first=True)

    def run() -> Any:
        with a.ActivationProbe(model, (nn.LSTM,)) as found:
            model(torch.ones(2, 4, 2))
        return found.stats

    attempt = t.attempt(run)
    if attempt.raised(AttributeError, TypeError):
        return (
            f"an LSTM, whose output is a tuple (output, (h, c)), raised “{attempt.error}”: an output may "
            "be a tuple with tuples in it"
        )
    if attempt.error is None and "" in attempt.value and attempt.value[""].n == 24:
        return (
            "an LSTM's output is (output, (h, c)): you count its first tensor alone; all floating point "
            "tensors in it count"
        )
    return None


@probe("counts-after-the-end")
def after_end(a: Any, t: Trial) -> str | None:
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        y = layer(torch.ones(4, 1))
    y.sum().backward()
    if float(found.stats[""].grad_norm) != 0.0:
        return (
            "a backward pass after the end of the `with` was counted: tensor hooks outlive it. Remember "
            "in `__exit__` that the probe is closed"
        )
    return None
