"""Wrong answers to E3, third part: folding."""

from __future__ import annotations

import copy

import torch
from torch import nn

from phase1_foundations.lab2_nn_module import solution
from tests.labs.answers import Answers

wrong = Answers()


def one(name, named=True, **objects):
    wrong.add("E3", name, lambda: objects, named=named)


# ---- fold_batchnorm -------------------------------------------------------------------------------------


def fold(scale=None, shift=None):
    def fold_batchnorm(layer, bn):
        gamma = torch.ones_like(bn.running_var) if bn.weight is None else bn.weight.detach()
        beta = torch.zeros_like(gamma) if bn.bias is None else bn.bias.detach()
        right = gamma / (bn.running_var + bn.eps).sqrt()
        factor = scale(gamma, bn) if scale else right
        old = torch.zeros_like(gamma) if layer.bias is None else layer.bias.detach()
        new = copy.deepcopy(layer)
        bias = shift(old, factor, beta, bn) if shift else (old - bn.running_mean) * factor + beta
        with torch.no_grad():
            new.weight.mul_(factor.reshape(-1, *[1] * (new.weight.dim() - 1)))
            new.bias = nn.Parameter(bias)
        return new

    return fold_batchnorm


def as_sequence(layer, bn):
    return nn.Sequential(layer, bn)


def changes_the_layer(layer, bn):
    folded = solution.fold_batchnorm(layer, bn)
    with torch.no_grad():
        layer.weight.copy_(folded.weight)
    return folded


def same_object(layer, bn):
    folded = solution.fold_batchnorm(layer, bn)
    layer.weight, layer.bias = folded.weight, folded.bias
    return layer


def needs_a_bias(layer, bn):
    folded = copy.deepcopy(layer)
    scale = (bn.weight if bn.weight is not None else 1) * torch.rsqrt(bn.running_var + bn.eps)
    with torch.no_grad():
        folded.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        folded.bias.copy_((layer.bias - bn.running_mean) * scale + (bn.bias if bn.bias is not None else 0))
    return folded


def needs_affine(layer, bn):
    bn.weight.sum()
    return solution.fold_batchnorm(layer, bn)


def along_the_inputs(layer, bn):
    scale = torch.rsqrt(bn.running_var + bn.eps)
    folded = solution.fold_batchnorm(layer, bn)
    if layer.weight.shape[0] == layer.weight.shape[1]:
        gamma = scale if bn.weight is None else scale * bn.weight
        with torch.no_grad():
            folded.weight.copy_(layer.weight * gamma.reshape(1, -1, *[1] * (layer.weight.dim() - 2)))
    return folded


def in_single_precision(layer, bn):
    return solution.fold_batchnorm(layer, bn).float()


def plain_tensors(layer, bn):
    folded = solution.fold_batchnorm(layer, bn)
    weight = folded.weight.detach()
    del folded.weight
    folded.weight = weight
    return folded


def returns_numbers(layer, bn):
    folded = solution.fold_batchnorm(layer, bn)
    return folded.weight, folded.bias


def batch_statistics(layer, bn):
    bn.train()
    return solution.fold_batchnorm(layer, bn)


one("fold_without_eps", fold_batchnorm=fold(lambda g, bn: g / bn.running_var.sqrt()))
one("fold_other_eps", fold_batchnorm=fold(lambda g, bn: g / (bn.running_var + 1e-5).sqrt()))
one("fold_without_gamma", fold_batchnorm=fold(lambda g, bn: 1 / (bn.running_var + bn.eps).sqrt()))
one("fold_by_variance", fold_batchnorm=fold(lambda g, bn: g / (bn.running_var + bn.eps)))
one("fold_multiplies", fold_batchnorm=fold(lambda g, bn: g * (bn.running_var + bn.eps).sqrt()))
one("fold_without_mean", fold_batchnorm=fold(shift=lambda o, f, b, bn: o * f + b))
one("fold_without_beta", fold_batchnorm=fold(shift=lambda o, f, b, bn: (o - bn.running_mean) * f))
one("fold_bias_unscaled", fold_batchnorm=fold(shift=lambda o, f, b, bn: o - bn.running_mean * f + b))
one("fold_mean_unscaled", fold_batchnorm=fold(shift=lambda o, f, b, bn: o * f - bn.running_mean + b))
one("fold_mean_added", fold_batchnorm=fold(shift=lambda o, f, b, bn: (o + bn.running_mean) * f + b))
one("fold_bias_kept", fold_batchnorm=fold(shift=lambda o, f, b, bn: o))
one("as_sequence", fold_batchnorm=as_sequence)
one("changes_the_layer", fold_batchnorm=changes_the_layer)
one("same_object", fold_batchnorm=same_object)
one("needs_a_bias", fold_batchnorm=needs_a_bias)
one("needs_affine", fold_batchnorm=needs_affine)
one("along_the_inputs", fold_batchnorm=along_the_inputs)
one("in_single_precision", fold_batchnorm=in_single_precision)
one("plain_tensors", fold_batchnorm=plain_tensors)
one("returns_numbers", fold_batchnorm=returns_numbers)
one("batch_statistics", fold_batchnorm=batch_statistics)
