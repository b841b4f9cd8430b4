"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab1_attention.misconceptions_by_exercise.e2_heads import Pieces
from phase2_intermediate.lab1_attention.solution import MultiHeadAttention as Sound
from tests.labs.answers import Answers

wrong = Answers()


def layer(make):
    wrong.add("E2", make.__name__, lambda: {"MultiHeadAttention": make()})
    return make


def calls(name, change):
    """`change(self, super_forward, x, context, options)` in place of forward."""

    def make():
        class MultiHeadAttention(Sound):
            def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
                options = {"mask": mask, "is_causal": is_causal, "need_weights": need_weights}
                return change(self, super().forward, x, context, options)

        return MultiHeadAttention

    make.__name__ = name
    layer(make)


calls("output_alone", lambda self, f, x, c, o: f(x, c, **o)[0])
calls("always_weights", lambda self, f, x, c, o: f(x, c, **{**o, "need_weights": True}))
calls("never_weights", lambda self, f, x, c, o: (f(x, c, **o)[0], None))
calls("context_ignored", lambda self, f, x, c, o: f(x, None if c is None or c.shape == x.shape else c, **o))
calls("queries_from_the_context", lambda self, f, x, c, o: f(x if c is None else c, x, **o))
calls("mask_ignored", lambda self, f, x, c, o: f(x, c, **{**o, "mask": None}))
calls(
    "true_means_ignore",
    lambda self, f, x, c, o: f(x, c, **{**o, "mask": None if o["mask"] is None else ~o["mask"]}),
)
calls("causal_ignored", lambda self, f, x, c, o: f(x, c, **{**o, "is_causal": False}))
calls("always_causal", lambda self, f, x, c, o: f(x, c, **{**o, "is_causal": True}))
calls("adds_the_residual", lambda self, f, x, c, o: (f(x, c, **o)[0] + x, f(x, c, **o)[1]))
calls(
    "weights_of_shape_b_h",
    lambda self, f, x, c, o: (f(x, c, **o)[0], (lambda w: w if w is None else w.mean(1))(f(x, c, **o)[1])),
)
calls(
    "weights_times_heads",
    lambda self, f, x, c, o: (
        f(x, c, **o)[0],
        (lambda w: w if w is None else w * self.n_heads)(f(x, c, **o)[1]),
    ),
)
calls(
    "sequence_first",
    lambda self, f, x, c, o: (
        f(x.transpose(0, 1), None if c is None else c.transpose(0, 1), **o)[0].transpose(0, 1),
        f(x, c, **o)[1],
    ),
)
calls(
    "detached",
    lambda self, f, x, c, o: f(x.detach(), c, **o) if False else (f(x, c, **o)[0].detach(), f(x, c, **o)[1]),
)
calls("no_single_position", lambda self, f, x, c, o: (f(x, c, **o)[0].squeeze(1), f(x, c, **o)[1]))
calls(
    "mask_needs_three_axes",
    lambda self, f, x, c, o: f(x, c, **{**o, "mask": o["mask"] if o["mask"] is None else o["mask"][:, None]}),
)
calls("drops_the_input", lambda self, f, x, c, o: f(F.dropout(x, self.dropout, self.training), c, **o))


def pieces(name, **methods):
    def make():
        return type("MultiHeadAttention", (Pieces,), methods)

    make.__name__ = name
    layer(make)


pieces("scale_forgotten", scale=lambda self, q: 1.0)
pieces("scale_by_the_head_width", scale=lambda self, q: 1 / q.shape[-1])
pieces("scale_by_the_number_of_heads", scale=lambda self, q: self.n_heads**-0.5)
pieces("interleaved_split", split=lambda self, x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2))
pieces(
    "interleaved_both",
    split=lambda self, x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
    merge=lambda self, x: x.permute(0, 2, 3, 1).flatten(2),
)
pieces("merge_interleaves", merge=lambda self, x: x.permute(0, 2, 3, 1).flatten(2))
pieces("averages_heads", merge=lambda self, x: x.mean(1).repeat(1, 1, self.n_heads))
pieces("first_key_head", repeat=lambda self, x: x[:, :1].expand(-1, self.n_heads, -1, -1))
pieces("tiles_key_heads", repeat=lambda self, x: x.tile(1, self.n_heads // self.n_kv_heads, 1, 1))
pieces("no_dropout", drop=lambda self, w: w)
pieces(
    "dropout_without_rescaling",
    drop=lambda self, w: w * (torch.rand(w.shape) >= self.dropout) if self.training else w,
)
pieces(
    "keeps_with_probability_p",
    drop=lambda self, w: F.dropout(w, 1 - self.dropout, self.training) if self.dropout else w,
)
pieces(
    "drops_rows", drop=lambda self, w: w * F.dropout(torch.ones_like(w[..., :1]), self.dropout, self.training)
)


def dropped_alike(name, part):
    """One mask of dropout for all that `part` of the weights is broadcast to."""
    pieces(name, drop=lambda self, w: w * F.dropout(torch.ones_like(w[part]), self.dropout, self.training))


dropped_alike("one_dropout_for_all_heads", (slice(None), slice(1)))
dropped_alike("one_dropout_for_all_sequences", (slice(1),))
dropped_alike("one_dropout_for_all_queries", (..., slice(1), slice(None)))
pieces("drops_only_in_evaluation", drop=lambda self, w: F.dropout(w, self.dropout, not self.training))
pieces("projects_twice", project=lambda self, y: self.out(self.out(y)))
pieces("sums_the_maps", report=lambda self, w: w.sum(1))
pieces("first_map", report=lambda self, w: w[:, 0])
pieces("maps_averaged_over_queries", report=lambda self, w: w.mean(2))
pieces("relu_at_the_end", project=lambda self, y: self.out(y).relu())


def makes(name, change):
    """`change(layer, mha)` after a right from_torch."""

    def make():
        class MultiHeadAttention(Sound):
            @classmethod
            def from_torch(cls, mha):
                made = super().from_torch(mha)
                return change(made, mha)

        return MultiHeadAttention

    make.__name__ = name
    layer(make)


def set_weights(made, mha, order):
    with torch.no_grad():
        chunks = mha.in_proj_weight.chunk(3)
        for linear, n in zip((made.query, made.key, made.value), order, strict=True):
            linear.weight.copy_(chunks[n])
    return made


def transposed(made, mha):
    with torch.no_grad():
        for linear in (made.query, made.key, made.value, made.out):
            linear.weight.copy_(linear.weight.T.clone())
    return made


def view_of_torch(made, mha):
    d = mha.embed_dim
    for n, linear in enumerate((made.query, made.key, made.value)):
        linear.weight.data = mha.in_proj_weight.data[n * d : (n + 1) * d]
    return made


def interleaved_rows(made, mha):
    with torch.no_grad():
        for n, linear in enumerate((made.query, made.key, made.value)):
            linear.weight.copy_(mha.in_proj_weight[n::3])
    return made


def without(made, attribute):
    made.dropout = 0.0 if attribute == "dropout" else made.dropout
    if attribute == "out":
        nn.init.xavier_uniform_(made.out.weight)
    if attribute == "out.bias" and made.out.bias is not None:
        nn.init.zeros_(made.out.bias)
    return made


makes("returns_nothing", lambda made, mha: None)
makes("returns_torchs_layer", lambda made, mha: mha)
makes("value_query_key", lambda made, mha: set_weights(made, mha, (2, 0, 1)))
makes("transposes", transposed)
makes("shares_the_weights", view_of_torch)
makes("every_third_row", interleaved_rows)
makes("forgets_dropout", lambda made, mha: without(made, "dropout"))
makes("forgets_out", lambda made, mha: without(made, "out"))
makes("forgets_the_last_bias", lambda made, mha: without(made, "out.bias"))
makes("single_precision", lambda made, mha: made.float())
makes("frozen", lambda made, mha: made.requires_grad_(False))


@layer
def assertion_instead_of_value_error():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            assert d_model % n_heads == 0
            super().__init__(d_model, n_heads, n_kv_heads, bias, dropout)

    return MultiHeadAttention


@layer
def key_heads_unchecked():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            kv = n_heads if n_kv_heads is None else n_kv_heads
            super().__init__(d_model, n_heads, kv if n_heads % kv == 0 else n_heads, bias, dropout)

    return MultiHeadAttention


@layer
def one_matrix_for_all_three():
    class MultiHeadAttention(nn.Module):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            super().__init__()
            self.qkv = nn.Linear(d_model, 3 * d_model, bias)
            self.out = nn.Linear(d_model, d_model, bias)

        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            return self.out(self.qkv(x).chunk(3, -1)[2]), None

        @classmethod
        def from_torch(cls, mha):
            return cls(mha.embed_dim, mha.num_heads)

    return MultiHeadAttention


@layer
def full_width_key_heads():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            super().__init__(d_model, n_heads, None, bias, dropout)

    return MultiHeadAttention


@layer
def bias_always():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            super().__init__(d_model, n_heads, n_kv_heads, True, dropout)

    return MultiHeadAttention


@layer
def a_norm_inside():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, *args, **kwargs):
            super().__init__(d_model, *args, **kwargs)
            self.norm = nn.LayerNorm(d_model)

        def forward(self, x, context=None, **options):
            return super().forward(self.norm(x), context, **options)

    return MultiHeadAttention


@layer
def torchs_layer_inside():
    class MultiHeadAttention(Sound):
        def forward(self, x, context=None, *, mask=None, is_causal=False, need_weights=False):
            context = x if context is None else context
            y, w = F.multi_head_attention_forward(
                *(z.transpose(0, 1) for z in (x, context, context)),
                x.shape[-1],
                self.n_heads,
                torch.cat([self.query.weight, self.key.weight, self.value.weight]),
                torch.cat([self.query.bias, self.key.bias, self.value.bias]),
                None,
                None,
                False,
                self.dropout,
                self.out.weight,
                self.out.bias,
                training=self.training,
                need_weights=need_weights,
            )
            return y.transpose(0, 1), w

    return MultiHeadAttention


@layer
def a_function_instead_of_a_module():
    class MultiHeadAttention:
        def __init__(self, d_model, n_heads, n_kv_heads=None, bias=True, dropout=0.0):
            self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model, bias) for _ in range(4))

        def __call__(self, x, context=None, **options):
            return self.out(self.value(x)), None

        @classmethod
        def from_torch(cls, mha):
            return cls(mha.embed_dim, mha.num_heads)

    return MultiHeadAttention


@layer
def always_the_same_class():
    class MultiHeadAttention(Sound):
        @classmethod
        def from_torch(cls, mha):
            return Sound.from_torch(mha)

    return MultiHeadAttention


def with_option(name, key, change):
    """`change(value, x, context)` in place of one option."""
    calls(name, lambda self, f, x, c, o: f(x, c, **{**o, key: change(o[key], x, c)}))


with_option(
    "three_axes_are_a_batch", "mask", lambda m, x, c: m[:, None] if m is not None and m.dim() == 3 else m
)
with_option("causal_without_context_only", "is_causal", lambda causal, x, c: causal and c is None)
calls("context_of_zeros", lambda self, f, x, c, o: f(x, c if c is not None and c.any() else None, **o))
makes("freezes_torchs_layer", lambda made, mha: (made, mha.requires_grad_(False))[0])


@layer
def refuses_one_key_head():
    class MultiHeadAttention(Sound):
        def __init__(self, d_model, n_heads, n_kv_heads=None, **options):
            if n_kv_heads == 1 and n_heads > 1:
                raise ValueError("one key head is too few")
            super().__init__(d_model, n_heads, n_kv_heads, **options)

    return MultiHeadAttention
