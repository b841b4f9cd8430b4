"""Wrong answers to E3: the reference with one mistake at a time."""

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase1_foundations.lab2_nn_module import solution
from phase1_foundations.lab2_nn_module.solution import per_channel, wider


def batch_norm(
    normalise_by=lambda wide, mean, n: (wide - per_channel(mean, wide)).square().sum(axes(wide)) / n,
    remember=lambda old, new, m: old.lerp_(new, m),
    unbiased=lambda n: n / (n - 1),
    learns=lambda self: self.training,
    uses_batch=lambda self: self.training,
    refuses=lambda x, n: n == 1,
    weight_of_batch=lambda self: (
        1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
    ),
    shape=per_channel,
    through=lambda statistic: statistic,
):
    """A sound BatchNorm of which every step can be exchanged for a wrong one."""

    class BatchNorm(solution.BatchNorm):
        def forward(self, x):
            wide, n = wider(x), x.numel() // x.shape[1]
            if self.training and refuses(x, n):
                raise ValueError("one value a channel")
            mean = through(wide.mean(axes(x)))
            var = through(normalise_by(wide, mean, n))
            if learns(self):
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    m = weight_of_batch(self)
                    spread = (wide - per_channel(mean, x)).square().sum(axes(x)) / n
                    remember(self.running_mean, mean.to(self.running_mean.dtype), m)
                    remember(self.running_var, (spread * unbiased(n)).to(self.running_var.dtype), m)
            if not uses_batch(self):
                mean, var = self.running_mean, self.running_var
            y = (wide - per_channel(mean, x)) * per_channel(torch.rsqrt(var + self.eps), x)
            if self.weight is not None:
                y = y * shape(self.weight, x) + shape(self.bias, x)
            return y.to(x.dtype)

    return BatchNorm


def axes(x):
    return (0, *range(2, x.dim()))


@misconception("E3", diagnosis="forbidden")
def asks_torch():
    class LayerNorm(solution.LayerNorm):
        def forward(self, x):
            return F.layer_norm(x, x.shape[self.dims[0] :], self.weight, self.bias, self.eps)

    return {"LayerNorm": LayerNorm}


@misconception("E3", diagnosis="running-variance-is-biased")
def remembers_the_biased_variance():
    return {"BatchNorm": batch_norm(unbiased=lambda n: 1)}


@misconception("E3", diagnosis="normalises-by-the-unbiased-variance")
def one_variance_for_both():
    return {"BatchNorm": batch_norm(normalise_by=lambda wide, mean, n: wide.var(axes(wide)))}


@misconception("E3", diagnosis="momentum-reversed")
def momentum_of_an_optimizer():
    return {"BatchNorm": batch_norm(remember=lambda old, new, m: old.lerp_(new, 1 - m))}


@misconception("E3", diagnosis="one-pass-variance")
def mean_of_squares_minus_square_of_mean():
    def normalize(x, dims, eps):
        wide = wider(x)
        mean = wide.mean(dims, keepdim=True)
        variance = (wide * wide).mean(dims, keepdim=True) - mean * mean
        return ((wide - mean) / (variance + eps).sqrt()).to(x.dtype)

    return {"normalize": normalize}


@misconception("E3", diagnosis="statistics-updated-in-eval")
def always_learns():
    return {"BatchNorm": batch_norm(learns=lambda self: True)}


@misconception("E3", diagnosis="eps-outside-the-root")
def eps_on_the_deviation():
    def normalize(x, dims, eps):
        centred = wider(x) - wider(x).mean(dims, keepdim=True)
        return (centred / (centred.square().mean(dims, keepdim=True).sqrt() + eps)).to(x.dtype)

    return {"normalize": normalize}


@misconception("E3", diagnosis="groups-are-interleaved")
def every_gth_channel():
    class GroupNorm(solution.GroupNorm):
        def forward(self, x):
            n, c = x.shape[:2]
            split = wider(x).reshape(n, c // self.num_groups, self.num_groups, -1)
            y = solution.normalize(split, (1, 3), self.eps).reshape(x.shape)
            if self.weight is not None:
                y = y * per_channel(self.weight, x) + per_channel(self.bias, x)
            return y.to(x.dtype)

    return {"GroupNorm": GroupNorm}


@misconception("E3", diagnosis="fold-constant-off")
def leaves_the_bias_unscaled():
    def fold_batchnorm(layer, bn):
        folded = solution.fold_batchnorm(layer, bn)
        if layer.bias is not None:
            scale = torch.rsqrt(bn.running_var + bn.eps) * (1 if bn.weight is None else bn.weight)
            with torch.no_grad():
                folded.bias.add_(layer.bias - layer.bias * scale)
        return folded

    return {"fold_batchnorm": fold_batchnorm}


@misconception("E3", diagnosis="zero-at-the-start")
def scale_without_the_one():
    class AdaLayerNorm(solution.AdaLayerNorm):
        def forward(self, x, c):
            y, gate = super().forward(x, c)
            return y - solution.normalize(x, (-1,), 1e-5), gate

    return {"AdaLayerNorm": AdaLayerNorm}


@misconception("E3", diagnosis="half-precision-statistics")
def stays_in_the_dtype_of_x():
    def normalize(x, dims, eps):
        centred = x - x.mean(dims, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(dims, keepdim=True) + eps)

    return {"normalize": normalize}


@misconception("E3", diagnosis="statistics-without-gradient")
def statistics_are_constants():
    return {"BatchNorm": batch_norm(through=lambda statistic: statistic.detach())}


@misconception("E3", diagnosis="affine-along-the-wrong-axis")
def broadcasts_to_the_last_axis():
    wrong = batch_norm(shape=lambda v, x: v if x.shape[-1] == len(v) else per_channel(v, x))
    return {"BatchNorm": wrong}


@misconception("E3", diagnosis="momentum-none")
def none_is_a_tenth():
    return {"BatchNorm": batch_norm(weight_of_batch=lambda self: self.momentum or 0.1)}


@misconception("E3", diagnosis="single-image-refused")
def counts_examples():
    return {"BatchNorm": batch_norm(refuses=lambda x, n: len(x) == 1)}


@misconception("E3", diagnosis="fold-forgets-the-layer-s-settings")
def a_plain_convolution():
    def fold_batchnorm(layer, bn):
        full = solution.fold_batchnorm(layer, bn)
        if isinstance(layer, nn.Linear):
            return full
        folded = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, groups=layer.groups)
        folded.weight, folded.bias = full.weight, full.bias
        return folded

    return {"fold_batchnorm": fold_batchnorm}


@misconception("E3", diagnosis="axes-of-another-norm")
def last_axis_only():
    class LayerNorm(solution.LayerNorm):
        def __init__(self, shape, eps=1e-5, affine=True):
            super().__init__(shape, eps, affine)
            self.dims = (-1,)

    return {"LayerNorm": LayerNorm}
