"""The known mistakes of E4's `depth_report`: held against a measurement of the check's own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e2_formula import formula, shake
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e4_mistakes import alpha_of, probe
from shared.nn import MultiHeadAttention

KEYS = ("activation_std", "gradient_norm", "update_ratio")


class PlainLayer(nn.Module):
    """The check's own layer, by the formula, so that a report is judged apart from the learner's stack."""

    def __init__(self, d: int, heads: int, scheme: str, depth: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d, heads)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.how = {"norm": "pre" if scheme == "pre" else "post", "alpha": alpha_of(scheme, depth)}

    def forward(self, x: Tensor) -> Tensor:
        return formula(self, x, **self.how)


class PlainStack(nn.Module):
    def __init__(self, depth: int, scheme: str = "pre", d: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.scheme, self.alpha = scheme, alpha_of(scheme, depth)
        self.layers = nn.ModuleList(PlainLayer(d, heads, scheme, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(d) if scheme == "pre" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def loss_of(out: Tensor) -> Tensor:
    direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    return (out * direction.to(out.dtype)).mean()


def measured(stack: Any, x: Tensor) -> dict[str, list[float]]:
    """The report by hooks and backward, on a copy."""
    stack, outs = deepcopy(stack), []
    for layer in stack.layers:
        layer.register_forward_hook(lambda _, __, out: outs.append(out.detach()))
    stack.zero_grad()
    loss_of(stack(x)).backward()
    norms, weights = [], []
    for layer in stack.layers:
        norms.append(torch.cat([p.grad.flatten() for p in layer.parameters()]).norm().item())
        weights.append(torch.cat([p.detach().flatten() for p in layer.parameters()]).norm().item())
    ratios = [0.01 * g / w for g, w in zip(norms, weights, strict=True)]
    return dict(zip(KEYS, ([float(h.std()) for h in outs], norms, ratios), strict=True))


def plain(t: Trial, depth: int, scheme: str = "pre") -> PlainStack:
    stack = PlainStack(depth, scheme).double()
    shake(t, stack, 0.4)
    return stack


@probe("the-report")
def report(a: Any, t: Trial) -> None:
    stack, x = plain(t, 3), t.randn(2, 4, 8)
    t.given("depth_report of a 'pre' stack of three layers, d = 8, x [2, 4, 8]")
    with t.oracle():
        right = measured(stack, x)
    found = value_of(t, lambda: a.depth_report(stack, x), "report-fails", "depth_report of three layers")
    t.that(
        set(found) == set(KEYS),
        f"the report has the keys {sorted(map(str, found))}, expected {', '.join(KEYS)}",
        diagnosis="keys-of-the-report",
    )
    for key in KEYS:
        t.that(
            isinstance(found[key], list | tuple) and len(found[key]) == 3,
            f"{key!r} is a {type(found[key]).__name__}"
            + (f" of {len(found[key])}" if isinstance(found[key], list | tuple) else "")
            + ": one number a layer is asked for, here three",
            diagnosis="not-one-number-a-layer",
        )
        t.that(
            all(isinstance(value, float) for value in found[key]),
            f"{key!r} holds a {type(found[key][0]).__name__}: floats are asked for (`.item()`)",
            diagnosis="not-floats",
        )
        t.that(
            not same(list(found[key]), right[key][::-1], rtol=1e-6),
            f"{key!r} comes last layer first: the first layer comes first",
            diagnosis="layers-reversed",
        )
    activations(t, stack, x, list(found["activation_std"]), right["activation_std"])
    gradients(t, stack, x, list(found["gradient_norm"]), right)
    ratios(t, list(found["update_ratio"]), right)


def activations(t: Trial, stack: PlainStack, x: Tensor, found: list[float], right: list[float]) -> None:
    outs, h = [], x
    with torch.no_grad():
        for layer in stack.layers:
            h = layer(h)
            outs.append(h)
    cases = {
        "variance-not-deviation": ([float(o.var()) for o in outs], "these are variances: the deviation is "
                                                                   "the root"),
        "inputs-not-outputs": ([float(o.std()) for o in (x, *outs[:-1])], "these are the deviations of the "
                                                                          "layers' "
                               "*inputs*: the outputs are asked for"),
        "deviation-of-the-weights": ([float(torch.cat([p.flatten() for p in layer.parameters()]).std())
                                      for layer in stack.layers], "these are deviations of weights: the "
                                                                  "outputs' are "
                                     "asked for"),
        "divided-by-n": ([float(o.std(correction=0)) for o in outs], "the variance was divided by n: "
                         "`h.std()` of torch divides by n − 1 (numpy's does not)"),
        "deviation-along-one-axis": ([float(o.std(-1).mean()) for o in outs], "that is a mean over the "
                                                                              "deviations of "
                                     "single positions: `h.std()` runs over all numbers"),
        "norm-not-deviation": ([float(o.norm()) for o in outs], "these are norms: the standard deviation is "
                                                                "asked for"),
        "of-the-normed-stream": ([float(stack.norm(o).std()) for o in outs], "the outputs were normed "
                                                                             "before: the layer's "
                                 "own output is asked for"),
    }  # fmt: skip
    for diagnosis, (value, text) in cases.items():
        if not same(found, right, rtol=1e-5) and same(found, value, rtol=1e-5):
            t.fail(f"'activation_std': {text}", diagnosis=diagnosis)
    t.that(
        same(found, right, rtol=1e-5),
        f"'activation_std' is {numbers(found)}, expected {numbers(right)}: `h.std()` of each layer's output",
        diagnosis="activations-differ",
    )


def gradients(
    t: Trial, stack: PlainStack, x: Tensor, found: list[float], right: dict[str, list[float]]
) -> None:
    if same(found, right["gradient_norm"], rtol=1e-5):
        return

    def under(loss: Any, of: Any = lambda p: p.grad.square().sum()) -> list[float]:
        copy = deepcopy(stack)
        copy.zero_grad()
        loss(copy(x)).backward()
        return [float(sum(of(p) for p in layer.parameters())) for layer in copy.layers]

    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).double()

    root = right["gradient_norm"]
    by_weights = [
        float(layer) ** 0.5
        for layer in under(loss_of, lambda p: p.grad.square().sum() if p.dim() == 2 else 0.0)
    ]
    cases = {
        "squared-norms": ([g * g for g in root], "these are squared norms: take the root"),
        "sum-of-norms": (under(loss_of, lambda p: p.grad.norm()), "the norms of the layer's parameters were "
                                                                  "added: "
                         "squares add up, then comes the root"),
        "mean-square-loss": ([v**0.5 for v in under(lambda out: out.square().mean())], "the loss was the "
                                                                                       "mean square of "
                             "the output, which a last norm makes constant: use `probe_loss`"),
        "another-loss": ([v**0.5 for v in under(lambda out: out.sum())], "the loss was the sum of the "
                                                                         "outputs: use "
                         "`probe_loss`"),
        "another-loss-mean": ([v**0.5 for v in under(lambda out: out.mean())], "the loss was the mean of "
                                                                               "the outputs: use "
                              "`probe_loss`"),
        "summed-probe": ([v**0.5 for v in under(lambda out: (out * direction).sum())], "the loss was the "
                                                                                       "*sum* over the "
                         "probe: `probe_loss` takes the mean"),
        "lists-exchanged": (right["update_ratio"], "that is the update ratio: the two lists are exchanged"),
        "mean-of-squares": (under(loss_of, lambda p: p.grad.square().mean()), "means of squares were added: "
                            "it is the sum of all squared gradients, and its root"),
        "mean-of-squares-root": ([v**0.5 for v in under(loss_of, lambda p: p.grad.square().mean())],
                                 "means of squares were added: it is the sum of all squared gradients"),
        "biases-left-out": (by_weights, "only matrices were counted: all the layer's parameters are"),
        "absolute-sum": (under(loss_of, lambda p: p.grad.abs().sum()), "absolute values were added: "
                                                                       "squares, and a root"),
    }  # fmt: skip
    skipped = deepcopy(stack)
    skipped.norm = nn.Identity()
    cases["last-norm-left-out"] = (
        measured(skipped, x)["gradient_norm"],
        "the loss was taken before the last norm: it is probe_loss(stack(x))",
    )
    for diagnosis, (value, text) in cases.items():
        if same(found, value, rtol=1e-5):
            t.fail(f"'gradient_norm': {text}", diagnosis=diagnosis)
    t.fail(
        f"'gradient_norm' is {numbers(found)}, expected {numbers(root)}: √ of the sum of the squared "
        "gradients of all of the layer's parameters, for probe_loss(stack(x))",
        diagnosis="gradients-differ",
    )


def ratios(t: Trial, found: list[float], right: dict[str, list[float]]) -> None:
    ratio, norms = right["update_ratio"], right["gradient_norm"]
    cases = {
        "learning-rate-forgotten": ([r / 0.01 for r in ratio], "the learning rate 0.01 is missing"),
        "another-learning-rate": ([r / 10 for r in ratio], "the learning rate is 0.01, not 0.001"),
        "another-learning-rate-too": ([r * 10 for r in ratio], "the learning rate is 0.01, not 0.1"),
        "relative-to-the-square": (
            [r * r / (0.01 * g) for r, g in zip(ratio, norms, strict=True)],
            "the change was divided by the *squared* norm of the parameters",
        ),
        "not-relative": (
            [0.01 * g for g in norms],
            "the change is to be divided by the norm of the layer's parameters",
        ),
        "ratio-upside-down": ([1 / r for r in ratio], "it is change / weights, not weights / change"),
        "ratio-upside-down-too": ([0.01 * 0.01 / r for r in ratio], "it is 0.01 · gradient / weights"),
    }
    for diagnosis, (value, text) in cases.items():
        if not same(found, ratio, rtol=1e-5) and same(found, value, rtol=1e-5):
            t.fail(f"'update_ratio': {text}", diagnosis=diagnosis)
    t.that(
        same(found, ratio, rtol=1e-5),
        f"'update_ratio' is {numbers(found)}, expected {numbers(ratio)}: 0.01 · gradient norm / norm of all "
        "the layer's "
        "parameters",
        diagnosis="ratios-differ",
    )


@probe("report-changes-the-stack")
def leaves_it(a: Any, t: Trial) -> str | None:
    stack, x = plain(t, 2), t.randn(2, 3, 8)
    before = {name: p.detach().clone() for name, p in stack.named_parameters()}
    for mode in (True, False):
        stack.train(mode)
        a.depth_report(stack, x)
        if stack.training is not mode:
            return f"the stack was in {'training' if mode else 'evaluation'} mode, and is not any more"
    for name, p in stack.named_parameters():
        if not same(p, before[name]):
            return f"the report changed the weights of the stack ({name}): it only measures"
        if p.grad is not None:
            return (
                f"after the report `{name}.grad` is not None any more: the next `backward()` of a training "
                "would add to "
                "it. `torch.autograd.grad` does not fill it"
            )
        p.grad = torch.ones_like(p)
    first = a.depth_report(stack, x)
    if any(not bool((p.grad == 1).all()) for p in stack.parameters() if p.grad is not None) or any(
        p.grad is None for p in stack.parameters()
    ):
        return "the report changed or cleared gradients that were there: it leaves `.grad` alone"
    if not same(first["gradient_norm"], measured(plain_copy(stack), x)["gradient_norm"], rtol=1e-5):
        return "gradients that were there before were counted too: only those of this loss are asked for"
    second = a.depth_report(stack, x)
    if not same(first, second, rtol=1e-9):
        return (
            "two reports of the same stack differ: something lives on between the calls (a hook that was "
            "not removed?)"
        )
    if any(module._forward_hooks or module._backward_hooks for module in stack.modules()):
        return "the report leaves hooks behind: remove them (`handle.remove()`)"
    return None


def plain_copy(stack: Any) -> Any:
    copy = deepcopy(stack)
    copy.zero_grad()
    return copy
