"""The known mistakes of E3, third part: axes, groups, layouts, and the adaptive norm."""

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import formula, jobs

probe = Probes()


@probe("axes-of-another-norm")
def axes(a: Any, t: Trial) -> str | None:
    x = t.randn(3, 4, 2, 5)
    right = {
        "BatchNorm": (lambda: a.BatchNorm(4), (0, 2, 3)),
        "LayerNorm": (lambda: a.LayerNorm((4, 2, 5)), (1, 2, 3)),
        "InstanceNorm": (lambda: a.InstanceNorm(4), (2, 3)),
    }
    words = {
        (0,): "each place over the batch",
        (0, 2, 3): "each channel over the batch",
        (1, 2, 3): "each example",
        (2, 3): "each channel of each example",
        (1,): "the channels at each place",
        (3,): "the last axis",
        (0, 1, 2, 3): "everything",
    }
    for name, (make, dims) in right.items():
        attempt = t.attempt(lambda make=make: make().double()(x).detach())
        for other, what in words.items():
            if attempt.error is None and other != dims and same(attempt.value, formula(x, other, 1e-5)):
                return (
                    f"`{name}` of [3, 4, 2, 5] normalises over the axes {other}, {what}; asked for are "
                    f"{dims}, {words[dims]}"
                )
    return None


@probe("two-axes-are-different")
def matrices(a: Any, t: Trial) -> str | None:
    x = t.randn(5, 4)
    for name, run, dims in (
        ("BatchNorm", lambda: a.BatchNorm(4).double()(x), (0,)),
        ("LayerNorm", lambda: a.LayerNorm(4).double()(x), (1,)),
    ):
        attempt = t.attempt(run)
        if attempt.raised(RuntimeError, IndexError, ValueError):
            return f"`{name}` of shape [5, 4] raised “{attempt.error}”: it takes [N, C] too"
        for other in ((0,), (1,), (0, 1)):
            if attempt.error is None and other != dims and same(attempt.value, formula(x, other, 1e-5)):
                return f"`{name}` of [5, 4] normalises over the axes {other}; asked for are {dims}"
    tokens = t.randn(2, 3, 4)
    attempt = t.attempt(lambda: a.LayerNorm(4).double()(tokens))
    for other in ((1, 2), (0, 1, 2), (1,), (0,)):
        if attempt.error is None and same(attempt.value, formula(tokens, other, 1e-5)):
            return (
                f"`LayerNorm(4)` of [2, 3, 4] normalises over the axes {other}; asked for is the last "
                "one alone"
            )
    attempt = t.attempt(lambda: a.GroupNorm(2, 4).double()(x))
    if attempt.raised(RuntimeError, IndexError, ValueError):
        return f"`GroupNorm` of shape [5, 4] raised “{attempt.error}”: it takes [N, C] too"
    return None


@probe("groups-are-interleaved")
def interleaved(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 6, 3)
    y = a.GroupNorm(2, 6, affine=False).double()(x).detach()
    mixed = formula(x.reshape(2, 3, 2, 3), (1, 3), 1e-5).reshape(2, 6, 3)
    if same(y, mixed):
        return (
            "GroupNorm(2, 6) puts channels 0, 2, 4 into one group: groups are contiguous channel "
            "blocks, 0 1 2 and 3 4 5. Reshape to "
            "[N, groups, channels/groups · pixels]"
        )
    whole = formula(x.reshape(2, 3, 6), (2,), 1e-5).reshape(2, 6, 3)
    if same(y, whole):
        return (
            "GroupNorm(2, 6) makes 3 groups of 2 channels: the first argument is the number of groups, "
            "not their size"
        )
    if same(y, formula(x.reshape(2, 2, 3, 3), (2,), 1e-5).reshape(2, 6, 3)):
        return (
            "GroupNorm normalises each pixel for itself: a group's statistics run over its channels "
            "*and* all pixels"
        )
    if same(y, formula(x.reshape(2, 2, 9), (0, 2), 1e-5).reshape(2, 6, 3)):
        return "GroupNorm takes one mean for all examples: a group's statistics are of one example alone"
    if same(y, formula(x, (1, 2), 1e-5)):
        return "GroupNorm(2, 6) takes one mean for all 6 channels: that is one group, asked for are two"
    return None


@probe("uneven-groups-accepted")
def uneven(a: Any, t: Trial) -> str | None:
    if t.attempt(lambda: a.GroupNorm(4, 6)).error is None:
        return (
            "GroupNorm(4, 6) was made without an error: 6 channels cannot be divided into 4 equal "
            "groups. Raise ValueError"
        )
    return None


@probe("affine-along-the-wrong-axis")
def affine_axis(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3, 3, 3)
    for name, make in {"BatchNorm": lambda: a.BatchNorm(3), "GroupNorm": lambda: a.GroupNorm(1, 3)}.items():
        module = make().double()
        plain = module(x.clone()).detach()
        with torch.no_grad():
            module.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        if same(module(x.clone()), plain * torch.tensor([1.0, 2.0, 3.0]).double(), atol=1e-6):
            return (
                f"`{name}` multiplies the last axis by γ: a vector [C] lines up with the last axis, "
                "the columns of the "
                "image. Reshape it to [1, C, 1, 1]"
            )
    return None


@probe("affine-is-not-applied")
def not_applied(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 4, 3, 3)
    made = {
        "BatchNorm": lambda: a.BatchNorm(4),
        "LayerNorm": lambda: a.LayerNorm((4, 3, 3)),
        "GroupNorm": lambda: a.GroupNorm(2, 4),
        "InstanceNorm": lambda: a.InstanceNorm(4, affine=True),
    }
    for name, make in made.items():
        module = make().double()
        plain = module(x.clone()).detach()
        with torch.no_grad():
            module.weight.fill_(2.0)
            module.bias.fill_(-1.0)
        y = module(x.clone()).detach()
        wrong = {
            "does not use its `weight`, γ": plain - 1,
            "does not use its `bias`, β": plain * 2,
            "uses neither its `weight` nor its `bias`": plain,
            "adds β before it multiplies by γ": (plain - 1) * 2,
        }
        for words, value in wrong.items():
            if same(y, value, atol=1e-3):
                return f"`{name}` {words}: y = γ · (x − mean) / √(variance + ε) + β"
        if same(y, plain * 2 - 1, atol=1e-3):
            continue
        with torch.no_grad():
            module.weight.copy_(t.rand(*module.weight.shape, low=0.5, high=2.0))
        if name == "LayerNorm" and same(
            module(x.clone()), formula((module.weight * x - 1).detach(), (1, 2, 3), 1e-5)
        ):
            return (
                "`LayerNorm` applies γ and β first and normalises then: they come last, y = γ · "
                "normalised + β"
            )
    return None


@probe("needs-contiguous-memory")
def contiguous(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 4, 3, 3).to(memory_format=torch.channels_last)
    for name, make in {
        "BatchNorm": lambda: a.BatchNorm(4),
        "GroupNorm": lambda: a.GroupNorm(2, 4),
        "InstanceNorm": lambda: a.InstanceNorm(4),
        "LayerNorm": lambda: a.LayerNorm((4, 3, 3)),
    }.items():
        attempt = t.attempt(lambda make=make: make().double()(x))
        if attempt.raised(RuntimeError) and "view" in str(attempt.error):
            return f"`{name}` of an image in channels_last memory raised “{attempt.error}”: use `reshape`"
    return None


@probe("half-precision-statistics")
def half(a: Any, t: Trial) -> str | None:
    x = (100.25 + 2 * t.randn(4096, 1)).to(torch.bfloat16)
    places = {
        "normalize": lambda: a.normalize(x, (0,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(1)(x),
        "LayerNorm": lambda: a.LayerNorm(4096)(x.T.contiguous()).T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if attempt.raised(RuntimeError, TypeError):
            return (
                f"`{name}` of a bfloat16 tensor raised “{attempt.error}”: convert to float32 first, and "
                "back at the end"
            )
        if attempt.error is None and attempt.value.dtype != torch.bfloat16:
            return f"`{name}` of a bfloat16 tensor returns {attempt.value.dtype}: return the input's dtype"
        if attempt.error is None:
            error = float((attempt.value.detach().double() - formula(x, (0,), 1e-5)).abs().max())
            if error > 0.05:
                return (
                    f"`{name}` of bfloat16 numbers around 100 is off by {error:.2f}: mean and "
                    "variance were rounded to bfloat16, which has "
                    "steps of 0.5 there. Compute in float32"
                )
    return None


# ---- adaptive -------------------------------------------------------------------------------------------


@probe("zero-at-the-start")
def zero_scale(a: Any, t: Trial) -> str | None:
    module, x = a.AdaLayerNorm(4, 3).double(), t.randn(2, 5, 4)
    y, _ = module(x, t.randn(2, 3))
    if bool((y == 0).all()):
        return "AdaLayerNorm outputs 0 at init: s(c) · LN(x) with s = 0 is nothing; use (1 + s(c)) · LN(x)"
    return None


@probe("not-neutral-at-the-start")
def not_neutral(a: Any, t: Trial) -> str | None:
    module, x = a.AdaLayerNorm(4, 3).double(), t.randn(2, 5, 4)
    y, gate = module(x, t.randn(2, 3))
    plain = formula(x, (2,), 1e-5)
    if y.shape == plain.shape and not same(y, plain, atol=1e-6):
        for other in ((0,), (1,), (1, 2)):
            if same(y, formula(x, other, 1e-5), atol=1e-6):
                return (
                    f"AdaLayerNorm normalises over the axes {other}; LN is over the last axis, the "
                    "features of each token"
                )
        return (
            "at the start AdaLayerNorm should be plain LN(x), since s and b are zero; it is not. "
            "Set weights *and* biases of your "
            "linear layer to 0"
        )
    if gate is not None and bool((gate != 0).any()):
        return (
            "the gate is not 0 at the start: zero the weights and the bias that make it, and add no 1 to it"
        )
    return None


@probe("gate-of-another-shape")
def gate_shape(a: Any, t: Trial) -> str | None:
    _, gate = a.AdaLayerNorm(4, 3).double()(t.randn(2, 5, 4), t.randn(2, 3))
    if gate is None:
        return "AdaLayerNorm(4, 3) gives no gate: `gated` is True by default"
    if isinstance(gate, Tensor) and tuple(gate.shape) != (2, 1, 4):
        return (
            f"the gate has shape {tuple(gate.shape)}, expected (2, 1, 4): one for each example, the same "
            "for all tokens"
        )
    result = a.AdaLayerNorm(4, 3, gated=False).double()(t.randn(2, 5, 4), t.randn(2, 3))
    if isinstance(result, Tensor) or result[1] is not None:
        return "with gated=False the result is still a pair, and its second value is None"
    return None


@probe("condition-reaches-nothing")
def dead(a: Any, t: Trial) -> str | None:
    module, x, c = a.AdaLayerNorm(4, 3).double(), t.randn(2, 5, 4), t.randn(2, 3)
    y, gate = module(x, c)
    loss = (y * t.randn(2, 5, 4)).sum() + (gate * t.randn(2, 1, 4)).sum()
    if not loss.requires_grad or not any(
        g is not None and bool(g.any())
        for g in torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    ):
        return (
            "no parameter of AdaLayerNorm gets a gradient at the start, so it would stay as it is "
            "for ever: two zero layers in a row, or a "
            "`detach`. Zero one linear layer only"
        )
    return None


@probe("more-than-three-linear-layers")
def parameters(a: Any, t: Trial) -> str | None:
    module = a.AdaLayerNorm(4, 3)
    shapes = [tuple(p.shape) for p in module.parameters()]
    if sum(p.numel() for p in module.parameters()) not in (2 * 16, 3 * 16):
        return (
            f"AdaLayerNorm(4, 3) has parameters of the shapes {shapes}; asked for are three linear "
            "layers of c, with a "
            "weight [4, 3] and a bias [4] each (or one layer for all), and LN without γ and β"
        )
    return None


@probe("one-layer-for-several-jobs")
def several_jobs(a: Any, t: Trial) -> str | None:
    module, x = a.AdaLayerNorm(2, 1).double(), t.randn(1, 6, 2)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(t.rand(*p.shape, low=0.5, high=1.5))
    found = jobs(module, x, torch.ones(1, 1).double())
    for i, j, what in ((0, 1, "scale and shift"), (0, 2, "scale and gate"), (1, 2, "shift and gate")):
        for sign in (1, -1):
            left, right = found[i] - float(i == 0), sign * found[j]
            if same(left, right, atol=1e-7):
                return (
                    f"{what} are the same numbers, {numbers(right)}: s, b and g are three linear layers "
                    "(or three parts)"
                )
    return None


@probe("another-modulation")
def another_modulation(a: Any, t: Trial) -> str | None:
    module, x, c = a.AdaLayerNorm(2, 1).double(), t.randn(1, 6, 2), torch.ones(1, 1).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(t.rand(*p.shape, low=0.5, high=1.5))
    pairs = [module(x, scale * c) for scale in (0.0, 1.0, 2.0)]
    outputs = [pair[0].detach() for pair in pairs]
    if not same(outputs[0] + outputs[2], 2 * outputs[1], atol=1e-8):
        return (
            "modulated is not linear in c: twice the step in c is not twice the change. s and b are "
            "linear layers of c, "
            "with nothing like a SiLU, tanh or exp before or after them"
        )
    gates = [pair[1].detach() for pair in pairs]
    if not same(gates[0] + gates[2], 2 * gates[1], atol=1e-8):
        return "the gate is not linear in c: asked for is a linear layer, with no sigmoid or tanh around it"
    if same(outputs[0], outputs[1]) and same(outputs[1], outputs[2]):
        return "modulated is the same for every c: s(c) and b(c) are not used"
    if same(gates[0], gates[1]):
        return "the gate is the same for every c: asked for is a linear layer of c"
    for index, what in ((0, "s(c), the scale"), (1, "b(c), the shift")):
        plain = formula(x, (2,), 1e-5)
        change = (outputs[2] - outputs[0])[0]
        table = torch.stack([plain[0, :, 0], torch.ones(6).double()], dim=1)
        if abs(float(torch.linalg.lstsq(table, change[:, :1]).solution[index])) < 1e-9:
            return f"{what}, has no effect: modulated = (1 + s(c)) · LN(x) + b(c)"
    return None
