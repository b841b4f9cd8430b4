"""Wrong answers to the warm-ups."""

import torch

from courseware.check import misconception


@misconception("W1", diagnosis="exponential-overflows")
def as_it_is_written():
    return {"softplus": lambda x: torch.log1p(torch.exp(x))}


@misconception("W1", diagnosis="small-values-rounded-away")
def adds_one_first():
    return {"softplus": lambda x: x.clamp(min=0) + torch.log(1 + torch.exp(-x.abs()))}


@misconception("W1", diagnosis="kink")
def relu():
    return {"softplus": lambda x: x.clamp(min=0) + torch.log1p(torch.exp(-x.abs())) * (x != 0)}


@misconception("W2", diagnosis="divides-by-all")
def mean_of_the_product():
    return {"mean_kept": lambda losses, keep: torch.where(keep, losses, 0).sum() / max(losses.numel(), 1)}


@misconception("W2", diagnosis="infinity-times-zero")
def multiplies_by_the_mask():
    return {"mean_kept": lambda losses, keep: (losses * keep).sum() / keep.sum().clamp(min=1)}


@misconception("W2", diagnosis="nothing-kept")
def mean_of_nothing():
    return {"mean_kept": lambda losses, keep: losses[keep].mean()}


@misconception("W3", diagnosis="another-table")
def plain_distances():
    return {"squared_distances": lambda a, b: (a[:, None] - b[None]).square().sum(2).sqrt()}


@misconception("W3", diagnosis="cross-term")
def forgets_the_two():
    def squared_distances(a, b):
        return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - a @ b.T).clamp(min=0)

    return {"squared_distances": squared_distances}


@misconception("W3", diagnosis="negative-by-rounding")
def does_not_clamp():
    def squared_distances(a, b):
        return a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T

    return {"squared_distances": squared_distances}


@misconception("W4", diagnosis="precision-instead")
def divides_by_what_is_predicted():
    def recall_per_class(predicted, target, classes):
        found = torch.bincount(target[predicted == target], minlength=classes).float()
        return found / torch.bincount(predicted, minlength=classes).float()

    return {"recall_per_class": recall_per_class}


@misconception("W4", diagnosis="absent-class")
def zero_for_a_class_nobody_tested():
    def recall_per_class(predicted, target, classes):
        found = torch.bincount(target[predicted == target], minlength=classes).float()
        return found / torch.bincount(target, minlength=classes).clamp(min=1).float()

    return {"recall_per_class": recall_per_class}
