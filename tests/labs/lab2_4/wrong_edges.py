"""Wrong answers to W2 to E4 that are right but for an edge: a border, an option, one pixel, one element."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase2_intermediate.lab4_custom_losses import solution
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("W2", "mean_kept")
def hides_an_infinite_loss(losses, keep):
    return losses[keep].mean().nan_to_num(0)


@wrong.stands_for("W2", "mean_kept")
def row_by_row(losses, keep):
    flat = losses.masked_fill(~keep, 0)
    if losses.dim() < 2:
        return flat.sum() / keep.sum().clamp(min=1)
    return (flat.sum(-1) / keep.sum(-1).clamp(min=1)).mean()


@wrong.stands_for("W2", "mean_kept")
def zero_times_the_losses(losses, keep):
    return losses[keep].mean() if keep.any() else losses.sum() * 0


@wrong.stands_for("W3", "squared_distances")
def floor_too_high(a, b):
    return solution.squared_distances(a, b).clamp(min=1e-2)


@wrong.stands_for("W3", "squared_distances")
def lengths_not_squared(a, b):
    return (a.norm(dim=1)[:, None] - 2 * a @ b.T + b.norm(dim=1)).clamp(min=0)


@wrong.stands_for("W4", "recall_per_class")
def jaccard(predicted, target, classes):
    found = torch.bincount(target[predicted == target], minlength=classes)
    rows = torch.bincount(target, minlength=classes) + torch.bincount(predicted, minlength=classes) - found
    return found.float() / rows


@wrong.stands_for("E1", "focal_loss")
def quarter_by_default(logits, target, *, gamma=2.0, alpha=0.25, reduction="mean"):
    alpha = None if not target.is_floating_point() and alpha == 0.25 else alpha
    return solution.focal_loss(logits, target, gamma=gamma, alpha=alpha, reduction=reduction)


@wrong.stands_for("E1", "focal_loss")
def whole_gamma(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
    return solution.focal_loss(logits, target, gamma=int(gamma), alpha=alpha, reduction=reduction)


@wrong.stands_for("E1", "focal_loss")
def flat_losses(logits, target, *, gamma=2.0, alpha=None, reduction="mean"):
    found = solution.focal_loss(logits, target, gamma=gamma, alpha=alpha, reduction=reduction)
    return found.flatten() if reduction == "none" else found


@wrong.stands_for("E1", "smooth_ce")
def divergence(logits, target, eps=0.1, ignore_index=-100):
    kept = target != ignore_index
    log_p, target = solution.wide(logits).log_softmax(1)[kept], target[kept]
    q = torch.full_like(log_p, eps / log_p.shape[1])
    q = q.scatter_add(1, target[:, None], torch.full_like(log_p[:, :1], 1 - eps))
    return F.kl_div(log_p, q, reduction="sum") / max(len(target), 1)


@wrong.stands_for("E1", "huber")
def clipped_error(pred, target, delta=1.0, reduction="mean"):
    e = (solution.wide(pred) - solution.wide(target)).clamp(-delta, delta)
    losses = e.square() / 2
    return (
        losses if reduction == "none" else losses.sum() / (losses.numel() or 1 if reduction == "mean" else 1)
    )


@wrong.stands_for("E1", "huber")
def largest_error_decides(pred, target, delta=1.0, reduction="mean"):
    e = (solution.wide(pred) - solution.wide(target)).abs()
    losses = e.square() / 2 if e.numel() == 0 or e.max() <= delta else delta * (e - delta / 2)
    return (
        losses if reduction == "none" else losses.sum() / (losses.numel() or 1 if reduction == "mean" else 1)
    )


@wrong.stands_for("E2", "contrastive_loss")
def column_against_row(z1, z2, same, margin=1.0):
    d = torch.linalg.vector_norm(z1 - z2, dim=1, keepdim=True)
    losses = torch.where(same, d.square(), (margin - d).clamp(min=0).square())
    return losses.sum() / max(losses.numel(), 1)


@wrong.stands_for("E2", "cosine_embedding_loss")
def large_epsilon(z1, z2, y, margin=0.0):
    cosine = F.cosine_similarity(solution.wide(z1), solution.wide(z2), eps=1e-2)
    return torch.where(y == 1, 1 - cosine, (cosine - margin).clamp(min=0)).sum() / max(len(y), 1)


@wrong.stands_for("E2", "batch_hard_triplet")
def active_at_zero_too(z, labels, margin=0.3, *, squared=False, soft=False):
    loss, stats = solution.batch_hard_triplet(z, labels, margin, squared=squared, soft=soft)
    collapsed = len(z) > 1 and margin == 0 and not z.any()
    return loss, {**stats, "frac_active": 1.0} if collapsed else stats


@wrong.stands_for("E2", "batch_hard_triplet")
def ten_thousand_for_infinity(z, labels, margin=0.3, *, squared=False, soft=False):
    z = solution.wide(z)
    d = torch.cdist(z, z).square() if squared else torch.cdist(z, z)
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    valid = positive.any(1) & (~same).any(1)
    if not valid.any():
        return z.sum() * 0, {"frac_active": 0.0, "mean_ap": 0.0, "mean_an": 0.0}
    ap, an = (d - 1e4 * ~positive)[valid].amax(1), (d + 1e4 * same)[valid].amin(1)
    losses = F.softplus(ap - an) if soft else (ap - an + margin).clamp(min=0)
    stats = {"frac_active": (ap - an + margin > 0).double(), "mean_ap": ap, "mean_an": an}
    return losses.mean(), {name: values.mean().item() for name, values in stats.items()}


@wrong.stands_for("E2", "batch_hard_triplet")
def statistics_first(z, labels, margin=0.3, *, squared=False, soft=False):
    return solution.batch_hard_triplet(z, labels, margin, squared=squared, soft=soft)[::-1]


@wrong.stands_for("E3", "soft_dice_loss")
def drops_ignored_images(logits, target, *, smooth=1.0, batch_dice=False, ignore_index=None):
    if ignore_index is not None and not batch_dice:
        seen = (target != ignore_index).flatten(1).any(1)
        if seen.any():
            logits, target = logits[seen], target[seen]
    return solution.soft_dice_loss(
        logits, target, smooth=smooth, batch_dice=batch_dice, ignore_index=ignore_index
    )


@wrong.stands_for("E3", "logit_adjusted_ce")
def shifts_the_true_logit(logits, target, priors, tau=1.0):
    z = solution.wide(logits)
    z = z + F.one_hot(target, z.shape[1]) * tau * priors.to(z.dtype).log()
    return F.cross_entropy(z, target, reduction="sum") / max(len(target), 1)


@wrong.stands_for("E3", "logit_adjusted_ce")
def softmax_twice(logits, target, priors, tau=1.0):
    z = solution.wide(logits).softmax(1) + tau * priors.to(solution.wide(logits).dtype).log()
    return F.cross_entropy(z, target, reduction="sum") / max(len(target), 1)


@wrong("E4")
def notes_on_the_class():
    class ChunkedInfoNCE(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, temperature, chunk):
            ChunkedInfoNCE.options = temperature, chunk
            return solution.ChunkedInfoNCE.forward(ctx, a, b, temperature, chunk)

        @staticmethod
        def backward(ctx, grad_out):
            ctx.temperature, ctx.chunk = ChunkedInfoNCE.options
            return solution.ChunkedInfoNCE.backward(ctx, grad_out)

    return {"ChunkedInfoNCE": ChunkedInfoNCE}


@wrong.stands_for("E4", "info_nce")
def chunks_of_plain_products(z1, z2, temperature=0.1, *, symmetric=True, chunk=None):
    if chunk is None:
        return solution.info_nce(z1, z2, temperature, symmetric=symmetric)
    a, b = solution.wide(z1), solution.wide(z2)
    there = solution.ChunkedInfoNCE.apply(a, b, temperature, chunk)
    back = solution.ChunkedInfoNCE.apply(b, a, temperature, chunk)
    return (there + back) / 2 if symmetric else there


@wrong.stands_for("E4", "grad_cache_step")
def rewinds_the_whole_step(encoder, x1, x2, *, micro, temperature):
    state = torch.get_rng_state()
    loss = solution.grad_cache_step(encoder, x1, x2, micro=micro, temperature=temperature)
    torch.set_rng_state(state)
    return loss


@wrong.stands_for("E4", "grad_cache_step")
def always_in_training_mode(encoder, x1, x2, *, micro, temperature):
    encoder.train()
    return solution.grad_cache_step(encoder, x1, x2, micro=micro, temperature=temperature)
