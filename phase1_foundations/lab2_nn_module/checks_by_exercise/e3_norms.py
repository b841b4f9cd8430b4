"""E3: the norm family, and folding. What must hold; the known mistakes stand in `e3_mistakes`."""

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Exercise, Trial, forbid
from phase1_foundations.lab2_nn_module.checks_by_exercise import (
    e3_mistakes,
    e3_mistakes_axes,
    e3_mistakes_folding,
    e3_mistakes_last,
    e3_mistakes_memory,
    e3_mistakes_unusual,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.e3_oracle import (
    affine_in_half,
    compare_with_torch,
    folding_cases,
    formula,
    jobs,
    modulated,
    randomise,
    rounded_once,
    torch_twin,
    worn_in,
)
from phase1_foundations.lab2_nn_module.checks_by_exercise.pictures import cubes

NORMS = (
    *(
        "batch_norm",
        "native_batch_norm",
        "layer_norm",
        "native_layer_norm",
        "group_norm",
        "native_group_norm",
    ),
    *("instance_norm", "rms_norm", "local_response_norm", "cudnn_batch_norm", "_native_batch_norm_legit"),
)

e3 = Exercise(
    "E3",
    takes={
        "normalize": Tensor,
        "BatchNorm": None,
        "LayerNorm": None,
        "GroupNorm": None,
        "InstanceNorm": None,
        "AdaLayerNorm": None,
        "fold_batchnorm": nn.Module,
    },
    forbids=forbid(*NORMS, why="it is the answer itself. Build the norms from mean and variance"),
    hints=(
        "Write `normalize` first. After that only the axes differ: which numbers share a mean? BatchNorm "
        "besides remembers what it saw.",
        "Batch: axes (0, 2, 3, …); layer: the last ones; group: reshape to [N, groups, rest] and take the "
        "last axis; instance: (2, 3, …). Running statistics under no_grad: r ← (1 − m) r + m s with the "
        "variance times n/(n − 1). Fold: scale = γ / √(var + ε), w' = scale · w along the outputs, b' = (b − "
        "mean) · scale + β.",
        "`centred = x - x.mean(dims, keepdim=True)`; `centred * torch.rsqrt(centred.square().mean(dims, "
        "keepdim=True) + eps)`. γ as `weight.reshape(1, -1, *[1] * (x.dim() - 2))`. AdaLN: one "
        "`nn.Linear(cond_dim, 3 * dim)` with weight and bias zeroed, `.chunk(3, dim=-1)`, each `[:, None, "
        ":]`. Fold: `copy.deepcopy(layer)`, then `folded.weight.mul_(scale.reshape(-1, 1, 1, 1))`.",
    ),
)
for mistakes in (
    e3_mistakes,
    e3_mistakes_memory,
    e3_mistakes_unusual,
    e3_mistakes_axes,
    e3_mistakes_folding,
    e3_mistakes_last,
):
    mistakes.probe.add_to(e3)


@e3.property("normalize", points=3)
def normalises(a: Any, t: Trial) -> None:
    cases = [
        ((4,), (0,)),
        ((1, 3), (-1,)),
        ((3, 4), (0,)),
        ((2, 3, 4), (1, 2)),
        ((2, 3, 4), (0, -1)),
        ((2, 3, 4, 2), (0, 2, 3)),
        ((1, 1), (0, 1)),
    ]
    for shape, dims in cases:
        for eps in (1e-5, 0.3):
            x = t.randn(*shape)
            t.equal(a.normalize(x, dims, eps), formula(x, dims, eps))
    for dtype, close in ((torch.float32, 2e-5), (torch.bfloat16, 2e-2), (torch.float16, 3e-3)):
        x = (3 + t.randn(8, 33)).to(dtype)
        t.equal(a.normalize(x, (1,), 1e-5), formula(x, (1,), 1e-5).to(dtype), rtol=close, atol=close)
    odd = (100.25 + 2 * t.randn(2, 500)).to(torch.bfloat16)
    t.equal(a.normalize(odd, (1,), 1e-5), formula(odd, (1,), 1e-5).to(odd.dtype), rtol=2e-2, atol=2e-2)
    far = (1e4 + t.randn(3, 200)).float()
    t.equal(
        a.normalize(far, (1,), 1e-5), formula(far, (1,), 1e-5).float(), "around 10,000", rtol=0, atol=2e-2
    )
    t.equal(a.normalize(torch.full((2, 5), 7.0), (1,), 1e-5), torch.zeros(2, 5), "a constant row")
    x = t.randn(3, 4, 5).transpose(0, 2)
    t.equal(a.normalize(x, (0, 1), 1e-5), formula(x, (0, 1), 1e-5), "a transposed tensor")
    leaf, weights = t.randn(3, 4).requires_grad_(), t.randn(3, 4)
    (found,) = torch.autograd.grad((a.normalize(leaf, (1,), 1e-5) * weights).sum(), leaf)
    with t.oracle():
        (expected,) = torch.autograd.grad((torch.nn.functional.layer_norm(leaf, (4,)) * weights).sum(), leaf)
    t.equal(found, expected, "the gradient", rtol=1e-8, atol=1e-9)


@e3.property("BatchNorm: training, twenty batches, evaluation", points=5)
def batch_norm(a: Any, t: Trial) -> None:
    for how in ({}, {"momentum": None}, {"momentum": 0.7, "eps": 0.1}, {"affine": False}):
        for shape in ((6, 3), (4, 3, 5), (2, 3, 2, 4), (1, 3, 2)):
            words = ", ".join(f"{key}={value}" for key, value in {"num_features": 3, **how}.items())
            t.given(f"BatchNorm({words}) of {list(shape)}")
            mine, twin = a.BatchNorm(3, **how).double(), torch_twin(t, "BatchNorm", 3, **how)
            t.equal(sorted(mine.state_dict()), sorted(twin.state_dict()), "the names in its state_dict")
            randomise(t, mine)
            twin.load_state_dict(mine.state_dict())
            for batch in range(20):
                x = t.randn(*shape) * 2 + batch
                if batch < 2:
                    compare_with_torch(t, mine, twin, x, "in training")
                else:
                    mine(x)
                    with t.oracle():
                        twin(x)
            for name, value in twin.state_dict().items():
                t.equal(mine.state_dict()[name], value, f"{name} after twenty batches", rtol=1e-9, atol=1e-10)
            before = {name: value.clone() for name, value in mine.state_dict().items()}
            mine.eval(), twin.eval()
            compare_with_torch(t, mine, twin, t.randn(*shape), "in evaluation")
            if len(shape) == 2:
                compare_with_torch(t, mine, twin, t.randn(1, 3), "a single example in evaluation")
            t.equal(dict(mine.state_dict()), before, "the state after an evaluation")
            t.that(
                not any(buffer.requires_grad for buffer in mine.buffers()),
                "a running statistic requires a gradient",
            )


@e3.property("BatchNorm: edges", points=2)
def batch_norm_edges(a: Any, t: Trial) -> None:
    for shape in ((1, 3), (1, 3, 1), (1, 3, 1, 1)):
        t.raises(
            ValueError, lambda shape=shape: a.BatchNorm(3)(torch.randn(shape)), f"training with {list(shape)}"
        )
    bn = a.BatchNorm(2).double()
    y = bn(torch.stack([torch.full((5,), 3.0), torch.arange(5.0)], dim=1).double())
    t.given("BatchNorm(2), the first channel constant")
    t.equal(y[:, 0].detach(), torch.zeros(5).double(), "a constant channel")
    x = t.randn(3, 4, 2, 2).to(memory_format=torch.channels_last)
    t.given("BatchNorm(4) of an image in channels_last memory")
    compare_with_torch(t, a.BatchNorm(4).double(), torch_twin(t, "BatchNorm", 4), x, "in training")
    far = (1e4 + t.randn(200, 2)).float()
    bn = a.BatchNorm(2, momentum=1.0)
    t.given("BatchNorm(2) in float32, numbers around 10,000")
    t.equal(bn(far).detach(), formula(far, (0,), 1e-5).float(), "the result", rtol=0, atol=2e-2)
    t.equal(bn.running_var, far.double().var(0).float(), "running_var", rtol=1e-2)
    still = a.BatchNorm(3, momentum=0.0)
    still(torch.randn(4, 3))
    t.given("BatchNorm(3, momentum=0.0)")
    t.equal(still.running_mean, torch.zeros(3), "running_mean, after a batch that weighs nothing")
    half = (20 + t.randn(512, 3)).to(torch.bfloat16)
    bn = a.BatchNorm(3, momentum=1.0)
    t.given("BatchNorm(3) in float32, a bfloat16 input")
    t.equal(
        bn(half).detach(), formula(half, (0,), 1e-5).to(torch.bfloat16), "the result", rtol=2e-2, atol=2e-2
    )
    t.equal(bn.running_mean, half.double().mean(0).float(), "running_mean", rtol=1e-4)
    t.equal(bn.running_var, half.double().var(0).float(), "running_var", rtol=1e-3)


def others(a: Any) -> list[tuple[str, Any, tuple[Any, ...], tuple[int, ...]]]:
    """Kind, class, arguments, shape of the input."""
    return [
        ("LayerNorm", a.LayerNorm, (4,), (3, 4)),
        ("LayerNorm", a.LayerNorm, (4,), (2, 3, 4)),
        ("LayerNorm", a.LayerNorm, ((3, 4),), (2, 3, 4)),
        ("LayerNorm", a.LayerNorm, ((2,),), (2,)),
        ("LayerNorm", a.LayerNorm, ((3, 2, 2),), (2, 3, 2, 2)),
        ("GroupNorm", a.GroupNorm, (2, 6), (3, 6)),
        ("GroupNorm", a.GroupNorm, (3, 6), (2, 6, 4)),
        ("GroupNorm", a.GroupNorm, (1, 4), (2, 4, 3, 2)),
        ("GroupNorm", a.GroupNorm, (4, 4), (2, 4, 3, 2)),
        ("InstanceNorm", a.InstanceNorm, (3,), (2, 3, 5)),
        ("InstanceNorm", a.InstanceNorm, (3,), (1, 3, 2, 4)),
    ]


@e3.property("LayerNorm, GroupNorm, InstanceNorm", points=4)
def the_others(a: Any, t: Trial) -> None:
    for kind, make, arguments, shape in others(a):
        for how in ({}, {"affine": True, "eps": 0.1}, {"affine": False}):
            t.given(f"{kind}{arguments} with {how or 'its defaults'} of {list(shape)}")
            mine, twin = make(*arguments, **how).double(), torch_twin(t, kind, *arguments, **how)
            names = sorted(dict(twin.named_parameters()))
            t.equal(sorted(mine.state_dict()), names, "the names in its state_dict")
            t.that(
                names != [] or (mine.weight is None and mine.bias is None),
                "without affine, weight and bias are not None",
            )
            for name, value in twin.state_dict().items():
                t.equal(mine.state_dict()[name], value, f"{name} at the start")
            randomise(t, mine)
            twin.load_state_dict(mine.state_dict())
            compare_with_torch(t, mine, twin, t.randn(*shape), "in training")
            mine.eval(), twin.eval()
            compare_with_torch(t, mine, twin, t.randn(*shape).flip(0), "in evaluation")
    for groups, channels in ((4, 6), (5, 3), (3, 4)):
        t.raises(
            ValueError, lambda g=groups, c=channels: a.GroupNorm(g, c), f"GroupNorm({groups}, {channels})"
        )
    x = t.randn(3, 4)
    x[1, 2] = torch.nan
    y = a.LayerNorm(4).double()(x).detach()
    t.given("LayerNorm(4) of three examples, one of them with a nan")
    t.that(
        bool(y[1].isnan().all()) and bool(y[[0, 2]].isfinite().all()),
        f"a nan in example 1: the examples are now {y.tolist()}",
    )
    image = t.randn(2, 4, 3, 3).to(memory_format=torch.channels_last)
    for kind, mine in (("GroupNorm", a.GroupNorm(2, 4)), ("InstanceNorm", a.InstanceNorm(4))):
        t.given(f"{kind} of an image in channels_last memory")
        twin = torch_twin(t, kind, 2, 4) if kind == "GroupNorm" else torch_twin(t, kind, 4)
        compare_with_torch(t, mine.double(), twin, image, "the result")
    for kind, mine in (
        ("LayerNorm", a.LayerNorm((4, 3))),
        ("GroupNorm", a.GroupNorm(1, 4)),
        ("InstanceNorm", a.InstanceNorm(4)),
    ):
        half = (5 + t.randn(2, 4, 3)).to(torch.bfloat16)
        dims = (2,) if kind == "InstanceNorm" else (1, 2)
        t.given(f"{kind} in float32, a bfloat16 input")
        t.equal(
            mine(half).detach(),
            formula(half, dims, 1e-5).to(torch.bfloat16),
            "the result",
            rtol=2e-2,
            atol=2e-2,
        )
    found, exact = affine_in_half(a.LayerNorm(512), t)
    t.given("LayerNorm in float32 with weights of its own, a bfloat16 input")
    t.that(
        rounded_once(found, exact),
        "the result is not the float32 result, rounded once: γ and β belong to what is computed in float32",
    )


@e3.property("AdaLayerNorm", points=3)
def adaptive(a: Any, t: Trial) -> None:
    for gated in (True, False):
        for dim, cond in ((1, 1), (4, 3), (5, 2)):
            module = a.AdaLayerNorm(dim, cond, gated=gated).double()
            x, c = t.randn(2, 3, dim), t.randn(2, cond)
            t.given(f"AdaLayerNorm({dim}, {cond}, gated={gated})")
            y, gate = module(x, c)
            plain = formula(x, (2,), 1e-5)
            t.equal(y.detach(), plain, "modulated at the start", atol=1e-9)
            t.that((gate is not None) == gated, f"the gate is {gate!r}")
            if gated:
                t.equal(gate.detach(), torch.zeros(2, 1, dim).double(), "the gate at the start")
            trained = [y.sum() + (y * t.randn(2, 3, dim)).sum(), *([gate.sum()] if gated else [])]
            grads = torch.autograd.grad(
                sum(trained), list(module.parameters()), materialize_grads=True, allow_unused=True
            )
            t.that(any(bool(g.any()) for g in grads), "no parameter gets a gradient at the start")
            randomise(t, module)
            modulated(t, module, dim, cond, gated)
    t.that(
        a.AdaLayerNorm(4, 3)(torch.ones(1, 2, 4), torch.ones(1, 3))[1] is not None,
        "by default there is no gate",
    )
    module, x = a.AdaLayerNorm(4, 3), (5 + t.randn(2, 3, 4)).to(torch.bfloat16)
    t.given("AdaLayerNorm(4, 3) in float32, a bfloat16 x, a float32 c")
    y, _ = module(x, t.randn(2, 3, dtype=torch.float32))
    t.equal(y.detach(), formula(x, (2,), 1e-5).to(torch.bfloat16), "modulated", rtol=2e-2, atol=2e-2)
    module = a.AdaLayerNorm(3, 2).double()
    randomise(t, module)
    x, c = t.randn(2, 5, 3).requires_grad_(), t.randn(2, 2).requires_grad_()
    t.given("AdaLayerNorm(3, 2), gradients of x and c")
    y, gate = module(x, c)
    for what, value, leaf in (("modulated", y, x), ("modulated", y, c), ("the gate", gate, c)):
        grads = torch.autograd.grad(value.square().sum(), leaf, retain_graph=True, allow_unused=True)
        reached = grads[0] is not None and bool(grads[0].any())
        t.that(reached, f"no gradient comes from {what} to {'x' if leaf is x else 'the condition c'}")
    scale, shift, gate = jobs(module, t.randn(1, 8, 3), t.randn(1, 2))
    t.given("AdaLayerNorm(3, 2) with random parameters")
    for left, right, what in (
        (scale - 1, shift, "scale and shift"),
        (scale - 1, gate, "scale and gate"),
        (shift, gate, "shift and gate"),
    ):
        apart = min(float((left - sign * right).abs().max()) for sign in (1, -1))
        t.that(apart > 1e-6, f"{what} are the same numbers; asked for are three linear layers")


@e3.property("fold_batchnorm", points=3)
def folds(a: Any, t: Trial) -> None:
    for affine in (True, False):
        for layer, shape in folding_cases(t):
            channels = layer.weight.shape[0]
            bn = worn_in(t, a.BatchNorm(channels, affine=affine, eps=1e-3), channels)
            layer_before = {k: v.clone() for k, v in layer.state_dict().items()}
            bn_before = {k: v.clone() for k, v in bn.state_dict().items()}
            t.given(f"fold_batchnorm({layer}, BatchNorm({channels}, affine={affine}))")
            folded = a.fold_batchnorm(layer, bn)
            kind = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.Linear
            t.that(
                isinstance(folded, kind) and folded is not layer,
                f"the result is a {type(folded).__name__}, expected a new {kind.__name__}",
            )
            t.that(
                isinstance(folded.bias, nn.Parameter) and isinstance(folded.weight, nn.Parameter),
                "weight or bias is no Parameter",
            )
            x = t.randn(*shape)
            t.equal(folded(x).detach(), bn(layer(x)).detach(), "folded and unfolded", rtol=1e-10, atol=1e-11)
            t.equal(dict(layer.state_dict()), layer_before, "the layer after folding")
            t.equal(dict(bn.state_dict()), bn_before, "the norm after folding")
    with t.oracle():
        layer = nn.Linear(3, 2)
    bn = a.BatchNorm(2)
    bn(torch.randn(8, 2))
    a.fold_batchnorm(layer.eval(), bn.train())
    t.given("fold_batchnorm of a layer in evaluation mode and a norm in training mode")
    t.that(bn.training and not layer.training, "afterwards one of them is in another mode")
    folded, x = a.fold_batchnorm(layer, bn.eval()), torch.randn(4, 3)
    t.given("fold_batchnorm of a float32 layer")
    t.equal(folded(x).detach(), bn(layer(x)).detach(), "folded and unfolded", rtol=1e-4, atol=1e-5)


e3.reward(cubes)
