"""The known mistakes of E3's `pack` and `encode_packed`, found with a small model that watches its inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.compare import same
from courseware.check.describe import numbers
from courseware.check.naming import name_it, value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e3_mistakes import probe


class Watched:
    """An encoder of two mixing steps, in which positions and neighbours count; it remembers its calls."""

    def __init__(self, t: Trial, width: int = 3, out: int = 4) -> None:
        self.enter, self.mix, self.leave = t.randn(width, out), t.randn(out, out), t.randn(out, out)
        self.calls: list[tuple[Any, Any, Any]] = []

    def __call__(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        self.calls.append((x, positions, mask))
        if x.dim() != 3 or not isinstance(mask, Tensor) or mask.dtype != torch.bool:  # the probe says so
            return torch.zeros(*x.shape[:-1], 4, dtype=torch.float64)
        turn = positions.double()[..., None] * torch.tensor([1.0, 0.3, 0.1, 0.01], dtype=torch.float64)
        h = x.double() @ self.enter + turn.sin() + turn.cos()
        for _ in range(2):
            scores = (h @ self.mix @ h.transpose(-1, -2)).unsqueeze(1).expand(-1, 2, -1, -1)  # B H T T
            weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num()
            h = h + (weights.mean(1) @ h @ self.leave).tanh()
        return h

    def alone(self, seq: Tensor) -> Tensor:
        """One text by itself."""
        n = len(seq)
        if n == 0:
            return torch.zeros(0, 4, dtype=torch.float64)
        return self(seq[None], torch.arange(n)[None], torch.ones(1, 1, n, n, dtype=torch.bool))[0]


def texts(t: Trial, *lengths: int, width: int = 3) -> list[Tensor]:
    return [t.randn(n, width) for n in lengths]


@probe("the-packing")
def packing(a: Any, t: Trial) -> None:
    seqs = [torch.tensor([10, 11]), torch.tensor([20, 21, 22]), torch.tensor([30])]
    found = value_of(t, lambda: a.pack(seqs), "pack-fails", "pack of texts of 2, 3 and 1 tokens")
    t.that(
        len(found) == 3 and all(isinstance(x, Tensor) for x in found),
        "pack returns three tensors (flat, positions, doc_ids); yours returned "
        f"({', '.join(type(x).__name__ for x in found)})",
        diagnosis="not-three-tensors",
    )
    flat, positions, ids = found
    right = torch.cat(seqs)
    padded = torch.tensor([[10, 11, 0], [20, 21, 22], [30, 0, 0]])
    cases = [
        ("padded-not-packed", padded, "that is a padded batch: packing puts one text behind the other, [ΣT]"),
        ("padded-not-packed", padded.flatten(), "there is padding between the texts: packing leaves none"),
        ("leading-axis", right[None], "`flat` has an axis too many: [ΣT, …]"),
        (
            "longest-first",
            torch.tensor([20, 21, 22, 10, 11, 30]),
            "the texts come in another order than in `seqs`",
        ),
    ]
    name_it(t, flat, right, cases)
    t.equal(flat, right, "`flat` is not the texts one behind the other", diagnosis="flat-differs")
    name_it(
        t,
        positions,
        torch.tensor([0, 1, 0, 1, 2, 0]),
        [
            ("positions-not-restarted", torch.arange(6), "the positions run on through all texts: they "
                                                         "start from 0 in "
             "each"),
            ("positions-from-one", torch.tensor([1, 2, 1, 2, 3, 1]), "the positions count from 1: from 0"),
            ("ids-and-positions-exchanged", torch.tensor([0, 0, 1, 1, 1, 2]), "positions and doc_ids came "
                                                                              "in the wrong "
             "order: (flat, positions, doc_ids)"),
        ],
    )  # fmt: skip
    name_it(
        t,
        ids,
        torch.tensor([0, 0, 1, 1, 1, 2]),
        [
            (
                "ids-from-one",
                torch.tensor([1, 1, 2, 2, 2, 3]),
                "the first text has the number 0, its index in `seqs`",
            ),
            ("lengths-not-ids", torch.tensor([2, 3, 1]), "these are lengths: one number a *position*"),
            (
                "lengths-not-ids",
                torch.tensor([2, 2, 3, 3, 3, 1]),
                "these are lengths: the *index* of the text",
            ),
            (
                "lengths-not-ids",
                torch.tensor([0, 1, 2]),
                "one number a *position* is asked for, not one a text",
            ),
        ],
    )
    t.equal(
        positions,
        torch.tensor([0, 1, 0, 1, 2, 0]),
        "the positions of texts of 2, 3 and 1 tokens",
        diagnosis="other-positions",
        dtype=False,
    )
    t.equal(
        ids,
        torch.tensor([0, 0, 1, 1, 1, 2]),
        "the doc_ids of texts of 2, 3 and 1 tokens",
        diagnosis="other-ids",
        dtype=False,
    )
    vectors = texts(t, 2, 1)
    t.equal(
        value_of(t, lambda: a.pack(vectors), "pack-fails", "pack of tokens that are vectors")[0],
        torch.cat(vectors),
        "tokens that are vectors [T_i, 3]: `flat` is [ΣT, 3]",
        diagnosis="features-lost",
    )
    for name, value in (("positions", positions), ("doc_ids", ids)):
        t.that(
            value.dtype == torch.int64,
            f"`{name}` is {value.dtype}, expected int64",
            diagnosis="dtype-of-the-numbers",
        )


@probe("empty-among-others")
def empties(a: Any, t: Trial) -> None:
    seqs = texts(t, 0, 2, 0, 1, 0)
    found = value_of(t, lambda: a.pack(seqs), "empty-among-others", "pack with empty texts among others")
    t.that(
        not same(found[2], torch.tensor([0, 0, 1])),
        "empty texts lost their number: the text behind one has its index in `seqs`, here 1 and 3",
        diagnosis="empty-texts-lose-their-number",
    )
    t.equal(
        [*found],
        [torch.cat(seqs), torch.tensor([0, 1, 0]), torch.tensor([1, 1, 3])],
        "pack of texts of the lengths 0, 2, 0, 1, 0",
        diagnosis="empty-among-others",
    )


@probe("nothing-to-pack")
def nothing(a: Any, t: Trial) -> None:
    t.raises(ValueError, lambda: a.pack([]), "pack([])", diagnosis="nothing-to-pack")


@probe("the-call")
def call(a: Any, t: Trial) -> None:
    model, seqs = Watched(t), texts(t, 3, 1, 2)
    parts = value_of(
        t,
        lambda: a.encode_packed(model, seqs),
        "encode-fails",
        "encode_packed with texts of 3, 1 and 2 tokens",
    )
    t.that(
        len(model.calls) == 1,
        f"the model was called {len(model.calls)} times for three texts: all of them go through it in *one* "
        "pass",
        diagnosis="not-one-pass",
    )
    x, positions, mask = model.calls[0]
    t.that(
        tuple(x.shape) == (1, 6, 3),
        f"the model got an x of shape {tuple(x.shape)} for texts of 3, 1 and 2 tokens: expected (1, 6, 3), "
        "one row "
        "without padding",
        diagnosis="padded-not-packed",
    )
    t.that(
        tuple(positions.shape) == (1, 6),
        f"the model got positions of shape {tuple(positions.shape)}, expected (1, 6)",
        diagnosis="shape-of-the-positions",
    )
    t.that(
        not same(positions[0], torch.arange(6)),
        "the model got positions that run on through all texts: they start from 0 in each",
        diagnosis="positions-not-restarted",
    )
    t.that(
        not same(positions[0], torch.tensor([0, 0, 0, 1, 2, 2])),
        "the model got the doc_ids as positions: a position is counted from 0 in its text",
        diagnosis="ids-and-positions-exchanged",
    )
    t.equal(
        positions[0],
        torch.tensor([0, 1, 2, 0, 0, 1]),
        "the positions that the model got",
        diagnosis="other-positions",
    )
    ids = torch.tensor([0, 0, 0, 1, 2, 2])
    t.that(
        isinstance(mask, Tensor) and mask.dtype == torch.bool,
        f"the model got a mask that is {mask.dtype if isinstance(mask, Tensor) else type(mask).__name__}: a "
        "boolean "
        "one is asked for, True = may attend",
        diagnosis="mask-not-boolean",
    )
    own = ids[:, None] == ids
    seen = value_of(t, lambda: mask.expand(1, 2, 6, 6), "shape-of-the-mask",
                    f"a mask of shape {tuple(mask.shape)} must broadcast to [1, H, ΣT, ΣT]; it")  # fmt: skip
    cases = [
        ("mask-inverted", ~own, "the mask is inverted: True means “may attend”, and a text sees itself"),
        ("attention-crosses-texts", torch.ones(6, 6).bool(), "the mask allows everything: text 2 changes "
                                                             "when text 1 "
         "does. A position sees its own text only"),
        ("a-causal-mask", own.tril(), "the mask is causal besides: in an encoder a position sees all of its "
                                      "text"),
        ("a-causal-mask", torch.ones(6, 6).bool().tril(), "the mask is causal, and does not keep the texts "
                                                          "apart"),
        ("only-the-diagonal", torch.eye(6).bool(), "every position sees itself alone: it sees its whole "
                                                   "text"),
    ]  # fmt: skip
    name_it(t, seen[0, 0], own, cases)
    for i, j in (seen[0, 0] & ~own).nonzero().tolist():
        t.fail(
            f"position {i}, of text {ids[i]}, may see position {j}, of text {ids[j]}: a position sees its "
            "own text only",
            diagnosis="attention-crosses-some-texts",
        )
    t.equal(seen[0, 0], own, "a position sees its whole text", diagnosis="other-mask")
    shapes = (
        [tuple(part.shape) for part in parts] if isinstance(parts, list | tuple) else type(parts).__name__
    )
    t.that(
        isinstance(parts, list | tuple) and shapes == [(3, 4), (1, 4), (2, 4)],
        f"encode_packed gave {shapes}, expected one tensor a text: [(3, 4), (1, 4), (2, 4)]",
        diagnosis="not-one-tensor-a-text",
    )
    for number, (part, seq) in enumerate(zip(parts, seqs, strict=True)):
        t.equal(
            part,
            model.alone(seq),
            f"text {number} is encoded differently than alone",
            diagnosis="not-as-alone",
        )


@probe("order-of-the-results")
def order(a: Any, t: Trial) -> str | None:
    model, seqs = Watched(t), texts(t, 2, 0, 2)
    attempt = t.tried(lambda: a.encode_packed(model, seqs))
    if attempt.error is not None:
        return f"with an empty text among others it raised {type(attempt.error).__name__}: {attempt.error}"
    shapes = [tuple(part.shape) for part in attempt.value]
    if shapes != [(2, 4), (0, 4), (2, 4)]:
        return f"texts of the lengths 2, 0, 2 gave {shapes}: an empty text keeps its place, with [0, D]"
    if not same(attempt.value[0], model.alone(seqs[0])):
        return "two texts of equal length came back in the wrong order"
    return None


@probe("results-detached")
def flows(a: Any, t: Trial) -> str | None:
    model, seqs = Watched(t), [seq.requires_grad_() for seq in texts(t, 2, 1)]
    a.encode_packed(model, seqs)
    out = a.encode_packed(model, seqs)
    if not out[1].requires_grad:
        return "the results are cut off from autograd: nothing could be trained through them"
    out[1].sum().backward()
    first = seqs[0].grad
    if first is not None and bool(first.any()):
        return (
            f"the gradient of text 1's result arrives at text 0: {numbers(first[0])}. The texts are not "
            "kept apart"
        )
    return None
