"""The known mistakes of E3, each by its signature on a few numbers."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import folding_cases, formula, worn_in
from phase1_foundations.lab2_nn_module.checks_by_exercise.tools import Probes, numbers, same

probe = Probes()
BATCH = torch.tensor([[1.0], [2.0], [2.5], [3.0], [4.0]], dtype=torch.float64)  # mean 2.5, variances 1.0 and 1.25


def column(y: Tensor) -> Tensor:
    return y.detach().reshape(-1)


# ---- the formula ----------------------------------------------------------------------------------------


@probe("normalises-by-the-unbiased-variance")
def unbiased(a: Any, t: Trial) -> str | None:
    expected, wrong = formula(BATCH, (0,), 1e-5), (BATCH - 2.5) / math.sqrt(1.25 + 1e-5)
    places = {
        "normalize": lambda: a.normalize(BATCH, (0,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(1).double()(BATCH),
        "LayerNorm": lambda: a.LayerNorm(5).double()(BATCH.T).T,
        "GroupNorm": lambda: a.GroupNorm(1, 5).double()(BATCH.T).T,
        "InstanceNorm": lambda: a.InstanceNorm(1).double()(BATCH.T[None])[0].T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if isinstance(attempt.value, Tensor) and same(attempt.value, wrong) and not same(attempt.value, expected):
            return (
                f"`{name}` divides by the root of the *unbiased* variance, {numbers(column(attempt.value))} for {numbers(column(BATCH))}; "
                "normalising takes the biased one (divide by n): `x.var(dims, correction=0)`, since `var` "
                "divides by n − 1 unless told"
            )
    return None


@probe("eps-outside-the-root")
def eps_outside(a: Any, t: Trial) -> str | None:
    places = {
        "normalize": lambda: a.normalize(BATCH, (0,), 0.44),
        "BatchNorm": lambda: a.BatchNorm(1, eps=0.44).double()(BATCH),
        "LayerNorm": lambda: a.LayerNorm(5, eps=0.44).double()(BATCH.T).T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if isinstance(attempt.value, Tensor) and same(attempt.value, (BATCH - 2.5) / 1.44):
            return f"`{name}` adds eps to the deviation: it belongs to the variance, inside the root: √(σ² + ε), not √σ² + ε"
        if isinstance(attempt.value, Tensor) and same(attempt.value, (BATCH - 2.5) / math.sqrt(1 + 1e-5)):
            return f"`{name}` ignores the eps that it is given: with eps = 0.44 it behaves as with 1e-5"
    return None


@probe("no-root")
def no_root(a: Any, t: Trial) -> str | None:
    y = a.normalize(BATCH * 2, (0,), 0.0)
    if same(y, (BATCH * 2 - 5) / 4):
        return "`normalize` divides by the variance 4 where its root 2 is due: the result must have variance 1"
    if same(y, BATCH * 2 - 5):
        return "`normalize` subtracts the mean, but does not divide by the deviation"
    if same(y, BATCH):
        return "`normalize` divides by the deviation, but does not subtract the mean"
    return None


@probe("one-pass-variance")
def one_pass(a: Any, t: Trial) -> str | None:
    x = (1e4 + t.randn(64, 1)).float()
    expected = formula(x, (0,), 1e-5)
    places = {
        "normalize": lambda: a.normalize(x, (0,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(1)(x),
        "LayerNorm": lambda: a.LayerNorm(64)(x.T.contiguous()).T,
        "GroupNorm": lambda: a.GroupNorm(1, 64)(x.T.contiguous()).T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if not isinstance(attempt.value, Tensor) or attempt.value.shape != x.shape:
            continue
        y = attempt.value.detach().double()
        if not bool(((y - expected).abs() < 0.02).all()):
            variance = float((x * x).mean() - x.mean() ** 2)
            return (
                f"`{name}` of 64 numbers around 10,000 with deviation 1 (float32) came out as {numbers(column(y)[:3])}…, expected "
                f"{numbers(column(expected)[:3])}…: E[x²] − E[x]² is {variance:g} there, it can even be negative. "
                "Subtract the mean first, then square"
            )
    return None


@probe("single-image-refused")
def image_refused(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.BatchNorm(2).double()(t.randn(1, 2, 3, 3)))
    if attempt.raised(ValueError):
        return (
            "BatchNorm refuses a batch of one image with 3×3 pixels; there are nine values a channel. Only *one value a "
            "channel*, N times pixels = 1, has no variance"
        )
    return None


@probe("single-value-accepted")
def value_accepted(a: Any, t: Trial) -> str | None:
    attempt = t.attempt(lambda: a.BatchNorm(2).double()(t.randn(1, 2)))
    if attempt.error is None:
        return (
            f"BatchNorm in training accepts one value a channel and gives {numbers(attempt.value)}: the value minus itself. Every "
            "input would become β; raise ValueError"
        )
    attempt = t.attempt(lambda: a.BatchNorm(2).double().eval()(t.randn(1, 2)))
    if attempt.raised(ValueError):
        return "BatchNorm refuses a single example in *evaluation* mode, where no variance is computed: only training needs two"
    return None


# ---- memory ---------------------------------------------------------------------------------------------


@probe("statistics-are-not-buffers")
def not_buffers(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(2)
    trained = [name for name, _ in bn.named_parameters() if name.startswith("running")]
    if trained:
        return f"{trained[0]} is a parameter, so an optimizer would train it: register it as a buffer"
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        if name not in bn.state_dict():
            return f"`{name}` is not in the state_dict of BatchNorm: register it as a buffer under this name"
    start = {name: getattr(bn, name).tolist() for name in ("running_mean", "running_var", "num_batches_tracked")}
    if start != {"running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0}:
        return f"the statistics start as {start}; expected zeros for the mean, ones for the variance, 0 batches"
    return None


@probe("affine-missing")
def affine(a: Any, t: Trial) -> str | None:
    made = {
        "BatchNorm": (lambda **how: a.BatchNorm(4, **how), True),
        "LayerNorm": (lambda **how: a.LayerNorm(4, **how), True),
        "GroupNorm": (lambda **how: a.GroupNorm(2, 4, **how), True),
        "InstanceNorm": (lambda **how: a.InstanceNorm(4, **how), False),
    }
    for name, (make, default) in made.items():
        for how in ({}, {"affine": True}, {"affine": False}):
            wanted = how.get("affine", default)
            found = sorted(key for key, _ in make(**how).named_parameters())
            if found != (["bias", "weight"] if wanted else []):
                return (
                    f"`{name}` with {how or 'its defaults'} has the parameters {found}, expected "
                    f"{['bias', 'weight'] if wanted else 'none'}"
                )
    return None


@probe("statistics-updated-in-eval")
def updated_in_eval(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double().eval()
    y = bn(BATCH).detach()
    if not same(bn.running_mean, torch.zeros(1)) or not same(bn.running_var, torch.ones(1)):
        return "running statistics changed in evaluation mode: look at `self.training` before updating them"
    if same(y, formula(BATCH, (0,), 1e-5)):
        return (
            "in evaluation mode the batch's own statistics are used, so that an example's result depends on the others in its batch: "
            "use running_mean and running_var"
        )
    return None


@probe("statistics-never-updated")
def never_updated(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    bn(BATCH)
    if same(bn.running_mean, torch.zeros(1)) and same(bn.running_var, torch.ones(1)):
        return "after a batch in training mode running_mean and running_var are still 0 and 1"
    if not same(dict(bn.named_buffers())["running_mean"], bn.running_mean):
        return "running_mean was replaced by an attribute, the buffer of that name is still the old one"
    return None


@probe("momentum-reversed")
def momentum_reversed(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=0.1).double()
    bn(BATCH)
    if same(bn.running_mean, torch.tensor([2.25])):
        return (
            "after one step running_mean is 2.25 = 0.9 · batch: PyTorch's momentum weighs the NEW value, r ← 0.9 r + 0.1 s "
            "gives 0.25"
        )
    if same(bn.running_mean, torch.tensor([2.5])):
        return "after one step running_mean is the batch's mean: it should move a tenth of the way, r ← 0.9 r + 0.1 s"
    return None


@probe("running-variance-is-biased")
def biased_running(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    bn.momentum = 0.1
    bn(BATCH)
    found = float(bn.running_var)
    if abs(found - 1.0) < 1e-9:
        return (
            "running_var should be 1.0250 (0.9 · 1 + 0.1 · unbiased 1.25), got 1.0000: it stores the *unbiased* variance, the sum of "
            "squares divided by n − 1, although the batch is normalised by the biased one"
        )
    if abs(found - (0.9 + 0.1 * math.sqrt(1.25))) < 1e-6 or abs(found - (0.9 + 0.1 * math.sqrt(1.25 + 1e-5))) < 1e-9:
        return f"running_var is {found:.4f}: you keep the deviation, its root. Expected 0.9 · 1 + 0.1 · 1.25 = 1.0250"
    bn = a.BatchNorm(1, momentum=1.0).double()
    x = t.randn(2, 1, 3, 3)
    bn(x)
    found, values = float(bn.running_var), x.flatten()
    if abs(found - float(((values - values.mean()) ** 2).sum())) < 1e-6 and abs(found - float(values.var())) > 1e-6:
        return f"running_var of [2, 1, 3, 3] is {found:.4f}, expected {float(values.var()):.4f}: n counts 2 · 3 · 3 values a channel, not 2"
    return None


@probe("momentum-none")
def momentum_none(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1, momentum=None).double()
    attempt = t.attempt(lambda: [bn(BATCH + shift) for shift in (0, 3, 9)])
    if attempt.raised(TypeError):
        return f"BatchNorm with momentum=None raised “{attempt.error}”: it then weighs the k-th batch by 1/k"
    if attempt.error is None and not same(bn.running_mean, torch.tensor([6.5])):
        return (
            f"three batches with means 2.5, 5.5 and 11.5, momentum=None: running_mean is {numbers(bn.running_mean)}, expected their "
            "plain average 6.5: the k-th batch weighs 1/k, k = num_batches_tracked"
        )
    return None


@probe("statistics-carry-a-graph")
def carry_graph(a: Any, t: Trial) -> str | None:
    bn = a.BatchNorm(1).double()
    x = BATCH.clone().requires_grad_()
    attempt = t.attempt(lambda: [bn(x).sum().backward() for _ in range(2)])
    if bn.running_mean.requires_grad or bn.running_var.requires_grad:
        return "running_mean has a history: every batch stays in memory through it. Update under `torch.no_grad()`"
    if attempt.raised(RuntimeError) and ("second time" in str(attempt.error) or "inplace" in str(attempt.error)):
        return f"a second backward raised “{attempt.error}”: the running statistics carry the graph of the first batch along"
    return None


@probe("statistics-without-gradient")
def without_gradient(a: Any, t: Trial) -> str | None:
    x = t.randn(6, 4)
    weights = t.randn(6, 4)
    for name, make in {"normalize": None, "BatchNorm": lambda: a.BatchNorm(4), "LayerNorm": lambda: a.LayerNorm(4)}.items():
        leaf = x.clone().requires_grad_()
        dims = (1,) if name == "LayerNorm" else (0,)
        y = a.normalize(leaf, dims, 1e-5) if make is None else make().double()(leaf)
        (gradient,) = torch.autograd.grad((y * weights).sum(), leaf)
        deviation = (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()
        if same(gradient, weights / deviation, rtol=1e-6):
            return (
                f"the gradient through `{name}` treats mean and deviation as constants: in training they depend on x, so no `detach`, "
                "no `.data` and no `no_grad` around them"
            )
    return None


# ---- axes -----------------------------------------------------------------------------------------------


@probe("axes-of-another-norm")
def axes(a: Any, t: Trial) -> str | None:
    x = t.randn(3, 4, 2, 5)
    right = {
        "BatchNorm": (lambda: a.BatchNorm(4), (0, 2, 3)),
        "LayerNorm": (lambda: a.LayerNorm((4, 2, 5)), (1, 2, 3)),
        "InstanceNorm": (lambda: a.InstanceNorm(4), (2, 3)),
    }
    words = {
        (0,): "each place over the batch", (0, 2, 3): "each channel over the batch", (1, 2, 3): "each example",
        (2, 3): "each channel of each example", (1,): "the channels at each place", (3,): "the last axis", (0, 1, 2, 3): "everything",
    }
    for name, (make, dims) in right.items():
        attempt = t.attempt(lambda make=make: make().double()(x).detach())
        for other, what in words.items():
            if attempt.error is None and other != dims and same(attempt.value, formula(x, other, 1e-5)):
                return f"`{name}` of [3, 4, 2, 5] normalises over the axes {other}, {what}; asked for are {dims}, {words[dims]}"
    return None


@probe("groups-are-interleaved")
def interleaved(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 6, 3)
    y = a.GroupNorm(2, 6, affine=False).double()(x).detach()
    mixed = formula(x.reshape(2, 3, 2, 3), (1, 3), 1e-5).reshape(2, 6, 3)
    if same(y, mixed):
        return (
            "GroupNorm(2, 6) puts channels 0, 2, 4 into one group: groups are contiguous channel blocks, 0 1 2 and 3 4 5. Reshape to "
            "[N, groups, channels/groups · pixels]"
        )
    whole = formula(x.reshape(2, 3, 6), (2,), 1e-5).reshape(2, 6, 3)
    if same(y, whole):
        return "GroupNorm(2, 6) makes 3 groups of 2 channels: the first argument is the number of groups, not their size"
    if same(y, formula(x.reshape(2, 2, 3, 3), (2,), 1e-5).reshape(2, 6, 3)):
        return "GroupNorm normalises each pixel for itself: a group's statistics run over its channels *and* all pixels"
    return None


@probe("uneven-groups-accepted")
def uneven(a: Any, t: Trial) -> str | None:
    if t.attempt(lambda: a.GroupNorm(4, 6)).error is None:
        return "GroupNorm(4, 6) was made without an error: 6 channels cannot be divided into 4 equal groups. Raise ValueError"
    return None


@probe("affine-along-the-wrong-axis")
def affine_axis(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 3, 3, 3)
    for name, make in {"BatchNorm": lambda: a.BatchNorm(3), "GroupNorm": lambda: a.GroupNorm(1, 3)}.items():
        module = make().double()
        plain = module(x).detach()
        with torch.no_grad():
            module.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        if same(module(x), plain * torch.tensor([1.0, 2.0, 3.0]).double(), atol=1e-6):
            return (
                f"`{name}` multiplies the last axis by γ: a vector [C] lines up with the last axis, the columns of the image. Reshape it to "
                "[1, C, 1, 1]"
            )
        if same(module(x), plain):
            return f"`{name}` does not use its `weight`"
    return None


@probe("needs-contiguous-memory")
def contiguous(a: Any, t: Trial) -> str | None:
    x = t.randn(2, 4, 3, 3).to(memory_format=torch.channels_last)
    for name, make in {
        "BatchNorm": lambda: a.BatchNorm(4), "GroupNorm": lambda: a.GroupNorm(2, 4), "InstanceNorm": lambda: a.InstanceNorm(4),
        "LayerNorm": lambda: a.LayerNorm((4, 3, 3)),
    }.items():
        attempt = t.attempt(lambda make=make: make().double()(x))
        if attempt.raised(RuntimeError) and "view" in str(attempt.error):
            return f"`{name}` of an image in channels_last memory raised “{attempt.error}”: use `reshape`"
    return None


@probe("half-precision-statistics")
def half(a: Any, t: Trial) -> str | None:
    x = (100 + 2 * t.randn(4096, 1)).to(torch.bfloat16)
    places = {
        "normalize": lambda: a.normalize(x, (0,), 1e-5),
        "BatchNorm": lambda: a.BatchNorm(1)(x),
        "LayerNorm": lambda: a.LayerNorm(4096)(x.T.contiguous()).T,
    }
    for name, run in places.items():
        attempt = t.attempt(run)
        if attempt.raised(RuntimeError, TypeError):
            return f"`{name}` of a bfloat16 tensor raised “{attempt.error}”: convert to float32 first, and back at the end"
        if attempt.error is None and attempt.value.dtype != torch.bfloat16:
            return f"`{name}` of a bfloat16 tensor returns {attempt.value.dtype}: return the input's dtype"
        if attempt.error is None:
            error = float((attempt.value.detach().double() - formula(x, (0,), 1e-5)).abs().max())
            if error > 0.05:
                return (
                    f"`{name}` of bfloat16 numbers around 100 is off by {error:.2f}: mean and variance were rounded to bfloat16, which has "
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
                return f"AdaLayerNorm normalises over the axes {other}; LN is over the last axis, the features of each token"
        return (
            "at the start AdaLayerNorm should be plain LN(x), since s and b are zero; it is not. Set weights *and* biases of your "
            "linear layer to 0"
        )
    if gate is not None and bool((gate != 0).any()):
        return "the gate is not 0 at the start: zero the weights and the bias that make it, and add no 1 to it"
    return None


@probe("gate-of-another-shape")
def gate_shape(a: Any, t: Trial) -> str | None:
    _, gate = a.AdaLayerNorm(4, 3).double()(t.randn(2, 5, 4), t.randn(2, 3))
    if isinstance(gate, Tensor) and tuple(gate.shape) != (2, 1, 4):
        return f"the gate has shape {tuple(gate.shape)}, expected (2, 1, 4): one for each example, the same for all tokens"
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
            "no parameter of AdaLayerNorm gets a gradient at the start, so it would stay as it is for ever: two zero layers in a row, or a "
            "`detach`. Zero one linear layer only"
        )
    return None


# ---- folding --------------------------------------------------------------------------------------------


@probe("fold-changes-the-original")
def fold_changes(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(2, 3).double(), worn_in(t, a.BatchNorm(3), 3)
    before = [p.detach().clone() for p in (*layer.parameters(), *bn.state_dict().values())]
    folded = a.fold_batchnorm(layer, bn)
    after = [*layer.parameters(), *bn.state_dict().values()]
    if folded is layer or any(not torch.equal(x, y) for x, y in zip(before, after, strict=False)):
        return "fold_batchnorm changed the layer (or the norm) that it was given: work on a copy, `copy.deepcopy(layer)`"
    return None


@probe("fold-constant-off")
def fold_constant(a: Any, t: Trial) -> str | None:
    for layer, shape in folding_cases(t):
        channels = layer.weight.shape[0]
        bn = worn_in(t, a.BatchNorm(channels), channels)
        x = t.randn(*shape)
        attempt = t.attempt(lambda layer=layer, bn=bn, x=x: (a.fold_batchnorm(layer, bn)(x), bn(layer(x))))
        if attempt.error is not None:
            if layer.bias is None and attempt.raised(TypeError, AttributeError):
                return f"fold_batchnorm of a layer without bias raised “{attempt.error}”: treat a missing bias as 0"
            continue
        difference = (attempt.value[0] - attempt.value[1]).detach().transpose(0, 1).flatten(1)  # [C, …]
        if float(difference.abs().max()) > 1e-9 and float((difference - difference[:, :1]).abs().max()) < 1e-9:
            what = "its bias" if layer.bias is not None else "the running mean, or β"
            return (
                f"the folded {type(layer).__name__} is off by a per-channel constant, {numbers(difference[:, 0])}: {what} is forgotten or "
                "not scaled. b' = (b − mean) · γ / √(var + ε) + β"
            )
    return None


@probe("fold-forgets-the-layer-s-settings")
def fold_settings(a: Any, t: Trial) -> str | None:
    for layer, shape in folding_cases(t):
        channels = layer.weight.shape[0]
        bn, x = worn_in(t, a.BatchNorm(channels), channels), t.randn(*shape)
        attempt = t.attempt(lambda layer=layer, bn=bn, x=x: a.fold_batchnorm(layer, bn)(x).shape)
        if isinstance(layer, nn.Conv2d) and (attempt.raised(RuntimeError) or (attempt.error is None and attempt.value != layer(x).shape)):
            said = str(attempt.error).splitlines()[0] if attempt.error else f"gives the shape {tuple(attempt.value)}, expected {tuple(layer(x).shape)}"
            return (
                f"the folded version of {layer}: {said}. Stride, padding, dilation, groups and padding_mode must come along; a deepcopy has "
                "them all. The scale lines up with the weight's *first* axis"
            )
    return None


@probe("fold-along-the-wrong-axis")
def fold_axis(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Linear(3, 3).double(), worn_in(t, a.BatchNorm(3), 3)
    found = a.fold_batchnorm(layer, bn).weight.detach()
    scale = bn.weight.detach() * (bn.running_var + bn.eps).rsqrt()
    if same(found, layer.weight.detach() * scale, atol=1e-9):
        return "the scale went along the weight's columns (its inputs): it belongs to the outputs, `scale[:, None] * weight`"
    variance = bn.weight.detach() / (bn.running_var + bn.eps)
    if same(found, layer.weight.detach() * variance[:, None], atol=1e-9):
        return "the weight is scaled by γ / (var + ε): the root is missing, γ / √(var + ε)"
    return None


@probe("fold-returns-a-pair")
def fold_kind(a: Any, t: Trial) -> str | None:
    layer, bn = nn.Conv2d(2, 3, 1).double(), worn_in(t, a.BatchNorm(3), 3)
    folded = a.fold_batchnorm(layer, bn)
    if not isinstance(folded, nn.Conv2d) or isinstance(folded, nn.Sequential):
        return f"fold_batchnorm of a Conv2d returned a {type(folded).__name__}: asked for is one nn.Conv2d that does the work of both"
    return None
