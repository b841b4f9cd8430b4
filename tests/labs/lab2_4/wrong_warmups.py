"""Wrong answers to the warm-ups beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.labs.answers import Answers

wrong = Answers()


@wrong("W1")
def builtin():
    return {"softplus": F.softplus}


@wrong("W1")
def builtin_by_module():
    return {"softplus": lambda x: torch.nn.Softplus()(x)}


@wrong("W1")
def clamps_the_exponent():
    return {"softplus": lambda x: torch.log1p(torch.exp(x.clamp(max=80)))}


@wrong("W1")
def minus():
    return {"softplus": lambda x: (-x).clamp(min=0) + torch.log1p(torch.exp(-x.abs()))}


@wrong("W1")
def forgets_the_large_part():
    return {"softplus": lambda x: torch.log1p(torch.exp(-x.abs()))}


@wrong("W1")
def in_float32():
    return {"softplus": lambda x: x.float().clamp(min=0) + torch.log1p(torch.exp(-x.float().abs()))}


@wrong("W2")
def plain_mean():
    return {"mean_kept": lambda losses, keep: losses.mean()}


@wrong("W2")
def mean_of_where():
    return {"mean_kept": lambda losses, keep: torch.where(keep, losses, 0.0).mean()}


@wrong("W2")
def sum_only():
    return {"mean_kept": lambda losses, keep: losses[keep].sum()}


@wrong("W2")
def zero_without_a_graph():
    def mean_kept(losses, keep):
        return losses[keep].mean() if keep.any() else torch.tensor(0.0)

    return {"mean_kept": mean_kept}


@wrong("W2")
def keeps_the_others():
    return {"mean_kept": lambda losses, keep: losses[~keep].sum() / (~keep).sum().clamp(min=1)}


@wrong("W2")
def python_number():
    return {"mean_kept": lambda losses, keep: float(losses[keep].sum()) / max(int(keep.sum()), 1)}


@wrong("W2")
def adds_a_small_epsilon():
    return {"mean_kept": lambda losses, keep: losses.masked_fill(~keep, 0).sum() / (keep.sum() + 0.01)}


@wrong("W2")
def nan_to_num():
    return {"mean_kept": lambda losses, keep: torch.nan_to_num(losses * keep).sum() / keep.sum()}


@wrong("W3")
def dot_products():
    return {"squared_distances": lambda a, b: a @ b.T}


@wrong("W3")
def other_way_round():
    return {"squared_distances": lambda a, b: ((b[:, None] - a[None]) ** 2).sum(-1)}


@wrong("W3")
def manhattan():
    return {"squared_distances": lambda a, b: (a[:, None] - b[None]).abs().sum(-1)}


@wrong("W3")
def mean_over_dimensions():
    return {"squared_distances": lambda a, b: ((a[:, None] - b[None]) ** 2).mean(-1)}


@wrong("W3")
def row_by_row_only():
    return {"squared_distances": lambda a, b: ((a - b) ** 2).sum(1)}


@wrong("W3")
def plain_cdist():
    return {"squared_distances": torch.cdist}


@wrong("W4")
def accuracy():
    return {"recall_per_class": lambda p, t, k: (p == t).float().mean()}


@wrong("W4")
def share_of_all_rows():
    return {
        "recall_per_class": lambda p, t, k: torch.stack(
            [((p == c) & (t == c)).float().mean() for c in range(k)]
        )
    }


@wrong("W4")
def float64():
    def recall_per_class(p, t, k):
        return torch.bincount(t[p == t], minlength=k).double() / torch.bincount(t, minlength=k)

    return {"recall_per_class": recall_per_class}


@wrong("W4")
def present_classes_only():
    def recall_per_class(p, t, k):
        return torch.stack([(p[t == c] == c).float().mean() for c in t.unique()])

    return {"recall_per_class": recall_per_class}


@wrong("W4")
def counts():
    return {"recall_per_class": lambda p, t, k: torch.bincount(t[p == t], minlength=k).float()}


@wrong("W4")
def nan_is_zero():
    def recall_per_class(p, t, k):
        return torch.nan_to_num(torch.stack([(p[t == c] == c).float().mean() for c in range(k)]))

    return {"recall_per_class": recall_per_class}
