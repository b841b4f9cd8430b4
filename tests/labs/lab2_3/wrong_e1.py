"""Wrong answers to E1, as strangers would make them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from shared.nn import MultiHeadAttention, causal_mask, key_mask
from tests.labs.answers import Answers
from tests.labs.lab2_3.right_e1 import Learned, Straight

wrong = Answers()


def layer(**methods):
    return {"DecoderLayer": type("DecoderLayer", (Straight,), methods)}


def model(base=Learned, **methods):
    return {"DecoderLayer": Straight, "Seq2Seq": type("Seq2Seq", (base,), methods)}


def forward(change):
    """A pre-norm pass with a change; post-norm stays right."""

    def call(self, y, memory, *, memory_mask=None, self_mask=None):
        if not self.pre:
            return Straight.forward(self, y, memory, memory_mask=memory_mask, self_mask=self_mask)
        return change(self, y, memory, memory_mask, self_mask)

    return layer(forward=call)


@wrong("E1")
def no_residual():
    def change(self, y, memory, memory_mask, self_mask):
        y = self.attention(self.norms[0](y), mask=self_mask)
        y = self.cross(self.norms[1](y), memory, mask=memory_mask)
        return self.feedforward(self.norms[2](y))

    return forward(change)


@wrong("E1")
def cross_attention_first():
    def change(self, y, memory, memory_mask, self_mask):
        y = y + self.cross(self.norms[0](y), memory, mask=memory_mask)
        y = y + self.attention(self.norms[1](y), mask=self_mask)
        return y + self.feedforward(self.norms[2](y))

    return forward(change)


@wrong("E1")
def queries_from_the_memory():
    def change(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), mask=self_mask)
        mixed = self.cross(memory, self.norms[1](y))
        y = y + mixed.mean(1, keepdim=True)
        return y + self.feedforward(self.norms[2](y))

    return forward(change)


@wrong("E1")
def the_stream_is_normed():
    def change(self, y, memory, memory_mask, self_mask):
        y = self.norms[0](y)
        y = y + self.attention(y, mask=self_mask)
        y = self.norms[1](y)
        y = y + self.cross(y, memory, mask=memory_mask)
        y = self.norms[2](y)
        return y + self.feedforward(y)

    return forward(change)


@wrong("E1")
def no_norm_in_front_of_cross_attention():
    def change(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), mask=self_mask)
        y = y + self.cross(y, memory, mask=memory_mask)
        return y + self.feedforward(self.norms[2](y))

    return forward(change)


@wrong("E1")
def memory_in_self_attention():
    def change(self, y, memory, memory_mask, self_mask):
        y = y + self.attention(self.norms[0](y), memory, mask=memory_mask)
        y = y + self.cross(self.norms[1](y), memory, mask=memory_mask)
        return y + self.feedforward(self.norms[2](y))

    return forward(change)


@wrong("E1")
def memory_mask_forgotten():
    def change(self, y, memory, memory_mask, self_mask):
        return Straight.forward(self, y, memory, self_mask=self_mask)

    return forward(change)


@wrong("E1")
def self_mask_forgotten():
    def change(self, y, memory, memory_mask, self_mask):
        return Straight.forward(self, y, memory, memory_mask=memory_mask)

    return forward(change)


@wrong("E1")
def self_mask_inverted():
    def change(self, y, memory, memory_mask, self_mask):
        turned = None if self_mask is None else ~self_mask
        return Straight.forward(self, y, memory, memory_mask=memory_mask, self_mask=turned)

    return forward(change)


@wrong("E1")
def any_norm_will_do():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, dropout, "pre" if norm != "post" else "post")

    return layer(__init__=__init__)


@wrong("E1")
def dropout_always_on():
    def call(self, y, memory, *, memory_mask=None, self_mask=None):
        y = Straight.forward(self, y, memory, memory_mask=memory_mask, self_mask=self_mask)
        return F.dropout(y, self.drops[0].p)

    return layer(forward=call)


@wrong("E1")
def dropout_forgotten():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, 0.0, norm)

    return layer(__init__=__init__)


@wrong("E1")
def dropout_in_attention_only():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, dropout, norm)
        self.drops = nn.ModuleList([nn.Identity() for _ in range(3)])

    return layer(__init__=__init__)


@wrong("E1")
def gelu():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, dropout, norm)
        self.feedforward[1] = nn.GELU()

    return layer(__init__=__init__)


@wrong("E1")
def torchs_attention_inside():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, dropout, norm)
        self.cross = nn.MultiheadAttention(d, heads, batch_first=True)

    return layer(__init__=__init__)


@wrong("E1")
def from_torch_order_of_the_projections():
    @classmethod
    def from_torch(cls, layer_):
        own = Straight.from_torch.__func__(cls, layer_)
        with torch.no_grad():
            _, k, v = layer_.self_attn.in_proj_weight.chunk(3)
            own.attention.key.weight.copy_(v)
            own.attention.value.weight.copy_(k)
        return own

    return layer(from_torch=from_torch)


@wrong("E1")
def from_torch_shares():
    @classmethod
    def from_torch(cls, layer_):
        own = Straight.from_torch.__func__(cls, layer_)
        own.feedforward[0] = layer_.linear1
        return own

    return layer(from_torch=from_torch)


@wrong("E1")
def from_torch_without_dropout():
    @classmethod
    def from_torch(cls, layer_):
        own = cls(
            layer_.linear1.in_features,
            layer_.self_attn.num_heads,
            layer_.linear1.out_features,
            norm="pre" if layer_.norm_first else "post",
        ).to(layer_.linear1.weight.dtype)
        own.load_state_dict(Straight.from_torch(layer_).state_dict())
        return own

    return layer(from_torch=from_torch)


@wrong("E1")
def from_torch_in_float32():
    @classmethod
    def from_torch(cls, layer_):
        return Straight.from_torch.__func__(cls, layer_).float()

    return layer(from_torch=from_torch)


@wrong("E1")
def from_torch_returns_nothing():
    @classmethod
    def from_torch(cls, layer_):
        Straight.from_torch.__func__(cls, layer_)

    return layer(from_torch=from_torch)


def decoding(own=lambda n: causal_mask(n), source=key_mask):
    def decode(self, memory, mask, tgt):
        x = self.embed(tgt)
        for part in self.layers:
            x = part(
                x, memory, memory_mask=None if mask is None else source(mask), self_mask=own(tgt.shape[1])
            )
        return self.head(x)

    return decode


@wrong("E1")
def sees_one_ahead():
    return model(decode=decoding(own=lambda n: torch.ones(n, n, dtype=torch.bool).tril(1)))


@wrong("E1")
def sees_the_future_only():
    return model(decode=decoding(own=lambda n: torch.ones(n, n, dtype=torch.bool).triu()))


@wrong("E1")
def inverts_the_padding_mask():
    return model(decode=decoding(source=lambda mask: key_mask(~mask)))


@wrong("E1")
def ignores_the_padding_mask():
    return model(decode=decoding(source=lambda mask: key_mask(torch.ones_like(mask))))


@wrong("E1")
def causal_on_the_source():
    def decode(self, memory, mask, tgt):
        x, n, m = self.embed(tgt), tgt.shape[1], memory.shape[1]
        early = torch.arange(m) <= torch.arange(n)[:, None]
        seen = early if mask is None else key_mask(mask) & early
        for part in self.layers:
            x = part(x, memory, memory_mask=seen, self_mask=causal_mask(n))
        return self.head(x)

    return model(decode=decode)


@wrong("E1")
def probabilities_instead_of_logits():
    return model(decode=lambda self, memory, mask, tgt: decoding()(self, memory, mask, tgt).softmax(-1))


@wrong("E1")
def only_the_last_position():
    return model(decode=lambda self, memory, mask, tgt: decoding()(self, memory, mask, tgt)[:, -1])


@wrong("E1")
def head_without_a_norm():
    return model(head=lambda self, x: x @ (self.tgt.weight if self.free is None else self.free).T)


@wrong("E1")
def no_positions_in_the_decoder():
    return model(embed=lambda self, tokens, start=0: self.tgt(tokens))


@wrong("E1")
def start_counts_twice():
    return model(embed=lambda self, tokens, start=0: Learned.embed(self, tokens, 2 * start))


@wrong("E1")
def no_positions_in_the_encoder():
    def encode(self, src, mask=None):
        x = self.src(src)
        if self.conv is not None:
            x = x if mask is None else x * mask[..., None]
            x = x + self.conv(x.mT).relu().mT
        for part in self.enc:
            x = part(x, None if mask is None else key_mask(mask))
        return self.enc_norm(x)

    return model(encode=encode)


@wrong("E1")
def encoder_mask_inverted():
    def encode(self, src, mask=None):
        return Learned.encode(self, src, None if mask is None else ~mask)

    return model(encode=encode)


@wrong("E1")
def ties_the_source_too():
    def __init__(self, src_vocab, tgt_vocab, *args, **kwargs):
        Learned.__init__(self, src_vocab, tgt_vocab, *args, **kwargs)
        if self.free is None:
            self.src = nn.Embedding(max(src_vocab, tgt_vocab), self.src.embedding_dim)
            self.tgt = self.src

        def head(x):
            return self.dec_norm(x) @ self.tgt.weight[:tgt_vocab].T

        if self.free is None:
            self.head = head

    return model(__init__=__init__)


@wrong("E1")
def never_tied():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        Learned.__init__(self, src_vocab, tgt_vocab, d, heads, enc, dec, False, stem)

    return model(__init__=__init__)


@wrong("E1")
def always_tied():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        Learned.__init__(self, src_vocab, tgt_vocab, d, heads, enc, dec, True, stem)

    return model(__init__=__init__)


@wrong("E1")
def no_stem():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        Learned.__init__(self, src_vocab, tgt_vocab, d, heads, enc, dec, tie, False)

    return model(__init__=__init__)


@wrong("E1")
def stem_replaces_the_stream():
    def encode(self, src, mask=None):
        mask = torch.ones_like(src).bool() if mask is None else mask
        x = self.src(src) + self.where[0, : src.shape[1]]
        if self.conv is not None:
            x = self.conv((x * mask[..., None]).mT).relu().mT
        for part in self.enc:
            x = part(x, key_mask(mask))
        return self.enc_norm(x)

    return model(encode=encode)


@wrong("E1")
def one_encoder_layer_whatever_is_asked():
    def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
        Learned.__init__(self, src_vocab, tgt_vocab, d, heads, min(enc, 1), dec, tie, stem)

    return model(__init__=__init__)


@wrong("E1")
def narrow_network():
    class Seq2Seq(Learned):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, 0, tie, stem)
            self.layers = nn.ModuleList([Straight(d, heads, d) for _ in range(dec)])

    return {"DecoderLayer": Straight, "Seq2Seq": Seq2Seq}


@wrong("E1")
def other_names():
    class DecoderLayer(Straight):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
            super().__init__(d, heads, d_ff, dropout, norm)
            self.cross_attention = self.cross
            del self.cross

        def forward(self, y, memory, *, memory_mask=None, self_mask=None):
            y = y + self.attention(self.norms[0](y), mask=self_mask)
            y = y + self.cross_attention(self.norms[1](y), memory, mask=memory_mask)
            return y + self.feedforward(self.norms[2](y))

    return {"DecoderLayer": DecoderLayer}


@wrong("E1")
def one_attention_for_both():
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
        Straight.__init__(self, d, heads, d_ff, dropout, norm)
        self.cross = self.attention = MultiHeadAttention(d, heads, dropout=dropout)

    return layer(__init__=__init__)
