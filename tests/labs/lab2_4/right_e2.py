"""Right answers to E2, written otherwise than the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

right = Answers()
EMPTY = {"frac_active": 0.0, "mean_ap": 0.0, "mean_an": 0.0}


def wide(z):
    return z.float() if z.dtype in (torch.bfloat16, torch.float16) else z


@right("E2")
def squares_with_an_epsilon():
    def contrastive_loss(z1, z2, same, margin=1.0):
        d2 = (wide(z1) - wide(z2)).pow(2).sum(1)
        d = (d2 + 1e-12).sqrt()
        losses = same * d2 + ~same * F.relu(margin - d) ** 2
        return losses.sum() / max(1, losses.numel())

    return {"contrastive_loss": contrastive_loss}


@right("E2")
def pair_after_pair():
    def contrastive_loss(z1, z2, same, margin=1.0):
        total = wide(z1).sum() * 0
        for p, q, one in zip(wide(z1), wide(z2), same.tolist(), strict=True):
            d = torch.dist(p, q)
            total = total + (d**2 if one else torch.clamp(margin - d, min=0) ** 2)
        return total / max(len(z1), 1)

    return {"contrastive_loss": contrastive_loss}


@right("E2")
def pairwise_distance_without_its_epsilon():
    def contrastive_loss(z1, z2, same, margin=1.0):
        d = F.pairwise_distance(wide(z1), wide(z2), eps=0.0)
        y = same.to(d.dtype)
        losses = y * d.square() + (1 - y) * (margin - d).clamp_min(0).square()
        return losses.mean() if len(losses) else losses.sum()

    return {"contrastive_loss": contrastive_loss}


@right("E2")
def cosine_similarity():
    def cosine_embedding_loss(z1, z2, y, margin=0.0):
        cos = F.cosine_similarity(wide(z1), wide(z2), dim=1)
        losses = torch.where(y > 0, 1 - cos, torch.relu(cos - margin))
        return losses.sum() / max(1, len(y))

    return {"cosine_embedding_loss": cosine_embedding_loss}


@right("E2")
def cosine_by_hand():
    def cosine_embedding_loss(z1, z2, y, margin=0.0):
        a, b = wide(z1), wide(z2)
        lengths = ((a * a).sum(1) + 1e-16).sqrt() * ((b * b).sum(1) + 1e-16).sqrt()
        cos = (a * b).sum(1) / lengths
        losses = (y == 1) * (1 - cos) + (y == -1) * (cos - margin).clamp(min=0)
        return losses.sum() / max(1, losses.numel())

    return {"cosine_embedding_loss": cosine_embedding_loss}


@right("E2")
def triplets_with_cdist():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        z = wide(z)
        d = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
        if squared:
            d = d**2
        eq = labels.unsqueeze(0) == labels.unsqueeze(1)
        pos = eq.clone().fill_diagonal_(False)
        ok = pos.any(1) & ~eq.all(1)
        if int(ok.sum()) == 0:
            return 0.0 * z.sum(), dict(EMPTY)
        ap = torch.where(pos, d, -1.0).max(1).values[ok]
        an = torch.where(eq, 1e30, d).min(1).values[ok]
        x = ap - an
        loss = F.softplus(x).mean() if soft else F.relu(x + margin).mean()
        return loss, {
            "mean_an": float(an.mean()),
            "mean_ap": float(ap.mean()),
            "frac_active": float((x + margin > 0).to(z.dtype).mean()),
        }

    return {"batch_hard_triplet": batch_hard_triplet}


@right("E2")
def triplets_by_gram_matrix():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        z = wide(z)
        gram = z @ z.T
        squares = gram.diagonal()
        d = (squares[:, None] - 2 * gram + squares[None]).clamp(min=0)
        if not squared:
            hidden = (d < 1e-12).to(d.dtype)
            d = (d + hidden * 1e-12).sqrt() * (1 - hidden)
        same = labels[:, None] == labels[None]
        positive = same & ~torch.eye(len(z), dtype=torch.bool)
        valid = (positive.sum(1) > 0) & ((~same).sum(1) > 0)
        if not valid.any():
            return z.sum() * 0, dict(EMPTY)
        far = d.masked_fill(~positive, float("-inf")).max(1)[0]
        near = d.masked_fill(same, float("inf")).min(1)[0]
        gap = (far - near)[valid]
        losses = torch.logaddexp(gap, torch.zeros_like(gap)) if soft else torch.clamp(gap + margin, min=0)
        return losses.mean(), {
            "frac_active": (gap > -margin).float().mean().item(),
            "mean_ap": far[valid].mean().item(),
            "mean_an": near[valid].mean().item(),
        }

    return {"batch_hard_triplet": batch_hard_triplet}


@right("E2")
def triplets_by_loops():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        z, n = wide(z), len(z)
        names = labels.tolist()
        losses, ap, an, active = [], [], [], []
        for i in range(n):
            d = [(z[i] - z[j]).norm() ** 2 if squared else (z[i] - z[j]).norm() for j in range(n)]
            near = [d[j] for j in range(n) if names[j] == names[i] and j != i]
            far = [d[j] for j in range(n) if names[j] != names[i]]
            if not near or not far:
                continue
            p, q = torch.stack(near).max(), torch.stack(far).min()
            losses.append(F.softplus(p - q) if soft else (p - q + margin).clamp(min=0))
            ap.append(p.item())
            an.append(q.item())
            active.append(p.item() - q.item() + margin > 0)
        if not losses:
            return z.sum() * 0.0, dict(EMPTY)
        count = len(losses)
        stats = {"frac_active": sum(active) / count, "mean_ap": sum(ap) / count, "mean_an": sum(an) / count}
        return sum(losses) / count, stats

    return {"batch_hard_triplet": batch_hard_triplet}


@right("E2")
def mines_first_then_measures():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        z = wide(z)
        with torch.no_grad():
            d = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
            same = labels[:, None] == labels[None]
            positive = same & ~torch.eye(len(z), dtype=torch.bool)
            anchors = (positive.any(1) & (~same).any(1)).nonzero()[:, 0]
            if not len(anchors):
                return_zero = True
            else:
                return_zero = False
                p = d.masked_fill(~positive, -1.0)[anchors].argmax(1)
                n = d.masked_fill(same, torch.inf)[anchors].argmin(1)
        if return_zero:
            return z.sum() * 0, dict(EMPTY)
        power = 2 if squared else 1
        ap = torch.linalg.vector_norm(z[anchors] - z[p], dim=1) ** power
        an = torch.linalg.vector_norm(z[anchors] - z[n], dim=1) ** power
        losses = F.softplus(ap - an) if soft else F.relu(ap - an + margin)
        active = (ap - an + margin > 0).double().mean()
        return losses.mean(), {
            "frac_active": active.item(),
            "mean_ap": ap.mean().item(),
            "mean_an": an.mean().item(),
        }

    return {"batch_hard_triplet": batch_hard_triplet}


@right("E2")
def torch_s_triplet_loss_on_mined_triplets():
    def batch_hard_triplet(z, labels, margin=0.3, *, squared=False, soft=False):
        z = wide(z)
        same = labels[:, None] == labels[None]
        positive = same & ~torch.eye(len(z), dtype=torch.bool)
        d = torch.linalg.vector_norm(z[:, None] - z[None], dim=2)
        rows = (positive.any(1) & (~same).any(1)).nonzero()[:, 0]
        if not len(rows):
            return z.sum() * 0, dict(EMPTY)
        p = d.masked_fill(~positive, -torch.inf)[rows].argmax(1)
        n = d.masked_fill(same, torch.inf)[rows].argmin(1)
        ap, an = d[rows, p], d[rows, n]
        if squared:
            ap, an = ap**2, an**2
        if soft:
            loss = F.softplus(ap - an).mean()
        elif squared:
            loss = F.relu(ap - an + margin).mean()
        else:
            loss = (
                F.triplet_margin_loss(z[rows], z[p], z[n], margin=margin)
                if margin
                else F.relu(ap - an).mean()
            )
        active = (ap - an + margin > 0).sum().item() / len(rows)
        return loss, {"frac_active": active, "mean_ap": ap.mean().item(), "mean_an": an.mean().item()}

    return {"batch_hard_triplet": batch_hard_triplet}
