"""What a Transformer does at each position on its own: widen, bend, narrow.

    plain   y = W₂ f(W₁ x)
    gated   y = W₂ (f(W_g x) ⊙ W₁ x)     SwiGLU with f = silu, GEGLU with f = gelu

Two matrices of width 4 D and three of width 8/3 D have the same number of weights.
"""

from typing import Final, Literal, get_args

from torch import nn

from shared.nn.activations import Activation, activation_function
from shared.shapes import Sequence, expect

FeedForwardKind = Literal["relu", "gelu", "silu", "swiglu", "geglu"]

_GATED: Final = ("swiglu", "geglu")
_BENDS: Final[dict[FeedForwardKind, Activation]] = {
    "relu": "relu",
    "gelu": "gelu",
    "silu": "silu",
    "swiglu": "silu",
    "geglu": "gelu",
}


def matched_width(d_model: int, kind: FeedForwardKind) -> int:
    """The hidden width that costs 8 D² weights: 4 D, or 8/3 D for the gated kinds."""
    return round(8 * d_model / 3) if kind in _GATED else 4 * d_model


class FeedForward(nn.Module):
    """The position-wise network, with dropout after the activation."""

    def __init__(
        self,
        d_model: int,
        hidden: int | None = None,
        kind: FeedForwardKind = "gelu",
        *,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in get_args(FeedForwardKind):
            raise ValueError(
                f"no feed-forward is called {kind!r}; there are {', '.join(get_args(FeedForwardKind))}"
            )
        hidden = matched_width(d_model, kind) if hidden is None else hidden
        self.d_model = d_model
        self.activation = activation_function(_BENDS[kind])
        self.gate = nn.Linear(d_model, hidden, bias) if kind in _GATED else None
        self.up = nn.Linear(d_model, hidden, bias)
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(hidden, d_model, bias)

    def forward(self, x: Sequence) -> Sequence:
        """Each position by itself."""
        expect(x, "*rest D", "the input of a feed-forward", D=self.d_model)
        hidden = self.up(x)  # B T F
        hidden = self.activation(hidden) if self.gate is None else self.activation(self.gate(x)) * hidden
        out: Sequence = self.down(self.dropout(hidden))
        return out
