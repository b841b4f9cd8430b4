"""The residual connection: keep what there is, add what a function makes of it.

pre-norm    x ← x + f(norm(x))      gradients pass the stream unchanged; needs a norm at the very end
post-norm   x ← norm(x + f(x))      the original; deep stacks of it need learning-rate warm-up
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

NormPlacement = Literal["pre", "post"]


class Branch(nn.Module):
    """The residual connection around one function, with its norm and its dropout."""

    def __init__(self, norm: nn.Module, placement: NormPlacement = "pre", dropout: float = 0.0) -> None:
        super().__init__()
        if placement not in ("pre", "post"):
            raise ValueError(f"the norm stands 'pre' or 'post' its branch, not {placement!r}")
        self.norm = norm
        self.placement = placement
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "*N D"], function: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "*N D"]:
        """x + f(norm(x)), or norm(x + f(x)); dropout acts on what f gives."""
        if self.placement == "pre":
            added: Tensor = x + self.dropout(function(self.norm(x)))
            return added
        normed: Tensor = self.norm(x + self.dropout(function(x)))
        return normed
