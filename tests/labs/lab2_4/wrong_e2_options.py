"""Wrong answers to E2: other defaults, other lengths."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E2")
def another_contrastive_margin_by_default():
    def contrastive_loss(z1, z2, same, margin=0.5):
        return solution.contrastive_loss(z1, z2, same, margin)

    return {"contrastive_loss": contrastive_loss}


@wrong("E2")
def another_cosine_margin_by_default():
    def cosine_embedding_loss(z1, z2, y, margin=0.5):
        cosine = (F.normalize(z1.float(), dim=1) * F.normalize(z2.float(), dim=1)).sum(dim=1).to(z1.dtype)
        losses = torch.where(y == 1, 1 - cosine, (cosine - margin).clamp(min=0))
        return losses.sum() / max(len(losses), 1)

    return {"cosine_embedding_loss": cosine_embedding_loss}


@wrong("E2")
def another_triplet_margin_by_default():
    def batch_hard_triplet(z, labels, margin=0.2, *, squared=False, soft=False):
        return solution.batch_hard_triplet(z, labels, margin, squared=squared, soft=soft)

    return {"batch_hard_triplet": batch_hard_triplet}


@wrong("E2")
def normalises_the_triplets():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        return solution.batch_hard_triplet(F.normalize(z, dim=1), labels, margin, squared=squared, soft=soft)

    return {"batch_hard_triplet": batch_hard_triplet}
