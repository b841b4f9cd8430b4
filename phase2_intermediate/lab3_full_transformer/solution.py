# %% [markdown]
# # Lab 2.3 · Full Transformer
#
# Four warm-ups of a few minutes, then five exercises. You build the half of the Transformer that writes, its
# loss, the cache that makes it fast, and the searches that choose what it says. At the end, a model that you
# train in ten seconds reads dates in six languages and writes them as a computer would.
#
# - Replace each `raise NotImplementedError` with your answer, run the cell, then the check below it.
# - Stuck? `lab.hint("E1")` gives the next of three hints. After an attempt, `lab.solution("E1")` shows one
#   good answer beside yours. Neither costs anything.
# - Any right answer passes: a loop is as good as a clever one-liner.
#
# **Letters.** B batch, S positions of the source, T positions of the target, V tokens of the vocabulary, H
# heads, D_h the width of a head; the width of the model, D elsewhere, is the argument `d`.
#
# **One meaning of masks**, as in lab 2.1: True is what may be seen. An attention mask broadcasts to
# `[B, H, T_q, T_k]` and is True where a query may attend. A padding mask `[B, S]` is True at real tokens.

# %% tags=["parameters"] cut={"full_seeds": 1, "full_steps": 12}
profile = "laptop"  # "full" repeats the last experiment with three seeds and longer training
full_seeds = 3
full_steps = 600

# %%
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware import open_lab
from shared.data import Vocabulary, pad, pad_pairs, real_positions
from shared.data.dates import DatePair, date_pairs
from shared.data.vocabulary import END, START
from shared.nn import (
    FeedForward,
    MultiHeadAttention,
    SinusoidalPositions,
    TransformerLayer,
    attend,
    causal_mask,
    key_mask,
)

if __name__ == "__main__":
    torch.set_num_threads(1)  # these tensors are small: a second thread would only wait for the first
    lab = open_lab("phase2_intermediate/lab3_full_transformer")

# %% [markdown]
# # Warm-ups
#
# A model that writes has four habits: it does not look ahead, it multiplies chances, it stops, and it
# remembers. One drill for each.

# %% [markdown] exercise="W1" minutes=5
# ## W1 · Who may see what
#
# A decoder attends twice. In *self-attention* position i of the target sees the positions up to and
# including i, and no padding. In *cross-attention* it sees the whole source, except padding.
#
# **Write `decoder_masks(source_real, target_real)`:** both are boolean padding masks, `[B, S]` and `[B, T]`,
# True at real tokens. The result is a pair of boolean attention masks, True = may attend:
#
# - `self_mask [B, 1, T, T]`: query i sees key j if j ≤ i and target token j is real;
# - `memory_mask [B, 1, 1, S]`: every query sees the source tokens that are real.
#
# The 1 after B stands for the heads: all of them have the same mask. Padding hides *keys* only. What a
# padded query computes is ignored later, so nothing hides it.
#
# For `target_real = [[True, True, False]]` the first mask is
# `[[[[1, 0, 0], [1, 1, 0], [1, 1, 0]]]]`.


# %% exercise="W1"
def decoder_masks(source_real: Tensor, target_real: Tensor) -> tuple[Tensor, Tensor]:
    """source_real [B, S], target_real [B, T] → self_mask [B, 1, T, T], memory_mask [B, 1, 1, S]."""
    # BEGIN SOLUTION
    length = target_real.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=target_real.device).tril()
    return past & target_real[:, None, None, :], source_real[:, None, None, :]
    # END SOLUTION


# %% check="W1"
if __name__ == "__main__":
    lab.check("W1", decoder_masks)

# %% reward="W1"
if __name__ == "__main__":
    lab.reward("W1")

# %% [markdown] exercise="W1" tags=["discussion"]
# `past` is `[T, T]` and the padding is `[B, 1, 1, T]`: broadcasting makes `[B, 1, T, T]` of them. Since the
# padding stands on the right, the causal half hides it from every real query already. It is written down all
# the same: a model whose correctness depends on where the padding stands is wrong as soon as somebody pads
# on the left.

# %% [markdown] exercise="W2" minutes=5
# ## W2 · How likely is a sentence?
#
# A model that writes gives the probability of the next token, given all before. The probability of a whole
# sequence is the product of them. A product of a hundred numbers below 1 rounds to 0 sooner or later, so one
# adds logarithms instead:
#
# $$\log p(y \mid x) = \sum_t \log p(y_t \mid y_{<t}, x)$$
#
# **Write `log_probability(logits, tokens, real)`:** `logits` is `[B, T, V]`: row t scores what stands at
# position t. `tokens` is `[B, T]`, whole numbers from 0 to V − 1, and `real` is `[B, T]`, boolean. The result
# is `[B]`, in the dtype of `logits`: the sum of the log-probabilities of the real tokens, 0 if there are
# none.
#
# With two tokens in the vocabulary and all logits 0, three real tokens have log ⅛ = −2.079.
#
# *A trap:* logits are no log-probabilities. `log_softmax` makes them so, and also survives logits of 1000.


# %% exercise="W2"
def log_probability(logits: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    """logits [B, T, V], tokens [B, T], real [B, T] → [B]: log p of each row's real tokens."""
    # BEGIN SOLUTION
    chosen = logits.log_softmax(dim=-1).gather(-1, tokens[..., None]).squeeze(-1)  # B T
    return torch.where(real, chosen, 0.0).sum(dim=1)
    # END SOLUTION


# %% check="W2"
if __name__ == "__main__":
    lab.check("W2", log_probability)

# %% reward="W2"
if __name__ == "__main__":
    lab.reward("W2")

# %% [markdown] exercise="W2" tags=["discussion"]
# `gather` picks one number from each row: with an index of shape `[B, T, 1]` it gives `[B, T, 1]`.
# `torch.where` instead of multiplying with the mask, because a padded position may hold −∞, and 0 · ∞ is NaN.

# %% [markdown] exercise="W3" minutes=3
# ## W3 · Where a text ends
#
# A batch is written in step: all rows go on until the last one has ended. What a row holds after its first
# end token is noise.
#
# **Write `until_end(tokens, end)`:** `tokens` is `[B, T]`, whole numbers. The result is a list of B lists:
# each row's numbers before its first `end`, without it. A row without `end` comes whole.
#
# `until_end(torch.tensor([[5, 6, 3, 6, 3], [3, 7, 7, 7, 7], [8, 8, 8, 8, 8]]), end=3)` is
# `[[5, 6], [], [8, 8, 8, 8, 8]]`.


# %% exercise="W3"
def until_end(tokens: Tensor, end: int) -> list[list[int]]:
    """tokens [B, T] → what stands in each row before its first `end`."""
    # BEGIN SOLUTION
    rows = tokens.tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
    # END SOLUTION


# %% check="W3"
if __name__ == "__main__":
    lab.check("W3", until_end)

# %% reward="W3"
if __name__ == "__main__":
    lab.reward("W3")

# %% [markdown] exercise="W3" tags=["discussion"]
# The *first* end counts. Filtering all end tokens out gives "2006-04-300000", the classical sign of a decoder
# that does not stop: everything before the end is right, and the answer is wrong.

# %% [markdown] exercise="W4" minutes=4
# ## W4 · What a memory costs
#
# While a model writes, it keeps the keys and the values of all positions so far, in every layer, so that it
# need not compute them again.
#
# **Write `cache_bytes(layers, kv_heads, head_width, positions, *, batch=1, bytes_per_number=2)`:** how many
# bytes the keys *and* the values of that many positions take, a whole number. `kv_heads` is the number of
# heads that keys and values have.
#
# 32 layers, 32 heads of width 128, half precision: one position takes 524,288 bytes, 4,096 of them 2 GiB.


# %% exercise="W4"
def cache_bytes(
    layers: int,
    kv_heads: int,
    head_width: int,
    positions: int,
    *,
    batch: int = 1,
    bytes_per_number: int = 2,
) -> int:
    """Bytes of the keys and values of `positions` positions, in all layers and for the whole batch."""
    # BEGIN SOLUTION
    return 2 * layers * batch * kv_heads * positions * head_width * bytes_per_number
    # END SOLUTION


# %% check="W4"
if __name__ == "__main__":
    lab.check("W4", cache_bytes)

# %% reward="W4"
if __name__ == "__main__":
    lab.reward("W4")

# %% [markdown] exercise="W4" tags=["discussion"]
# The 2 in front is for keys and values. Queries are not kept: a query is asked once. With eight key heads
# instead of 32 (grouped-query attention, lab 2.1) the memory shrinks by four. That is why it exists.

# %% [markdown]
# # The half that writes
#
# An encoder layer has two branches, a decoder layer has three. The new one in the middle asks the source.

# %% [markdown] exercise="E1" minutes=50
# ## E1 · Decoder layer and cross-attention
#
# **1. `DecoderLayer(d, heads, d_ff, dropout=0.0, norm="pre")`**, an `nn.Module` with three residual branches,
# in this order: self-attention among the target's positions, cross-attention from the target (queries) to the
# memory (keys and values), and a network for each position, `Linear(d, d_ff)` → ReLU → `Linear(d_ff, d)`.
#
# $$\text{pre:}\quad y \leftarrow y + f(\mathrm{norm}(y)) \qquad\qquad
# \text{post:}\quad y \leftarrow \mathrm{norm}(y + f(y))$$
#
# - Each branch has a `LayerNorm` of its own. It acts on y; the memory is never normed here. Any other `norm`
#   than `"pre"` and `"post"` is a `ValueError`.
# - `dropout` acts in training only, at the same places as in torch: on the attention weights, after the
#   ReLU, and on what each branch adds.
# - The parts have names, since E3 takes the layer apart: `attention` and `cross` are
#   `shared.nn.MultiHeadAttention`, `feedforward` is a module, `norms` holds the three norms in the order of
#   the branches. There are no other parameters.
#
# **`forward(y, memory, *, memory_mask=None, self_mask=None)`**: y `[B, T, d]`, memory `[B, S, d]` →
# `[B, T, d]`. Both masks are boolean attention masks: `self_mask` broadcasts to `[B, H, T, T]`, `memory_mask`
# to `[B, H, T, S]`. None hides nothing: like torch's, the layer is *not* causal by itself.
#
# **`DecoderLayer.from_torch(layer)`** makes one that computes what a `nn.TransformerDecoderLayer` computes.
# It copies weights, dtype, dropout probability and placement of the norms (`layer.norm_first`); later changes
# of one do not touch the other. `layer` is a plain one: ReLU, biases, `layer_norm_eps=1e-5`. Its parts are
# `self_attn`, `multihead_attn` (each with `in_proj_weight [3d, d]`: query, key, value from top to bottom,
# `in_proj_bias`, and `out_proj`), `linear1`, `linear2`, `norm1` to `norm3`, and `layer.dropout.p`.
#
# **2. `Seq2Seq(src_vocab, tgt_vocab, d=64, heads=4, enc=1, dec=1, tie=True, stem=False)`**, an `nn.Module`.
# - `encode(src, mask=None)`: token ids `[B, S]` → memory `[B, S, d]`. `mask [B, S]` is True at real tokens,
#   None means that all are. Embedding and positions, then `enc` pre-norm encoder layers
#   (`shared.nn.TransformerLayer(d, heads, kind="relu")` is one), then a last LayerNorm. Padding must not
#   matter: neither what stands there, nor how much.
# - `decode(memory, mask, tgt)`: ids `[B, T]` → logits `[B, T, V]`. `mask [B, S]` as above, or None. Position
#   t sees the target up to t, whatever comes later. `d_ff` is 4d, the norms are pre, and nothing in the model
#   drops anything: dropout is 0.
# - `decode` goes through three parts that E3 needs: `embed(tokens, start=0)` gives `[B, T, d]`, embeddings
#   plus positions, where the first token stands at position `start`; `layers` holds the decoder layers;
#   `head(x)` is a last LayerNorm and a linear layer *without* bias to `[B, T, V]`.
# - `tie=True`: the weight of that linear layer *is* the target's embedding, one and the same parameter. The
#   source's embedding stays apart: it has another vocabulary.
# - `stem=True`: after source embedding and positions comes `h = h + relu(conv(h))`, with
#   `conv = nn.Conv1d(d, d, 3, padding=1)` along the positions. Padded positions are set to 0 before it, or a
#   neighbour would read them. So each character knows its neighbours before attention starts.
#
# Any sequence length from 1 to 512, `enc` or `dec` 0, and B = 0, work. A source without a single real token
# gives finite numbers. No input changes. What works well: embeddings drawn with standard deviation 1/√d and
# multiplied by √d, plus `shared.nn.SinusoidalPositions(d)`.
#
# **Not allowed**, by any route: torch's Transformer modules, `shared.models`, and `TransformerLayer` inside
# `DecoderLayer`.


# %% exercise="E1"
class DecoderLayer(nn.Module):
    """Self-attention, cross-attention to a memory, feed-forward: each in a residual branch."""

    def __init__(self, d: int, heads: int, d_ff: int, dropout: float = 0.0, norm: str = "pre") -> None:
        # BEGIN SOLUTION
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"the norms stand 'pre' or 'post', not {norm!r}")
        self.placement = norm
        self.attention = MultiHeadAttention(d, heads, dropout=dropout)
        self.cross = MultiHeadAttention(d, heads, dropout=dropout)
        self.feedforward = FeedForward(d, d_ff, "relu", dropout=dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        # END SOLUTION

    def forward(
        self, y: Tensor, memory: Tensor, *, memory_mask: Tensor | None = None, self_mask: Tensor | None = None
    ) -> Tensor:
        """y [B, T, d], memory [B, S, d] → [B, T, d]."""
        # BEGIN SOLUTION
        branches = (
            lambda x: self.attention(x, mask=self_mask),
            lambda x: self.cross(x, memory, mask=memory_mask),
            self.feedforward,
        )
        for norm, branch in zip(self.norms, branches, strict=True):
            if self.placement == "pre":
                y = y + self.dropout(branch(norm(y)))
            else:
                y = norm(y + self.dropout(branch(y)))
        return y
        # END SOLUTION

    @classmethod
    def from_torch(cls, layer: nn.TransformerDecoderLayer) -> "DecoderLayer":
        """A layer with the weights of torch's, which computes the same."""
        # BEGIN SOLUTION
        attention, up = layer.self_attn, layer.linear1
        placement = "pre" if layer.norm_first else "post"
        own = cls(attention.embed_dim, attention.num_heads, up.out_features, layer.dropout.p, placement)
        own = own.to(up.weight.dtype)
        with torch.no_grad():
            for mine, theirs in ((own.attention, attention), (own.cross, layer.multihead_attn)):
                inputs = (mine.query, mine.key, mine.value)
                weights, biases = theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3)
                for linear, weight, bias in zip(inputs, weights, biases, strict=True):
                    linear.weight.copy_(weight)
                    linear.bias.copy_(bias)
                mine.out.load_state_dict(theirs.out_proj.state_dict())
            own.feedforward.up.load_state_dict(up.state_dict())
            own.feedforward.down.load_state_dict(layer.linear2.state_dict())
            for norm, theirs in zip(own.norms, (layer.norm1, layer.norm2, layer.norm3), strict=True):
                norm.load_state_dict(theirs.state_dict())
        return own
        # END SOLUTION


class Seq2Seq(nn.Module):
    """Reads one sequence of tokens, and scores the next token of another."""

    def __init__(
        self,
        src_vocab: int,
        tgt_vocab: int,
        d: int = 64,
        heads: int = 4,
        enc: int = 1,
        dec: int = 1,
        tie: bool = True,
        stem: bool = False,
    ) -> None:
        # BEGIN SOLUTION
        super().__init__()
        self.scale = math.sqrt(d)
        self.source_table = nn.Embedding(src_vocab, d)
        self.target_table = nn.Embedding(tgt_vocab, d)
        for table in (self.source_table, self.target_table):
            nn.init.normal_(table.weight, std=1 / self.scale)
        self.positions = SinusoidalPositions(d)
        self.stem = nn.Conv1d(d, d, 3, padding=1) if stem else None
        self.encoder = nn.ModuleList(TransformerLayer(d, heads, kind="relu") for _ in range(enc))
        self.encoder_norm = nn.LayerNorm(d)
        self.layers = nn.ModuleList(DecoderLayer(d, heads, 4 * d) for _ in range(dec))
        self.decoder_norm = nn.LayerNorm(d)
        self.out = nn.Linear(d, tgt_vocab, bias=False)
        if tie:
            self.out.weight = self.target_table.weight
        # END SOLUTION

    def encode(self, src: Tensor, mask: Tensor | None = None) -> Tensor:
        """src [B, S] → memory [B, S, d]; mask [B, S] is True at real tokens."""
        # BEGIN SOLUTION
        mask = torch.ones_like(src, dtype=torch.bool) if mask is None else mask
        h = self.positions(self.scale * self.source_table(src))  # B S d
        if self.stem is not None:
            h = h.masked_fill(~mask[..., None], 0.0)
            h = h + F.relu(self.stem(h.transpose(1, 2)).transpose(1, 2))
        for layer in self.encoder:
            h = layer(h, mask=key_mask(mask))
        return self.encoder_norm(h)
        # END SOLUTION

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Target ids [B, T], the first of which stands at position `start` → [B, T, d]."""
        # BEGIN SOLUTION
        return self.positions(self.scale * self.target_table(tokens), start)
        # END SOLUTION

    def head(self, x: Tensor) -> Tensor:
        """What the last decoder layer gives, [B, T, d] → logits [B, T, V]."""
        # BEGIN SOLUTION
        return self.out(self.decoder_norm(x))
        # END SOLUTION

    def decode(self, memory: Tensor, mask: Tensor | None, tgt: Tensor) -> Tensor:
        """memory [B, S, d], mask [B, S], tgt [B, T] → logits [B, T, V] of the token after each position."""
        # BEGIN SOLUTION
        memory_mask = None if mask is None else key_mask(mask)
        self_mask = causal_mask(tgt.shape[1], device=tgt.device)
        x = self.embed(tgt)
        for layer in self.layers:
            x = layer(x, memory, memory_mask=memory_mask, self_mask=self_mask)
        return self.head(x)
        # END SOLUTION


# %% check="E1"
if __name__ == "__main__":
    lab.check("E1", DecoderLayer, Seq2Seq)

# %% reward="E1"
if __name__ == "__main__":
    lab.reward("E1")

# %% [markdown] exercise="E1" tags=["discussion"]
# **Why it is right.** Queries come from what is being written, keys and values from what was read: each
# target position takes a weighted mean of the *source*. Nothing in cross-attention is causal, the source is
# all there. Nothing in self-attention is padded, since the padding of a target stands to its right.
#
# **Norms.** With pre-norm the stream itself is never normed, it only grows; hence one last norm at the end of
# the encoder, and one at the end of the decoder. The decoder does not norm the memory again.
#
# **Tying.** Two jobs for one table: "what does this token mean" and "how much does this vector look like this
# token". It saves V · d numbers. *Copying* the weights ties them for the first step only; assigning the
# parameter ties them for ever. The factor √d belongs to it: a table drawn with deviation 1/√d gives logits of
# order one, and embeddings that would be drowned by positions of order one, were they not multiplied.
#
# **The grown-up version** is `shared.models.TransformerSeq2Seq`.

# %% [markdown]
# # What it learns from
#
# Teaching a decoder means to show it the right answer so far and ask for the next token. All positions at
# once, in one pass: that is what the causal mask is for.

# %% [markdown] exercise="E2" minutes=40
# ## E2 · Loss, shift, warm-up
#
# **Write four functions.**
#
# **1. `shift_right(y, bos)`**: what the decoder reads when it should say y. y is `[B, T]`, whole numbers; the
# result has the same shape and dtype: `bos` first, then y without its last token. `[[7, 8, 3]]` becomes
# `[[bos, 7, 8]]`. T may be 0.
#
# **2. `seq_loss(logits, target, *, pad, smoothing=0.0)`**: logits `[B, T, V]` against target `[B, T]`.
# Returns the pair `(total, count)`: the *sum* of the losses of all tokens that are not `pad`, a scalar tensor
# with a graph, and how many they are, an `int`. Whoever wants the mean divides, over as many batches as he
# likes.
# - The loss of a token y is Σ_c q_c · (−log p_c), with p the softmax of its logits and
#   q_c = (1 − ε)·[c = y] + ε/V: of the mass ε = `smoothing`, from 0 to 1, *every* class gets ε/V, also y
#   itself, also the class whose number is `pad`. Padding is a matter of positions, not of classes.
# - A position where target is `pad` costs nothing, whatever its logits are (NaN, too), and gets no gradient.
#   `pad` may be a class of the vocabulary or none (−100). If nothing is left: total 0, count 0, and
#   gradients of 0.
# - Logits of ±10⁴ are no problem. A logit of −∞ makes the loss ∞, never NaN, if q_c is above 0 for its class,
#   and leaves it as it is if q_c is 0: with smoothing 0 a class that is not the target does no harm.
# - Float16 and bfloat16 logits: compute in float32. `total` is then float32, else in the dtype of `logits`.
#
# **3. `noam(step, d, warmup, factor=1.0)`**: the learning rate of the original Transformer, a float:
#
# $$\text{factor} \cdot d^{-1/2} \cdot \min\left(s^{-1/2},\; s \cdot w^{-3/2}\right)$$
#
# with s = `step`, counted from 1, and w = `warmup` ≥ 1. Schedulers ask for step 0 too: it counts as step 1.
#
# **4. `token_accuracy(logits, target, pad)`**: a float: the share of tokens that are not `pad` whose logit is
# the largest in its row. Of no tokens at all: 0.0.
#
# ```text
#   seq_loss(zeros [1, 3, 4], [[2, 1, 0]], pad=0)   →   (2.7726, 2)      twice log 4
# ```
#
# **Not allowed**, by any route: `F.cross_entropy` and `nn.CrossEntropyLoss`. `log_softmax` is fine.


# %% exercise="E2"
def shift_right(y: Tensor, bos: int) -> Tensor:
    """y [B, T] → [B, T]: what the decoder reads in order to say y."""
    # BEGIN SOLUTION
    first = y.new_full((y.shape[0], 1), bos)
    return torch.cat((first, y), dim=1)[:, : y.shape[1]]
    # END SOLUTION


def seq_loss(logits: Tensor, target: Tensor, *, pad: int, smoothing: float = 0.0) -> tuple[Tensor, int]:
    """logits [B, T, V], target [B, T] → (sum of the losses of all tokens but pad, how many they are)."""
    # BEGIN SOLUTION
    real = target != pad
    wide = torch.promote_types(logits.dtype, torch.float32)
    log_p = logits[real].to(wide).log_softmax(dim=-1)  # N V: padding is gone before anything is computed
    total = -(1 - smoothing) * log_p.gather(1, target[real][:, None]).sum() if smoothing < 1 else 0.0
    if smoothing > 0:  # not even 0 times: a class with log p = −∞ would make it NaN
        total = total - smoothing * log_p.mean(dim=-1).sum()
    return total, int(real.sum())
    # END SOLUTION


def noam(step: int, d: int, warmup: int, factor: float = 1.0) -> float:
    """Linear warm-up for `warmup` steps, then one over the root of the step."""
    # BEGIN SOLUTION
    step = max(step, 1)
    return factor * d**-0.5 * min(step**-0.5, step * warmup**-1.5)
    # END SOLUTION


def token_accuracy(logits: Tensor, target: Tensor, pad: int) -> float:
    """The share of tokens, pad not counted, that have the largest logit."""
    # BEGIN SOLUTION
    real = target != pad
    right = (logits.argmax(dim=-1) == target) & real
    return int(right.sum()) / max(int(real.sum()), 1)
    # END SOLUTION


# %% check="E2"
if __name__ == "__main__":
    lab.check("E2", shift_right, seq_loss, noam, token_accuracy)

# %% reward="E2"
if __name__ == "__main__":
    lab.reward("E2")

# %% [markdown] exercise="E2" tags=["discussion"]
# **Why sums.** A mean over the batch gives a token of a short batch more weight than one of a long batch, and
# a mean over all positions rewards padding. A sum and a count can be added over batches, devices and
# accumulated steps, and divided once.
#
# **Why select first.** `logits[real]` takes the padding out before any arithmetic, so that NaN in a padded
# row reaches neither loss nor gradient. Multiplying the losses by the mask afterwards would not do: 0 · NaN.
#
# **Smoothing.** With ε the loss can no longer reach 0: at best it is the entropy of q. What is gained is that
# the logits stop growing. ε/(V − 1) over the *other* classes is a common variant; torch and the paper that
# introduced it (Szegedy et al. 2016) share ε among all V.

# %% [markdown]
# # A memory
#
# Token 100 attends to 99 others. Their keys and values are what they were a step ago: the causal mask
# guarantees that nothing that comes later changes them. So compute them once, and keep them.

# %% [markdown] exercise="E3" minutes=60
# ## E3 · KV cache
#
# **1. `KVCache(layers, max_length)`** keeps the keys and values of a decoder with that many layers, for up to
# `max_length` positions. Used for inference only, under `torch.no_grad()`.
#
# - `append(layer, k, v)`: k and v are `[B, H, t, D_h]`, those of t ≥ 1 new positions. Returns the pair (keys,
#   values) of *all* positions of this layer so far, `[B, H, length, D_h]`. Beyond `max_length`: `ValueError`,
#   and nothing of them is kept.
# - `length`, a property: how many positions are kept. Every layer gets the same ones, so between two steps
#   they agree; what it says in the middle of a step is up to you.
# - `remember(layer, project)`: for cross-attention, whose keys and values never change. At the first call for
#   a layer it calls `project()`, which returns a pair (keys, values), keeps the pair and returns it. Later
#   calls return what was kept, and `project` is not called.
# - `reorder(idx)`: row i of the batch continues the history of the former row `idx[i]`, in everything that
#   is kept, cross-attention included. `idx` is `[N]`, int64; it may repeat rows, and N may differ from B.
#   Afterwards rows are independent of each other.
# - `crop(n)`: forget all but the first n positions; what `remember` keeps stays. n outside 0 … `length`:
#   `ValueError`.
# - `nbytes()`: the bytes of the keys and values that are in use, those of `remember` included. Buffers may be
#   larger: capacity does not count.
# - The arguments of `append` are not kept: whoever changes them later does not change the cache.
# - Appending n positions one by one must not copy O(n²) numbers. Allocate once and fill, or double.
#
# **2. `decode_step(model, token, cache, memory, memory_mask)`** → logits `[B, V]` of the token that comes
# after. `token` is `[B, t]`: the t ≥ 1 newest ids, which follow the `cache.length` positions in the cache;
# the step appends them. Usually t is 1; a whole prompt at once is *prefill*. `memory` is `[B, S, d]`,
# `memory_mask` is `[B, S]`, True at real tokens, or None.
#
# The result is that of `model.decode(memory, memory_mask, all_tokens_so_far)[:, -1]`, but each position is
# computed once. `model` has the parts of E1, whoever built it, and is left in the mode in which it comes:
#
# ```text
#   model.embed(tokens, start)        [B, t] → [B, t, d], positions from `start` on
#   model.layers                      pre-norm decoder layers, each with
#       .norms                        three norms, in the order of the branches
#       .attention, .cross            shared.nn.MultiHeadAttention: .query .key .value .out (nn.Linear),
#                                     .heads, .head_width, .project(x) → keys and values [B, H, t, D_h]
#       .feedforward                  [B, t, d] → [B, t, d]
#   model.head(x)                     [B, t, d] → [B, t, V]
# ```
#
# `shared.nn.attend(queries, keys, values, mask, causal=True)` is attention on split heads. Its causal mask
# takes the queries for the *last* of the keys' positions, which is what a cache needs.
#
# **What is counted**: floating-point operations. A step at length 64 costs what a step at length 8 costs,
# plus the attention to 56 more keys. The memory's keys and values are projected once a layer, not once a
# step.
#
# **Not allowed**, by any route: `shared.nn.cache`, and `model.decode` inside `decode_step`.


# %% exercise="E3"
class KVCache:
    """Past keys and values of a decoder, in buffers that are filled from the left."""

    def __init__(self, layers: int, max_length: int) -> None:
        # BEGIN SOLUTION
        self.max_length = max_length
        self._lengths = [0] * layers
        self._own: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self._cross: list[tuple[Tensor, Tensor] | None] = [None] * layers
        # END SOLUTION

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """New keys and values [B, H, t, D_h] → those of all positions so far."""
        # BEGIN SOLUTION
        start = self._lengths[layer]
        end = start + k.shape[2]
        if end > self.max_length:
            raise ValueError(f"the cache holds {self.max_length} positions, {end} are needed")
        if self._own[layer] is None:
            self._own[layer] = tuple(x.new_empty(*x.shape[:2], self.max_length, x.shape[3]) for x in (k, v))
        keys, values = self._own[layer]
        keys[:, :, start:end] = k
        values[:, :, start:end] = v
        self._lengths[layer] = end
        return keys[:, :, :end], values[:, :, :end]
        # END SOLUTION

    def remember(self, layer: int, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """What `project()` gave at the first call for this layer."""
        # BEGIN SOLUTION
        if self._cross[layer] is None:
            self._cross[layer] = project()
        return self._cross[layer]
        # END SOLUTION

    def reorder(self, idx: Tensor) -> None:
        """Let row i continue the history of row idx[i]."""
        # BEGIN SOLUTION
        for kept in (self._own, self._cross):
            for layer, pair in enumerate(kept):
                if pair is not None:
                    kept[layer] = (pair[0][idx], pair[1][idx])
        # END SOLUTION

    def crop(self, n: int) -> None:
        """Forget all but the first n positions."""
        # BEGIN SOLUTION
        if not 0 <= n <= self.length:
            raise ValueError(f"a cache of {self.length} positions cannot be cropped to {n}")
        self._lengths = [n] * len(self._lengths)
        # END SOLUTION

    @property
    def length(self) -> int:
        """How many positions are kept."""
        # BEGIN SOLUTION
        return min(self._lengths)
        # END SOLUTION

    def nbytes(self) -> int:
        """Bytes of the keys and values in use."""
        # BEGIN SOLUTION
        used = [x for pair in self._cross if pair is not None for x in pair]
        for length, pair in zip(self._lengths, self._own, strict=True):
            used += [x[:, :, :length] for x in pair or ()]
        return sum(x.numel() * x.element_size() for x in used)
        # END SOLUTION


def decode_step(
    model: nn.Module, token: Tensor, cache: KVCache, memory: Tensor, memory_mask: Tensor | None
) -> Tensor:
    """The newest tokens [B, t] → logits [B, V] of the one after them; their keys and values are kept."""
    # BEGIN SOLUTION
    mask = None if memory_mask is None else key_mask(memory_mask)
    x = model.embed(token, cache.length)

    def heads(attention: MultiHeadAttention, y: Tensor) -> Tensor:
        return attention.query(y).unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # B H t D_h

    for number, layer in enumerate(model.layers):
        y = layer.norms[0](x)
        keys, values = cache.append(number, *layer.attention.project(y))
        seen = attend(heads(layer.attention, y), keys, values, causal=True)
        x = x + layer.attention.out(seen.transpose(1, 2).flatten(2))
        y = layer.norms[1](x)
        keys, values = cache.remember(number, lambda layer=layer: layer.cross.project(memory))
        seen = attend(heads(layer.cross, y), keys, values, mask)
        x = x + layer.cross.out(seen.transpose(1, 2).flatten(2))
        x = x + layer.feedforward(layer.norms[2](x))
    return model.head(x[:, -1:])[:, 0]
    # END SOLUTION


# %% check="E3"
if __name__ == "__main__":
    lab.check("E3", KVCache, decode_step)

# %% reward="E3"
if __name__ == "__main__":
    lab.reward("E3")

# %% [markdown] exercise="E3" tags=["discussion"]
# **Why it is right.** A decoder layer mixes positions in one place only, self-attention, and there position i
# asks for keys and values up to i. Both were computed from positions up to i. So nothing that is kept ever
# becomes wrong, and only the newest query is needed.
#
# **The three traps.** *Positions*: the new token stands at `cache.length`, not at 0. *Masks*: a single query
# among t keys sees all of them; torch's `is_causal` aligns at the first key and would show it one. *Beams*:
# the rows of a beam change places after each step, and the cache has to go with them.
#
# **What it costs.** Memory: W4's formula. Serving a language model to many readers is mostly the art of
# managing this memory: sharing key heads, storing it in fewer bits, cutting it into pages.
#
# **The grown-up version** is `shared.nn.cache`; `TransformerSeq2Seq.decode(…, cache=…)` uses it.

# %% [markdown]
# # Choosing what to say
#
# The model scores, the search decides. A search knows nothing of Transformers: it is given a function from
# prefixes to log-probabilities of the next token, which may as well be a small table.

# %% [markdown] exercise="E4" minutes=60
# ## E4 · Search
#
# `step(prefixes)` takes token ids `[K, t]`, K prefixes of equal length that all begin with `bos`, and returns
# log-probabilities `[K, V]` of what comes next. −∞ is possible. Each row has at least one finite number.
#
# In all three functions a *hypothesis* is a list of ints **without** `bos`; it **ends with** `eos` if it is
# finished. Nothing is ever asked about a finished one. `max_len` ≥ 1 counts the tokens of this list, `eos`
# included; at `max_len` tokens a hypothesis stops, finished or not.
#
# **1. `greedy(step, bos, eos, max_len)`** → `(hypothesis, total)`: at each step the most probable token (of
# equals, the smallest), until `eos` or `max_len`. `total` is the sum of its log-probabilities, a float.
#
# **2. `beam_search(step, bos, eos, *, beam=4, max_len=20, alpha=0.6, n_best=1)`** → a list of pairs
# `(hypothesis, score)`, the best first.
# - Begin with one live hypothesis, the empty one. At each step, call `step` once with the prefixes of all
#   live hypotheses. Candidates are all their continuations by one token, those of probability 0 excepted.
#   Keep the `beam` best *of all candidates together*, by the plain sum of log-probabilities; of equals, the
#   one whose parent ranked better, then the smaller token.
# - Of those, the ones that end with `eos` are finished: put them aside. The others live on. (So the number of
#   live ones shrinks and may grow again, but is never above `beam`.)
# - It ends when nothing lives, or at `max_len`. What lives then is a hypothesis too, unfinished. You may stop
#   earlier only if nothing alive could still get into the result.
# - `score` = sum of log-probabilities / ((5 + n) / 6)^α, with n the number of tokens of the hypothesis. The
#   penalty is applied when hypotheses are ranked at the end, never in the choice of candidates. Of equal
#   scores, the one that was finished first comes first.
# - The result has the `n_best` best, fewer if fewer were found. `n_best` above `beam` is a `ValueError`.
#
# **3. `sample(step, bos, eos, *, max_len=20, temperature=1.0, top_k=0, top_p=1.0, generator)`** → a
# hypothesis, each token drawn at random, with `generator` (a `torch.Generator`) as the only source of chance.
# In this order:
# - the log-probabilities are divided by `temperature`; 0 stands for the limit, greedy choice;
# - only the `top_k` most probable tokens stay; 0, or more than there are, keeps all;
# - of these, with probabilities that again add up to 1, the most probable stay, as few as possible, until
#   their sum reaches `top_p`. The one that crosses is kept, so at least one stays; 1.0 keeps all;
# - draw among what is left, in proportion to the probabilities.
#
# **Not allowed**: nothing. But `step` is all there is: a table of all sequences will be too large.


# %% exercise="E4"
StepFn = Callable[[Tensor], Tensor]  # prefixes [K, t] → log-probabilities [K, V]
Hypothesis = list[int]


def greedy(step: StepFn, bos: int, eos: int, max_len: int) -> tuple[Hypothesis, float]:
    """The most probable token at each step, and the sum of their log-probabilities."""
    # BEGIN SOLUTION
    tokens: list[int] = []
    total = 0.0
    while len(tokens) < max_len:
        row = step(torch.tensor([[bos, *tokens]]))[0].tolist()
        token = row.index(max(row))
        tokens.append(token)
        total += row[token]
        if token == eos:
            break
    return tokens, total
    # END SOLUTION


def beam_search(
    step: StepFn,
    bos: int,
    eos: int,
    *,
    beam: int = 4,
    max_len: int = 20,
    alpha: float = 0.6,
    n_best: int = 1,
) -> list[tuple[Hypothesis, float]]:
    """The `n_best` best hypotheses that a beam of this width finds, with their scores."""
    # BEGIN SOLUTION
    if n_best > beam:
        raise ValueError(f"a beam of {beam} is not asked for the {n_best} best: make it wider")
    live: list[tuple[Hypothesis, float]] = [([], 0.0)]
    found: list[tuple[Hypothesis, float]] = []
    for _ in range(max_len):
        rows = step(torch.tensor([[bos, *tokens] for tokens, _ in live])).tolist()
        candidates = [
            ([*tokens, token], total + log_p)
            for (tokens, total), row in zip(live, rows, strict=True)
            for token, log_p in enumerate(row)
            if log_p > -math.inf
        ]
        best = sorted(candidates, key=lambda candidate: -candidate[1])[
            :beam
        ]  # a stable sort: ties keep order
        found += [candidate for candidate in best if candidate[0][-1] == eos]
        live = [candidate for candidate in best if candidate[0][-1] != eos]
        if not live:
            break
    scored = [(tokens, total / ((5 + len(tokens)) / 6) ** alpha) for tokens, total in found + live]
    return sorted(scored, key=lambda hypothesis: -hypothesis[1])[:n_best]
    # END SOLUTION


def sample(
    step: StepFn,
    bos: int,
    eos: int,
    *,
    max_len: int = 20,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator,
) -> Hypothesis:
    """Tokens drawn one after another from the (truncated) distribution."""
    # BEGIN SOLUTION
    tokens: list[int] = []
    while len(tokens) < max_len and eos not in tokens:
        log_p = step(torch.tensor([[bos, *tokens]]))[0]
        if temperature == 0:
            tokens.append(int(log_p.argmax()))
            continue
        ranked = (log_p.double() / temperature).sort(descending=True, stable=True)
        p = ranked.values[: top_k or None].softmax(dim=0)
        before = p.cumsum(dim=0) - p  # the mass of what ranks higher
        p = p.where((before < top_p) | (top_p >= 1), 0.0)
        p[0] = max(p[0], 1e-300)  # also with top_p = 0 one is kept
        tokens.append(int(ranked.indices[torch.multinomial(p, 1, generator=generator)]))
    return tokens
    # END SOLUTION


# %% check="E4"
if __name__ == "__main__":
    lab.check("E4", greedy, beam_search, sample)

# %% reward="E4"
if __name__ == "__main__":
    lab.reward("E4")

# %% [markdown] exercise="E4" tags=["discussion"]
# **Why beams.** Greedy search cannot go back: a token that looks best now may lead into a corner. A beam
# keeps a few alternatives. It guarantees nothing, except when it is as wide as the number of all sequences.
#
# **One list of candidates.** The `beam` best of *each* parent, one apiece, would keep bad parents alive for
# ever. All candidates compete.
#
# **Length.** Each further token costs probability, so sums prefer short answers, and a wide beam finds more
# short ones. Dividing by a power of the length corrects that by rule of thumb. It is a correction for the
# *final* comparison: within a step all candidates have the same length.
#
# **When to stop.** As soon as one hypothesis is finished? That is a common bug: with α > 0 a longer one may
# still win. A bound is safe: a live sum can only go down, so `sum / ((5 + max_len) / 6)^α` is the best that
# can become of it.

# %% [markdown]
# # Dates
#
# Six languages, three styles, sixty years: "domingo, 30 de abril de 2006" is 2006-04-30. The weekday says
# nothing that is asked for, and the order of day, month and year changes from language to language.

# %%
if __name__ == "__main__":
    pairs = date_pairs(20_000, seed=0)
    more = date_pairs(2_000, seed=1)
    for pair in pairs[:6]:
        print(f"{pair.language} {pair.style:7s} {pair.text:36s} {pair.iso}")

# %% [markdown] exercise="E5" minutes=75
# ## E5 · Dates of six languages → ISO
#
# `pairs` is a list of `DatePair(text, iso, language, style)`, all of them strings: languages de, en, es, fr,
# it, pt; styles medium, long, full.
#
# **1. `unseen_pairs(pairs, training)`** → the pairs, in their order, whose `text` occurs in no pair of
# `training`, each text only once (its first pair). A model that is tested on what it has been shown proves
# nothing.
#
# **2. `train_seq2seq(pairs, *, steps=300, seed=0)`** → your `Seq2Seq`, trained for `steps` batches of
# `pairs`, in evaluation mode. It carries its alphabets: `model.source_vocabulary` and
# `model.target_vocabulary` are `shared.data.Vocabulary`, made of the characters of the texts and of the iso
# strings in `pairs`. `seed` decides everything random: two calls with the same seed give the same weights,
# whatever was drawn before; another seed gives others. The target of a pair is START, its characters, END
# (`vocabulary.encode(iso, ends=True)`); `shared.data.pad_pairs` makes a batch of (source, target) pairs. The
# list `pairs` is left as it is.
#
# What works: one encoder and one decoder layer, d = 64, four heads, **`stem=True`**, batches of 64 pairs
# drawn at random, `AdamW` and `OneCycleLR` with a maximum of 4e-3 over `steps` steps, gradients clipped to
# norm 1, your `seq_loss` divided by its count.
#
# **3. `evaluate(model, pairs, decoder="greedy", cached=True)`** → a dict:
# - `"outputs"`: a list with one string a pair, what the model writes for its text: the characters before
#   END, at most 12 tokens. In evaluation mode and from the text alone: the model reads what it wrote itself,
#   never `pair.iso`. `model.target_vocabulary.decode(tokens)` turns tokens into a string.
# - `"exact"`: the share of pairs whose output is exactly `pair.iso`, a float; 0.0 for no pairs.
# - `"by_language"` and `"by_style"`: the same share for each language and each style that occurs in `pairs`,
#   as dicts from its name to a float.
# - `decoder` is `"greedy"`, or `"beam"`: your beam search with its defaults except `max_len=12`. Anything
#   else is a `ValueError`.
# - `cached=True` decodes with `decode_step`; each position is computed once, also with a beam, whose rows
#   have to be reordered. `cached=False` calls `model.decode` with the whole prefix. Outputs are the same.
#
# `evaluate` takes any model with `encode`, `decode`, the parts of E1 and the two vocabularies. For greedy
# decoding, write many pairs in one batch, padded: the check does it with 400.
#
# **What it must reach** with the default settings, 20,000 pairs: 0.95 of unseen dates exactly right.
# Writing the most frequent date gets 0.00 of them. The same model without the stem got 0.82 to 0.84.
#
# **What the check also looks at.** If the weekday in a text is exchanged for another, the answer should stay.
# With the iso strings in random order, the model must learn nothing about unseen dates.
#
# **Not allowed**: `shared.models`, torch's Transformer modules, and `shared.data.dates.unseen`.


# %% exercise="E5"
def unseen_pairs(pairs: Sequence[DatePair], training: Sequence[DatePair]) -> list[DatePair]:
    """The pairs whose text does not occur in training, each text once."""
    # BEGIN SOLUTION
    known = {pair.text for pair in training}
    fresh = []
    for pair in pairs:
        if pair.text not in known:
            known.add(pair.text)
            fresh.append(pair)
    return fresh
    # END SOLUTION


def train_seq2seq(pairs: Sequence[DatePair], *, steps: int = 300, seed: int = 0) -> Seq2Seq:
    """A Seq2Seq that has seen `steps` batches of the pairs, in evaluation mode."""
    # BEGIN SOLUTION
    source, target = Vocabulary.of(p.text for p in pairs), Vocabulary.of(p.iso for p in pairs)
    examples = [(source.encode(p.text), target.encode(p.iso, ends=True)) for p in pairs]
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():  # the initial weights come from torch's own generator: leave it as it was
        torch.manual_seed(seed)
        model = Seq2Seq(len(source), len(target), stem=True)
    model.source_vocabulary, model.target_vocabulary = source, target
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=max(steps, 1))
    for _ in range(steps):
        rows = torch.randint(len(examples), (64,), generator=generator).tolist()
        src, read, real, say = pad_pairs([examples[row] for row in rows])
        total, count = seq_loss(model.decode(model.encode(src, real), real, read), say, pad=-100)
        optimizer.zero_grad()
        (total / count).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()
    # END SOLUTION


def evaluate(
    model: nn.Module, pairs: Sequence[DatePair], decoder: str = "greedy", cached: bool = True
) -> dict[str, object]:
    """What the model writes for each pair's text, and how often it is the pair's iso string."""
    # BEGIN SOLUTION
    if decoder not in ("greedy", "beam"):
        raise ValueError(f"the decoder is 'greedy' or 'beam', not {decoder!r}")

    def greedily(texts: list[Tensor]) -> list[list[int]]:  # all in one batch
        src, lengths = pad(texts)
        real = real_positions(lengths, src.shape[1])
        memory, cache = model.encode(src, real), KVCache(len(model.layers), 12)
        written = torch.full((len(texts), 1), START)
        for _ in range(12):
            if cached:
                logits = decode_step(model, written[:, -1:], cache, memory, real)
            else:
                logits = model.decode(memory, real, written)[:, -1]
            written = torch.cat((written, logits.argmax(dim=-1, keepdim=True)), dim=1)
        return until_end(written[:, 1:], END)

    def with_beam(text: Tensor) -> list[int]:  # one text: the rows of the batch are the live hypotheses
        memory = model.encode(text[None], torch.ones(1, len(text), dtype=torch.bool))
        cache, rows = KVCache(len(model.layers), 12), None

        def step(prefixes: Tensor) -> Tensor:
            nonlocal rows
            many = memory.expand(len(prefixes), -1, -1)
            if not cached:
                return model.decode(many, None, prefixes)[:, -1].log_softmax(dim=-1)
            if rows is not None:  # which row of the last call does each prefix continue?
                cache.reorder((prefixes[:, None, :-1] == rows).all(dim=-1).long().argmax(dim=1))
            rows = prefixes
            return decode_step(model, prefixes[:, -1:], cache, many, None).log_softmax(dim=-1)

        return beam_search(step, START, END, max_len=12)[0][0]

    model.eval()
    texts = [model.source_vocabulary.encode(pair.text) for pair in pairs]
    with torch.no_grad():
        rows = [with_beam(text) for text in texts] if decoder == "beam" or not texts else greedily(texts)
    outputs = [model.target_vocabulary.decode(row) for row in rows]
    right = [output == pair.iso for output, pair in zip(outputs, pairs, strict=True)]

    def share(of: Sequence[str]) -> dict[str, float]:
        counted = {
            name: [ok for ok, own in zip(right, of, strict=True) if own == name] for name in sorted(set(of))
        }
        return {name: sum(answers) / len(answers) for name, answers in counted.items()}

    return {
        "outputs": outputs,
        "exact": sum(right) / max(len(right), 1),
        "by_language": share([pair.language for pair in pairs]),
        "by_style": share([pair.style for pair in pairs]),
    }
    # END SOLUTION


# %% check="E5"
if __name__ == "__main__":
    lab.check("E5", unseen_pairs, train_seq2seq, evaluate)

# %% reward="E5"
if __name__ == "__main__":
    lab.reward("E5")

# %% [markdown] exercise="E5" tags=["discussion"]
# **Why a stem.** "März" is one thing and four characters. Attention can learn to gather neighbours, by
# comparing positions; a convolution of width 3 has nothing to learn there. It is the same lesson as in lab
# 2.2: a small model on little data needs to be told what is local.
#
# **Free running.** During training the decoder reads the right answer so far. During evaluation there is
# none. A model that is evaluated by teacher forcing is asked an easier question, one where every earlier
# mistake has been corrected for it.
#
# **Beam and greedy agree here.** A date has one right answer, and the trained model is nearly certain of each
# character. A beam pays where the model hesitates between sentences, not characters.

# %% [markdown]
# # How it learns
#
# The same training, shorter: exactness comes late, and then at once, since a date is right only when each of
# its ten characters is. The full profile trains longer than E5 asks for, with three seeds.

# %%
if __name__ == "__main__":
    seeds, lengths = (1, (75, 150)) if profile == "laptop" else (full_seeds, (full_steps // 2, full_steps))
    if lab.passed("E5"):
        test = unseen_pairs(more, pairs)[:400]
        for length in lengths:
            for seed in range(seeds):
                shares = evaluate(train_seq2seq(pairs, steps=length, seed=seed), test)
                print(f"{length} steps, seed {seed}: {shares['exact']:.3f} of {len(test)} exactly right")
