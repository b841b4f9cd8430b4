"""Wrong answers to E1 whose outputs look right: dropout in one place less, layers of another kind, shared
parts, inputs written into."""

from __future__ import annotations

import torch
from torch import nn

from phase2_intermediate.lab3_full_transformer.solution import DecoderLayer, Seq2Seq
from shared.nn import MultiHeadAttention, TransformerLayer, causal_mask, key_mask
from tests.labs.answers import Answers

wrong = Answers()


def layer(change):
    """The reference's layer, changed after it was built."""

    class Changed(DecoderLayer):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre"):
            super().__init__(d, heads, d_ff, dropout, norm)
            change(self, d, heads)

    return {"DecoderLayer": Changed}


def model(change=lambda self, d, heads: None, **methods):
    """The reference's model, changed after it was built."""

    class Changed(Seq2Seq):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem)
            change(self, d, heads)

    return {"Seq2Seq": type("Seq2Seq", (Changed,), methods)}


@wrong("E1")
def attention_weights_are_never_dropped():
    def change(self, d, heads):
        self.attention.dropout = 0.0

    return layer(change)


@wrong("E1")
def weights_of_cross_attention_are_never_dropped():
    def change(self, d, heads):
        self.cross = MultiHeadAttention(d, heads)

    return layer(change)


@wrong("E1")
def hidden_features_are_never_dropped():
    def change(self, d, heads):
        self.feedforward.dropout = nn.Identity()

    return layer(change)


@wrong("E1")
def post_norm_without_dropout_of_the_branches():
    def change(self, d, heads):
        if self.placement == "post":
            self.dropout = nn.Identity()

    return layer(change)


@wrong("E1")
def one_norm_three_times():
    def change(self, d, heads):
        self.norms = nn.ModuleList([nn.LayerNorm(d)] * 3)

    return layer(change)


@wrong("E1")
def post_norm_encoder():
    def change(self, d, heads):
        self.encoder = nn.ModuleList(
            TransformerLayer(d, heads, kind="relu", placement="post") for _ in self.encoder
        )

    return model(change)


@wrong("E1")
def post_norm_decoder():
    def change(self, d, heads):
        self.layers = nn.ModuleList(DecoderLayer(d, heads, 4 * d, norm="post") for _ in self.layers)

    return model(change)


@wrong("E1")
def causal_encoder():
    class Causal(TransformerLayer):
        def forward(self, x, *, mask):
            return super().forward(x, mask=mask, causal=True)

    def change(self, d, heads):
        self.encoder = nn.ModuleList(Causal(d, heads, kind="relu") for _ in self.encoder)

    return model(change)


@wrong("E1")
def equal_vocabularies_share_a_table():
    def change(self, d, heads):
        if self.source_table.num_embeddings == self.target_table.num_embeddings:
            self.source_table = self.target_table

    return model(change)


@wrong("E1")
def one_last_norm_for_both():
    def change(self, d, heads):
        self.decoder_norm = self.encoder_norm

    return model(change)


@wrong("E1")
def token_0_is_padding_of_the_target():
    def decode(self, memory, mask, tgt):
        seen = causal_mask(tgt.shape[1]) & key_mask(tgt != 0)
        x = self.embed(tgt)
        for layer in self.layers:
            x = layer(x, memory, memory_mask=None if mask is None else key_mask(mask), self_mask=seen)
        return self.head(x)

    return model(decode=decode)


@wrong("E1")
def token_0_is_padding_of_the_source():
    def encode(self, src, mask=None):
        return Seq2Seq.encode(self, src, src != 0 if mask is None else mask)

    return model(encode=encode)


@wrong("E1")
def memory_masked_in_place():
    def decode(self, memory, mask, tgt):
        if mask is not None:
            memory[~mask] = 0.0
        return Seq2Seq.decode(self, memory, mask, tgt)

    return model(decode=decode)


@wrong("E1")
def ids_overwritten():
    def encode(self, src, mask=None):
        if mask is not None:
            src[~mask] = 0
        return Seq2Seq.encode(self, src, mask)

    return model(encode=encode)


@wrong("E1")
def head_gives_log_probabilities():
    def head(self, x):
        return torch.log_softmax(Seq2Seq.head(self, x), dim=-1)

    return model(head=head)


@wrong("E1")
def tie_is_off_by_default():
    class Untied(Seq2Seq):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=False, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem)

    return {"Seq2Seq": Untied}


@wrong("E1")
def dropout_in_the_models_layers():
    class Changed(Seq2Seq):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem)
            self.layers = nn.ModuleList(DecoderLayer(d, heads, 4 * d, 0.1) for _ in range(dec))

    return {"Seq2Seq": Changed}


@wrong("E1")
def dropout_by_default():
    class Changed(DecoderLayer):
        def __init__(self, d, heads, d_ff, dropout=0.1, norm="pre"):
            super().__init__(d, heads, d_ff, dropout, norm)

    return {"DecoderLayer": Changed}


@wrong("E1")
def eight_heads_by_default():
    class Changed(Seq2Seq):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=8, enc=1, dec=1, tie=True, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem)

    return {"Seq2Seq": Changed}


@wrong("E1")
def decoder_before_encoder():
    class Changed(Seq2Seq):
        def __init__(self, src_vocab, tgt_vocab, d=64, heads=4, dec=1, enc=1, tie=True, stem=False):
            super().__init__(src_vocab, tgt_vocab, d, heads, enc, dec, tie, stem)

    return {"Seq2Seq": Changed}


@wrong("E1")
def the_first_memory_is_kept():
    class Changed(DecoderLayer):
        def forward(self, y, memory, *, memory_mask=None, self_mask=None):
            if not hasattr(self, "first"):
                self.first = memory
            return super().forward(y, self.first, memory_mask=memory_mask, self_mask=self_mask)

    return {"DecoderLayer": Changed}


@wrong("E1")
def logits_over_the_root_of_d():
    return model(head=lambda self, x: Seq2Seq.head(self, x) / self.scale)
