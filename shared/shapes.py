"""One vocabulary of dimensions, used by every signature of this library.

A signature says what it takes and gives in the letters below, as jaxtyping annotations: ``Float[Tensor, "B
T D"]`` is a floating tensor of batch, time and model width. For a type checker such an annotation is a
plain ``Tensor``; at run time it costs nothing. Our tests switch on a checker that compares every call with
its signature.
"""

from typing import Final

from jaxtyping import Bool, Float, Int
from torch import SymInt, Tensor

DIMENSIONS: Final[dict[str, str]] = {
    "B": "batch: independent examples",
    "T": "time: positions of a sequence; T_q of queries, T_k of keys",
    "D": "model width: features of one position",
    "H": "heads of an attention; in an image, its height (the two never meet in one signature)",
    "H_kv": "heads of keys and values, where queries have more of them",
    "D_h": "width of one head",
    "F": "features of a plain vector",
    "V": "vocabulary: how many tokens there are",
    "K": "classes",
    "C": "channels of an image",
    "W": "width of an image",
    "N": "anything counted once the structure is gone: pairs, tokens, embeddings",
}
"""What each letter stands for. A number is that very size, ``*`` any number of dimensions."""

Tokens = Int[Tensor, "B T"]
"""Token ids, right-padded."""

Real = Bool[Tensor, "B T"]
"""Which positions hold a real token; False is padding. Real tokens come first."""

Lengths = Int[Tensor, "B"]
"""How many real tokens each sequence has."""

Sequence = Float[Tensor, "B T D"]
"""One feature vector a position."""

Image = Float[Tensor, "B C H W"]
"""A batch of images, channels first."""

Logits = Float[Tensor, "B K"]
"""One unnormalised log-probability a class."""

Scalar = Float[Tensor, ""]
"""A tensor of no dimensions, such as a loss."""


class ShapeError(ValueError):
    """A tensor has another shape than the one that was asked for."""


def expect(tensor: Tensor, shape: str, name: str, hint: str = "", **sizes: int | SymInt) -> None:
    """Raise one clear ``ShapeError`` unless ``tensor`` has the given shape.

    ``shape`` is written as in an annotation: ``expect(x, "B T D", "x", D=64)`` asks for three dimensions of
    which the last is 64. Letters without a size match anything; a leading ``*`` word matches any number of
    dimensions. (A size is a symbol while ``torch.export`` traces.)
    """
    names = shape.split()
    anything_before = bool(names) and names[0].startswith("*")
    fixed = names[1:] if anything_before else names
    right_rank = tensor.ndim >= len(fixed) if anything_before else tensor.ndim == len(fixed)
    if right_rank:
        actual = tensor.shape[tensor.ndim - len(fixed) :]
        if all(name not in sizes or sizes[name] == size for name, size in zip(fixed, actual, strict=True)):
            return
    wanted = ", ".join(f"{word}={sizes[word]}" if word in sizes else word for word in names)
    advice = f": {hint}" if hint else ""
    raise ShapeError(f"{name} should have shape ({wanted}), but it has {tuple(tensor.shape)}{advice}")
