"""Wrong answers to E2 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses.misconceptions_by_exercise.e2_distances import hard, variant
from tests.labs.answers import Answers

wrong = Answers()


pairs = wrong.stands_for("E2", "contrastive_loss")


cosines = wrong.stands_for("E2", "cosine_embedding_loss")


def triplets(make):
    def build():
        def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
            return make(z, labels, margin, squared, soft)

        return {"batch_hard_triplet": batch_hard_triplet}

    wrong.add("E2", make.__name__, build)
    return make


def distance(z1, z2):
    return torch.linalg.vector_norm(z1 - z2, dim=1)


def mean(losses):
    return losses.sum() / max(len(losses), 1)


@pairs
def branches_swapped(z1, z2, same, margin=1.0):
    d = distance(z1, z2)
    return mean(torch.where(same, (margin - d).clamp(min=0) ** 2, d**2))


@pairs
def margin_on_the_square(z1, z2, same, margin=1.0):
    d2 = (z1 - z2).square().sum(1)
    return mean(torch.where(same, d2, (margin - d2).clamp(min=0)))


@pairs
def not_squared(z1, z2, same, margin=1.0):
    d = distance(z1, z2)
    return mean(torch.where(same, d, (margin - d).clamp(min=0)))


@pairs
def no_floor(z1, z2, same, margin=1.0):
    d = distance(z1, z2)
    return mean(torch.where(same, d**2, (margin - d) ** 2))


@pairs
def cosine_distance(z1, z2, same, margin=1.0):
    d = 1 - F.cosine_similarity(z1, z2)
    return mean(torch.where(same, d**2, (margin - d).clamp(min=0) ** 2))


@pairs
def mean_square(z1, z2, same, margin=1.0):
    d = (z1 - z2).square().mean(1).sqrt()
    return mean(torch.where(same, d**2, (margin - d).clamp(min=0) ** 2))


@pairs
def plain_root(z1, z2, same, margin=1.0):
    d = (z1 - z2).square().sum(1).sqrt()
    return mean(torch.where(same, d**2, (margin - d).clamp(min=0) ** 2))


@pairs
def total(z1, z2, same, margin=1.0):
    d = distance(z1, z2)
    return torch.where(same, d**2, (margin - d).clamp(min=0) ** 2).sum()


@pairs
def mean_of_no_pairs(z1, z2, same, margin=1.0):
    z1, z2 = (
        z1.float() if z1.dtype == torch.bfloat16 else z1,
        z2.float() if z2.dtype == torch.bfloat16 else z2,
    )
    d = distance(z1, z2)
    return torch.where(same, d**2, (margin - d).clamp(min=0) ** 2).mean()


@pairs
def normalises(z1, z2, same, margin=1.0):
    d = distance(F.normalize(z1, dim=1), F.normalize(z2, dim=1))
    return mean(torch.where(same, d**2, (margin - d).clamp(min=0) ** 2))


@pairs
def means_of_both_groups(z1, z2, same, margin=1.0):
    d = distance(z1, z2)
    return mean(d[same] ** 2) + mean((margin - d[~same]).clamp(min=0) ** 2)


@cosines
def dot_product(z1, z2, y, margin=0.0):
    dots = (z1 * z2).sum(1)
    return mean(torch.where(y == 1, 1 - dots, (dots - margin).clamp(min=0)))


@cosines
def truth_of_minus_one(z1, z2, y, margin=0.0):
    cos = F.cosine_similarity(z1, z2)
    return mean(torch.where(y.bool(), 1 - cos, (cos - margin).clamp(min=0)))


@cosines
def multiplies_by_y(z1, z2, y, margin=0.0):
    return mean(1 - y * F.cosine_similarity(z1, z2))


@cosines
def no_floor_for_cosines(z1, z2, y, margin=0.0):
    cos = F.cosine_similarity(z1, z2)
    return mean(torch.where(y == 1, 1 - cos, cos - margin))


@cosines
def margin_forgotten(z1, z2, y, margin=0.0):
    cos = F.cosine_similarity(z1, z2)
    return mean(torch.where(y == 1, 1 - cos, cos.clamp(min=0)))


@cosines
def margin_added(z1, z2, y, margin=0.0):
    cos = F.cosine_similarity(z1, z2)
    return mean(torch.where(y == 1, 1 - cos, (cos + margin).clamp(min=0)))


@cosines
def no_guard_for_zero(z1, z2, y, margin=0.0):
    cos = (z1 * z2).sum(1) / (z1.norm(dim=1) * z2.norm(dim=1))
    return mean(torch.where(y == 1, 1 - cos, (cos - margin).clamp(min=0)))


@cosines
def builtin(z1, z2, y, margin=0.0):
    return F.cosine_embedding_loss(z1, z2, y, margin)


@cosines
def along_the_batch(z1, z2, y, margin=0.0):
    a, b = F.normalize(z1, dim=0), F.normalize(z2, dim=0)
    cos = (a * b).sum(1)
    return mean(torch.where(y == 1, 1 - cos, (cos - margin).clamp(min=0)))


@triplets
def farthest_negative(z, labels, margin, squared, soft):
    return hard(
        z,
        labels,
        margin,
        squared=squared,
        soft=soft,
        mine_negative=lambda d, same: d.masked_fill(same, -torch.inf).amax(1),
    )


@triplets
def mean_positive(z, labels, margin, squared, soft):
    def average(d, positive):
        return (d * positive).sum(1) / positive.sum(1).clamp(min=1)

    return hard(z, labels, margin, squared=squared, soft=soft, mine_positive=average)


@triplets
def never_squares(z, labels, margin, squared, soft):
    return hard(z, labels, margin, soft=soft)


@triplets
def always_squares(z, labels, margin, squared, soft):
    return hard(z, labels, margin, squared=True, soft=soft)


@triplets
def never_soft(z, labels, margin, squared, soft):
    return hard(z, labels, margin, squared=squared)


@triplets
def soft_with_margin(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    if not soft:
        return loss, stats
    doubled = hard(z, labels, margin, squared=squared, soft=False)[0]
    return F.softplus(doubled - margin + margin), stats


@triplets
def soft_overflows(z, labels, margin, squared, soft):
    _, stats = hard(z, labels, margin, squared=squared)
    if not soft or stats["mean_an"] == 0:
        return hard(z, labels, margin, squared=squared, soft=soft)[0], stats
    d = torch.linalg.vector_norm(z[:, None] - z[None], dim=2)
    d = d**2 if squared else d
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(z), dtype=torch.bool)
    valid = positive.any(1) & (~same).any(1)
    ap = d.masked_fill(~positive, -torch.inf)[valid].amax(1)
    an = d.masked_fill(same, torch.inf)[valid].amin(1)
    return torch.log(1 + torch.exp(ap - an)).mean(), stats


@triplets
def only_the_active(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    return loss / max(stats["frac_active"], 1e-9), stats


@triplets
def tensors_in_stats(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    return loss, {name: torch.tensor(number) for name, number in stats.items()}


@triplets
def other_keys(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    return loss, {"active": stats["frac_active"], "ap": stats["mean_ap"], "an": stats["mean_an"]}


@triplets
def loss_alone(z, labels, margin, squared, soft):
    return hard(z, labels, margin, squared=squared, soft=soft)[0]


@triplets
def active_counts_the_loss(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    return loss, {**stats, "frac_active": float(stats["frac_active"] > 0)}


@triplets
def python_zero_without_anchors(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    return (loss if stats["mean_an"] or stats["mean_ap"] else torch.tensor(0.0)), stats


@triplets
def labels_assumed_sorted(z, labels, margin, squared, soft):
    return hard(z, labels.sort().values, margin, squared=squared, soft=soft)


@triplets
def signs_turned(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, -margin, squared=squared, soft=soft)
    return loss, stats


@wrong("E2")
def cosine_in_the_triplets():
    return variant(distances=lambda z: 1 - F.normalize(z, dim=1) @ F.normalize(z, dim=1).T)


@wrong("E2")
def the_library():
    def contrastive_loss(z1, z2, same, margin=1.0):
        from shared.losses import contrastive_loss as finished

        return finished(z1, z2, same, margin=margin)

    return {"contrastive_loss": contrastive_loss}


@triplets
def every_triplet(z, labels, margin, squared, soft):
    loss, stats = hard(z, labels, margin, squared=squared, soft=soft)
    d = torch.linalg.vector_norm(z[:, None] - z[None], dim=2)
    d = d**2 if squared else d
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(z), dtype=torch.bool)
    i, j, k = (positive[:, :, None] & ~same[:, None, :]).nonzero().unbind(1)
    if not len(i):
        return loss, stats
    gap = d[i, j] - d[i, k]
    return (F.softplus(gap) if soft else F.relu(gap + margin)).mean(), stats


@pairs
def second_embedding_detached(z1, z2, same, margin=1.0):
    d = distance(z1, z2.detach())
    return mean(torch.where(same, d**2, (margin - d).clamp(min=0) ** 2))
