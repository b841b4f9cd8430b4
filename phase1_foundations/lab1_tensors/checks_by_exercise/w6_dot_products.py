"""W6: dot products as a matrix product."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from phase1_foundations.lab1_tensors.checks_by_exercise import pictures

w6 = Exercise(
    "W6",
    takes={"similarity": Tensor},
    hints=(
        "Write down one entry of the result. Which index occurs in both inputs and not in the result? "
        "That one is summed over.",
        "result[n, i, j] = Σ_d a[n, i, d] · b[n, j, d]. The letter n stands in all three: pairs stay apart.",
        '`torch.einsum("nid,njd->nij", a, b)`, or `a @ b` with the last two axes of `b` exchanged.',
    ),
)


def dot_products(left: Tensor, right: Tensor) -> Tensor:
    return (left[:, :, None, :] * right[:, None, :, :]).sum(-1)


@w6.probe("not-transposed")
def not_transposed(a, t):
    left, right = t.randn(2, 3, 3), t.randn(2, 3, 3)
    if same(a.similarity(left, right), left @ right):
        return (
            "you computed `a @ b`, which sums over the *rows* of b; dot products sum over the last axis "
            "of both. On square inputs nothing complains; otherwise torch does. Exchange the last two "
            "axes of b: `b.mT`"
        )


@w6.probe("transposed-result")
def transposed_result(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    if same(a.similarity(left, right), dot_products(right, left)):
        return (
            "your result has shape [B, S, T], it should have [B, T, S]: first the vectors of `a`, then "
            "those of `b`"
        )


@w6.probe("element-by-element")
def element_by_element(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 3, 4)
    result = a.similarity(left, right)
    if same(result, left * right) or same(result, (left * right).sum(-1)):
        return (
            f"your result has shape {tuple(result.shape)}: `*` pairs vector i with vector i only. Every "
            "vector of `a` meets every vector of `b`, which gives shape (2, 3, 3)"
        )


@w6.probe("mixes-the-pairs")
def mixes(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result = a.similarity(left, right)
    everything = torch.einsum("nid,mjd->nij", left, right)
    if same(result, everything) or same(result, torch.einsum("nid,mjd->mij", left, right)):
        return (
            "entry [0, …] of your result contains vectors of pair 1: give the leading axis the same "
            "letter in both inputs, otherwise it is summed over"
        )


@w6.probe("sums-too-much")
def sums_too_much(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result, full = a.similarity(left, right), dot_products(left, right)
    if any(same(result, full.sum(dim)) for dim in (0, 1, 2, (0, 1), (1, 2), (0, 1, 2))):
        return (
            f"your result has shape {tuple(result.shape)}, expected (2, 3, 5): a letter that is missing on "
            "the right of the arrow is summed over. Only the letter of the length D may be missing"
        )


@w6.probe("products-not-summed")
def not_summed(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.shape == (2, 3, 5, 4):
        return (
            "your result has shape (2, 3, 5, 4): all products are there, but nothing was added up. A dot "
            "product is their sum over the last axis"
        )


@w6.probe("every-pair-with-every-pair")
def all_pairs(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.dim() == 4:
        return (
            f"your result has shape {tuple(result.shape)}: list 0 of `a` was compared with list 1 of `b` "
            "too. The leading axis is the same one in both: give it the same letter"
        )


@w6.probe("scaled")
def scaled(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result = a.similarity(left, right)
    if same(result, dot_products(left, right) / 4):
        return "you took the mean over the last axis: a dot product is the *sum* of the products"
    if same(result, dot_products(left, right).relu()):
        return "your result has no negative numbers: dot products may be negative, leave them as they are"
    if result.dtype != left.dtype and same(result, dot_products(left, right), dtype=False, atol=1e-5):
        return f"{left.dtype} vectors gave a {result.dtype} result: keep the dtype of the inputs"
    if same(result, dot_products(left, right) / 2):
        return (
            "you divided by √D, as attention will do later; here the dot products are asked for as they are"
        )
    unit = dot_products(left / left.norm(dim=-1, keepdim=True), right / right.norm(dim=-1, keepdim=True))
    if same(result, unit):
        return (
            "you normalised the vectors first, which gives cosines; here the dot products are asked for "
            "as they are"
        )
    if same(result, dot_products(left, right).softmax(-1)):
        return (
            "you took a softmax, as attention will do later; here the dot products are asked for as they are"
        )


@w6.probe("only-the-first-pair")
def first_pair(a, t):
    result = a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4))
    if result.shape in ((1, 3, 5), (3, 5)):
        return (
            f"two pairs went in, your result has shape {tuple(result.shape)}: each of the B pairs has its "
            "own table"
        )


@w6.probe("summed-apart")
def summed_apart(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    if same(a.similarity(left, right), left.sum(-1)[:, :, None] * right.sum(-1)[:, None, :]):
        return (
            "you added up the entries of each vector first and multiplied the two sums: give both last "
            "axes the *same* letter, so that entries are multiplied in pairs before they are added up"
        )


@w6.probe("distances")
def distances(a, t):
    left, right = t.randn(2, 3, 4), t.randn(2, 5, 4)
    result, gaps = a.similarity(left, right), left[:, :, None] - right[:, None]
    if same(result, gaps.norm(dim=-1)) or same(result, gaps.square().sum(-1)):
        return (
            "you returned distances: the dot product of two vectors is the sum of the products of their "
            "entries"
        )


@w6.probe("shapes-do-not-multiply")
def do_not_multiply(a, t):
    attempt = t.attempt(lambda: a.similarity(t.randn(2, 3, 4), t.randn(2, 5, 4)))
    words = str(attempt.error)
    if attempt.raised(RuntimeError) and any(
        part in words for part in ("Expected size", "mat1 and mat2", "must match")
    ):
        return (
            "a [2, 3, 4] and b [2, 5, 4]: the factors do not fit together. In `p @ q` the last axis of p "
            "meets the last but one of q, and the leading axes must be equal: exchange the last two axes "
            "of b, and only those (`b.mT`; `b.T` and other permutations reverse more). Torch says: "
            f"{words.splitlines()[0]}"
        )


@w6.property("every dot product, pair by pair")
def all_dot_products(a, t):
    for b, m, s, d in ((1, 1, 1, 1), (1, 2, 3, 2), (2, 1, 2, 3), (2, 3, 3, 3), (3, 4, 2, 5)):
        left, right = t.randn(b, m, d), t.randn(b, s, d)
        t.equal(a.similarity(left, right), dot_products(left, right))


w6.reward(pictures.digit_similarity)
