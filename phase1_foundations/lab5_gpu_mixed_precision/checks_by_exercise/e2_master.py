"""The known mistakes of E2's `MasterWeights`."""

from typing import Any

import torch
from torch import nn

from courseware.check import Probes, Trial
from phase1_foundations.lab5_gpu_mixed_precision.checks_by_exercise.tools import failure

probe = Probes()


def small_model() -> tuple[nn.Linear, torch.Tensor]:
    """A layer whose weights are no half-precision numbers, and a copy of them."""
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.1, -0.30001]]))
        model.bias.copy_(torch.tensor([1.0001]))
    return model, model.weight.detach().clone()


def plain_sgd(masters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(masters, lr=1.0)


def mastered(a: Any, fmt: Any = (5, 10)) -> tuple[nn.Linear, Any, torch.Tensor]:
    model, before = small_model()
    return model, a.MasterWeights(model, plain_sgd, fmt), before


@probe("masters-cannot-be-made")
def cannot_be_made(a: Any, t: Trial) -> str | None:
    for fmt in ((5, 10), (8, 7), (5, 2), None):
        if error := failure(t, lambda fmt=fmt: mastered(a, fmt)):
            return f"MasterWeights(model, optimizer_factory, fmt={fmt}) ends in {error}"
    weights = mastered(a)[1]
    for name in ("masters", "optimizer", "publish", "collect_grads"):
        if not hasattr(weights, name):
            return f"a MasterWeights has no `{name}`"
    return None


@probe("frozen-parameters-left-out")
def frozen_left_out(a: Any, t: Trial) -> str | None:
    model, _ = small_model()
    model.weight.requires_grad_(False)
    count = len(a.MasterWeights(model, plain_sgd).masters)
    if count == 1:
        return (
            "of two parameters, one without `requires_grad`, only the other one got a master: one for each "
            "of `model.parameters()`, in that order"
        )
    return None


@probe("masters-share-memory")
def share_memory(a: Any, t: Trial) -> str | None:
    for fmt in ((5, 10), None):
        model, weights, _ = mastered(a, fmt)
        kept = weights.masters[0].detach().clone()
        with torch.no_grad():
            model.weight.fill_(7.0)
        if not torch.equal(weights.masters[0].detach(), kept):
            return (
                f"with fmt={fmt} a change of the model's weight changed its master: both are the same memory "
                "(`p.detach()` and `p.data` are views, and `p.data = master` shares it). Copy the numbers"
            )
    return None


@probe("masters-are-rounded")
def are_rounded(a: Any, t: Trial) -> str | None:
    _, weights, before = mastered(a, (8, 7))
    found = weights.masters[0].detach().float()
    if torch.equal(found, before.bfloat16().float()):
        return (
            "right after construction the masters are already rounded to bfloat16: copy the weights before "
            "anything is rounded; the masters keep every bit"
        )
    weights.publish()
    if not torch.equal(weights.masters[0].detach().float(), found):
        return "`publish` changed the masters: they stay as they are, the *model* gets rounded copies"
    return None


@probe("constructor-does-not-publish")
def not_published(a: Any, t: Trial) -> str | None:
    model, weights, before = mastered(a)
    if torch.equal(model.weight.detach(), before):
        weights.publish()
        if torch.equal(model.weight.detach(), before):
            return (
                "`publish` left the model's weights as they were: it writes the rounded masters into them "
                "(`p.copy_(...)` under `torch.no_grad()`)"
            )
        return (
            "after construction the model still computes with unrounded weights: the constructor "
            "publishes once"
        )
    return None


@probe("publish-rounds-wrong")
def rounds_wrong(a: Any, t: Trial) -> str | None:
    for fmt, dtype in (((5, 10), torch.float16), ((8, 7), torch.bfloat16), ((5, 2), torch.float8_e5m2)):
        model, _, before = mastered(a, fmt)
        if not torch.equal(model.weight.detach().float(), before.to(dtype).float()):
            return (
                f"with fmt={fmt} the model's weights are {model.weight.tolist()}, expected "
                f"{before.to(dtype).float().tolist()}: round to the format that was given"
            )
        if model.weight.dtype != torch.float32:
            return (
                f"the model's weight is {model.weight.dtype} now: parameters stay float32, their values "
                f"are rounded"
            )
    model, before = small_model()
    a.MasterWeights(model, plain_sgd)
    if not torch.equal(model.weight.detach().float(), before.half().float()):
        return "without `fmt` the model's weights are not rounded to half precision: the default is (5, 10)"
    model, _, before = mastered(a, None)
    if not torch.equal(model.weight.detach(), before):
        return "with fmt=None nothing is rounded, but the model's weights changed"
    return None


@probe("bias-forgotten")
def bias_forgotten(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a)
    shapes = [tuple(m.shape) for m in weights.masters]
    if shapes != [(1, 2), (1,)]:
        return (
            f"masters have the shapes {shapes}, expected (1, 2) and (1,): one for each of model.parameters()"
        )
    if model.bias.item() == torch.tensor(1.0001).item():
        return "the bias was not rounded: all parameters are published"
    return None


@probe("new-parameter-objects")
def new_objects(a: Any, t: Trial) -> str | None:
    model, _ = small_model()
    before = [id(p) for p in model.parameters()]
    weights = a.MasterWeights(model, plain_sgd)
    weights.publish()
    if [id(p) for p in model.parameters()] != before:
        return (
            "the model has other Parameter objects now: whoever held the old ones (hooks, an optimizer, tied "
            "layers) lost them. Write into them in place"
        )
    return None


@probe("optimizer-of-the-model")
def optimizer_of_model(a: Any, t: Trial) -> str | None:
    model, _ = small_model()
    given: list[Any] = []

    def factory(masters: Any) -> torch.optim.Optimizer:
        given.extend(masters)
        return plain_sgd(given)

    weights = a.MasterWeights(model, factory)
    if not given:
        return "`optimizer_factory` was not called: `optimizer` is what it returns for the masters"
    if any(g is p for g in given for p in model.parameters()):
        return (
            "`optimizer_factory` was given the model's own parameters: updates smaller than half a gap would "
            "be lost there. It gets the masters"
        )
    if len(given) != len(weights.masters) or any(
        g is not m for g, m in zip(given, weights.masters, strict=True)
    ):
        return (
            "`optimizer_factory` was given other tensors than those in `masters`: it must move these very "
            "tensors"
        )
    return None


@probe("gradient-not-handed-over")
def not_handed_over(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a)
    model(torch.tensor([[1.0, 2.0]])).sum().backward()
    weights.collect_grads()
    found = weights.masters[0].grad
    if found is None:
        return "after collect_grads the master's `.grad` is None: it takes over the gradient of its parameter"
    if not torch.equal(found.float(), torch.tensor([[1.0, 2.0]])):
        return f"the gradient of the weight was [1, 2], its master got {found.flatten().tolist()}"
    return None


@probe("gradients-rounded")
def gradients_rounded(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a, (8, 7))
    model.weight.grad = torch.tensor([[1.001, 0.30001]])
    weights.collect_grads()
    found = weights.masters[0].grad
    if found is not None and torch.equal(found.float(), torch.tensor([[1.001, 0.30001]]).bfloat16().float()):
        return (
            "collect_grads rounded the gradient to `fmt`: the master's gradient is equal to its parameter's; "
            "only `publish` rounds"
        )
    return None


@probe("gradients-pile-up")
def pile_up(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a)
    for _ in range(2):
        model(torch.tensor([[1.0, 2.0]])).sum().backward()
        weights.collect_grads()
    found = weights.masters[0].grad
    if model.weight.grad is not None:
        return (
            "after collect_grads the parameter's own `.grad` is still "
            f"{model.weight.grad.flatten().tolist()}: set it to None, or the next backward adds to it"
        )
    if found is not None and torch.equal(found.float(), torch.tensor([[2.0, 4.0]])):
        return (
            "two iterations, and the master's gradient is their sum: each collect_grads replaces the last one"
        )
    return None


@probe("none-is-no-gradient")
def none_gradient(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a)
    model.weight.grad = torch.ones(1, 2)
    error = failure(t, weights.collect_grads)
    if error:
        return f"the bias had no gradient, and collect_grads ends in {error}: None stays None"
    weights.masters[1].grad = torch.ones(1)
    model.bias.grad = None
    weights.collect_grads()
    if weights.masters[1].grad is not None:
        return (
            "a parameter without a gradient left the old (or a zero) gradient in its master: None stays None"
        )
    return None


@probe("unrounded-weights-not-published")
def none_not_published(a: Any, t: Trial) -> str | None:
    model, weights, _ = mastered(a, None)
    with torch.no_grad():
        weights.masters[0].fill_(0.7)
    weights.publish()
    if model.weight[0, 0].item() != weights.masters[0][0, 0].item():
        return (
            "with fmt=None a master moved to 0.7, but after publish the model's weight is "
            f"{model.weight[0, 0].item():g}: nothing is rounded, but it is written all the same"
        )
    return None


@probe("updates-are-lost")
def lost(a: Any, t: Trial) -> str | None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    weights = a.MasterWeights(model, lambda m: torch.optim.SGD(m, lr=1e-3), (8, 7))
    for _ in range(10):
        model.weight.grad = torch.full((1, 1), -1.0)
        weights.collect_grads()
        weights.optimizer.step()
        weights.publish()
    if model.weight.item() == 1.0:
        return (
            "ten updates of 0.001 to a weight of 1 in bfloat16 (gap 0.0078) left it at 1: they must add up "
            "in the float32 master (1.01) and show in the model as 1.0078"
        )
    return None
