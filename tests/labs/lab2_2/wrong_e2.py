"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e2_layer import Pieces
from phase2_intermediate.lab2_transformer_encoder.solution import EncoderLayer as Sound
from shared.nn import FeedForward, MultiHeadAttention, TransformerLayer
from tests.labs.answers import Answers

wrong = Answers()


def layer(name, base=Pieces, **methods):
    def build():
        return {"EncoderLayer": type("EncoderLayer", (base,), methods)}

    build.__name__ = name
    wrong("E2")(build)


layer("no_skip", pre=lambda self, x, norm, branch: self.dropout(branch(norm(x))))
layer("no_skip_in_post", post=lambda self, x, norm, branch: norm(self.dropout(branch(x))))
layer("no_norm", pre=lambda self, x, norm, branch: x + self.dropout(branch(x)))
layer("always_pre", post=Pieces.pre)
layer("always_post", pre=Pieces.post)
layer("norm_on_both_sides", pre=lambda self, x, norm, branch: norm(x + self.dropout(branch(norm(x)))))
layer("pre_normed_branch", pre=lambda self, x, norm, branch: x + norm(branch(x)))
layer("mask_never_used", mask=lambda self, real: None)
layer("mask_as_floats", mask=lambda self, real: None if real is None else real[:, None, None, :].float())
layer("mask_hides_queries", mask=lambda self, real: None if real is None else real[:, None, :, None])
layer("mask_without_axes", mask=lambda self, real: real)
layer("relu_always", bend=lambda self, h: F.relu(h))
layer("gelu_always", bend=lambda self, h: F.gelu(h))
layer("silu_for_gelu", bend=lambda self, h: F.silu(h) if self.act == "gelu" else F.relu(h))
layer("bends_twice", network=lambda self, h: F.gelu(self.down(self.dropout(self.hidden(h)))))
layer("nothing_bends", bend=lambda self, h: h)
layer("no_hidden_dropout", network=lambda self, h: self.down(self.hidden(h)))
layer(
    "dropout_twice_on_the_branch",
    pre=lambda self, x, norm, branch: x + self.dropout(self.dropout(branch(norm(x)))),
)
layer("dropout_on_the_input", pre=lambda self, x, norm, branch: x + branch(self.dropout(norm(x))))
layer(
    "dropout_in_evaluation", pre=lambda self, x, norm, branch: x + F.dropout(branch(norm(x)), self.dropout.p)
)
layer(
    "sigmoid_gate",
    hidden=lambda self, h: (
        torch.sigmoid(self.gate(h)) * self.up(h) if self.act == "swiglu" else Pieces.hidden(self, h)
    ),
)
layer(
    "gelu_gate",
    hidden=lambda self, h: (
        F.gelu(self.gate(h)) * self.up(h) if self.act == "swiglu" else Pieces.hidden(self, h)
    ),
)
layer(
    "gate_unused",
    hidden=lambda self, h: F.silu(self.up(h)) if self.act == "swiglu" else Pieces.hidden(self, h),
)
layer(
    "gate_added",
    hidden=lambda self, h: (
        F.silu(self.gate(h)) + self.up(h) if self.act == "swiglu" else Pieces.hidden(self, h)
    ),
)
layer(
    "returns_a_pair",
    forward=lambda self, x, key_padding_mask=None: (Pieces.forward(self, x, key_padding_mask), None),
)
layer(
    "detached",
    forward=lambda self, x, key_padding_mask=None: Pieces.forward(self, x, key_padding_mask).detach(),
)
layer(
    "float32_out",
    forward=lambda self, x, key_padding_mask=None: Pieces.forward(self, x, key_padding_mask).float(),
)
layer(
    "padding_set_to_nan",
    forward=lambda self, x, key_padding_mask=None: (
        Pieces.forward(self, x, key_padding_mask)
        if key_padding_mask is None
        else Pieces.forward(self, x, key_padding_mask).masked_fill(~key_padding_mask[..., None], torch.nan)
    ),
)


def parallel(self, x, key_padding_mask=None):
    if self.norm != "pre":
        return Pieces.forward(self, x, key_padding_mask)
    attended = self.attention(self.norm1(x), mask=self.mask(key_padding_mask))
    return x + self.dropout(attended) + self.dropout(self.network(self.norm2(x)))


def network_first(self, x, key_padding_mask=None):
    step = self.pre if self.norm == "pre" else self.post
    x = step(x, self.norm2, self.network)
    return step(x, self.norm1, lambda h: self.attention(h, mask=self.mask(key_padding_mask)))


layer("side_by_side", forward=parallel)
layer("network_before_attention", forward=network_first)


def init(change):
    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
        Pieces.__init__(self, d, heads, d_ff, dropout, norm, act, norm_type)
        change(self, d, heads, d_ff, dropout, norm_type)

    return __init__


def without_bias(self, d, heads, d_ff, dropout, norm_type):
    self.up, self.down = nn.Linear(d, d_ff, bias=False), nn.Linear(d_ff, d, bias=False)


def wide(self, d, heads, d_ff, dropout, norm_type):
    self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)


def one_norm(self, *_):
    self.norm2 = self.norm1


def no_attention_dropout(self, d, heads, *_):
    self.attention = MultiHeadAttention(d, heads)


def one_head(self, d, heads, d_ff, dropout, norm_type):
    self.attention = MultiHeadAttention(d, 1, dropout=dropout)


def layer_norm_always(self, d, *_):
    self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)


def another_eps(self, d, heads, d_ff, dropout, norm_type):
    if norm_type == "ln":
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)


def an_extra_projection(self, d, *_):
    self.project = nn.Linear(d, d)


layer("network_without_biases", __init__=init(without_bias))
layer("d_ff_ignored", __init__=init(wide))
layer("one_norm_object", __init__=init(one_norm))
layer("attention_without_dropout", __init__=init(no_attention_dropout))
layer("one_head_always", __init__=init(one_head))
layer("layer_norm_always", __init__=init(layer_norm_always))
layer("eps_1e_6", __init__=init(another_eps))
layer("a_projection_too_many", __init__=init(an_extra_projection))


@wrong("E2")
def unknown_words_are_gelu():
    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            act = act if act in ("relu", "swiglu") else "gelu"
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)

    return {"EncoderLayer": EncoderLayer}


@wrong("E2")
def post_by_default():
    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="post", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)

    return {"EncoderLayer": EncoderLayer}


@wrong("E2")
def dropout_by_default():
    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.1, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)

    return {"EncoderLayer": EncoderLayer}


def from_torch(name, change):
    class EncoderLayer(Sound):
        @classmethod
        def from_torch(cls, layer):
            return change(super().from_torch(layer), layer)

    def build():
        return {"EncoderLayer": EncoderLayer}

    build.__name__ = name
    wrong("E2")(build)


def forgets_the_biases(mine, layer):
    for linear in (mine.attention.query, mine.attention.key, mine.attention.value):
        nn.init.zeros_(linear.bias)
    return mine


def transposes(mine, layer):
    with torch.no_grad():
        mine.attention.out.weight.copy_(layer.self_attn.out_proj.weight.T)
    return mine


def forgets_eps(mine, layer):
    mine.norm1.eps = mine.norm2.eps = 1e-5
    return mine


def forgets_dropout(mine, layer):
    mine.dropout.p = mine.attention.dropout = 0.0
    return mine


def relu_to_gelu(mine, layer):
    mine.act = "gelu"
    return mine


def exchanges_the_norms(mine, layer):
    mine.norm1, mine.norm2 = mine.norm2, mine.norm1
    return mine


from_torch("from_torch_without_biases", forgets_the_biases)
from_torch("from_torch_transposed", transposes)
from_torch("from_torch_default_eps", forgets_eps)
from_torch("from_torch_without_dropout", forgets_dropout)
from_torch("from_torch_always_gelu", relu_to_gelu)
from_torch("from_torch_norms_exchanged", exchanges_the_norms)
from_torch("from_torch_in_float32", lambda mine, layer: mine.float())
from_torch("from_torch_returns_torchs", lambda mine, layer: layer)
from_torch("from_torch_returns_nothing", lambda mine, layer: None)


@wrong("E2")
def the_librarys_layer():
    class EncoderLayer(Sound):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
            self.whole = TransformerLayer(d, heads, d_ff, placement=norm, kind=act, dropout=dropout)

        def forward(self, x, key_padding_mask=None):
            mask = None if key_padding_mask is None else key_padding_mask[:, None, None]
            return self.whole(x, mask=mask)

    return {"EncoderLayer": EncoderLayer}


@wrong("E2")
def the_librarys_network():
    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
            self.feed = FeedForward(d, d_ff, act)
            self.up, self.down = self.feed.up, self.feed.down

    return {"EncoderLayer": EncoderLayer}


def attention_takes_the_normed(self, x, norm, branch):
    if norm is self.norm1:
        x = norm(x)
        return x + self.dropout(branch(x))
    return x + self.dropout(branch(norm(x)))


def in_place(self, x, norm, branch):
    x += self.dropout(branch(norm(x)))
    return x


def evaluates_torchs(mine, layer):
    layer.eval()
    return mine


def eight_heads_as_two(mine, layer):
    mine.attention.heads, mine.attention.head_width = 2, mine.attention.d_model // 2
    return mine


def causal(self, x, key_padding_mask=None):
    seen = self.mask(key_padding_mask)
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    mask = mask if seen is None else mask & seen
    step = self.pre if self.norm == "pre" else self.post
    x = step(x, self.norm1, lambda h: self.attention(h, mask=mask))
    return step(x, self.norm2, self.network)


layer("first_skip_from_the_normed", pre=attention_takes_the_normed)
layer("adds_in_place", pre=in_place)
layer("a_causal_mask", forward=causal)
layer("relu_after_down", network=lambda self, h: F.relu(self.down(self.dropout(self.hidden(h)))))
layer("the_first_texts_mask", mask=lambda self, real: None if real is None else real[:1, None, None, :])
from_torch("from_torch_sets_evaluation", evaluates_torchs)
from_torch("from_torch_with_two_heads", eight_heads_as_two)


def thaws_nothing(mine, layer):
    return mine.requires_grad_(False)


def through_float32(mine, layer):
    return mine.float().to(layer.linear1.weight.dtype)


def exchanges_the_activations(mine, layer):
    mine.act = "gelu" if layer.activation is F.relu else "relu"
    return mine


from_torch("from_torch_frozen", thaws_nothing)
from_torch("from_torch_through_float32", through_float32)
from_torch("from_torch_activations_exchanged", exchanges_the_activations)
layer(
    "dropout_on_the_stream_that_is_read",
    pre=lambda self, x, norm, branch: x + self.dropout(branch(norm(self.dropout(x)))),
)
layer(
    "no_dropout_in_swiglu",
    network=lambda self, h: self.down(self.hidden(h)) if self.act == "swiglu" else Pieces.network(self, h),
)
layer(
    "gate_alone",
    hidden=lambda self, h: (
        F.silu(self.gate(h)) * self.gate(h) if self.act == "swiglu" else Pieces.hidden(self, h)
    ),
)
