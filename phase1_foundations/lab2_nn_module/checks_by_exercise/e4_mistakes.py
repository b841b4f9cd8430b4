"""The known mistakes of E4, first part: the probe."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    FIELDS,
    Two,
    first,
    hooks_of,
    identity_layer,
    mlp,
    watched,
)

probe = Probes()


@probe("stats-have-another-form")
def another_form(a: Any, t: Trial) -> str | None:
    layer, words = (
        identity_layer(),
        "probe.stats maps a layer's name to an object with the attributes n, mean, std, …",
    )
    with a.ActivationProbe(layer) as found:
        layer(first())
        if found is None:
            return "`with ActivationProbe(model) as probe` makes probe None: `__enter__` must return self"
    attempt = t.attempt(lambda: dict(found.stats))
    if attempt.raised(AttributeError, TypeError, ValueError):
        return f"`probe.stats` is no dict ({attempt.error}): {words}"
    if attempt.error is None and list(attempt.value) == []:
        return (
            "after a forward pass through a model that is itself a linear layer, stats is empty: its "
            "name is ''"
        )
    if attempt.error is None and list(attempt.value) == [layer]:
        return f"the keys of `probe.stats` are modules; asked for are their names: {words}"
    stats = next(iter(attempt.value.values()))
    if isinstance(stats, dict | tuple | list) and not hasattr(stats, "mean"):
        return f"`probe.stats['']` is a {type(stats).__name__}: {words}"
    for field in FIELDS:
        if t.attempt(lambda field=field: getattr(stats, field)).raised(AttributeError):
            return f"`probe.stats['']` has no attribute {field!r}: {words}"
    return None


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
    if attempt.raised(TypeError, AttributeError):
        return (
            f"under the probe model(x) raised “{attempt.error}”: what a forward hook returns, unless "
            "None, replaces the "
            "layer's output. Return nothing"
        )
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
    if attempt.error is None and "" not in attempt.value:
        return (
            "an LSTM's output is a tuple (output, (h, c)), and it has no entry in stats: look into "
            "tuples and lists"
        )
    if attempt.error is None and attempt.value[""].n == 24:
        return (
            "an LSTM's output is (output, (h, c)): you count its first tensor alone; all floating point "
            "tensors in it count"
        )
    return None


@probe("nested-outputs")
def nested(a: Any, t: Trial) -> str | None:
    class Nested(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x, [2 * x, (x.long(), None)], "text"

    model, what = Nested(), "(x, [2x, (integers, None)], 'text')"

    def run() -> Any:
        with a.ActivationProbe(model, (Nested,)) as found:
            model(torch.ones(2, 3))
        return found.stats[""].n

    attempt = t.attempt(run)
    if attempt.raised(AttributeError, TypeError, KeyError, RuntimeError):
        return (
            f"an output {what} raised “{attempt.error}”: look for tensors in tuples and lists, and "
            "ignore the rest"
        )
    if attempt.error is None and attempt.value != 12:
        return (
            f"an output {what} with 6 numbers in x: n is {attempt.value}, expected 12, those of x "
            "and of 2x. Tuples and "
            "lists may hold more of them; integers are ignored"
        )
    return None


@probe("other-layers-are-watched")
def other_layers(a: Any, t: Trial) -> str | None:
    class Special(nn.Linear):
        """A kind of linear layer."""

    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), Special(2, 2), nn.Sequential(nn.Linear(2, 2)))
    for types, right in (
        ((nn.Linear, nn.Conv2d), ["0", "2", "3.0"]),
        ((nn.ReLU,), ["1"]),
        ((Special,), ["2"]),
    ):
        with a.ActivationProbe(model, types) as found:
            model(torch.ones(3, 2))
        names = sorted(found.stats)
        if names != right:
            words = ", ".join(kind.__name__ for kind in types)
            return (
                f"with types=({words},) the names in stats are {names}, expected {right}: every "
                "module that is an "
                "instance of one of `types`, under its full path, and no other"
            )
    with a.ActivationProbe(model, (nn.Sequential,)) as found:
        model(torch.ones(3, 2))
    if "" not in found.stats:
        return "the model itself is one of `types`, and is not watched: its name in named_modules() is ''"
    return None


@probe("changes-the-mode")
def changes_mode(a: Any, t: Trial) -> str | None:
    for training in (True, False):
        model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train(training)
        with a.ActivationProbe(model):
            inside = model.training
        if inside is not training or model.training is not training:
            return "the probe has called `model.eval()` or `model.train()`: nothing of the model changes"
    return None


@probe("counts-after-the-end")
def after_end(a: Any, t: Trial) -> str | None:
    layer = identity_layer()
    with a.ActivationProbe(layer) as found:
        y = layer(torch.ones(4, 1))
    y.sum().backward()
    if float(found.stats[""].grad_norm or 0.0) > 0.0:
        return (
            "a backward pass after the end of the `with` was counted: tensor hooks outlive it. Remember "
            "in `__exit__` that the probe is closed"
        )
    return None
