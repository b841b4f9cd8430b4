"""Data: sets that need no network, fixed splits, and loaders that can be entered anywhere.

``names`` and ``dates`` are modules of their own, since they need ``babel``.
"""

from shared.data.collate import pad, pad_labelled, pad_pairs, real_positions, stack
from shared.data.draws import Draws
from shared.data.examples import Examples, Split, hold_out, split, standardise
from shared.data.loader import Loader
from shared.data.order import InOrder, Order, Shuffled, TokenBudget, padding_share
from shared.data.sets import breast_cancer, diabetes, digits, iris, photographs, wine
from shared.data.transforms import (
    Affine,
    Compose,
    Crop,
    Flip,
    Maybe,
    Noise,
    Normalise,
    Transform,
    affine_theta,
    warp,
)
from shared.data.vocabulary import Vocabulary

__all__ = [
    "Affine",
    "Compose",
    "Crop",
    "Draws",
    "Examples",
    "Flip",
    "InOrder",
    "Loader",
    "Maybe",
    "Noise",
    "Normalise",
    "Order",
    "Shuffled",
    "Split",
    "TokenBudget",
    "Transform",
    "Vocabulary",
    "affine_theta",
    "breast_cancer",
    "diabetes",
    "digits",
    "hold_out",
    "iris",
    "pad",
    "pad_labelled",
    "pad_pairs",
    "padding_share",
    "photographs",
    "real_positions",
    "split",
    "stack",
    "standardise",
    "warp",
    "wine",
]
