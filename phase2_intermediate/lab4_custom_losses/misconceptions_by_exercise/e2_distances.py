"""Wrong answers to E2."""

import torch
import torch.nn.functional as F

from courseware.check import misconception


def hard(
    z,
    labels,
    margin=0.3,
    *,
    squared=False,
    soft=False,
    distances=lambda z: torch.linalg.vector_norm(z[:, None] - z[None], dim=2),
    diagonal=False,
    mine_positive=lambda d, positive: d.masked_fill(~positive, -torch.inf).amax(1),
    mine_negative=lambda d, same: d.masked_fill(same, torch.inf).amin(1),
    sign=1,
    over_all=False,
):
    """A right answer in small pieces; each misconception replaces one of them."""
    z = z.float() if z.dtype == torch.bfloat16 else z
    d = distances(z)
    d = d.square() if squared else d
    same = labels[:, None] == labels[None]
    positive = same if diagonal else same & ~torch.eye(len(z), dtype=torch.bool)
    valid = positive.any(1) & (~same).any(1)
    if not valid.any():
        return z.sum() * 0, {"frac_active": 0.0, "mean_ap": 0.0, "mean_an": 0.0}
    d_ap, d_an = mine_positive(d, positive)[valid], mine_negative(d, same)[valid]
    gap = d_ap - d_an
    losses = F.softplus(gap) if soft else (gap + sign * margin).clamp(min=0)
    stats = {
        "frac_active": (gap + margin > 0).double().mean().item(),
        "mean_ap": d_ap.mean().item(),
        "mean_an": d_an.mean().item(),
    }
    return losses.sum() / (len(z) if over_all else len(losses)), stats


def variant(**how):
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        return hard(z, labels, margin, squared=squared, soft=soft, **how)

    return {"batch_hard_triplet": batch_hard_triplet}


@misconception("E2", diagnosis="lonely-anchors-count")
def anchor_is_its_own_positive():
    return variant(diagonal=True)


@misconception("E2", diagnosis="nearest-positive")
def hardest_positive_is_the_nearest():
    return variant(mine_positive=lambda d, positive: d.masked_fill(~positive, torch.inf).amin(1))


@misconception("E2", diagnosis="masked-by-multiplying")
def zeros_where_nothing_should_be():
    return variant(mine_negative=lambda d, same: (d * ~same).amin(1))


@misconception("E2", diagnosis="nan-gradient-at-distance-zero")
def plain_square_root():
    return variant(distances=lambda z: (z[:, None] - z[None]).square().sum(2).sqrt())


@misconception("E2", diagnosis="margin-sign")
def subtracts_the_margin():
    return variant(sign=-1)


@misconception("E2", diagnosis="averages-over-all-anchors")
def divides_by_the_batch():
    return variant(over_all=True)


@misconception("E2", diagnosis="zero-and-one-for-plus-and-minus")
def zero_means_different():
    def cosine_embedding_loss(z1, z2, y, margin=0.0):
        cos = F.cosine_similarity(z1, z2)
        return torch.where(y == 0, (cos - margin).clamp(min=0), 1 - cos).sum() / max(len(y), 1)

    return {"cosine_embedding_loss": cosine_embedding_loss}


@misconception("E2", diagnosis="half-a-loss")
def half_as_in_the_paper():
    def contrastive_loss(z1, z2, same, margin=1.0):
        d = torch.linalg.vector_norm(z1 - z2, dim=1)
        return 0.5 * torch.where(same, d**2, (margin - d).clamp(min=0) ** 2).sum() / max(len(d), 1)

    return {"contrastive_loss": contrastive_loss}
