"""Loss functions: stable at ±10⁴, zero instead of 0/0 where nothing counts, one set of reductions."""

from shared.losses.classification import binary_focal_loss, cross_entropy, focal_loss
from shared.losses.imbalance import class_weights, log_priors, logit_adjusted_loss
from shared.losses.infonce import info_nce
from shared.losses.pairs import contrastive_loss, cosine_embedding_loss
from shared.losses.regression import huber_loss
from shared.losses.segmentation import dice_loss
from shared.losses.triplet import mine_triplets, mined_triplet_loss, triplet_loss

__all__ = [
    "binary_focal_loss",
    "class_weights",
    "contrastive_loss",
    "cosine_embedding_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "huber_loss",
    "info_nce",
    "log_priors",
    "logit_adjusted_loss",
    "mine_triplets",
    "mined_triplet_loss",
    "triplet_loss",
]
