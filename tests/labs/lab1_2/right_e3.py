"""Right answers to E3, written otherwise than the reference."""

from __future__ import annotations

import torch
from torch import nn

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

right = Answers()
HALF = (torch.float16, torch.bfloat16)


@right("E3")
def by_var_mean():
    def normalize(x, dims, eps):
        work = x.to(torch.float32) if x.dtype in HALF else x
        var, mean = torch.var_mean(work, dim=dims, correction=0, keepdim=True)
        return torch.div(work - mean, (var + eps).sqrt()).type_as(x)

    return {"normalize": normalize}


@right("E3")
def in_double_inside():
    def normalize(x, dims, eps):
        wide = x.double()
        count = 1
        for d in dims:
            count *= x.shape[d]
        mean = wide.sum(dims, keepdim=True) / count
        variance = ((wide - mean) ** 2).sum(dims, keepdim=True) / count
        return ((wide - mean) / torch.pow(variance + eps, 0.5)).to(x.dtype)

    return {"normalize": normalize}


@right("E3")
def flattened_and_back():
    def normalize(x, dims, eps):
        dims = sorted(d % x.dim() for d in dims)
        others = [d for d in range(x.dim()) if d not in dims]
        order = others + dims
        moved = x.permute(order)
        flat = moved.reshape(*moved.shape[: len(others)], -1)
        flat = flat.float() if x.dtype in HALF else flat
        flat = flat - flat.mean(-1, keepdim=True)
        flat = flat / flat.pow(2).mean(-1, keepdim=True).add(eps).sqrt()
        back = [order.index(d) for d in range(x.dim())]
        return flat.reshape(moved.shape).permute(back).to(x.dtype)

    return {"normalize": normalize}


@right("E3")
def batch_norm_as_a_matrix():
    class BatchNorm(nn.Module):
        def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
            super().__init__()
            self.e, self.m = eps, momentum
            if affine:
                self.weight = nn.Parameter(torch.ones(num_features))
                self.bias = nn.Parameter(torch.zeros(num_features))
            else:
                self.register_parameter("weight", None)
                self.register_parameter("bias", None)
            self.register_buffer("running_mean", torch.zeros(num_features))
            self.register_buffer("running_var", torch.ones(num_features))
            self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            rows = x.movedim(1, -1)
            flat = rows.reshape(-1, x.shape[1])
            work = flat.float() if flat.dtype in HALF else flat
            if self.training:
                n = len(work)
                if n < 2:
                    raise ValueError(f"BatchNorm needs two values a channel, got {tuple(x.shape)}")
                mean, var = work.mean(0), work.var(0, unbiased=False)
                self.num_batches_tracked += 1
                share = 1.0 / self.num_batches_tracked.item() if self.m is None else self.m
                old_mean, old_var = self.running_mean, self.running_var
                new_var = work.detach().var(0).to(old_var.dtype)
                self.running_mean = (1 - share) * old_mean + share * mean.detach().to(old_mean.dtype)
                self.running_var = (1 - share) * old_var + share * new_var
            else:
                mean, var = self.running_mean, self.running_var
            out = (work - mean) / torch.sqrt(var + self.e)
            if self.weight is not None:
                out = out * self.weight + self.bias
            return out.reshape(rows.shape).movedim(-1, 1).to(x.dtype)

    def fold_batchnorm(layer, bn):
        with torch.no_grad():
            root = torch.sqrt(bn.running_var + bn.e)
            gamma = torch.ones_like(root) if bn.weight is None else bn.weight
            beta = torch.zeros_like(root) if bn.bias is None else bn.bias
            old = torch.zeros_like(root) if layer.bias is None else layer.bias
            weight = torch.einsum("o...,o->o...", layer.weight, gamma / root)
            bias = (old - bn.running_mean) * gamma / root + beta
            if isinstance(layer, nn.Linear):
                new = nn.Linear(layer.in_features, layer.out_features)
            else:
                new = nn.Conv2d(
                    layer.in_channels,
                    layer.out_channels,
                    layer.kernel_size,
                    layer.stride,
                    layer.padding,
                    layer.dilation,
                    layer.groups,
                    padding_mode=layer.padding_mode,
                )
            new = new.to(layer.weight.dtype)
            new.weight.copy_(weight)
            new.bias.copy_(bias)
        return new

    return {"BatchNorm": BatchNorm, "fold_batchnorm": fold_batchnorm}


@right("E3")
def channel_by_channel():
    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            work = x.float() if x.dtype in HALF else x
            if self.training and x.numel() == x.shape[1]:
                raise ValueError("n = 1")
            pieces = []
            if self.training:
                self.num_batches_tracked.add_(1)
            for c in range(x.shape[1]):
                values = work[:, c]
                if self.training:
                    n = values.numel()
                    mean = values.mean()
                    var = (values - mean).square().sum() / n
                    m = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
                    with torch.no_grad():
                        self.running_mean[c] += m * (mean - self.running_mean[c])
                        self.running_var[c] += m * (var * n / (n - 1) - self.running_var[c])
                else:
                    mean, var = self.running_mean[c], self.running_var[c]
                y = (values - mean) / (var + self.eps).sqrt()
                if self.weight is not None:
                    y = self.weight[c] * y + self.bias[c]
                pieces.append(y)
            return torch.stack(pieces, dim=1).to(x.dtype)

    return {"BatchNorm": BatchNorm}


@right("E3")
def everything_is_a_group_norm():
    class GroupNorm(nn.Module):
        def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
            super().__init__()
            if num_channels // num_groups * num_groups != num_channels:
                raise ValueError("uneven groups")
            self.g, self.eps = num_groups, eps
            self.weight = nn.Parameter(torch.ones(num_channels)) if affine else None
            self.bias = nn.Parameter(torch.zeros(num_channels)) if affine else None

        def forward(self, x):
            work = x.float() if x.dtype in HALF else x
            parts = []
            for part in work.chunk(self.g, dim=1):
                axes = tuple(range(1, part.dim()))
                centred = part - part.mean(axes, keepdim=True)
                parts.append(centred / (centred.pow(2).mean(axes, keepdim=True) + self.eps) ** 0.5)
            y = torch.cat(parts, dim=1)
            if self.weight is not None:
                shape = [1, len(self.weight)] + [1] * (x.dim() - 2)
                y = y * self.weight.view(shape) + self.bias.view(shape)
            return y.to(x.dtype)

    class InstanceNorm(GroupNorm):
        def __init__(self, num_features, eps=1e-5, affine=False):
            super().__init__(num_features, num_features, eps, affine)

    class LayerNorm(nn.Module):
        def __init__(self, shape, eps=1e-5, affine=True):
            super().__init__()
            self.shape = torch.Size([shape] if isinstance(shape, int) else shape)
            self.norm = None
            self.eps = eps
            self.register_parameter("weight", nn.Parameter(torch.ones(self.shape)) if affine else None)
            self.register_parameter("bias", nn.Parameter(torch.zeros(self.shape)) if affine else None)

        def forward(self, x):
            flat = x.reshape(-1, self.shape.numel())
            work = flat.float() if x.dtype in HALF else flat
            std, mean = torch.std_mean(work, dim=1, correction=0, keepdim=True)
            y = ((work - mean) / (std.square() + self.eps).sqrt()).reshape(x.shape)
            if self.weight is not None:
                y = torch.addcmul(self.bias, y, self.weight)
            return y.to(x.dtype)

    return {"GroupNorm": GroupNorm, "InstanceNorm": InstanceNorm, "LayerNorm": LayerNorm}


@right("E3")
def three_linear_layers():
    class AdaLayerNorm(nn.Module):
        def __init__(self, dim, cond_dim, gated=True):
            super().__init__()
            self.scale, self.shift = nn.Linear(cond_dim, dim), nn.Linear(cond_dim, dim)
            self.gate = nn.Linear(cond_dim, dim) if gated else None
            for p in self.parameters():
                nn.init.zeros_(p)

        def forward(self, x, c):
            c = c.to(self.scale.weight.dtype)
            work = x.float() if x.dtype in HALF else x
            mean = work.mean(-1, keepdim=True)
            var = work.var(-1, unbiased=False, keepdim=True)
            plain = (work - mean) / torch.sqrt(var + 1e-5)
            y = plain + plain * self.scale(c).unsqueeze(1) + self.shift(c).unsqueeze(1)
            gate = self.gate(c).unsqueeze(1) if self.gate is not None else None
            return y.to(x.dtype), gate

    return {"AdaLayerNorm": AdaLayerNorm}


@right("E3")
def one_matrix_by_hand():
    class AdaLayerNorm(nn.Module):
        def __init__(self, dim, cond_dim, gated=True):
            super().__init__()
            self.dim, self.gated = dim, gated
            self.matrix = nn.Parameter(torch.zeros(3 * dim, cond_dim))
            self.offset = nn.Parameter(torch.zeros(3 * dim))
            self.norm = solution.LayerNorm(dim, affine=False)

        def forward(self, x, c):
            out = torch.einsum("bk,dk->bd", c.to(self.matrix.dtype), self.matrix) + self.offset
            gate, shift, scale = (part[:, None] for part in out.split(self.dim, dim=-1))
            y = (self.norm(x.float() if x.dtype in HALF else x) * (scale + 1) + shift).to(x.dtype)
            return (y, gate.to(x.dtype)) if self.gated else (y, None)

    return {"AdaLayerNorm": AdaLayerNorm}


@right("E3")
def fold_by_asking_the_norm():
    """bn is affine: ask it for two points, and the line is known."""

    def fold_batchnorm(layer, bn):
        import copy

        norm = copy.deepcopy(bn).eval()
        channels = layer.weight.shape[0]
        with torch.no_grad():
            one = torch.ones(1, channels, dtype=layer.weight.dtype)
            shift = norm(one * 0)[0]
            scale = norm(one)[0] - shift
            new = copy.deepcopy(layer)
            rows = [w * s for w, s in zip(layer.weight, scale, strict=True)]
            new.weight.copy_(torch.stack(rows))
            new.bias = nn.Parameter(shift + (0 if layer.bias is None else layer.bias * scale))
        return new

    return {"fold_batchnorm": fold_batchnorm}
