"""Right answers to E2 in other styles."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e2_layer import Pieces
from phase2_intermediate.lab2_transformer_encoder.solution import EncoderLayer as Sound
from shared.nn import MultiHeadAttention
from tests.labs.answers import Answers

right = Answers()


@right("E2")
def in_pieces():
    return {"EncoderLayer": Pieces}


class Verbose(nn.Module):
    """Everything spelled out, in the order of the statement."""

    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
        super().__init__()
        if norm not in {"pre", "post"}:
            raise ValueError(norm)
        if act == "gelu":
            self.f = nn.GELU()
        elif act == "relu":
            self.f = nn.ReLU()
        elif act == "swiglu":
            self.f = nn.SiLU()
            self.gate = nn.Linear(d, d_ff)
        else:
            raise ValueError(f"no activation {act}")
        if norm_type == "ln":
            self.norm1 = nn.LayerNorm(d)
            self.norm2 = nn.LayerNorm(d)
        elif norm_type == "rms":
            self.norm1 = nn.RMSNorm(d, eps=1e-5)
            self.norm2 = nn.RMSNorm(d, eps=1e-5)
        else:
            raise ValueError(f"no norm {norm_type}")
        self.is_pre, self.is_gated = norm == "pre", act == "swiglu"
        self.attention = MultiHeadAttention(d, heads, dropout=dropout)
        self.up = nn.Linear(d, d_ff)
        self.down = nn.Linear(d_ff, d)
        self.drop_hidden = nn.Dropout(dropout)
        self.drop1, self.drop2 = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x, key_padding_mask=None):
        mask = None
        if key_padding_mask is not None:
            mask = key_padding_mask.unsqueeze(1).unsqueeze(2)
        residual = x
        h = self.norm1(x) if self.is_pre else x
        h = self.drop1(self.attention(h, mask=mask))
        x = residual + h
        if not self.is_pre:
            x = self.norm1(x)
        residual = x
        h = self.norm2(x) if self.is_pre else x
        h = self.f(self.gate(h)) * self.up(h) if self.is_gated else self.f(self.up(h))
        h = self.drop2(self.down(self.drop_hidden(h)))
        x = residual + h
        return x if self.is_pre else self.norm2(x)

    @classmethod
    def from_torch(cls, layer):
        norm = "pre" if layer.norm_first else "post"
        act = {F.relu: "relu", F.gelu: "gelu"}[layer.activation]
        d, d_ff = layer.linear1.in_features, layer.linear1.out_features
        new = cls(d, layer.self_attn.num_heads, d_ff, dropout=layer.dropout.p, norm=norm, act=act)
        new = new.to(dtype=layer.linear1.weight.dtype)
        weight, bias = layer.self_attn.in_proj_weight.detach(), layer.self_attn.in_proj_bias.detach()
        state = {"attention.out.weight": layer.self_attn.out_proj.weight.detach().clone()}
        state["attention.out.bias"] = layer.self_attn.out_proj.bias.detach().clone()
        for number, name in enumerate(("query", "key", "value")):
            state[f"attention.{name}.weight"] = weight[number * d : (number + 1) * d].clone()
            state[f"attention.{name}.bias"] = bias[number * d : (number + 1) * d].clone()
        for mine, theirs in (("up", "linear1"), ("down", "linear2"), ("norm1", "norm1"), ("norm2", "norm2")):
            for kind in ("weight", "bias"):
                state[f"{mine}.{kind}"] = getattr(getattr(layer, theirs), kind).detach().clone()
        new.load_state_dict(state)
        new.norm1.eps = new.norm2.eps = layer.norm1.eps
        return new


@right("E2")
def spelled_out():
    return {"EncoderLayer": Verbose}


@right("E2")
def torchs_own_parts_copied():
    class EncoderLayer(Verbose):
        @classmethod
        def from_torch(cls, layer):
            new = super().from_torch(layer)
            new.up, new.down = copy.deepcopy(layer.linear1), copy.deepcopy(layer.linear2)
            new.norm1, new.norm2 = copy.deepcopy(layer.norm1), copy.deepcopy(layer.norm2)
            return new

    return {"EncoderLayer": EncoderLayer}


@right("E2")
def dropout_as_a_function():
    class EncoderLayer(Sound):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
            self.p, self.dropout = dropout, nn.Identity()

        def drop(self, h):
            return F.dropout(h, p=self.p, training=self.training)

        def forward(self, x, key_padding_mask=None):
            mask = None if key_padding_mask is None else key_padding_mask[:, None, None]
            f = {"gelu": F.gelu, "relu": torch.relu}.get(self.act)

            def A(h):
                return self.drop(self.attention(h, mask=mask))

            def N(h):
                hidden = f(self.up(h)) if f else F.silu(self.gate(h)) * self.up(h)
                return self.drop(self.down(self.drop(hidden)))

            for norm, branch in ((self.norm1, A), (self.norm2, N)):
                x = x + branch(norm(x)) if self.placement == "pre" else norm(x + branch(x))
            return x

    return {"EncoderLayer": EncoderLayer}


@right("E2")
def erf_by_hand():
    class EncoderLayer(Pieces):
        def bend(self, h):
            if self.act == "relu":
                return torch.maximum(h, torch.zeros_like(h))
            return 0.5 * h * (1.0 + torch.erf(h / math.sqrt(2.0)))

    return {"EncoderLayer": EncoderLayer}


@right("E2")
def a_full_mask():
    class EncoderLayer(Pieces):
        def mask(self, real):
            if real is None:
                return None
            B, T = real.shape
            return real.view(B, 1, 1, T).expand(B, 1, T, T).clone()

    return {"EncoderLayer": EncoderLayer}


@right("E2")
def swiglu_by_its_formula():
    class EncoderLayer(Pieces):
        def hidden(self, h):
            if self.act != "swiglu":
                return super().hidden(h)
            gate = self.gate(h)
            return gate * torch.sigmoid(gate) * self.up(h)

    return {"EncoderLayer": EncoderLayer}


@right("E2")
def rms_of_its_own():
    class RMS(nn.Module):
        def __init__(self, d, eps=1e-5):
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

        def forward(self, x):
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight

    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
            if norm_type == "rms":
                self.norm1, self.norm2 = RMS(d), RMS(d)

    return {"EncoderLayer": EncoderLayer}
