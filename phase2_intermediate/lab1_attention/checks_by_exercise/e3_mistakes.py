"""The known mistakes of E3, each by the small mask that it gives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Probes, Trial
from courseware.check.naming import name_it

probe = Probes()


def grid(queries: int, keys: int, sees: Any) -> Tensor:
    """The mask by its definition, one pair (i, j) after the other."""
    rows = [[bool(sees(i, j)) for j in range(keys)] for i in range(queries)]
    return torch.tensor(rows, dtype=torch.bool).reshape(queries, keys)


def causal_grid(queries: int, keys: int, offset: int = 0) -> Tensor:
    return grid(queries, keys, lambda i, j: j <= i + offset)


def window_grid(queries: int, keys: int, left: int, right: int) -> Tensor:
    return grid(queries, keys, lambda i, j: i - left <= j <= i + right)


def padding_grid(lengths: Tensor, time: int) -> Tensor:
    rows = [[j < n for j in range(time)] for n in lengths.tolist()]
    return torch.tensor(rows, dtype=torch.bool).reshape(len(rows), 1, 1, time)


def documents_grid(ids: Tensor) -> Tensor:
    batch, time = ids.shape
    pages = [grid(time, time, lambda i, j, row=row: row[i] == row[j] and row[i] >= 0) for row in ids.tolist()]
    return torch.stack(pages).reshape(batch, 1, time, time) if pages else torch.ones(0, 1, time, time).bool()


def drawn(mask: Tensor) -> str:
    """A mask of two axes as rows of 1 and 0."""
    return " / ".join("".join(str(int(x)) for x in row) for row in mask.tolist())


def boolean(t: Trial, function: str, mask: Any) -> Tensor:
    """The mask, if it is boolean; a float one is named, unless another mistake explains it better."""
    t.that(
        mask.dtype == torch.bool,
        f"`{function}` returned {str(mask.dtype).removeprefix('torch.')}: a mask is boolean, True = may "
        "attend",
        diagnosis="not-boolean",
    )
    return mask


@probe("the-causal-mask")
def causal(a: Any, t: Trial) -> None:
    for queries, keys, offset in ((3, 3, 0), (3, 5, 0), (2, 6, 3), (3, 4, -1)):
        mask = boolean(t, "causal", a.causal(queries, keys, offset) if offset else a.causal(queries, keys))
        i, j = torch.arange(queries)[:, None], torch.arange(keys)
        right = causal_grid(queries, keys, offset)
        shown = f"causal({queries}, {keys}{f', offset={offset}' if offset else ''})"
        shape = f"its rows are {drawn(mask)}" if mask.dim() == 2 else ""
        name_it(
            t,
            mask,
            right,
            [
                ("offset-ignored", j <= i, f"{shown}: {shape}. The offset has no effect"),
                (
                    "causal-without-itself",
                    j < i + offset,
                    f"{shown}: {shape}. A position must see itself: j ≤ i + offset. Else query 0 sees "
                    "nothing",
                ),
                (
                    "causal-looks-ahead",
                    j >= i + offset,
                    f"{shown}: {shape}. Each query sees the future, not the past",
                ),
                (
                    "causal-looks-ahead",
                    j > i + offset,
                    f"{shown}: {shape}. True stands where the query may *not* look",
                ),
                (
                    "causal-one-too-far",
                    j <= i + offset + 1,
                    f"{shown}: {shape}. One key of the future is visible",
                ),
                (
                    "offset-subtracted",
                    j <= i - offset,
                    f"{shown}: {shape}. The offset is subtracted: query i stands at position i + offset",
                ),
                (
                    "aligned-at-the-last-key",
                    j <= i + keys - queries,
                    f"{shown}: {shape}. The last query is aligned with the last key; only the offset moves "
                    "it",
                ),
                (
                    "aligned-at-the-last-key",
                    j <= i + keys - queries + offset,
                    f"{shown}: {shape}. The last query is aligned with the last key; only the offset moves "
                    "it",
                ),
                (
                    "earlier-positions-hidden",
                    (j <= i + offset) & (j >= offset),
                    f"{shown}: {shape}. The keys before the offset are those in the cache: they are visible",
                ),
                ("queries-and-keys-exchanged", right.T, f"{shown} has shape [T_k, T_q]: a row is a query"),
            ],
        )


@probe("the-window")
def window(a: Any, t: Trial) -> None:
    for queries, keys, left, right in ((5, 5, 2, 1), (4, 6, 0, 2), (4, 4, 1, 0), (3, 3, 0, 0)):
        mask = boolean(t, "window", a.window(queries, keys, left, right))
        d = torch.arange(keys) - torch.arange(queries)[:, None]
        expected = window_grid(queries, keys, left, right)
        shown = f"window({queries}, {keys}, left={left}, right={right})"
        shape = f"its rows are {drawn(mask)}" if mask.dim() == 2 else ""
        both = f"{shown}: {shape}, expected {drawn(expected)}."
        counts = f"{both} `left` and `right` count the keys *beside* the query, both ends included"
        name_it(
            t,
            mask,
            expected,
            [
                ("window-counts-wrongly", (d > -left) & (d < right), counts),
                ("window-counts-wrongly", (d > -left) & (d <= right), counts),
                ("window-counts-wrongly", (d >= -left) & (d < right), counts),
                ("window-counts-wrongly", (d >= -left - 1) & (d <= right + 1), counts),
                (
                    "window-sides-exchanged",
                    (d >= -right) & (d <= left),
                    f"{both} left and right are exchanged",
                ),
                (
                    "window-one-sided",
                    (d >= -left) & (d <= 0),
                    f"{both} The window also reaches to the right",
                ),
                ("window-one-sided", d >= -left, f"{both} The right end is missing"),
                ("window-one-sided", d <= right, f"{both} The left end is missing"),
                ("window-one-sided", d.abs() <= left, f"{both} The two sides may differ"),
                (
                    "window-aligned-at-the-last-key",
                    (d - keys + queries >= -left) & (d - keys + queries <= right),
                    f"{both} Query i sees itself, key i: the first query is aligned with the first key",
                ),
                (
                    "window-either-side",
                    (d >= -left) | (d <= right),
                    f"{both} Both conditions must hold: & and not |",
                ),
                ("mask-inverted", ~expected, f"{both} True means that the query may attend"),
                ("window-without-itself", expected & (d != 0), f"{both} A query sees itself"),
                ("queries-and-keys-exchanged", expected.T, f"{shown} has shape [T_k, T_q]: a row is a query"),
            ],
        )


@probe("the-padding-mask")
def padding(a: Any, t: Trial) -> None:
    lengths = torch.tensor([2, 5, 0])
    mask = boolean(t, "padding", a.padding(lengths, 5))
    right = padding_grid(lengths, 5)
    flat = right[:, 0, 0]
    rows = flat[:, None, :, None].expand(3, 1, 5, 5)
    words = "padding([2, 5, 0], 5)"
    queries = (
        f"{words} hides padded *queries*; padded keys stay visible to everybody. Hide keys: [B, 1, 1, T]"
    )
    name_it(
        t,
        mask,
        right,
        [
            ("padding-hides-queries", flat[:, None, :, None], queries),
            ("padding-hides-queries", rows, queries),
            (
                "padding-hides-queries",
                rows & flat[:, None, None, :],
                f"{words} hides queries besides keys: what a padded query computes is ignored later, and a "
                "row without any True helps nobody",
            ),
            *(
                (
                    "padding-shape",
                    flat.reshape(shape),
                    f"{words} has shape {shape}, which does not broadcast to [B, H, T_q, T_k] as it should: "
                    "it would line up the batch with another axis. [B, 1, 1, T] is asked for",
                )
                for shape in ((3, 5), (3, 1, 5), (1, 3, 5), (1, 3, 1, 5), (1, 1, 3, 5))
            ),
            (
                "padding-shape",
                right.expand(3, 1, 5, 5),
                f"{words} has T rows that are all alike: [B, 1, 1, T] is enough",
            ),
            ("mask-inverted", ~right, f"{words} is True at the padding; it must be True at what is real"),
            (
                "padding-one-too-long",
                torch.arange(5) <= lengths[:, None, None, None],
                f"{words} sees one key too many: a sequence of length 2 has the positions 0 and 1",
            ),
            (
                "padding-one-too-short",
                torch.arange(1, 6) < lengths[:, None, None, None],
                f"{words} sees one key too few: a sequence of length 2 has the positions 0 and 1",
            ),
            (
                "padding-sorted",
                torch.arange(5) < lengths.sort(descending=True).values[:, None, None, None],
                f"{words} sorts the lengths: row b belongs to sequence b",
            ),
            (
                "padding-on-the-left",
                torch.arange(5) >= 5 - lengths[:, None, None, None],
                f"{words} takes the padding to be on the left",
            ),
            (
                "padding-never-empty",
                torch.arange(5) < lengths.clamp(min=1)[:, None, None, None],
                f"{words}: a sequence of length 0 has no real key, not even the first",
            ),
        ],
    )


@probe("the-documents-mask")
def documents(a: Any, t: Trial) -> None:
    ids = torch.tensor([[0, 0, 1, 1, 1, -1, -1], [2, 2, 5, 5, 2, 0, -1]])
    mask = boolean(t, "documents", a.documents(ids))
    right = documents_grid(ids)
    same_id = (ids[:, :, None] == ids[:, None, :])[:, None]
    real = (ids >= 0)[:, None]
    words = "documents([[0, 0, 1, 1, 1, −1, −1], …])"
    change = torch.cat([torch.zeros(2, 1, dtype=torch.int64), (ids[:, 1:] != ids[:, :-1]).cumsum(1)], dim=1)
    runs = (change[:, :, None] == change[:, None, :])[:, None]
    name_it(
        t,
        mask,
        right,
        [
            (
                "padding-sees-padding",
                same_id,
                f"{words}: −1 equals −1, so the padding attends to itself like a text. It sees nothing",
            ),
            (
                "padding-sees-itself",
                right | torch.eye(7, dtype=torch.bool),
                f"{words}: a padded position sees itself; it sees nothing, itself included",
            ),
            (
                "text-zero-taken-for-padding",
                right & (ids > 0)[:, None, :, None],
                f"{words}: text number 0 is treated as padding; only −1 is",
            ),
            (
                "documents-shape",
                right[:, 0],
                f"{words} has shape (2, 7, 7), expected (2, 1, 7, 7): one axis for heads",
            ),
            (
                "documents-causal-too",
                right & torch.ones(7, 7, dtype=torch.bool).tril(),
                f"{words} also hides the future: that is `causal`, to be combined if it is wanted",
            ),
            (
                "documents-see-everything-real",
                real[:, :, None, :] & real[:, :, :, None],
                f"{words}: every real position sees every other, whatever its text",
            ),
            (
                "documents-see-everything-real",
                real[:, :, None, :].expand(2, 1, 7, 7),
                f"{words}: every position sees everything real, whatever its text",
            ),
            (
                "neighbours-instead-of-numbers",
                runs & real[:, :, :, None],
                "documents([[2, 2, 5, 5, 2, 0, −1]]): the last 2 belongs to the same text as the first two; "
                "compare the numbers, not where they change",
            ),
            ("mask-inverted", ~right, f"{words}: True means that the query may attend"),
            (
                "mask-inverted",
                ~same_id & real[:, :, None, :],
                f"{words}: each position sees the *other* texts",
            ),
        ],
    )
