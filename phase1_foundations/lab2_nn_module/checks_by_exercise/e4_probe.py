"""E4: a probe for activations, and LSUV. What must hold; the known mistakes stand in `e4_mistakes`."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Exercise, Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise import (
    e4_mistakes,
    e4_mistakes_lsuv,
    e4_mistakes_statistics,
    e4_mistakes_unusual,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.e4_watch import (
    FIELDS,
    Reversed,
    Two,
    both,
    deviations,
    hooks_of,
    identity_layer,
    kept_memory,
    mlp,
    only_what_is_new,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures_deep import heat_map

e4 = Exercise(
    "E4",
    takes={"ActivationProbe": None, "lsuv_init_": dict},
    hints=(
        "`register_forward_hook` returns a handle; collect the handles when the `with` begins and remove "
        "them at its end. The hook turns a tensor into a few numbers at once, and forgets the tensor.",
        "Merging nₐ, meanₐ, M2ₐ with a new batch (Chan): δ = mean_b − meanₐ, n = nₐ + n_b, mean = "
        "meanₐ + δ·n_b/n, M2 = M2ₐ + M2_b + δ²·nₐ·n_b/n; std = √(M2/n). "
        "LSUV: for each layer in execution order, forward, divide the weight by the measured std, again.",
        "In the hook: `v = output.detach(); v = v[v.isfinite()].double()`, count, mean, `((v - mean) ** "
        "2).sum()`, merge. `if output.requires_grad: output.register_hook(g)` where g adds "
        "`float(grad.double().square().sum())` while the probe is open. LSUV: one forward pass with hooks "
        "gives the order; then `for layer in order: for _ in range(max_iter): std = measure(layer); if "
        "abs(std / target_std - 1) <= tol: break; layer.weight.mul_(target_std / std)`.",
    ),
)
for mistakes in (e4_mistakes_unusual, e4_mistakes, e4_mistakes_statistics, e4_mistakes_lsuv):
    mistakes.probe.add_to(e4)
e4_mistakes_unusual.late.add_to(e4)


def digits_model(t: Trial) -> nn.Sequential:
    """A small convolutional net; `t` seeds its weights."""
    torch.manual_seed(t.random.getrandbits(31))
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5), nn.Dropout(0.5), nn.Linear(5, 2)
    )


@e4.property("statistics of many batches, forward and backward", points=5)
def statistics(a: Any, t: Trial) -> None:
    models: list[tuple[str, nn.Module, tuple[int, ...]]] = [
        ("one linear layer", nn.Linear(2, 3), (2,)),
        ("three linear layers with relu", mlp(3, 5), (5,)),
        ("convolutions and linear layers", digits_model(t), (1, 8, 8)),
        ("one layer used twice, one never", Two(4), (4,)),
    ]
    for what, model, shape in models:
        batches = [t.randn(size, *shape).float() for size in (1, 4, 2, 7)]
        model.eval()

        def run(model: nn.Module = model, batches: list[Tensor] = batches) -> None:
            for i, x in enumerate(batches):
                y = model(x)
                if i:
                    y.square().sum().backward()

        t.given(f"{what}: four batches forward, three of them backward")
        both(a, t, model, run)
        model.zero_grad()
    layer = identity_layer()
    values = (1e4 + t.randn(300, 1)).float()
    t.given("one layer that passes on numbers around 10,000 with deviation 1")
    both(a, t, layer, lambda: [layer(part) for part in values.split(70)])
    t.given("numbers near 0 and exactly 0")
    both(a, t, layer, lambda: layer(torch.tensor([[0.0], [1e-30], [-1e-9], [1e-6]])))
    t.given("a gradient of 1e25")
    both(a, t, layer, lambda: (layer(torch.ones(2, 1)) * 1e25).sum().backward())
    layer.zero_grad()
    odd = t.randn(12, 1).float()
    odd[2], odd[5], odd[7], odd[8] = 0.0, torch.nan, torch.inf, -torch.inf
    t.given("numbers among which are 0, nan, inf and −inf")
    both(a, t, layer, lambda: [layer(part) for part in odd.split(5)])
    t.given("nothing but nan")
    both(a, t, layer, lambda: layer(torch.full((3, 1), torch.nan)))
    t.given("a chunk of nan first, then numbers")
    both(a, t, layer, lambda: [layer(torch.full((3, 1), torch.nan)), layer(odd[:2])])


@e4.property("types, tuples, no_grad, the model itself", points=2)
def kinds(a: Any, t: Trial) -> None:
    class Nested(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x, [x * 2, (x.long(), None)], "text"

    x = t.randn(3, 2).float()
    lstm, nested = nn.LSTM(2, 3), nn.Sequential(Nested())
    t.given("an LSTM, output (output, (h, c))")
    both(a, t, lstm, lambda: lstm(x)[0].sum().backward(), (nn.LSTM,))
    t.given("a module whose output is (x, [2x, (integers, None)], 'text')")
    both(a, t, nested, lambda: nested(x), (Nested,))
    model = mlp(2, 2)
    pictures = digits_model(t)
    t.given("without types, a convolution and linear layers")
    with a.ActivationProbe(pictures) as found:
        pictures(t.randn(1, 1, 8, 8).float())
    t.equal(sorted(found.stats), ["0", "3", "5"], "the names in probe.stats")
    t.given("types=(nn.ReLU, nn.Sequential)")
    both(a, t, model, lambda: model(x), (nn.ReLU, nn.Sequential))
    t.given("under torch.no_grad()")
    with torch.no_grad():
        both(a, t, model, lambda: model(x))
    model.eval()
    with a.ActivationProbe(model) as found:
        t.that(
            not any(module.training for module in model.modules()),
            "the probe has switched the model to training mode",
        )
    t.equal(dict(found.stats), {}, "the statistics of a model that never ran")


@e4.property("hooks come and go, nothing of the model changes", points=3)
def hooks(a: Any, t: Trial) -> None:
    torch.manual_seed(t.seed % 1000)
    model, x = mlp(3, 4), t.randn(5, 4).float()
    calls: list[int] = []
    model[2].register_forward_hook(lambda module, inputs, output: calls.append(1))
    model(x).sum().backward()
    plain, gradients = model(x).detach(), [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    t.given("a model with one hook of somebody else's")
    with a.ActivationProbe(model) as outer:
        y = model(x)
        y.sum().backward()
        with a.ActivationProbe(model, (nn.ReLU,)) as inner:
            model(x)
        t.that(hooks_of(model) >= 1 + 3, "after the inner probe the outer one's hooks are gone")
        model(x)
    t.equal(y.detach(), plain, "the output under the probe")
    t.equal([p.grad for p in model.parameters()], gradients, "the gradients under the probe")
    t.equal(hooks_of(model), 1, "hooks on the model afterwards")
    t.equal(
        (outer.stats["0"].n, inner.stats["1"].n),
        (60, 20),
        "n of the outer probe (3 forwards) and of the inner one (1)",
    )
    before = {name: [getattr(s, field) for field in FIELDS] for name, s in outer.stats.items()}
    model(x).sum().backward()
    y_open = None
    with a.ActivationProbe(model) as late:
        y_open = model(x)
    y_open.sum().backward()
    t.equal(late.stats["0"].grad_norm, 0.0, "grad_norm after a backward that came after the end")
    t.equal(
        {name: [getattr(s, field) for field in FIELDS] for name, s in outer.stats.items()},
        before,
        "the statistics after the end",
    )

    class Wrong(Exception):
        pass

    def fails() -> None:
        with a.ActivationProbe(model):
            raise Wrong

    t.raises(Wrong, fails, "an exception inside the `with`")
    t.equal(hooks_of(model), 1, "hooks on the model after an exception")


@e4.property("a hundred layers in O(1) memory", points=3)
def memory(a: Any, t: Trial) -> None:
    model, x = mlp(100, 32), t.randn(128, 32).float()
    alive: list[Any] = []
    model[50].register_forward_hook(lambda module, inputs, output: alive.append(weakref.ref(output)))
    t.given("a hundred linear layers of width 32, batches of 128")
    with a.ActivationProbe(model) as found:
        for gradients in (False, True):
            alive.clear()
            with only_what_is_new(), torch.set_grad_enabled(gradients):
                model(x)
                gc.collect()
            t.that(alive[0]() is None, "after the forward pass an activation is still alive")
        with torch.no_grad():
            tensors, grown = kept_memory(lambda: [model(x) for _ in range(4)])
        t.that(
            tensors < 80_000,
            f"four more passes left {tensors:,} bytes of tensors alive; a pass makes 1,638,400 bytes "
            "of activations",
        )
        t.that(grown < 400_000, f"four more passes left {grown:,} bytes of Python objects or arrays behind")
        loss = F.mse_loss(model(x), x)
        loss.backward()
    t.equal(len(found.stats), 100, "the number of entries")
    t.equal(found.stats["198"].n, 7 * 128 * 32, "n of the last layer after seven passes")


def lsuv_holds(t: Trial, a: Any, model: nn.Module, x: Tensor, what: str, **how: Any) -> None:
    t.given(what)
    wanted, tolerance = how.get("target_std", 1.0), how.get("tol", 0.02)
    biases = {name: p.detach().clone() for name, p in model.named_parameters() if name.endswith("bias")}
    modes, hooked, copy = [m.training for m in model.modules()], hooks_of(model), x.clone()
    result = a.lsuv_init_(model, x, **how)
    found = deviations(model, x)
    t.equal(list(result), list(found), "the layers in the result, in the order of execution")
    for name, std in found.items():
        t.that(
            abs(std / wanted - 1) <= tolerance + 1e-3,
            f"layer {name}: std {std:.4f}, expected {wanted:g} to within {tolerance:.0%}",
        )
        t.that(
            isinstance(result[name], float),
            f"the result for {name} is a {type(result[name]).__name__}, expected a float",
        )
        t.equal(result[name], std, f"the result for {name}", rtol=1e-3)
        weight = model.get_submodule(name).weight.detach().flatten(1).double()
        gram = weight @ weight.T if len(weight) <= weight.shape[1] else weight.T @ weight
        t.equal(
            gram / gram.diagonal().mean(),
            torch.eye(len(gram)).double(),
            f"layer {name}: W Wᵀ, divided by its diagonal",
            atol=1e-4,
            rtol=0,
        )
    for name, bias in biases.items():
        t.equal(model.get_parameter(name).detach(), bias, f"{name} afterwards")
    t.equal([m.training for m in model.modules()], modes, "the modes of the modules afterwards")
    t.equal(hooks_of(model), hooked, "hooks on the model afterwards")
    t.that(
        all(p.grad is None and p.requires_grad and p.is_leaf for p in model.parameters()),
        "a parameter has a gradient or a history",
    )
    t.equal(x, copy, "x afterwards")


@e4.property("LSUV: every layer has the target deviation", points=5)
def lsuv(a: Any, t: Trial) -> None:
    torch.manual_seed(t.seed % 1000)
    lsuv_holds(t, a, nn.Linear(4, 6), t.randn(32, 4).float(), "one linear layer")
    lsuv_holds(t, a, mlp(5, 16), t.randn(64, 16).float() * 3, "five linear layers with relu")
    lsuv_holds(
        t,
        a,
        mlp(3, 16),
        t.randn(64, 16).float(),
        "target_std 0.3, tol 0.001",
        target_std=0.3,
        tol=0.001,
        max_iter=30,
    )
    lsuv_holds(t, a, digits_model(t), t.randn(16, 1, 8, 8).float(), "convolutions, linear layers, dropout")
    lsuv_holds(
        t,
        a,
        Reversed(),
        t.randn(64, 8).float(),
        "a model that registers its layers in another order than it runs them",
    )
    lsuv_holds(t, a, mlp(40, 16), t.randn(64, 16).float(), "forty layers")
    frozen = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    frozen[2].eval()
    lsuv_holds(t, a, frozen, t.randn(32, 4).float(), "a batch norm in between, one layer in evaluation mode")
    t.equal(frozen[1].num_batches_tracked, torch.tensor(0), "batches that the batch norm has seen")
    model, x = mlp(1, 16, bias=False), 4 * t.randn(64, 16).float()
    model[0].weight.requires_grad_(False)
    weight = model[0].weight
    t.given("one layer without bias, its weight frozen, max_iter=1")
    result = a.lsuv_init_(model, x, max_iter=1)
    t.equal(deviations(model, x)["0"], 1.0, "its deviation after one round", rtol=1e-3)
    t.equal(float(result["0"]), 1.0, "the result after one round", rtol=1e-3)
    t.that(model[0].weight is weight and not weight.requires_grad, "its weight is a new parameter, or thawed")
    t.given("one layer whose output is within tol=0.9 of the target")
    a.lsuv_init_(model, x / 3, tol=0.9)
    t.equal(float(weight[0].norm()), 1.0, "the length of a row of its weight", rtol=1e-3)
    with_unused = nn.ModuleDict({"used": nn.Linear(4, 4), "unused": nn.Linear(4, 4)})
    with_unused.forward = lambda x: with_unused["used"](x)  # type: ignore[method-assign]
    kept = with_unused["unused"].weight.detach().clone()
    t.given("a layer that x does not reach")
    t.equal(list(a.lsuv_init_(with_unused, t.randn(8, 4).float())), ["used"], "the layers in the result")
    t.equal(with_unused["unused"].weight.detach(), kept, "the weight of a layer that x does not reach")


@e4.property("LSUV: a constant output", points=2)
def constant(a: Any, t: Trial) -> None:
    for bias in (False, True):
        model = mlp(2, 4, bias=bias)
        if bias:
            with torch.no_grad():
                model[0].bias.fill_(0.5)
                model[2].bias.fill_(0.5)
        t.given("an input of zeros, " + ("equal biases" if bias else "no biases"))
        a.lsuv_init_(model, torch.zeros(8, 4))
        t.that(all(bool(p.isfinite().all()) for p in model.parameters()), "a weight is not finite any more")


e4.reward(heat_map)
