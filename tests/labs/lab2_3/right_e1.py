"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from shared.nn import Branch, LearnedPositions, MultiHeadAttention, SinusoidalPositions, TransformerLayer
from tests.labs.answers import Answers

right = Answers()


class Straight(nn.Module):
    """Everything written out, post-norm and pre-norm apart."""

    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        super().__init__()
        if norm == "pre":
            self.pre = True
        elif norm == "post":
            self.pre = False
        else:
            raise ValueError("norm must be 'pre' or 'post'")
        self.attention = MultiHeadAttention(d, heads, dropout=dropout)
        self.cross = MultiHeadAttention(d, heads, dropout=dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(d, d_ff), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_ff, d)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)])
        self.drops = nn.ModuleList([nn.Dropout(dropout) for _ in range(3)])

    def forward(self, y, memory, *, memory_mask=None, self_mask=None):
        n1, n2, n3 = self.norms
        d1, d2, d3 = self.drops
        if self.pre:
            y = y + d1(self.attention(n1(y), mask=self_mask))
            y = y + d2(self.cross(n2(y), memory, mask=memory_mask))
            return y + d3(self.feedforward(n3(y)))
        y = n1(y + d1(self.attention(y, mask=self_mask)))
        y = n2(y + d2(self.cross(y, memory, mask=memory_mask)))
        return n3(y + d3(self.feedforward(y)))

    @classmethod
    def from_torch(cls, layer):
        d, heads, width = layer.linear1.in_features, layer.self_attn.num_heads, layer.linear1.out_features
        own = cls(d, heads, width, layer.dropout.p, norm="pre" if layer.norm_first else "post")
        own.to(layer.linear1.weight.dtype)
        state = {}
        for mine, theirs in (("attention", "self_attn"), ("cross", "multihead_attn")):
            part = getattr(layer, theirs)
            for i, name in enumerate(("query", "key", "value")):
                state[f"{mine}.{name}.weight"] = part.in_proj_weight[i * d : (i + 1) * d]
                state[f"{mine}.{name}.bias"] = part.in_proj_bias[i * d : (i + 1) * d]
            state[f"{mine}.out.weight"], state[f"{mine}.out.bias"] = part.out_proj.weight, part.out_proj.bias
        for i, linear in ((0, layer.linear1), (3, layer.linear2)):
            state[f"feedforward.{i}.weight"], state[f"feedforward.{i}.bias"] = linear.weight, linear.bias
        for i, norm in enumerate((layer.norm1, layer.norm2, layer.norm3)):
            state[f"norms.{i}.weight"], state[f"norms.{i}.bias"] = norm.weight, norm.bias
        own.load_state_dict(state)
        return own


@right("E1")
def straight_lines_and_a_state_dict():
    return {"DecoderLayer": Straight}


class Branched(nn.Module):
    """The library's residual branches around the parts."""

    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        super().__init__()
        self.attention, self.cross = (MultiHeadAttention(d, heads, dropout=dropout) for _ in range(2))
        up, down = nn.Linear(d, d_ff), nn.Linear(d_ff, d)
        self.feedforward = nn.Sequential(up, nn.ReLU(), nn.Dropout(dropout), down)
        self.branches = nn.ModuleList(Branch(nn.LayerNorm(d), norm, dropout) for _ in range(3))

    @property
    def norms(self):
        return [branch.norm for branch in self.branches]

    def forward(self, y, memory, *, memory_mask=None, self_mask=None):
        first, second, third = self.branches
        y = first(y, lambda x: self.attention(x, mask=self_mask))
        y = second(y, lambda x: self.cross(x, memory, mask=memory_mask))
        return third(y, self.feedforward)

    @classmethod
    def from_torch(cls, layer):
        own = cls(
            layer.linear1.in_features,
            layer.self_attn.num_heads,
            layer.linear1.out_features,
            layer.dropout.p,
            ("post", "pre")[layer.norm_first],
        ).to(layer.norm1.weight.dtype)

        def put(linear, weight, bias):
            linear.weight.data.copy_(weight.data)
            linear.bias.data.copy_(bias.data)

        for mine, theirs in ((own.attention, layer.self_attn), (own.cross, layer.multihead_attn)):
            for part, w, b in zip(
                (mine.query, mine.key, mine.value),
                theirs.in_proj_weight.chunk(3),
                theirs.in_proj_bias.chunk(3),
                strict=True,
            ):
                put(part, w, b)
            put(mine.out, theirs.out_proj.weight, theirs.out_proj.bias)
        put(own.feedforward[0], layer.linear1.weight, layer.linear1.bias)
        put(own.feedforward[-1], layer.linear2.weight, layer.linear2.bias)
        for mine, theirs in zip(own.norms, (layer.norm1, layer.norm2, layer.norm3), strict=True):
            put(mine, theirs.weight, theirs.bias)
        return own


@right("E1")
def the_librarys_branches():
    return {"DecoderLayer": Branched}


class EncoderLayer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.a, self.n1, self.n2 = MultiHeadAttention(d, heads), nn.LayerNorm(d), nn.LayerNorm(d)
        self.f = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Linear(4 * d, d))

    def forward(self, x, mask):
        x = x + self.a(self.n1(x), mask=mask)
        return x + self.f(self.n2(x))


class Learned(nn.Module):
    """Learned positions, default embeddings, a head without a Linear when tied."""

    layer = Straight

    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        super().__init__()
        self.src = nn.Embedding(src_vocab, d)
        self.tgt = nn.Embedding(tgt_vocab, d)
        self.where = nn.Parameter(torch.randn(2, 1024, d) * 0.1)
        self.conv = nn.Conv1d(d, d, kernel_size=3, padding=1) if stem else None
        self.enc = nn.ModuleList([EncoderLayer(d, heads) for _ in range(enc)])
        self.enc_norm, self.dec_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.layers = nn.ModuleList([self.layer(d, heads, 4 * d) for _ in range(dec)])
        self.free = None if tie else nn.Parameter(torch.randn(tgt_vocab, d) / d)

    def encode(self, src, mask=None):
        if mask is None:
            mask = torch.ones(src.shape, dtype=torch.bool)
        x = self.src(src) + self.where[0, : src.shape[1]]
        if self.conv is not None:
            x = torch.where(mask.unsqueeze(-1), x, torch.zeros_like(x))
            x = x + self.conv(x.permute(0, 2, 1)).relu().permute(0, 2, 1)
        for layer in self.enc:
            x = layer(x, mask[:, None, None])
        return self.enc_norm(x)

    def embed(self, tokens, start=0):
        return self.tgt(tokens) + self.where[1, start : start + tokens.shape[1]]

    def head(self, x):
        return self.dec_norm(x) @ (self.tgt.weight if self.free is None else self.free).T

    def decode(self, memory, mask, tgt):
        length = tgt.shape[-1]
        past = torch.tril(torch.ones(1, 1, length, length, dtype=torch.bool))
        x = self.embed(tgt)
        for layer in self.layers:
            x = layer(
                x,
                memory,
                self_mask=past,
                memory_mask=mask if mask is None else mask.unsqueeze(1).unsqueeze(1),
            )
        return self.head(x)


@right("E1")
def learned_positions_and_no_linear():
    return {"DecoderLayer": Straight, "Seq2Seq": Learned}


@right("E1")
def a_model_of_branched_layers():
    return {"DecoderLayer": Branched, "Seq2Seq": type("Seq2Seq", (Learned,), {"layer": Branched})}


class Waves(nn.Module):
    """Its own sinusoids as a buffer; the same mask in every dtype."""

    def __init__(self, d, length=600):
        super().__init__()
        p = torch.arange(length, dtype=torch.float64)[:, None]
        w = torch.exp(-math.log(10_000.0) * torch.arange(0, d, 2, dtype=torch.float64) / d)
        table = torch.zeros(length, d, dtype=torch.float64)
        table[:, 0::2], table[:, 1::2] = torch.sin(p * w), torch.cos(p * w)
        self.register_buffer("table", table)

    def forward(self, x, start=0):
        return x + self.table[start : start + x.shape[1]].to(x.dtype)


class Buffered(Learned):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.where
        self.waves = Waves(self.src.embedding_dim)
        self.scale = self.src.embedding_dim**0.5
        for table in (self.src, self.tgt):
            nn.init.normal_(table.weight, 0, 1 / self.scale)

    def embed(self, tokens, start=0):
        return self.waves(self.tgt(tokens) * self.scale, start)

    def encode(self, src, mask=None):
        mask = src.new_ones(src.shape).bool() if mask is None else mask
        x = self.waves(self.src(src) * self.scale)
        if self.conv is not None:
            x = x * mask[:, :, None]
            x = x + F.relu(self.conv(x.mT)).mT
        for layer in self.enc:
            x = layer(x, mask.unsqueeze(1).unsqueeze(1))
        return self.enc_norm(x)


@right("E1")
def own_sinusoids():
    return {"DecoderLayer": Straight, "Seq2Seq": Buffered}


class Library(nn.Module):
    """As much as possible from the library; the output weight is registered first, the table takes it."""

    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        super().__init__()
        self.source, self.target = nn.Embedding(src_vocab, d), nn.Embedding(tgt_vocab, d)
        self.readout = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, tgt_vocab, bias=False))
        if tie:
            self.target.weight = self.readout[1].weight
        self.encoder = nn.Sequential()
        self.encoder_layers = nn.ModuleList(
            [TransformerLayer(d, heads, 4 * d, kind="relu") for _ in range(enc)]
        )
        self.norm = nn.LayerNorm(d)
        self.layers = nn.ModuleList([Straight(d, heads, d_ff=4 * d) for _ in range(dec)])
        self.positions = LearnedPositions(512, d)
        self.waves = SinusoidalPositions(d)
        self.conv = nn.Conv1d(d, d, 3, padding=1) if stem else None

    def encode(self, src, mask=None):
        x = self.positions(self.source(src))
        if self.conv is not None:
            h = x if mask is None else x.masked_fill(mask.logical_not().unsqueeze(2), 0)
            x = h + torch.relu(self.conv(h.transpose(1, 2))).transpose(1, 2)
        seen = None if mask is None else mask[:, None, None, :]
        for layer in self.encoder_layers:
            x = layer(x, mask=seen)
        return self.norm(x)

    def embed(self, tokens, start=0):
        return self.waves(self.target(tokens), start=start)

    def head(self, x):
        return self.readout(x)

    def decode(self, memory, mask, tgt):
        x, seen = self.embed(tgt, 0), None if mask is None else mask[:, None, None, :]
        later = torch.ones(tgt.shape[1], tgt.shape[1]).triu(1) > 0
        for layer in self.layers:
            x = layer(x, memory, memory_mask=seen, self_mask=later.logical_not())
        return self.head(x)


@right("E1")
def the_library_everywhere():
    return {"DecoderLayer": Straight, "Seq2Seq": Library}


class Tables(Learned):
    """Position by position: the causal mask from a loop, decoded in one go."""

    def decode(self, memory, mask, tgt):
        length = tgt.shape[1]
        rows = [[j <= i for j in range(length)] for i in range(length)]
        own = torch.tensor(rows, dtype=torch.bool).reshape(length, length)
        source = None if mask is None else mask[:, None, None, :].expand(-1, 1, length, -1)
        x = self.embed(tgt)
        for layer in self.layers:
            x = layer(x, memory, self_mask=own[None, None], memory_mask=source)
        return self.head(x)


@right("E1")
def masks_from_loops():
    return {"DecoderLayer": Straight, "Seq2Seq": Tables}


class Extended(Straight):
    """A subclass that hides the residual in a helper."""

    def branch(self, number, y, function):
        norm, drop = self.norms[number], self.drops[number]
        return y + drop(function(norm(y))) if self.pre else norm(y + drop(function(y)))

    def forward(self, y, memory, *, memory_mask=None, self_mask=None):
        y = self.branch(0, y, lambda x: self.attention(x, mask=self_mask))
        y = self.branch(1, y, lambda x: self.cross(x, memory, mask=memory_mask))
        return self.branch(2, y, self.feedforward)


@right("E1")
def a_helper_method():
    return {"DecoderLayer": Extended, "Seq2Seq": type("Mine", (Buffered,), {"layer": Extended})}
