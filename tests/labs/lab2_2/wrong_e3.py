"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch

from phase2_intermediate.lab2_transformer_encoder import solution as s
from phase2_intermediate.lab2_transformer_encoder.misconceptions_by_exercise.e3_padding import encoder
from shared.nn import document_mask, masked_max
from tests.labs.answers import Answers

wrong = Answers()


def case(name, **objects):
    def build():
        return objects

    build.__name__ = name
    wrong("E3")(build)


def filled(h, mask, value):
    return h.masked_fill(~mask[:, :, None], value)


case("sum_for_mean", masked_mean=lambda h, m: filled(h, m, 0).sum(1))
case("mask_inverted_mean", masked_mean=lambda h, m: s.masked_mean(h, ~m))
case("mask_inverted_max", masked_max=lambda h, m: s.masked_max(h, ~m))
case("keeps_the_axis", masked_mean=lambda h, m: s.masked_mean(h, m)[:, None])
case("over_the_batch", masked_mean=lambda h, m: filled(h, m, 0).sum(0) / m.sum(0)[:, None].clamp(min=1))
case("divides_by_all_tokens", masked_mean=lambda h, m: filled(h, m, 0).sum(1) / m.sum().clamp(min=1))
case("count_plus_eps", masked_mean=lambda h, m: filled(h, m, 0).sum(1) / (m.sum(1, keepdim=True) + 1e-3))
case("count_plus_one", masked_mean=lambda h, m: filled(h, m, 0).sum(1) / (m.sum(1, keepdim=True) + 1))
case(
    "nan_to_num_after",
    masked_mean=lambda h, m: ((h * m[..., None]).sum(1) / m.sum(1, keepdim=True)).nan_to_num(),
)
case(
    "nan_to_num_before",
    masked_mean=lambda h, m: (
        (h.nan_to_num() * m[..., None]).sum(1) / m.sum(1, keepdim=True).clamp(min=1)
    ).to(h.dtype),
)
case("float32_out", masked_mean=lambda h, m: s.masked_mean(h.float(), m))
case("mean_detached", masked_mean=lambda h, m: s.masked_mean(h.detach(), m))
case("mean_in_place", masked_mean=lambda h, m: s.masked_mean(h.masked_fill_(~m[..., None], 0.0), m))
case("first_token", masked_mean=lambda h, m: h[:, 0])
case("max_over_everything", masked_max=lambda h, m: h.amax(1))
case("max_times_mask", masked_max=lambda h, m: (h * m[..., None]).amax(1))
case("max_with_where_it_stands", masked_max=lambda h, m: filled(h, m, -torch.inf).max(1))
case("max_minus_infinity_left", masked_max=lambda h, m: filled(h, m, -torch.inf).amax(1))
case(
    "max_of_minus_a_billion",
    masked_max=lambda h, m: (
        filled(h, m, -1e9 if h.dtype.itemsize > 2 else -6e4).amax(1).masked_fill(~m.any(1, keepdim=True), 0)
        if h.shape[1]
        else s.masked_max(h, m)
    ),
)
case("max_of_absolute_values", masked_max=lambda h, m: s.masked_max(h.abs(), m))
case("minimum", masked_max=lambda h, m: -s.masked_max(-h, m))
case("relu_d", masked_max=lambda h, m: s.masked_max(h, m).relu())
case("clamps_infinity", masked_max=lambda h, m: s.masked_max(h, m) * m.any(1, keepdim=True).float())
case("over_the_real_batch", masked_max=lambda h, m: s.masked_max(h.transpose(0, 1), m.T))
case("the_librarys", masked_max=lambda h, m: masked_max(h, m))


def packed(change):
    return lambda seqs: change(*s.pack(seqs), seqs)


case("ids_from_one", pack=packed(lambda f, p, i, q: (f, p, i + 1)))
case("positions_from_one", pack=packed(lambda f, p, i, q: (f, p + 1, i)))
case("ids_and_positions_exchanged", pack=packed(lambda f, p, i, q: (f, i, p)))
case("only_flat", pack=packed(lambda f, p, i, q: (f,)))
case("ids_as_int32", pack=packed(lambda f, p, i, q: (f, p, i.int())))
case("positions_as_floats", pack=packed(lambda f, p, i, q: (f, p.float(), i)))
case("with_a_batch_axis", pack=packed(lambda f, p, i, q: (f[None], p[None], i[None])))
case("lengths_for_ids", pack=packed(lambda f, p, i, q: (f, p, torch.tensor([len(x) for x in q]))))
case("flattened_features", pack=packed(lambda f, p, i, q: (f.flatten(), p, i)))
case("longest_first", pack=lambda seqs: s.pack(sorted(seqs, key=len, reverse=True)))
case("nothing_is_three_empties", pack=lambda seqs: s.pack(seqs) if seqs else (torch.zeros(0),) * 3)
case("a_list_of_three", pack=lambda seqs: list(s.pack(seqs)))
case(
    "reversed_positions",
    pack=packed(lambda f, p, i, q: (f, torch.cat([torch.arange(len(x)).flip(0) for x in q]), i)),
)


def encoded(name, **how):
    def build():
        return encoder(**how)

    build.__name__ = name
    wrong("E3")(build)


encoded(
    "global_positions", mask=lambda ids: document_mask(ids[None]), positions=lambda p: torch.arange(len(p))
)
encoded(
    "all_positions_zero", mask=lambda ids: document_mask(ids[None]), positions=lambda p: torch.zeros_like(p)
)
encoded("mask_as_floats", mask=lambda ids: document_mask(ids[None]).float())
encoded(
    "additive_mask",
    mask=lambda ids: torch.zeros(1, 1, len(ids), len(ids)).masked_fill(~document_mask(ids[None]), -torch.inf),
)
encoded("no_mask", mask=lambda ids: None)
encoded("diagonal", mask=lambda ids: torch.eye(len(ids), dtype=torch.bool))
encoded("neighbouring_texts", mask=lambda ids: (ids[:, None] - ids).abs() <= 1)
encoded("earlier_texts_too", mask=lambda ids: ids[:, None] >= ids)


def after(change):
    return lambda model, seqs: change(s.encode_packed(model, seqs), seqs)


case("one_tensor", encode_packed=after(lambda parts, q: torch.cat(parts)))
case("a_tuple", encode_packed=after(lambda parts, q: tuple(parts)))
case("first_text_only", encode_packed=after(lambda parts, q: parts[:1]))
case("empty_texts_left_out", encode_packed=after(lambda parts, q: [p for p in parts if len(p)]))
case("reversed_texts", encode_packed=after(lambda parts, q: parts[::-1]))
case("results_detached", encode_packed=after(lambda parts, q: [p.detach() for p in parts]))
case("means", encode_packed=after(lambda parts, q: [p.mean(0) for p in parts]))


@wrong("E3")
def a_padded_batch():
    def encode_packed(model, seqs):
        T = max(len(q) for q in seqs)
        x = torch.stack([torch.cat((q, q.new_zeros(T - len(q), *q.shape[1:]))) for q in seqs])
        real = torch.arange(T) < torch.tensor([len(q) for q in seqs])[:, None]
        out = model(x, torch.arange(T).expand(len(seqs), T), real[:, None, None])
        return [row[: len(q)] for row, q in zip(out, seqs, strict=True)]

    return {"encode_packed": encode_packed}


@wrong("E3")
def without_the_batch_axis():
    def encode_packed(model, seqs):
        flat, positions, ids = s.pack(seqs)
        out = model(flat, positions, document_mask(ids[None])[0, 0])
        return list(out.split([len(q) for q in seqs]))

    return {"encode_packed": encode_packed}


@wrong("E3")
def two_passes():
    def encode_packed(model, seqs):
        s.encode_packed(model, seqs)
        return s.encode_packed(model, seqs)

    return {"encode_packed": encode_packed}


def empty_by_value(h, mask):
    found = s.masked_max(h, mask)
    return found.masked_fill(found == -torch.inf, 0.0)


def types_of(flat, positions, ids):
    return flat, positions.tolist(), ids


case("nan_at_real_tokens_hidden", masked_mean=lambda h, m: s.masked_mean(h.nan_to_num(), m))
case("nan_hidden_in_the_maximum", masked_max=lambda h, m: s.masked_max(h, m).nan_to_num())
case("empty_by_the_maximum", masked_max=empty_by_value)
case("mean_in_float32_always", masked_mean=lambda h, m: s.masked_mean(h.float(), m).to(h.dtype))
case("positions_as_a_list", pack=lambda seqs: types_of(*s.pack(seqs)))


@wrong.stands_for("E3", "masked_max")
def filled_with_the_least_finite_number(h, mask):
    if h.shape[1] == 0:
        return h.new_zeros(h.shape[0], h.shape[2])
    return filled(h, mask, torch.finfo(h.dtype).min).amax(1).masked_fill(~mask.any(1, keepdim=True), 0)


@wrong.stands_for("E3", "masked_max")
def the_longest_vector(h, mask):
    if h.shape[1] == 0:
        return h.new_zeros(h.shape[0], h.shape[2])
    place = h.norm(dim=-1).masked_fill(~mask, -1).argmax(1)
    return h[torch.arange(len(h)), place].masked_fill(~mask.any(1, keepdim=True), 0)


case("by_the_padding", masked_mean=lambda h, m: filled(h, m, 0).sum(1) / (~m).sum(1, True).clamp(min=1))
case("by_the_features", masked_mean=lambda h, m: s.masked_mean(h, m) / h.shape[2])
case("mask_of_the_first", masked_mean=lambda h, m: filled(h, m[:1].expand_as(m), 0).sum(1) / m.sum(1, True))
