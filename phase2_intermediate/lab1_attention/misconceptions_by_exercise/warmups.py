"""Wrong answers to W1 to W4."""

import math

import torch

from courseware.check import misconception


@misconception("W1", diagnosis="far-query-gives-nan")
def exponentials_first():
    def kernel_average(query, keys, values, bandwidth):
        w = torch.exp(-((query[:, None] - keys) ** 2) / (2 * bandwidth**2))
        return (w * values).sum(1) / w.sum(1)

    return {"kernel_average": kernel_average}


@misconception("W1", diagnosis="not-normalised")
def sum_of_weighted_values():
    def kernel_average(query, keys, values, bandwidth):
        return torch.exp(-((query[:, None] - keys) ** 2) / (2 * bandwidth**2)) @ values

    return {"kernel_average": kernel_average}


@misconception("W1", diagnosis="bandwidth-not-squared")
def plain_bandwidth():
    def kernel_average(query, keys, values, bandwidth):
        return (-((query[:, None] - keys) ** 2) / (2 * bandwidth)).softmax(-1) @ values

    return {"kernel_average": kernel_average}


@misconception("W1", diagnosis="far-keys-weigh-more")
def sign_lost():
    def kernel_average(query, keys, values, bandwidth):
        return ((query[:, None] - keys) ** 2 / (2 * bandwidth**2)).softmax(-1) @ values

    return {"kernel_average": kernel_average}


@misconception("W2", diagnosis="no-scale")
def dot_products():
    return {"scaled_scores": lambda q, k: q @ k.transpose(-1, -2)}


@misconception("W2", diagnosis="scale-by-d")
def divided_by_the_width():
    return {"scaled_scores": lambda q, k: q @ k.transpose(-1, -2) / q.shape[-1]}


@misconception("W2", diagnosis="scale-from-the-wrong-axis")
def root_of_the_number_of_queries():
    return {"scaled_scores": lambda q, k: q @ k.transpose(-1, -2) / math.sqrt(q.shape[-2])}


@misconception("W2", diagnosis="leading-axes")
def transposes_everything():
    return {"scaled_scores": lambda q, k: q @ k.T / math.sqrt(q.shape[-1])}


@misconception("W3", diagnosis="mask-after-softmax")
def multiplies_at_the_end():
    return {"masked_weights": lambda scores, mask: scores.softmax(-1) * mask}


@misconception("W3", diagnosis="mask-inverted")
def hides_the_visible():
    return {
        "masked_weights": lambda scores, mask: scores.masked_fill(mask, -math.inf).softmax(-1).nan_to_num()
    }


@misconception("W3", diagnosis="renormalised-too-late")
def divides_by_the_new_sum():
    def masked_weights(scores, mask):
        kept = scores.softmax(-1) * mask
        return kept / kept.sum(-1, keepdim=True)

    return {"masked_weights": masked_weights}


@misconception("W3", diagnosis="hidden-weight-not-zero")
def a_small_number():
    return {"masked_weights": lambda scores, mask: torch.where(mask, scores, -100.0).softmax(-1)}


@misconception("W4", diagnosis="cuts-the-time")
def reshapes_at_once():
    def split_heads(x, n_heads):
        return x.reshape(x.shape[0], n_heads, x.shape[1], x.shape[2] // n_heads)

    return {"split_heads": split_heads}


@misconception("W4", diagnosis="not-transposed")
def forgets_the_transposition():
    def split_heads(x, n_heads):
        return x.reshape(x.shape[0], x.shape[1], n_heads, x.shape[2] // n_heads)

    return {"split_heads": split_heads}


@misconception("W4", diagnosis="merges-without-transposing")
def merges_as_it_lies():
    return {"merge_heads": lambda x: x.reshape(x.shape[0], x.shape[2], -1)}


@misconception("W4", diagnosis="head-has-every-second-number")
def interleaved():
    return {"split_heads": lambda x, n_heads: x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)}
