"""Recurrent layers that ignore padding, without packing.

Read forwards, right-padding comes after everything real, so no real output can see it. Read backwards it
would come first: so each sequence is turned around *within its own length*, read forwards, and turned back.
This needs no transfer of lengths to the CPU, no sorting, and it can be exported; ``pack_padded_sequence``
gives the same numbers.
"""

from typing import Final, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shared.nn.masks import padding_mask
from shared.shapes import Lengths, Sequence, expect

Cell = Literal["lstm", "gru", "rnn"]

_LAYERS: Final[dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}


def reverse_within(x: Sequence, lengths: Lengths) -> Sequence:
    """Turn the real part of each sequence around and leave its padding where it is."""
    position = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - position  # B T, negative in the padding
    index = torch.where(mirrored >= 0, mirrored, position)
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


class Recurrent(nn.Module):
    """A stack of recurrent layers over right-padded sequences, read in one direction or in both.

    Args:
        cell: ``lstm``, ``gru`` or ``rnn`` (with tanh).
        inputs: features of each position.
        hidden: features of the state, per direction.
        dropout: between layers, in training.
    """

    def __init__(
        self,
        cell: Cell,
        inputs: int,
        hidden: int,
        layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in _LAYERS:
            raise ValueError(f"no recurrent cell is called {cell!r}; there are {', '.join(get_args(Cell))}")
        self.inputs, self.outputs = inputs, hidden * (2 if bidirectional else 1)
        widths = [inputs] + [self.outputs] * (layers - 1)
        build = _LAYERS[cell]
        self.forwards = nn.ModuleList(build(width, hidden, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(
            build(width, hidden, batch_first=True) for width in widths if bidirectional
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Sequence, lengths: Lengths) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B F"]]:
        """Outputs of the last layer at each position, zero in the padding, and its final state.

        The final state is that after the last real token, or after the first for the backward direction;
        zero for an empty sequence.
        """
        expect(x, "B T D", "the input of a recurrent layer", D=self.inputs)
        real = padding_mask(lengths, x.shape[1])[:, :, None]
        final = x.new_zeros(x.shape[0], 0)
        for number, forwards in enumerate(self.forwards):
            if number:
                x = self.dropout(x)
            states = [self._read(forwards, x, lengths)]
            if len(self.backwards):
                turned, last = self._read(self.backwards[number], reverse_within(x, lengths), lengths)
                states.append((reverse_within(turned, lengths), last))
            x = torch.cat([outputs for outputs, _ in states], dim=-1).masked_fill(~real, 0.0)
            final = torch.cat([last for _, last in states], dim=-1)
        return x, final

    @staticmethod
    def _read(
        layer: nn.Module, x: Sequence, lengths: Lengths
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B F"]]:
        """Outputs at each position, and the output at the last real one."""
        outputs: Tensor = layer(x)[0]
        last_index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
        last = outputs.gather(1, last_index).squeeze(1)
        return outputs, last.masked_fill((lengths == 0)[:, None], 0.0)
