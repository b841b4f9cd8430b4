"""The known mistakes of E4 in quantisation-aware training."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.naming import family
from phase2_intermediate.lab6_model_export.checks_by_exercise.digits_net import accuracy, all_digits, trained
from phase2_intermediate.lab6_model_export.checks_by_exercise.e4_static import (
    QParams,
    Watch,
    inputs,
    little,
    params_for,
    parts,
)
from shared.nn.fold import fold_batchnorms

probe = Probes()


@lru_cache(maxsize=1)
def digit_params() -> dict[str, QParams]:
    X, _, _, _ = all_digits()
    return params_for(trained(), X[:256])


@lru_cache(maxsize=1)
def reference_ptq() -> float:
    """The share of test digits that stays right when 2-bit weights are rounded and nothing is trained."""
    _, _, X, y = all_digits()
    model = fold_batchnorms(trained())
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                size = layer.weight.abs().flatten(1).amax(dim=1)
                shape = (-1,) + (1,) * (layer.weight.ndim - 1)
                layer.weight.copy_((layer.weight / size.reshape(shape)).round() * size.reshape(shape))
    return accuracy(model, X, y)


_tuned: WeakKeyDictionary[Any, nn.Module] = WeakKeyDictionary()


def tuned(a: Any, t: Trial) -> nn.Module:
    """The learner's 2-bit digit network, trained once a check."""
    if a not in _tuned:
        X, y, _, _ = all_digits()
        _tuned[a] = a.qat_finetune(trained(), X, y, qparams=digit_params(), seed=t.seed % 1000)
    return _tuned[a]


def task(t: Trial, rows: int = 96) -> tuple[nn.Module, Tensor, Tensor, dict[str, QParams]]:
    x = inputs(t, rows)
    return little(), x, t.randint(0, 4, rows), params_for(little(), x)


def weights(model: nn.Module) -> list[Tensor]:
    """Whole-number weights of both layers, and the biases."""
    return [
        *(parts(model, name)[0] for name in ("0", "5.0")),
        *(parts(model, name)[2] for name in ("0", "5.0")),
    ]


def equal(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(left, right, strict=True))


@probe("qat-changes-the-original")
def original(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)
    state, kinds = copy.deepcopy(model.state_dict()), [type(m) for m in model.modules()]
    a.qat_finetune(model, X, y, qparams=params, epochs=1)
    if [type(m) for m in model.modules()] != kinds:
        return "the original model has lost its layers: train a copy"
    if any(not torch.equal(v, state[n]) for n, v in model.state_dict().items()):
        return "the original's weights have changed: train a copy (`fold_batchnorms` makes one)"
    return None


@probe("qat-without-training")
def no_epochs(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)
    with family("qat-without-training", "with epochs=0 the result is plain static_quant"):
        found, plain = a.qat_finetune(model, X, y, qparams=params, epochs=0), a.static_quant(model, params, 2)
        t.that(equal(weights(found)[:2], weights(plain)[:2]), "but its weights are others")
        t.that(not any(m.training for m in found.modules()), "but it is in training mode")
    return None


@probe("weights-never-learn")
def no_gradient(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)
    start = weights(a.static_quant(model, params, 2))
    far = weights(a.qat_finetune(model, X, y, qparams=params, epochs=2, lr=0.5))
    if equal(far, start):
        return (
            "after two epochs with lr = 0.5 nothing has changed: is the optimizer given the parameters, and "
            "stepped?"
        )
    if equal(far[:2], start[:2]):
        return (
            "after two epochs with lr = 0.5 not one weight has another level, only biases moved: no "
            "gradient comes "
            "through the rounding. `FakeQuant.apply`, with the parameter itself inside"
        )
    return None


@probe("master-weights-rounded")
def masters(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)
    start = weights(a.static_quant(model, params, 2))
    near = weights(a.qat_finetune(model, X, y, qparams=params, epochs=40, lr=0.002))
    if equal(near[:2], start[:2]):
        return (
            "weights stopped moving: with lr = 0.002 not one weight has reached another level in 80 steps. "
            "If the weights "
            "are rounded in place, no small step is ever kept; keep the float ones and round a copy"
        )
    return None


@probe("batches")
def batches(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t, 150)
    X[:, 0, 0, 0] = torch.arange(150.0)
    params = {"1": params["0"], "6.0": params["5.0"]}
    watched = nn.Sequential(Watch(), *model).eval()
    Watch.notes.clear()
    a.qat_finetune(watched, X, y, qparams=params, epochs=2)
    notes = [(rows, [int(v) for v in first]) for rows, _, grad, first in Watch.notes if grad]
    sizes = [rows for rows, _ in notes]
    if sizes != [64, 64, 22] * 2:
        return f"150 rows and two epochs are batches of [64, 64, 22, 64, 64, 22] rows; yours had {sizes}"
    epochs = [[row for _, first in notes[i : i + 3] for row in first] for i in (0, 3)]
    for epoch in epochs:
        if sorted(epoch) != list(range(150)):
            return "in each epoch every row is used once; some of yours came twice or not at all"
    if epochs[0] == epochs[1] or epochs[0] == list(range(150)):
        return "each epoch has a new random order; yours had the same one (or none)"
    return None


@probe("qat-arguments-ignored")
def arguments(a: Any, t: Trial) -> str | None:
    model, X, y, params = task(t)

    def run(**how: Any) -> list[Tensor]:
        return weights(a.qat_finetune(model, X, y, qparams=params, **{"epochs": 2, **how}))

    base = run()
    if not equal(base, run()):
        return "the same call gave another model: `seed` fixes everything random"
    for name, how in (("seed", {"seed": 1}), ("lr", {"lr": 3e-3}), ("epochs", {"epochs": 3})):
        if equal(base, run(**how)):
            return f"`{name}` changes nothing: {how} gave the same biases to the last bit"
    four = run(bits_w=4)
    if int(four[1].abs().max()) <= 1:
        return "`bits_w` changes nothing: with 4 bits the levels go to ±7, yours to ±1"
    if any(int(w.abs().max()) > 1 for w in base[:2]):
        return "by default the result has 2-bit weights, −1, 0 and 1; yours has larger levels"
    state = torch.random.get_rng_state()
    if equal(run(seed=3), base):
        return "`seed` changes nothing"
    torch.random.set_rng_state(state)
    return None
