"""Wrong answers to E1."""

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase2_intermediate.lab3_full_transformer.solution import DecoderLayer as Right
from phase2_intermediate.lab3_full_transformer.solution import Seq2Seq as RightModel
from shared.nn import TransformerLayer, causal_mask, key_mask


def layer(forward):
    """A layer with the right parts and another forward pass; the model is built from it."""

    class DecoderLayer(Right):
        def forward(self, y, memory, *, memory_mask=None, self_mask=None):
            return forward(self, y, memory, memory_mask, self_mask)

    return {"DecoderLayer": DecoderLayer}


def model(**methods):
    """The right layer, and a model with other methods."""
    return {"Seq2Seq": type("Seq2Seq", (RightModel,), methods)}


def pre(self, y, memory, memory_mask, self_mask, norms=(0, 1, 2)):
    y = y + self.attention(self.norms[norms[0]](y), mask=self_mask)
    y = y + self.cross(self.norms[norms[1]](y), memory, mask=memory_mask)
    return y + self.feedforward(self.norms[norms[2]](y))


@misconception("E1", diagnosis="memory-is-the-target")
def keys_from_the_decoder():
    def forward(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), mask=self_mask)
        y = y + self.cross(self.norms[1](y))
        return y + self.feedforward(self.norms[2](y))

    return layer(forward)


@misconception("E1", diagnosis="cross-missing")
def an_encoder_layer():
    def forward(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), mask=self_mask)
        return y + self.feedforward(self.norms[2](y))

    return layer(forward)


@misconception("E1", diagnosis="memory-normed")
def norms_the_memory_too():
    def forward(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), mask=self_mask)
        y = y + self.cross(self.norms[1](y), self.norms[1](memory), mask=memory_mask)
        return y + self.feedforward(self.norms[2](y))

    return layer(forward)


@misconception("E1", diagnosis="norms-shared")
def one_norm_for_all():
    return layer(lambda self, y, memory, m, s: pre(self, y, memory, m, s, norms=(0, 0, 0)))


@misconception("E1", diagnosis="norm-ignored")
def always_pre():
    return layer(pre)


@misconception("E1", diagnosis="memory-mask-inverted")
def true_means_ignore():
    def forward(self, y, memory, memory_mask, self_mask):
        return Right.forward(
            self, y, memory, memory_mask=None if memory_mask is None else ~memory_mask, self_mask=self_mask
        )

    return layer(forward)


@misconception("E1", diagnosis="self-mask-on-the-memory")
def causal_cross_attention():
    def forward(self, y, memory, memory_mask, self_mask):
        fits = self_mask is not None and self_mask.shape[-1] == memory.shape[1]
        if fits:
            memory_mask = self_mask if memory_mask is None else memory_mask & self_mask
        return Right.forward(self, y, memory, memory_mask=memory_mask, self_mask=self_mask)

    return layer(forward)


@misconception("E1", diagnosis="layer-always-causal")
def causal_by_itself():
    def forward(self, y, memory, memory_mask, self_mask):
        past = causal_mask(y.shape[1])
        self_mask = past if self_mask is None else self_mask & past
        return Right.forward(self, y, memory, memory_mask=memory_mask, self_mask=self_mask)

    return layer(forward)


@misconception("E1", diagnosis="dropout-of-the-branch")
def dropout_after_the_addition():
    def forward(self, y, memory, memory_mask, self_mask):
        y = self.dropout(y + self.attention(self.norms[0](y), mask=self_mask))
        y = self.dropout(y + self.cross(self.norms[1](y), memory, mask=memory_mask))
        y = self.dropout(y + self.feedforward(self.norms[2](y)))
        return y

    def either(self, y, memory, memory_mask, self_mask):
        if self.placement == "pre":
            return forward(self, y, memory, memory_mask, self_mask)
        return Right.forward(self, y, memory, memory_mask=memory_mask, self_mask=self_mask)

    return layer(either)


@misconception("E1", diagnosis="network-with-another-activation")
def gelu_instead_of_relu():
    class DecoderLayer(Right):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
            super().__init__(d, heads, d_ff, dropout, norm)
            self.feedforward.activation = (
                F.gelu if not isinstance(self.feedforward.activation, nn.Module) else nn.GELU()
            )

    return {"DecoderLayer": DecoderLayer}


@misconception("E1", diagnosis="from-torch-exchanges-the-attentions")
def the_two_attentions_exchanged():
    class DecoderLayer(Right):
        @classmethod
        def from_torch(cls, layer):
            own = Right.from_torch.__func__(cls, layer)
            own.attention, own.cross = own.cross, own.attention
            return own

    return {"DecoderLayer": DecoderLayer}


@misconception("E1", diagnosis="from-torch-forgets-the-placement")
def copies_as_pre_norm():
    class DecoderLayer(Right):
        @classmethod
        def from_torch(cls, layer):
            own = Right.from_torch.__func__(cls, layer)
            own.placement = "pre"
            return own

    return {"DecoderLayer": DecoderLayer}


@misconception("E1", diagnosis="leak")
def no_causal_mask():
    def decode(self, memory, mask, tgt):
        x = self.embed(tgt)
        for part in self.layers:
            x = part(x, memory, memory_mask=None if mask is None else key_mask(mask))
        return self.head(x)

    return model(decode=decode)


@misconception("E1", diagnosis="encoder-without-last-norm")
def raw_stream_as_memory():
    def encode(self, src, mask=None):
        self.encoder_norm = nn.Identity()
        return RightModel.encode(self, src, mask)

    def __init__(self, *args, **kwargs):
        RightModel.__init__(self, *args, **kwargs)
        self.encoder_norm = nn.Identity()

    return model(__init__=__init__, encode=encode)


@misconception("E1", diagnosis="tied-by-copy")
def copies_the_table():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        RightModel.__init__(self, src_vocab, tgt_vocab, d, heads, enc, dec, False, stem)
        if tie:
            with torch.no_grad():
                self.out.weight.copy_(self.target_table.weight)

    return model(__init__=__init__)


@misconception("E1", diagnosis="decoder-layers")
def the_same_layer_many_times():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        RightModel.__init__(self, src_vocab, tgt_vocab, d, heads, enc, min(dec, 1), tie, stem)
        self.layers = nn.ModuleList([part for part in self.layers for _ in range(dec)])

    return model(__init__=__init__)


@misconception("E1", diagnosis="stem-reads-padding")
def stem_over_the_padding():
    def encode(self, src, mask=None):
        mask = torch.ones_like(src, dtype=torch.bool) if mask is None else mask
        h = self.positions(self.scale * self.source_table(src))
        if self.stem is not None:
            h = h + F.relu(self.stem(h.transpose(1, 2)).transpose(1, 2))
        for part in self.encoder:
            h = part(h, mask=key_mask(mask))
        return self.encoder_norm(h)

    return model(encode=encode)


@misconception("E1", diagnosis="encoder-sees-padding")
def encoder_without_a_mask():
    def encode(self, src, mask=None):
        h = self.positions(self.scale * self.source_table(src))
        if self.stem is not None:
            keep = 1.0 if mask is None else mask[..., None]
            h = h * keep
            h = h + F.relu(self.stem(h.transpose(1, 2)).transpose(1, 2))
        for part in self.encoder:
            h = part(h)
        return self.encoder_norm(h)

    return model(encode=encode)


@misconception("E1", diagnosis="start-ignored")
def positions_always_from_zero():
    def embed(self, tokens, start=0):
        return self.positions(self.scale * self.target_table(tokens))

    return model(embed=embed)


@misconception("E1", diagnosis="ready-made-inside")
def the_librarys_layer():
    class DecoderLayer(Right):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
            super().__init__(d, heads, d_ff, dropout, norm)
            self.ready = TransformerLayer(d, heads, d_ff, kind="relu", cross=True, placement=norm)

        def forward(self, y, memory, *, memory_mask=None, self_mask=None):
            own = {"attention": self.attention, "cross": self.cross, "feedforward": self.feedforward}
            for name, part in own.items():
                setattr(self.ready, name, part)
            branches = (self.ready.attention_branch, self.ready.cross_branch, self.ready.feedforward_branch)
            for branch, norm in zip(branches, self.norms, strict=True):
                branch.norm, branch.dropout = norm, self.dropout
            return self.ready(y, memory, mask=self_mask, memory_mask=memory_mask)

    return {"DecoderLayer": DecoderLayer}
