"""What is right in E3: the formula written out in float64, with NumPy's reductions and no norm of torch."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial


def batch() -> Tensor:
    """Five numbers with mean 2.5, biased variance 1.0 and unbiased variance 1.25; new ones at every call."""
    return torch.tensor([[1.0], [2.0], [2.5], [3.0], [4.0]], dtype=torch.float64)


def column(y: Tensor) -> Tensor:
    return y.detach().reshape(-1)


def formula(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """(x − mean) / √(biased variance + eps) in float64."""
    values = x.detach().double().numpy()
    mean = values.mean(axis=dims, keepdims=True)
    variance = ((values - mean) ** 2).mean(axis=dims, keepdims=True)
    return torch.from_numpy((values - mean) / (variance + eps) ** 0.5)


def torch_twin(t: Trial, kind: str, *args: Any, **how: Any) -> nn.Module:
    """torch's own norm of the same kind, in float64."""
    with t.oracle():
        if kind == "BatchNorm":
            return _BatchNorm(*args, **how).double()
        if kind == "LayerNorm":
            affine = how.pop("affine", True)
            return nn.LayerNorm(*args, elementwise_affine=affine, **how).double()
        if kind == "GroupNorm":
            return nn.GroupNorm(*args, **how).double()
        return _InstanceNorm(*args, **how).double()


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes."""


class _InstanceNorm(nn.modules.instancenorm._InstanceNorm):
    def forward(self, input: Tensor) -> Tensor:
        return self._apply_instance_norm(input)


def randomise(t: Trial, module: nn.Module) -> None:
    """Every parameter gets values of its own, so that none can be forgotten or exchanged."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(t.randn(*parameter.shape).to(parameter.dtype))


def output_and_gradients(
    t: Trial, module: nn.Module, x: Tensor, weights: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """module(x), and the gradients of Σ weights · module(x): for x, then the parameters by name."""
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = module(leaf)
    leaves = [leaf, *(p for _, p in sorted(module.named_parameters()))]
    return y.detach(), list(
        torch.autograd.grad((y * weights).sum(), leaves, materialize_grads=True, allow_unused=True)
    )


def compare_with_torch(t: Trial, mine: nn.Module, twin: nn.Module, x: Tensor, what: str) -> None:
    """Output and all gradients of both, for the same parameters."""
    weights = t.randn(*x.shape)
    with t.oracle():
        expected, gradients = output_and_gradients(t, twin, x, weights)
    y, found = output_and_gradients(t, mine, x, weights)
    t.equal(y, expected, what, rtol=1e-8, atol=1e-9)
    names = ["x", *(name for name, _ in sorted(mine.named_parameters()))]
    for name, left, right in zip(names, found, gradients, strict=True):
        t.equal(left, right, f"{what}: the gradient of {name}", rtol=1e-7, atol=1e-8)


def folding_cases(t: Trial) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """Layers in float64, and the shape of an input for each."""
    with t.oracle():
        layers: list[tuple[nn.Module, tuple[int, ...]]] = [
            (nn.Linear(3, 4), (5, 3)),
            (nn.Linear(3, 4, bias=False), (5, 3)),
            (nn.Linear(1, 1), (5, 1)),
            (nn.Conv2d(3, 4, 3), (2, 3, 6, 5)),
            (nn.Conv2d(3, 4, (1, 2), bias=False), (2, 3, 4, 4)),
            (nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2), (2, 4, 6, 6)),
            (nn.Conv2d(4, 4, 3, groups=4, dilation=2, bias=False), (2, 4, 7, 7)),
            (nn.Conv2d(2, 4, 3, padding="same", padding_mode="circular"), (2, 2, 5, 5)),
        ]
        return [(layer.double(), shape) for layer, shape in layers]


def worn_in(t: Trial, bn: Any, channels: int) -> Any:
    """A batch norm with statistics and parameters of its own, in float64 and evaluation mode."""
    bn = bn.double()
    randomise(t, bn)
    with torch.no_grad():
        bn.running_mean.copy_(t.randn(channels))
        bn.running_var.copy_(t.rand(channels, low=0.3, high=2.0))
    return bn.eval()


def root_mean_square(x: Tensor) -> float:
    return math.sqrt(float(x.detach().double().square().mean()))


def jobs(module: nn.Module, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What an AdaLayerNorm makes of x [1, T, D]: 1 + s(c), b(c) and the gate, one number a feature."""
    y, gate = module(x, c)
    plain, scales, shifts = formula(x, (2,), 1e-5), [], []
    for feature in range(x.shape[2]):
        columns = torch.stack([plain[0, :, feature], torch.ones(x.shape[1]).double()], dim=1)
        scale, shift = torch.linalg.lstsq(columns, y.detach()[0, :, feature, None]).solution[:, 0]
        scales.append(scale)
        shifts.append(shift)
    return torch.stack(scales), torch.stack(shifts), gate.detach().flatten()


def modulated(t: Trial, module: nn.Module, dim: int, cond: int, gated: bool) -> None:
    """(1 + s(c)) LN(x) + b(c) with s, b and the gate affine in c and the same for all tokens."""
    x, c, d = t.randn(1, 6, dim), t.randn(1, cond), t.randn(1, cond)
    zero = torch.zeros(1, cond).double()
    plain = formula(x, (2,), 1e-5)
    results = [module(x, condition) for condition in (c + d, c, d, zero)]
    for index, what in ((0, "modulated"), (1, "the gate")):
        if index == 0 or gated:
            both, one, other, none = (result[index].detach() for result in results)
            t.equal(
                both - one - other + none, torch.zeros_like(both), f"{what} is not affine in c", atol=1e-8
            )
            t.that(bool((one - none).abs().max() > 1e-9), f"{what} does not depend on c")
    y = results[1][0].detach()
    if dim > 1:
        for feature in range(dim):
            columns = torch.stack([plain[0, :, feature], torch.ones(6).double()], dim=1)
            solution = torch.linalg.lstsq(columns, y[0, :, feature, None]).solution
            t.equal(
                columns @ solution,
                y[0, :, feature, None],
                f"feature {feature}: scale and shift of LN(x), the same for all tokens",
                atol=1e-7,
            )
            t.that(abs(float(solution[0])) > 1e-9, f"feature {feature} does not depend on x")
    batch_x, batch_c = torch.cat([x, x.flip(1)]), torch.cat([c, d])
    together = module(batch_x, batch_c)
    t.equal(together[0][:1].detach(), y, "an example alone and in a batch with another condition", atol=1e-9)
    if gated:
        t.equal(tuple(together[1].shape), (2, 1, dim), "the shape of the gate")


def affine_in_half(module: nn.Module, t: Trial) -> tuple[Tensor, Tensor]:
    """A float32 LayerNorm(512) with weights of its own on bfloat16 input: its result, and the exact one."""
    randomise(t, module)
    x = t.randn(16, 512).to(torch.bfloat16)
    weight, bias = module.weight.detach().double(), module.bias.detach().double()
    return module(x).detach().double(), formula(x, (1,), 1e-5) * weight + bias


def rounded_once(found: Tensor, exact: Tensor) -> bool:
    """bfloat16 has eight bits: one rounding is off by 1/256 of the result at most, however small that is."""
    return bool(((found - exact).abs() <= exact.abs() / 200 + 1e-4).all())
