"""The memory of a decoder: past keys and values, so that a new token costs one position of work, not all.

A cache of T positions takes ``2 · layers · B · H_kv · T · D_h`` numbers.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

NewHeads = Float[Tensor, "B H_kv T D_h"]
KeyHeads = Float[Tensor, "B H_kv T_k D_h"]


class LayerCache:
    """Past keys and values of one attention, in buffers that are allocated once and filled from the left."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None
        self._remembered: tuple[Tensor, Tensor] | None = None

    def append(self, keys: NewHeads, values: NewHeads) -> tuple[KeyHeads, KeyHeads]:
        """Add the keys and values of new positions; returns those of all positions so far, as views."""
        end = self.length + keys.shape[2]
        if end > self.max_length:
            raise ValueError(
                f"the cache holds {self.max_length} positions, {end} are needed: make a longer one"
            )
        if self._keys is None or self._values is None:
            self._keys = keys.new_empty(*keys.shape[:2], self.max_length, keys.shape[3])
            self._values = values.new_empty(*values.shape[:2], self.max_length, values.shape[3])
        self._keys[:, :, self.length : end] = keys.detach()
        self._values[:, :, self.length : end] = values.detach()
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def remember(self, project: Callable[[], tuple[KeyHeads, KeyHeads]]) -> tuple[KeyHeads, KeyHeads]:
        """The keys and values of a fixed context: computed at the first call, kept for all later ones."""
        if self._remembered is None:
            keys, values = project()
            self._remembered = keys.detach(), values.detach()
        return self._remembered

    def reorder(self, rows: Int[Tensor, " N"]) -> None:
        """Let row i continue the history of row ``rows[i]``; rows may repeat, as in a beam search."""
        if self._keys is not None and self._values is not None:
            self._keys, self._values = self._keys[rows], self._values[rows]
        if self._remembered is not None:
            keys, values = self._remembered
            self._remembered = keys[rows], values[rows]

    def tensors(self) -> list[Tensor]:
        """What is held, for counting."""
        return [t for t in (self._keys, self._values, *(self._remembered or ())) if t is not None]


class KVCache:
    """One ``LayerCache`` for the self-attention and one for the cross-attention of every layer of a decoder.

    For inference: what is stored is detached from autograd.
    """

    def __init__(self, layers: int, max_length: int) -> None:
        self.own = [LayerCache(max_length) for _ in range(layers)]
        self.cross = [LayerCache(max_length) for _ in range(layers)]

    @property
    def length(self) -> int:
        """How many positions have been seen."""
        return self.own[0].length

    def reorder(self, rows: Int[Tensor, " N"]) -> None:
        """Let row i of the batch continue the history of row ``rows[i]``, in every layer."""
        for layer in (*self.own, *self.cross):
            layer.reorder(rows)

    def crop(self, length: int) -> None:
        """Forget all but the first ``length`` positions, as after a rejected guess."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot crop a cache of {self.length} positions to {length}")
        for layer in self.own:
            layer.length = length

    def nbytes(self) -> int:
        """Bytes held in all buffers, whether filled or not."""
        tensors = [t for layer in (*self.own, *self.cross) for t in layer.tensors()]
        return sum(t.numel() * torch.empty(0, dtype=t.dtype).element_size() for t in tensors)
