"""Wrong answers to E2."""

import torch
from torch import nn
from torch.nn import functional as F

from courseware.check import misconception
from phase2_intermediate.lab2_transformer_encoder.solution import EncoderLayer as Sound


class Pieces(Sound):
    """A right answer in small pieces; each misconception replaces one of them."""

    def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
        super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
        self.norm, self.act = norm, act

    def mask(self, real):
        return None if real is None else real[:, None, None, :]

    def bend(self, h):
        return F.gelu(h) if self.act == "gelu" else F.relu(h)

    def hidden(self, h):
        return F.silu(self.gate(h)) * self.up(h) if self.act == "swiglu" else self.bend(self.up(h))

    def network(self, h):
        return self.down(self.dropout(self.hidden(h)))

    def pre(self, x, norm, branch):
        return x + self.dropout(branch(norm(x)))

    def post(self, x, norm, branch):
        return norm(x + self.dropout(branch(x)))

    def second_norm(self):
        return self.norm2

    def forward(self, x, key_padding_mask=None):
        mask = self.mask(key_padding_mask)
        step = self.pre if self.norm == "pre" else self.post
        x = step(x, self.norm1, lambda h: self.attention(h, mask=mask))
        return step(x, self.second_norm(), self.network)


def layer(**methods):
    return {"EncoderLayer": type("EncoderLayer", (Pieces,), methods)}


@misconception("E2", diagnosis="norm-inside-the-branch")
def norms_what_the_branch_gives():
    return layer(post=lambda self, x, norm, branch: x + norm(self.dropout(branch(x))))


@misconception("E2", diagnosis="skip-from-the-normed")
def overwrites_x_with_its_norm():
    def pre(self, x, norm, branch):
        x = norm(x)
        return x + self.dropout(branch(x))

    return layer(pre=pre)


@misconception("E2", diagnosis="one-norm-shared")
def the_same_norm_twice():
    return layer(second_norm=lambda self: self.norm1)


@misconception("E2", diagnosis="pre-and-post-exchanged")
def exchanges_the_words():
    return layer(pre=Pieces.post, post=Pieces.pre)


@misconception("E2", diagnosis="pre-with-a-last-norm")
def norms_at_the_end_too():
    def forward(self, x, key_padding_mask=None):
        out = Pieces.forward(self, x, key_padding_mask)
        return self.norm2(out) if self.norm == "pre" else out

    return layer(forward=forward)


@misconception("E2", diagnosis="dropout-after-the-addition")
def drops_the_stream():
    return layer(pre=lambda self, x, norm, branch: self.dropout(x + branch(norm(x))))


@misconception("E2", diagnosis="dropout-missing-on-a-branch")
def never_drops_branches():
    return layer(pre=lambda self, x, norm, branch: x + branch(norm(x)))


@misconception("E2", diagnosis="mask-inverted")
def masks_as_torch_does():
    return layer(mask=lambda self, real: None if real is None else ~real[:, None, None, :])


@misconception("E2", diagnosis="padding-zeroed-not-hidden")
def sets_padding_to_zero():
    def forward(self, x, key_padding_mask=None):
        if key_padding_mask is not None:
            x = x * key_padding_mask[:, :, None]
        return Pieces.forward(self, x)

    return layer(forward=forward)


@misconception("E2", diagnosis="approximate-gelu")
def gelu_with_tanh():
    return layer(
        bend=lambda self, h: F.gelu(h, approximate="tanh") if self.act == "gelu" else F.relu(h),
    )


@misconception("E2", diagnosis="gate-and-up-exchanged")
def silu_on_up():
    return layer(
        hidden=lambda self, h: (
            F.silu(self.up(h)) * self.gate(h) if self.act == "swiglu" else Pieces.hidden(self, h)
        )
    )


@misconception("E2", diagnosis="eps-of-rms")
def rms_without_eps():
    class EncoderLayer(Pieces):
        def __init__(self, d, heads, d_ff, dropout=0.0, norm="pre", act="gelu", norm_type="ln"):
            super().__init__(d, heads, d_ff, dropout, norm, act, norm_type)
            if norm_type == "rms":
                self.norm1, self.norm2 = nn.RMSNorm(d), nn.RMSNorm(d)

    return {"EncoderLayer": EncoderLayer}


@misconception("E2", diagnosis="from-torch-in-another-order")
def key_before_query():
    class EncoderLayer(Sound):
        @classmethod
        def from_torch(cls, layer):
            mine = super().from_torch(layer)
            mine.attention.query, mine.attention.key = mine.attention.key, mine.attention.query
            return mine

    return {"EncoderLayer": EncoderLayer}


@misconception("E2", diagnosis="from-torch-shares-memory")
def takes_torchs_linears():
    class EncoderLayer(Sound):
        @classmethod
        def from_torch(cls, layer):
            mine = super().from_torch(layer)
            mine.up, mine.down = layer.linear1, layer.linear2
            return mine

    return {"EncoderLayer": EncoderLayer}


@misconception("E2", diagnosis="from-torch-ignores-norm-first")
def always_pre():
    class EncoderLayer(Sound):
        @classmethod
        def from_torch(cls, layer):
            first, layer.norm_first = layer.norm_first, True
            mine = super().from_torch(layer)
            layer.norm_first = first
            return mine

    return {"EncoderLayer": EncoderLayer}


@misconception("E2", diagnosis="second-skip-from-the-input")
def adds_to_the_input_again():
    def forward(self, x, key_padding_mask=None):
        mask = self.mask(key_padding_mask)
        if self.norm != "pre":
            return Pieces.forward(self, x, key_padding_mask)
        h = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        return x + self.dropout(self.network(self.norm2(h)))

    return layer(forward=forward)


@misconception("E2", diagnosis="forbidden")
def hands_it_to_torch():
    class EncoderLayer(Sound):
        def forward(self, x, key_padding_mask=None):
            if not hasattr(self, "theirs"):
                object.__setattr__(
                    self, "theirs", nn.TransformerEncoderLayer(x.shape[-1], 2, 12, batch_first=True)
                )
            return self.theirs(x.to(torch.float32)).to(x.dtype)

    return {"EncoderLayer": EncoderLayer}
