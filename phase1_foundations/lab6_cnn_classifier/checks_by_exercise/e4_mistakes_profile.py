"""The known mistakes of gradient_profile."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.check import Probes, Trial
from courseware.check.compare import same
from phase1_foundations.lab6_cnn_classifier.checks_by_exercise.e4_oracle import (
    NAMES,
    network,
    seen_blocks,
    true_slopes,
)

probe = Probes()


def profiled(a: Any, t: Trial, training: bool = True) -> tuple[nn.Module, Any, Any]:
    model = network(a, t, 3, (2, 2)).train(training)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.copy_(t.randn(*part.weight.shape))
    return model, t.randn(6, 1, 6, 6), t.randint(0, 10, 6)


@probe("profile-of-something-else")
def something_else(a: Any, t: Trial) -> str | None:
    model, x, y = profiled(a, t)
    own = a.gradient_profile(model, x, y)
    slopes = true_slopes(model, x, y)
    if len(own) != len(slopes):
        return (
            f"{len(own)} numbers for a network of {len(slopes)} blocks: one norm for each BasicBlock, of the "
            "gradient at its *output*"
        )
    if not all(isinstance(value, float) for value in own):
        return f"the list holds a {type(own[0]).__name__}, asked for are Python floats: `.norm().item()`"
    right = [float(s.norm()) for s in slopes]
    for wrong, words in (
        (right[::-1], "in the wrong order: the block next to the image comes first"),
        ([v**2 for v in right], "squares: take the root of the sum of squares"),
        ([v * len(x) for v in right], "6 times too large: the loss is the *mean* over the 6 examples"),
        ([float(s.abs().mean()) for s in slopes], "mean absolute values, asked for are norms"),
        ([float(s.abs().sum()) for s in slopes], "sums of absolute values, asked for are norms"),
        ([float(s.abs().max()) for s in slopes], "maxima, asked for are norms"),
        ([float(s.norm() / s.numel() ** 0.5) for s in slopes], "root mean squares, asked for are norms"),
        (
            [v / len(x) ** 0.5 for v in right],
            "divided by √6: the norm is over all examples, not a mean over them",
        ),
        (
            [float(s.flatten(1).norm(dim=1).mean()) for s in slopes],
            "means over the images of one norm each: one norm over all images is asked for",
        ),
        (
            [v / max(right) for v in right],
            "divided by the largest of them: the norms themselves are asked for",
        ),
        ([v / sum(right) for v in right], "divided by their sum: the norms themselves are asked for"),
    ):
        if same(own, wrong, rtol=1e-6):
            return f"your numbers are {words}"
    before = [float(s.norm()) for s in true_slopes(model, x, y, of="inputs")]
    if same(own, before, rtol=1e-6):
        return (
            "your numbers belong to the *inputs* of the blocks; asked for are the gradients at their outputs"
        )
    calm, x, y = profiled(a, t, training=False)
    other = a.gradient_profile(calm, x, y)
    held = [float(s.norm()) for s in true_slopes(calm, x, y)]
    stirred = [float(s.norm()) for s in true_slopes(calm.train(), x, y)]
    if same(other, stirred, rtol=1e-6) and not same(other, held, rtol=1e-6):
        return (
            "the model came in evaluation mode and you switched it to training: profile it in the mode it has"
        )
    model, x, y = profiled(a, t)
    own, right = a.gradient_profile(model, x, y), [float(s.norm()) for s in true_slopes(model, x, y)]
    model.eval()
    if same(own, [float(s.norm()) for s in true_slopes(model, x, y)], rtol=1e-6) and not same(
        own, right, rtol=1e-6
    ):
        return (
            "the model came in training mode and you switched it to evaluation: profile it in the mode it has"
        )
    return None


@probe("profile-leaves-traces")
def traces(a: Any, t: Trial) -> str | None:
    for training in (True, False):
        model, x, y = profiled(a, t, training)
        for p in model.parameters():
            p.grad = torch.full_like(p, 2.0)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        hooks = sum(len(part._forward_hooks) + len(part._backward_hooks) for part in model.modules())
        a.gradient_profile(model, x, y)
        if any(p.grad is None or not bool((p.grad == 2).all()) for p in model.parameters()):
            return (
                "the `.grad` of the parameters changed: the next optimizer step of the caller would go "
                "elsewhere. Use torch.autograd.grad, or work on a copy"
            )
        for name, value in model.state_dict().items():
            if not torch.equal(value, before[name]):
                return (
                    f"`{name}` changed: a forward pass in training mode moves the running statistics. "
                    "Work on a copy"
                )
        if model.training is not training or any(part.training is not training for part in model.modules()):
            return "the model's mode (training or evaluation) changed"
        if sum(len(part._forward_hooks) + len(part._backward_hooks) for part in model.modules()) != hooks:
            return "your hooks are still on the model: remove each handle"
    return None


@probe("profile-of-another-quantity")
def another_quantity(a: Any, t: Trial) -> str | None:
    model, x, y = profiled(a, t, training=False)
    own = a.gradient_profile(model, x, y)
    if same(own, [float(s.norm()) for s in true_slopes(model, x, y)], rtol=1e-6):
        return None
    with seen_blocks(model) as seen, torch.no_grad():
        model(x)
    sizes = [float(output.norm()) for _, output in seen]
    twin = copy.deepcopy(model)
    F.cross_entropy(twin(x), y).backward()
    parts = [part for part in twin.modules() if all(hasattr(part, name) for name in NAMES)]
    weights = [
        float(torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None]).norm())
        for part in parts
    ]
    one = true_slopes(model, x[:1], y[:1])
    for wrong, words in (
        (weights, "norms of the gradients of each block's *parameters*"),
        (sizes, "norms of the outputs themselves, no gradients"),
        (norms_of(model, x, torch.sum), "gradients of the sum of the logits, the loss plays no role"),
        (norms_of(model, x, torch.mean), "gradients of the mean of the logits, the loss plays no role"),
        (
            norms_of(model, x, lambda z: F.nll_loss(z, y)),
            "gradients of nll_loss on bare logits: cross_entropy has a log-softmax in it",
        ),
        ([float(s.norm()) for s in one], "gradients for the first example alone: all of x counts"),
    ):
        if same(own, wrong, rtol=1e-6):
            return f"your numbers are {words}; asked for is the norm of ∂loss/∂output of each block"
    return None


def norms_of(model: nn.Module, x: Tensor, target: Callable[[Tensor], Tensor]) -> list[float]:
    with seen_blocks(model) as seen:
        value = target(model(x))
    return [float(s.norm()) for s in torch.autograd.grad(value, [output for _, output in seen])]
